package state_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/internal/fuzztest"
	"github.com/mediasweep/mediasweep/internal/state"
)

// Without a home the state is in the temporary folder, if what is there is the user's own.
func TestTheTemporaryFolder(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("here each user has a temporary folder of their own")
	}
	nothing := func(string) string { return "" }
	for name, test := range map[string]struct {
		make func(folder string) error
		want string // in the error
	}{
		"nothing there":     {func(string) error { return nil }, ""},
		"own":               {func(folder string) error { return os.Mkdir(folder, 0o700) }, ""},
		"others may write":  {func(folder string) error { return errors.Join(os.Mkdir(folder, 0o700), os.Chmod(folder, 0o777)) }, "others may write"},
		"a group may write": {func(folder string) error { return errors.Join(os.Mkdir(folder, 0o700), os.Chmod(folder, 0o770)) }, "others may write"},
		"only others":       {func(folder string) error { return errors.Join(os.Mkdir(folder, 0o700), os.Chmod(folder, 0o702)) }, "others may write"},
		"a link":            {func(folder string) error { return os.Symlink(filepath.Dir(folder), folder) }, "a link"},
		"a link to nothing": {func(folder string) error { return os.Symlink("/nowhere", folder) }, "a link"},
		"a file":            {func(folder string) error { return os.WriteFile(folder, nil, 0o600) }, "a file"},
		"another user's": {func(folder string) error {
			if os.Geteuid() != 0 {
				return errors.ErrUnsupported
			}
			return errors.Join(os.Mkdir(folder, 0o700), os.Chown(folder, 12345, 12345))
		}, "another user"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("TMPDIR", t.TempDir())
			folder := filepath.Join(os.TempDir(), "mediasweep")
			if err := test.make(folder); errors.Is(err, errors.ErrUnsupported) {
				t.Skip(err)
			} else if err != nil {
				t.Fatal(err)
			}
			location, err := state.ParseLocation("", nothing)
			if test.want == "" {
				if info, statErr := os.Lstat(folder); err != nil || location.Folder != folder || statErr != nil || info.Mode().Perm() != 0o700 {
					t.Errorf("%+v, %v", location, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "MEDIASWEEP_STATE") {
				t.Errorf("%+v, %v, want %s", location, err, test.want)
			}
		})
	}
}

// A read of a folder ends with its context, and what is no file is none of its records.
func TestFolderReads(t *testing.T) {
	folder := t.TempDir()
	f := state.Folder(folder)
	if err := f.Create(t.Context(), "a/b", []byte("text")); err != nil {
		t.Fatal(err)
	}
	if got, err := f.Read(t.Context(), "a/b"); err != nil || string(got) != "text" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := f.Read(t.Context(), "a/c"); !errors.Is(err, state.ErrNotFound) {
		t.Errorf("a record that is not there: %v", err)
	}
	if _, err := f.Read(t.Context(), "a"); !errors.Is(err, state.ErrDamaged) || !strings.Contains(err.Error(), "record a") {
		t.Errorf("a folder: %v", err)
	}
	if err := os.Symlink("/nowhere", filepath.Join(folder, "link")); err == nil { // Windows may refuse it
		if _, err := f.Read(t.Context(), "link"); !errors.Is(err, state.ErrDamaged) || !strings.Contains(err.Error(), "record link") {
			t.Errorf("a link to nothing: %v", err)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := f.Read(ended, "a/b"); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("after the end: %v", err)
	}
}

// What could not be read back is not written, and what is larger is not read.
func TestRecordsThatAreTooLarge(t *testing.T) {
	folder := t.TempDir()
	f := state.Folder(folder)
	if err := f.Create(t.Context(), "a", make([]byte, state.MaxBytes+1)); err == nil || !strings.Contains(err.Error(), "record a") {
		t.Errorf("written: %v", err)
	}
	if _, err := os.Stat(filepath.Join(folder, "a")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it is there: %v", err)
	}
	sparse, err := os.Create(filepath.Join(folder, "b"))
	if err = errors.Join(err, sparse.Truncate(1<<40), sparse.Close()); err != nil {
		t.Skip(err)
	}
	if _, err := f.Read(t.Context(), "b"); !errors.Is(err, state.ErrDamaged) || !strings.Contains(err.Error(), "record b") {
		t.Errorf("read: %v", err)
	}
}

// A lease whose number leaves no room for another one fails with its name; one that no
// run numbers, or that is of a time to come, keeps nobody waiting.
func TestLeasesWithOddNumbers(t *testing.T) {
	record := []byte(`{"format":1,"holder":"x","run":"other","released":false}`)
	for name, want := range map[string]string{
		"lease/0000000000000000000.json":                        "the last possible one",
		"lease/0000000000000000001.json":                        "under way",
		fmt.Sprintf("lease/%019d.json", int64(math.MaxInt64-1)): "under way",
		fmt.Sprintf("lease/%019d.json", int64(math.MaxInt64)):   "",
		"lease/-000000000000000005.json":                        "",
		"lease/-9223372036854775808.json":                       "",
		"lease/5.json":                                          "",
		"lease/9999999999999999999.json":                        "",
		"lease/x.json":                                          "",
	} {
		m := newMemory()
		if err := m.Create(t.Context(), name, record); err != nil {
			t.Fatal(err)
		}
		l, err := state.Acquire(t.Context(), m, "run")
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
		if want == "the last possible one" && !strings.Contains(err.Error(), name) {
			t.Errorf("%v names no record", err)
		}
		if err == nil {
			if _, err := state.Acquire(t.Context(), m, "run"); !errors.Is(err, state.ErrBusy) {
				t.Errorf("%s: another run takes it too: %v", name, err)
			}
			if err := l.Release(t.Context()); err != nil {
				t.Error(err)
			}
		}
	}
	m := newMemory()
	const future = "lease/9223372036854775000.json"
	if err := m.Create(t.Context(), future, record); err != nil {
		t.Fatal(err)
	}
	m.written[future] = time.Now().AddDate(1000, 0, 0)
	if _, err := state.Acquire(t.Context(), m, "run"); err != nil {
		t.Errorf("a lease of the year 3000: %v", err)
	}
}

// FuzzLease reads any record under any name: a lease is taken, busy or refused.
func FuzzLease(f *testing.F) {
	f.Add("lease/9223372036854775806.json", []byte(`{"format":1,"holder":"x","run":"other","released":true}`))
	f.Add("lease/0000000000000000000.json", []byte(`{}`))
	fuzztest.Fuzz(f, func(t *testing.T, name string, data []byte) {
		m := newMemory()
		if err := m.Create(t.Context(), name, data); err != nil {
			t.Fatal(err)
		}
		if _, err := state.Acquire(t.Context(), m, "run"); err != nil {
			return
		}
		if _, err := state.Acquire(t.Context(), m, "another"); !errors.Is(err, state.ErrBusy) {
			t.Errorf("%q: taken twice: %v", name, err)
		}
	})
}
