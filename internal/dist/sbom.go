package main

import (
	"bytes"
	"cmp"
	"debug/buildinfo"
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	"github.com/CycloneDX/cyclonedx-go"
)

// sbom lists what a program was linked from, as CycloneDX: its modules and Go's own
// packages. It has no serial number, because two builds must be equal.
func sbom(program []byte, version string, at time.Time) ([]byte, error) {
	info, err := buildinfo.Read(bytes.NewReader(program))
	if err != nil {
		return nil, err
	}
	main := component(cyclonedx.ComponentTypeApplication, info.Main.Path, version)
	parts := []cyclonedx.Component{component(cyclonedx.ComponentTypeLibrary, "std", strings.TrimPrefix(info.GoVersion, "go"))}
	refs := []string{parts[0].BOMRef}
	for _, module := range info.Deps {
		used := cmp.Or(module.Replace, module)
		part := component(cyclonedx.ComponentTypeLibrary, used.Path, used.Version)
		parts, refs = append(parts, part), append(refs, part.BOMRef)
	}
	bom := cyclonedx.NewBOM()
	bom.Metadata = &cyclonedx.Metadata{Timestamp: at.Format(time.RFC3339), Component: &main, Properties: settings(info.Settings)}
	bom.Components = &parts
	bom.Dependencies = &[]cyclonedx.Dependency{{Ref: main.BOMRef, Dependencies: &refs}}
	var text bytes.Buffer
	err = cyclonedx.NewBOMEncoder(&text, cyclonedx.BOMFileFormatJSON).SetPretty(true).EncodeVersion(bom, cyclonedx.SpecVersion1_6)
	return text.Bytes(), err
}

func component(kind cyclonedx.ComponentType, module, version string) cyclonedx.Component {
	url := fmt.Sprintf("pkg:golang/%s@%s", module, version)
	return cyclonedx.Component{BOMRef: url, Type: kind, Name: module, Version: version, PackageURL: url}
}

// settings names the platform that the program was built for.
func settings(all []debug.BuildSetting) *[]cyclonedx.Property {
	var kept []cyclonedx.Property
	for _, s := range all {
		if s.Key == "GOOS" || s.Key == "GOARCH" {
			kept = append(kept, cyclonedx.Property{Name: "mediasweep:build:" + s.Key, Value: s.Value})
		}
	}
	return &kept
}
