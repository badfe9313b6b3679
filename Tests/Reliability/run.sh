#!/bin/sh
# What hosts do to the library, and what it does to them in the long run.
#
# usage: run.sh [--short] [LIBRARY] [SECONDS]   .build/release/libarms.so of this checkout, and 120, if not given
#
#   --short   a tenth of everything, for the run of all tests; what needs long to settle is not judged
#
# PYTHON names a Python with the packages of Tests/requirements.txt, python3 if not given.
set -u
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
root=$(CDPATH='' cd -- "$here/../.." && pwd)
scale=20
if [ "${1-}" = --short ]; then
  scale=2
  shift
fi
library=${1:-$root/.build/release/libarms.so}
seconds=${2:-$((6 * scale))}
models=$root/Tests/Fixtures/models
passed=0 failed=0
if [ ! -f "$library" ]; then
  printf "run.sh: there is no library '%s'; build it with 'swift build -c release --product arms'\n" \
    "$library" >&2
  exit 1
fi
work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT
mkdir "$work/save"
cp "$library" "$work/libarms.so.0"
ln -s libarms.so.0 "$work/libarms.so"

# one COMMAND...
one() {
  if "$@"; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
}

for program in hosts soak thread_locals; do
  ${CC:-cc} -std=gnu11 -O1 -Wall -Wextra -Werror -I"$root/include" "$here/$program.c" -o "$work/$program" \
    -L"$work" -Wl,--as-needed -larms -Wl,-rpath,"$work" -ldl -lpthread || exit 1
done
${CC:-cc} -std=gnu11 -O1 -Wall -Wextra -Werror -I"$root/Sources/CBLAS/include" "$here/openblas.c" \
  "$root/Sources/CBLAS/blas.c" -o "$work/openblas" -ldl -lpthread || exit 1
# The hosts' Turkish locale, whether the machine has it or not.
localedef -i tr_TR -f UTF-8 "$work/tr_TR.UTF-8" 2> "$work/log" || {
  cat "$work/log" >&2
  echo "run.sh: the Turkish locale cannot be made; Debian's package 'locales' has what it is made of" >&2
  exit 1
}
LOCPATH=$work
export LOCPATH

small=$models/bert-patches-paper-int8.gguf other=$models/bert-pooled-scaled.gguf
# Float weights go through OpenBLAS, int8 weights do not.
one "$work/hosts" "$work/libarms.so.0" "$small"
one "$work/hosts" "$work/libarms.so.0" "$other"
one "$work/thread_locals" "$small"
one "$work/openblas"
one env ARMS_LIBRARY="$work/libarms.so.0" PYTHONPATH="$root/bindings/python/src" \
  "${PYTHON:-python3}" -m pytest -q -p no:cacheprovider "$here"
one "$work/soak" kill "$small" "$work/save" $((10 * scale))
one "$work/soak" handles "$small" $((500 * scale))
one "$work/soak" mixed "$small" "$other" 16 "$seconds" 20000
one "$work/soak" routes "$small" $((50000 * scale))
swift build --package-path "$root" -c release --product train-run > "$work/log" 2>&1 || { cat "$work/log"; exit 1; }
one "${PYTHON:-python3}" "$here/kill_training.py" --kills $((3 * scale)) --epochs $((20 * scale))
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
