package import BitsKernels

/// One output of a kernel, and how far each element may be from the reference's.
package struct KernelOutput: Sendable {
    package var name: String
    package var slice: Slice
    /// Allowed: `absolute + relative * |expected|`, and one unit in the last place of a 16-bit type. Both 0: the same bits, any NaN for a NaN.
    package var absolute: Float
    package var relative: Float

    package init(_ name: String, _ slice: Slice, absolute: Float = 0, relative: Float = 0) {
        self.name = name
        self.slice = slice
        self.absolute = absolute
        self.relative = relative
    }

    fileprivate func allows(_ found: Float, for expected: Float) -> Bool {
        if expected.isNaN || found.isNaN { return expected.isNaN == found.isNaN }
        if absolute == 0 && relative == 0 { return expected.bitPattern == found.bitPattern }
        if expected.isInfinite || found.isInfinite { return expected == found }
        let spacing: Float =
            switch slice.dtype {
            case .float16: max(abs(expected) * 0x1p-10, 0x1p-24)
            case .bfloat16: abs(expected) * 0x1p-7
            default: 0
            }
        return abs(found - expected) <= absolute + relative * abs(expected) + spacing
    }
}

/// Runs `kernel` by its reference, then on its device, on the processor at every level and thread count, and compares `outputs` within their
/// tolerances. Outputs start with the same contents each time. Also demanded: the same bits for every thread count of a level, and no write
/// outside an output's slice.
///
/// - Returns: one line for everything that is wrong; empty when nothing is.
package func deviationsFromReference<K: Kernel>(_ kernel: K, outputs: [KernelOutput]) throws -> [String] {
    let memory = DeviceMemory()
    let device = outputs[0].slice.device
    let wholes = outputs.map { Slice(buffer: $0.slice.buffer, dtype: .uint8, count: $0.slice.buffer.byteCount) }
    let initial = wholes.map { memory.load($0) }
    func restore() { for (whole, bytes) in zip(wholes, initial) { memory.store(bytes, to: whole) } }

    kernel.reference(memory)
    let expected = outputs.map { memory.floats($0.slice) }
    var lines = [String]()

    func check(_ condition: String, first: [[UInt8]]?) throws -> [[UInt8]] {
        restore()
        device.run(kernel)
        try device.synchronize()
        let contents = wholes.map { memory.load($0) }
        for (k, output) in outputs.enumerated() {
            let place = "\(K.name) on \(device.name) (\(condition)): \(output.name)"
            let found = memory.floats(output.slice)
            if let i = found.indices.first(where: { !output.allows(found[$0], for: expected[k][$0]) }) {
                lines.append("\(place)[\(i)] of \(found.count) is \(found[i]), not \(expected[k][i])")
            }
            if let first, first[k] != contents[k] { lines.append("\(place) is not the same for every run and number of threads") }
            let inside = output.slice.byteOffset..<output.slice.byteOffset + output.slice.byteCount
            if contents[k].indices.contains(where: { !inside.contains($0) && contents[k][$0] != initial[k][$0] }) {
                lines.append("\(place) was written beyond its end")
            }
        }
        return contents
    }

    if device == .cpu {
        var first: [String: [[UInt8]]] = [:]
        try ProcessorConditions.forEach { condition in
            let instructions = "\(Processor.level) \(Processor.features)"
            let contents = try check(condition, first: first[instructions])
            if first[instructions] == nil { first[instructions] = contents }
        }
    } else {
        // The second time with what the first left in the device's caches and its free memory.
        let contents = try check("first", first: nil)
        _ = try check("again", first: contents)
    }
    return lines
}

/// Where the operands of tests begin in their memory.
package enum OperandPlacement {
    /// In elements. At 3 nothing is aligned to more than an element, at 16 everything to 16 bytes: kernels that take vectors have a path for each.
    @TaskLocal package static var offset = 3
}

extension Device {
    /// `count` elements to be written by a kernel: filled with a pattern, between guards, and placed by ``OperandPlacement``.
    package func output(_ dtype: DType, count: Int) -> Slice {
        let buffer = allocate(byteCount: (count + 35) * dtype.byteCount)
        let whole = Slice(buffer: buffer, dtype: .uint8, count: buffer.byteCount)
        DeviceMemory().store([UInt8](repeating: 0xa5, count: whole.byteCount), to: whole)
        return Slice(buffer: buffer, dtype: dtype, offset: OperandPlacement.offset, count: count)
    }

    /// A slice of `values` rounded to `dtype`, placed by ``OperandPlacement``.
    package func input(_ values: [Float], as dtype: DType = .float32) -> Slice {
        let slice = output(dtype, count: values.count)
        DeviceMemory().store(values, to: slice)
        return slice
    }

    /// A slice of integers.
    package func integers(_ values: [Int], as dtype: DType) -> Slice {
        let slice = allocate(dtype, count: values.count)
        DeviceMemory().store(values, to: slice)
        return slice
    }
}

/// Submits kernels one by one, then as one recording, and compares `outputs`, which start with the same contents each time.
///
/// - Returns: one line for everything that is wrong; empty when nothing is, or when the device records nothing.
package func deviationsOfRecording(_ submit: () -> Void, outputs: [KernelOutput]) throws -> [String] {
    let memory = DeviceMemory()
    let device = outputs[0].slice.device
    let initial = outputs.map { memory.load($0.slice) }
    submit()
    try device.synchronize()
    let expected = outputs.map { memory.load($0.slice) }
    for (output, bytes) in zip(outputs, initial) { memory.store(bytes, to: output.slice) }
    switch device.record(submit) {
    case .unsupported: return []
    case .failed:
        try device.synchronize()
        return ["nothing was recorded"]
    case .done: break
    case .recorded(let work):
        if zip(outputs, initial).contains(where: { memory.load($0.slice) != $1 }) { return ["recording did what it was to note"] }
        work.submit()
    }
    try device.synchronize()
    return zip(outputs, expected).filter { memory.load($0.slice) != $1 }.map { "recorded on \(device.name), \($0.0.name) is another" }
}
