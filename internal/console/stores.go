package console

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
)

// store is one of several deployments that an address serves.
type store struct {
	Name string
	Path string // of its pages
}

// Stores returns the pages of several deployments, each at a path of its own. Other paths lead to the first one.
func Stores(all []Options) http.Handler {
	if len(all) == 1 {
		return New(all[0])
	}
	var stores []store
	for i, o := range all {
		stores = append(stores, store{o.Name, fmt.Sprintf("/stores/%d", i+1)})
	}
	mux := http.NewServeMux()
	for i, o := range all {
		mux.Handle(stores[i].Path+"/", http.StripPrefix(stores[i].Path, newPages(o, stores[i].Path, stores)))
	}
	mux.Handle("/", http.RedirectHandler(stores[0].Path+"/", http.StatusSeeOther))
	return mux
}

// links finds the links of a page. A value that somebody typed has no quote.
var links = regexp.MustCompile(` (?:href|src|action)="/`)

// below moves the links of a page below a path. Links to stores are complete.
func below(path, page string) string {
	if path == "" {
		return page
	}
	moved := links.ReplaceAllString(page, "${0}"+strings.TrimPrefix(path, "/")+"/")
	return strings.ReplaceAll(moved, `="`+path+"/stores/", `="/stores/`)
}
