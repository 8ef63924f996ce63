# Everything that is done to this project, by name. `make` alone lists it.
.DEFAULT_GOAL := help
.PHONY: help build test test-s3 check lint fmt demo docs bench fuzz torture release clean

GO      ?= go
BATCH   := bin/batch
TORTURE ?= 30m
SEED    ?= 0
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LINK    := -s -w
ifeq ($(shell $(GO) env GOOS),linux)
# DuckDB's bindings ask the linker to export every symbol, which nothing here
# needs: 7 MB, and some 5 ms of every start to look them up.
LINK    += -extldflags=-Wl,--no-export-dynamic
endif
RELEASE  = batch-$(VERSION)-$(shell $(GO) env GOOS)-$(shell $(GO) env GOARCH)

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build bin/batch
	@mkdir -p bin
	@echo "building $(BATCH); DuckDB is linked in, so the first time takes a minute or two"
	$(GO) build -trimpath -ldflags "$(LINK) -X main.version=$(VERSION)" -o $(BATCH) ./cmd/batch

test: ## run every test, with the race detector, in random order
	$(GO) test -race -shuffle=on -parallel 4 -timeout 45m ./...

test-s3: ## test uploads against a real S3 server, whose building takes minutes the first time
	@mkdir -p bin
	@echo "building bin/versitygw from tools/s3"
	cd tools/s3 && $(GO) build -trimpath -ldflags "-s -w" -o $(CURDIR)/bin/versitygw github.com/versity/versitygw/cmd/versitygw
	BATCH_TEST_S3=$(CURDIR)/bin/versitygw $(GO) test -race -count 1 ./internal/bucket
	BATCH_TEST_S3=$(CURDIR)/bin/versitygw $(GO) test -race -count 1 -run 'Bucket|Upload' ./cmd/batch

lint: ## formatting, vet, staticcheck
	@files=$$(gofmt -l .); if [ -n "$$files" ]; then echo "gofmt would change: $$files"; exit 1; fi
	$(GO) vet ./...
	$(GO) tool staticcheck ./...

check: lint test ## what has to pass before a commit lands

fmt: ## format the code
	gofmt -w .

demo: build ## archive, send, die by kill -9, resume, ask with SQL: against the emulator
	@BATCH=$(BATCH) bash bench/demo.sh

docs: ## write the documents that are made from the code
	$(GO) test -count 1 -run 'IsWritten$$' ./cmd/batch -update

bench: build ## the figures of the README, measured here
	$(GO) run ./bench -batch $(BATCH)

fuzz: ## fuzz each target for a minute
	@bash bench/fuzz.sh

torture: build ## try to break the promises for half an hour (TORTURE=5m; TORTURE=1x SEED=… for one round again)
	BATCH_BINARY=$(CURDIR)/$(BATCH) $(GO) test -v -count 1 -timeout 0 -run '^TestTorture$$' ./cmd/batch -args \
		-torture $(TORTURE) -seed $(SEED) -torture-json $(CURDIR)/bin/torture.json

release: ## the archive of a release for this platform in dist/, the same bytes for the same commit
	@rm -rf dist/$(RELEASE) && mkdir -p dist/$(RELEASE)
	$(GO) build -trimpath -buildvcs=false -ldflags "$(LINK) -buildid= -X main.version=$(VERSION)" -o dist/$(RELEASE)/batch ./cmd/batch
	cp README.md LICENSE CHANGELOG.md jobs.example.yaml dist/$(RELEASE)
	tar --sort=name --mtime="@$$(git log -1 --format=%ct)" --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX \
		-C dist -cf - $(RELEASE) | gzip -9n >dist/$(RELEASE).tar.gz
	cd dist && sha256sum $(RELEASE).tar.gz | tee $(RELEASE).tar.gz.sha256

clean: ## remove what was built
	rm -rf bin dist demo-data
