import CPlatform
#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// A whole file, mapped read-only as long as the object lives.
///
/// Like all classes of the C interface it has no initializer that throws: Embedded Swift does not free the object
/// of one that does. What can fail is done by a static function, before there is an object.
final class MappedFile {
  let bytes: UnsafeRawBufferPointer

  private init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  /// Maps a file. Throws `ioError`, `limitExceeded`, `unsupportedFeature` in a build without files.
  static func open(_ path: UnsafePointer<CChar>, limits: Limits) throws(EdgeError) -> MappedFile {
    var data: UnsafeRawPointer?
    var size = 0
    let code = ep_file_map(path, &data, &size)
    guard code == 0 else {
      throw code == ep_unsupported
        ? EdgeError(.unsupportedFeature, "this build has no files")
        : EdgeError(.ioError, "could not read '\(Text(cString: path))': \(Text(cString: ep_error_text(code)))")
    }
    let file = MappedFile(UnsafeRawBufferPointer(start: data, count: size))
    guard size <= limits.maximumFileBytes else {
      throw EdgeError(
        .limitExceeded, "'\(Text(cString: path))' has \(size) bytes; the limit is \(limits.maximumFileBytes)")
    }
    return file
  }

  /// Gives the memory back; what is looked at again is read again.
  func rest() { ep_file_rest(bytes.baseAddress, bytes.count) }

  deinit { ep_file_unmap(bytes.baseAddress, bytes.count) }
}

/// Files beside a model file that hold its weights. Each is mapped once.
final class CompanionFiles {
  private let folder: Text
  private let limits: Limits
  private var opened: [Storage] = []
  private var places = TextMap()

  init(besideFile path: Text, limits: Limits) {
    var folder: [UInt8] = []
    let bytes = Array(path.utf8)
    if let slash = bytes.lastIndex(of: UInt8(ascii: "/")) { folder = Array(bytes[...slash]) }
    self.folder = Text(folder)
    self.limits = limits
  }

  /// The contents of a file named by the model. The name is hostile: it must stay inside the folder.
  func contents(_ location: Text) throws(EdgeError) -> Storage {
    if let known = places[location] { return opened[known] }
    try checkStaysInside(location)
    var path = folder
    path += location
    var mapped: MappedFile?
    var failure: EdgeError?
    path.withCString { pointer in
      do throws(EdgeError) { mapped = try MappedFile.open(pointer, limits: limits) } catch let error { failure = error }
    }
    if let failure { throw failure }
    guard let mapped, let storage = Storage.borrow(mapped.bytes, owner: mapped) else {
      throw EdgeError(.truncatedModel, "external data '\(location)' is empty")
    }
    places.set(location, opened.count)
    opened.append(storage)
    return storage
  }

  private func checkStaysInside(_ location: Text) throws(EdgeError) {
    guard !location.utf8.contains(0) else { throw EdgeError(.malformedModel, "the external data's file name holds a zero byte") }
    for part in location.parts(separator: UInt8(ascii: "/")) where part.isEmpty || part == ".." {
      throw EdgeError(.malformedModel, "external data '\(location)' does not lie in the model's folder")
    }
  }
}

/// Writes a whole file or nothing.
func writeFile(_ path: UnsafePointer<CChar>, _ bytes: UnsafeRawBufferPointer) throws(EdgeError) {
  let code = ep_file_write(path, bytes.baseAddress, bytes.count)
  guard code == 0 else {
    throw code == ep_unsupported
      ? EdgeError(.unsupportedFeature, "this build has no files")
      : EdgeError(.ioError, "could not write '\(Text(cString: path))': \(Text(cString: ep_error_text(code)))")
  }
}
