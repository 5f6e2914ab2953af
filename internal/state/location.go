package state

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/mediasweep/mediasweep/internal/media"
)

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
			return Location{}, errors.New("not a folder: write file:///absolute/path, with %25 for a percent sign")
		}
		folder := filepath.Clean(u.Path)
		if folder == filepath.Dir(folder) {
			return Location{}, errors.New("state needs a folder of its own, such as file:///var/lib/mediasweep")
		}
		return Location{Folder: folder}, nil
	case strings.HasPrefix(s, "oss://"):
		prefix, err := media.ParsePrefix(s)
		if err != nil {
			return Location{}, errors.New("not a bucket name and a prefix of keys that OSS allows: write oss://bucket/mediasweep/")
		}
		folder := strings.TrimSuffix(prefix.Key, "/")
		switch {
		case folder == "":
			return Location{}, errors.New("state needs a prefix of its own in the bucket, such as oss://bucket/mediasweep/")
		case checkName(folder) != nil: // names of records continue it
			return Location{}, errors.New("the prefix of the state has a segment that is empty, . or ..: leave it out, as in oss://bucket/mediasweep/")
		}
		prefix.Key = folder + "/"
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

// NameOf returns the full name of a record, for people.
func (l Location) NameOf(record string) string {
	return strings.TrimSuffix(l.String(), "/") + "/" + record
}

// String returns the location in the form of MEDIASWEEP_STATE.
func (l Location) String() string {
	if l.InOSS() {
		return l.Prefix.String()
	}
	return (&url.URL{Scheme: "file", Path: l.Folder}).String()
}
