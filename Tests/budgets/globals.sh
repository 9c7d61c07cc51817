#!/bin/bash
# No global of the library is made on first use: it would come from the allocator of whichever caller is first, and
# be gone with it. Constants are computed properties, or literals that the compiler lays down in the file.
set -eu
object=$(cd "$(dirname "$0")/../../build/objects" && pwd)/Shipped.o
lazy=$(nm "$object" | grep -E ' \$e7Shipped.*_WZ$' || true)
echo "${lazy:-none}"
test -z "$lazy"
