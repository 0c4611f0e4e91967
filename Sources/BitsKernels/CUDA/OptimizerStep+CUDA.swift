extension OptimizerStep: CUDAKernel {
    /// A rule given from outside is a function of the host's.
    var suitsCUDA: Bool { parameters.allSatisfy { !$0.update.rule.isCustom } }

    func launch(on queue: CUDAQueue) {
        var plan = StepPlan(parameters.count, sharedByteCount: queue.properties.sharedByteCount)
        let span = parameters.span
        for i in span.indices where span[i].parameter.count > 0 { plan.add(span[i]) }
        plan.launch(on: queue)
    }
}

/// Which launches step which parameters.
///
/// A step of hundreds of small parameters takes the GPU little more than a tenth of a millisecond: this is written to take the host no longer.
private struct StepPlan {
    private static let units = CUDAFunction("optimizer", "step_units")
    private static let squares = CUDAFunction("optimizer", "step_squares")
    private static let trusts = CUDAFunction("optimizer", "step_trust")

    private let count: Int
    private let sharedByteCount: Int
    /// The codebooks' tables; entries know theirs by number until they are uploaded.
    private var requests: [CodeTableRequest] = []
    /// Parameters whose steps are bounded by their norms; those that take part in others' launches know their place here plus 1.
    private var measured: [StepEntry] = []
    private var chunkCount = 0
    private var groups: [(group: OrdinaryGroup, entries: [StepEntry])] = []
    private var others: [StepEntry] = []

    init(_ count: Int, sharedByteCount: Int) { (self.count, self.sharedByteCount) = (count, sharedByteCount) }

    mutating func add(_ parameter: ParameterStep) {
        var entry = StepEntry(parameter)
        for k in parameter.moments.indices {
            guard let blocks = parameter.moments[k].blocks else { continue }
            let isPositive = parameter.update.rule.isPositive(k)
            entry.tables[k] = number(of: CodeTableRequest(blocks.codebook, keepsSign: blocks.isSigned, isPositive: isPositive))
        }
        if parameter.update.trust != nil {
            entry.chunk = Int32(chunkCount)
            chunkCount += (Int(entry.count) + 4095) / 4096
            measured.append(entry)
            entry.trust = UInt64(measured.count)
        }
        guard let group = OrdinaryGroup(parameter, entry), group.sharedByteCount <= sharedByteCount else { return others.append(entry) }
        let whole = group.wholeCount(entry)
        if whole < entry.count { others.append(entry.part(whole..<entry.count)) }
        guard whole > 0 else { return }
        var place = groups.count - 1
        while place >= 0 && groups[place].group != group { place -= 1 }
        if place < 0 {
            place = groups.count
            groups.append((group, []))
            // Nearly always there is one group.
            if place == 0 { groups[0].entries.reserveCapacity(count) }
        }
        entry.count = whole
        groups[place].entries.append(entry)
    }

    private mutating func number(of request: CodeTableRequest) -> UInt64 {
        if let known = requests.firstIndex(of: request) { return UInt64(known) }
        requests.append(request)
        return UInt64(requests.count - 1)
    }

    mutating func launch(on queue: CUDAQueue) {
        // Addresses of what is allocated here go into tables, so it is held until everything is queued.
        let tables = queue.codeTables(requests)
        let trust = measured.isEmpty ? nil : measure(tables, on: queue)
        defer { withExtendedLifetime((tables, trust)) {} }
        for i in groups.indices {
            let (group, entryCount) = (groups[i].group, groups[i].entries.count)
            let (steps, unitCount) = StepPlan.upload(&groups[i].entries, tables, trust, on: queue)
            guard group.isInBlocks else {
                group.launch(steps, count: entryCount, unitCount: unitCount, on: queue)
                continue
            }
            let noted = queue.scratch(.int32, count: 1 + unitCount)
            queue.clear(noted[0..<1])
            group.launch(steps, count: entryCount, blockCount: unitCount, noted: noted, on: queue)
            queue.launch(
                StepPlan.units, blocks: queue.blocks(for: unitCount, perMultiprocessor: 4), threads: 256, steps, Int32(entryCount), unitCount,
                Slice?.some(noted))
        }
        guard !others.isEmpty else { return }
        let (steps, unitCount) = StepPlan.upload(&others, tables, trust, on: queue)
        queue.launch(
            StepPlan.units, blocks: queue.blocks(for: unitCount, perMultiprocessor: 64), threads: 256, steps, Int32(others.count), unitCount,
            Slice?.none)
    }

