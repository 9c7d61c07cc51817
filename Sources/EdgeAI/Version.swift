import CEdgeAI
#if !EDGEAI_SINGLE_MODULE
import Graph
import Runtime
#endif

@_cdecl("edgeai_version_number") @implementation
public func edgeai_version_number() -> UInt32 {
  UInt32(EDGEAI_VERSION_MAJOR * 1_000_000 + EDGEAI_VERSION_MINOR * 1000 + EDGEAI_VERSION_PATCH)
}

@_cdecl("edgeai_version_string") @implementation
public func edgeai_version_string() -> UnsafePointer<CChar>! {
  cString("0.1.0")
}

@_cdecl("edgeai_abi_check") @implementation
public func edgeai_abi_check(_ header_abi: UInt32) -> Int32 {
  header_abi == UInt32(EDGEAI_ABI_VERSION) ? EDGEAI_OK : EDGEAI_ERROR_ABI_MISMATCH
}

@_cdecl("edgeai_build_info") @implementation
public func edgeai_build_info() -> UnsafePointer<CChar>! {
  #if arch(x86_64)
  return cString("edgeai 0.1.0, x86_64: reference sse2 avx2 avx512vnni avx512bf16")
  #elseif arch(arm64)
  return cString("edgeai 0.1.0, aarch64: reference neon neondot")
  #elseif arch(arm)
  return cString("edgeai 0.1.0, arm: reference")
  #else
  return cString("edgeai 0.1.0: reference")
  #endif
}

@_cdecl("edgeai_feature_enabled") @implementation
public func edgeai_feature_enabled(_ name: UnsafePointer<CChar>!) -> Int32 {
  guard let name else { return 0 }
  if equal(name, "onnx") || equal(name, "tflite") || equal(name, "compress") || equal(name, "train") { return 1 }
  #if !EDGEAI_FREESTANDING
  if equal(name, "files") || equal(name, "threads") { return 1 }
  #endif
  if equal(name, InstructionSet.reference.name) { return 1 }
  #if arch(x86_64)
  let built: [4 of InstructionSet] = [.sse2, .avx2, .avx512vnni, .avx512bf16]
  for index in built.indices where equal(name, built[index].name) { return 1 }
  #elseif arch(arm64)
  let built: [2 of InstructionSet] = [.neon, .neondot]
  for index in built.indices where equal(name, built[index].name) { return 1 }
  #endif
  return 0
}

@_cdecl("edgeai_isa_count") @implementation
public func edgeai_isa_count() -> Int32 {
  var count: Int32 = 0
  var raw: UInt8 = 0
  while let set = InstructionSet(rawValue: raw) {
    if set.isAvailable { count += 1 }
    raw += 1
  }
  return count
}

@_cdecl("edgeai_isa_name") @implementation
public func edgeai_isa_name(_ index: Int32) -> UnsafePointer<CChar>! {
  // Raw values run from the slowest; the index counts from the fastest.
  var wanted = edgeai_isa_count() &- 1 &- index
  guard index >= 0, wanted >= 0 else { return nil }
  var raw: UInt8 = 0
  while let set = InstructionSet(rawValue: raw) {
    if set.isAvailable {
      if wanted == 0 { return cString(set.name) }
      wanted -= 1
    }
    raw += 1
  }
  return nil
}

/// Compares without making a Text, so the functions above allocate nothing.
func equal(_ text: UnsafePointer<CChar>, _ literal: StaticString) -> Bool {
  for index in 0..<literal.utf8CodeUnitCount where UInt8(bitPattern: text[index]) != literal.utf8Start[index] { return false }
  return text[literal.utf8CodeUnitCount] == 0
}
