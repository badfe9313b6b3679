#!/bin/sh
# Shows that the fuzzers can find: each patch of Tests/Fuzz/planted puts a bug of one class into a copy of the
# sources, where the target that the patch's name begins with must break. Takes some minutes a patch, most of
# them for building.
#
# usage: planted.sh [--seconds N] [PATCH]...   N: for each patch at most; 120 if not given
#
# Says how long the fuzzer took without the build, and "by the corpus" where no change of an input was needed.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
seconds=120
if [ "${1-}" = --seconds ]; then
  seconds=${2:?--seconds needs a number}
  shift 2
fi
[ $# -gt 0 ] || set -- "$root"/Tests/Fuzz/planted/*.patch
copy=$root/.build/planted
failed=0
mkdir -p "$copy"

# fuzz SECONDS TARGET: whether the target breaks in that time; 0 seconds only replay the corpus.
fuzz() {
  "$copy/Tests/Fuzz/fuzz.sh" --seconds "$1" "$2" > "$copy/log" 2>&1 && return 1
  grep -q "^$2: FAILED" "$copy/log" || { cat "$copy/log"; exit 1; }
}

for patch; do
  patch=$(realpath -- "$patch")
  name=$(basename -- "$patch" .patch)
  target=${name%%-*}
  # One copy for all: what a patch does not touch is not built again.
  rm -rf -- "$copy/Sources" "$copy/Tests" "$copy/.build/fuzz/corpus" "$copy/.build/fuzz/artifacts"
  mkdir -p "$copy/Tests"
  cp -pR "$root/Sources" "$root/Package.swift" "$root/include" "$copy"
  cp -pR "$root"/Tests/* "$copy/Tests"
  # Outside of a repository `git apply` takes the folder that it is in for the root.
  (cd "$copy" && GIT_CEILING_DIRECTORIES=$root/.build git apply "$patch") ||
    { echo "planted.sh: $name.patch fits the sources no more; make it anew" >&2; exit 1; }
  how="by the corpus"
  if ! fuzz 0 "$target"; then
    began=$(date +%s)
    if ! fuzz "$seconds" "$target"; then
      echo "$name: not found within $seconds s"
      failed=1
      continue
    fi
    how="after $(($(date +%s) - began)) s and $(grep -o '^#[0-9]*' "$copy/.build/fuzz/$target.log" | tail -n 1 | tr -d '#') inputs"
  fi
  echo "$name: found $how: $(grep -m 1 -e 'ERROR: ' -e 'atal error' "$copy/log")"
done
exit "$failed"
