package journal

import (
	"bytes"
	"compress/gzip"
	"testing"
)

// no fails the test on an error.
func no(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// squeezed returns a record of a text.
func squeezed(text string) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write([]byte(text))
	_ = w.Close()
	return b.Bytes()
}
