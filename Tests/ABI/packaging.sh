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

# by_pkg_config FLAGS...: those that pkg-config gave.
by_pkg_config() {
  ${CC:-cc} -std=c99 "$here/consumer/main.c" -o "$work/consumer" "$@" &&
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
# shellcheck disable=SC2046
expect "a consumer by pkg-config" by_pkg_config $(pkg-config --cflags --libs arms)
expect "a consumer by CMake" by_cmake "$work/cmake" "$prefix" -DARMS_WANTED=0.1
expect "a newer version asked of CMake" refuses \
  by_cmake "$work/newer" "$prefix" -DARMS_WANTED=99
version=$(pkg-config --modversion arms)
expect "a range of versions that ends with this one" \
  by_cmake "$work/range" "$prefix" "-DARMS_WANTED=0.0...$version"
expect "a range that ends before it" refuses \
  by_cmake "$work/before" "$prefix" "-DARMS_WANTED=0.0...<$version"
expect "a range that ends with an older one" refuses \
  by_cmake "$work/older" "$prefix" -DARMS_WANTED=0.0...0.0.9

stage=$work/stage
expect "install under DESTDIR, with a multiarch folder" env DESTDIR="$stage" \
  "$install" --prefix /usr --libdir lib/x86_64-linux-gnu --library "$library"
expect "the staged pkg-config file names the prefix" \
  grep -q '^prefix=/usr$' "$stage/usr/lib/x86_64-linux-gnu/pkgconfig/arms.pc"
expect "the staged tree is found by CMake where it lies" \
  by_cmake "$work/staged" "$stage/usr/lib/x86_64-linux-gnu/cmake" -DARMS_WANTED=0.1

merged=$work/merged
expect "install into a tree whose lib is a link to usr/lib" "$install" --prefix "$merged/usr" --library "$library"
ln -s usr/lib "$merged/lib"
expect "it is found by CMake through the link" by_cmake "$work/linked" "$merged" -DARMS_WANTED=0.1

spaced="$work/a prefix"
expect "install under a prefix with a space" "$install" --prefix "$spaced" --library "$library"
PKG_CONFIG_PATH=$spaced/lib/pkgconfig LD_LIBRARY_PATH=$spaced/lib
# As a makefile's shell reads them: pkg-config escapes the space.
eval "set -- $(pkg-config --cflags --libs arms)"
expect "a consumer of it by pkg-config" by_pkg_config "$@"
expect "a consumer of it by CMake" by_cmake "$work/spaced" "$spaced" -DARMS_WANTED=0.1

expect "no prefix" refuses "$install" --library "$library"
expect "a relative prefix" refuses "$install" --prefix somewhere --library "$library"
expect "a folder outside of the prefix" refuses \
  "$install" --prefix "$prefix" --libdir ../lib --library "$library"
expect "an absent library" refuses "$install" --prefix "$prefix" --library "$work/absent.so"

printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
