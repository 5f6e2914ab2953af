# Shortcuts for people; `.ci/run` is what a change has to pass.

.PHONY: build test bench lint demo ci

build:
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o mediasweep .

test:
	go test -race -shuffle=on ./...

bench:
	go test -run '^$$' -bench . -cpu 1 ./...

lint:
	.ci/run lint

demo:
	go run . demo

ci:
	.ci/run
