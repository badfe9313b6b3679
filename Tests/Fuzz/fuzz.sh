#!/bin/sh
# Runs the fuzz targets, one after the other, with libFuzzer and AddressSanitizer, leaks included.
#
# usage: fuzz.sh [--seconds N] [--merge] [TARGET]...
#
#   --seconds N   for each target; 20 if not given. 0 only replays the corpus
#   --merge       then add to Tests/Fuzz/corpus what the run has found, least inputs first
#   TARGET        model, jpeg, png, tokenizer, route, exports, dataset, checkpoint, adapter; all if none is given
#
# Inputs that a run finds interesting stay in .build/fuzz/corpus, for the next. An input that breaks a target is
# kept in .build/fuzz/artifacts and said; repeat it with: .build/fuzz/debug/arms-fuzz TARGET FILE
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
seconds=20 merge=false targets=
while [ $# -gt 0 ]; do
  case $1 in
    --seconds) seconds=${2:?--seconds needs a number}; shift ;;
    --merge) merge=true ;;
    -*) sed -n '2,11s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
    *) targets="$targets $1" ;;
  esac
  shift
done
build=$root/.build/fuzz
mkdir -p "$build"

# Debug: Swift then checks the bounds of unsafe buffers, too. The C code is optimised, or it would take all the
# time. LLD, because gold fails at instrumented objects.
cd "$root"
ARMS_INSTRUMENTED=1 ARMS_GUARDED_SCRATCH=1 swift build --scratch-path "$build" --product arms-fuzz \
  -Xswiftc -sanitize=fuzzer,address -Xswiftc -use-ld=lld \
  -Xcc -fsanitize=fuzzer-no-link,address -Xcc -fno-omit-frame-pointer -Xcc -O1 > "$build.log" 2>&1 ||
  { cat "$build.log"; exit 1; }

# Everything after a trap's first line is libFuzzer's to print.
SWIFT_BACKTRACE=enable=no
export SWIFT_BACKTRACE
failed=
for target in ${targets:-model jpeg png tokenizer route exports dataset checkpoint adapter}; do
  seeds=Tests/Fuzz/corpus/$target found=$build/corpus/$target
  log=$build/$target.log
  mkdir -p "$found" "$build/artifacts"
  # Zero seconds mean no limit to libFuzzer, and no run no change of an input.
  if [ "$seconds" -gt 0 ]; then limit=-max_total_time=$seconds; else limit=-runs=0; fi
  if "$build/debug/arms-fuzz" "$target" "$limit" -timeout=30 -rss_limit_mb=2048 -len_control=0 \
    -keep_seed=1 -print_funcs=0 -print_final_stats=1 -artifact_prefix="$build/artifacts/$target-" "$found" "$seeds" \
    > "$log" 2>&1; then
    number() { sed -n "s/^stat::$1: *//p" "$log"; }
    printf '%s: %s inputs, slowest %s s, %s MB, %s\n' "$target" "$(number number_of_executed_units)" \
      "$(number slowest_unit_time_sec)" "$(number peak_rss_mb)" \
      "$(grep -o 'cov: [0-9]*' "$log" | tail -n 1)"
  else
    failed="$failed $target"
    # From the first line that is not about progress.
    grep -v -e '^#' -e '^INFO' "$log" | head -n 60
    printf '%s: FAILED\n' "$target"
  fi
  if $merge; then
    "$build/debug/arms-fuzz" "$target" -merge=1 "$seeds" "$found" > "$log" 2>&1 || { cat "$log"; exit 1; }
  fi
done
[ -z "$failed" ] || { echo "failed:$failed"; exit 1; }
