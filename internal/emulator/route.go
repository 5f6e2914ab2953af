package emulator

import (
	"net"
	"net/http"
	"slices"
	"strings"

	"github.com/mediasweep/mediasweep/internal/account"
)

// route chooses the service of a request. A Host that names a bucket is of OSS; so is any path
// but "/", and "/" itself if it is signed as OSS has it. What remains is MPS.
//
// Paths are compared as they are escaped, and not by a ServeMux: keys may contain "//" and "/../",
// which a mux would redirect.
func (e *Emulator) route(w http.ResponseWriter, r *http.Request) {
	arrived := e.now() // calls that wait for the emulator arrived one by one
	path := strings.TrimPrefix(r.URL.EscapedPath(), "/")
	region, bucket := splitHost(r.Host)
	switch {
	case bucket != "":
		e.serve(w, r, arrived, e.oss(r, ossAddress{region, bucket, path}))
	case path == "" && !strings.HasPrefix(r.Header.Get("Authorization"), "OSS"):
		if e.isTooLong(r) {
			http.Error(w, "<html>414 Request-URI Too Large</html>", http.StatusRequestURITooLong)
			return
		}
		e.serve(w, r, arrived, e.rpc(r))
	case strings.HasPrefix("/"+path, robotPath):
		e.serve(w, r, arrived, e.robot(r))
	case strings.HasPrefix("/"+path, adminPath):
		e.admin(w, r)
	default:
		bucket, key, _ := strings.Cut(path, "/")
		e.serve(w, r, arrived, e.oss(r, ossAddress{bucket: bucket, key: key}))
	}
}

func (e *Emulator) isTooLong(r *http.Request) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.options.MaxQuery > 0 && len(r.URL.RawQuery) > e.options.MaxQuery
}

// ossAddress is where a request to OSS goes.
type ossAddress struct {
	region string // that the Host names; empty if it names none
	bucket string
	key    string
}

// splitHost is the region and the bucket of a Host such as
// films.oss-cn-shanghai.aliyuncs.com, or the bucket of films.localhost. Clients send
// such a Host to an IP address too.
func splitHost(host string) (region, bucket string) {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	bucket, endpoint, _ := strings.Cut(host, ".")
	if endpoint == "localhost" {
		return "", bucket
	}
	region, aliyun := strings.CutSuffix(endpoint, ".aliyuncs.com")
	region, of := strings.CutPrefix(strings.TrimSuffix(region, "-internal"), "oss-")
	if !aliyun || !of {
		return "", ""
	}
	return region, bucket
}

// isMPS reports whether a Host is of MPS in a region, or of this machine.
func isMPS(host, region string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	own := []string{"mts.aliyuncs.com", "mts." + region + ".aliyuncs.com", "mts-vpc." + region + ".aliyuncs.com"}
	return account.IsLoopback(strings.Trim(host, "[]")) || slices.Contains(own, strings.ToLower(host))
}
