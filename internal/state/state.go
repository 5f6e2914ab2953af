// Package state keeps what a run must not lose: immutable records, each written
// once under a name of its own, in a folder or in OSS.
package state

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/objects"
)

// ErrExists says that a record of this name is there already. It was not
// touched.
var ErrExists = errors.New("the record exists already")

// Location says where records are kept. One of the two is set.
type Location struct {
	Folder string       // an absolute path
	Prefix media.Object // a bucket and a prefix that ends at a slash
}

// ParseLocation reads "file:///folder" or "oss://bucket/prefix/". An empty text
// means a folder under the user's state directory.
func ParseLocation(s string, getenv func(string) string) (Location, error) {
	switch {
	case s == "":
		return Location{Folder: defaultFolder(getenv)}, nil
	case strings.HasPrefix(s, "file://"):
		u, err := url.Parse(s)
		if err != nil || u.Host != "" || !filepath.IsAbs(u.Path) || u.RawQuery != "" || u.Fragment != "" {
			return Location{}, fmt.Errorf("%q is not a folder: write file:///absolute/path", s)
		}
		return Location{Folder: filepath.Clean(u.Path)}, nil
	case strings.HasPrefix(s, "oss://"):
		prefix, err := media.ParsePrefix(s)
		if err != nil {
			return Location{}, err
		}
		if prefix.Key == "" || strings.Contains(prefix.Key, "//") {
			return Location{}, fmt.Errorf("%q: state needs a prefix of its own in the bucket, such as oss://bucket/mediasweep/", s)
		}
		if !strings.HasSuffix(prefix.Key, "/") {
			prefix.Key += "/"
		}
		return Location{Prefix: prefix}, nil
	}
	return Location{}, fmt.Errorf("%q is neither file:///folder nor oss://bucket/prefix/", s)
}

// defaultFolder follows the XDG base directories. Without a home directory, as
// in some containers, it is a temporary folder.
func defaultFolder(getenv func(string) string) string {
	base := getenv("XDG_STATE_HOME")
	if !filepath.IsAbs(base) {
		if home := getenv("HOME"); filepath.IsAbs(home) {
			base = filepath.Join(home, ".local", "state")
		} else {
			base = os.TempDir()
		}
	}
	return filepath.Join(base, "mediasweep")
}

// InOSS reports whether records outlive the machine.
func (l Location) InOSS() bool { return l.Folder == "" }

// String returns the location as it is written in MEDIASWEEP_STATE.
func (l Location) String() string {
	if l.InOSS() {
		return l.Prefix.String()
	}
	return (&url.URL{Scheme: "file", Path: l.Folder}).String()
}

// Folder keeps records as files below a folder, which it makes when it first
// writes.
type Folder string

// Create writes a record, all of it or nothing. When it returns without an error
// the record survives a crash of the machine. The name uses slashes; ErrExists
// says that it is taken.
func (f Folder) Create(_ context.Context, name string, data []byte) (err error) {
	if !fs.ValidPath(name) || name == "." {
		return fmt.Errorf("record name %q is not valid", name)
	}
	path := filepath.Join(string(f), filepath.FromSlash(name))
	folder := filepath.Dir(path)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return fmt.Errorf("write a record: %w", err)
	}
	// Written beside its place and then linked to it: the link is refused if the
	// name is taken, and no reader ever sees half a record.
	temporary, err := os.CreateTemp(folder, ".new-*")
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
	switch err := os.Link(temporary.Name(), path); {
	case errors.Is(err, fs.ErrExist):
		return fmt.Errorf("record %s: %w", name, ErrExists)
	case err != nil:
		return fmt.Errorf("write record %s: %w", name, err)
	}
	return syncFolders(folder, string(f))
}

// syncFolders makes new names durable, from a folder up to the one that holds
// the state.
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

// Bucket keeps records as objects below a prefix, and writes nowhere else.
type Bucket struct {
	OSS    *objects.Session
	Prefix media.Object
}

// Create writes a record that does not exist yet; see Folder.Create.
func (b Bucket) Create(ctx context.Context, name string, data []byte) error {
	if !fs.ValidPath(name) || name == "." {
		return fmt.Errorf("record name %q is not valid", name)
	}
	err := b.OSS.Create(ctx, media.Object{Bucket: b.Prefix.Bucket, Key: b.Prefix.Key + name}, data)
	if errors.Is(err, objects.ErrExists) {
		return fmt.Errorf("record %s: %w", name, ErrExists)
	}
	return err
}
