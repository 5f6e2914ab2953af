package console

import (
	"fmt"
	"net/http"
	"strings"
)

// Store is a deployment of several that one address serves, by its state store.
type Store struct {
	Name string
	// Path is where its pages are; see StorePath.
	Path string
}

// StorePath returns the path of the pages of a store, by its number.
func StorePath(number int) string { return fmt.Sprintf("/stores/%d", number) }

// Stores returns the pages of several stores, each at its path. Other paths lead to the first one.
func Stores(pages []http.Handler) http.Handler {
	mux := http.NewServeMux()
	for i, one := range pages {
		path := StorePath(i + 1)
		mux.Handle(path+"/", http.StripPrefix(path, one))
	}
	mux.Handle("/", http.RedirectHandler(StorePath(1)+"/", http.StatusSeeOther))
	return mux
}

// below moves the links of a page below a path. Only the templates' own attributes have quotes. Links to
// stores are complete.
func below(path, page string) string {
	if path == "" {
		return page
	}
	return strings.NewReplacer(`="/stores/`, `="/stores/`, `="/`, `="`+path+`/`).Replace(page)
}
