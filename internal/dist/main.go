// Command dist makes releases. docs/releases.md says how one is made. It runs in the
// module's root:
//
//	go run ./internal/dist release VERSION       archives, checksums and SBOMs, in dist/
//	go run ./internal/dist changelog [VERSION]   CHANGELOG.md from the fragments in docs/changes/
//	go run ./internal/dist notes VERSION         the section of VERSION in CHANGELOG.md
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const usage = "usage: dist release [-o FOLDER] [-targets OS/ARCH,...] VERSION | changelog [VERSION] | notes VERSION"

func main() {
	if err := run(context.Background(), os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "dist:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout io.Writer) error {
	if len(args) == 0 {
		return errors.New(usage)
	}
	flags := flag.NewFlagSet("dist", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	folder := flags.String("o", "dist", "")
	targets := flags.String("targets", "linux/amd64,linux/arm64,darwin/amd64,darwin/arm64,windows/amd64,windows/arm64", "")
	if err := flags.Parse(args[1:]); err != nil {
		return fmt.Errorf("%w; %s", err, usage)
	}
	version := flags.Arg(0)
	switch {
	case flags.NArg() > 1 || (version == "" && args[0] != "changelog"):
		return errors.New(usage)
	case version != "" && !isVersion(version):
		return fmt.Errorf("%q is not a version: write v1.2.3 or v1.2.3-rc.1", version)
	}
	switch args[0] {
	case "release":
		at, err := sourceDate(ctx)
		if err != nil {
			return err
		}
		r := release{version: version, at: at, folder: *folder}
		return r.make(ctx, strings.Split(*targets, ","))
	case "changelog":
		return writeChangelog(".", version, time.Now().UTC())
	case "notes":
		text, err := os.ReadFile(changelogFile)
		if err != nil {
			return err
		}
		notes, err := section(string(text), version)
		if err != nil {
			return err
		}
		_, err = io.WriteString(stdout, notes)
		return err
	default:
		return errors.New(usage)
	}
}

// isVersion reports whether a version is semantic, with its v.
func isVersion(s string) bool {
	return regexp.MustCompile(`^v(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z]+([.-][0-9A-Za-z]+)*)?$`).MatchString(s)
}

// sourceDate returns the time of all files in a release: SOURCE_DATE_EPOCH, else that of
// the commit.
func sourceDate(ctx context.Context) (time.Time, error) {
	text := os.Getenv("SOURCE_DATE_EPOCH")
	if text == "" {
		out, err := exec.CommandContext(ctx, "git", "log", "-1", "--format=%ct").Output()
		if err != nil {
			return time.Time{}, fmt.Errorf("read the time of the commit: %w; outside a clone set SOURCE_DATE_EPOCH", err)
		}
		text = strings.TrimSpace(string(out))
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil || seconds < 315532800 || seconds >= 4354819200 { // zip knows 1980 to 2107
		return time.Time{}, fmt.Errorf("SOURCE_DATE_EPOCH is %q: want seconds since 1970, from 1980 to 2107", text)
	}
	return time.Unix(seconds, 0).UTC(), nil
}
