# make                 the library: build/libedgeai.so.0 and build/libedgeai.a
# make demo            quantizes the bundled classifier and compares float, int8, C and Python
# make test            everything a change must pass; make test-long adds the slow parts
# make examples        the C programs of Examples/c, in build/examples
# make bench           speed, against the machine's peak and the peers that are installed
# make install         PREFIX (/usr/local), LIBDIR, DESTDIR; make uninstall takes it back
# make wheel           the Python package, in dist/
# make cross-aarch64   the library for ARM Linux, tried under qemu
# make cross-cortex-m4 the sensor node for a bare Cortex-M4, tried under qemu
# make fuzz            each fuzz target for FUZZ_SECONDS (3600)
# make setup           packages and .venv that the others need; they call it themselves
#
# Needs Swift 6.3 (swiftc in PATH); the rest is installed by `make setup` where that is possible.

VERSION   := 0.1.0
SOVERSION := 0
PREFIX    ?= /usr/local
LIBDIR    ?= $(PREFIX)/lib
DESTDIR   ?=
JOBS      ?= $(shell nproc)
SHELL     := /bin/bash

OUT        := build
SWIFTC     ?= swiftc
SWIFT_BIN  := $(dir $(shell readlink -f "$$(command -v $(SWIFTC))"))
EMBEDDED   := $(SWIFT_BIN)../lib/swift/embedded
# The compiler of the link and of the examples: the system's, else the one that comes with Swift.
CC         := $(if $(filter default,$(origin CC)),$(firstword $(shell command -v gcc || true) $(SWIFT_BIN)clang),$(CC))
# Same directory, sibling variables set by hand: what every cross build hands to SwiftPM.
SHIP       := EDGEAI_SHIPPED=1 swift build -c release --product edgeai-shipped -j $(JOBS)

HEADERS    := Include/edgeai.h Include/edgeai_compress.h
SONAME     := libedgeai.so.$(SOVERSION)
SOFILE     := $(OUT)/libedgeai.so.$(VERSION)
SOURCES    := Package.swift $(shell find -L Sources -name '*.swift' -o -name '*.[ch]') $(HEADERS) $(wildcard Packaging/*)

.DEFAULT_GOAL := library
.DELETE_ON_ERROR:
.PHONY: library demo test test-long examples bench install uninstall wheel cross-aarch64 cross-cortex-m4 fuzz setup clean \
  test-swift test-c test-cross test-python venv

# ---- The library -----------------------------------------------------------------------------------------

library: $(SOFILE)

NATIVE_KERNELS := KernelsReference:ek_fill_reference KernelsBaseline:ek_fill_sse2 KernelsAVX2:ek_fill_avx2 \
  KernelsAVX512VNNI:ek_fill_avx512vnni
NATIVE_RELEASE := .build-shipped/x86_64-unknown-linux-gnu/release

# $1 release folder, $2 compiler with flags: the C files of Packaging, compiled where pack.sh looks for them.
define compile_packaging
	@mkdir -p $1/Packaging.build
	$2 -O2 -fPIC -ffunction-sections -c Packaging/seed.c -o $1/Packaging.build/seed.c.o
endef

$(OUT)/libedgeai.a: $(SOURCES)
	@command -v $(SWIFTC) >/dev/null || { echo "edgeai needs Swift 6.3: swiftc is not in PATH"; exit 1; }
	$(SHIP) --scratch-path .build-shipped
	$(call compile_packaging,$(NATIVE_RELEASE),$(CC))
	Packaging/pack.sh $(NATIVE_RELEASE) $(OUT) elf_x86_64 $(EMBEDDED)/x86_64-unknown-linux-gnu/libswiftUnicodeDataTables.a $(NATIVE_KERNELS)

LINK_SHARED = -shared -Wl,--version-script=Packaging/edgeai.map -Wl,-soname,$(SONAME) -Wl,--gc-sections \
  -Wl,-z,defs -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack -Wl,--build-id=sha1 -Wl,--as-needed -s

$(SOFILE): $(OUT)/libedgeai.a
	$(CC) $(LINK_SHARED) $(OUT)/edgeai.o -lm -o $@
	ln -sf libedgeai.so.$(VERSION) $(OUT)/$(SONAME)
	ln -sf $(SONAME) $(OUT)/libedgeai.so

# ---- Examples --------------------------------------------------------------------------------------------

EXAMPLES   := classify ecu_loop sensor_node
C_WARNINGS := -std=c99 -pedantic -Wall -Wextra -Wstrict-prototypes -Werror

examples: $(EXAMPLES:%=$(OUT)/examples/%)

$(OUT)/examples/%: Examples/c/%.c $(SOFILE)
	@mkdir -p $(@D)
	$(CC) $(C_WARNINGS) -O2 -IInclude $< -L$(OUT) -ledgeai -Wl,-rpath,'$$ORIGIN/..' -lm -o $@

# ---- Installation ----------------------------------------------------------------------------------------

install: library
	install -d "$(DESTDIR)$(PREFIX)/include" "$(DESTDIR)$(LIBDIR)/pkgconfig" "$(DESTDIR)$(LIBDIR)/cmake/edgeai"
	install -m644 $(HEADERS) "$(DESTDIR)$(PREFIX)/include/"
	install -m644 $(OUT)/libedgeai.a "$(DESTDIR)$(LIBDIR)/"
	install -m755 $(SOFILE) "$(DESTDIR)$(LIBDIR)/"
	ln -sf libedgeai.so.$(VERSION) "$(DESTDIR)$(LIBDIR)/$(SONAME)"
	ln -sf $(SONAME) "$(DESTDIR)$(LIBDIR)/libedgeai.so"
	sed 's#@PREFIX@#$(PREFIX)#; s#@LIBDIR@#$(LIBDIR)#; s#@VERSION@#$(VERSION)#' pkgconfig/edgeai.pc.in > "$(DESTDIR)$(LIBDIR)/pkgconfig/edgeai.pc"
	sed 's#@VERSION@#$(VERSION)#; s#@SOVERSION@#$(SOVERSION)#; s#@PREFIX_FROM_CMAKE@#$(shell realpath -m --relative-to="$(LIBDIR)/cmake/edgeai" "$(PREFIX)")#' \
	  cmake/edgeaiConfig.cmake.in > "$(DESTDIR)$(LIBDIR)/cmake/edgeai/edgeaiConfig.cmake"
	sed 's#@VERSION@#$(VERSION)#; s#@VERSION_MINOR@#$(basename $(VERSION))#' cmake/edgeaiConfigVersion.cmake.in \
	  > "$(DESTDIR)$(LIBDIR)/cmake/edgeai/edgeaiConfigVersion.cmake"

uninstall:
	cd "$(DESTDIR)$(PREFIX)/include" && rm -f $(notdir $(HEADERS))
	cd "$(DESTDIR)$(LIBDIR)" && rm -f libedgeai.a libedgeai.so $(SONAME) libedgeai.so.$(VERSION) pkgconfig/edgeai.pc
	rm -rf "$(DESTDIR)$(LIBDIR)/cmake/edgeai"

clean:
	rm -rf $(OUT) dist .build .build-*
