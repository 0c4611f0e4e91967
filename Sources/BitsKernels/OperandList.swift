/// The operands of a kernel or a part of one: the properties that hold them, each with its name and what is done to it.
///
/// ```swift
/// static let operandList: OperandList<Self> = [.reads("input", \.input, inPlace: true), .reads("bias", \.bias), .writes("output", \.output)]
/// ```
package struct OperandList<Group: Sendable>: ExpressibleByArrayLiteral, Sendable {
    /// Safe: an entry is visited by its own list alone, at the address of a group that the list was made for.
    @safe package struct Entry: Sendable {
        /// Visits what the entry stands for, in the group at an address.
        fileprivate let visit: @Sendable (UnsafeMutableRawPointer, inout OperandVisitor) -> Void
    }

    private let entries: [Entry]

    package init(arrayLiteral entries: Entry...) { self.entries = entries }

    func visit(_ group: inout Group, _ visitor: inout OperandVisitor) {
        unsafe withUnsafeMutableBytes(of: &group) { bytes in
            guard let start = bytes.baseAddress else { return }
            for entry in entries { unsafe entry.visit(start, &visitor) }
        }
    }
}

extension OperandList.Entry {
    /// What the kernel reads.
    ///
    /// - Parameter inPlace: whether it may also be a slice that the kernel writes; see ``Operand/worksInPlace``.
    package static func reads(_ name: StaticString, _ path: WritableKeyPath<Group, some OperandPlace>, inPlace: Bool = false) -> Self {
        property(path) { $1.reads(name, &$0, inPlace: inPlace) }
    }

    package static func writes(_ name: StaticString, _ path: WritableKeyPath<Group, some OperandPlace>) -> Self {
        property(path) { $1.writes(name, &$0) }
    }

    package static func updates(_ name: StaticString, _ path: WritableKeyPath<Group, some OperandPlace>) -> Self {
        property(path) { $1.updates(name, &$0) }
    }

    /// A part with operands of its own, whose names stand behind its.
    package static func group(_ name: StaticString, _ path: WritableKeyPath<Group, some OperandGroup>) -> Self {
        property(path) { $1.visit(&$0, named: name) }
    }

    package static func group<Part: OperandGroup>(_ name: StaticString, _ path: WritableKeyPath<Group, Part?>) -> Self {
        property(path) { if $0 != nil { $1.visit(&$0!, named: name) } }
    }

    package static func group(_ name: StaticString, _ path: WritableKeyPath<Group, [some OperandGroup]>) -> Self {
        property(path) { parts, visitor in
            if visitor.replacesOperands {
                for index in parts.indices { visitor.visit(&parts[index], named: name, index: index) }
            } else {
                // Only looked at, so an array that is shared need not be copied.
                unsafe parts.withUnsafeBufferPointer { parts in
                    for index in parts.indices {
                        unsafe visitor.visit(&UnsafeMutablePointer(mutating: parts.baseAddress! + index).pointee, named: name, index: index)
                    }
                }
            }
        }
    }

    /// A part whose operands are named as if they were the kernel's own.
    package static func parts(_ path: WritableKeyPath<Group, some OperandGroup>) -> Self { property(path) { $1.visit(&$0) } }

    package static func parts<Part: OperandGroup>(_ path: WritableKeyPath<Group, Part?>) -> Self {
        property(path) { if $0 != nil { $1.visit(&$0!) } }
    }

    /// Operands that are no properties, or depend on others.
    package static func visiting(_ body: @escaping @Sendable (inout Group, inout OperandVisitor) -> Void) -> Self { property(\.self, body) }

    /// The property is found by its place in memory: a kernel is visited whenever it runs, which is to cost next to nothing.
    private static func property<Value: Sendable>(
        _ path: WritableKeyPath<Group, Value>, _ visit: @escaping @Sendable (inout Value, inout OperandVisitor) -> Void
    ) -> Self {
        guard let offset = MemoryLayout<Group>.offset(of: path) else { preconditionFailure("an operand of \(Group.self) is not stored") }
        return unsafe Self { group, visitor in unsafe visit(&(group + offset).assumingMemoryBound(to: Value.self).pointee, &visitor) }
    }
}

/// Where operands stand in a kernel: a slice, one that may be missing, several.
package protocol OperandPlace: Sendable {
    mutating func visit(_ name: StaticString, _ access: OperandAccess, inPlace: Bool, _ visitor: inout OperandVisitor)
}

extension Slice: OperandPlace {
    package mutating func visit(_ name: StaticString, _ access: OperandAccess, inPlace: Bool, _ visitor: inout OperandVisitor) {
        visitor.visit(&self, named: name, access, inPlace: inPlace)
    }
}

extension StridedSlice: OperandPlace {
    package mutating func visit(_ name: StaticString, _ access: OperandAccess, inPlace: Bool, _ visitor: inout OperandVisitor) {
        visitor.visit(&slice, named: name, access, inPlace: inPlace && isContiguous)
    }
}

extension Optional: OperandPlace where Wrapped: OperandPlace {
    package mutating func visit(_ name: StaticString, _ access: OperandAccess, inPlace: Bool, _ visitor: inout OperandVisitor) {
        self?.visit(name, access, inPlace: inPlace, &visitor)
    }
}

extension [Slice]: OperandPlace {
    package mutating func visit(_ name: StaticString, _ access: OperandAccess, inPlace: Bool, _ visitor: inout OperandVisitor) {
        for index in indices { visitor.visit(&self[index], named: name, index: index, access, inPlace: inPlace) }
    }
}
