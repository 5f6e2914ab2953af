package credentials

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
)

// parse reads a configuration file. Its errors have the place of a mistake, and no part of the file but keys of profile.
func parse(data []byte) (c config, err error) {
	err = json.Unmarshal(data, &c)
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return c, fmt.Errorf("%s has the wrong type at %s", cmp.Or(wrong.Field, "the file"), position(data, wrong.Offset))
	}
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return c, fmt.Errorf("not valid JSON at %s", position(data, syntax.Offset))
	}
	return c, err
}

// position returns line and column of the byte before an offset. Columns count bytes.
func position(data []byte, offset int64) string {
	before := data[:max(0, min(int(offset), len(data))-1)]
	line := bytes.Count(before, []byte("\n")) + 1
	return fmt.Sprintf("line %d, column %d", line, len(before)-bytes.LastIndexByte(before, '\n'))
}
