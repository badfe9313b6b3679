#!/bin/sh
# Builds the library twice, from copies of the sources in two folders of different length, and compares the bits.
#
# usage: reproducible.sh [LIBRARY]   with a library that is built already, one more build is compared with it
#
# Who has the same sources, the same Swift and the same C library, libjpeg and libpng to link against gets the same
# bits from `setarch -R swift build -c release --product arms`, in any folder, whatever ran before or beside it.
# setarch keeps the compiler's memory at fixed addresses: LLVM puts some instructions that may stand either way round
# in the order in which their operands happen to lie in memory.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT
trap 'exit 1' HUP INT TERM
# A container may forbid it; two builds differ in some thousand bytes then, and comparing them says nothing.
if ! setarch -R true 2> /dev/null; then
  echo "reproducible.sh: nothing is compared, because fixed addresses (setarch -R) are forbidden here;" \
    "allow personality() in the container, by --security-opt seccomp=unconfined say" >&2
  exit 1
fi

# build FOLDER: builds the library from a copy of the sources there.
build() {
  mkdir -p "$1"
  # Scripts of tests may be running, and Python's caches come and go beside them.
  tar -C "$root" --exclude=__pycache__ -cf - Package.swift Sources include Tests | tar -C "$1" -xf -
  setarch -R swift build --package-path "$1" -c release --product arms > "$1/log" 2>&1 || { cat "$1/log"; exit 1; }
}

# Both at once: most of a build runs on one core.
build "$work/in/another/folder" &
first=${1-}
if [ -z "$first" ]; then
  build "$work/first"
  first=$work/first/.build/release/libarms.so
fi
wait $!
second=$work/in/another/folder/.build/release/libarms.so
cmp "$first" "$second" || { echo "reproducible.sh: two builds differ" >&2; exit 1; }
echo "two builds are the same $(wc -c < "$first") bytes, SHA-256 $(sha256sum "$first" | cut -c1-64)"
