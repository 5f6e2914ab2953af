package service

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/mediasweep/mediasweep/internal/account"
	"github.com/mediasweep/mediasweep/internal/journal"
	"github.com/mediasweep/mediasweep/internal/media"
	"github.com/mediasweep/mediasweep/internal/objects"
	"github.com/mediasweep/mediasweep/internal/policy"
	"github.com/mediasweep/mediasweep/internal/task"
	"github.com/mediasweep/mediasweep/internal/text"
)

// policies returns the policy of each call. The file or object is read for every call.
type policies struct {
	path    string       // of the file; empty for a given policy, or an object
	isNamed bool         // path is that of MEDIASWEEP_POLICY
	object  media.Object // zero for a file, or a given policy

	mu     sync.Mutex
	latest *policy.Policy // given, or the last one without a mistake
	etag   string         // of the object
}

// configure reads the name of the policy from the environment. The policy itself is read for each call, so that a
// process whose policy has a mistake recovers.
func (p *policies) configure(getenv func(string) string) (err error) {
	name := getenv("MEDIASWEEP_POLICY")
	if InOSS(name) {
		if p.object, err = policyObject(name); err != nil {
			err = fmt.Errorf("MEDIASWEEP_POLICY, or --policy: %w", err)
		}
		return err
	}
	p.path, p.isNamed = cmp.Or(name, PolicyFile()), name != ""
	return nil
}

