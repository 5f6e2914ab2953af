package state_test

import (
	"context"
	"errors"
	"testing"

	"github.com/mediasweep/mediasweep/internal/account"
	"github.com/mediasweep/mediasweep/internal/emulator"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/objects"
	"github.com/mediasweep/mediasweep/internal/state"
)

// A record is written once: also when its answer is lost, and when OSS says that there
// is one that it does not have.
func TestBucketCreatesOnce(t *testing.T) {
	for _, kind := range []emulator.FaultKind{"", emulator.DropAfter, emulator.DropBefore, emulator.Unavailable, emulator.Conflict} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			e, err := emulator.Start(emulator.Config{})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = e.Close() })
			e.PutBucket("ops", "")
			env := e.Env()
			getenv := func(name string) string { return env[name] }
			a, err := account.FromEnvironment(getenv)
			if err != nil {
				t.Fatal(err)
			}
			b := state.Bucket{OSS: objects.New(a).Session(account.NewKeyring(getenv).Or(account.Credentials{})), Prefix: media.Object{Bucket: "ops", Key: "state/"}}
			if kind != "" {
				e.Inject(emulator.Fault{Operation: "PutObject", Kind: kind, Count: 1})
			}
			ctx := context.Background()
			if err := b.Create(ctx, "a/1", []byte("one")); err != nil {
				t.Fatal(err)
			}
			if err := b.Create(ctx, "a/1", []byte("two")); !errors.Is(err, state.ErrExists) {
				t.Errorf("a second record of its name: %v", err)
			}
			if err := b.Create(ctx, "a/1", []byte("one")); err != nil {
				t.Errorf("the same record: %v", err)
			}
			if got, err := b.Read(ctx, "a/1"); err != nil || string(got) != "one" {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
}
