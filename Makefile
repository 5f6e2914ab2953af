# Shortcuts for people; `.ci/run` is what a change has to pass.

.PHONY: build test bench fault lint demo ci

build:
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o mediasweep .

test:
	go test -race -shuffle=on ./...

# Ten minutes; writes BENCHMARKS.md. ARGS is for internal/bench, such as
# ARGS='-largest 1000000', which takes twenty minutes more.
bench:
	{ cat internal/bench/about.md; \
	  echo; echo '```'; \
	  go test -run '^$$' -bench . -cpu 1 ./internal/retention ./internal/objects ./internal/index ./internal/extsort | grep -E '^(cpu|Benchmark)' | sort -u; \
	  go test -run '^$$' -bench . -benchtime 1x -timeout 2h ./internal/bench -args $(ARGS) | grep '^Benchmark'; \
	  echo '```'; } > BENCHMARKS.md.new
	mv BENCHMARKS.md.new BENCHMARKS.md

# Kills the program 200 times over each kind of state, and simulates 20,000 days.
fault:
	MEDIASWEEP_KILLS=200 go test -count=1 -timeout 1h -run Killed -v ./internal/cli
	MEDIASWEEP_SEEDS=20000 go test -count=1 -timeout 1h -run '^TestSimulation$$' ./handler

lint:
	.ci/run lint

demo:
	go run . demo

ci:
	.ci/run
