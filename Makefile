# make                 the library: build/libedgeai.so.0 and build/libedgeai.a
# make demo            quantizes the bundled classifier and compares float, int8, C and Python
# make test-conformance  ONNX's official suite, against the list of cases that pass; -update rewrites list and documentation
# make test            everything a change must pass; make test-long adds the slow parts
# make examples        the C programs of Examples/c, in build/examples
# make bench           speed, against the machine's peak and ONNX Runtime, and load time
# make bench-peers     speed against six runtimes on ten networks, in .venv-peers (3 GB); OPTIONS="--models resnet50"
# make bench-compression  what compression reaches: bytes, accuracy, speed; OPTIONS="--only sparse"
# make bench-training  a training step against torch: time and memory
# make reproduce       the papers' training results on MNIST, into Documentation/reproduction.md; EDGEAI_TEST_DATA says where data is
# make bench-arena     working memory of the same networks against LiteRT's; the same OPTIONS
# make install         PREFIX (/usr/local), LIBDIR, DESTDIR; make uninstall takes it back
# make wheel           the Python package, in dist/
# make cross-aarch64   the library for ARM Linux, tried under qemu
# make count-instructions  what kernels take on ARM, under qemu; OPTIONS=--update writes it to Tests/cross/instructions.txt
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
# The compiler of the link and of the examples: the system's, else the one that comes with Swift.
CC         := $(if $(filter default,$(origin CC)),$(firstword $(shell command -v gcc || true) $(SWIFT_BIN)clang),$(CC))
SHIP       := EDGEAI_SHIPPED=1 swift build -c release --target Shipped -j $(JOBS) -debug-info-format none

