#!/bin/sh
# Installs what the tests need, builds everything, and runs every check and every test.
#
# Needs Debian 12 (or a relative of it) with Swift 6.3 on the PATH. Takes a quarter of an hour on two cores.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
cd "$root"
as_root() { if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi; }
step() { printf '\n== %s\n' "$1"; }

step "packages"
as_root apt-get update -q
as_root apt-get install -qy gcc g++ make cmake pkg-config binutils libjpeg-dev libpng-dev libopenblas-dev python3-venv
[ -x .venv/bin/python ] || python3 -m venv .venv
.venv/bin/pip install -q -r Tests/requirements.txt
PATH=$root/.venv/bin:$PATH
PYTHON=$root/.venv/bin/python
export PATH PYTHON

step "format and build, warnings as errors"
swift format lint --strict -r Package.swift Sources Tests examples/swift/Package.swift examples/swift/Sources
swift build -c release --product arms -Xswiftc -warnings-as-errors -Xcc -Wall -Xcc -Wextra -Xcc -Werror

step "Swift"
SWIFT_BACKTRACE=enable=no swift test

step "C ABI"
Tests/ABI/run.sh

step "Python"
pip install -q -e bindings/python
(cd bindings/python && ruff check . && ruff format --check . && mypy)
ruff check Tests examples && ruff format --check Tests examples
python -m pytest -q bindings/python/tests

step "Go"
prefix=$(mktemp -d)
trap 'rm -rf -- "$prefix"' EXIT
bindings/c/install.sh --prefix "$prefix"
(
  cd bindings/go
  PKG_CONFIG_PATH=$prefix/lib/pkgconfig LD_LIBRARY_PATH=$prefix/lib
  export PKG_CONFIG_PATH LD_LIBRARY_PATH
  unformatted=$(gofmt -l .)
  [ -z "$unformatted" ] || { echo "gofmt would change: $unformatted" >&2; exit 1; }
  go vet ./...
  go test -race ./...
)

step "examples"
examples/run.sh Tests/Fixtures/models/distilbert-patches-scaled-int8.gguf examples/images/chart.png \
  "What is the highest value in the chart?"

step "parity"
swift build -c release --product tokenize
python Tests/Parity/pixel_parity.py .build/release/libarms.so \
  Tests/Fixtures/models/distilbert-patches-scaled-int8.gguf --rounds 20

step "hostile input"
python Tests/Fuzz/hostile_input.py
