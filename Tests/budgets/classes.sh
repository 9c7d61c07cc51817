#!/bin/bash
# No initializer is called through a class: Packaging/pack.sh takes them out of what classes list.
set -eu
cd "$(dirname "$0")/../.."
found=0
grep -rnE '\brequired\b.*\binit\b|type\(of:' Sources --include=*.swift || found=$?
test $found = 1
