internal import CBitsCUDA
internal import Synchronization

/// What takes the launches of a ``CUDAQueue``: a GPU, or a device that counts the memory that they would need of one.
protocol CUDALaunchTarget: AnyObject, Sendable {
    var device: Device { get }
    /// What launches are chosen and sized by.
    var properties: CUDAProperties { get }
    /// Whether there is cuBLASLt for large products.
    var hasLibrary: Bool { get }
    /// Whether all that was queued so far has what it needs.
    var isSound: Bool { get }

    func launch(_ function: CUDAFunction, _ shape: bits_cuda_shape, _ arguments: CUDAArguments)
    /// Whether nothing that may still run as the next launch begins writes memory in `ranges`.
    func isSettled(_ ranges: [Range<UInt>]) -> Bool
    func upload(_ bytes: RawSpan, to slice: Slice)
    /// Copies within the device.
    func copyWithin(_ source: Slice, to destination: Slice)
    func clear(_ slice: Slice)
    /// How the copy engine finds boxes of `boxRows` rows of 128 bytes of a matrix; nil where it cannot.
    func tensorMap(of matrix: Slice, rows: Int, columns: Int, stride: Int, boxRows: Int) -> CUDATensorMap?
    /// The memory that the library needs for a product; nil where it does not compute it.
    func workspaceByteCount(of product: bits_cuda_product) -> Int?
    /// Queues a product that the library computes.
    ///
    /// - Returns: whether it did.
    func launch(_ product: bits_cuda_product, workspace: Slice?) -> Bool
}

extension CUDABackend: CUDALaunchTarget {
    var properties: CUDAProperties { context.properties }
    var hasLibrary: Bool { CUDAProducts.path != nil }
    var isSound: Bool { !hasFailed.load(ordering: .acquiring) }

    func tensorMap(of matrix: Slice, rows: Int, columns: Int, stride: Int, boxRows: Int) -> CUDATensorMap? {
        CUDATensorMap(matrix, rows: rows, columns: columns, stride: stride, boxRows: boxRows, on: context)
    }

    func workspaceByteCount(of product: bits_cuda_product) -> Int? {
        var (product, byteCount) = (product, 0)
        return unsafe bits_cuda_product_workspace(context.pointer, &product, &byteCount) ? byteCount : nil
    }

    func launch(_ product: bits_cuda_product, workspace: Slice?) -> Bool {
        var product = product
        let address = UInt64(workspace?.deviceAddress ?? 0)
        let status = unsafe bits_cuda_product_launch(context.pointer, stream.pointer, &product, address, workspace?.byteCount ?? 0)
        guard status == 0 else { return false }
        noteQueued(0, in: "cuBLASLt")
        return true
    }
}

extension CountingBackend: CUDALaunchTarget {
    var device: Device { Device(backend: self) }
    var properties: CUDAProperties { .counted }
    var hasLibrary: Bool { true }
    var isSound: Bool { true }

    func launch(_ function: CUDAFunction, _ shape: bits_cuda_shape, _ arguments: CUDAArguments) {}
    func isSettled(_ ranges: [Range<UInt>]) -> Bool { true }
    func copyWithin(_ source: Slice, to destination: Slice) {}
    func clear(_ slice: Slice) {}
    func tensorMap(of matrix: Slice, rows: Int, columns: Int, stride: Int, boxRows: Int) -> CUDATensorMap? { CUDATensorMap() }
    /// What the library takes beside its operands depends on its version, and is little.
    func workspaceByteCount(of product: bits_cuda_product) -> Int? { 0 }
    func launch(_ product: bits_cuda_product, workspace: Slice?) -> Bool { true }
}

extension CUDAProperties {
    /// Of the GPU that is meant where memory is counted: one of compute capability 9.0. On others, int8 products of many rows take up to 128 MB more.
    fileprivate static let counted: CUDAProperties = {
        var device = unsafe bits_cuda_device()
        unsafe device.compute_capability = 90
        unsafe device.multiprocessors = 132
        unsafe device.shared_bytes_per_block = 227 << 10
        unsafe device.l2_bytes = 50 << 20
        return unsafe CUDAProperties(device)
    }()
}
