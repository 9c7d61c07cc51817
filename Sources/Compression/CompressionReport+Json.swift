#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

extension CompressionReport {
  /// The report as one JSON object; the same report gives the same text. Figures that are not finite are null.
  public var json: Text {
    var json = JsonText()
    json.open("{")
    json.field("samples", samples)
    json.field("layer_count", layers.count)
    json.field("integer_layer_count", integerLayerCount)
    json.field("float_layer_count", floatLayerCount)
    json.field("conversions", conversions)
    json.field("constant_bytes_before", constantBytesBefore)
    json.field("constant_bytes_after", constantBytesAfter)
    json.field("file_bytes_before", fileBytesBefore)
    json.field("file_bytes_after", fileBytesAfter)
    json.key("outputs")
    json.open("[")
    for output in outputs {
      json.open("{")
      json.field("name", output.name)
      json.fields(of: output.error)
      json.field("same_top1", output.sameTop1)
      json.close("}")
    }
    json.close("]")
    json.key("layers")
    json.open("[")
    for layer in layers { write(layer, to: &json) }
    json.close("]")
    json.key("worst_first")
    json.open("[")
    for index in worstFirst() { json.element(index) }
    json.close("]")
    json.key("stages")
    json.open("[")
    for stage in stages { write(stage, to: &json) }
    json.close("]")
    json.key("warnings")
    json.open("[")
    for warning in warnings { json.element(warning) }
    json.close("]")
    json.close("}")
    return json.text
  }

  private func write(_ stage: Stage, to json: inout JsonText) {
    json.open("{")
    json.field("name", stage.name)
    json.field("file_bytes", stage.fileBytes)
    json.field("nanoseconds", stage.nanoseconds)
    json.key("layers")
    json.open("[")
    for (node, layer) in zip(weightLayers, stage.layers) {
      json.open("{")
      json.field("name", layers[node].name)
      json.field("weights", layer.weights)
      json.field("kept", layer.kept)
      json.field("bits", layer.bits)
      json.field("bytes", layer.bytes)
      json.field("nanoseconds", layer.nanoseconds)
      json.field("sqnr_db", (layer.error ?? ErrorMeter()).sqnr)
      json.close("}")
    }
    json.close("]")
    json.close("}")
  }

  private func write(_ layer: Layer, to json: inout JsonText) {
    json.open("{")
    json.field("name", layer.name)
    json.field("op", layer.op)
    json.field("tensor", layer.tensor)
    json.field("dtype", Text("\(layer.dtype.name)"))
    json.key("shape")
    json.open("[")
    for dim in layer.shape.dims { json.element(dim) }
    json.close("]")
    json.field("bytes_before", layer.bytesBefore)
    json.field("bytes_after", layer.bytesAfter)
    json.field("weights", layer.weights)
    json.field("kept", layer.kept)
    json.field("reason", layer.reason)
    json.fields(of: layer.error ?? ErrorMeter())
    json.close("}")
  }
}

extension JsonText {
  fileprivate mutating func fields(of error: ErrorMeter) {
    field("compared", error.count)
    field("not_finite", error.ignored)
    field("sqnr_db", error.sqnr)
    field("cosine", error.cosine)
    field("max_error", error.count > 0 ? error.maximumError : .nan)
    field("mean_error", error.meanError)
    field("mean", error.referenceMean)
  }
}
