package inventory_test

import (
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mediasweep/mediasweep/internal/account"
	"github.com/mediasweep/mediasweep/internal/emulator"
	"github.com/mediasweep/mediasweep/internal/inventory"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/objects"
)

// archive has the contents of objects by their keys. Before each opening it may put another
// content there.
type archive struct {
	contents map[string]string
	opened   int
	before   func(opened int)
	bare     bool // answers have no version
	cut      int  // bytes that the end of the second answer lacks, or has too many if it is negative
}

func (s *archive) Open(_ context.Context, object media.Object, version string) (io.ReadCloser, string, error) {
	s.opened++
	if s.before != nil {
		s.before(s.opened)
	}
	content, ok := s.contents[object.Key]
	is := fmt.Sprintf("%x", md5.Sum([]byte(content)))
	switch {
	case !ok:
		return nil, "", objects.ErrNotFound
	case version != "" && version != is:
		return nil, "", errors.New("another version")
	case s.bare:
		is = ""
	}
	if s.opened == 2 { // of the same version
		content = (content + strings.Repeat("x", max(0, -s.cut)))[:len(content)-s.cut]
	}
	return io.NopCloser(strings.NewReader(content)), is, nil
}

// named returns what a manifest names, and its errors.
func named(s inventory.Opener, key string) (names []string, errs []error) {
	for c, err := range inventory.OfManifest(context.Background(), s, media.Object{Bucket: "ops", Key: key}) {
		if err != nil {
			errs = append(errs, err)
		} else {
			names = append(names, c.Name())
		}
	}
	return names, errs
}

func inventoryReport(s *archive, files ...string) {
	list := make([]string, len(files))
	for i, rows := range files {
		key := fmt.Sprintf("data/%d.csv.gz", i)
		s.contents[key] = rows
		list[i] = fmt.Sprintf(`{"key":%q,"MD5checksum":"%X"}`, key, md5.Sum([]byte(rows)))
	}
	head := fmt.Sprintf(`{"fileFormat":"CSV","fileSchema":"Bucket, Key","sourceBucket":"media-in","files":[%s]}`, strings.Join(list, ","))
	s.contents["manifest.json"], s.contents["manifest.checksum"] = head, fmt.Sprintf("%x", md5.Sum([]byte(head)))
}

// Only the verified version of a manifest is read. One file of a report is not used without the others.
func TestManifestsAreReadAsTheyWereVerified(t *testing.T) {
	rows := "object\noss://media-in/a\n"
	tests := []struct {
		name    string
		key     string
		archive func(*archive)
		names   string
		errs    int
	}{
		{"whole", "a.csv", func(*archive) {}, "[media-in/a]", 0},
		{"written anew in between", "a.csv", func(s *archive) {
			s.before = func(opened int) {
				if opened == 2 {
					s.contents["a.csv"] = strings.Replace(rows, "/a", "/b", 1)
				}
			}
		}, "[]", 1},
		{"removed in between", "a.csv", func(s *archive) {
			s.before = func(opened int) {
				if opened == 2 {
					delete(s.contents, "a.csv")
				}
			}
		}, "[]", 1},
		{"cut within its last row", "a.csv", func(s *archive) {
			s.contents["a.csv"], s.cut = "object\noss://media-in/a\noss://media-in/b.bak", 4
		}, "[]", 1},
		{"longer than it was", "a.csv", func(s *archive) { s.contents["a.csv"], s.cut = "object\noss://media-in/a", -1 }, "[]", 1},
		{"no version", "a.csv", func(s *archive) { s.bare = true }, "[]", 1},
		{"a whole report", "manifest.json", func(*archive) {}, "[media-in/x media-in/y media-in/z]", 0},
		{"a report with one file damaged", "manifest.json", func(s *archive) { s.contents["data/2.csv.gz"] += "media-in,more\n" }, "[]", 1},
		{"a report with two files damaged", "manifest.json", func(s *archive) {
			delete(s.contents, "data/0.csv.gz")
			s.contents["data/1.csv.gz"] = "media-in,more\n"
		}, "[]", 2},
		{"a report whose manifest is damaged", "manifest.json", func(s *archive) { s.contents["manifest.json"] += " " }, "[]", 1},
		{"a report with a checksum that is too long", "manifest.json", func(s *archive) { s.contents["manifest.checksum"] += strings.Repeat(" ", 2000) }, "[]", 1},
		{"a report that is too long", "manifest.json", func(s *archive) { s.contents["manifest.json"] += strings.Repeat(" ", 17<<20) }, "[]", 1},
		{"a file written anew after all were verified", "manifest.json", func(s *archive) {
			s.before = func(opened int) {
				if opened == 6 { // manifest, checksum, three files
					s.contents["data/0.csv.gz"] = "media-in,more\n"
				}
			}
		}, "[]", 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := &archive{contents: map[string]string{"a.csv": rows}}
			inventoryReport(s, "media-in,x\n", "media-in,y\n", "media-in,z\n")
			test.archive(s)
			names, errs := named(s, test.key)
			if fmt.Sprint(names) != test.names || len(errs) != test.errs {
				t.Errorf("names %v, errors %v; want %s and %d errors", names, errs, test.names, test.errs)
			}
			for _, err := range errs {
				if len(err.Error()) > 500 {
					t.Errorf("an error of %d bytes", len(err.Error()))
				}
			}
		})
	}
}

