#!/bin/bash
# The tests of the installed C library. `make test-c` runs them after `make library`.
#
# Installs into an empty prefix, and from then on uses nothing but that prefix: every example is built with
# pkg-config and with CMake, by gcc and clang, as C99 and as C++17; then come misuse, allocations, budgets and the
# comparison of a model's bytes over instruction sets, threads, batches and emulated processors.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
cd "$root"
work=$root/build/test-c
rm -rf "$work"
mkdir -p "$work"
swift_bin=$(dirname "$(readlink -f "$(command -v swiftc)")")
passed=0 failed=0 skipped=0

# check NAME COMMAND...: runs it, prints a line; the output only when it fails.
check() {
  local name=$1
  shift
  if "$@" > "$work/log" 2>&1; then
    passed=$((passed + 1))
    echo "ok    $name$(test -n "${detail:-}" && echo ": $(tail -1 "$work/log")")"
  else
    failed=$((failed + 1))
    echo "FAIL  $name"
    sed 's/^/      /' "$work/log" | tail -20
  fi
}
skip() { skipped=$((skipped + 1)); echo "skip  $1: $2"; }

# ---- Headers -----------------------------------------------------------------------------------------------
warnings="-pedantic -Wall -Wextra -Wstrict-prototypes -Werror"
clang=$(command -v clang || echo "$swift_bin/clang")
for header in edgeai.h edgeai_compress.h edgeai_train.h; do
  printf '#include "%s"\n#include "%s"\nint main(void) { return edgeai_abi_check(EDGEAI_ABI_VERSION); }\n' $header $header > "$work/header.c"
  for cc in gcc "$clang"; do
    command -v "$cc" > /dev/null || { skip "$header alone, $cc" "not installed"; continue; }
    check "$header alone, C99, $(basename "$cc")" "$cc" -std=c99 $warnings -IInclude -fsyntax-only "$work/header.c"
  done
  check "$header alone, C++17" g++ -std=c++17 -x c++ -pedantic -Wall -Wextra -Werror -IInclude -fsyntax-only "$work/header.c"
done

# ---- Installation ------------------------------------------------------------------------------------------
prefix=$work/prefix
check "install into an empty prefix" make install PREFIX="$prefix"
export PKG_CONFIG_PATH=$prefix/lib/pkgconfig
check "pkg-config knows version 0.1.0" pkg-config --exact-version=0.1.0 edgeai
cflags=$(pkg-config --cflags edgeai) libs=$(pkg-config --libs edgeai)
export LD_LIBRARY_PATH=$prefix/lib

