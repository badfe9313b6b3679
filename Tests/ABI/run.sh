#!/bin/sh
# Every test of the ABI, through the library that was built.
#
# usage: run.sh [LIBRARY]   .build/release/libarms.so of this checkout if not given
set -u
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
root=$(CDPATH='' cd -- "$here/../.." && pwd)
library=${1:-$root/.build/release/libarms.so}
cc=${CC:-cc} cxx=${CXX:-c++}
strict="-Wall -Wextra -pedantic -Werror"
passed=0 failed=0

if [ ! -f "$library" ]; then
  printf "run.sh: there is no library '%s'; build it with 'swift build -c release --product arms'\n" \
    "$library" >&2
  exit 1
fi
work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT
cp "$library" "$work/libarms.so.0"
ln -s libarms.so.0 "$work/libarms.so"

# count WHAT COMMAND...: adds up a command's closing line; a command without one has failed.
count() {
  what=$1
  shift
  "$@" > "$work/out" 2>&1
  status=$?
  closing=$(tail -n 1 "$work/out" | grep -E '^[0-9]+ passed, [0-9]+ failed$')
  if [ -z "$closing" ]; then
    sed 's/^/  /' "$work/out"
    closing="0 passed, 1 failed"
  elif [ "$status" -ne 0 ]; then
    sed -e '$d' -e 's/^/  /' "$work/out"
    # What no test has counted fails as well: that `silent` saw more output, say.
    case $closing in *", 0 failed") closing="${closing%%,*}, 1 failed" ;; esac
  fi
  printf '%s: %s\n' "$what" "$closing"
  passed=$((passed + ${closing%% *}))
  more=${closing#*, }
  failed=$((failed + ${more%% *}))
}

# one COMMAND...: a command as one test.
one() {
  if "$@"; then echo "1 passed, 0 failed"; else echo "0 passed, 1 failed"; return 1; fi
}

# silent COMMAND...: a command whose closing line must be all that it prints.
silent() {
  "$@" > "$work/silent" 2>&1
  status=$?
  cat "$work/silent"
  [ "$status" -eq 0 ] && [ "$(wc -l < "$work/silent")" -eq 1 ]
}

# built PROGRAM SOURCE FLAGS...
built() {
  program=$1 source=$2
  shift 2
  # shellcheck disable=SC2086
  $cc -std=c99 $strict -I"$root/include" "$source" -o "$program" "$@"
}

# shellcheck disable=SC2086
count "header as C99" one $cc -std=c99 $strict -I"$root/include" -fsyntax-only "$here/header.c"
# shellcheck disable=SC2086
count "header as C++11" one $cxx -std=c++11 $strict -I"$root/include" -fsyntax-only -x c++ "$here/header.c"
count "layout" one "$cc" -std=gnu11 -Wall -Wextra -Werror -fsyntax-only "$root/Sources/CARMS/layout.c"
count "symbols" sh "$here/symbols.sh" "$library" "$root/include/arms.h" "$root/Sources/ARMSABI/arms.map"
count "compatibility" sh "$here/compatibility.sh"

if built "$work/loading" "$here/loading.c" -ldl; then
  count "loading" silent "$work/loading" "$work/libarms.so.0"
else
  failed=$((failed + 1))
fi
if built "$work/exports" "$here/exports.c" -L"$work" -larms -Wl,-rpath,"$work" -lm; then
  count "exports" "$work/exports" "$root/Tests/Fixtures" "$work"
else
  failed=$((failed + 1))
fi
if built "$work/training" "$here/training.c" -L"$work" -larms -Wl,-rpath,"$work" -lm -pthread; then
  count "training" "$work/training" "$root/Tests/Fixtures" "$work"
else
  failed=$((failed + 1))
fi
if built "$work/allocations" "$here/allocations.c" -L"$work" -larms -Wl,-rpath,"$work"; then
  count "allocations" "$work/allocations" "$root"/Tests/Fixtures/models/*.gguf
else
  failed=$((failed + 1))
fi
if built "$work/faults" "$here/faults.c" -L"$work" -larms -Wl,-rpath,"$work" -ldl; then
  mkdir "$work/faults.d"
  count "faults" "$work/faults" "$root/Tests/Fixtures" "$work/faults.d"
else
  failed=$((failed + 1))
fi
count "packaging" sh "$here/packaging.sh" "$library"

printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
