#!/bin/sh
# Checks the ABI against the record of the release, and that the check tells what is compatible from what is not.
set -u
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
root=$(CDPATH='' cd -- "$here/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT
passed=0 failed=0

# expect takes|refuses WHAT SED-SCRIPT: changes the header so; the check must answer so.
expect() {
  sed -e "$3" "$root/include/arms.h" > "$work/arms.h"
  if [ -n "$3" ] && cmp -s "$work/arms.h" "$root/include/arms.h"; then
    answer="does not change the header"
  elif "$here/record.sh" "$work/arms.h" > "$work/log" 2>&1; then
    answer=takes
  else
    answer=refuses
    grep -q 'not compatible' "$work/log" || answer="breaks off"
  fi
  if [ "$answer" = "$1" ]; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    echo "$2: the check $answer"
    sed 's/^/  /' "$work/log"
  fi
}

expect takes "the header as it is" ''
expect takes "a new function" 's/^uint32_t arms_abi_version(void);/&\nuint32_t arms_new(void);/'
expect takes "a field at the end of a struct" 's/^} arms_memory;/  uint64_t more;\n&/'
expect takes "a new value" 's/^  ARMS_OPEN_COPY = 1/&, ARMS_OPEN_NEW = 2/'
expect refuses "a function that is gone" '/^void arms_image_free/d'
expect refuses "another parameter" 's/^void arms_image_free(arms_image \*image);/void arms_image_free(arms_image *image, int32_t more);/'
expect refuses "another type of a result" 's/^uint32_t arms_abi_version/uint64_t arms_abi_version/'
expect refuses "a field in the middle of a struct" 's/^  uint64_t weight_bytes;/  uint64_t more;\n&/'
expect refuses "another type of a field" 's/^  uint64_t weight_bytes;/  double weight_bytes;/'
expect refuses "a field that is gone" '/^  uint64_t scratch_bytes;/d'
expect refuses "another number of a status" 's/ARMS_ERROR_IO = 5,/ARMS_ERROR_IO = 55,/'
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
