#!/bin/sh
# Shows that the fuzzers can find: each patch of Tests/Fuzz/planted puts a bug of one class into a copy of the
# sources, where the target that the patch's name begins with must break. Takes some minutes a patch.
#
# usage: planted.sh [--seconds N] [PATCH]...   N: for each patch at most; 300 if not given
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
seconds=300
if [ "${1-}" = --seconds ]; then
  seconds=${2:?--seconds needs a number}
  shift 2
fi
[ $# -gt 0 ] || set -- "$root"/Tests/Fuzz/planted/*.patch
copy=$root/.build/planted
failed=0
mkdir -p "$copy"
for patch; do
  name=$(basename -- "$patch" .patch)
  # One copy for all: what a patch does not touch is not built again.
  rm -rf -- "$copy/Sources" "$copy/Tests"
  mkdir -p "$copy/Tests"
  cp -pR "$root/Sources" "$root/Package.swift" "$root/include" "$copy"
  cp -pR "$root"/Tests/* "$copy/Tests"
  # Outside of a repository `git apply` takes the folder that it is in for the root.
  (cd "$copy" && GIT_CEILING_DIRECTORIES=$root/.build git apply "$patch") ||
    { echo "planted.sh: $name.patch fits the sources no more; make it anew" >&2; exit 1; }
  began=$(date +%s)
  if "$copy/Tests/Fuzz/fuzz.sh" --seconds "$seconds" "${name%%-*}" > "$copy/log" 2>&1; then
    echo "$name: not found within $seconds s"
    failed=1
  elif grep -q "^${name%%-*}: FAILED" "$copy/log"; then
    echo "$name: found, $(($(date +%s) - began)) s with the build: $(grep -m 1 -e 'ERROR: ' -e 'atal error' "$copy/log")"
  else
    cat "$copy/log"
    exit 1
  fi
  rm -rf -- "$copy/.build/fuzz/artifacts"
done
exit "$failed"
