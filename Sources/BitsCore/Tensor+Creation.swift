package import BitsKernels

extension Tensor {
    /// A tensor of `values` in row-major order, stored as `dtype` (each rounded once, to nearest even).
    public init(_ values: [Float], shape: [Int], dtype: DType = .float32, device: Device = .cpu) {
        precondition(values.count == Shape.count(shape), "\(values.count) values do not make shape \(shape)")
        let uploaded = Tensor(device.upload(values, as: .float32), shape: shape)
        self = dtype == .float32 ? uploaded : uploaded.cast(to: dtype)
    }

    /// A vector.
    public init(_ values: [Float], dtype: DType = .float32, device: Device = .cpu) {
        self.init(values, shape: [values.count], dtype: dtype, device: device)
    }

    /// A tensor of token ids, positions or other int32 numbers.
    public init(_ values: [Int32], shape: [Int]? = nil, device: Device = .cpu) {
        self.init(device.upload(values, as: .int32), shape: shape ?? [values.count])
    }

    /// A tensor of bytes.
    public init(_ values: [UInt8], shape: [Int]? = nil, device: Device = .cpu) {
        self.init(device.upload(values, as: .uint8), shape: shape ?? [values.count])
    }

    /// A tensor whose elements are all `value`.
    public static func full(_ value: Float, shape: [Int], dtype: DType = .float32, device: Device = .cpu) -> Tensor {
        let slice = device.allocate(dtype, count: Shape.count(shape))
        device.run(Fill(value, into: slice))
        return Tensor(slice, shape: shape)
    }

    public static func zeros(_ shape: [Int], dtype: DType = .float32, device: Device = .cpu) -> Tensor {
        full(0, shape: shape, dtype: dtype, device: device)
    }

    public static func ones(_ shape: [Int], dtype: DType = .float32, device: Device = .cpu) -> Tensor {
        full(1, shape: shape, dtype: dtype, device: device)
    }

    /// Independent draws from the normal distribution of the given mean and standard deviation, made on `device`: the same bits on every one.
    public static func normal(
        _ shape: [Int], mean: Float = 0, standardDeviation: Float = 1, using generator: inout RandomGenerator, dtype: DType = .float32,
        device: Device = .cpu
    ) -> Tensor {
        drawn(shape, .normal(mean: mean, deviation: standardDeviation), using: &generator, dtype, device)
    }

    /// Independent draws from the uniform distribution over `range`, made on `device`: the same bits on every one.
    public static func uniform(
        _ shape: [Int], in range: ClosedRange<Float> = 0...1, using generator: inout RandomGenerator, dtype: DType = .float32,
        device: Device = .cpu
    ) -> Tensor {
        drawn(shape, .uniform(low: range.lowerBound, high: range.upperBound), using: &generator, dtype, device)
    }

    private static func drawn(
        _ shape: [Int], _ distribution: RandomFill.Distribution, using generator: inout RandomGenerator, _ dtype: DType, _ device: Device
    ) -> Tensor {
        let slice = device.allocate(dtype, count: Shape.count(shape))
        device.run(RandomFill(distribution, from: generator.draw(slice.count), into: slice))
        return Tensor(slice, shape: shape)
    }

    /// A copy on `device`; the tensor itself if it is there already. Gradients do not flow across.
    ///
    /// - Throws: the first error of the work that leads to this tensor.
    public func moved(to device: Device) throws(DeviceError) -> Tensor {
        if device == self.device { return self }
        return Tensor(try device.copy(elements), shape: shape)
    }
}
