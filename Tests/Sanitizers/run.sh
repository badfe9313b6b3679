#!/bin/sh
# Runs the native tests under the checkers of memory, of races and of undefined behaviour.
#
# usage: run.sh [PART]...   all parts if none is given
#
#   address     the whole native test suite under AddressSanitizer, leaks included; its kernels and routes
#               again with each instruction set that this CPU has
#   thread      the tests of what threads share, without those of forks, under ThreadSanitizer
#   thread-all  the whole native test suite, without forks; not among the parts that run by default
#   undefined   the tests of the C targets under UndefinedBehaviorSanitizer, with each instruction set
#   valgrind    the C example under memcheck, with the release library
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
cd "$root"
unset ARMS_LIBRARY ARMS_ISA ARMS_OPENBLAS
mkdir -p .build
work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT
trap 'exit 1' HUP INT TERM

# A report shall end the run with the sanitizer's own words.
SWIFT_BACKTRACE=enable=no
# Tests ask for memory that cannot be had, and expect to be told so.
ASAN_OPTIONS=allocator_may_return_null=1:detect_stack_use_after_return=1
TSAN_OPTIONS=halt_on_error=1:allocator_may_return_null=1:suppressions=$root/Tests/Sanitizers/thread.txt
UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
export SWIFT_BACKTRACE ASAN_OPTIONS TSAN_OPTIONS UBSAN_OPTIONS

# checked FOLDER NAME ARGUMENTS...: builds the tests in a folder of their own, so that no sanitizer undoes what
# was built for another, and runs them.
checked() {
  folder=$1 name=$2
  shift 2
  began=$(date +%s)
  ARMS_INSTRUMENTED=1 swift test --scratch-path ".build/$folder" --disable-xctest "$@" > "$work/log" 2>&1 || { cat "$work/log"; echo "$name: FAILED" >&2; exit 1; }
  echo "$name: $(sed -n 's/.*Test run with \(.*\) passed.*/\1/p' "$work/log") passed" \
    "($(($(date +%s) - began)) s)"
}

# The instruction sets that the kernels know and this CPU has.
sets() {
  echo scalar
  for set in avx2 avx512vnni; do
    flag=$(echo "$set" | sed 's/avx512vnni/avx512_vnni/')
    grep -q -w "$flag" /proc/cpuinfo && echo "$set"
  done
}

address() {
  checked address "address, whole suite" --sanitize=address
  for set in $(sets); do
    ARMS_ISA=$set checked address "address, $set" --sanitize=address --skip-build \
      --filter CKernelsTests --filter FixtureTests
  done
}

# ThreadSanitizer does not follow into a child that is forked off many threads, and may hang there: the tests of
# forks, which the other sanitizers run, are left out, and one that forks to be alone.
thread() {
  checked thread "threads, what they share" --sanitize=thread \
    --filter '(ConcurrencyTests|ThreadPoolTests|SnapshotCellTests|ScratchTests)/(?!.*(Fork|aPoolThatGoes))'
}

thread_all() { checked thread "threads, whole suite" --sanitize=thread --filter '^(?!.*(Fork|aPoolThatGoes))'; }

# Swift's compiler has no such sanitizer on Linux, so the C code alone is checked, and its runtime named.
undefined() {
  clang=$(dirname -- "$(readlink -f -- "$(command -v swiftc)")")/clang
  runtime=$("$clang" -print-resource-dir)/lib/linux/libclang_rt.ubsan_standalone-$(uname -m).a
  for set in $(sets); do
    ARMS_ISA=$set checked undefined "undefined behaviour, $set" -Xcc -fsanitize=undefined \
      -Xcc -fno-sanitize-recover=all -Xlinker "$runtime" \
      --filter CKernelsTests --filter ResamplingTests --filter ImageFileTests --filter FixtureTests
  done
}

# Valgrind knows no AVX-512: the kernels see an AVX2 machine.
valgrind_example() {
  swift build -c release --product arms > "$work/log" 2>&1 || { cat "$work/log"; exit 1; }
  cp .build/release/libarms.so "$work/libarms.so.0"
  cc -std=c99 -g -Iinclude examples/c/route.c "$work/libarms.so.0" -Wl,-rpath,"$work" -lm -o "$work/route"
  for model in distilbert-patches-scaled-int8 bert-pooled-scaled; do
    valgrind -q --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite --error-exitcode=9 \
      --suppressions="$root/Tests/Sanitizers/valgrind.txt" "$work/route" "Tests/Fixtures/models/$model.gguf" \
      examples/images/chart.png "What is the highest value in the chart?" > "$work/log" 2>&1 ||
      { cat "$work/log"; echo "memcheck, $model: FAILED" >&2; exit 1; }
    echo "memcheck, $model: no error"
  done
}

for part in "${@:-default}"; do
  case $part in
    address | thread | undefined) "$part" ;;
    thread-all) thread_all ;;
    valgrind) valgrind_example ;;
    default) address; thread; undefined; valgrind_example ;;
    *) sed -n 's/^# \{0,1\}//p' "$0" | head -n 11 >&2; exit 2 ;;
  esac
done
