package credentials

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"strings"
	"time"
	"unicode"

	"github.com/aliyun/credentials-go/credentials/providers"
)

// external runs the process_command of a profile. The provider of credentials-go prints the output of
// the command if it is malformed, and writes credentials into the configuration file.
type external struct {
	command string
	now     func() time.Time

	current *providers.Credentials
	expire  time.Time // zero if the command does not say
}

const (
	commandTime = time.Minute
	// early is the time between a renewal and the end of the credentials, as in credentials-go.
	early = 3 * time.Minute
	// maxOutput bounds the output of a command, in bytes.
	maxOutput = 64 << 10
)

// GetProviderName returns the name that credentials-go has for it.
func (e *external) GetProviderName() string { return "external" }

// GetCredentials returns the credentials that the command prints.
func (e *external) GetCredentials() (*providers.Credentials, error) {
	if e.current != nil && (e.expire.IsZero() || e.now().Add(early).Before(e.expire)) {
		return e.current, nil
	}
	text, err := e.run()
	if err != nil {
		return nil, err
	}
	var printed struct {
		ID      string `json:"access_key_id"`
		Secret  string `json:"access_key_secret"`
		Token   string `json:"sts_token"`
		Expires string `json:"expiration"`
	}
	if err := json.Unmarshal(text, &printed); err != nil || printed.ID == "" || printed.Secret == "" {
		return nil, failure("process_command does not print JSON with access_key_id and access_key_secret")
	}
	e.current = &providers.Credentials{AccessKeyId: printed.ID, AccessKeySecret: printed.Secret, SecurityToken: printed.Token, ProviderName: e.GetProviderName()}
	e.expire, _ = time.Parse(time.RFC3339, printed.Expires) // without an end, until a service refuses them
	return e.current, nil
}

// run returns what the command prints. Its error output may have secrets: nobody sees it.
func (e *external) run() ([]byte, error) {
	words, err := split(e.command, runtime.GOOS == "windows")
	if err != nil {
		return nil, failure("process_command: " + err.Error())
	}
	ctx, cancel := context.WithTimeout(context.Background(), commandTime)
	defer cancel()
	command := exec.CommandContext(ctx, words[0], words[1:]...) //nolint:gosec // the user's own file names the command
	command.WaitDelay = time.Second                             // a program that it leaves behind may hold the output open
	var printed output
	command.Stdout = &printed
	err = command.Run()
	var exit *exec.ExitError
	switch {
	case errors.Is(err, exec.ErrWaitDelay):
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return nil, failure("process_command does not end within a minute: run it by hand")
	case errors.As(err, &exit):
		return nil, failure(fmt.Sprintf("process_command fails (%s): run it by hand", exit.ProcessState))
	case err != nil:
		return nil, failure("process_command fails: run it by hand")
	}
	return printed.data, nil
}

// output collects at most maxOutput bytes that a command prints.
type output struct{ data []byte }

func (o *output) Write(p []byte) (int, error) {
	if len(o.data)+len(p) > maxOutput {
		return 0, errors.New("too much output")
	}
	o.data = append(o.data, p...)
	return len(p), nil
}

// split splits a command into words, as the aliyun CLI does: quotes group, and outside Windows a backslash
// escapes.
func split(command string, windows bool) (words []string, err error) {
	var word strings.Builder
	var quote rune
	within, escaped := false, false
	for _, c := range command {
		switch {
		case escaped:
			word.WriteRune(c)
			escaped = false
		case c == '\\' && quote != '\'' && !windows:
			within, escaped = true, true
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == '"' || c == '\''):
			within, quote = true, c
		case quote == 0 && unicode.IsSpace(c):
			if within {
				words = append(words, word.String())
			}
			word.Reset()
			within = false
		default:
			word.WriteRune(c)
			within = true
		}
	}
	if quote != 0 || escaped {
		return nil, errors.New("a quote or an escape has no end")
	}
	if within {
		words = append(words, word.String())
	}
	if len(words) == 0 || words[0] == "" {
		return nil, errors.New("it names no program")
	}
	return words, nil
}
