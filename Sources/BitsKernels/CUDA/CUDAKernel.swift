/// A kernel that has a version for NVIDIA's GPUs.
protocol CUDAKernel: Kernel {
    /// Whether the version takes the operands and options as they are; else the reference runs.
    var suitsCUDA: Bool { get }
    /// Queues the launches that compute the kernel.
    func launch(on queue: CUDAQueue)
}

extension CUDAKernel {
    var suitsCUDA: Bool { true }
}
