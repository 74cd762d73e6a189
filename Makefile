# A thin front of CMake's presets. `make help` lists what there is.
# Debian's packages are installed when missing (tools/setup); elsewhere they are named.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help build demo test check bench format lint install deb fresh clean
PREFIX ?= /usr/local
DESTDIR ?=

help: ## what can be made
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' Makefile | expand -t 18

build: ## the program and the library, in build/release
	@tools/setup build
	@tools/build release

demo: ## draw a data set, train on it, evaluate, predict: under 4 minutes
	@tools/setup build
	@tools/build release
	@tools/demo

test: ## the unit and command-line tests: under 5 minutes
	@tools/setup test
	@tools/build release
	@tools/unit release

check: ## everything: parity with PyTorch, sanitizers, clang, lint, command line
	@tools/setup check
	@tools/check

bench: ## the tables of docs/performance.md, on this machine
	@tools/setup bench
	@tools/build release
	@tools/bench

format: ## clang-format on every source
	@tools/setup lint
	@tools/sources | xargs clang-format -i

lint: ## format, clang-tidy, cppcheck
	@tools/setup lint
	@tools/build clang configure
	@tools/check format tidy cppcheck

install: ## into PREFIX (/usr/local), below DESTDIR
	@tools/setup build
	@tools/build release
	@DESTDIR="$(DESTDIR)" cmake --install build/release --prefix "$(PREFIX)"

deb: ## a Debian package, build/release/*.deb
	@tools/setup deb
	@tools/build release
	@cd build/release && cpack -G DEB

fresh: ## prove `make demo` and `make test` on a bare Debian 12
	@tools/setup fresh
	@tools/fresh

clean: ## remove build/
	@rm -rf build
