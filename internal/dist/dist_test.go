package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/CycloneDX/cyclonedx-go"
	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v4"
)

var at = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

// TestMain runs in the module's root, as the command does.
func TestMain(m *testing.M) {
	if err := os.Chdir("../.."); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

func TestVersions(t *testing.T) {
	for version, want := range map[string]bool{
		"v1.2.3": true, "v0.0.0-ci": true, "v1.2.3-rc.1": true, "v10.20.30": true,
		"": false, "1.2.3": false, "v1.2": false, "v01.2.3": false, "v1.2.3-": false, "v1.2.3-a..b": false,
		"v1.2.3 -X main.x=y": false, "v1.2.3/../..": false, "v1.2.3\n": false, "v1.2.3+build": false,
	} {
		if isVersion(version) != want {
			t.Errorf("isVersion(%q) = %v", version, !want)
		}
	}
}

func TestRunRefuses(t *testing.T) {
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "mine"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"no command":             {nil, "usage"},
		"an unknown command":     {[]string{"publish", "v1.2.3"}, "usage"},
		"a release of nothing":   {[]string{"release"}, "usage"},
		"two versions":           {[]string{"notes", "v1.2.3", "v1.2.4"}, "usage"},
		"a flag":                 {[]string{"release", "-x", "v1.2.3"}, "usage"},
		"no version":             {[]string{"release", "latest"}, "is not a version"},
		"a folder with files":    {[]string{"release", "-o", full, "v1.2.3"}, "is not empty"},
		"no function":            {[]string{"release", "-targets", "windows/arm64", "v1.2.3"}, "linux/amd64"},
		"a version never tagged": {[]string{"notes", "v99.0.0"}, "no section v99.0.0"},
	} {
		t.Run(name, func(t *testing.T) {
			err := run(t.Context(), c.args, io.Discard)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
}

func TestSourceDate(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "1764158400")
	if got, err := sourceDate(t.Context()); err != nil || !got.Equal(time.Unix(1764158400, 0)) {
		t.Errorf("got %v, %v", got, err)
	}
	for _, bad := range []string{"yesterday", "0", "-1", "99999999999999999999", "315532799"} {
		t.Setenv("SOURCE_DATE_EPOCH", bad)
		if got, err := sourceDate(t.Context()); err == nil {
			t.Errorf("SOURCE_DATE_EPOCH=%s is taken for %v", bad, got)
		}
	}
}

// A build does not follow the user's settings, but for where modules come from.
func TestBuildEnvironment(t *testing.T) {
	settings := filepath.Join(t.TempDir(), "env")
	if err := os.WriteFile(settings, []byte("GOFLAGS=-tags=mine\nGOAMD64=v3\nGOARCH=arm64\nGOPROXY=https://proxy.example\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GOENV", settings)
	for _, name := range []string{"GOFLAGS", "GOAMD64", "GOARCH", "GOPROXY"} {
		t.Setenv(name, "") // as without it
	}
	show := exec.CommandContext(t.Context(), "go", "env", "GOFLAGS", "GOAMD64", "GOARCH", "GOPROXY", "GOWORK")
	before, err := show.Output()
	if err != nil || string(before) != "-tags=mine\nv3\narm64\nhttps://proxy.example\n\n" {
		t.Fatalf("the settings are not in force: %q, %v", before, err)
	}
	show = exec.CommandContext(t.Context(), "go", show.Args[1:]...)
	if show.Env, err = buildEnv(t.Context(), "linux", "amd64"); err != nil {
		t.Fatal(err)
	}
	if got, err := show.Output(); err != nil || string(got) != "\nv1\namd64\nhttps://proxy.example\noff\n" {
		t.Errorf("%q, %v", got, err)
	}
}

// TestArchives packs the same files twice, at different moments.
func TestArchives(t *testing.T) {
	files := []file{{"mediasweep", 0o755, []byte("program")}, {"man/man1/mediasweep.1", 0o644, []byte("page")}}
	want := []string{"top/mediasweep -rwxr-xr-x 2026-11-26T12:00:00Z program", "top/man/man1/mediasweep.1 -rw-r--r-- 2026-11-26T12:00:00Z page"}
	for name, c := range map[string]struct {
		pack func(string, []file, time.Time) ([]byte, error)
		list func([]byte) ([]string, error)
	}{
		"tarball": {tarball, listTarball},
		"zip":     {zipped, listZip},
	} {
		t.Run(name, func(t *testing.T) {
			first, err := c.pack("top", files, at)
			if err != nil {
				t.Fatal(err)
			}
			second, err := c.pack("top", files, at)
			if err != nil || !bytes.Equal(first, second) {
				t.Errorf("the same files gave other bytes, %v", err)
			}
			got, err := c.list(first)
			if diff := cmp.Diff(want, got); err != nil || diff != "" {
				t.Errorf("%v, -want +got:\n%s", err, diff)
			}
		})
	}
}

// TestPages follows the links of the pages in an archive.
func TestPages(t *testing.T) {
	files, err := pages()
	if err != nil {
		t.Fatal(err)
	}
	shipped := map[string]bool{"events": true}
	for _, f := range files {
		shipped[f.name] = true
	}
	link := regexp.MustCompile(`\]\(([^)#:]+)(?:#[^):]*)?\)`)
	for _, f := range files {
		if path.Ext(f.name) != ".md" {
			continue
		}
		for _, found := range link.FindAllSubmatch(f.data, -1) {
			if target := path.Join(path.Dir(f.name), string(found[1])); !shipped[target] {
				t.Errorf("%s links to %s, which the archive lacks", f.name, target)
			}
		}
	}
	if !shipped["README.md"] || !shipped["docs/install.md"] {
		t.Error("the archive lacks the README or its pages")
	}
}

func listTarball(data []byte) ([]string, error) {
	compressed, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	var all []string
	for archive := tar.NewReader(compressed); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		text, err := io.ReadAll(archive)
		if err != nil {
			return nil, err
		}
		all = append(all, strings.Join([]string{header.Name, header.FileInfo().Mode().String(), header.ModTime.UTC().Format(time.RFC3339), string(text)}, " "))
	}
}

func listZip(data []byte) ([]string, error) {
	archive, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, err
	}
	var all []string
	for _, f := range archive.File {
		r, err := f.Open()
		if err != nil {
			return nil, err
		}
		text, err := io.ReadAll(r)
		if err != nil {
			return nil, err
		}
		all = append(all, strings.Join([]string{f.Name, f.Mode().String(), f.Modified.UTC().Format(time.RFC3339), string(text)}, " "))
	}
	return all, nil
}

func TestDocuments(t *testing.T) {
	day := time.Date(2020, 11, 26, 0, 0, 0, 0, time.UTC)
	files, err := documents("v1.2.3", day)
	if err != nil {
		t.Fatal(err)
	}
	again, err := documents("v1.2.3", day)
	if diff := cmp.Diff(files, again, cmp.AllowUnexported(file{})); err != nil || diff != "" {
		t.Errorf("a second time, %v:\n%s", err, diff)
	}
	texts := map[string]string{}
	for _, f := range files {
		texts[f.name] = string(f.data)
	}
	for name, want := range map[string]string{
		"completions/mediasweep.bash": "__start_mediasweep",
		"completions/_mediasweep":     "#compdef mediasweep",
		"completions/mediasweep.fish": "complete -c mediasweep",
		"completions/mediasweep.ps1":  "Register-ArgumentCompleter",
		"man/man1/mediasweep.1":       `"Nov 2020" "mediasweep v1.2.3"`,
		"man/man1/mediasweep-plan.1":  "mediasweep-plan - Plan a deletion",
		"man/man1/mediasweep-hold.1":  "policy: ** crosses slashes", // and no emphasis
	} {
		if !strings.Contains(texts[name], want) || strings.Contains(texts[name], "Auto generated") {
			t.Errorf("%s has no %q", name, want)
		}
	}
}

// TestSBOM lists what this test was linked from.
func TestSBOM(t *testing.T) {
	name, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	text, err := sbom(program, "v1.2.3", at)
	if err != nil {
		t.Fatal(err)
	}
	var bom cyclonedx.BOM
	if err := cyclonedx.NewBOMDecoder(bytes.NewReader(text), cyclonedx.BOMFileFormatJSON).Decode(&bom); err != nil {
		t.Fatal(err)
	}
	if bom.SerialNumber != "" || bom.Metadata.Timestamp != "2026-11-26T12:00:00Z" || bom.Metadata.Component.Version != "v1.2.3" {
		t.Errorf("head: serial %q, %+v", bom.SerialNumber, bom.Metadata)
	}
	seen := map[string]bool{}
	for _, part := range *bom.Components {
		if part.Version == "" || part.PackageURL != part.BOMRef || seen[part.BOMRef] {
			t.Errorf("component %+v", part)
		}
		seen[part.BOMRef] = true
	}
	goMod, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(goMod)) {
		if words := strings.Fields(line); len(words) > 1 && words[0] == "github.com/spf13/cobra" && !seen["pkg:golang/"+words[0]+"@"+words[1]] {
			t.Errorf("cobra is missing: %v", seen)
		}
	}
	if _, err := sbom([]byte("no program"), "v1.2.3", at); err == nil {
		t.Error("a file that is no program has an SBOM")
	}
}

