package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"time"
)

// file is one file of a folder or of an archive. Its name has slashes.
type file struct {
	name string
	mode fs.FileMode
	data []byte
}

// readFiles reads files that are not programs.
func readFiles(names ...string) ([]file, error) {
	var files []file
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		files = append(files, file{filepath.ToSlash(name), 0o644, data})
	}
	return files, nil
}

// pages returns the licence, the sample policy, and the README with the files that it leads to.
func pages() ([]file, error) {
	names := []string{"LICENSE", "retention.yaml", "README.md", "README-CN.md", "CHANGELOG.md", "BENCHMARKS.md"}
	for _, pattern := range []string{"docs/*.md", "docs/zh/*.md", "docs/*.svg", "docs/*.txt", "docs/screens/*.png", "events/*"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			return nil, err
		}
		names = append(names, found...)
	}
	return readFiles(names...)
}

// tarball packs files below a folder, in their order. The same files give the same bytes:
// all have one time and no owner.
func tarball(folder string, files []file, at time.Time) ([]byte, error) {
	var packed bytes.Buffer
	compressed := gzip.NewWriter(&packed)
	archive := tar.NewWriter(compressed)
	for _, f := range files {
		header := tar.Header{Name: path.Join(folder, f.name), Mode: int64(f.mode), Size: int64(len(f.data)), ModTime: at, Format: tar.FormatUSTAR}
		if err := archive.WriteHeader(&header); err != nil {
			return nil, err
		}
		if _, err := archive.Write(f.data); err != nil {
			return nil, err
		}
	}
	if err := archive.Close(); err != nil {
		return nil, err
	}
	if err := compressed.Close(); err != nil {
		return nil, err
	}
	return packed.Bytes(), nil
}

// zipped is tarball for zip.
func zipped(folder string, files []file, at time.Time) ([]byte, error) {
	var packed bytes.Buffer
	archive := zip.NewWriter(&packed)
	for _, f := range files {
		header := zip.FileHeader{Name: path.Join(folder, f.name), Method: zip.Deflate, Modified: at}
		header.SetMode(f.mode)
		w, err := archive.CreateHeader(&header)
		if err != nil {
			return nil, err
		}
		if _, err := w.Write(f.data); err != nil {
			return nil, err
		}
	}
	if err := archive.Close(); err != nil {
		return nil, err
	}
	return packed.Bytes(), nil
}

func writeFolder(folder string, files []file) error {
	for _, f := range files {
		name := filepath.Join(folder, filepath.FromSlash(f.name))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil { //nolint:gosec // a release is public
			return err
		}
		if err := os.WriteFile(name, f.data, f.mode); err != nil {
			return err
		}
	}
	return nil
}
