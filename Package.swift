// swift-tools-version: 6.2
import PackageDescription

// Everything in Sources/ is Swift that also compiles as Embedded Swift. EDGEAI_SHIPPED=1 (the Makefile's
// library build) gives Embedded modules: the kernels, and `Shipped`, which is all other folders as one module.
// Without it they are ordinary modules for `swift test`, coverage and the fuzzers. The two never meet in one
// program: Embedded objects carry a runtime of their own.
let shipped = Context.environment["EDGEAI_SHIPPED"] == "1"

// The manifest cannot see --triple; the Makefile says which family it builds for.
let arch = Context.environment["EDGEAI_ARCH"] ?? "x86_64"

let library: [SwiftSetting] = [.unsafeFlags(["-Werror", "EmbeddedRestrictions"])]

// -num-threads 0: one object for the whole module, so that code which several files need is in it once.
let embedded: [SwiftSetting] = [
  .enableExperimentalFeature("Embedded"),
  .unsafeFlags([
    "-wmo", "-num-threads", "0", "-O", "-Xfrontend", "-function-sections", "-Xfrontend", "-mergeable-traps",
    // One C function with an unwind table would give every function of the module one.
    "-Xcc", "-fno-asynchronous-unwind-tables",
  ]),
]

func llvm(_ options: String...) -> [String] { options.flatMap { ["-Xllvm", $0] } }

// One kernel folder, a target for each instruction set: only the flags differ. Optimized in debug builds too.
// The tiles are unrolled and vectorized by hand. What the compiler would add to the loops around them is mostly size: without
// it no network of the benchmark is slower with AVX-512, beyond noise, and small int8 ones are up to 4 % slower with SSE2.
func kernels(_ name: String, _ define: String, _ flags: [String] = [], march: [String] = []) -> Target {
  .target(
    name: name, dependencies: ["CPlatform"],
    swiftSettings: (shipped ? embedded : [.unsafeFlags(["-wmo", "-O", "-Werror", "EmbeddedRestrictions"])])
      + [
        .define(define), .unsafeFlags(march.flatMap { ["-Xcc", $0] }),
        .unsafeFlags(flags + llvm("-vectorize-loops=false", "-unroll-runtime=false", "-unroll-threshold=60")),
      ])
}

// Kernels of processors that are old or small: for size.
let small = shipped ? ["-Osize"] : []

let isaTargets: [Target] =
  arch == "x86_64"
  ? [
    kernels("KernelsBaseline", "ISA_SSE2", small),
    kernels("KernelsAVX2", "ISA_AVX2", march: ["-march=x86-64-v3"]),
    kernels("KernelsAVX512VNNI", "ISA_AVX512VNNI", march: ["-march=x86-64-v4", "-mavx512vnni"]),
    // The same registers: what it has of its own is under ISA_AVX512BF16.
    kernels("KernelsAVX512BF16", "ISA_AVX512VNNI", ["-D", "ISA_AVX512BF16"], march: ["-march=x86-64-v4", "-mavx512vnni", "-mavx512bf16", "-mavx512vpopcntdq"]),
  ]
  : arch == "aarch64"
    ? [kernels("KernelsNEON", "ISA_NEON"), kernels("KernelsNEONDot", "ISA_NEONDOT", march: ["-march=armv8.2-a+dotprod"])]
    : []

let allKernels: [Target.Dependency] = ["KernelsReference"] + isaTargets.map { .byName(name: $0.name) }

let common: [Target] =
  isaTargets + [.target(name: "CPlatform"), .target(name: "CEdgeAI"), kernels("KernelsReference", "ISA_REFERENCE", small)]

func module(_ name: String, _ dependencies: [String], kernels: [Target.Dependency] = []) -> Target {
  .target(name: name, dependencies: dependencies.map { .byName(name: $0) } + kernels, swiftSettings: library)
}

func tests(_ name: String, _ dependencies: [String], kernels: [Target.Dependency] = []) -> Target {
  .testTarget(name: name, dependencies: dependencies.map { .byName(name: $0) } + kernels)
}

let shippedTargets: [Target] = [
  .target(
    name: "Shipped", dependencies: ["CPlatform", "CEdgeAI"] + allKernels,
    // Planning and reading run once: small before fast. Swift's own inliner and closure specialization grow code even
    // under -Osize; LLVM's inliner takes what makes it smaller, and its outliner makes one function of equal pieces.
    // What is written is LLVM IR, from which Packaging/pack.sh makes the object.
    swiftSettings: embedded + [
      .define("EDGEAI_SINGLE_MODULE"),
      .unsafeFlags(
        ["-Osize", "-enforce-exclusivity=unchecked", "-Xfrontend", "-emit-ir"]
          + llvm("-sil-disable-pass=inline", "-sil-disable-pass=closure-specialize", "-inline-threshold=0")),
    ])
]

let testedTargets: [Target] = [
  module("Graph", ["CPlatform"]),
  module("Import", ["Graph", "CPlatform"]),
  module("Export", ["Graph", "CPlatform"]),
  module("Format", ["Graph", "CPlatform"]),
  module("Runtime", ["Graph", "CPlatform"], kernels: allKernels),
  module("Compression", ["Graph", "Format", "Runtime", "CPlatform"]),
  module("Training", ["Graph", "Format", "Runtime", "Compression", "CPlatform"]),
  module("EdgeAI", ["CEdgeAI", "Graph", "Import", "Export", "Format", "Runtime", "Compression", "Training", "CPlatform"]),
  tests("GraphTests", ["Graph"]),
  tests("KernelsTests", ["CPlatform"], kernels: allKernels),
  tests("ImportTests", ["Graph", "Import"]),
  tests("FormatTests", ["Graph", "Format", "CPlatform"]),
  tests("RuntimeTests", ["Graph", "Runtime"]),
  tests("CompressionTests", ["Graph", "Format", "Runtime", "Compression", "CPlatform"]),
  tests("TrainingTests", ["Compression", "Graph", "Runtime", "Training"]),
]

let package = Package(
  name: "edgeai",
  targets: common + (shipped ? shippedTargets : testedTargets)
)
