#!/bin/sh
# The kernels of instruction sets that this CPU may lack against the scalar ones.
#
# NEON runs on an emulated CPU; the intrinsics of AVX-512 and AMX are functions in C, which a sanitizer can watch.
# Needs Debian's libc6-dev-arm64-cross, libgcc-12-dev-arm64-cross, qemu-user and libsimde-dev; the compiler and the
# linker are Swift's.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT
trap 'exit 1' HUP INT TERM
clang=$(dirname -- "$(readlink -f -- "$(command -v swiftc)")")/clang
cd "$root/Sources/CKernels"
compile() { "$clang" -std=gnu11 -Wall -Wextra -Werror -Iinclude "$@"; }

# Of several the last.
for gcc in /usr/lib/gcc-cross/aarch64-linux-gnu/*; do :; done
# Names of sources have no spaces.
compile --target=aarch64-linux-gnu --gcc-install-dir="$gcc" -fuse-ld=lld -O2 $(find . -name '*.c') \
  ../../Tests/Emulation/kernels.c -lm -o "$work/neon"
qemu-aarch64 -cpu max -L /usr/aarch64-linux-gnu "$work/neon" neon

watched() { compile -O1 -fsanitize=address "$@"; }
# Without its pragmas the code is for any CPU; the ABI of vectors matters to nobody here.
for file in $(find . -name '*avx512*.c' -o -name '*amx.c' -o -name dispatch.c); do
  watched -Wno-psabi -Wno-builtin-macro-redefined '-D_Pragma(text)=' -I"$root/Tests/Emulation/avx512" \
    -c "$file" -o "$work/$(basename "$file").o"
done
watched -fuse-ld=lld $(find . -name '*.c' ! -name '*avx512*' ! -name '*amx.c' ! -name dispatch.c) \
  ../../Tests/Emulation/kernels.c "$work"/*.o -lm -o "$work/avx512"
for isa in avx512vnni avx512bf16 amx; do "$work/avx512" "$isa"; done
