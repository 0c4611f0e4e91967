internal import CBitsCUDA

/// NVIDIA's library of matrix products, cuBLASLt, where it is found.
package enum CUDAProducts {
    /// Where it was found; nil where it was not.
    package static let path: String? = unsafe CUDADriver.path(of: bits_cuda_products_library())

    /// Why there is none, and what to do about it.
    package static var absence: String {
        unsafe CUDADriver.absence(of: bits_cuda_products_library(), called: "cuBLASLt", namedBy: "BNB_CUBLASLT", wheel: "nvidia-cublas")
    }

    /// For instance `13.0.2`; nil without it.
    package static var version: String? {
        let number = bits_cuda_products_version()
        return number == 0 ? nil : "\(number / 10000).\(number / 100 % 100).\(number % 100)"
    }
}

/// A product as the library takes it: both operands of one type.
struct CUDALibraryProduct {
    var a: Slice
    var b: Slice
    var output: Slice
    var bias: Slice?
    var m: Int
    var n: Int
    var k: Int
    var transposesA = false
    var transposesB = false
    var aStride: Int
    var bStride: Int
    var accumulates = false

    /// Results that are worth their memory in float32 while the output is of a type that the library does not give.
    private static let mostInFloats = 1 << 28

    /// Whether types are ones that the library mixes.
    private var hasTypes: Bool {
        guard a.dtype == b.dtype, bias == nil || bias!.dtype == output.dtype else { return false }
        switch a.dtype {
        case .float32: return output.dtype == .float32
        case .float16, .bfloat16: return output.dtype == a.dtype || output.dtype == .float32
        case .int8: return output.dtype == .int32 && bias == nil
        default: return false
        }
    }

    /// Queues the product.
    ///
    /// - Returns: whether the library is there and computes such products; else nothing was queued.
    func launch(on queue: CUDAQueue) -> Bool {
        // The library counts an empty operand's strides as mistakes.
        guard m > 0, n > 0, k > 0 else { return false }
        guard hasTypes else { return launchInFloats(on: queue) }
        let product = bits_cuda_product(
            a: UInt64(a.deviceAddress), b: UInt64(b.deviceAddress), bias: UInt64(bias?.deviceAddress ?? 0), output: UInt64(output.deviceAddress),
            m: Int64(m), n: Int64(n), k: Int64(k), a_stride: Int64(aStride), b_stride: Int64(bStride), type: a.dtype.code,
            output_type: output.dtype.code, a_transposed: transposesA, b_transposed: transposesB, accumulates: accumulates)
        guard let byteCount = queue.backend.workspaceByteCount(of: product) else { return false }
        let workspace = byteCount == 0 ? nil : queue.scratch(.uint8, count: byteCount)
        // Without memory for an operand nothing is computed, and the next wait says why.
        guard a.hasMemory, b.hasMemory, output.hasMemory, workspace?.hasMemory ?? true else { return true }
        return queue.backend.launch(product, workspace: workspace)
    }

    /// The product with a float32 output and bias, rounded once to the output from there.
    private func launchInFloats(on queue: CUDAQueue) -> Bool {
        guard a.dtype == b.dtype, a.dtype.isFloatingPoint, output.dtype == .float32 || output.count <= Self.mostInFloats else { return false }
        var wide = self
        if let bias, bias.dtype != .float32 {
            let floats = queue.scratch(.float32, count: n)
            queue.convert(bias, rows: 1, width: n, stride: n, to: floats)
            wide.bias = floats
        }
        guard output.dtype != .float32 else { return wide.launch(on: queue) }
        wide.output = queue.scratch(.float32, count: m * n)
        if accumulates { queue.convert(output, rows: m, width: n, stride: n, to: wide.output) }
        guard wide.launch(on: queue) else { return false }
        queue.convert(wide.output, rows: m, width: n, stride: n, to: output)
        return true
    }
}
