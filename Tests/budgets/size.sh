#!/bin/bash
# The stripped library stays under 2,420,000 bytes.
set -eu
bytes=$(stat -Lc %s "$1/lib/libedgeai.so")
echo "$bytes bytes"
test "$bytes" -lt 2420000
