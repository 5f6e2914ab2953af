package credentials

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"syscall"
	"testing"
)

func TestReasons(t *testing.T) {
	of := func(err error) error {
		return &url.Error{Op: "Post", URL: "https://sts.aliyuncs.com/?Signature=hunter2", Err: err}
	}
	for want, err := range map[string]error{
		"the name of its host is unknown":                               of(&net.OpError{Op: "dial", Err: &net.DNSError{Name: "hunter2.example", IsNotFound: true}}),
		"the name of its host, sts.cn-beijing.aliyuncs.com, is unknown": of(&net.DNSError{Name: "sts.cn-beijing.aliyuncs.com", IsNotFound: true}),
		"no answer in time":                                             of(context.DeadlineExceeded),
		"no connection: connection refused":                             of(&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}),
		"the service refuses: EntityNotExist.Role":                      errors.New(`refresh session token failed: {"Message": "hunter2", "Code":"EntityNotExist.Role"}`),
		"the answer has no credentials":                                 errors.New(`{"Code": "Success"}`),
		"the service refuses with an unknown code":                      errors.New(`{"ErrorCode": "PlainSecretWordsWithoutDigits"}`),
		"sts_token is empty":                                            fmt.Errorf("hunter2: %w", failure("sts_token is empty")),
	} {
		if got := reason(err); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestServiceCodeIsShown(t *testing.T) {
	c := newCloud(t)
	configure(t, machine(t), byRole)
	c.fail(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, `{"Code": "NoPermission.Role", "Message": "hunter2"}`)
	})
	const want = `no credentials: profile "now" of ~/.aliyun/config.json: the service refuses: NoPermission.Role: ` +
		"try `aliyun sts GetCallerIdentity --profile now`"
	if said := fails(t, t.Context(), New(os.Getenv)); said != want {
		t.Errorf("%s\nwant %s", said, want)
	}
}

// An answer without credentials says which service gave it, and what to do.
func TestOddAnswers(t *testing.T) {
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(code)
			_, _ = io.WriteString(w, "<html>hunter2") // a stand-in
		}
	}
	const machineRole = "this machine must be an ECS instance with that RAM role"
	for name, test := range map[string]struct {
		profile string
		answer  http.HandlerFunc
		says    string
	}{
		"no such role":         {byMachine, status(http.StatusNotFound), "the metadata service of ECS answers with status 404: " + machineRole},
		"no JSON of metadata":  {byMachine, status(http.StatusOK), "the answer has no credentials: " + machineRole},
		"no role":              {`{"name": "now", "mode": "EcsRamRole", "ram_role_name": "", "ram_session_name": "s"}`, status(http.StatusNotFound), "the metadata service of ECS answers with status 404: " + machineRole},
		"no JSON of a program": {byURI, status(http.StatusOK), "the answer has no credentials: credentials_uri must answer with status 200 and JSON that has AccessKeyId, AccessKeySecret, SecurityToken and Expiration"},
		"no JSON of STS":       {byRole, status(http.StatusOK), "the answer has no credentials: try `aliyun sts GetCallerIdentity --profile now`"},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCloud(t)
			configure(t, machine(t), test.profile)
			c.fail(test.answer)
			want := `no credentials: profile "now" of ~/.aliyun/config.json: ` + test.says
			if said := fails(t, t.Context(), New(os.Getenv)); said != want {
				t.Errorf("%s\nwant %s", said, want)
			}
		})
	}
}
