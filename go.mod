module github.com/mediasweep/mediasweep

go 1.26.0

require (
	github.com/aliyun/alibaba-cloud-sdk-go v1.63.107 // MPS: the official SDK with services/mts
	github.com/aliyun/alibabacloud-oss-go-sdk-v2 v1.6.1 // OSS: the official SDK, with contexts and V4 signatures
	github.com/aliyun/credentials-go v1.4.14 // roles, sign-ins and metadata on a person's machine: the official providers
	github.com/aliyun/fc-runtime-go-sdk v0.3.1 // FC: the official SDK of the go1 runtime
	github.com/klauspost/compress v1.20.4 // gzip in two thirds of the time to read, and a third to write; s2 for temporary files
	github.com/rivo/uniseg v0.4.7 // how wide a terminal shows a character
	github.com/schollz/progressbar/v3 v3.19.1 // the progress of a run on a terminal
	github.com/spf13/cobra v1.10.2 // commands, their help and completion
	github.com/spf13/pflag v1.1.0 // the flags of cobra: completion walks them
	go.yaml.in/yaml/v4 v4.0.0 // the YAML organization's own: nodes with line and column
	golang.org/x/sync v0.25.0 // errgroup, semaphore and singleflight: workers that end together, turns that a context ends, and lookups that callers share
	golang.org/x/term v0.48.0 // whether stderr is a terminal
	gopkg.in/ini.v1 v1.68.0 // ~/.alibabacloud/credentials: the format of credentials-go, by the library that it uses
)

// For tests only.
require (
	github.com/chromedp/cdproto v0.159.3 // the protocol of that browser
	github.com/chromedp/chromedp v0.23.0 // a real browser
	github.com/google/go-cmp v0.7.0 // what differs
	github.com/rogpeppe/go-internal v1.16.0 // testscript
	golang.org/x/net v0.62.0 // html: what a browser makes of a page
)

// For releases only.
require github.com/CycloneDX/cyclonedx-go v0.12.0 // SBOMs

require (
	github.com/alibabacloud-go/debug v1.0.1 // indirect
	github.com/cpuguy83/go-md2man/v2 v2.0.6 // indirect
	github.com/go-json-experiment/json v0.0.0-20260213210345-44df1a37e875 // indirect
	github.com/inconshreveable/mousetrap v1.1.0 // indirect
	github.com/jmespath/go-jmespath v0.4.0 // indirect
	github.com/json-iterator/go v1.1.12 // indirect
	github.com/mitchellh/colorstring v0.0.0-20190213212951-d06e56a500db // indirect
	github.com/modern-go/concurrent v0.0.0-20180306012644-bacd9c7ef1dd // indirect
	github.com/modern-go/reflect2 v1.0.2 // indirect
	github.com/opentracing/opentracing-go v1.2.1-0.20220228012449-10b1cf09e00b // indirect
	github.com/russross/blackfriday/v2 v2.1.0 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
	golang.org/x/sys v0.50.0 // indirect
	golang.org/x/time v0.16.0 // indirect
	golang.org/x/tools v0.26.0 // indirect
)