func TestDeployments(t *testing.T) {
	made, err := folders([]byte("program"), "v1.2.3", "notes\n")
	if err != nil {
		t.Fatal(err)
	}
	texts, modes := map[string]string{}, map[string]os.FileMode{}
	for _, f := range append(made["function"], made["application"]...) {
		texts[f.name], modes[f.name] = string(f.data), f.mode
	}
	for _, name := range []string{"s.yaml", "s.go1.yaml", "src/s.yaml"} {
		text := texts[name]
		if strings.Contains(text, "actions") || strings.Contains(text, "go run") || !strings.Contains(text, "\n    props:\n      region: ${vars.region}\n") {
			t.Errorf("%s still builds, or lost its props:\n%s", name, text)
		}
	}
	if text := texts["src/s.yaml"]; variable.MatchString(text) || strings.Contains(text, "env(") || !strings.Contains(text, "functionName: '{{ functionName }}'") || !strings.Contains(text, "\naccess: '{{ access") {
		t.Errorf("the application's s.yaml asks for variables:\n%s", text)
	}
	shipped, err := os.ReadFile("retention.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, prefix := range []string{"", "src/"} {
		if modes[prefix+"target/mediasweep"] != 0o755 || texts[prefix+"target/mediasweep"] != "program" || texts[prefix+"target/retention.yaml"] != string(shipped) {
			t.Errorf("%starget is not what the function needs", prefix)
		}
		if texts[prefix+"events/timer-request.json"] == "" || texts[prefix+"LICENSE"] == "" {
			t.Errorf("%sevents or the licence are missing", prefix)
		}
	}
	if !strings.Contains(texts["publish.yaml"], "\nVersion: 1.2.3\n") || texts["version.md"] != "notes\n" {
		t.Errorf("the version is missing: %s", texts["publish.yaml"])
	}
	if _, err := withoutBuild([]byte("resources:\n  mediasweep:\n    props: {}\n")); err == nil {
		t.Error("an s.yaml without the step is taken")
	}
}

