import CEdgeAI

@_cdecl("edgeai_version_string") @implementation
public func edgeai_version_string() -> UnsafePointer<CChar>! {
  let text: StaticString = "0.1.0"
  return UnsafeRawPointer(text.utf8Start).assumingMemoryBound(to: CChar.self)
}
