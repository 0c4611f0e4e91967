/// Parameters that one launch of a rule's own version steps: everything but their memory is the same.
struct OrdinaryGroup: Equatable {
    private let rule: StepRule
    /// Of parameters and gradients, where moments are in blocks; versions for moments in float32 take any.
    private let dtype: DType?
    private let tables: Triple
    /// Of the update's numbers in their table.
    let slot: Int
    /// The codebooks, and the entries of their tables.
    let sharedByteCount: Int
    /// `THREADS` of `optimizer.cu`.
    private let threads: Int

    /// Of blocks that have a version: elements that a warp steps.
    private static let blockSize: Int32 = 256
    private static let blocks = StepRule.allCases.map { CUDAFunctions("optimizer", $0.name) }
    private static let floats = StepRule.allCases.map { CUDAFunction("optimizer", "\($0.name)_floats") }

    /// nil where the parameter has no such version.
    init?(_ parameter: ParameterStep, _ rule: StepRule, _ entry: StepEntry, slot: Int) {
        let update = parameter.update
        let isInBlocks = entry.blockSize == OrdinaryGroup.blockSize
        guard
            isInBlocks || entry.blockSize == 0, update.isOrdinary, Int(entry.moments) == update.rule.ordinaryMomentCount,
            (entry.parameter | entry.gradient) % 16 == 0, (entry.values[0] | entry.values[1] | entry.values[2]) % (isInBlocks ? 8 : 16) == 0
        else { return nil }
        if isInBlocks {
            guard entry.parameterType == entry.gradientType, update.isOrdinaryInBlocks, entry.count >= OrdinaryGroup.blockSize else { return nil }
        }
        (self.rule, tables, self.slot) = (rule, entry.tables, slot)
        dtype = isInBlocks ? parameter.parameter.dtype : nil
        let moments = 0..<(isInBlocks ? Int(entry.moments) : 0)
        sharedByteCount = moments.reduce(0) { $0 + CodeTable.sharedByteCount(isPositive: update.rule.isPositive($1)) }
        let registers = 4 * Int(entry.moments) + parameter.parameter.dtype.byteCount
        threads = !isInBlocks ? 256 : registers > 14 ? 320 : registers > 10 ? 384 : 512
    }

    var isInBlocks: Bool { dtype != nil }

    /// How many elements of a parameter the version takes, from the first on.
    func wholeCount(_ entry: StepEntry) -> Int64 { entry.count & ~(isInBlocks ? Int64(OrdinaryGroup.blockSize) - 1 : 7) }

    func launch(_ steps: StepTable, _ numbers: UpdateNumbers, noted: Slice, on queue: CUDAQueue) {
        guard let dtype else { return }
        queue.launch(
            OrdinaryGroup.blocks[Int(rule.rawValue)][dtype], blocks: queue.blocks(for: steps.unitCount, each: 128, perMultiprocessor: 20),
            threads: threads, sharedByteCount: sharedByteCount, steps.slice, Int32(steps.count), steps.unitCount, noted, numbers.beta1, numbers.gain1,
            numbers.beta2, numbers.gain2, numbers.beta3, numbers.gain3, numbers.alpha, numbers.bias, numbers.epsilon, numbers.flags, numbers.step,
            numbers.decaysFirst ? numbers.decay : 1, numbers.decaysFirst ? 1 : numbers.decay, numbers.coupledDecay)
    }

    func launch(_ steps: StepTable, _ numbers: UpdateNumbers, on queue: CUDAQueue) {
        queue.launch(
            OrdinaryGroup.floats[Int(rule.rawValue)], blocks: queue.blocks(for: steps.unitCount, perMultiprocessor: 64), threads: threads,
            steps.slice, Int32(steps.count), steps.unitCount, numbers.beta1, numbers.gain1, numbers.beta2, numbers.gain2, numbers.beta3,
            numbers.gain3, numbers.alpha, numbers.bias, numbers.epsilon, numbers.flags, numbers.step, numbers.decay, numbers.coupledDecay)
    }
}

extension ElementUpdate {
    /// Whether a rule's own versions may step with it.
    var isOrdinary: Bool { rule.ordinaryMomentCount != nil && !skipsZeros && gradientLimit == .infinity }

    /// Whether, beside that, the versions for moments in blocks may.
    var isOrdinaryInBlocks: Bool { coupledDecay == 0 || !decaysFirst }
}

extension ElementRule {
    var isCustom: Bool {
        if case .custom = self { true } else { false }
    }

    /// Whether moment `k` is a sum of squares.
    func isPositive(_ k: Int) -> Bool {
        switch self {
        case .adam: k > 0
        case .adEMAMix: k == 2
        case .rmsProp, .adagrad: k == 0
        case .momentum, .lion, .custom: false
        }
    }

    /// How many moments the rule's own version takes; nil where there is none.
    fileprivate var ordinaryMomentCount: Int? {
        switch self {
        case .adam(let rule): rule.usesMaximum ? nil : 2
        case .adEMAMix: 3
        case .momentum, .adagrad, .lion: 1
        case .rmsProp(let rule): rule.isCentered || rule.momentum != nil ? nil : 1
        case .custom: nil
        }
    }
}
