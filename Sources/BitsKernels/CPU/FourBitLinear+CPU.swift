internal import CBitsCPU

extension FourBitLinear: CPUKernel {
    func runOnCPU() -> Int32 {
        if let update {
            let narrow = narrowProduct(update) { Device.cpu.allocate(precision.dtype, count: m * update.rank) }
            return runInOrder(withoutUpdate, narrow, addition(of: narrow.output, update))
        }
        var product = unsafe inC
        return unsafe bits_cpu_four_bit_linear(input.pointer, input.dtype.code, &product, 1, Int64(m), precision.rawValue)
    }

    /// The product as the C kernels take it; valid while the slices live.
    fileprivate var inC: bits_four_bit_product {
        unsafe bits_four_bit_product(
            weight: weight.inC, bias: bias?.pointer, y: output.pointer, bias_dtype: bias?.dtype.code ?? 0, y_dtype: output.dtype.code)
    }
}

/// ``FourBitLinear`` with one input and several weights, as one piece of work for all threads: what a token asks of a weight is short, and the end of each
/// such piece waits for its last thread.
struct JoinedFourBitLinear: CPUKernel {
    static let name = FourBitLinear.name
    private(set) var products: [FourBitLinear]

    init(_ first: FourBitLinear) { products = [first] }

    static let operandList: OperandList<Self> = [.group("products", \.products)]

    /// Takes a product that comes next; false where it has another input, or has to come later than those that are there.
    mutating func add(_ next: FourBitLinear) -> Bool {
        let first = products[0]
        guard
            products.count < BITS_MOST_FOUR_BIT_PRODUCTS, next.input.isSame(as: first.input), next.weight.columns == first.weight.columns,
            next.precision == first.precision, first.update == nil, next.update == nil
        else { return false }
        var joined = self
        joined.products.append(next)
        guard joined.overlap == nil else { return false }
        self = joined
        return true
    }

    func runOnCPU() -> Int32 {
        let first = products[0]
        let list = unsafe products.map { unsafe $0.inC }
        return unsafe bits_cpu_four_bit_linear(
            first.input.pointer, first.input.dtype.code, list, Int64(list.count), Int64(first.m), first.precision.rawValue)
    }

    func reference(_ memory: some ReferenceMemory) { for product in products { product.reference(memory) } }
}

extension FourBitLinearInputGradient: CPUKernel {
    func runOnCPU() -> Int32 {
        if let update {
            let narrow = narrowProduct(update) { Device.cpu.allocate(precision.dtype, count: m * update.rank) }
            return runInOrder(withoutUpdate, narrow, addition(of: narrow.output, update))
        }
        var weight = unsafe weight.inC
        return unsafe bits_cpu_four_bit_linear_input_gradient(
            outputGradient.pointer, outputGradient.dtype.code, &weight, inputGradient.pointer, inputGradient.dtype.code, Int64(m), precision.rawValue)
    }
}

extension FourBitMatrix {
    /// The matrix as the C kernels take it; valid while the slices live.
    var inC: bits_four_bit_matrix {
        var result = unsafe bits_four_bit_matrix()
        unsafe result.packed = UnsafePointer(packed.pointer.assumingMemoryBound(to: UInt8.self))
        unsafe result.rows = Int64(rows)
        unsafe result.columns = Int64(columns)
        unsafe result.block_size = Int64(blockSize)
        unsafe result.code = UnsafePointer(code.floats)
        switch scales {
        case .plain(let absmax):
            unsafe result.absmax = UnsafePointer(absmax.floats)
        case .nested(let codes, let code, let absmax, let offset, let blockSize):
            unsafe result.absmax_codes = UnsafePointer(codes.bytes)
            unsafe result.nested_code = UnsafePointer(code.floats)
            unsafe result.nested_absmax = UnsafePointer(absmax.floats)
            unsafe result.nested_offset = UnsafePointer(offset.floats)
            unsafe result.nested_block_size = Int64(blockSize)
        }
        return unsafe result
    }
}
