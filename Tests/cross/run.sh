#!/bin/bash
# The library on other processors, emulated: run.sh [aarch64] [cortex-m4]; both when nothing is named.
# A missing cross compiler or emulator is a skip with its reason.
set -u
cd "$(dirname "$0")/../.."
work=build/test-cross
mkdir -p $work
passed=0 failed=0 skipped=0
check() {
  local name=$1
  shift
  if "$@" > $work/log 2>&1; then passed=$((passed + 1)); echo "ok    $name"; else
    failed=$((failed + 1)); echo "FAIL  $name"; tail -20 $work/log | sed 's/^/      /'
  fi
}
skip() { skipped=$((skipped + 1)); echo "skip  $1: $2"; }
have() {
  for tool in "${@:2}"; do
    command -v $tool > /dev/null || { skip "$1" "$tool is not installed (make setup)"; return 1; }
  done
}

# What the host says.
host() {
  make -s library || exit 1
  gcc -std=c99 -O2 -IInclude Examples/c/sensor_node.c build/libedgeai.a -lm -lpthread -o $work/sensor_node-host &&
    $work/sensor_node-host > $work/sensor-host
  gcc -std=c99 -O2 -IInclude Tests/c/model_crc.c build/libedgeai.a -lm -lpthread -o $work/model_crc-host
  gcc -std=c99 -O2 -IInclude Tests/c/quantize_model.c build/libedgeai.a -lm -lpthread -o $work/quantize_model-host &&
    $work/quantize_model-host Examples/models/fashion_mnist.onnx $work/int8.edgeai > /dev/null
}

aarch64() {
  have aarch64 aarch64-linux-gnu-gcc qemu-aarch64 || return
  check "aarch64: build" make -s build/aarch64/libedgeai.so.0.1.0
  local cc="aarch64-linux-gnu-gcc -std=c99 -O2 -IInclude" run="qemu-aarch64 -L /usr/aarch64-linux-gnu"
  check "aarch64: static program" $cc -static Examples/c/sensor_node.c build/aarch64/edgeai.o -lm -o $work/sensor_node-aarch64
  check "aarch64: sensor_node prints the host's bytes" sh -c "qemu-aarch64 $work/sensor_node-aarch64 | cmp - $work/sensor-host"
  check "aarch64: program with the shared library" $cc Tests/c/model_crc.c -Lbuild/aarch64 -ledgeai -lm -o $work/model_crc-aarch64
  local expected isa threads
  expected=$($work/model_crc-host $work/int8.edgeai reference)
  for isa in reference neon neondot; do
    for threads in 1 3; do
      check "aarch64: int8 classifier, $isa, $threads threads, the host's bytes $expected" \
        sh -c "test \"\$($run -E LD_LIBRARY_PATH=build/aarch64 $work/model_crc-aarch64 $work/int8.edgeai $isa $threads)\" = $expected"
    done
  done
  # uint8 weights with a zero point; a whole network where the published models are at hand.
  local network=${EDGEAI_TEST_DATA:+$EDGEAI_TEST_DATA/models/mobilenet/mobilenet_v1_0.25_128_quant.tflite} model
  for model in Tests/fuzz/TfliteFuzz/corpus/conv-uint8 Tests/fuzz/TfliteFuzz/corpus/depthwise-uint8 $network; do
    expected=$($work/model_crc-host $model reference)
    for isa in reference neon neondot; do
      check "aarch64: $(basename $model), $isa, the host's bytes $expected" \
        sh -c "test \"\$($run -E LD_LIBRARY_PATH=build/aarch64 $work/model_crc-aarch64 $model $isa)\" = $expected"
    done
  done
  check "aarch64: integer kernels give the reference's bytes for every zero point" sh -c "
    aarch64-linux-gnu-gcc -std=gnu11 -O2 -Wall -Wextra -ISources/CPlatform/include Tests/cross/exact.c \
      build/aarch64/objects/Kernels*.o -static -lm -o $work/exact-aarch64 \
      -Wl,--gc-sections,--defsym,ep_swift_malloc=abort,--defsym,ep_swift_memalign=abort,--defsym,ep_swift_free=abort &&
    qemu-aarch64 -cpu max $work/exact-aarch64"
  # Debian's qemu has plugins; one that has none, or has others' interface, says so when it loads this one.
  check "aarch64: kernels take no more instructions than Tests/cross/instructions.txt says" Tests/cross/instructions.sh
  check "aarch64: misuse is built" $cc Tests/c/api_misuse.c -Lbuild/aarch64 -ledgeai -lm -o $work/api_misuse-aarch64
  check "aarch64: misuse" $run -E LD_LIBRARY_PATH=build/aarch64 $work/api_misuse-aarch64 Examples/models/fashion_mnist.onnx \
    Tests/golden/edgeai/state-and-count.edgeai
}

cortex_m4() {
  have cortex-m4 arm-none-eabi-gcc qemu-system-arm || return
  check "cortex-m4: build" make -s build/cortex-m4/sensor_node.elf
  check "cortex-m4: sensor_node runs" sh -c "timeout 120 qemu-system-arm -M mps2-an386 -nographic -semihosting \
    -kernel build/cortex-m4/sensor_node.elf < /dev/null > $work/sensor-m4; cat $work/sensor-m4; grep -q shaking $work/sensor-m4"
  check "cortex-m4: sensor_node prints the host's bytes" cmp $work/sensor-m4 $work/sensor-host
}

host
case " ${*:-aarch64 cortex-m4} " in *" aarch64 "*) aarch64 ;; esac
case " ${*:-aarch64 cortex-m4} " in *" cortex-m4 "*) cortex_m4 ;; esac
echo "$passed passed, $failed failed, $skipped skipped"
test $failed -eq 0
