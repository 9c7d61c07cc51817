#!/bin/sh
# Makes one relocatable object, and an archive of it, out of the objects of a SwiftPM build:
#
#     pack.sh RELEASE_DIR OUT_DIR EMULATION KERNELS...
#
# RELEASE_DIR  .build-*/TRIPLE/release
# EMULATION    of ld.lld: elf_x86_64, aarch64elf, armelf
# KERNELS      pairs MODULE:SYMBOL of the kernel targets and their one entry point
#
# Swift puts specialisations of the standard library, under equal names, into every module. A linker keeps one
# copy, and if that is the one compiled for AVX-512 an older processor dies of it. So each kernel module becomes
# an object whose only global name is its entry point, before anything is joined. In the end only edgeai_* is
# global: the library can stand in a program beside any other Swift runtime.
set -eu
release=$1 out=$2 emulation=$3
shift 3
tools=$(dirname "$(readlink -f "$(command -v "${SWIFTC:-swiftc}")")")
here=$(cd "$(dirname "$0")" && pwd)
lld="$tools/ld.lld -m $emulation -r --force-group-allocation"
objcopy=$tools/llvm-objcopy
rm -rf "$out/objects"
mkdir -p "$out/objects"

# Swift's heap becomes the allocator hook's.
hook="--redefine-sym malloc=ep_swift_malloc --redefine-sym posix_memalign=ep_swift_memalign --redefine-sym free=ep_swift_free"

parts=""
for pair in "$@"; do
  module=${pair%%:*} symbol=${pair#*:}
  $lld "$release/$module.build/$module.o" -o "$out/objects/$module.o"
  $objcopy $hook --keep-global-symbol="$symbol" "$out/objects/$module.o"
  parts="$parts $out/objects/$module.o"
done

# `Shipped.o` is LLVM IR: Swift gives a module's functions names that other objects could call, so none of them may be
# inlined into its one caller, lose an unused parameter or be dropped. Here nothing else calls them. C's side keeps its names.
# Classes list initializers and methods of array storage that nothing calls through the class (Tests/budgets/classes.sh). Those at
# the end go, with the relocation that each is; one before a method that can be overridden becomes a trap.
# The compiler leaves files of the module in the folder it ran in.
rm -f "$here"/../Shipped-1.swift*
ir=$out/objects/Shipped.ll
sed -E ':again
  /^@".*N" = [a-z_ ]*global <\{ ptr/{s/ptr @"[^"]*(fC|C16_doNotCallMeBase[^"]*|C16canStoreElements[^"]*)"/ptr @swift_deletedMethodError/g
    s/(<\{ ptr, ptr, ptr(, ptr)*), ptr \}> (<\{.*), ptr @swift_deletedMethodError \}>/\1 }> \3 }>/;t again
  }
  /^define (protected |hidden )?swiftcc/s/^define (protected |hidden )?/define internal /
  /^define linkonce_odr (protected |hidden )?swiftcc/{s/linkonce_odr (protected |hidden )?/internal /;s/ comdat(\([^)]*\))?//;}' \
  "$release/Shipped.build/Shipped.o" > "$ir"
triple=$(sed -n 's/^target triple = "\(.*\)"/\1/p' "$ir")
case $emulation in armelf) pic=-fno-pic ;; *) pic=-fPIC ;; esac
assembly=$out/objects/Shipped.s
"$tools/clang" -target "$triple" $pic -Oz -fno-vectorize -fno-slp-vectorize -fno-unroll-loops -ffunction-sections -fno-verbose-asm \
  -mllvm -inline-threshold=0 -mllvm -enable-machine-outliner=always -Wno-override-module -S "$ir" -o "$assembly"
if [ "$emulation" = elf_x86_64 ]; then
  awk -f "$here/share-calls.awk" "$assembly" > "$ir"
  mv "$ir" "$assembly"
fi
"$tools/clang" -target "$triple" -c "$assembly" -o "$out/objects/Shipped.ir.o"
$lld "$out/objects/Shipped.ir.o" -o "$out/objects/Shipped.o"
rm -f "$ir" "$assembly" "$out/objects/Shipped.ir.o"
$objcopy $hook "$out/objects/Shipped.o"

platform=""
for source in "$here"/../Sources/CPlatform/*.c; do platform="$platform $release/CPlatform.build/$(basename "$source").o"; done
for source in "$here"/*.c; do
  object=$release/Packaging.build/$(basename "$source").o
  if [ -f "$object" ]; then platform="$platform $object"; fi
done

$lld "$out/objects/Shipped.o" $parts $platform -o "$out/edgeai.o"
$objcopy --strip-debug --remove-section=.swift1_autolink_entries --remove-section=.swift_modhash \
  --wildcard --keep-global-symbol='edgeai_*' "$out/edgeai.o"
rm -f "$out/libedgeai.a"
"$tools/llvm-ar" rcsD "$out/libedgeai.a" "$out/edgeai.o"
