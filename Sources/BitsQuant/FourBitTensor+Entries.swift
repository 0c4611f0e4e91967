public import BitsCore
import BitsKernels

/// How checkpoints keep a 4-bit tensor: the packed codes under the parameter's own name, the rest beside it under the name and a suffix.
///
/// | suffix | type, shape |
/// |---|---|
/// | none | the storage type, [elements, 1] |
/// | `.absmax` | float32 [blocks]; uint8 when doubly quantized |
/// | `.quant_map` | float32 [16] |
/// | `.nested_absmax`, `.nested_quant_map` | float32 [ceil(blocks / 256)], float32 [256]; only when doubly quantized |
/// | `.quant_state.bitsandbytes__nf4` (`__fp4`) | uint8, a line of JSON; older files have an entry for each of its fields |
///
/// What was read is written back as it was: another `quant_map`, a description in entries of its own, and fields that are not known here.
extension FourBitTensor {
    /// The entries in the order in which bitsandbytes writes them.
    ///
    /// - Throws: the first error of the work that leads here; with double quantization the offset is waited for.
    public func entries() throws(DeviceError) -> [(suffix: String, tensor: Tensor)] {
        let values = state.codebook + 0  // the negative zero of fp4 is a positive one in files
        var entries: [(suffix: String, tensor: Tensor)] = [("", packed)]
        switch state.scales {
        case .plain(let absmax):
            entries += [(".absmax", absmax), (".quant_map", values)]
        case .doublyQuantized(let nested):
            entries += [
                (".absmax", nested.codes), (".quant_map", values), (".nested_absmax", nested.absmax), (".nested_quant_map", nested.codebook),
            ]
        }
        if let description { return entries + description }
        return try entries + [newDescription()]
    }

    /// The description as it is written where none was read.
    private func newDescription() throws(DeviceError) -> (suffix: String, tensor: Tensor) {
        var text = QuantStateText(format: format, blockSize: state.blockSize.count, dtype: state.dtype, shape: state.shape)
        if case .doublyQuantized(let nested) = state.scales {
            text.nested = .init(blockSize: nested.blockSize.count, offset: try nested.offset.item())
        }
        return (FourBitTensor.stateSuffix(format), Tensor(Array(text.text.utf8), device: device))
    }

    static func stateSuffix(_ format: FourBitFormat) -> String { ".quant_state.bitsandbytes__\(format.rawValue)" }

    /// The suffixes that a reader looks for, the packed codes' own left out.
    public static var suffixes: [String] {
        [".absmax", ".quant_map", ".nested_absmax", ".nested_quant_map"] + FourBitFormat.allCases.map(stateSuffix)
            + QuantStateText.unpackedSuffixes
    }

    /// The tensor that `entry` gives the parts of.
    ///
    /// - Parameter entry: the tensor under a suffix, nil where the checkpoint has none; asked for every one of ``suffixes`` and for the empty one.
    /// - Throws: ``QuantizationError`` when parts are missing or do not belong together, a scale is negative or not finite, or what codes stand for is
    ///   not finite; what `entry` throws.
    public init(entries entry: (_ suffix: String) throws -> Tensor?) throws {
        func part(_ suffix: String) throws -> Tensor {
            guard let tensor = try entry(suffix) else { throw QuantizationError.missing(suffix) }
            return tensor
        }
        let (text, description) = try FourBitTensor.stateText(entry)
        let blockSize = try BlockSize(text.blockSize)
        try blockSize.checkedForFourBit()
        let count = Shape.count(text.shape)
        let packed = try FourBitTensor.checkedCodes(try part(""), count: count)
        let blocks = blockCount(count, blockSize: blockSize.count)
        let scales: BlockScales
        if let nested = text.nested {
            let nestedSize = try BlockSize(nested.blockSize)
            let absmax = try checked(part(".nested_absmax"), "nested_absmax", .float32, count: blockCount(blocks, blockSize: nestedSize.count))
            let codebook = try checkedMap(part(".nested_quant_map"), "nested_quant_map", count: 256)
            try checkScales(absmax, "nested_absmax")
            scales = .doublyQuantized(
                DoublyQuantizedScales(
                    codes: try checked(part(".absmax"), "absmax", .uint8, count: blocks),
                    offset: Tensor([nested.offset], device: packed.device),
                    absmax: absmax, codebook: Tensor(packed.device.constant(codebook), shape: [256]), blockSize: nestedSize))
        } else {
            let absmax = try checked(part(".absmax"), "absmax", .float32, count: blocks)
            try checkScales(absmax, "absmax")
            scales = .plain(absmax)
        }
        let map = try checkedMap(part(".quant_map"), "quant_map", count: 16)
        // The negative zero of fp4 is a positive one in files.
        let values = Tensor(packed.device.constant(map == text.format.values ? text.format.values : map), shape: [16])
        self.init(
            packed: packed,
            state: QuantState(scales: scales, codebook: values, blockSize: blockSize, shape: text.shape, dtype: text.dtype, format: text.format),
            description: description)
    }

