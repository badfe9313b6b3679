#!/bin/sh
# Runs the native tests under the checkers of memory, of races and of undefined behaviour.
#
# usage: run.sh [PART]...   all parts if none is given
#
#   address    the whole native test suite under AddressSanitizer, leaks included, its C code under
#              UndefinedBehaviorSanitizer as well; its kernels, images and routes again with each instruction set
#              that this CPU has
#   thread     the whole native test suite, without forks, under ThreadSanitizer
#   soak       the mixture of the long run for half a minute, training in the background included, under
#              ThreadSanitizer
#   valgrind   the C example under memcheck, with the release library
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

# quietly COMMAND...: says what a command has printed only if it fails.
quietly() { "$@" > "$work/log" 2>&1 || { cat "$work/log"; return 1; }; }
# The builds that are checked keep their symbols, for the reports.
instrumented() { ARMS_INSTRUMENTED=1 quietly swift "$@"; }

# built FOLDER ARGUMENTS...: builds in a folder of its own, so that no sanitizer undoes what was built for another.
# The C code is optimised, or it would take most of the time. The tests are a product, and need none of the others.
built() {
  folder=$1
  shift
  instrumented build --scratch-path ".build/$folder" --disable-xctest -Xcc -O1 -Xcc -fno-omit-frame-pointer "$@"
}

# checked FOLDER NAME ARGUMENTS...: runs tests that are built.
checked() {
  folder=$1 name=$2
  shift 2
  began=$(date +%s)
  instrumented test --skip-build --scratch-path ".build/$folder" --disable-xctest "$@" ||
    { echo "$name: FAILED" >&2; exit 1; }
  count=$(sed -n 's/.*Test run with \([1-9].*\) passed.*/\1/p' "$work/log")
  [ -n "$count" ] || { echo "$name: FAILED, it has no test" >&2; exit 1; }
  echo "$name: $count passed ($(($(date +%s) - began)) s)"
}

# Whether this CPU has an instruction set of the kernels.
has() {
  case $1 in
    scalar) return 0 ;;
    avxvnni) flag=avx_vnni ;;
    avx512vnni) flag=avx512_vnni ;;
    avx512bf16) flag=avx512_bf16 ;;
    amx) flag=amx_int8 ;;
    *) flag=$1 ;;
  esac
  grep -q -w "$flag" /proc/cpuinfo
}

# each_set NAME COMMAND...: runs a command with each instruction set that the kernels know, and says which of them this
# CPU lacks: the kernels would silently take a lesser one.
each_set() {
  # `checked` has variables of its own, and sh has none that are local.
  sets_of=$1
  shift
  for set in scalar avx2 avxvnni avx512vnni avx512bf16 amx; do
    if has "$set"; then
      ARMS_ISA=$set "$@"
    else
      echo "$sets_of, $set: NOT RUN, this CPU does not have it"
    fi
  done
}

# The tests of forks run after the others and one by one: a child waits for ever for a lock of the sanitizer that a
# thread of another test has held while it was forked off, such as that of starting threads.
forks='(Fork|aPoolThatGoes)'
# A pattern that fits a suite's own name takes all of its tests.
other_than_forks="Tests/(?!.*$forks)"

# Swift's compiler has no sanitizer of undefined behaviour on Linux; the runtime of the other one answers for both.
address() {
  built address --product armsPackageTests --sanitize=address -Xcc -fsanitize=undefined -Xcc -fno-sanitize-recover=all
  checked address "address, without forks" --filter "$other_than_forks"
  checked address "address, forks" --no-parallel --filter "$forks"
  each_set address address_with_set
}

# The kernels' own tests have run with every set already.
address_with_set() {
  checked address "address, $ARMS_ISA" --filter ResamplingTests --filter ImageFileTests --filter FixtureTests \
    --filter DispatchTests
}

# ThreadSanitizer does not follow into a child that is forked off many threads, and may hang there: the tests of
# forks, which the other sanitizers run, are left out, and one that forks to be alone.
thread() {
  built thread --product armsPackageTests --sanitize=thread
  checked thread "threads, without forks" --filter "$other_than_forks"
}

# Its memory is a sanitizer's, and is not judged in so short a run.
soak() {
  # The library alone, as the tests are no part of the program below.
  built thread --product arms --sanitize=thread
  began=$(date +%s)
  models=Tests/Fixtures/models
  # The sanitizer's runtime, as Swift has it, watches over its queues as well.
  runtime=$(dirname -- "$(dirname -- "$(clang)")")/lib/swift/linux
  "$(clang)" -fsanitize=thread -std=gnu11 -O1 -g -Iinclude Tests/Reliability/soak.c .build/thread/debug/libarms.so \
    -Wl,-rpath,"$root/.build/thread/debug" -L"$runtime" -ldispatch -lBlocksRuntime -Wl,-rpath,"$runtime" \
    -lpthread -o "$work/soak"
  "$work/soak" mixed "$models/bert-patches-paper-int8.gguf" "$models/bert-pooled-scaled.gguf" 16 30 20000 \
    > "$work/log" 2>&1 || { cat "$work/log"; echo "threads, soak: FAILED" >&2; exit 1; }
  echo "threads, soak: $(sed -n 's/;.*//; $p' "$work/log") ($(($(date +%s) - began)) s)"
}

# Swift's own.
clang() { echo "$(dirname -- "$(readlink -f -- "$(command -v swiftc)")")/clang"; }

# Valgrind knows no AVX-512: the kernels see an AVX2 machine.
valgrind_example() {
  quietly swift build -c release --product arms
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
    address | thread | soak) "$part" ;;
    valgrind) valgrind_example ;;
    default) address; thread; soak; valgrind_example ;;
    *) sed -n '2,12s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
  esac
done
