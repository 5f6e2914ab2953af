package emulator_test

import (
	"fmt"
	"time"

	"github.com/mediasweep/mediasweep/internal/emulator"
)

// A library of one medium, where the answer to the first deletion gets lost.
func Example() {
	fault, err := emulator.ParseFault("DeleteMedia:drop-after:count=1")
	if err != nil {
		fmt.Println(err)
		return
	}
	e, err := emulator.Start(emulator.Config{
		AsOf:   time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC),
		MPS:    emulator.MPSOptions{UnknownID: emulator.RefuseWhole},
		Faults: []emulator.Fault{fault},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	e.Add(emulator.Medium{
		ID:           "00000000000000000000000000000abc",
		Key:          "clips/intro.mp4",
		CreationTime: "2025-05-01T00:00:00Z",
		Tags:         []string{"legal-hold"},
	})

	// A client that takes e.Env() as its environment finds the emulator.
	fmt.Println(e.Env()["MEDIASWEEP_REGION"])
	for _, m := range e.Media() {
		fmt.Println(m.ID, m.PublishState, m.Deleted)
	}
	if err := e.Close(); err != nil {
		fmt.Println(err)
	}
	// Output:
	// cn-shanghai
	// 00000000000000000000000000000abc Published false
}