// TestParameters holds what `s init` asks for against the variables of s.yaml.
func TestParameters(t *testing.T) {
	template, err := os.ReadFile("s.yaml")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for _, found := range variable.FindAllStringSubmatch(string(template), -1) {
		want[parameter(found[1])] = found[2]
	}
	var document struct {
		Parameters struct {
			Required   []string
			Properties map[string]struct{ Title, Type, Default, Description, Pattern string }
		} `yaml:"Parameters"`
	}
	if err := yaml.Unmarshal(publish, &document); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for name, p := range document.Parameters.Properties {
		got[name] = p.Default
		if p.Title == "" || p.Description == "" || p.Type != "string" {
			t.Errorf("%s is not described", name)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("publish.yaml and the variables of s.yaml differ, -s.yaml +publish.yaml:\n%s", diff)
	}
	if len(document.Parameters.Required) != len(want) {
		t.Errorf("required are %v", document.Parameters.Required)
	}
	var keys map[string]any
	if err := yaml.Unmarshal(publish, &keys); err != nil {
		t.Fatal(err)
	}
	// What `s registry publish` insists on.
	for _, key := range []string{"Edition", "Type", "Name", "Provider", "Version", "Description", "Category", "Service", "Effective", "Parameters"} {
		if keys[key] == nil {
			t.Errorf("publish.yaml has no %s", key)
		}
	}
}