    /// The description of the tensor, and the entries that hold it: a line of JSON, or the older form in entries of their own.
    private static func stateText(
        _ entry: (_ suffix: String) throws -> Tensor?
    ) throws -> (text: QuantStateText, entries: [(suffix: String, tensor: Tensor)]) {
        let found = try FourBitFormat.allCases.compactMap { format in try entry(FourBitTensor.stateSuffix(format)).map { (format, $0) } }
        let unpacked = try QuantStateText(unpacked: entry)
        guard let (format, tensor) = found.first else {
            guard let unpacked else { throw QuantizationError.missing(FourBitFormat.allCases.map(stateSuffix).joined(separator: " or ")) }
            return (unpacked, try QuantStateText.unpackedSuffixes.compactMap { suffix in try entry(suffix).map { (suffix: suffix, tensor: $0) } })
        }
        guard found.count == 1 else {
            throw QuantizationError.inconsistentState("quant_state", expected: "of one format", found: "of both nf4 and fp4")
        }
        guard unpacked == nil else {
            throw QuantizationError.inconsistentState("quant_state", expected: "there once", found: "both in one entry and in entries of its own")
        }
        let text = try QuantStateText(try tensor.bytes())
        guard text.format == format else {
            throw QuantizationError.inconsistentState("quant_type", expected: format.rawValue, found: text.format.rawValue)
        }
        return (text, [(suffix: stateSuffix(format), tensor: tensor)])
    }

    static func checkedCodes(_ packed: Tensor, count: Int) throws(QuantizationError) -> Tensor {
        let expected = (count + 1) / 2
        guard [.uint8, .int8, .bfloat16, .float16, .float32].contains(packed.dtype) else {
            throw .inconsistentState("weight", expected: "uint8, bfloat16, float16 or float32", found: packed.dtype.rawValue)
        }
        guard !packed.dtype.isFloatingPoint || packed.count != count || packed.dtype.byteCount * count == expected else {
            throw .inconsistentState(
                "weight", expected: "\(expected) bytes of codes", found: "a plain \(packed.dtype.rawValue) \(packed.shape) beside quantized entries")
        }
        guard packed.count * packed.dtype.byteCount == expected else {
            throw .inconsistentState("weight", expected: "\(expected) bytes", found: "\(packed.count * packed.dtype.byteCount)")
        }
        return packed
    }
}

private func checked(_ tensor: Tensor, _ name: String, _ dtype: DType, count: Int) throws(QuantizationError) -> Tensor {
    guard tensor.dtype == dtype, tensor.count == count else {
        throw .inconsistentState(name, expected: "\(dtype.rawValue) [\(count)]", found: "\(tensor.dtype.rawValue) \(tensor.shape)")
    }
    return tensor.reshaped([count])
}

/// Checks that `scales` are magnitudes.
func checkScales(_ scales: Tensor, _ name: String) throws {
    try check(scales.floats(), name, "finite and not negative") { $0 >= 0 && $0.isFinite }
}

/// What codes stand for.
private func checkedMap(_ map: Tensor, _ name: String, count: Int) throws -> [Float] {
    let values = try checked(map, name, .float32, count: count).floats()
    try check(values, name, "finite") { $0.isFinite }
    return values
}

private func check(_ values: [Float], _ name: String, _ expected: String, _ isRight: (Float) -> Bool) throws {
    guard let wrong = values.firstIndex(where: { !isRight($0) }) else { return }
    throw QuantizationError.inconsistentState(name, expected: expected, found: "\(values[wrong]) (at \(wrong))")
}

extension QuantizationError {
    fileprivate static func missing(_ part: String) -> QuantizationError {
        .inconsistentState(part.isEmpty ? "weight" : String(part.drop { $0 == "." }), expected: "there", found: "missing")
    }
}
