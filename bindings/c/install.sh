#!/bin/sh
# Installs libarms for C, C++ and every language that links with it:
#
#   PREFIX/include/arms.h
#   PREFIX/LIBDIR/libarms.so.0, libarms.so
#   PREFIX/LIBDIR/pkgconfig/arms.pc
#   PREFIX/LIBDIR/cmake/ARMS/ARMSConfig.cmake, ARMSConfigVersion.cmake
#
# A running program keeps the library that it has mapped: files are put aside and renamed into place.
set -eu

usage() {
  cat <<'USAGE'
usage: install.sh --prefix DIR [--libdir NAME] [--library FILE]

  --prefix DIR    where to install; an absolute path
  --libdir NAME   the library folder inside DIR; "lib" if not given
  --library FILE  the built library; .build/release/libarms.so of this checkout if not given

The environment variable DESTDIR is put in front of every path that is written.
USAGE
}

fail() {
  printf 'install.sh: %s\n' "$1" >&2
  exit 1
}

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
root=$(CDPATH='' cd -- "$here/../.." && pwd)
prefix=
libdir=lib
library=$root/.build/release/libarms.so

while [ $# -gt 0 ]; do
  case $1 in
    --help | -h) usage; exit 0 ;;
    --prefix=* | --libdir=* | --library=*) option=${1%%=*} value=${1#*=} ;;
    --prefix | --libdir | --library)
      [ $# -gt 1 ] || fail "$1 needs a value"
      option=$1 value=$2
      shift ;;
    *) usage >&2; fail "unknown argument '$1'" ;;
  esac
  shift
  case $option in
    --prefix) prefix=$value ;;
    --libdir) libdir=${value%/} ;;
    --library) library=$value ;;
  esac
done

case $prefix in
  '') usage >&2; fail "--prefix is missing" ;;
  /*) ;;
  *) fail "--prefix '$prefix' is not an absolute path" ;;
esac
case /$libdir/ in
  // | //* | */../* | */./*) fail "--libdir '$libdir' is not a folder inside the prefix, such as 'lib'" ;;
esac
[ -f "$library" ] ||
  fail "there is no library '$library'; build it with 'swift build -c release --product arms'"

version=$(sed -n 's/.*"\([0-9][0-9]*\.[0-9][0-9]*\.[0-9][0-9]*\)".*/\1/p' \
  "$root/Sources/ARMS/Runtime/Version.swift" | head -n 1)
[ -n "$version" ] || fail "Sources/ARMS/Runtime/Version.swift names no version"

# place MODE SOURCE TARGET: installs a file in one step.
place() {
  target=${DESTDIR-}$3
  mkdir -p -- "$(dirname -- "$target")"
  cp -- "$2" "$target.new"
  chmod "$1" "$target.new"
  mv -f -- "$target.new" "$target"
  printf '%s\n' "$target"
}

# escape TEXT: the text as the replacement of a sed s||| command.
escape() {
  printf '%s' "$1" | sed 's/[&|\\]/\\&/g'
}

work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT
trap 'exit 1' HUP INT TERM

# generate TEMPLATE TARGET: fills in a template and installs it.
generate() {
  sed -e "s|@PREFIX@|$(escape "$prefix")|" -e "s|@LIBDIR@|$(escape "$libdir")|" \
    -e "s|@LIBDIR_TO_PREFIX@|$(printf '%s' "$libdir" | sed 's|[^/][^/]*|..|g')|" \
    -e "s|@VERSION@|$version|" "$here/$1" > "$work/$1"
  place 644 "$work/$1" "$2"
}

place 644 "$root/include/arms.h" "$prefix/include/arms.h"
place 644 "$library" "$prefix/$libdir/libarms.so.0"
ln -sf libarms.so.0 "${DESTDIR-}$prefix/$libdir/libarms.so"
generate arms.pc.in "$prefix/$libdir/pkgconfig/arms.pc"
generate ARMSConfig.cmake.in "$prefix/$libdir/cmake/ARMS/ARMSConfig.cmake"
generate ARMSConfigVersion.cmake.in "$prefix/$libdir/cmake/ARMS/ARMSConfigVersion.cmake"
