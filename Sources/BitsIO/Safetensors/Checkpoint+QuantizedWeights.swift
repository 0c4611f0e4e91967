public import BitsCore
public import BitsQuant

/// Weights of layers in a quantized form, which are several entries whose names begin with the layer's path; see ``BitsQuant/QuantizedTensor``.
extension Checkpoint {
    /// The weight of the layer `path`; nil where the checkpoint has none, or has it in floating point.
    ///
    /// - Parameter dtype: of what it is dequantized to, where the entries do not say.
    /// - Throws: ``BitsQuant/QuantizationError`` when entries are missing, of the wrong type or number, or describe the weight in two ways;
    ///   ``ModelFileError`` when they cannot be read.
    public func quantizedWeight(_ path: String, as dtype: DType = .float16, on device: Device = .cpu) throws -> (any QuantizedTensor)? {
        let type = try WeightEntry.quantizedType { self["\(path).\($0)"].map(WeightEntry.init) }
        return try type?.init(named: "weight", as: dtype) { try tensor("\(path).\($0)", on: device) }
    }

    /// The entries of the weight of the layer `path`, the codes first; of a plain one, the weight alone.
    public func weightEntries(_ path: String) -> [SafetensorsEntry] { WeightEntry.weightParts.compactMap { self["\(path).\($0)"] } }

    /// The paths of all layers with entries of a quantized weight, complete or not, sorted.
    public var quantizedPaths: [String] {
        let parts = (WeightEntry.fourBitParts + WeightEntry.int8Parts).map { ".\($0)" }
        var paths: Set<String> = []
        for name in names {
            if let part = parts.first(where: name.hasSuffix) { paths.insert(String(name.dropLast(part.count))) }
            if name.hasSuffix(".weight"), let entry = self[name], entry.dtype == .int8 || WeightEntry(entry).holdsCodes {
                paths.insert(String(name.dropLast(".weight".count)))
            }
        }
        return paths.sorted()
    }

    /// All quantized weights, with the paths of their layers.
    ///
    /// - Parameter dtype: of what they are dequantized to, where the entries do not say.
    /// - Throws: ``ModelFileError/malformed(path:_:)`` that names every layer whose entries are not in order; the device's error.
    public func quantizedWeights(
        in folder: ModelFolder, as dtype: DType = .float16, on device: Device = .cpu
    ) throws(ModelFileError) -> [(path: String, weight: any QuantizedTensor)] {
        var weights: [(path: String, weight: any QuantizedTensor)] = []
        var problems: [String] = []
        for path in quantizedPaths {
            do {
                if let weight = try quantizedWeight(path, as: dtype, on: device) { weights.append((path, weight)) }
            } catch let error as DeviceError {
                throw .device(error)
            } catch ModelFileError.device(let error) {
                throw .device(error)
            } catch {
                problems.append("'\(path).weight': \(error)")
            }
        }
        guard problems.isEmpty else { throw .problems(problems, path: folder.description, "has quantized layers that cannot be read") }
        return weights
    }
}

extension WeightEntry {
    /// The entry as a safetensors header describes it.
    package init(_ entry: SafetensorsEntry) {
        self.init(dtype: entry.dtype, typeName: entry.typeName, shape: entry.shape, byteCount: entry.byteCount)
    }
}

extension QuantizedTensor {
    /// Refuses to write a weight that readers refuse.
    ///
    /// - Parameters:
    ///   - name: of the weight.
    ///   - path: of the folder it belongs to.
    /// - Throws: ``ModelFileError/malformed(path:_:)`` where a scale is infinite, or the error of the device.
    package func checkScales(of name: String, path: String) throws {
        guard try nonFiniteInputCount() > 0, try hasInfiniteScale else { return }
        throw ModelFileError.malformed(
            path: path, "'\(name)' holds numbers too large for \(formatName): a scale is infinite; skip the layer")
    }
}
