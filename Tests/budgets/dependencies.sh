#!/bin/bash
# The library needs libc and libm, nothing else, and no symbol newer than glibc 2.34.
set -eu
library=$1/lib/libedgeai.so
needed=$(readelf -d "$library" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | sort | tr '\n' ' ')
echo "needs: $needed"
test "$needed" = "libc.so.6 libm.so.6 " || test "$needed" = "libc.so.6 "
newest=$(nm -D --undefined-only "$library" | sed -n 's/.*GLIBC_\([0-9.]*\)$/\1/p' | sort -V | tail -1)
echo "glibc $newest"
test "$(printf '%s\n2.34\n' "$newest" | sort -V | tail -1)" = 2.34
readelf -d "$library" | grep -q 'SONAME.*\[libedgeai.so.0\]'
readelf -dW "$library" | grep -q BIND_NOW
readelf -lW "$library" | grep -q GNU_RELRO
! readelf -lW "$library" | grep GNU_STACK | grep -q 'RWE'
! readelf -dW "$library" | grep -q TEXTREL
