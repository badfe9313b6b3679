#!/bin/sh
# Installs the library and builds a program against it, by pkg-config and by CMake.
#
# usage: packaging.sh LIBRARY
set -u
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
install=$here/../../bindings/c/install.sh
library=$1
passed=0 failed=0
work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT

# expect WHAT COMMAND...: the command must succeed.
expect() {
  what=$1
  shift
  if "$@" > "$work/log" 2>&1; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    printf '%s: failed\n' "$what" >&2
    sed 's/^/  /' "$work/log" >&2
  fi
}

by_pkg_config() {
  # shellcheck disable=SC2046
  ${CC:-cc} -std=c99 "$here/consumer/main.c" -o "$work/consumer" $(pkg-config --cflags --libs arms) &&
    [ "$("$work/consumer")" = "$(pkg-config --modversion arms)" ]
}

by_cmake() {
  cmake -S "$here/consumer" -B "$1" -DCMAKE_PREFIX_PATH="$2" "$3" && cmake --build "$1" &&
    env -u LD_LIBRARY_PATH "$1/consumer"
}

refuses() { ! "$@"; }

prefix=$work/prefix
expect "install" "$install" --prefix "$prefix" --library "$library"
expect "a second install over the first" "$install" --prefix="$prefix" --library="$library"
PKG_CONFIG_PATH=$prefix/lib/pkgconfig LD_LIBRARY_PATH=$prefix/lib
export PKG_CONFIG_PATH LD_LIBRARY_PATH
expect "a consumer by pkg-config" by_pkg_config
expect "a consumer by CMake" by_cmake "$work/cmake" "$prefix" -DARMS_WANTED=0.1
expect "a newer version asked of CMake" refuses \
  by_cmake "$work/newer" "$prefix" -DARMS_WANTED=99

stage=$work/stage
expect "install under DESTDIR, with a multiarch folder" env DESTDIR="$stage" \
  "$install" --prefix /usr --libdir lib/x86_64-linux-gnu --library "$library"
expect "the staged pkg-config file names the prefix" \
  grep -q '^prefix=/usr$' "$stage/usr/lib/x86_64-linux-gnu/pkgconfig/arms.pc"
expect "the staged tree is found by CMake where it lies" \
  by_cmake "$work/staged" "$stage/usr/lib/x86_64-linux-gnu/cmake" -DARMS_WANTED=0.1

expect "no prefix" refuses "$install" --library "$library"
expect "a relative prefix" refuses "$install" --prefix somewhere --library "$library"
expect "a folder outside of the prefix" refuses \
  "$install" --prefix "$prefix" --libdir ../lib --library "$library"
expect "an absent library" refuses "$install" --prefix "$prefix" --library "$work/absent.so"

printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
