package import BitsKernels

/// A kernel on operands of more than 2^31 elements: compared with its reference at their beginning, around element 2^31 and at their end, everything
/// between being zero.
///
/// Such a place is worked on alone by the reference, so kernels take part that treat blocks of elements independently.
package struct LongCase: Sendable {
    package let kernel: String
    /// What it takes of a device's memory.
    package let byteCount: Int
    private let body: @Sendable (Device) throws -> [String]

    /// Elements of every operand.
    static let count = 1 << 31 + 3 * margin + 77
    /// Elements beside a place that are looked at; whole blocks of every size.
    private static let margin = 1 << 13
    private static let places = [0..<margin, 1 << 31 - margin..<1 << 31 + margin, count - 77 - margin..<count]

    /// - Parameters:
    ///   - operands: the long ones.
    ///   - make: the kernel on elements `range` of its operands.
    init<K: Kernel>(_ operands: [LongOperand], _ make: @escaping @Sendable (_ device: Device, _ operands: [Slice], _ range: Range<Int>) -> K) {
        kernel = K.name
        byteCount = operands.reduce(0) { $0 + $1.count(LongCase.count) * $1.dtype.byteCount }
        body = { device in try LongCase.deviations(device, operands, make) }
    }

    /// One line for everything that is wrong on `device`.
    package func deviations(on device: Device) throws -> [String] { try body(device) }

    private static func deviations<K: Kernel>(
        _ device: Device, _ operands: [LongOperand], _ make: (Device, [Slice], Range<Int>) -> K
    ) throws -> [String] {
        let slices = operands.map { device.allocate($0.dtype, count: $0.count(count)) }
        try device.synchronize()
        let memory = DeviceMemory()
        // What is written at each place: the same before the device's version and before the reference.
        var contents: [[[UInt8]]] = []
        for (slice, operand) in zip(slices, operands) {
            device.run(Fill(0, into: slice))
            contents.append(places.enumerated().map { operand.bytes(operand.count($1.count), seed: UInt64($0 + 1)) })
        }
        func store(_ place: Int) {
            for (index, operand) in operands.enumerated() { memory.store(contents[index][place], to: slices[index][operand.range(places[place])]) }
        }
        func load(_ place: Int) -> [[UInt8]] { zip(slices, operands).map { memory.load($0[$1.range(places[place])]) } }
        for place in places.indices { store(place) }
        device.run(make(device, slices, 0..<count))
        let found = places.indices.map(load)
        var lines: [String] = []
        for (place, range) in places.enumerated() {
            store(place)
            make(device, zip(slices, operands).map { $0[$1.range(range)] }, 0..<range.count).reference(memory)
            for (index, (actual, expected)) in zip(found[place], load(place)).enumerated() where actual != expected {
                let byte = expected.indices.first { actual[$0] != expected[$0] } ?? 0
                lines.append("operand \(index) at \(range): byte \(byte) is \(actual[byte]), not \(expected[byte])")
            }
        }
        if let failure = memory.failure { throw failure }
        try device.synchronize()
        return lines
    }
}

/// An operand that has elements for each one that is counted, or for each of so many.
struct LongOperand: Sendable {
    let dtype: DType
    /// How many there are to one element of this operand: 256 for scales of blocks of 256.
    var share = 1
    /// Whether what it holds is from zero on.
    var isPositive = false

    func count(_ count: Int) -> Int { (count + share - 1) / share }

    func range(_ range: Range<Int>) -> Range<Int> { range.lowerBound / share..<count(range.upperBound) }

    /// `count` elements to begin with.
    func bytes(_ count: Int, seed: UInt64) -> [UInt8] {
        if !dtype.isFloatingPoint { return (0..<count * dtype.byteCount).map { UInt8(truncatingIfNeeded: $0 * 37 + Int(seed)) } }
        let values = HostileFloats.ordinary(count: count, seed: seed)
        return dtype.bytes(of: isPositive ? values.map { abs($0) + 0.1 } : values)
    }
}
