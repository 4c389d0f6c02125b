# `make` alone prints this vocabulary.
help:
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20

run: build ## build haat and start it on http://localhost:8080 with a demo shop (data in ./data)
	@exec bin/haat demo --data ./data

test: build ## everything: formatting, vet, staticcheck, tests with -race on both engines, the journey in a browser
	@scripts/install-test-deps
	@scripts/check
	go test -race -vet=off -gcflags=$(SQLITE)=-race=false -timeout 30m ./...
	CGO_ENABLED=0 HAAT_BIN=$(CURDIR)/bin/haat go -C e2e test -trimpath -vet=off -count=1 -timeout 10m ./...

# SQLite, translated to Go, is not ours to watch, and takes twice as long when watched.
SQLITE = github.com/ncruces/go-sqlite3-wasm/...

build: ## compile bin/haat
	@CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o bin/haat ./cmd/haat

bench: build ## measure this machine beside nginx and Varnish, in about ten minutes; figures and charts in docs/benchmarks (BENCH=--full: a million shops)
	@scripts/install-bench-deps
	bin/haat bench --doc docs/benchmarks.md $(BENCH)

drills: build ## break a platform of its own on purpose, each fault in at most three minutes; what came of it in docs/faults.md (DRILLS="F-14 F-28", or DRILLS="all --full" for hours)
	bin/haat drill $(or $(DRILLS),all) --both --doc docs/faults.md

generate: ## rewrite what is generated: Go from templates
	@scripts/generate

screenshots: build ## take docs/screenshots again from the demo shop
	HAAT_BIN=$(CURDIR)/bin/haat go -C e2e run ./screenshots -out ../docs/screenshots

.PHONY: help run test bench drills build generate screenshots