// A list that may be cut off names nothing, in whichever reading it is.
func TestListsThatMayBeCutOff(t *testing.T) {
	const rows = "object\noss://media-in/a\noss://media-in/b.bak\noss://media-in/c\n"
	tests := []struct {
		kind  emulator.FaultKind
		names string
	}{
		{emulator.NoLength, "[media-in/a media-in/b.bak media-in/c]"}, {emulator.Truncate, "[media-in/a media-in/b.bak media-in/c]"},
		{emulator.CutOff, "[]"}, {emulator.NoChecks, "[]"},
	}
	for _, test := range tests {
		for readings, fault := range map[string]emulator.Fault{"first": {Count: 1}, "second": {After: 1, Count: 1}, "both": {Count: 2}} {
			t.Run(fmt.Sprint(test.kind, ", ", readings), func(t *testing.T) {
				fault.Operation, fault.Kind = "GetObject", test.kind
				e, err := emulator.Start(emulator.Config{Faults: []emulator.Fault{fault}})
				if err != nil {
					t.Fatal(err)
				}
				defer e.Close() //nolint:errcheck // a test's
				list := media.Object{Bucket: "ops", Key: "list.csv"}
				e.PutObject(list.Bucket, list.Key, []byte(rows), time.Now())
				getenv := func(name string) string { return e.Env()[name] }
				a, err := account.FromEnvironment(getenv)
				if err != nil {
					t.Fatal(err)
				}
				var names []string
				errs := 0
				for c, err := range inventory.OfManifest(t.Context(), objects.New(a).Session(account.NewKeyring(getenv).Or(account.Credentials{})), list) {
					if err != nil {
						errs++
						continue
					}
					names = append(names, c.Name())
				}
				if fmt.Sprint(names) != test.names || (errs > 0) != (test.names == "[]") {
					t.Errorf("names %v, %d errors; want %s", names, errs, test.names)
				}
			})
		}
	}
}

// A list on this machine is read as one in OSS.
func TestOfFile(t *testing.T) {
	dir := t.TempDir()
	for name, want := range map[string]string{"list.csv": "[media-in/a ~m1] 0", "cut.csv": "[] 1", "missing.csv": "[] 1", "manifest.json": "[] 1"} {
		file := filepath.Join(dir, name)
		content := map[string]string{"list.csv": "mediaId;object\n;oss://media-in/a\nm1;\n", "cut.csv": "\x1f\x8b\x08\x00", "manifest.json": "{}"}[name]
		if content != "" {
			if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		var names []string
		errs := 0
		for c, err := range inventory.OfFile(t.Context(), file) {
			if err != nil {
				errs++
				continue
			}
			names = append(names, c.Name())
		}
		if got := fmt.Sprint(names, errs); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

// A row may name an object beside the ID of its medium. Another object contradicts the row; two rows that differ are
// contradicted by any.
func TestObjectsBesideIDs(t *testing.T) {
	file := filepath.Join(t.TempDir(), "list.csv")
	rows := "mediaId,object\nm1,oss://media-in/a\nm2,\nm3,oss://media-in/a\nm3,oss://media-in/b\nm4,oss://media-in/a\nm4,\n"
	if err := os.WriteFile(file, []byte(rows), 0o600); err != nil {
		t.Fatal(err)
	}
	g := &inventory.Gathered{}
	defer g.Close()
	for c, err := range inventory.OfFile(t.Context(), file) {
		if err == nil {
			err = g.Add(c)
		}
		if err != nil || !c.Object.IsZero() {
			t.Fatal(c, err)
		}
	}
	want := map[string][2]bool{"m1": {false, true}, "m2": {false, false}, "m3": {true, true}, "m4": {false, true}}
	for c, err := range g.IDs("") {
		if got := [2]bool{c.Contradicts(in("a")), c.Contradicts(in("b"))}; err != nil || got != want[c.MediaID] {
			t.Errorf("%s: contradicts a and b: %v, want %v; %v", c.MediaID, got, want[c.MediaID], err)
		}
		delete(want, c.MediaID)
	}
	if len(want) > 0 {
		t.Errorf("missing: %v", want)
	}
}
