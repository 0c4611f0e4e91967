internal import CBitsCUDA

/// Where the versions of kernels put their launches: they run one after the other, in the order they were put there.
struct CUDAQueue: Sendable {
    let backend: any CUDALaunchTarget

    var properties: CUDAProperties { backend.properties }

    /// Queues one launch.
    ///
    /// - Parameters:
    ///   - blocks: how many; none: nothing is launched.
    ///   - threads: of each block, in a row.
    ///   - sharedByteCount: shared memory of each block beside what the function declares.
    ///   - cluster: blocks that work as one cluster (compute capability 9.0).
    ///   - overlaps: whether the launch may begin while the one before ends (9.0); the function waits for it by `griddepcontrol.wait`.
    ///   - arguments: in the order of the function's parameters.
    func launch<each Argument: CUDAArgument>(
        _ function: CUDAFunction, blocks: CUDAGrid, threads: Int, sharedByteCount: Int = 0, cluster: Int = 1, overlaps: Bool = false,
        _ arguments: repeat each Argument
    ) {
        guard !blocks.isEmpty else { return }
        var list = CUDAArguments()
        list.append(repeat each arguments)
        let shape = bits_cuda_shape(
            blocks: (UInt32(blocks.x), UInt32(blocks.y), UInt32(blocks.z)), threads: UInt32(threads), shared_bytes: UInt32(sharedByteCount),
            cluster: UInt32(cluster), overlaps: overlaps && properties.computeCapability >= 90 && CUDADriver.recordsOverlaps,
            takes_struct: list.isAlignedStruct)
        backend.launch(function, shape, list)
    }

    /// Memory for the launches of one kernel: whoever gets it next is launched later.
    func scratch(_ dtype: DType, count: Int) -> Slice { counted(as: .workspace) { backend.device.allocate(dtype, count: count) } }

    /// Sets all bytes to 0.
    func clear(_ slice: Slice) { backend.clear(slice) }

    /// A small table for launches of one kernel, as bytes.
    func upload<T: BitwiseCopyable>(_ values: [T]) -> Slice {
        let slice = scratch(.uint8, count: values.count * MemoryLayout<T>.stride)
        upload(values, to: slice)
        return slice
    }

    /// Fills `table`, which launches of several kernels read.
    func upload<T: BitwiseCopyable>(_ values: [T], to table: Slice) {
        if !values.isEmpty { unsafe values.withUnsafeBytes { unsafe backend.upload($0.bytes, to: table) } }
    }

    /// Copies `source` to `destination`, byte by byte.
    func copy(_ source: Slice, to destination: Slice) { backend.copyWithin(source, to: destination) }
}

/// How many blocks a launch has along each axis.
struct CUDAGrid: Sendable, ExpressibleByIntegerLiteral {
    let x, y, z: Int

    init(_ x: Int, _ y: Int = 1, _ z: Int = 1) { (self.x, self.y, self.z) = (x, y, z) }

    init(integerLiteral value: Int) { self.init(value) }

    var isEmpty: Bool { x == 0 || y == 0 || z == 0 }
}

extension CUDAQueue {
    /// As ``launch(_:blocks:threads:sharedByteCount:cluster:overlaps:_:)``, with blocks along one axis.
    func launch<each Argument: CUDAArgument>(
        _ function: CUDAFunction, blocks: Int, threads: Int, sharedByteCount: Int = 0, cluster: Int = 1, overlaps: Bool = false,
        _ arguments: repeat each Argument
    ) {
        launch(
            function, blocks: CUDAGrid(blocks), threads: threads, sharedByteCount: sharedByteCount, cluster: cluster, overlaps: overlaps,
            repeat each arguments)
    }
}
