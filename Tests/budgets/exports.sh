#!/bin/bash
# The library exports exactly the functions its headers declare.
set -eu
prefix=$1
cat "$prefix"/include/edgeai*.h | gcc -E -P -x c -I"$prefix/include" - | tr '\n' ' ' | tr ';' '\n' |
  grep -v typedef | grep -oE '\bedgeai_[a-z0-9_]+ *\(' | tr -d ' (' | sort -u > "$prefix/declared"
nm -D --defined-only "$prefix/lib/libedgeai.so" | awk '$2 == "T" { sub(/@.*/, "", $3); print $3 }' | sort > "$prefix/exported"
trap 'rm -f "$prefix/declared" "$prefix/exported"' EXIT
diff "$prefix/declared" "$prefix/exported"
# Nothing that is no function either; and the static library has the same names.
test -z "$(nm -D --defined-only "$prefix/lib/libedgeai.so" | awk '$2 != "T" && $2 != "A"')"
nm -g --defined-only "$prefix/lib/libedgeai.a" 2> /dev/null | awk 'NF == 3 { print $3 }' | sort | diff "$prefix/declared" -
echo "$(wc -l < "$prefix/declared") functions"
