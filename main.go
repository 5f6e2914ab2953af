// Command mediasweep keeps an ApsaraVideo Media Processing library within its
// retention policy. The same program is the command line and the function.
package main

import (
	_ "embed"
	"net/http"
	"os"
	_ "time/tzdata" // policies name time zones, and function instances may have no database of them

	"github.com/mediasweep/mediasweep/internal/cli"
	"github.com/mediasweep/mediasweep/internal/credentials"
	"github.com/mediasweep/mediasweep/internal/heap"
)

//go:embed retention.yaml
var shippedPolicy []byte

// version is set by the linker in a release; see internal/dist.
var version string

func main() {
	heap.Tune(os.Getenv)
	credentials.KeepDirect(http.DefaultTransport.(*http.Transport))
	ctx, stop := cli.UntilStopped()
	command := cli.Command{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv, Policy: shippedPolicy, Version: version}
	code := command.Main(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}
