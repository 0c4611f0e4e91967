package import BitsKernels

/// How a layer's weight lies in a checkpoint, told from the names, types and shapes of its entries alone.
package enum QuantizedForm: Sendable {
    case fourBit, int8

    /// What is known of an entry before it is read.
    package struct Part {
        let dtype: DType?
        let typeName: String
        let shape: [Int]

        /// - Parameters:
        ///   - dtype: nil for a type that tensors cannot have.
        ///   - typeName: the type as errors show it.
        package init(dtype: DType?, typeName: String, shape: [Int]) {
            (self.dtype, self.typeName, self.shape) = (dtype, typeName, shape)
        }

        /// Whether these are 4-bit codes by their looks.
        package var holdsCodes: Bool { dtype == .uint8 && shape.count == 2 && shape[1] == 1 }
    }

    /// The names that weights in 4 bits have beside `weight`, and those that weights in 8 bits have.
    package static let fourBitParts = FourBitTensor.suffixes.map { "weight\($0)" }
    package static let int8Parts = Int8Tensor.entryNames.filter { $0 != "weight" }

    /// The form of the weight whose entries `part` gives by name; nil where there is no weight, or one in floating point.
    ///
    /// - Throws: ``QuantizationError/inconsistentState(_:expected:found:)`` where the entries describe the weight in two ways or in none; what `part`
    ///   throws.
    package init?(_ part: (_ name: String) throws -> Part?) throws {
        let weight = try part("weight")
        let fourBit = try QuantizedForm.fourBitParts.filter { try part($0) != nil }
        let int8 = try QuantizedForm.int8Parts.filter { try part($0) != nil }
        if let first = fourBit.first, let second = int8.first {
            throw QuantizationError.inconsistentState("weight", expected: "in 4 bits or in 8", found: "in both (it has \(first) and \(second))")
        }
        if !fourBit.isEmpty {
            self = .fourBit
        } else if weight?.dtype == .int8 {
            self = .int8
        } else if let weight, weight.holdsCodes {
            throw QuantizationError.inconsistentState(
                "weight", expected: "described by entries beside it (absmax, quant_map, quant_state)",
                found: "\(weight.typeName) \(weight.shape) alone")
        } else if !int8.isEmpty {
            let found = weight.map { "a plain \($0.typeName) \($0.shape) beside quantized entries (\(int8.joined(separator: ", ")))" }
            throw QuantizationError.inconsistentState("weight", expected: "int8", found: found ?? "missing")
        } else {
            return nil
        }
    }
}
