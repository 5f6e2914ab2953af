package state

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/mediasweep/mediasweep/internal/task"
)

// Folder stores records as files below a folder. It creates the folder at the first write.
type Folder string

// Create writes a record; see Store.
func (f Folder) Create(ctx context.Context, name string, data []byte) (err error) {
	path, err := f.path(name)
	if err = errors.Join(err, checkSize(name, int64(len(data)))); err != nil {
		return err
	}
	folder := filepath.Dir(path)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return fmt.Errorf("write a record: %w", err)
	}
	// The file is written under a temporary name, and then linked. The link fails if the name
	// exists, and no reader sees a partial record.
	temporary, err := os.CreateTemp(folder, temporaryPrefix+"*")
	if err != nil {
		return fmt.Errorf("write a record: %w", err)
	}
	defer func() {
		err = errors.Join(err, os.Remove(temporary.Name()))
	}()
	_, err = temporary.Write(data)
	if err == nil {
		err = temporary.Sync()
	}
	if err = errors.Join(err, temporary.Close()); err != nil {
		return fmt.Errorf("write record %s: %w", name, err)
	}
	// The file system may have another clock than List. A file that refuses a time keeps the file system's.
	now := time.Now()
	_ = os.Chtimes(temporary.Name(), now, now)
	switch err := os.Link(temporary.Name(), path); {
	case errors.Is(err, fs.ErrExist):
		return sameAs(ctx, f, name, data)
	case err != nil:
		return fmt.Errorf("write record %s: %w", name, err)
	}
	return syncFolders(folder, string(f))
}

// temporaryPrefix starts the names of files that are not records yet.
const temporaryPrefix = ".new-"

func (f Folder) path(name string) (string, error) {
	return filepath.Join(string(f), filepath.FromSlash(name)), checkName(name)
}

// Read returns a record; see Store. It returns at the end of ctx even if the file system hangs.
func (f Folder) Read(ctx context.Context, name string) ([]byte, error) {
	path, err := f.path(name)
	if err != nil {
		return nil, err
	}
	data, err := task.Within(ctx, func() ([]byte, error) { return readFile(path, name) })
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("record %s: %w", name, ErrNotFound)
	case err != nil:
		return nil, fmt.Errorf("read record %s: %w", name, err)
	}
	return data, nil
}

// readFile reads a record. It refuses other files than regular ones: a pipe may never end. A link to nothing
// is no missing record: somebody put it there.
func readFile(path, name string) ([]byte, error) {
	if _, err := os.Lstat(path); err != nil {
		return nil, err
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%w: it is a link to nothing", ErrDamaged)
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%w: it is not a regular file", ErrDamaged)
	}
	if err := checkSize(name, info.Size()); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
}

// List yields records; see Store.
func (f Folder) List(ctx context.Context, folder, after string) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) { f.walk(ctx, folder, after, yield) }
}

// walk yields the records below a folder, and reports whether the caller wants more. The slash behind the name of a folder
// takes part in the order: a-b/1 is before a/1.
func (f Folder) walk(ctx context.Context, folder, after string, yield func(Record, error) bool) bool {
	fail := func(err error) bool {
		yield(Record{}, fmt.Errorf("list %s: %w", folder, err))
		return false
	}
	entries, err := os.ReadDir(filepath.Join(string(f), filepath.FromSlash(folder)))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return true
	case err != nil:
		return fail(err)
	}
	nameOf := func(entry fs.DirEntry) string {
		if entry.IsDir() {
			return folder + entry.Name() + "/"
		}
		return folder + entry.Name()
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(nameOf(a), nameOf(b)) })
	for _, entry := range entries {
		name := nameOf(entry)
		switch {
		case ctx.Err() != nil:
			return fail(ctx.Err())
		case entry.IsDir():
			if !f.walk(ctx, name, after, yield) {
				return false
			}
			continue
		case name <= after, strings.HasPrefix(entry.Name(), temporaryPrefix):
			continue
		}
		info, err := entry.Info()
		if err != nil {
			return fail(err)
		}
		if !yield(Record{Name: name, Written: info.ModTime(), Now: time.Now()}, nil) {
			return false
		}
	}
	return true
}

// syncFolders makes new names durable, from a folder up to the parent of top.
func syncFolders(folder, top string) error {
	for {
		if err := syncFolder(folder); err != nil {
			return fmt.Errorf("make a record durable: %w", err)
		}
		if folder == top || folder == filepath.Dir(folder) {
			return syncFolder(filepath.Dir(top))
		}
		folder = filepath.Dir(folder)
	}
}

func syncFolder(folder string) error {
	f, err := os.Open(folder)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
