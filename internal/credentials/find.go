package credentials

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/aliyun/credentials-go/credentials/providers"

	"github.com/mediasweep/mediasweep/internal/account"
	"github.com/mediasweep/mediasweep/internal/text"
)

// origin is a source that is configured.
type origin struct {
	name     string // for people
	failed   string // what to say if it fails, in place of the reason; may be empty
	next     string // what a person does if a service fails
	profile  string // of the aliyun CLI; may be empty
	provider providers.CredentialsProvider
}

// find returns the first source that is configured. It makes no call. A profile that is not empty is the
// only source. Half a key is a mistake, and the next source may be another account's.
func find(getenv func(string) string, now func() time.Time, profile string) (*origin, error) {
	const id, secret = "ALIBABA_CLOUD_ACCESS_KEY_ID", "ALIBABA_CLOUD_ACCESS_KEY_SECRET"
	switch hasID, hasSecret := getenv(id) != "", getenv(secret) != ""; {
	case hasID && !hasSecret:
		return nil, failure(id + " is set, and " + secret + " is not: set both or none")
	case hasSecret && !hasID:
		return nil, failure(secret + " is set, and " + id + " is not: set both or none")
	}
	if profile != "" || !strings.EqualFold(getenv("ALIBABA_CLOUD_CLI_PROFILE_DISABLED"), "true") {
		found, err := ofProfile(getenv, now, profile)
		if !errors.Is(err, errNotConfigured) {
			return found, err
		}
	}
	return ofEnvironment(getenv, now)
}

// errNotConfigured says that a source is not configured, and another may be.
var errNotConfigured = errors.New("not configured")

// configFile returns the path of the configuration file of the aliyun CLI, and its name for people.
func configFile(getenv func(string) string) (path, shown string) {
	if own := getenv("ALIBABA_CLOUD_CONFIG_FILE"); own != "" {
		return own, "the file of ALIBABA_CLOUD_CONFIG_FILE"
	}
	return filepath.Join(home(getenv), ".aliyun", "config.json"), "~/.aliyun/config.json"
}

func ofProfile(getenv func(string) string, now func() time.Time, name string) (*origin, error) {
	path, shown := configFile(getenv)
	data, err := readFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && name == "" && getenv("ALIBABA_CLOUD_CONFIG_FILE") == "":
		return nil, errNotConfigured
	case err != nil:
		return nil, failure(shown + ": " + err.Error() + ": run `aliyun configure`")
	}
	return ofConfig(data, shown, now, name)
}

// ofConfig returns the profile of a configuration file: the current one if the name is empty.
func ofConfig(data []byte, shown string, now func() time.Time, name string) (*origin, error) {
	config, err := parse(data)
	if err != nil {
		return nil, failure(shown + ": " + err.Error() + ": mend it, or run `aliyun configure`")
	}
	if name == "" && !config.isConfigured() {
		return nil, errNotConfigured
	}
	if name == "" {
		name = config.Current
	}
	p, err := config.profile(name)
	if err != nil {
		return nil, failure(shown + ": " + err.Error())
	}
	source := p.name() + " of " + shown
	provider, err := config.provider(p, now, maxRoles)
	if err != nil {
		return nil, failure(source + ": " + err.Error())
	}
	return &origin{name: source, profile: name, provider: provider, next: p.next("try `aliyun sts GetCallerIdentity --profile " + text.Name(p.Name) + "`")}, nil
}

// ofEnvironment returns what credentials-go finds without the aliyun CLI. A source that someone named comes
// before the metadata service, which would have to be asked.
func ofEnvironment(getenv func(string) string, now func() time.Time) (found *origin, err error) {
	found = &origin{}
	file, shown := filepath.Join(home(getenv), ".alibabacloud", "credentials"), "~/.alibabacloud/credentials"
	own := getenv("ALIBABA_CLOUD_CREDENTIALS_FILE")
	if own != "" {
		file, shown = own, "the file of ALIBABA_CLOUD_CREDENTIALS_FILE"
	}
	_, noFile := os.Stat(file)
	switch {
	case getenv("ALIBABA_CLOUD_OIDC_PROVIDER_ARN") != "" && getenv("ALIBABA_CLOUD_ROLE_ARN") != "":
		found.name = "the OIDC token of the environment"
		found.next = "check ALIBABA_CLOUD_ROLE_ARN, ALIBABA_CLOUD_OIDC_PROVIDER_ARN and the token"
		found.provider, err = tokenOfEnvironment(getenv)
	case getenv("ALIBABA_CLOUD_CREDENTIALS_URI") != "":
		found.name = "ALIBABA_CLOUD_CREDENTIALS_URI"
		found.next = "it must answer with " + answerOfURI
		if !isAddress(getenv(found.name)) {
			return nil, failure(found.name + " is not an http or https address")
		}
		found.provider, err = providers.NewURLCredentialsProviderBuilder().Build()
	case noFile == nil || own != "":
		data, err := readFile(file)
		if err != nil {
			return nil, failure(shown + ": " + err.Error())
		}
		return ofINI(data, shown, now)
	case strings.EqualFold(getenv("ALIBABA_CLOUD_ECS_METADATA_DISABLED"), "true"):
		return nil, failure(setSome)
	default:
		found.name = "the metadata service of ECS"
		found.failed = "the metadata service of ECS gave none, and nothing else is configured: " + setSome
		found.provider, err = providers.NewECSRAMRoleCredentialsProviderBuilder().Build()
	}
	if err != nil {
		return nil, failure(found.name + ": credentials-go does not accept its settings")
	}
	return found, nil
}

const setSome = "set ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET, name a profile of the aliyun CLI with --profile, or run `aliyun configure`"

// home returns the folder of the user, as the aliyun CLI finds it.
func home(getenv func(string) string) string {
	if runtime.GOOS == "windows" {
		return getenv("USERPROFILE")
	}
	return getenv("HOME")
}

// maxFile bounds a configuration file, in bytes.
const maxFile = 1 << 20

// readFile reads a file. Its error does not name the file. A pipe is refused: it may never end.
func readFile(path string) ([]byte, error) {
	about, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, account.WithoutPath(err)
	case !about.Mode().IsRegular():
		return nil, errors.New("not a regular file")
	case about.Size() > maxFile:
		return nil, errors.New("larger than 1 MiB")
	}
	data, err := os.ReadFile(path)
	return data, account.WithoutPath(err)
}
