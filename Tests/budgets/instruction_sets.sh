#!/bin/bash
# AVX code stands only in the objects of its instruction set: elsewhere an older processor would die of it. x86-64. pextrw and andnps
# are of SSE. LLVM's tool comes with Swift; GNU's takes a minute, since every function has a section of its own.
set -eu
objects=$(cd "$(dirname "$0")/../../build/objects" && pwd)
objdump=$(dirname "$(readlink -f "$(command -v "${SWIFTC:-swiftc}")")")/llvm-objdump
uses() { "$objdump" -d --no-show-raw-insn "$1" | awk -F'\t' -v pattern="$2" '$1 ~ /^ *[0-9a-f]+: *$/ { lines++ } $2 " " ~ pattern { n++ } END { print lines ? n + 0 : "nothing" }'; }
avx='^(v[a-z]|k(mov|or|and|xor|xnor|unpck|shift|test|add|not)|shlx|shrx|sarx|rorx|mulx|andn[lq]? |bextr|blsr|blsi|blsmsk|bzhi|pdep|pext[lq]? |lzcnt|movbe)'
for object in "$objects"/*.o; do
  case $object in
  *KernelsAVX2.o) test "$(uses "$object" "$avx")" -gt 0 && test "$("$objdump" -d "$object" | grep -c '%zmm' || true)" -eq 0 ;;
  *KernelsAVX512*.o) test "$(uses "$object" '^v')" -gt 0 ;;
  *) count=$(uses "$object" "$avx"); echo "$(basename "$object"): $count"; test "$count" -eq 0 ;;
  esac
done
