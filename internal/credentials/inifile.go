package credentials

import (
	"fmt"
	"strings"
	"time"

	"gopkg.in/ini.v1"
)

// ofINI returns the default section of the credentials file of credentials-go, whose own reader says of no mistake
// where it is.
func ofINI(data []byte, shown string, now func() time.Time) (*origin, error) {
	file, err := ini.Load(data)
	if err != nil {
		return nil, failure(fmt.Sprintf("%s: not valid INI%s: write [default], and key = value below it", shown, badLine(string(data))))
	}
	const name = "default"
	if !file.HasSection(name) {
		return nil, failure(shown + ": no section [default]: add it")
	}
	section := file.Section(name)
	value := func(key string) string { return section.Key(key).String() }
	p := profile{Name: name, AccessKeyID: value("access_key_id"), AccessKeySecret: value("access_key_secret"), RoleARN: value("role_arn"),
		RoleName: value("role_name"), RoleSessionName: value("role_session_name"), Policy: value("policy")}
	modes := map[string]string{"access_key": "AK", "ecs_ram_role": "EcsRamRole", "ram_role_arn": "RamRoleArn"}
	p.Mode = modes[value("type")]
	source := "section [default] of " + shown
	if p.Mode == "" {
		return nil, failure(source + ": its type is none of access_key, ecs_ram_role and ram_role_arn")
	}
	if missing := p.missing(); len(missing) > 0 {
		return nil, failure(source + ": " + strings.ReplaceAll(strings.Join(missing, ", "), "ram_role_arn", "role_arn") + " is empty: set it")
	}
	provider, err := config{}.provider(p, now, 0)
	if err != nil {
		return nil, failure(source + ": " + err.Error())
	}
	return &origin{name: shown, provider: provider, next: p.next("check its access key and role_arn")}, nil
}

// badLine says which line is neither a section, nor a value, nor a comment.
func badLine(text string) string {
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimSpace(line)
		isValue := strings.ContainsAny(line, "=:")
		if strings.HasPrefix(line, "[") {
			isValue = strings.Contains(line, "]")
		}
		if line != "" && !isValue && !strings.ContainsAny(line[:1], "#;") {
			return fmt.Sprintf(" at line %d", number)
		}
	}
	return ""
}
