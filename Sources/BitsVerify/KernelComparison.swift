package import BitsKernels

/// Runs `kernel` by its reference, then on its device, on the processor at every level and thread count, and compares the bytes of its `outputs`.
///
/// On a device that is not the processor any NaN does for a NaN.
///
/// - Returns: one line for every output that differs; empty when all agree.
package func differencesFromReference<K: Kernel>(_ kernel: K, outputs: [String: Slice]) throws(DeviceError) -> [String] {
    guard let device = outputs.values.first?.device else { return [] }
    let memory = DeviceMemory()
    func poison() { for slice in outputs.values { memory.store([UInt8](repeating: 0xa5, count: slice.byteCount), to: slice) } }
    func contents() -> [String: [UInt8]] { outputs.mapValues { slice in device == .cpu ? memory.load(slice) : slice.withOneNaN(memory.load(slice)) } }
    poison()
    kernel.reference(memory)
    let expected = contents()
    var lines = [String]()
    func check(_ condition: String) {
        poison()
        device.run(kernel)
        let found = contents()
        for (name, bytes) in expected.sorted(by: { $0.key < $1.key }) {
            let actual = found[name] ?? []
            guard actual != bytes else { continue }
            let position = bytes.indices.first { actual[$0] != bytes[$0] } ?? 0
            lines.append("\(K.name) (\(condition)): byte \(position) of \(name) is \(actual[position]), not \(bytes[position])")
        }
    }
    if device == .cpu { ProcessorConditions.forEach(check) } else { check(device.name) }
    try device.synchronize()
    return lines
}

extension Slice {
    /// `bytes`, which are the slice's, with the same NaN for every one.
    fileprivate func withOneNaN(_ bytes: [UInt8]) -> [UInt8] {
        guard dtype.isFloatingPoint else { return bytes }
        var bytes = bytes
        for (index, value) in dtype.floats(in: bytes).enumerated() where value.isNaN {
            let place = index * dtype.byteCount
            bytes.replaceSubrange(place..<place + dtype.byteCount, with: [UInt8](repeating: 0xff, count: dtype.byteCount))
        }
        return bytes
    }
}
