#!/bin/sh
# Compares the ABI with the record of the release, by libabigail, and fails where it is no longer compatible.
#
# usage: record.sh [--write] [HEADER]
#
#   --write   make the record of the version that Version.swift names
#   HEADER    the public header; include/arms.h if not given
#
# Functions, values and fields at the end of a struct may be added; anything else is incompatible.
#
# The released library is stripped, so the record is made of what include/arms.h declares, as a library of empty
# functions with debug information; that the real library exports these symbols and no others is checked in
# symbols.sh, and its structs in Sources/CARMS/layout.c.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
root=$(CDPATH='' cd -- "$here/../.." && pwd)
release=$(sed -n 's/.*"\([0-9]*\.[0-9]*\)\.[0-9]*".*/\1/p' "$root/Sources/ARMS/Runtime/Version.swift" | head -n 1)
record=$here/record/arms-$release.abi
write=false
if [ "${1-}" = --write ]; then
  write=true
  shift
fi
header=${1:-$root/include/arms.h}
work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT

# A function's declaration ends in ");" at the end of a line, and is no typedef.
mkdir "$work/include"
cp "$header" "$work/include/arms.h"
{
  echo '#include <arms.h>'
  awk '/^[a-z].*arms_[a-z_]+\(/ && !/typedef/ { on = 1 }
       on { text = text " " $0 }
       on && /\);/ { sub(/\);.*/, ") { __builtin_unreachable(); }", text); print text; text = ""; on = 0 }' \
    "$header"
} > "$work/arms.c"
# The folders of this build are no part of the ABI.
${CC:-cc} -g -fno-eliminate-unused-debug-types -fdebug-prefix-map="$work"=. -shared -fPIC -w -I"$work/include" \
  -Wl,-soname,libarms.so.0 -Wl,--version-script="$root/Sources/ARMSABI/arms.map" "$work/arms.c" -o "$work/libarms.so.0"
abidw --load-all-types --no-corpus-path --no-comp-dir-path --no-show-locs --headers-dir "$work/include" "$work/libarms.so.0" \
  > "$work/now.abi"
if $write; then
  mkdir -p "$here/record"
  cp "$work/now.abi" "$record"
  echo "$record"
  exit
fi
[ -f "$record" ] || { echo "record.sh: there is no $record; make it with record.sh --write" >&2; exit 1; }
# Every record: a later release must still take the programs of all before it.
for record in "$here"/record/*.abi; do
  # Bits: 1 and 2 no comparison, 4 changed, 8 symbols are gone. What has changed in the types its words tell.
  status=0
  abidiff --no-show-locs --non-reachable-types "$record" "$work/now.abi" > "$work/difference" || status=$?
  if [ $((status & 11)) -ne 0 ] ||
    grep -q -E -e "deletion|offset changed|type of '|type name changed|parameter [0-9]+ of type '[^']*' (was|changed)" \
      -e "return type changed|from value|alignment changed|entity changed" "$work/difference"; then
    cat "$work/difference"
    echo "record.sh: not compatible with $(basename -- "$record")" >&2
    exit 1
  fi
  echo "compatible with $(basename -- "$record"): $(grep -c '<elf-symbol ' "$record") symbols"
done
