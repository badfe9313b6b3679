#!/bin/sh
# Builds and runs the example of every language, and compares what they print.
#
# usage: run.sh MODEL IMAGE QUESTION
#
# Needs the library (swift build -c release --product arms), a C compiler, Go, Swift and a Python with
# the packages that bindings/python asks for; PYTHON names it, python3 if not given.
# ARMS_PREFIX names where the library is installed for this; if not given, a temporary folder. Go's cache is put into it
# as well, as go-cache, and stays in a prefix that is given.
set -u
if [ $# -ne 3 ]; then
  echo "usage: run.sh MODEL IMAGE QUESTION" >&2
  exit 2
fi
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
root=$(CDPATH='' cd -- "$here/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT

prefix=${ARMS_PREFIX:-$work/prefix}
"$root/bindings/c/install.sh" --prefix "$prefix" > /dev/null || exit 1
PKG_CONFIG_PATH=$prefix/lib/pkgconfig
LD_LIBRARY_PATH=$prefix/lib
# Go remembers what pkg-config said of another prefix, which may be gone: each prefix has a cache of its own.
GOCACHE=$prefix/go-cache
export PKG_CONFIG_PATH LD_LIBRARY_PATH GOCACHE

in_c() {
  # shellcheck disable=SC2046
  ${CC:-cc} -std=c99 -Wall -Wextra -pedantic -Werror "$here/c/route.c" -o "$work/c" \
    $(pkg-config --cflags --libs arms) && "$work/c" "$@"
}

in_go() {
  (cd "$here/go" && go build -buildvcs=false -o "$work/go" .) && "$work/go" "$@"
}

in_python() {
  ARMS_LIBRARY=$prefix/lib/libarms.so PYTHONPATH=$root/bindings/python/src \
    "${PYTHON:-python3}" "$here/python/route.py" "$@"
}

in_swift() {
  swift build --package-path "$here/swift" --scratch-path "$root/.build/examples" -c release >&2 &&
    "$root/.build/examples/release/route" "$@"
}

passed=0 failed=0
for language in c go python swift; do
  if "in_$language" "$@" > "$work/$language.out" 2> "$work/log" && [ -s "$work/$language.out" ] &&
    cmp "$work/c.out" "$work/$language.out" >> "$work/log" 2>&1; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    printf '%s:\n' "$language"
    sed 's/^/  /' "$work/$language.out" "$work/log"
  fi
done
cat "$work/c.out"
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
