# SPDX-License-Identifier: Apache-2.0

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

scripts  := integration/scripts
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null)
FUZZTIME ?= 10s
E2ETIME  ?= 30m
SOAK     ?= 20000
E2E      ?= .
E2ECOUNT ?= 3
FAULTS   ?= ^(TestFaults|TestWalk)$$
RACE     ?= ^Test(RacesAreSeen|Faults|Walk|Soak|Overload|GarbageIsRefused|NetworkCallsAtOnce|Journal.*|Stalls|OpenFlowStalls|Shutdown|ServeRestarts|PluginRestarts|Orphans)$$
RACEFLAGS ?=
ENGINES  ?= 25.0.6 26.1.5 27.5.1 28.5.2 29
KERNEL   ?= .
KERNELFLAGS ?=
KERNELTIME ?= 10h
# What of it is in "make test".
SHORT    := ^(TestKernel|TestTunnelPortIsTaken)$$
lint     := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

sources  := $(shell find cmd config driver flows ovsdb -name '*.go' ! -name '*_test.go' -o -name '*.ovsschema')

# sudo forgets where Go is.
export PATH := $(PATH):/usr/local/go/bin

.PHONY: help
help: ## Print this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build the program for this machine: build/ovsnet
	CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags="-s -w -X main.release=$(VERSION)" -o build/ovsnet ./cmd/ovsnet

.PHONY: plugin
plugin: build/plugin/config.json ## Build the managed plugin from the Dockerfile: build/plugin
	@echo "docker plugin create ovsnet build/plugin"

build/plugin/config.json: $(sources) go.mod go.sum Dockerfile .dockerignore cmd/ovsnet/plugin/config.json $(scripts)/plugin.sh $(scripts)/engine.sh
	$(scripts)/packages.sh plugin
	$(scripts)/plugin.sh "$(VERSION)"

.PHONY: demo
demo: ## Show a network with two containers (root); uses the Docker and Open vSwitch that run, or private ones
	$(scripts)/packages.sh demo
	$(MAKE) --no-print-directory build/plugin/config.json
	$(scripts)/demo.sh up

.PHONY: demo-down
demo-down: ## Remove the demo (root)
	$(scripts)/demo.sh down

.PHONY: packages
packages: ## Install what the tests need and the machine lacks (root, apt-get)
	$(scripts)/packages.sh test
	$(scripts)/packages.sh kernel
	$(scripts)/firewalls.sh build/firewalls

.PHONY: test
test: export OVSNET_REQUIRE := all
test: packages ## Everything: packages, lint, unit and component tests, end-to-end tests on both datapaths (root)
	$(MAKE) --no-print-directory build/plugin/config.json
	@# The kernel's datapath, in its short form, beside the others: it begins first and is told of last.
	@$(MAKE) --no-print-directory kernel KERNEL='$(SHORT)' KERNELTIME=20m >build/kernel.log 2>&1 & kernel=$$!; \
	tell() { kill $$kernel 2>/dev/null || true; printf '\nmake kernel, beside the others:\n'; cat build/kernel.log; }; \
	trap tell EXIT; trap 'exit 130' INT TERM; \
	for target in lint unit e2e; do $(MAKE) --no-print-directory $$target; done; \
	wait $$kernel

.PHONY: unit
unit: ## Unit and component tests, with the race detector; what needs root is skipped without it
	go test -race -count=1 $$(go list ./... | grep -v '/integration$$')

.PHONY: e2e
e2e: build/plugin/config.json ## End-to-end tests (root): E2E=regexp chooses, E2ETIME=30m bounds, E2ECOUNT=3 at once
	OVSNET_PLUGIN=build/plugin go test -count=1 -v -parallel=$(E2ECOUNT) -timeout=$(E2ETIME) -run='$(E2E)' ./integration/

.PHONY: faults
faults: export OVSNET_REQUIRE := all
faults: build/plugin/config.json ## The fault suite in its long form (root): prints the table of docs/faults.md
	OVSNET_PLUGIN=build/plugin go test -count=1 -v -timeout=1h -run='$(FAULTS)' ./integration/ -long

.PHONY: race
race: export OVSNET_REQUIRE := all
race: build/plugin/config.json ## What is done to the driver, done to one with the race detector in it (root): RACE=regexp chooses, RACEFLAGS=-long
	go test -race -count=1 -v -parallel=1 -timeout=2h -run='$(RACE)' ./integration/ $(RACEFLAGS)

.PHONY: engines
engines: export OVSNET_REQUIRE := all
engines: export OVSNET_PLUGIN := build/plugin
engines: build/plugin/config.json ## End-to-end tests with other engines (root): ENGINES="28.5.2 29" names them, E2E=regexp chooses
	$(scripts)/firewalls.sh build/firewalls
	for version in $(ENGINES); do \
		engine=$$($(scripts)/engines.sh $$version); echo "=== engine $$version"; \
		OVSNET_ENGINE=$$engine go test -count=1 -v -parallel=$(E2ECOUNT) -timeout=1h -run='$(E2E)' ./integration/; \
	done
	engine=$$($(scripts)/engines.sh 29); echo "=== engine 29, nftables"; \
	OVSNET_ENGINE=$$engine OVSNET_DOCKERD=--firewall-backend=nftables \
		go test -count=1 -v -parallel=$(E2ECOUNT) -timeout=1h -run='^TestOutside(Recovers|Ports|Modes|Peers|MTU|Managed)$$|^TestOutsideBeside$$/(firewalld|br_netfilter)' ./integration/

.PHONY: swarm
swarm: export OVSNET_REQUIRE := all
swarm: build/plugin/config.json ## A Swarm in its long form (root): all is killed on all nodes, again and again; a plugin of local scope
	OVSNET_PLUGIN=build/plugin go test -count=1 -v -timeout=1h -run='^TestSwarm(LocalScope)?$$' ./integration/ -long

.PHONY: kernel
kernel: packages build/plugin/config.json ## End-to-end tests on the kernel's datapath, emulated (root): KERNEL=regexp chooses, KERNELFLAGS=-long
	OVSNET_PLUGIN=build/plugin LIMIT=$(KERNELTIME) $(scripts)/kernel.sh test '$(KERNEL)' $(KERNELFLAGS)

.PHONY: kernel-shell
kernel-shell: build/plugin/config.json ## A shell on that kernel, with Open vSwitch up and the plugin installed (root)
	@$(scripts)/packages.sh kernel
	@LIMIT=$(KERNELTIME) $(scripts)/kernel.sh shell

.PHONY: fuzz
fuzz: ## Every fuzz target for FUZZTIME (10s)
	$(scripts)/fuzz.sh $(FUZZTIME)

.PHONY: soak
soak: ## SOAK (20000) containers come and go through the socket (root): nothing may grow
	OVSNET_REQUIRE=all OVSNET_SOAK=$(SOAK) go test -count=1 -v -timeout=120m -run='^TestSoak$$' ./integration/

.PHONY: bench
bench: ## Benchmarks (root for those that attach)
	go test -run='^$$' -bench=. -benchmem -count=1 -timeout=30m ./...

.PHONY: lint
lint: ## golangci-lint, and shellcheck where it is installed
	if command -v golangci-lint >/dev/null; then golangci-lint run ./...; else go run $(lint) run ./...; fi
	if command -v shellcheck >/dev/null; then shellcheck -x .ci/run $(scripts)/*.sh; fi

.PHONY: generate
generate: ## Write the generated files anew
	go generate ./...

.PHONY: clean
clean: ## Remove what was built
	rm -rf build
