#!/bin/sh
# The AVX-512 kernels against the scalar ones, for CPUs that lack them: their intrinsics are functions in C.
#
# Needs Debian's libsimde-dev; the compiler is Swift's.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT
trap 'exit 1' HUP INT TERM
clang=$(dirname -- "$(readlink -f -- "$(command -v swiftc)")")/clang

kernels=$root/Sources/CKernels
compile() { "$clang" -std=gnu11 -Wall -Wextra -Werror -I"$kernels/include" -c "$@"; }

# Without its pragmas the code is for any CPU; the ABI of vectors matters to nobody here.
cd "$work"
emulated="-O1 -Wno-psabi -Wno-builtin-macro-redefined -D_Pragma(text)= -I$root/Tests/Emulation/avx512"
find "$kernels" \( -name '*avx512*.c' -o -name dispatch.c \) | while read -r file; do
  # shellcheck disable=SC2086 # Several words.
  compile $emulated "$file"
done
find "$kernels" -name '*.c' ! -name '*avx512*' ! -name dispatch.c | while read -r file; do compile -O1 "$file"; done
"$clang" -std=gnu11 -O1 -I"$kernels/include" "$root/Tests/Emulation/kernels.c" ./*.o -lm -o kernels
for isa in avx512vnni avx512bf16; do ./kernels "$isa"; done
