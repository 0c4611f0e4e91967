package import BitsKernels

/// Runs `kernel` by its reference, then on its device at every processor level and thread count, and compares the bytes of its `outputs`.
///
/// - Returns: one line for every output that differs; empty when all agree.
package func differencesFromReference<K: Kernel>(_ kernel: K, outputs: [String: Slice]) throws(DeviceError) -> [String] {
    let memory = DeviceMemory()
    func poison() { for slice in outputs.values { memory.store([UInt8](repeating: 0xa5, count: slice.byteCount), to: slice) } }
    func contents() -> [String: [UInt8]] { outputs.mapValues { memory.load($0) } }
    poison()
    kernel.reference(memory)
    let expected = contents()
    var lines = [String]()
    ProcessorConditions.forEach { condition in
        poison()
        for slice in outputs.values.prefix(1) { slice.device.run(kernel) }
        let found = contents()
        for (name, bytes) in expected.sorted(by: { $0.key < $1.key }) {
            let actual = found[name] ?? []
            guard actual != bytes else { continue }
            let position = bytes.indices.first { actual[$0] != bytes[$0] } ?? 0
            lines.append("\(K.name) (\(condition)): byte \(position) of \(name) is \(actual[position]), not \(bytes[position])")
        }
    }
    for slice in outputs.values { try slice.device.synchronize() }
    return lines
}
