// swift-tools-version: 6.2
import PackageDescription

// Everything in Sources/ is Swift that also compiles as Embedded Swift. The normal targets serve `swift test`
// and the fuzzers; `Shipped` is the same folders as one Embedded module, from which the Makefile links
// libedgeai.so and libedgeai.a. Kernels are always Embedded modules: each instruction set is the same folder
// with other flags, reached through one C table, so what is tested is what ships.

// The manifest cannot see --triple; the Makefile says which family it builds for.
let arch = Context.environment["EDGEAI_ARCH"] ?? "x86_64"

let library: [SwiftSetting] = [.unsafeFlags(["-Werror", "EmbeddedRestrictions"])]

func embedded(_ defines: [String] = [], _ flags: [String] = []) -> [SwiftSetting] {
  [.enableExperimentalFeature("Embedded"), .unsafeFlags(["-wmo", "-O", "-Xfrontend", "-function-sections"] + flags)]
    + defines.map { .define($0) }
}

func kernels(_ name: String, _ define: String, _ march: [String] = []) -> Target {
  .target(name: name, dependencies: ["CPlatform"], swiftSettings: embedded([define], march.flatMap { ["-Xcc", $0] }))
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

let package = Package(
  name: "edgeai",
  products: [.library(name: "edgeai-shipped", type: .static, targets: ["Shipped"])],
  targets: isaTargets + [
    .target(name: "CPlatform"),
    .target(name: "CEdgeAI"),
    kernels("KernelsReference", "ISA_REFERENCE"),
    .target(name: "Graph", dependencies: ["CPlatform"], swiftSettings: library),
    .target(name: "Import", dependencies: ["Graph", "CPlatform"], swiftSettings: library),
    .target(name: "Format", dependencies: ["Graph", "CPlatform"], swiftSettings: library),
    .target(name: "Runtime", dependencies: ["Graph", "CPlatform"] + allKernels, swiftSettings: library),
    .target(name: "Compression", dependencies: ["Graph", "Runtime", "CPlatform"], swiftSettings: library),
    .target(
      name: "Shipped", dependencies: ["CPlatform", "CEdgeAI"] + allKernels,
      swiftSettings: embedded(["EDGEAI_SINGLE_MODULE"])),
    .target(name: "EdgeAI", dependencies: ["CEdgeAI", "Graph", "Import", "Format", "Runtime", "Compression", "CPlatform"], swiftSettings: library),
    .testTarget(name: "GraphTests", dependencies: ["Graph"]),
    .testTarget(name: "KernelsTests", dependencies: ["CPlatform"] + allKernels),
    .testTarget(name: "ImportTests", dependencies: ["Graph", "Import"]),
    .testTarget(name: "FormatTests", dependencies: ["Graph", "Format"]),
    .testTarget(name: "RuntimeTests", dependencies: ["Graph", "Runtime"]),
    .testTarget(name: "CompressionTests", dependencies: ["Graph", "Runtime", "Compression"]),
  ]
)
