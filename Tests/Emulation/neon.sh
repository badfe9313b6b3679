#!/bin/sh
# The NEON kernels against the scalar ones, on an emulated CPU that has its instructions.
#
# Needs Debian's libc6-dev-arm64-cross, libgcc-12-dev-arm64-cross and qemu-user; the compiler and the linker are Swift's.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT
trap 'exit 1' HUP INT TERM
clang=$(dirname -- "$(readlink -f -- "$(command -v swiftc)")")/clang
# Of several the last.
for gcc in /usr/lib/gcc-cross/aarch64-linux-gnu/*; do :; done

find "$root/Sources/CKernels" -name '*.c' -exec \
  "$clang" --target=aarch64-linux-gnu --gcc-install-dir="$gcc" -fuse-ld=lld -std=gnu11 -O2 -Wall -Wextra -Werror \
  -I"$root/Sources/CKernels/include" "$root/Tests/Emulation/kernels.c" -lm -o "$work/kernels" {} +
qemu-aarch64 -cpu max -L /usr/aarch64-linux-gnu "$work/kernels" neon
