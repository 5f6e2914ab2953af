package credentials

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
)

// parse reads a configuration file. Its errors have the place of a mistake, and no part of the file but keys of profile.
func parse(data []byte) (c config, err error) {
	err = json.Unmarshal(data, &c)
	var wrong *json.UnmarshalTypeError
	var syntax *json.SyntaxError
	switch {
	case err == nil:
		return c, nil
	case len(bytes.TrimSpace(data)) == 0:
		return c, errors.New("it is empty")
	case bytes.HasPrefix(data, []byte("\ufeff")), bytes.HasPrefix(data, []byte("\xff\xfe")), bytes.HasPrefix(data, []byte("\xfe\xff")):
		return c, errors.New("it starts with a byte order mark: save it as UTF-8 without one")
	case errors.As(err, &wrong):
		has, _, _ := strings.Cut(wrong.Value, " ") // the value follows a word for its type
		return c, fmt.Errorf("%s has the wrong type at %s: it is %s, and must be %s",
			cmp.Or(wrong.Field, "the file"), position(data, wrong.Offset), typesOfJSON[has], typesOfGo[wrong.Type.Kind()])
	case errors.As(err, &syntax) && syntax.Error() == "unexpected end of JSON input":
		return c, fmt.Errorf("not valid JSON: it ends too early, at %s", position(data, syntax.Offset))
	case errors.As(err, &syntax):
		return c, fmt.Errorf("not valid JSON at %s", position(data, syntax.Offset))
	}
	return c, errors.New("not valid JSON")
}

var (
	typesOfJSON = map[string]string{"string": "a text", "number": "a number", "bool": "true or false", "array": "a list", "object": "an object"}
	typesOfGo   = map[reflect.Kind]string{
		reflect.String: "a text", reflect.Int: "a whole number", reflect.Int64: "a whole number", reflect.Bool: "true or false",
		reflect.Slice: "a list", reflect.Struct: "an object",
	}
)

// position returns line and column of the byte before an offset. Columns count bytes.
func position(data []byte, offset int64) string {
	before := data[:max(0, min(int(offset), len(data))-1)]
	line := bytes.Count(before, []byte("\n")) + 1
	return fmt.Sprintf("line %d, column %d", line, len(before)-bytes.LastIndexByte(before, '\n'))
}
