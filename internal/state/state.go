// Package state stores immutable records, in a folder or in OSS. Each is written once, under its own
// name.
package state

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/objects"
	"github.com/mediasweep/mediasweep/internal/task"
	"github.com/mediasweep/mediasweep/internal/text"
)

// Decode decodes a record of JSON. More than most bytes are an error.
func Decode(data []byte, most int, into any) error {
	if len(data) > most {
		return fmt.Errorf("it has %d bytes: the limit is %d", len(data), most)
	}
	return json.Unmarshal(data, into)
}

// ErrExists means that a record of this name exists with other content. It was not changed.
var ErrExists = errors.New("the record exists already")

// ErrNotFound means that there is no record of this name.
var ErrNotFound = errors.New("there is no such record")

// ErrDamaged means that the content of a record is not valid. Packages that decode records return it.
var ErrDamaged = errors.New("the record cannot be read")

// ErrVersioned means that the bucket has versioning, and records could be overwritten.
var ErrVersioned = errors.New("the bucket has versioning, enabled or suspended, and there OSS ignores that a record must not be overwritten: use another one")

// MaxBytes bounds a stored record, in bytes. A larger one could not be read back, and is not written.
const MaxBytes = 64 << 20

// checkSize refuses a record above MaxBytes.
func checkSize(name string, size int64) error {
	if size > MaxBytes {
		return fmt.Errorf("record %s: %w: it has %d bytes: the limit is %d", name, ErrDamaged, size, MaxBytes)
	}
	return nil
}

// Record is a record of a listing.
type Record struct {
	Name string
	// Written is the time when the record was written. Now is the time of the listing. Both are by
	// the store's clock.
	Written, Now time.Time
}

// Store stores records. Names use slashes. A record never changes.
type Store interface {
	// Create writes a record atomically. Without an error the record, or one with the same
	// content, is durable. ErrExists: a record of this name has other content.
	Create(ctx context.Context, name string, data []byte) error
	// Read returns a record, or ErrNotFound.
	Read(ctx context.Context, name string) ([]byte, error)
	// List yields the records below a folder, which ends in a slash, in the order of their names.
	// It skips names up to after.
	List(ctx context.Context, folder, after string) iter.Seq2[Record, error]
}

// Location is the place of the records. One of the two fields is set.
type Location struct {
	Folder string       // an absolute path
	Prefix media.Object // a bucket and a prefix that ends in a slash
}

// ParseLocation parses "file:///folder" or "oss://bucket/prefix/". An empty text is a folder in the
// user's state directory. Errors do not quote the text, which may be a misplaced secret.
func ParseLocation(s string, getenv func(string) string) (Location, error) {
	switch {
	case s == "":
		folder, err := defaultFolder(getenv)
		return Location{Folder: folder}, err
	case strings.HasPrefix(s, "file://"):
		u, err := url.Parse(s)
		if err != nil || u.Host != "" || !filepath.IsAbs(u.Path) || u.RawQuery != "" || u.Fragment != "" {
			return Location{}, errors.New("not a folder: write file:///absolute/path")
		}
		return Location{Folder: filepath.Clean(u.Path)}, nil
	case strings.HasPrefix(s, "oss://"):
		prefix, err := media.ParsePrefix(s)
		if err != nil {
			return Location{}, errors.New("not a bucket name and a prefix of keys that OSS allows: write oss://bucket/mediasweep/")
		}
		if prefix.Key == "" || strings.Contains(prefix.Key, "//") {
			return Location{}, errors.New("state needs a prefix of its own in the bucket, such as oss://bucket/mediasweep/")
		}
		if !strings.HasSuffix(prefix.Key, "/") {
			prefix.Key += "/"
		}
		return Location{Prefix: prefix}, nil
	}
	return Location{}, errors.New("neither file:///folder nor oss://bucket/prefix/")
}

// defaultFolder follows the XDG base directories. Without a home directory, as in some containers, it
// is in the temporary folder. It must belong to the user, because others may have created it.
func defaultFolder(getenv func(string) string) (string, error) {
	const name = "mediasweep"
	if base := getenv("XDG_STATE_HOME"); filepath.IsAbs(base) {
		return filepath.Join(base, name), nil
	}
	if home := getenv("HOME"); filepath.IsAbs(home) {
		return filepath.Join(home, ".local", "state", name), nil
	}
	folder := filepath.Join(os.TempDir(), name)
	_ = os.Mkdir(folder, 0o700) // checked below; a failure shows at the first write
	info, err := os.Lstat(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return folder, nil
	}
	switch {
	case err != nil:
	case !info.IsDir():
		err = errors.New("it is a link or a file")
	case !isOwn(info):
		err = errors.New("it belongs to another user")
	case info.Mode().Perm()&0o022 != 0 && runtime.GOOS != "windows":
		err = fmt.Errorf("others may write to it (%s)", info.Mode())
	}
	if err != nil {
		return "", fmt.Errorf("without HOME state is kept in %s, which cannot be trusted: %w: set MEDIASWEEP_STATE to file:///folder or oss://bucket/prefix/", folder, err)
	}
	return folder, nil
}

// InOSS reports whether the records are in OSS, and outlive the machine.
func (l Location) InOSS() bool { return l.Folder == "" }

// Covers reports whether an object is a record of the location.
func (l Location) Covers(object media.Object) bool { return l.InOSS() && l.Prefix.Covers(object) }

// String returns the location in the form of MEDIASWEEP_STATE.
func (l Location) String() string {
	if l.InOSS() {
		return l.Prefix.String()
	}
	return (&url.URL{Scheme: "file", Path: l.Folder}).String()
}

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

