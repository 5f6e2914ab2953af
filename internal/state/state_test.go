package state_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/state"
)

func TestParseLocation(t *testing.T) {
	home := func(name string) string { return map[string]string{"HOME": "/home/u"}[name] }
	tests := []struct {
		text string
		want state.Location
		says string
	}{
		{"", state.Location{Folder: "/home/u/.local/state/mediasweep"}, ""},
		{"file:///var/lib/mediasweep/", state.Location{Folder: "/var/lib/mediasweep"}, ""},
		{"oss://ops/mediasweep/", state.Location{Prefix: media.Object{Bucket: "ops", Key: "mediasweep/"}}, ""},
		{"oss://ops/mediasweep", state.Location{Prefix: media.Object{Bucket: "ops", Key: "mediasweep/"}}, ""},
		{"oss://ops/", state.Location{}, "prefix of its own"},
		{"oss://ops/...", state.Location{Prefix: media.Object{Bucket: "ops", Key: ".../"}}, ""},
		{"oss://ops/a//", state.Location{}, "a segment that is empty, . or .."},
		{"oss://ops/a//b/", state.Location{}, "a segment that is empty, . or .."},
		{"oss://ops/../", state.Location{}, "a segment that is empty, . or .."},
		{"oss://ops/..", state.Location{}, "a segment that is empty, . or .."},
		{"oss://ops/.", state.Location{}, "a segment that is empty, . or .."},
		{"oss://ops/a/../b/", state.Location{}, "a segment that is empty, . or .."},
		{"oss://ops/a/./", state.Location{}, "a segment that is empty, . or .."},
		{"oss://OPS/a/", state.Location{}, "not a bucket name"},
		{"file:///", state.Location{}, "a folder of its own"},
		{"file:///var/..//", state.Location{}, "a folder of its own"},
		{"file://host/folder", state.Location{}, "not a folder"},
		{"file:relative", state.Location{}, "neither"},
		{"/var/lib", state.Location{}, "neither"},
	}
	for _, test := range tests {
		got, err := state.ParseLocation(test.text, home)
		if test.says == "" && (err != nil || got != test.want) || test.says != "" && (err == nil || !strings.Contains(err.Error(), test.says)) {
			t.Errorf("ParseLocation(%q) = %+v, %v", test.text, got, err)
		}
	}
}

func TestFolderCreatesOnce(t *testing.T) {
	top := filepath.Join(t.TempDir(), "new", "state")
	store := state.Folder(top)
	const writers = 16
	var won, lost int
	var mu sync.Mutex
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			err := store.Create(context.Background(), "plans/a.json", []byte(strings.Repeat(string(rune('a'+i)), 1000)))
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				won++
			case errors.Is(err, state.ErrExists):
				lost++
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if won != 1 || lost != writers-1 {
		t.Errorf("%d created the record and %d lost", won, lost)
	}
	data, err := os.ReadFile(filepath.Join(top, "plans", "a.json"))
	if err != nil || len(data) != 1000 || strings.Count(string(data), string(data[0])) != 1000 {
		t.Errorf("the record is not the winner's alone: %d bytes, %v", len(data), err)
	}
	entries, err := os.ReadDir(filepath.Join(top, "plans"))
	if err != nil || len(entries) != 1 {
		t.Errorf("files left behind: %v, %v", entries, err)
	}
}

// A listing begins after the name of a record, in the order of names, and skips files that are no records yet.
func TestFolderLists(t *testing.T) {
	top := t.TempDir()
	store := state.Folder(top)
	for _, name := range []string{"runs/a/2", "runs/a/1", "runs/a-b/3", "runs/b", "other/c"} {
		if err := store.Create(t.Context(), name, []byte(name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(top, "runs", ".new-1"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for after, want := range map[string]string{"": "runs/a-b/3 runs/a/1 runs/a/2 runs/b", "runs/a-b/3": "runs/a/1 runs/a/2 runs/b", "runs/a/1": "runs/a/2 runs/b", "runs/a/11": "runs/a/2 runs/b", "runs/b": ""} {
		var names []string
		for record, err := range store.List(t.Context(), "runs/", after) {
			if err != nil {
				t.Fatal(err)
			}
			names = append(names, record.Name)
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("after %q: %q, want %q", after, got, want)
		}
	}
}

// A record was written by the clock that a listing has, also if the file system has another one: here the process's
// clock starts in the year 2000.
func TestFolderHasOneClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := state.Folder(t.TempDir())
		if err := store.Create(t.Context(), "a/b", state.Empty()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		for record, err := range store.List(t.Context(), "a/", "") {
			if age := record.Now.Sub(record.Written); err != nil || age != time.Minute {
				t.Errorf("%s is %s old, want a minute: %v", record.Name, age, err)
			}
		}
	})
}

func TestFolderRefusesNamesOutside(t *testing.T) {
	for _, name := range []string{"", ".", "..", "../a", "a/../../b", "/a", "a//b"} {
		if err := state.Folder(t.TempDir()).Create(context.Background(), name, nil); err == nil {
			t.Errorf("Create(%q) went through", name)
		}
	}
}