    /// What the steps of ``measured`` are multiplied by.
    private mutating func measure(_ tables: Slice, on queue: CUDAQueue) -> Slice {
        let (steps, _) = StepPlan.upload(&measured, tables, nil, on: queue)
        let sums = queue.scratch(.int64, count: 2 * chunkCount)
        let trust = queue.scratch(.float32, count: measured.count)
        queue.launch(
            StepPlan.squares, blocks: queue.blocks(for: chunkCount, each: 16, perMultiprocessor: 32), threads: 256, steps, Int32(measured.count),
            chunkCount, sums)
        queue.launch(StepPlan.trusts, blocks: measured.count, threads: 32, steps, sums, trust)
        return trust
    }

    /// The entries as one table, with addresses for numbers and their units counted, and how many units there are.
    private static func upload(_ entries: inout [StepEntry], _ tables: Slice, _ trust: Slice?, on queue: CUDAQueue) -> (Slice, Int) {
        var unitCount: Int64 = 0
        for i in entries.indices {
            entries[i].settle(&unitCount, tables: UInt64(tables.deviceAddress), trust: trust.map { UInt64($0.deviceAddress) })
        }
        return (queue.upload(entries), Int(unitCount))
    }
}

/// Parameters that one launch of a rule's own version steps: everything but their memory is the same.
private struct OrdinaryGroup: Equatable {
    private let rule: Int32
    /// Of parameters and gradients, where moments are in blocks; versions for moments in float32 take any.
    private let dtype: DType?
    private let tables: Triple
    private let numbers: UpdateNumbers
    /// The codebooks, and the entries of their tables.
    let sharedByteCount: Int
    /// `THREADS` of `optimizer.cu`.
    private let threads: Int

    private static let rules = ["adam", "ademamix", "momentum", "rmsprop", "adagrad", "lion"]
    private static let blocks = rules.map { CUDAFunctions("optimizer", $0) }
    private static let floats = rules.map { CUDAFunction("optimizer", "\($0)_floats") }

    /// nil where the parameter has no such version.
    init?(_ parameter: ParameterStep, _ entry: StepEntry) {
        let update = parameter.update
        let isInBlocks = entry.blockSize == 256
        guard
            isInBlocks || entry.blockSize == 0, Int(entry.moments) == update.rule.ordinaryMomentCount, !update.skipsZeros,
            update.gradientLimit == .infinity, (entry.parameter | entry.gradient) % 16 == 0,
            (entry.values[0] | entry.values[1] | entry.values[2]) % (isInBlocks ? 8 : 16) == 0
        else { return nil }
        if isInBlocks {
            guard entry.parameterType == entry.gradientType, update.coupledDecay == 0 || !update.decaysFirst, entry.count >= 256 else { return nil }
        }
        (rule, tables, numbers) = (entry.rule, entry.tables, entry.numbers)
        dtype = isInBlocks ? parameter.parameter.dtype : nil
        var words = 0
        for k in 0..<Int(entry.moments) where isInBlocks { words += 256 + (update.rule.isPositive(k) ? 2948 : 5892) }
        sharedByteCount = 4 * words
        let registers = 4 * Int(entry.moments) + parameter.parameter.dtype.byteCount
        threads = !isInBlocks ? 256 : registers > 14 ? 320 : registers > 10 ? 384 : 512
    }

    var isInBlocks: Bool { dtype != nil }

    /// How many elements of a parameter the version takes, from the first on.
    func wholeCount(_ entry: StepEntry) -> Int64 { entry.count & (isInBlocks ? ~255 : ~7) }

    func launch(_ steps: Slice, count: Int, blockCount: Int, noted: Slice, on queue: CUDAQueue) {
        guard let dtype else { return }
        queue.launch(
            OrdinaryGroup.blocks[Int(rule)][dtype], blocks: queue.blocks(for: blockCount, each: 128, perMultiprocessor: 20), threads: threads,
            sharedByteCount: sharedByteCount, steps, Int32(count), blockCount, noted, numbers.beta1, numbers.gain1, numbers.beta2, numbers.gain2,
            numbers.beta3, numbers.gain3, numbers.alpha, numbers.bias, numbers.epsilon, numbers.flags, numbers.step,
            numbers.decaysFirst ? numbers.decay : 1, numbers.decaysFirst ? 1 : numbers.decay, numbers.coupledDecay)
    }

    func launch(_ steps: Slice, count: Int, unitCount: Int, on queue: CUDAQueue) {
        queue.launch(
            OrdinaryGroup.floats[Int(rule)], blocks: queue.blocks(for: unitCount, perMultiprocessor: 64), threads: threads, steps, Int32(count),
            unitCount, numbers.beta1, numbers.gain1, numbers.beta2, numbers.gain2, numbers.beta3, numbers.gain3, numbers.alpha, numbers.bias,
            numbers.epsilon, numbers.flags, numbers.step, numbers.decay, numbers.coupledDecay)
    }
}

extension ElementRule {
    fileprivate var isCustom: Bool {
        if case .custom = self { true } else { false }
    }

    /// Whether moment `k` is a sum of squares.
    fileprivate func isPositive(_ k: Int) -> Bool {
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
