// Package credentials finds credentials on a person's machine, where the environment has no access
// key: a profile of the aliyun CLI, or what credentials-go knows. The first source that is configured
// is used. If it fails, no other is tried: the other may be another account's.
package credentials

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aliyun/credentials-go/credentials/providers"
	"golang.org/x/sync/singleflight"

	"github.com/mediasweep/mediasweep/internal/account"
	"github.com/mediasweep/mediasweep/internal/task"
)

// retryAfter is the time between two tries to renew credentials that are still in use.
const retryAfter = 30 * time.Second

// longest bounds a lookup. Each of its requests, files and commands has a shorter time.
const longest = 2 * time.Minute

type chain struct {
	getenv func(string) string
	now    func() time.Time

	lookups singleflight.Group // callers share one: each would wait for the same service
	refused atomic.Value       // the latest account.Credentials that a service refused

	mu      sync.Mutex          // held by a lookup
	profile string              // of the first lookup: another may be another account's
	origin  *origin             // nil before the first lookup, and after one that failed
	last    account.Credentials // handed out, and not refused
	retryAt time.Time           // for renewing last
}

// New returns the source of an environment. It is empty in Function Compute, where the function's
// role gives the credentials.
func New(getenv func(string) string) account.Source {
	if account.InFC(getenv) {
		return account.NoSource{}
	}
	return newChain(getenv, time.Now)
}

// CheckProfile returns what is wrong with the profile that the environment names, without a secret. It
// makes no call.
func CheckProfile(getenv func(string) string) error {
	if _, err := find(getenv, time.Now, getenv("ALIBABA_CLOUD_PROFILE")); err != nil {
		return errors.New(reason(err))
	}
	return nil
}

func newChain(getenv func(string) string, now func() time.Time) *chain {
	return &chain{getenv: getenv, now: now, profile: getenv("ALIBABA_CLOUD_PROFILE")}
}

// String names the source that a lookup would use.
func (c *chain) String() string {
	origin, err := find(c.getenv, c.now, c.getenv("ALIBABA_CLOUD_PROFILE"))
	if err != nil {
		return "none: " + reason(err)
	}
	if origin.failed != "" {
		return "none configured; would ask " + origin.name
	}
	return origin.name
}

// Refuse makes the next lookup read the configuration again. A lookup that began before the first refusal is not shared
// any more.
func (c *chain) Refuse(refused account.Credentials) {
	if c.refused.Swap(refused) != refused {
		c.lookups.Forget("")
	}
}

// Current returns the credentials to use now. Those that expire are renewed before. It waits no longer
// than ctx, which credentials-go does not take.
func (c *chain) Current(ctx context.Context) (account.Credentials, error) {
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	lookup := c.lookups.DoChan("", func() (found any, err error) {
		err = task.Do(func() (err error) {
			found, err = c.lookup()
			return err
		})
		return found, err
	})
	select {
	case came := <-lookup:
		found, _ := came.Val.(account.Credentials)
		return found, came.Err
	case <-ctx.Done():
		return account.Credentials{}, failure("no answer in time")
	}
}

// lookup returns the credentials in use, renewed if it is time to. If that fails, they stay in use until
// a service refuses them.
func (c *chain) lookup() (account.Credentials, error) {
	none := account.Credentials{}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last != none && c.refused.CompareAndSwap(c.last, none) {
		c.last, c.origin = none, nil
	}
	if c.last != none && c.now().Before(c.retryAt) {
		return c.last, nil
	}
	found, err := c.ask()
	switch {
	case err == nil:
		c.last = found
	case c.last == none:
		return none, err
	default:
		c.retryAt = c.now().Add(retryAfter)
	}
	return c.last, nil
}

// ask asks the origin, and finds it first if there is none. An origin that failed is dropped.
func (c *chain) ask() (found account.Credentials, err error) {
	from := c.origin
	c.origin = nil
	if from == nil {
		if from, err = find(c.getenv, c.now, c.profile); err != nil {
			return found, err
		}
	}
	given, err := get(from.provider)
	if err != nil {
		return found, failure(cmp.Or(from.failed, from.name+": "+from.reason(err)))
	}
	c.origin, c.profile = from, from.profile
	return account.Credentials{AccessKeyID: given.AccessKeyId, AccessKeySecret: given.AccessKeySecret, SecurityToken: given.SecurityToken}, nil
}

var (
	errForm  = errors.New("the answer has an unexpected form")
	errNoKey = errors.New("the answer has no access key")
)

// get asks a provider. credentials-go panics if an answer lacks a field.
func get(p providers.CredentialsProvider) (given *providers.Credentials, err error) {
	defer func() {
		if recover() != nil {
			err = errForm
		}
	}()
	given, err = p.GetCredentials()
	if err == nil && (given.AccessKeyId == "" || given.AccessKeySecret == "") {
		err = errNoKey
	}
	return given, err
}
