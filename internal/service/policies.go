package service

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/mediasweep/mediasweep/internal/account"
	"github.com/mediasweep/mediasweep/internal/policy"
)

// configuredPolicy reads the policy that MEDIASWEEP_POLICY names, else that of PolicyFile.
func configuredPolicy(getenv func(string) string) (*policy.Policy, error) {
	name := getenv("MEDIASWEEP_POLICY")
	if name == "" {
		return ReadPolicy(PolicyFile())
	}
	p, err := ReadPolicy(name)
	var mistakes policy.Errors
	if err != nil && !errors.As(err, &mistakes) {
		err = fmt.Errorf("read the policy of MEDIASWEEP_POLICY: %w", account.WithoutPath(err))
	}
	return p, err
}

// PolicyFile returns the name of retention.yaml in the working folder, or beside the
// program if only that one exists.
func PolicyFile() string {
	const name = "retention.yaml"
	if _, err := os.Stat(name); errors.Is(err, os.ErrNotExist) {
		program, err := os.Executable()
		beside := filepath.Join(filepath.Dir(program), name)
		if _, missing := os.Stat(beside); err == nil && !errors.Is(missing, os.ErrNotExist) {
			return beside
		}
	}
	return name
}

// ReadPolicy reads the policy in a file; see policy.Parse.
func ReadPolicy(name string) (*policy.Policy, error) {
	data, err := PolicyText(name)
	if err != nil {
		return nil, err
	}
	return policy.Parse(name, data)
}

// PolicyText reads a policy file without parsing it. Its error for a file that is too large is
// that of policy.Parse.
func PolicyText(name string) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
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