for source in Examples/c/*.c; do
  name=$(basename "$source" .c)
  for cc in gcc "$clang"; do
    command -v "$cc" > /dev/null || { skip "$name, $cc" "not installed"; continue; }
    check "$name, C99, $(basename "$cc"), pkg-config" "$cc" -std=c99 -O2 $warnings $cflags "$source" $libs -o "$work/$name"
  done
  check "$name, C++17, g++, pkg-config" g++ -std=c++17 -O2 -x c++ -pedantic -Wall -Wextra -Werror $cflags "$source" -x none $libs -o "$work/$name-cpp"
  check "$name, static library" gcc -std=c99 -O2 $cflags "$source" "$prefix/lib/libedgeai.a" -lm -lpthread -o "$work/$name-static"
done

if command -v cmake > /dev/null; then
  mkdir -p "$work/cmake"
  cat > "$work/cmake/CMakeLists.txt" <<END
cmake_minimum_required(VERSION 3.16)
project(installed C)
find_package(edgeai 0.1 REQUIRED)
add_executable(shared $root/Examples/c/classify.c)
target_link_libraries(shared edgeai::edgeai)
add_executable(static $root/Examples/c/classify.c)
target_link_libraries(static edgeai::static)
END
  check "CMake package" sh -c "cmake -S '$work/cmake' -B '$work/cmake/build' -DCMAKE_PREFIX_PATH='$prefix' && cmake --build '$work/cmake/build'"
else
  skip "CMake package" "cmake is not installed"
fi

# ---- Examples ----------------------------------------------------------------------------------------------
model=Examples/models/fashion_mnist.onnx
image=Examples/data/fashion_sample.pgm
detail=1
check "classify sees the ankle boot" sh -c "'$work/classify' $model $image | tee '$work/boot'; grep -q '^1\\..*Ankle boot' '$work/boot'"
check "classify refuses a picture as a model" sh -c "! '$work/classify' $image $image"
check "ecu_loop takes no memory while running" sh -c "'$work/ecu_loop' $model 2000 100 | tee '$work/ecu'; grep -q 'running: 0 bytes' '$work/ecu'"
check "sensor_node tells three motions" sh -c "'$work/sensor_node' > '$work/sensor' && grep -q still '$work/sensor' && grep -q walking '$work/sensor' && grep -q shaking '$work/sensor' && tail -1 '$work/sensor'"
check "learn_motion keeps nothing and learns" sh -c "'$work/learn_motion' '$work/motion.edgeai' | tee '$work/motion'; grep -q 'learning: 0 bytes' '$work/motion' && grep -q '9[0-9].* % right' '$work/motion' && '$work/learn_motion-static' | cmp - '$work/motion'"
check "sensor_node, static library, same bytes" sh -c "'$work/sensor_node-static' | cmp - '$work/sensor' && echo same"

# ---- Misuse, memory ----------------------------------------------------------------------------------------
other=Examples/models/sensor.edgeai
for test in "api_misuse $model Tests/golden/edgeai/state-and-count.edgeai" "compress_misuse $model $other" "channels_misuse $model" "sharing_misuse $model" "search_misuse Examples/models/sensor.onnx" \
  "architecture_misuse" "train_misuse" "border_types" "on_demand" "allocations $model"; do
  set -- $test
  gcc -std=gnu99 -O1 -g $cflags "Tests/c/$1.c" $libs -lm -o "$work/$1"
  check "$1" "$work/"$test
  [ "$1" = allocations ] && continue # stands in front of malloc itself
  if command -v valgrind > /dev/null; then
    detail= check "$1 under valgrind" env EDGEAI_ISA=sse2 valgrind -q --error-exitcode=1 --leak-check=full "$work/"$test
  else
    skip "$1 under valgrind" "valgrind is not installed"
  fi
done

# ---- Bytes -------------------------------------------------------------------------------------------------
gcc -std=c99 -O2 $cflags Tests/c/model_crc.c $libs -o "$work/model_crc"
gcc -std=c99 -O2 $cflags Tests/c/quantize_model.c $libs -o "$work/quantize_model"
check "quantize the classifier" "$work/quantize_model" $model "$work/int8.edgeai"
for model in "$work/int8.edgeai" Examples/models/sensor.edgeai; do
  test -f "$model" || { skip "bytes of $(basename "$model")" "there is no such file"; continue; }
  expected=$("$work/model_crc" "$model" reference)
  same() { local crc; crc=$("$@") && echo "$crc" && test "$crc" = "$expected"; }
  for isa in reference sse2 avx2 avx512vnni avx512bf16; do
    if ! grep -q "$isa" <(EDGEAI_ISA=$isa "$work/model_crc" "$model" 2>&1 | grep -q UNSUPPORTED || echo $isa); then
      skip "$(basename "$model"), $isa" "this processor does not have it"
      continue
    fi
    for threads in 1 2 3 4; do
      for batch in 1 2 4; do
        detail=1 check "$(basename "$model"), $isa, $threads threads, batch $batch" same "$work/model_crc" "$model" $isa $threads $batch
      done
    done
  done
  for cpu in Nehalem Haswell; do
    if command -v qemu-x86_64 > /dev/null; then
      check "$(basename "$model"), emulated $cpu" same qemu-x86_64 -cpu $cpu "$work/model_crc" "$model" - 2
    else
      skip "$(basename "$model"), emulated $cpu" "qemu-x86_64 is not installed (apt: qemu-user)"
    fi
  done
done

# ---- Budgets -----------------------------------------------------------------------------------------------
detail=
for budget in Tests/budgets/*.sh; do
  if [ -x "$budget" ]; then check "budget: $(basename "$budget" .sh)" "$budget" "$prefix"; fi
done

check "uninstall leaves nothing" sh -c "make uninstall PREFIX='$prefix' && test -z \"\$(find '$prefix' -type f -o -type l)\""
echo "$passed passed, $failed failed, $skipped skipped"
test $failed -eq 0
