package task_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/mediasweep/mediasweep/internal/task"
	"github.com/mediasweep/mediasweep/internal/text"
)

func TestDo(t *testing.T) {
	failed := errors.New("failed")
	var none []int
	for name, test := range map[string]struct {
		work func() error
		want string
	}{
		"nothing":       {func() error { return nil }, ""},
		"an error":      {func() error { return failed }, "failed"},
		"a panic":       {func() error { panic("no rule") }, "internal error: no rule, in github.com/mediasweep/mediasweep/internal/task_test.TestDo.func"},
		"of runtime":    {func() error { return errors.New(strings.Repeat("x", none[3])) }, "internal error: runtime error: index out of range [3] with length 0, in github.com/mediasweep/mediasweep/internal/task_test.TestDo.func"},
		"a long reason": {func() error { panic(strings.Repeat("x", 1<<20)) }, "internal error: xxx"},
	} {
		err := task.Do(test.work)
		if (err == nil) != (test.want == "") || err != nil && !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("%s: %v, want %s", name, err, test.want)
		}
		if err != nil && len(err.Error()) > text.MaxMessage {
			t.Errorf("%s: %d bytes", name, len(err.Error()))
		}
	}
	var panicked *task.Panic
	if err := task.Do(func() error { panic(failed) }); !errors.As(err, &panicked) || panicked.Value != any(failed) {
		t.Errorf("%v", err)
	}
}
