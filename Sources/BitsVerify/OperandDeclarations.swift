import BitsKernels

extension Kernel {
    /// One line for everything that is wrong with how the kernel declares its operands, compared with what it holds and with what its reference reads
    /// and writes.
    func declarationProblems() -> [String] {
        let operands = operands
        var problems: [String] = []
        let (held, declared) = (slices(in: self).map(Place.init), operands.map { Place($0.slice) })
        if held.count != declared.count || Set(held) != Set(declared) { problems.append("holds \(held.count) slices, declares \(declared.count)") }
        if Set(operands.map(\.name)).count != operands.count { problems.append("declares a name twice: \(operands.map(\.name))") }
        if let overlap { problems.append(overlap) }

        let memory = RecordingMemory()
        reference(memory)
        for operand in operands {
            let place = Place(operand.slice)
            if operand.access != .reads && !memory.stored.contains(place) { problems.append("does not write '\(operand.name)'") }
            if operand.access == .reads && memory.stored.contains(place) { problems.append("writes '\(operand.name)', which it declares to read") }
            if operand.access == .reads && !memory.loaded.contains(place) { problems.append("does not read '\(operand.name)'") }
            if operand.access == .writes && memory.loaded.contains(place) { problems.append("reads '\(operand.name)', which it declares to write") }
        }
        return problems.map { "\(Self.name) \($0)" }
    }
}

/// Every slice that is stored somewhere in `value`.
private func slices(in value: Any) -> [Slice] {
    if let slice = value as? Slice { return [slice] }
    return Mirror(reflecting: value).children.flatMap { slices(in: $0.value) }
}

/// A device's memory that remembers what was read before it was written, and what was written.
private final class RecordingMemory: ReferenceMemory {
    private let memory = DeviceMemory()
    private(set) var loaded: Set<Place> = []
    private(set) var stored: Set<Place> = []

    func load(_ slice: Slice) -> [UInt8] {
        if !stored.contains(Place(slice)) { loaded.insert(Place(slice)) }
        return memory.load(slice)
    }

    func store(_ bytes: [UInt8], to slice: Slice) {
        stored.insert(Place(slice))
        memory.store(bytes, to: slice)
    }
}
