/// One piece of work for a device: the operands, the options, and what it computes.
///
/// Every kernel is a value declared in `Kernels/`, whose comment gives the formula and which names its operands. Its `reference` in `Reference/` is the
/// specification in plain Swift, against which every other implementation is tested; a device's own versions live in the device's folder.
package protocol Kernel: OperandGroup {
    /// Short name for errors and tables.
    static var name: String { get }
    /// Computes the kernel element by element.
    func reference(_ memory: some ReferenceMemory)
}

/// How a reference implementation reads and writes operands: whole arrays in, whole arrays out, whatever memory they live in.
package protocol ReferenceMemory {
    func load(_ slice: Slice) -> [UInt8]
    func store(_ bytes: [UInt8], to slice: Slice)
}

extension ReferenceMemory {
    /// The elements of `slice`, widened to float32 exactly (integers up to 2^24).
    package func floats(_ slice: Slice) -> [Float] { slice.dtype.floats(in: load(slice)) }

    /// The elements of an integer `slice`.
    package func integers(_ slice: Slice) -> [Int] { slice.dtype.integers(in: load(slice)) }

    /// Writes `values`, each rounded once to the slice's type (nearest, ties to even; integers truncate toward zero and saturate).
    package func store(_ values: [Float], to slice: Slice) {
        precondition(values.count == slice.count, "\(values.count) values for a slice of \(slice.count)")
        store(slice.dtype.bytes(of: values), to: slice)
    }

    /// Writes integers into an integer slice, saturating.
    package func store(_ values: [Int], to slice: Slice) {
        precondition(values.count == slice.count, "\(values.count) values for a slice of \(slice.count)")
        store(slice.dtype.bytes(of: values), to: slice)
    }
}
