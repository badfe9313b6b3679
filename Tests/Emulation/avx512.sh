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

cd "$root/Sources/CKernels"
compile() { "$clang" -std=gnu11 -O1 -Wall -Wextra -Werror -fsanitize=address -Iinclude -c -o "$work/$(basename "$1").o" "$@"; }

# Without its pragmas the code is for any CPU; the ABI of vectors matters to nobody here.
find . \( -name '*avx512*.c' -o -name dispatch.c \) | while read -r file; do
  compile "$file" -Wno-psabi -Wno-builtin-macro-redefined '-D_Pragma(text)=' -I"$root/Tests/Emulation/avx512"
done
find . -name '*.c' ! -name '*avx512*' ! -name dispatch.c | while read -r file; do compile "$file"; done
"$clang" -std=gnu11 -O1 -fsanitize=address -fuse-ld=lld -Iinclude ../../Tests/Emulation/kernels.c "$work"/*.o -lm -o "$work/kernels"
for isa in avx512vnni avx512bf16; do "$work/kernels" "$isa"; done
