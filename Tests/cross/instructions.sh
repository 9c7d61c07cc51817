#!/bin/bash
# How many instructions kernels take on ARM: counts them, prints them and compares with instructions.txt.
#     instructions.sh [--update]        --update writes the counts there
# `make count-instructions OPTIONS=--update` does the same after it has built what this needs.
set -eu
cd "$(dirname "$0")/../.."
table=Tests/cross/instructions.txt work=build/test-cross objects=build/aarch64/objects
mkdir -p $work
gcc -shared -fPIC -O2 -Wall -Wextra Tests/cross/count.c -o $work/count.so
# Kernels never allocate; what Swift's runtime would take memory with is not reached.
aarch64-linux-gnu-gcc -std=gnu11 -O2 -Wall -Wextra -ISources/CPlatform/include Tests/cross/kernel.c \
  $objects/KernelsReference.o $objects/KernelsNEON.o $objects/KernelsNEONDot.o -static -lm -o $work/kernel-aarch64 \
  -Wl,--gc-sections,--defsym,ep_swift_malloc=abort,--defsym,ep_swift_memalign=abort,--defsym,ep_swift_free=abort
count() { qemu-aarch64 -cpu max -plugin $work/count.so $work/kernel-aarch64 < $table; }
count > $work/counts
count | cmp - $work/counts || { echo "two runs differ"; exit 1; }
test "$(grep -c '^neon' $table)" = "$(wc -l < $work/counts)"
awk -v update="${1:-}" -v counts=$work/counts -v new=$work/instructions.txt '
  BEGIN { printf "" > new }
  !/^neon/ { print > new; next }
  {
    getline counted < counts
    places = (int(($3 - 1) / $8) + 1) * (int(($4 - 1) / $8) + 1)
    adds = places * $6 * $7 * $7 * ($2 ~ /^depthwise/ ? 1 : $5)
    each = counted / adds
    good = each <= $10 * $11 && (update == "--update" || counted <= 1.01 * $9)
    printf "%-4s  %-7s %-13s %3d x %-3d %3d -> %-3d window %d stride %d: %8d instructions, %.4f for a multiply-add, %.2f of the ideal (at most %s)\n",
      good ? "ok" : "FAIL", $1, $2, $3, $4, $5, $6, $7, $8, counted, each, each / $10, $11
    $9 = counted
    print > new
    bad += !good
  }
  END { exit bad > 0 }' $table
if [ "${1:-}" = --update ]; then cp $work/instructions.txt $table; fi