// checkName refuses a name that would lead out of the location.
func checkName(name string) error {
	if !fs.ValidPath(name) || name == "." {
		return fmt.Errorf("record name %s is not valid", text.Quote(name))
	}
	return nil
}

// sameAs returns nil if the record of a name has this content, for example after a lost answer. Else it
// returns ErrExists.
func sameAs(ctx context.Context, s Store, name string, data []byte) error {
	there, err := s.Read(ctx, name)
	switch {
	case err != nil:
		return err
	case bytes.Equal(there, data):
		return nil
	}
	return fmt.Errorf("record %s: %w", name, ErrExists)
}

// Read returns a record; see Store. It returns at the end of ctx even if the file system hangs.
func (f Folder) Read(ctx context.Context, name string) ([]byte, error) {
	path, err := f.path(name)
	if err != nil {
		return nil, err
	}
	var data []byte
	read := make(chan error, 1)
	go func() {
		var text []byte
		err := task.Do(func() (err error) {
			text, err = readFile(path, name)
			return err
		})
		data = text
		read <- err
	}()
	select {
	case err = <-read:
	case <-ctx.Done():
		return nil, fmt.Errorf("read record %s: %w", name, ctx.Err())
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("record %s: %w", name, ErrNotFound)
	case err != nil:
		return nil, fmt.Errorf("read record %s: %w", name, err)
	}
	return data, nil
}

// readFile reads a record. It refuses other files than regular ones: a pipe may never end.
func readFile(path, name string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%w: it is not a regular file", ErrDamaged)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // only read
	if err := checkSize(name, info.Size()); err != nil {
		return nil, err
	}
	data := bytes.NewBuffer(make([]byte, 0, info.Size()+bytes.MinRead))
	if _, err := data.ReadFrom(io.LimitReader(file, MaxBytes+1)); err != nil {
		return nil, err
	}
	return data.Bytes(), checkSize(name, int64(data.Len()))
}

// List yields records; see Store.
func (f Folder) List(ctx context.Context, folder, after string) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		stop := errors.New("stop")
		root := filepath.Join(string(f), filepath.FromSlash(folder))
		err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			switch {
			case errors.Is(err, fs.ErrNotExist):
				return nil
			case err != nil:
				return err
			case ctx.Err() != nil:
				return ctx.Err()
			case entry.IsDir(), strings.HasPrefix(entry.Name(), temporaryPrefix):
				return nil
			}
			relative, err := filepath.Rel(string(f), path)
			name := filepath.ToSlash(relative)
			if err != nil || name <= after {
				return err
			}
			info, err := entry.Info()
			if err != nil {
				return err
			}
			if !yield(Record{Name: name, Written: info.ModTime(), Now: time.Now()}, nil) {
				return stop
			}
			return nil
		})
		if err != nil && !errors.Is(err, stop) {
			yield(Record{}, fmt.Errorf("list %s: %w", folder, err))
		}
	}
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

// Bucket stores records as objects below a prefix. It writes only there.
type Bucket struct {
	OSS    *objects.Session
	Prefix media.Object
}

// Create writes a record; see Store.
func (b Bucket) Create(ctx context.Context, name string, data []byte) error {
	object, err := b.object(name)
	if err = errors.Join(err, checkSize(name, int64(len(data)))); err != nil {
		return err
	}
	for range conflictTries {
		if err = b.OSS.Create(ctx, object, data); !errors.Is(err, objects.ErrExists) {
			return err
		}
		// The SDK repeats a write whose answer was lost: then the record is our own. If it cannot be
		// read, a concurrent write had failed.
		if err = sameAs(ctx, b, name, data); !errors.Is(err, ErrNotFound) {
			return err
		}
	}
	return err
}

// conflictTries bounds the writes of a record that OSS says exists and then cannot read.
const conflictTries = 3

func (b Bucket) object(name string) (media.Object, error) {
	return media.Object{Bucket: b.Prefix.Bucket, Key: b.Prefix.Key + name}, checkName(name)
}

// Read returns a record; see Store.
func (b Bucket) Read(ctx context.Context, name string) ([]byte, error) {
	object, err := b.object(name)
	if err != nil {
		return nil, err
	}
	data, err := b.OSS.Read(ctx, object, MaxBytes)
	if errors.Is(err, objects.ErrNotFound) {
		return nil, fmt.Errorf("record %s: %w", name, ErrNotFound)
	}
	return data, err
}

// List yields records; see Store.
func (b Bucket) List(ctx context.Context, folder, after string) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		prefix := media.Object{Bucket: b.Prefix.Bucket, Key: b.Prefix.Key + folder}
		if after != "" {
			after = b.Prefix.Key + after
		}
		for entry, err := range b.OSS.Entries(ctx, prefix, after) {
			record := Record{Name: strings.TrimPrefix(entry.Object.Key, b.Prefix.Key), Written: entry.Modified, Now: entry.Listed}
			if !yield(record, err) {
				return
			}
		}
	}
}

// Check refuses a bucket with versioning.
func (b Bucket) Check(ctx context.Context) error {
	versioned, err := b.OSS.Versioned(ctx, b.Prefix.Bucket)
	switch {
	case err != nil:
		return fmt.Errorf("state: %w: the function's role needs oss:GetBucketVersioning on the bucket", err)
	case versioned:
		return fmt.Errorf("state in bucket %s: %w", b.Prefix.Bucket, ErrVersioned)
	}
	return nil
}
