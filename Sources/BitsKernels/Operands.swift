/// Something that holds operands: a kernel, or what several kernels take, like the parts of a quantized matrix.
package protocol OperandGroup: Sendable {
    /// Every operand, named once, with what the kernel does to it.
    ///
    /// The one place that says so: from here come the check that operands lie on the device, the order that a queue has to keep, and what may not overlap.
    static var operandList: OperandList<Self> { get }
}

/// What a kernel does to an operand.
package enum OperandAccess: Sendable {
    case reads
    /// All of it: what it held before does not matter.
    case writes
    /// Reads and writes, or writes parts.
    case updates
}

/// One operand of a kernel.
package struct Operand: Sendable {
    /// Its name in the kernel's declaration, behind that of its group where it is in one: `weight.codes`, `moments[1].values`.
    package let name: String
    package let access: OperandAccess
    package let slice: Slice
    /// Whether the kernel may write the very slice that it reads here: each element is read before the one in its place is written.
    package let worksInPlace: Bool
}

extension Kernel {
    /// The operands in the order of their declaration.
    package var operands: [Operand] {
        var (kernel, visitor) = (self, OperandVisitor(.list))
        visitor.visit(&kernel)
        return visitor.operands
    }

    /// What the kernel writes, all of it or parts.
    package var written: [Slice] {
        var (kernel, visitor) = (self, OperandVisitor(.findWritten))
        visitor.visit(&kernel)
        return visitor.written
    }

    /// The kernel with the same operands, which it does not keep: for a device that works later.
    package func borrowingOperands() -> Self {
        var (kernel, visitor) = (self, OperandVisitor(.borrow))
        visitor.visit(&kernel)
        return kernel
    }

    /// The first operand that does not lie on `device`, in words; nil where there is none, as it has to be.
    package mutating func misplacement(on device: Device) -> String? {
        var visitor = OperandVisitor(.check(ObjectIdentifier(device.backend)))
        visitor.visit(&self)
        guard visitor.isMisplaced, let stray = operands.first(where: { $0.slice.device != device }) else { return nil }
        return "\(Self.name) on \(device.name): its operand '\(stray.name)' lies on \(stray.slice.device.name); move it first"
    }

    /// The first two operands that share memory of which one is written, in words; nil where there are none, as it has to be.
    package var overlap: String? {
        let operands = operands
        for (index, written) in operands.enumerated() where written.access != .reads {
            for (other, operand) in operands.enumerated() where index != other && written.slice.overlaps(operand.slice) {
                if operand.worksInPlace && operand.slice.isSame(as: written.slice) { continue }
                return "\(Self.name) writes '\(written.name)' over '\(operand.name)'"
            }
        }
        return nil
    }
}

/// Goes through the operands of a kernel.
package struct OperandVisitor {
    enum Purpose {
        /// Finds out whether an operand is not on the backend's device; done for every kernel that runs, so it is to cost next to nothing.
        case check(ObjectIdentifier)
        case list
        /// Collects what is written, without names: done for every kernel too, where memory is only counted.
        case findWritten
        /// Collects addresses alone: done for every kernel that is recorded.
        case findMemory
        /// Replaces every operand by one without a share in its memory.
        case borrow
    }

    private let purpose: Purpose
    /// The groups that are being visited where operands are listed, outermost first, and the place of each where it is one of several.
    private var groups: [(name: StaticString, index: Int?)] = []
    private(set) var operands: [Operand] = []
    private(set) var written: [Slice] = []
    private(set) var footprint = KernelFootprint()
    private(set) var isMisplaced = false

    init(_ purpose: Purpose) { self.purpose = purpose }

    /// Whether what is visited changes.
    var replacesOperands: Bool {
        if case .borrow = purpose { true } else { false }
    }

    /// What the kernel reads.
    ///
    /// - Parameter inPlace: whether it may also be a slice that the kernel writes; see ``Operand/worksInPlace``.
    mutating func reads(_ name: StaticString, _ place: inout some OperandPlace, inPlace: Bool = false) {
        place.visit(name, .reads, inPlace: inPlace, &self)
    }

    mutating func writes(_ name: StaticString, _ place: inout some OperandPlace) { place.visit(name, .writes, inPlace: false, &self) }

    mutating func updates(_ name: StaticString, _ place: inout some OperandPlace) { place.visit(name, .updates, inPlace: false, &self) }

    /// The operands of `group`, under their own names.
    mutating func visit<Group: OperandGroup>(_ group: inout Group) { Group.operandList.visit(&group, &self) }

    /// The operands of a part of what is visited, under its name; `index` tells it from others of that name.
    mutating func visit(_ part: inout some OperandGroup, named name: StaticString, index: Int? = nil) {
        guard case .list = purpose else { return visit(&part) }
        groups.append((name, index))
        visit(&part)
        groups.removeLast()
    }

    mutating func visit(
        _ slice: inout Slice, named name: StaticString, index: Int? = nil, _ access: OperandAccess, inPlace: Bool = false
    ) {
        switch purpose {
        case .check(let backend): if ObjectIdentifier(slice.buffer.device.backend) != backend { isMisplaced = true }
        case .findWritten: if access != .reads { written.append(slice) }
        case .findMemory: footprint.add(slice, access)
        case .borrow: slice = slice.borrowed()
        case .list:
            let prefix = groups.map { "\($0.name)\(OperandVisitor.text($0.index))." }.joined()
            operands.append(Operand(name: "\(prefix)\(name)\(OperandVisitor.text(index))", access: access, slice: slice, worksInPlace: inPlace))
        }
    }

    private static func text(_ index: Int?) -> String { index.map { "[\($0)]" } ?? "" }
}

extension Slice {
    fileprivate func overlaps(_ other: Slice) -> Bool { device == other.device && addresses.overlaps(other.addresses) }

    /// Whether both are the same elements of the same memory.
    package func isSame(as other: Slice) -> Bool { dtype == other.dtype && addresses == other.addresses && device == other.device }

    var addresses: Range<UInt> {
        let start = buffer.address + UInt(byteOffset)
        return start..<start + UInt(byteCount)
    }
}
