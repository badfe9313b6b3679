#!/bin/sh
# Builds and runs the Prometheus examples in Python and Go, asks each for its metrics as Prometheus does, and compares
# what they are called.
#
# usage: prometheus.sh MODEL
#
# Needs what run.sh needs, the Python package prometheus-client, and Go's client library: Debian's package
# golang-github-prometheus-client-golang-dev, or a Go that reaches a module proxy.
# ARMS_PREFIX is that of run.sh: where the library is installed, and go-cache stays; if not given, a temporary folder.
set -u
if [ $# -ne 1 ]; then
  echo "usage: prometheus.sh MODEL" >&2
  exit 2
fi
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
root=$(CDPATH='' cd -- "$here/.." && pwd)
model=$(realpath -- "$1")
python=${PYTHON:-python3}
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf -- "$work"' EXIT
trap 'exit 1' HUP INT TERM

prefix=${ARMS_PREFIX:-$work/prefix}
"$root/bindings/c/install.sh" --prefix "$prefix" > /dev/null || exit 1
PKG_CONFIG_PATH=$prefix/lib/pkgconfig
LD_LIBRARY_PATH=$prefix/lib
# Go remembers what pkg-config said of another prefix, which may be gone: each prefix has a cache of its own.
GOCACHE=$prefix/go-cache
export PKG_CONFIG_PATH LD_LIBRARY_PATH GOCACHE

# Debian's Go libraries lie where Go looked for them before there were modules.
build_go() {
  debian=/usr/share/gocode
  if [ -d "$debian/src/github.com/prometheus/client_golang" ]; then
    mkdir -p "$work/go/src/arms.dev/arms" "$work/go/src/example"
    cp "$root"/bindings/go/*.go "$work/go/src/arms.dev/arms"
    cp "$here"/go/prometheus/main.go "$work/go/src/example"
    GO111MODULE=off GOPATH=$work/go:$debian go build -o "$work/server" example
  else
    cp -R "$here/go/prometheus" "$work/example" &&
      (cd "$work/example" && go mod edit -replace "arms.dev/arms=$root/bindings/go" && go mod tidy &&
        go build -o "$work/server" .)
  fi
}

free_port() { "$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# scrape PORT: the metrics of a server once it has routed.
scrape() {
  "$python" - "$1" <<'END'
import sys, time, urllib.request
deadline = time.monotonic() + 60
while True:
    try:
        text = urllib.request.urlopen(f"http://localhost:{sys.argv[1]}/metrics", timeout=10).read().decode()
        values = dict(line.rsplit(" ", 1) for line in text.splitlines() if line.startswith("arms_"))
        if float(values["arms_routes_total"]) > 0:
            break
    except OSError:
        pass
    if time.monotonic() > deadline:
        sys.exit("there are no metrics, or none of a route")
    time.sleep(0.1)
def total(name, *labels):
    return sum(float(value) for key, value in values.items()
               if key.startswith(name) and all(label in key for label in labels))
seen = [total("arms_chosen_total"), total("arms_stage_seconds_count", 'stage="route"'),
        total("arms_stage_seconds_bucket", 'stage="route"', 'le="+Inf"')]
if min(seen) < 1:
    sys.exit(f"chosen, timed, in buckets: {seen}")
print("\n".join(sorted({name.partition("{")[0] for name in values})))
END
}

passed=0 failed=0
# one LANGUAGE COMMAND...: runs a server, and writes the names of its metrics to LANGUAGE.names.
one() {
  language=$1
  shift
  "$@" > "$work/$language.log" 2>&1 &
  server=$!
  if scrape "$port" > "$work/$language.names" 2>> "$work/$language.log" && [ -s "$work/$language.names" ] &&
    kill "$server" 2>> "$work/$language.log"; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    printf '%s:\n' "$language"
    sed 's/^/  /' "$work/$language.log"
  fi
  wait "$server" 2> /dev/null
  server=
}

port=$(free_port)
one python env ARMS_LIBRARY="$prefix/lib/libarms.so" PYTHONPATH="$root/bindings/python/src" \
  "$python" "$here/python/prometheus.py" "$model" "$port"
port=$(free_port)
build_go && one go "$work/server" "$model" "localhost:$port" || failed=$((failed + 1))
# The Python library adds when each counter was made.
grep -v '_created$' "$work/python.names" > "$work/names"
if cmp "$work/names" "$work/go.names"; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
