package main

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

//go:embed function.md
var functionReadme []byte

//go:embed application.md
var applicationReadme []byte

//go:embed publish.yaml
var publish []byte

// folders returns the folders of a deployment. The function has what `s deploy` needs, the built program included. The
// application is as the registry of Serverless Devs takes it: its s.yaml has what `s init` asks for in place of environment
// variables.
func folders(program []byte, version, notes string) (map[string][]file, error) {
	templates, err := readFiles("s.yaml", "s.go1.yaml")
	if err != nil {
		return nil, err
	}
	for i := range templates {
		if templates[i].data, err = withoutBuild(templates[i].data); err != nil {
			return nil, fmt.Errorf("%s: %w", templates[i].name, err)
		}
	}
	content, err := deployed(program)
	if err != nil {
		return nil, err
	}
	application := []file{
		{"publish.yaml", 0o644, bytes.Replace(publish, []byte("\nVersion: 0.0.0\n"), []byte("\nVersion: "+strings.TrimPrefix(version, "v")+"\n"), 1)},
		{"readme.md", 0o644, applicationReadme},
		{"version.md", 0o644, []byte(notes)},
		{"src/s.yaml", 0o644, withQuestions(templates[0].data)},
	}
	for _, f := range content {
		application = append(application, file{"src/" + f.name, f.mode, f.data})
	}
	function := slices.Concat(templates, []file{{"README.md", 0o644, functionReadme}}, content)
	return map[string][]file{"function": function, "application": application}, nil
}

// deployed returns the folder that the function's package is made of, sample payloads for
// s invoke, and the licence.
func deployed(program []byte) ([]file, error) {
	events, err := filepath.Glob("events/*.json")
	if err != nil {
		return nil, err
	}
	files, err := readFiles(append([]string{"LICENSE", "retention.yaml"}, events...)...)
	if err != nil {
		return nil, err
	}
	files[1].name = "target/retention.yaml"
	return append(files, file{"target/mediasweep", 0o755, program}), nil
}

// withoutBuild cuts the step that compiles the program before a deployment.
func withoutBuild(template []byte) ([]byte, error) {
	step := regexp.MustCompile(`(?m)^    actions:\n(^      .*\n)+`)
	if found := step.FindAll(template, -1); len(found) != 1 || !bytes.Contains(found[0], []byte("internal/build")) {
		return nil, errors.New("no step `actions` that builds the program: mend withoutBuild")
	}
	return step.ReplaceAll(template, nil), nil
}

// withQuestions puts the parameters of publish.yaml in place of the environment
// variables, and the access that was chosen in place of the default one.
func withQuestions(template []byte) []byte {
	_, rest, _ := bytes.Cut(template, []byte("\nedition: ")) // the comment before it speaks of the variables
	text := "# mediasweep on Function Compute 3.0, deployed by Serverless Devs: `s deploy`.\nedition: " + string(rest)
	text = strings.Replace(text, "\naccess: default\n", "\naccess: '{{ access || \"default\" }}'\n", 1)
	return []byte(variable.ReplaceAllStringFunc(text, func(found string) string {
		return "'{{ " + parameter(variable.FindStringSubmatch(found)[1]) + " }}'"
	}))
}

// variable matches an environment variable in s.yaml: its name and its default.
var variable = regexp.MustCompile(`\$\{env\('MEDIASWEEP_([A-Z_]+)','([^']*)'\)\}`)

// parameter returns the name of the parameter for a variable: MEDIA_BUCKET is mediaBucket.
// Templates are JavaScript, where function is a reserved word.
func parameter(variable string) string {
	if variable == "FUNCTION" {
		return "functionName"
	}
	words := strings.Split(strings.ToLower(variable), "_")
	for i, word := range words[1:] {
		words[i+1] = strings.ToUpper(word[:1]) + word[1:]
	}
	return strings.Join(words, "")
}
