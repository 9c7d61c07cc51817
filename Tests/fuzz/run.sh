#!/bin/bash
# Fuzzes each reader for SECONDS, all at once: run.sh SECONDS. See README.md.
# Prints executions and coverage of each target; ends with an error on a finding. Without the sanitizer's runtime it is
# a skip with its reason.
set -u
seconds=${1:?usage: run.sh SECONDS}
cd "$(dirname "$0")/../.."
unset EDGEAI_SHIPPED EDGEAI_ISA
work=$PWD/build/fuzz
mkdir -p "$work"
skip() { echo "skip  fuzz: $1"; exit 0; }
[ "$(uname -m)" = x86_64 ] || skip "the build of the targets is for x86-64"
command -v swiftc > /dev/null || skip "swiftc is not in PATH"
swift_bin=$(dirname "$(readlink -f "$(command -v swiftc)")")
clang=$(command -v clang || echo "$swift_bin/clang")
echo 'import Swift
@_cdecl("LLVMFuzzerTestOneInput") public func one(_ data: UnsafePointer<UInt8>?, _ size: Int) -> CInt { 0 }' > "$work/probe.swift"
swiftc -parse-as-library -sanitize=fuzzer,address "$work/probe.swift" -o "$work/probe" 2> "$work/probe.log" ||
  skip "swiftc -sanitize=fuzzer,address does not link here: $(tail -1 "$work/probe.log")"

# ---- Build: each target is one module with the readers and the runtime, without the fast kernels -----------------------
include="-I Sources/CPlatform/include"
build() {
  for source in Sources/CPlatform/*.c Tests/fuzz/Shared/no_kernels.c; do
    "$clang" -O1 -g -fsanitize=address -ISources/CPlatform/include -c "$source" -o "$work/$(basename "$source").o" || return 1
  done
  local swift="swiftc -O -g -wmo -parse-as-library -D EDGEAI_SINGLE_MODULE $include"
  $swift -sanitize=address -D ISA_REFERENCE -module-name KernelsReference -c Sources/KernelsReference/*.swift \
    -o "$work/kernels.o" &
  local kernels=$! target
  local pids=()
  for target in OnnxFuzz TfliteFuzz EdgeAIFuzz; do
    $swift -sanitize=fuzzer,address -module-name $target $(find Sources/Graph Sources/Import Sources/Format Sources/Runtime -name '*.swift') \
      Tests/fuzz/Shared/*.swift Tests/fuzz/$target/*.swift -c -o "$work/$target.o" &
    pids+=($!)
  done
  wait $kernels && wait "${pids[0]}" && wait "${pids[1]}" && wait "${pids[2]}" || return 1
  for target in OnnxFuzz TfliteFuzz EdgeAIFuzz; do
    swiftc -sanitize=fuzzer,address "$work/$target.o" "$work/kernels.o" "$work"/*.c.o -o "$work/$target" || return 1
  done
}
# Built again when a source is newer.
for target in OnnxFuzz TfliteFuzz EdgeAIFuzz; do
  if [ ! -x "$work/$target" ] || [ -n "$(find Sources Tests/fuzz \( -name '*.swift' -o -name '*.[ch]' -o -name run.sh \) -newer "$work/$target" -print -quit)" ]; then
    build > "$work/build.log" 2>&1 || { cat "$work/build.log"; echo "FAIL  fuzz: the targets do not build"; exit 1; }
    break
  fi
done

# ---- Run -----------------------------------------------------------------------------------------------------
run() { # target, seed folders
  local target=$1
  shift
  mkdir -p "$work/$target-corpus" "$work/$target-findings"
  "$work/$target" "$work/$target-corpus" "$@" -max_total_time="$seconds" -max_len=8192 -timeout=20 -rss_limit_mb=2048 \
    -artifact_prefix="$work/$target-findings/" -print_final_stats=1 > "$work/$target.log" 2>&1
}
run OnnxFuzz Tests/fuzz/OnnxFuzz/corpus Tests/golden-errors/onnx & onnx=$!
run TfliteFuzz Tests/fuzz/TfliteFuzz/corpus Tests/golden-errors/tflite & tflite=$!
run EdgeAIFuzz Tests/golden/edgeai Tests/golden/edgeai-2 Tests/golden-errors/edgeai & edgeai=$!
status=0
report() { # target, process
  if wait "$2"; then
    echo "ok    $1: $(sed -n 's/^stat::number_of_executed_units: *//p' "$work/$1.log") executions, $(grep -o 'cov: [0-9]*' "$work/$1.log" | tail -1 | cut -d' ' -f2) edges covered, no finding"
  else
    status=1
    echo "FAIL  $1: see build/fuzz/$1-findings"
    tail -60 "$work/$1.log"
  fi
}
report OnnxFuzz $onnx
report TfliteFuzz $tflite
report EdgeAIFuzz $edgeai
exit $status