// ofFile returns the policy of the file, or a given one; nil for an object. A file that has changed since binds at once.
// A pipe or a terminal is read once.
func (p *policies) ofFile(ctx context.Context) (*policy.Policy, error) {
	if p.object != (media.Object{}) {
		return nil, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.path == "" || p.latest != nil && isStream(p.path) {
		return p.latest, nil
	}
	data, err := textWithin(ctx, p.path)
	var mistakes policy.Errors
	switch {
	case err != nil && p.isNamed && !errors.As(err, &mistakes):
		return nil, fmt.Errorf("read the policy of MEDIASWEEP_POLICY, or --policy: %w", account.WithoutPath(err))
	case err != nil:
		return nil, err
	case p.latest != nil && bytes.Equal(data, p.latest.Text()):
		return p.latest, nil
	}
	changed, err := policy.Parse(p.path, data)
	if err == nil {
		p.latest = changed
	}
	return changed, err
}

// InOSS reports whether the name of a policy is that of an object.
func InOSS(name string) bool { return strings.HasPrefix(name, "oss://") }

// policyObject parses the name of a policy object. The error does not quote it, because MEDIASWEEP_POLICY
// may hold a misplaced secret.
func policyObject(name string) (media.Object, error) {
	object, err := media.ParseObject(name)
	if err != nil {
		return object, errors.New("the policy is not at a bucket and a key that OSS allows: write oss://bucket/retention.yaml")
	}
	return object, nil
}

// read returns the policy of the object. An unchanged object is not transferred again. A policy that
// cannot be read, or has a mistake, is an error: an earlier one is not used.
func (p *policies) read(ctx context.Context, session *objects.Session) (*policy.Policy, error) {
	p.mu.Lock()
	latest, etag := p.latest, p.etag
	p.mu.Unlock()
	data, etag, err := readObject(ctx, session, p.object, etag)
	switch {
	case errors.Is(err, objects.ErrUnchanged):
		return latest, nil
	case err != nil:
		return nil, err
	}
	if latest, err = policy.Parse(p.object.String(), data); err != nil {
		return nil, refusedError{err}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.latest, p.etag = latest, etag
	return latest, nil
}

func readObject(ctx context.Context, session *objects.Session, object media.Object, known string) (data []byte, etag string, err error) {
	data, etag, err = session.ReadChanged(ctx, object, policy.MaxBytes, known)
	switch {
	case errors.Is(err, objects.ErrTooLarge), errors.Is(err, account.ErrNoCredentials):
		err = refusedError{err}
	case err != nil && !errors.Is(err, objects.ErrUnchanged):
		err = fmt.Errorf("no policy: %w: name an object that the credentials may read (oss:GetObject)", err)
	}
	return data, etag, err
}

// Policy returns the policy of a call. The calls to MPS keep its pace from now on.
func (s *Service) Policy(ctx context.Context, call Call) (p *policy.Policy, err error) {
	if s.broken != nil {
		return nil, refusedError{s.Broken(ctx)}
	}
	if p, err = s.policies.ofFile(ctx); err != nil {
		return nil, refusedError{err}
	}
	if p == nil {
		if p, err = s.policies.read(ctx, s.objects.Session(s.credentialsOf(call))); err != nil {
			return nil, err
		}
	}
	if err := s.checkPlace(p); err != nil {
		return nil, refusedError{err}
	}
	s.library.SetShare(p.Share)
	return p, nil
}

// savePolicy saves the text of the policy of a run. A run that may delete fails without it: its
// outcomes name the policy by its digest.
func (j *job) savePolicy(ctx context.Context) error {
	p, r := j.policy, j.report
	if j.savedPolicy.Load() == p.Digest() {
		return nil
	}
	err := journal.SavePolicy(ctx, j.store(), p)
	switch {
	case err == nil:
		j.savedPolicy.Store(p.Digest())
	case r.Mode == policy.Enforce:
		return fmt.Errorf("%w; nothing was deleted", err)
	default:
		j.log.Warn("policy not saved", "run", r.Run, "error", err.Error())
		r.Notes = append(r.Notes, text.Bound(err.Error()))
	}
	return nil
}

const policyFile = "retention.yaml"

// PolicyFile returns the name of retention.yaml in the working folder, or beside the
// program if only that one exists.
func PolicyFile() string {
	if _, err := os.Stat(policyFile); errors.Is(err, os.ErrNotExist) {
		program, err := os.Executable()
		beside := filepath.Join(filepath.Dir(program), policyFile)
		if _, missing := os.Stat(beside); err == nil && !errors.Is(missing, os.ErrNotExist) {
			return beside
		}
	}
	return policyFile
}

// ReadPolicy reads the policy in a file or at oss://bucket/key; see PolicyText. An error of policy.Parse rejects it too.
func ReadPolicy(ctx context.Context, getenv func(string) string, credentials account.Source, name string) (*policy.Policy, error) {
	data, err := PolicyText(ctx, getenv, credentials, name)
	if err != nil {
		return nil, err
	}
	p, err := policy.Parse(name, data)
	if err != nil {
		return nil, refusedError{err}
	}
	return p, nil
}

// PolicyText reads a policy without parsing it: a file, or oss://bucket/key with the account of the
// environment. An error rejects the policy unless OSS did not give it; see IsRefusal.
func PolicyText(ctx context.Context, getenv func(string) string, credentials account.Source, name string) ([]byte, error) {
	if !InOSS(name) {
		data, err := textWithin(ctx, name)
		if err != nil {
			return nil, refusedError{err}
		}
		return data, nil
	}
	object, err := policyObject(name)
	if err != nil {
		return nil, refusedError{err}
	}
	a, err := account.FromEnvironment(getenv)
	if err != nil {
		return nil, refusedError{err}
	}
	data, _, err := readObject(ctx, objects.New(a).Session(account.NewKeyringWith(getenv, credentials).Or(account.Credentials{})), object, "")
	return data, err
}

// textWithin returns fileText's result, or the error of the context if that ends first: a pipe may have no writer.
func textWithin(ctx context.Context, name string) ([]byte, error) {
	if !isStream(name) {
		return fileText(name)
	}
	data, err := task.Within(ctx, func() ([]byte, error) { return fileText(name) })
	if ctx.Err() != nil {
		return nil, fmt.Errorf("a pipe or terminal was not read to its end: %w", ctx.Err())
	}
	return data, err
}

// isStream reports whether a file has its content once, as a pipe and a terminal do.
func isStream(name string) bool {
	info, err := os.Stat(name)
	return err == nil && !info.Mode().IsRegular()
}

// fileText reads a policy file. Its error for a file that is too large is that of policy.Parse.
func fileText(name string) ([]byte, error) {
	file, err := os.Open(name)
	switch {
	case err != nil && strings.HasPrefix(name, "file://"):
		return nil, errors.New("the policy is named by its path, and not by a URL: leave out file://")
	case errors.Is(err, os.ErrNotExist) && name == policyFile:
		return nil, errors.New("no policy: there is no retention.yaml here: mediasweep check --init writes one; MEDIASWEEP_POLICY, or --policy, names one elsewhere")
	case err != nil:
		return nil, fmt.Errorf("read the policy: %w", err)
	}
	defer file.Close() //nolint:errcheck // only read
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("read the policy: %w", err)
	}
	if info.Mode().IsRegular() && info.Size() > policy.MaxBytes {
		return nil, policy.TooLarge(name, info.Size())
	}
	data, err := io.ReadAll(io.LimitReader(file, policy.MaxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read the policy: %w", err)
	}
	return data, nil
}
