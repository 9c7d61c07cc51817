#!/bin/bash
# No initializer is called through a class: Packaging/pack.sh takes them out of what classes list.
set -eu
cd "$(dirname "$0")/../.."
! grep -rnE 'required (convenience )?init|\.Type\b.*\.init\(' Sources --include=*.swift
