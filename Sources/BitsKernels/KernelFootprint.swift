/// The memory that a kernel reads and writes: what says whether it may change places with another.
struct KernelFootprint: Sendable {
    private(set) var reads: [Range<UInt>] = []
    private(set) var writes: [Range<UInt>] = []

    init() {}

    init(_ kernel: some Kernel) {
        var (kernel, visitor) = (kernel, OperandVisitor(.findMemory))
        visitor.visit(&kernel)
        self = visitor.footprint
    }

    mutating func add(_ operand: Slice, _ access: OperandAccess) {
        if operand.count == 0 { return }
        if access != .writes { reads.append(operand.addresses) }
        if access != .reads { writes.append(operand.addresses) }
    }

    /// Whether the order of the two matters.
    func conflicts(with later: KernelFootprint) -> Bool { isOverwritten(by: later) || isRead(by: later) }

    /// Whether `later` writes what this one reads or writes.
    func isOverwritten(by later: KernelFootprint) -> Bool { Self.meet(writes, later.writes) || Self.meet(reads, later.writes) }

    /// Whether `later` reads what this one writes.
    func isRead(by later: KernelFootprint) -> Bool { Self.meet(writes, later.reads) }

    private static func meet(_ a: [Range<UInt>], _ b: [Range<UInt>]) -> Bool { a.contains { first in b.contains { first.overlaps($0) } } }
}
