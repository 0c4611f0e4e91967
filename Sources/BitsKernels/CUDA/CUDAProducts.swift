internal import CBitsCUDA

/// NVIDIA's library of matrix products, cuBLASLt, where it is found.
package enum CUDAProducts {
    /// Where it was found; nil where it was not.
    package static var path: String? { unsafe CUDADriver.path(of: bits_cuda_products_library()) }

    /// For instance `13.0.2`; nil without it.
    package static var version: String? {
        let number = bits_cuda_products_version()
        return number == 0 ? nil : "\(number / 10000).\(number / 100 % 100).\(number % 100)"
    }
}

/// A product as the library takes it: both operands of one type, and a bias of the output's.
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

    /// Whether types are ones that the library multiplies.
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
        guard hasTypes, m > 0, n > 0, k > 0 else { return false }
        var product = bits_cuda_product(
            a: UInt64(a.deviceAddress), b: UInt64(b.deviceAddress), bias: UInt64(bias?.deviceAddress ?? 0), output: UInt64(output.deviceAddress),
            m: Int64(m), n: Int64(n), k: Int64(k), a_stride: Int64(aStride), b_stride: Int64(bStride), type: a.dtype.code,
            output_type: output.dtype.code, a_transposed: transposesA, b_transposed: transposesB, accumulates: accumulates)
        var byteCount = 0
        let context = unsafe queue.backend.context.pointer
        guard unsafe bits_cuda_product_workspace(context, &product, &byteCount) else { return false }
        let workspace = byteCount == 0 ? nil : queue.scratch(.uint8, count: byteCount)
        // Without memory for an operand nothing is computed, and the next wait says why.
        guard a.hasMemory, b.hasMemory, output.hasMemory, workspace?.hasMemory ?? true else { return true }
        let stream = unsafe queue.backend.stream.pointer
        return unsafe bits_cuda_product_launch(context, stream, &product, UInt64(workspace?.deviceAddress ?? 0), byteCount) == 0
    }
}
