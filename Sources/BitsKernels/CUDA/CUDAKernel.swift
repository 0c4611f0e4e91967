/// Something that queues launches.
protocol CUDALaunching {
    func launch(on queue: CUDAQueue)
}

/// A kernel that has a version for NVIDIA's GPUs: queues the launches that compute it.
protocol CUDAKernel: Kernel, CUDALaunching {
    /// Whether the version takes the operands and options as they are; else the reference runs.
    var suitsCUDA: Bool { get }
}

extension CUDAKernel {
    var suitsCUDA: Bool { true }
}
