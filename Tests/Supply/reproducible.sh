#!/bin/sh
# Builds the library twice, from copies of the sources in two folders of different length, and compares the bits.
#
# usage: reproducible.sh [LIBRARY]   with a library that is built already, one more build is compared with it
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT
trap 'exit 1' HUP INT TERM

# build FOLDER: builds the library from a copy of the sources there.
build() {
  mkdir -p "$1"
  cp -R "$root/Package.swift" "$root/Sources" "$root/include" "$root/Tests" "$1"
  swift build --package-path "$1" -c release --product arms > "$work/log" 2>&1 || { cat "$work/log"; exit 1; }
}

first=${1-}
if [ -z "$first" ]; then
  build "$work/first"
  first=$work/first/.build/release/libarms.so
fi
build "$work/in/another/folder"
second=$work/in/another/folder/.build/release/libarms.so
cmp "$first" "$second" || { echo "reproducible.sh: two builds differ" >&2; exit 1; }
echo "two builds are the same $(wc -c < "$first") bytes, SHA-256 $(sha256sum "$first" | cut -c1-64)"