HEADERS    := Include/edgeai.h Include/edgeai_compress.h Include/edgeai_train.h
SONAME     := libedgeai.so.$(SOVERSION)
SOFILE     := $(OUT)/libedgeai.so.$(VERSION)
SOURCES    := Package.swift $(shell find -L Sources -name '*.swift' -o -name '*.[ch]') $(HEADERS) $(wildcard Packaging/*)

.DEFAULT_GOAL := library
.DELETE_ON_ERROR:
.PHONY: library demo test test-long examples bench bench-peers bench-arena bench-compression bench-training reproduce install uninstall wheel cross-aarch64 cross-cortex-m4 fuzz setup clean \
  count-instructions test-swift test-c test-cross test-python test-conformance test-conformance-update venv

# ---- The library -----------------------------------------------------------------------------------------

library: $(SOFILE)

NATIVE_KERNELS := KernelsReference:ek_fill_reference KernelsBaseline:ek_fill_sse2 KernelsAVX2:ek_fill_avx2 \
  KernelsAVX512VNNI:ek_fill_avx512vnni KernelsAVX512BF16:ek_fill_avx512bf16
NATIVE_RELEASE := .build-shipped/x86_64-unknown-linux-gnu/release

# $1 release folder, $2 compiler with flags: the C files of Packaging, compiled where pack.sh looks for them.
define compile_packaging
	@mkdir -p $1/Packaging.build
	$2 -O2 -ffunction-sections -c Packaging/seed.c -o $1/Packaging.build/seed.c.o
endef

$(OUT)/libedgeai.a: $(SOURCES)
	@command -v $(SWIFTC) >/dev/null || { echo "edgeai needs Swift 6.3: swiftc is not in PATH"; exit 1; }
	$(SHIP) --scratch-path .build-shipped
	$(call compile_packaging,$(NATIVE_RELEASE),$(CC) -fPIC)
	Packaging/pack.sh $(NATIVE_RELEASE) $(OUT) elf_x86_64 $(NATIVE_KERNELS)

# Swift's linker: it makes one function of equal ones and pads the file less.
LINK_SHARED = -B$(SWIFT_BIN) -fuse-ld=lld -Wl,--icf=all -Wl,-O2 -shared -Wl,--version-script=Packaging/edgeai.map -Wl,-soname,$(SONAME) -Wl,--gc-sections \
  -Wl,-z,defs -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack -Wl,--build-id=sha1 -Wl,--as-needed -s

$(SOFILE): $(OUT)/libedgeai.a
	$(CC) $(LINK_SHARED) $(OUT)/edgeai.o -lm -o $@
	ln -sf libedgeai.so.$(VERSION) $(OUT)/$(SONAME)
	ln -sf $(SONAME) $(OUT)/libedgeai.so

# ---- Examples --------------------------------------------------------------------------------------------

EXAMPLES   := classify ecu_loop sensor_node learn_motion
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

# ---- Setup: Debian packages and .venv --------------------------------------------------------------------

# What `make test` uses; the library alone needs Swift and a C compiler.
APT_BUILD  := gcc g++ binutils pkg-config cmake python3-venv libpython3-dev valgrind
APT_CROSS  := qemu-user qemu-system-arm gcc-aarch64-linux-gnu libc6-dev-arm64-cross gcc-arm-none-eabi libnewlib-arm-none-eabi
VENV       := .venv
PYTHON     := $(VENV)/bin/python

setup: $(VENV)/installed
	@missing=""; for p in $(APT_BUILD) $(APT_CROSS); do dpkg -s $$p >/dev/null 2>&1 || missing="$$missing $$p"; done; \
	if [ -n "$$missing" ]; then \
	  if [ "$$(id -u)" = 0 ]; then apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $$missing || echo "setup: could not install$$missing"; \
	  else echo "setup: not installed (what needs them is skipped):$$missing"; fi; fi

$(VENV)/installed: Tests/requirements.txt
	@python3 -c 'import ensurepip' 2>/dev/null || { [ "$$(id -u)" = 0 ] && apt-get update -q && apt-get install -q -y --no-install-recommends python3-venv libpython3-dev; } || \
	  { echo "setup: python3-venv is needed: apt-get install python3-venv libpython3-dev"; exit 1; }
	python3 -m venv $(VENV)
	$(PYTHON) -m pip install -q -r Tests/requirements.txt
	touch $@

# ---- Tests -----------------------------------------------------------------------------------------------

# Each part by itself: make test-swift, test-c, ... Two run at a time, because most of what takes long runs on one core: Swift
# compiles a module as a whole, and emulators and pytest have one thread. A part prints when it has ended.
TEST_PARTS := test-swift test-python test-cross test-fuzz test-c test-conformance
test: setup
	$(MAKE) library $(VENV)/edgeai examples
	$(MAKE) -j2 --output-sync=target $(TEST_PARTS)
	@echo "make test: all parts passed"

test-long: test $(VENV)/long
	EDGEAI_TEST_LONG=1 $(MAKE) test-swift test-python

SWIFT_TEST := -c release -Xswiftc -enable-testing -j $(JOBS)
test-swift:
	swift build --build-tests $(SWIFT_TEST)
	swift test --skip-build $(SWIFT_TEST)

test-c: library
	Tests/c/run.sh

test-cross:
	Tests/cross/run.sh

# ---- Fuzzing ---------------------------------------------------------------------------------------------

FUZZ_SECONDS ?= 3600
fuzz: ; $(MAKE) run-fuzz FUZZ_SECONDS=$(FUZZ_SECONDS)
test-fuzz: ; $(MAKE) run-fuzz FUZZ_SECONDS=60
.PHONY: test-fuzz run-fuzz
run-fuzz:
	@if [ -x Tests/fuzz/run.sh ]; then Tests/fuzz/run.sh $(FUZZ_SECONDS); else echo "skip  fuzz: this checkout has no Tests/fuzz/run.sh"; fi

# ---- Python: the package, its tests, the demo, the benchmarks --------------------------------------------

venv: $(VENV)/installed

wheel: library $(VENV)/installed
	$(PYTHON) -m pip wheel -q --no-deps --no-build-isolation -w dist ./Bindings/python

$(VENV)/edgeai: $(SOFILE) $(VENV)/installed $(shell find Bindings/python/src Bindings/python/*.py Bindings/python/*.toml -name '*.py' -o -name '*.[ch]' -o -name '*.pyi' -o -name '*.toml')
	$(MAKE) wheel
	$(PYTHON) -m pip install -q --force-reinstall --no-deps dist/edgeai-$(VERSION)-*.whl
	touch $@

# The tests run against the installed wheel, from which the C examples' answers are compared too.
test-python: $(VENV)/edgeai examples
	$(PYTHON) -m mypy --strict Bindings/python/src/edgeai
	$(PYTHON) -m pytest -q -rs Tests/python

# ONNX's official suite: fails when a case that passed before does not, or when one crashes or hangs.
test-conformance: $(VENV)/edgeai
	$(PYTHON) Tests/conformance/run.py

test-conformance-update: $(VENV)/edgeai
	$(PYTHON) Tests/conformance/run.py --update

# The architectures of make test-long are exported with torch.
$(VENV)/long: Tests/requirements-long.txt $(VENV)/installed
	$(PYTHON) -m pip install -q -r Tests/requirements-long.txt && touch $@ || echo "setup: no torch here; the tests of architectures are skipped"

demo: setup
	$(MAKE) library examples $(VENV)/edgeai
	$(PYTHON) Examples/demo.py

bench: setup
	$(MAKE) library $(VENV)/edgeai
	$(PYTHON) Benchmarks/run.py
	$(PYTHON) Benchmarks/load.py

# The peers and their converters have an environment of their own: they are large, and pin versions that the tests do not.
PEERS := .venv-peers

$(PEERS)/installed: Benchmarks/requirements-peers.txt $(VENV)/installed
	python3 -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install -q -r Benchmarks/requirements-peers.txt
	touch $@

$(PEERS)/edgeai: $(VENV)/edgeai $(PEERS)/installed
	$(PEERS)/bin/python -m pip install -q --force-reinstall --no-deps dist/edgeai-$(VERSION)-*.whl
	touch $@

bench-peers: setup
	$(MAKE) library $(PEERS)/edgeai
	$(PEERS)/bin/python Benchmarks/peers $(OPTIONS)

bench-arena: setup
	$(MAKE) library $(PEERS)/edgeai
	$(PEERS)/bin/python Benchmarks/arena.py $(OPTIONS)

bench-compression: setup
	$(MAKE) library $(PEERS)/edgeai
	$(PEERS)/bin/python Benchmarks/compression $(OPTIONS)

bench-training: setup
	$(MAKE) library $(PEERS)/edgeai
	$(PEERS)/bin/python Benchmarks/training/steps.py $(OPTIONS)

# OPTIONS="--only slimming --images mnist"
reproduce: setup
	$(MAKE) library $(VENV)/edgeai
	$(PYTHON) Benchmarks/training/reproduce.py $(OPTIONS)

# ---- Cross builds ----------------------------------------------------------------------------------------

AARCH64_RELEASE := .build-aarch64/aarch64-none-none-elf/release
AARCH64_CC      := aarch64-linux-gnu-gcc
AARCH64_KERNELS := KernelsReference:ek_fill_reference KernelsNEON:ek_fill_neon KernelsNEONDot:ek_fill_neondot

cross-aarch64: $(OUT)/aarch64/libedgeai.so.$(VERSION)
	Tests/cross/run.sh aarch64

$(OUT)/aarch64/libedgeai.a: $(SOURCES)
	@command -v $(AARCH64_CC) >/dev/null || { echo "cross-aarch64 needs: apt-get install gcc-aarch64-linux-gnu libc6-dev-arm64-cross"; exit 1; }
	EDGEAI_ARCH=aarch64 $(SHIP) --triple aarch64-none-none-elf --scratch-path .build-aarch64 \
	  -Xcc -isystem/usr/aarch64-linux-gnu/include -Xcc -fPIC
	$(call compile_packaging,$(AARCH64_RELEASE),$(AARCH64_CC) -fPIC)
	Packaging/pack.sh $(AARCH64_RELEASE) $(OUT)/aarch64 aarch64elf $(AARCH64_KERNELS)

$(OUT)/aarch64/libedgeai.so.$(VERSION): $(OUT)/aarch64/libedgeai.a
	$(AARCH64_CC) $(LINK_SHARED) $(OUT)/aarch64/edgeai.o -lm -o $@
	ln -sf libedgeai.so.$(VERSION) $(OUT)/aarch64/$(SONAME)
	ln -sf $(SONAME) $(OUT)/aarch64/libedgeai.so

count-instructions: $(OUT)/aarch64/libedgeai.so.$(VERSION)
	Tests/cross/instructions.sh $(OPTIONS)

M4_RELEASE := .build-cortex-m4/armv7em-none-none-eabi/release
M4_FLAGS   := -mcpu=cortex-m4 -mthumb -mfloat-abi=soft
M4_CC      := arm-none-eabi-gcc

cross-cortex-m4: $(OUT)/cortex-m4/sensor_node.elf
	Tests/cross/run.sh cortex-m4

$(OUT)/cortex-m4/libedgeai.a: $(SOURCES)
	@command -v $(M4_CC) >/dev/null || { echo "cross-cortex-m4 needs: apt-get install gcc-arm-none-eabi libnewlib-arm-none-eabi"; exit 1; }
	EDGEAI_ARCH=armv7em $(SHIP) --triple armv7em-none-none-eabi --scratch-path .build-cortex-m4 -Xswiftc -DEDGEAI_FREESTANDING \
	  -Xcc -DEDGEAI_FREESTANDING -Xcc -isystem/usr/lib/arm-none-eabi/include -Xcc -isystem/usr/include/newlib -Xcc -mcpu=cortex-m4 -Xcc -fshort-enums
	$(call compile_packaging,$(M4_RELEASE),$(M4_CC) $(M4_FLAGS) -fno-pic)
	Packaging/pack.sh $(M4_RELEASE) $(OUT)/cortex-m4 armelf KernelsReference:ek_fill_reference

$(OUT)/cortex-m4/sensor_node.elf: $(OUT)/cortex-m4/libedgeai.a Examples/c/sensor_node.c $(wildcard Tests/cross/*)
	$(M4_CC) $(M4_FLAGS) -std=gnu99 -O2 -ffunction-sections -IInclude Examples/c/sensor_node.c Tests/cross/start.c $(OUT)/cortex-m4/edgeai.o \
	  -T Tests/cross/mps2.ld -nostartfiles --specs=rdimon.specs -Wl,--gc-sections -lm -o $@
	arm-none-eabi-size $@
