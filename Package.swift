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

// One kernel folder, a target for each instruction set: only the flags differ. Optimized in debug builds too.
func kernels(_ name: String, _ define: String, _ march: [String] = []) -> Target {
  .target(
    name: name, dependencies: ["CPlatform"],
    swiftSettings: (shipped ? embedded : [.unsafeFlags(["-wmo", "-O", "-Werror", "EmbeddedRestrictions"])])
      + [.define(define), .unsafeFlags(march.flatMap { ["-Xcc", $0] })])
}

let isaTargets: [Target] =
  arch == "x86_64"
  ? [
    kernels("KernelsBaseline", "ISA_SSE2"),
    kernels("KernelsAVX2", "ISA_AVX2", ["-march=x86-64-v3"]),
    kernels("KernelsAVX512VNNI", "ISA_AVX512VNNI", ["-march=x86-64-v4", "-mavx512vnni"]),
  ]
  : arch == "aarch64"
    ? [kernels("KernelsNEON", "ISA_NEON"), kernels("KernelsNEONDot", "ISA_NEONDOT", ["-march=armv8.2-a+dotprod"])]
    : []

let allKernels: [Target.Dependency] = ["KernelsReference"] + isaTargets.map { .byName(name: $0.name) }

let common: [Target] =
  isaTargets + [.target(name: "CPlatform"), .target(name: "CEdgeAI"), kernels("KernelsReference", "ISA_REFERENCE")]

func module(_ name: String, _ dependencies: [String], kernels: [Target.Dependency] = []) -> Target {
  .target(name: name, dependencies: dependencies.map { .byName(name: $0) } + kernels, swiftSettings: library)
}

func tests(_ name: String, _ dependencies: [String], kernels: [Target.Dependency] = []) -> Target {
  .testTarget(name: name, dependencies: dependencies.map { .byName(name: $0) } + kernels)
}

let shippedTargets: [Target] = [
  .target(
    name: "Shipped", dependencies: ["CPlatform", "CEdgeAI"] + allKernels,
    // Planning and reading run once: small before fast (retaining is not inlined, for one). The kernels keep -O.
    swiftSettings: embedded + [
      .define("EDGEAI_SINGLE_MODULE"), .unsafeFlags(["-Osize", "-enforce-exclusivity=unchecked", "-Xllvm", "-inline-threshold=-25"]),
    ])
]

let testedTargets: [Target] = [
  module("Graph", ["CPlatform"]),
  module("Import", ["Graph", "CPlatform"]),
  module("Format", ["Graph", "CPlatform"]),
  module("Runtime", ["Graph", "CPlatform"], kernels: allKernels),
  module("Compression", ["Graph", "Runtime", "CPlatform"]),
  module("EdgeAI", ["CEdgeAI", "Graph", "Import", "Format", "Runtime", "Compression", "CPlatform"]),
  tests("GraphTests", ["Graph"]),
  tests("KernelsTests", ["CPlatform"], kernels: allKernels),
  tests("ImportTests", ["Graph", "Import"]),
  tests("FormatTests", ["Graph", "Format", "CPlatform"]),
  tests("RuntimeTests", ["Graph", "Runtime"]),
  tests("CompressionTests", ["Graph", "Runtime", "Compression"]),
]

let package = Package(
  name: "edgeai",
  targets: common + (shipped ? shippedTargets : testedTargets)
)
