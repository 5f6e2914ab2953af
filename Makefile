# Shortcuts for people; `.ci/run` is what a change has to pass.

.PHONY: build dist test bench scale soak fault fuzz mutate mutants lint demo ci

build:
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o mediasweep .

# Archives of VERSION for all platforms; docs/releases.md. Two minutes of one processor.
dist:
	rm -rf dist
	go run ./internal/dist release $(VERSION)

test:
	go test -race -shuffle=on ./...

# Ten minutes; writes BENCHMARKS.md. ARGS is for internal/bench, such as
# ARGS='-largest 1000000', which takes twenty minutes more.
bench:
	{ cat internal/bench/about.md; \
	  echo; echo '```'; \
	  go test -run '^$$' -bench . -cpu 1 ./internal/retention ./internal/objects ./internal/index ./internal/extsort | grep -E '^(cpu|Benchmark)' | sort -u; \
	  go test -run '^$$' -bench . -benchtime 1x -timeout 2h ./internal/bench -args -first 100000 $(ARGS) | grep '^Benchmark'; \
	  echo '```'; } > BENCHMARKS.md.new
	mv BENCHMARKS.md.new BENCHMARKS.md

# Eight minutes of two processors; writes docs/scale.txt and the drawing of docs/scale.md.
scale:
	go test -run '^$$' -bench '^BenchmarkScale' -benchtime 1x -timeout 4h ./internal/bench -args -objects 20000000 \
	  -drawing $(CURDIR)/docs/scale.svg $(ARGS) | grep -E '^(cpu|Benchmark)' > docs/scale.txt.new
	mv docs/scale.txt.new docs/scale.txt

# An hour of the server at the whole quota with faults; fails if memory, goroutines or files grow, or
# if a medium is wrong or lost, or if a call is beyond the quota. SOAK=6m is shorter.
SOAK = 1h
soak:
	go test -run '^$$' -bench '^BenchmarkSoak$$' -benchtime 1x -timeout 0 ./internal/bench -args -soak $(SOAK)

# Kills the program 200 times over each kind of state, and simulates 20,000 days.
fault:
	MEDIASWEEP_KILLS=200 go test -count=1 -timeout 1h -run Killed -v ./internal/cli
	MEDIASWEEP_SEEDS=20000 go test -count=1 -timeout 1h -run '^TestSimulation$$' ./handler

# Checks INPUTS mutations of each seed of every decoder.
INPUTS = 1000000
fuzz:
	MEDIASWEEP_INPUTS=$(INPUTS) go test -count=1 -timeout 0 -run '^Fuzz' ./internal/...

# Changes the code of a package in one place at a time, and runs the package's own tests: a change
# that no test sees is listed as LIVED. Half an hour for the pure packages; PACKAGES names others.
PACKAGES = media policy trigger manifest plan retention
mutate:
	for package in $(PACKAGES); do \
	  go run github.com/go-gremlins/gremlins/cmd/gremlins@v0.6.0 unleash --workers 1 --timeout-coefficient 20 ./internal/$$package || exit 1; \
	done

# Breaks the program in the places of internal/mutate/mutations.txt, one at a time, and runs the tests that
# must notice: ten seconds to a minute each. ARGS is a regular expression that selects some by file and text.
mutants:
	go test -run '^TestMutants$$' -v -timeout 0 ./internal/mutate -args -mutants '$(or $(ARGS),.)'

lint:
	.ci/run lint

demo:
	go run . demo

ci:
	.ci/run
