package manifest

import (
	"io"
	"iter"
)

// RowsUpTo is Rows with another limit for a row, in bytes.
func RowsUpTo(most int, r io.Reader) iter.Seq2[Row, error] { return rows(r, most) }

// VerifyUpTo is Verify with another limit for a row, in bytes.
func VerifyUpTo(most int, r io.Reader) error { return verify(r, most) }
