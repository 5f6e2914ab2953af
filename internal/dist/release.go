package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// functionTarget is the platform of both runtimes of Function Compute.
const functionTarget = "linux/amd64"

// release is one version with the folder that takes it.
type release struct {
	version string
	at      time.Time // of every file in every archive
	folder  string
}

// make builds the command for each target, and the deployments of the function.
func (r release) make(ctx context.Context, targets []string) error {
	if !slices.Contains(targets, functionTarget) {
		return fmt.Errorf("the targets must include %s, the function's platform", functionTarget)
	}
	if entries, err := os.ReadDir(r.folder); err == nil && len(entries) > 0 {
		return fmt.Errorf("%s is not empty: remove it first", r.folder)
	}
	shared, err := pages()
	if err != nil {
		return err
	}
	documents, err := documents(r.version, r.at)
	if err != nil {
		return err
	}
	shared = append(shared, documents...)
	written := map[string][]byte{}
	for _, target := range targets {
		program, err := r.compile(ctx, target)
		if err != nil {
			return fmt.Errorf("compile for %s: %w", target, err)
		}
		if target == functionTarget {
			if err := r.deployments(program, written); err != nil {
				return err
			}
		}
		if err := r.command(target, program, shared, written); err != nil {
			return err
		}
	}
	return r.write(written)
}

// compile returns the program for a target. Neither the environment nor the place of the
// sources changes a byte.
func (r release) compile(ctx context.Context, target string) ([]byte, error) {
	system, processor, ok := strings.Cut(target, "/")
	if !ok {
		return nil, errors.New("want OS/ARCH")
	}
	folder, err := os.MkdirTemp("", "mediasweep-dist-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	program := filepath.Join(folder, "program")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -X main.version="+r.version, "-o", program, ".") //nolint:gosec // the version was checked
	if build.Env, err = buildEnv(ctx, system, processor); err != nil {
		return nil, err
	}
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return nil, err
	}
	return os.ReadFile(program)
}

// buildEnv returns the environment of a build. Of the user's settings (`go env -w`) it keeps where modules come from:
// go.sum holds what they are.
func buildEnv(ctx context.Context, system, processor string) ([]string, error) {
	kept := []string{"GOPROXY", "GOSUMDB", "GOPRIVATE", "GONOPROXY", "GONOSUMDB", "GOINSECURE", "GOVCS", "GOMODCACHE", "GOCACHE"}
	out, err := exec.CommandContext(ctx, "go", append([]string{"env"}, kept...)...).Output() //nolint:gosec // names only
	values := strings.Split(string(out), "\n")
	if err != nil || len(values) != len(kept)+1 {
		return nil, fmt.Errorf("read the settings of go: %w", cmp.Or(err, errors.New("go env gives another number of values")))
	}
	env := os.Environ()
	for i, name := range kept {
		env = append(env, name+"="+values[i])
	}
	return append(env, "GOENV=off", "GOFLAGS=", "GOWORK=off", "GOEXPERIMENT=", "GOFIPS140=off", "CGO_ENABLED=0", "GOAMD64=v1", "GOARM64=v8.0",
		"GOOS="+system, "GOARCH="+processor), nil
}

// command adds the archive of the command for a target, and its SBOM.
func (r release) command(target string, program []byte, shared []file, written map[string][]byte) error {
	name := fmt.Sprintf("mediasweep-%s-%s", r.version, strings.ReplaceAll(target, "/", "-"))
	pack, suffix, executable := tarball, ".tar.gz", "mediasweep"
	if strings.HasPrefix(target, "windows/") {
		pack, suffix, executable = zipped, ".zip", "mediasweep.exe"
	}
	archive, err := pack(name, append([]file{{executable, 0o755, program}}, shared...), r.at)
	if err != nil {
		return err
	}
	bill, err := sbom(program, r.version, r.at)
	if err != nil {
		return fmt.Errorf("list the modules of %s: %w", name, err)
	}
	written[name+suffix], written[name+".cdx.json"] = archive, bill
	return nil
}

// deployments adds the function's zip and the Serverless Devs application. Both are
// written as folders too: s preview and s registry publish want folders.
func (r release) deployments(program []byte, written map[string][]byte) error {
	changelog, err := os.ReadFile(changelogFile)
	if err != nil {
		return err
	}
	notes, err := section(string(changelog), r.version)
	if err != nil {
		if notes, err = section(string(changelog), unreleased); err != nil {
			return err
		}
	}
	folders, err := folders(program, r.version, notes)
	if err != nil {
		return err
	}
	for name, files := range folders {
		if err := writeFolder(filepath.Join(r.folder, name), files); err != nil {
			return err
		}
		archive := fmt.Sprintf("mediasweep-%s-%s", r.version, name)
		if written[archive+".zip"], err = zipped(archive, files, r.at); err != nil {
			return err
		}
	}
	return nil
}

// write writes the files of the release, and their checksums as sha256sum reads them.
func (r release) write(written map[string][]byte) error {
	var sums bytes.Buffer
	var files []file
	for _, name := range slices.Sorted(maps.Keys(written)) {
		fmt.Fprintf(&sums, "%x  %s\n", sha256.Sum256(written[name]), name)
		files = append(files, file{name, 0o644, written[name]})
	}
	return writeFolder(r.folder, append(files, file{"checksums.txt", 0o644, sums.Bytes()}))
}
