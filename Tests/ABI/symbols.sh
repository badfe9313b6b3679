#!/bin/sh
# What the library exports and needs: header, export map and dynamic symbol table say the same.
#
# usage: symbols.sh LIBRARY HEADER MAP
set -u
library=$1 header=$2 map=$3
passed=0 failed=0

# same WHAT WANT GOT
same() {
  if [ "$2" = "$3" ]; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    printf '%s\n  expected: %s\n  found:    %s\n' "$1" "$2" "$3" >&2
  fi
}

# The header's functions, comments left out.
declared=$(${CC:-cc} -E -P "$header" | tr '\n' ' ' | tr ';{}' '\n\n\n' |
  sed -n 's/^.*[ *]\(arms_[a-z_]*\)(.*/\1/p' | sort -u)
exported=$(nm -D --defined-only "$library" | awk '$2 ~ /[TWiDBR]/ { print $3 }')
names=$(printf '%s\n' "$exported" | sed 's/@.*//' | sort -u)
nodes=$(readelf -VW "$library" | sed -n '/^Version definition/,/^$/s/.*Name: \(ARMS_.*\)/\1/p' | sort -u)

same "the header declares functions" yes "$([ -n "$declared" ] && echo yes)"
same "functions of the header and exported symbols" "$declared" "$names"
same "every symbol is under the one version node" "" \
  "$(printf '%s\n' "$exported" | grep -v '@@ARMS_0$')"
same "version nodes of the library and the map" \
  "$(sed -n 's/^\(ARMS_[0-9]*\) {.*/\1/p' "$map")" "$nodes"
same "the map hides all but arms_*" "global: arms_*; local: *;" \
  "$(sed -n 's/^ *\(global\|local\):/\1:/p' "$map" | tr '\n' ' ' | sed 's/ $//')"

dynamic=$(readelf -dW "$library")
same "soname" libarms.so.0 "$(printf '%s\n' "$dynamic" | sed -n 's/.*(SONAME).*\[\(.*\)\]/\1/p')"
same "libraries needed beyond the allowed" "" \
  "$(printf '%s\n' "$dynamic" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' |
    grep -Ev '^(libc|libm|libstdc\+\+|libgcc_s|libjpeg|libpng16|ld-linux-[a-z0-9-]*)\.so\.[0-9]+$')"
same "run paths other than the library's own folder" "" \
  "$(printf '%s\n' "$dynamic" | grep -E '\((RPATH|RUNPATH)\)' | grep -vF '[$ORIGIN]')"
same "an executable stack" "" "$(readelf -lW "$library" | grep GNU_STACK | grep RWE)"
same "the library stays loaded" yes "$(printf '%s\n' "$dynamic" | grep -q NODELETE && echo yes)"

# One call of String.contains(String) links them all, some 1.4 MB.
same "Swift's regular expressions in the library" "" \
  "$(grep -ao _StringProcessing "$library" | head -n 1)"

printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
