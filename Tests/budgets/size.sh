#!/bin/bash
# The stripped library stays under 2,400,000 bytes.
set -eu
bytes=$(stat -Lc %s "$1/lib/libedgeai.so")
echo "$bytes bytes"
test "$bytes" -lt 2400000
