extension OptimizerStep: CUDAKernel {
    private static let units = CUDAFunction("optimizer", "step_units")
    private static let squares = CUDAFunction("optimizer", "step_squares")
    private static let trusts = CUDAFunction("optimizer", "step_trust")

    /// A rule given from outside is a function of the host's.
    var suitsCUDA: Bool { parameters.allSatisfy { !$0.update.rule.isCustom } }

    func launch(on queue: CUDAQueue) {
        let parameters = parameters.filter { $0.parameter.count > 0 }
        guard !parameters.isEmpty else { return }
        var entries = parameters.map(StepEntry.init)
        // What the launches read is held until they are queued.
        let tables = Self.addTables(to: &entries, of: parameters, on: queue)
        let trust = Self.addTrust(to: &entries, of: parameters, on: queue)
        defer { withExtendedLifetime((tables, trust)) {} }

        var ordinary: [OrdinaryGroup: [StepEntry]] = [:]
        var others: [StepEntry] = []
        for (parameter, entry) in zip(parameters, entries) {
            guard let group = OrdinaryGroup(parameter, entry), group.sharedByteCount <= queue.properties.sharedByteCount else {
                others.append(entry)
                continue
            }
            let whole = parameter.parameter.count & ~255
            ordinary[group, default: []].append(entry.part(0..<whole, of: parameter))
            if whole < parameter.parameter.count { others.append(entry.part(whole..<parameter.parameter.count, of: parameter)) }
        }
        for (group, entries) in ordinary {
            let (steps, blockCount) = Self.upload(entries, on: queue)
            let noted = queue.scratch(.int32, count: 1 + blockCount)
            queue.clear(noted[0..<1])
            group.launch(steps, count: entries.count, blockCount: blockCount, noted: noted, on: queue)
            queue.launch(
                Self.units, blocks: queue.blocks(for: blockCount, perMultiprocessor: 4), threads: 256, steps, Int32(entries.count), blockCount,
                Slice?.some(noted))
        }
        guard !others.isEmpty else { return }
        let (steps, unitCount) = Self.upload(others, on: queue)
        queue.launch(
            Self.units, blocks: queue.blocks(for: unitCount, perMultiprocessor: 64), threads: 256, steps, Int32(others.count), unitCount, Slice?.none)
    }

    /// The entries as one table, their units numbered, and how many units there are.
    private static func upload(_ entries: [StepEntry], on queue: CUDAQueue) -> (Slice, Int) {
        var unitCount = 0
        let table = entries.map { entry in
            var entry = entry
            entry.first = Int64(unitCount)
            unitCount += (Int(entry.count) + Int(entry.unit) - 1) / Int(entry.unit)
            return entry
        }
        return (queue.upload(table), unitCount)
    }

    /// Makes the tables of all codebooks, each once.
    private static func addTables(to entries: inout [StepEntry], of parameters: [ParameterStep], on queue: CUDAQueue) -> Slice? {
        var places: [CodeTableRequest: Int] = [:]
        var requests: [CodeTableRequest] = []
        let own = parameters.map { parameter in
            parameter.moments.enumerated().compactMap { k, moment -> Int? in
                guard let blocks = moment.blocks else { return nil }
                let request = CodeTableRequest(
                    blocks.codebook, keepsSign: blocks.isSigned, isPositive: parameter.update.rule.positiveMoments.contains(k))
                if let place = places[request] { return place }
                requests.append(request)
                places[request] = requests.count - 1
                return requests.count - 1
            }
        }
        guard !requests.isEmpty else { return nil }
        let tables = queue.codeTables(requests)
        for (i, places) in own.enumerated() {
            entries[i].tables = triple(places.map { UInt64(tables.deviceAddress) + UInt64($0 * CUDAQueue.codeTableByteCount) })
        }
        return tables
    }

    /// Measures parameters and directions where that bounds the step.
    private static func addTrust(to entries: inout [StepEntry], of parameters: [ParameterStep], on queue: CUDAQueue) -> Slice? {
        let bounded = entries.indices.filter { parameters[$0].update.trust != nil }
        guard !bounded.isEmpty else { return nil }
        var chunkCount = 0
        let measured = bounded.map { i in
            var entry = entries[i]
            entry.chunk = Int32(chunkCount)
            chunkCount += (Int(entry.count) + 4095) / 4096
            return entry
        }
        let steps = queue.upload(measured)
        let sums = queue.scratch(.int64, count: 2 * chunkCount)
        let trust = queue.scratch(.float32, count: bounded.count)
        queue.launch(
            squares, blocks: queue.blocks(for: chunkCount, each: 16, perMultiprocessor: 32), threads: 256, steps, Int32(bounded.count), chunkCount,
            sums)
        queue.launch(trusts, blocks: bounded.count, threads: 32, steps, sums, trust)
        for (place, i) in bounded.enumerated() { entries[i].trust = UInt64(trust.deviceAddress) + UInt64(4 * place) }
        return trust
    }
}

/// Parameters that one launch of a rule's own version steps: everything but their memory is the same.
private struct OrdinaryGroup: Hashable {
    private let rule: Int32
    private let dtype: DType
    private let tables: [UInt64]
    private let flags: Int32
    private let numbers: [Float]
    /// The codebooks, and the entries of their tables.
    let sharedByteCount: Int
    /// `THREADS` of `optimizer.cu`.
    private let threads: Int

    private static let functions = ["adam", "ademamix", "momentum", "rmsprop", "adagrad", "lion"].map { CUDAFunctions("optimizer", $0) }

    /// nil where the parameter has no such version.
    init?(_ parameter: ParameterStep, _ entry: StepEntry) {
        let (update, moments) = (parameter.update, parameter.moments)
        let slices = [(parameter.parameter, 16), (parameter.gradient, 16)] + moments.map { ($0.values, 8) }
        guard
            entry.blockSize == 256, moments.count == update.rule.ordinaryMomentCount, parameter.parameter.dtype == parameter.gradient.dtype,
            parameter.parameter.count >= 256, !update.skipsZeros, update.gradientLimit == .infinity,
            update.coupledDecay == 0 || !update.decaysFirst,
            slices.allSatisfy({ slice, alignment in slice.deviceAddress % UInt(alignment) == 0 })
        else { return nil }
        (rule, dtype, flags) = (entry.rule, parameter.parameter.dtype, entry.flags)
        tables = [entry.tables.0, entry.tables.1, entry.tables.2]
        numbers = [
            entry.beta1, entry.gain1, entry.beta2, entry.gain2, entry.beta3, entry.gain3, entry.alpha, entry.bias, entry.epsilon, entry.step,
            entry.decay, entry.coupledDecay,
        ]
        let positive = update.rule.positiveMoments
        sharedByteCount = moments.indices.reduce(0) { $0 + 4 * (256 + (positive.contains($1) ? 1 : 2) * 2946) }
        let registers = 4 * moments.count + dtype.byteCount
        threads = registers > 14 ? 320 : registers > 10 ? 384 : 512
    }

    func launch(_ steps: Slice, count: Int, blockCount: Int, noted: Slice, on queue: CUDAQueue) {
        queue.launch(
            OrdinaryGroup.functions[Int(rule)][dtype], blocks: queue.blocks(for: blockCount, each: 128, perMultiprocessor: 20), threads: threads,
            sharedByteCount: sharedByteCount, steps, Int32(count), blockCount, noted, numbers[0], numbers[1], numbers[2], numbers[3], numbers[4],
            numbers[5], numbers[6], numbers[7], numbers[8], flags, numbers[9], numbers[10], numbers[11])
    }
}

/// `ParameterStep` of `optimizer.cu`.
private struct StepEntry: BitwiseCopyable {
    typealias Addresses = (UInt64, UInt64, UInt64)

    var parameter, gradient, scale: UInt64
    var trust: UInt64 = 0
    var values, absmax: Addresses
    var tables: Addresses = (0, 0, 0)
    var count: Int64
    var first: Int64 = 0
    var unit, blockSize, blockShift: Int32
    var parameterType, gradientType: Int32
    var moments, signs: Int32
    var rule: Int32 = 0
    var flags: Int32 = 0
    var beta1: Float = 0
    var gain1: Float = 0
    var beta2: Float = 0
    var gain2: Float = 0
    var beta3: Float = 0
    var gain3: Float = 0
    var alpha: Float = 0
    var bias: Float = 0
    var epsilon: Float = 0
    var step, decay, coupledDecay, limit, trustLimit, directionScale: Float
    var chunk: Int32 = 0

    init(_ step: ParameterStep) {
        let (update, size) = (step.update, step.moments.first?.blocks?.size ?? 0)
        parameter = UInt64(step.parameter.deviceAddress)
        gradient = UInt64(step.gradient.deviceAddress)
        scale = step.gradientScale.map { UInt64($0.deviceAddress) } ?? 0
        values = triple(step.moments.map { UInt64($0.values.deviceAddress) })
        absmax = triple(step.moments.compactMap { $0.blocks.map { UInt64($0.absmax.deviceAddress) } })
        count = Int64(step.parameter.count)
        (unit, blockSize, blockShift) = (size == 0 ? 1024 : Int32(max(size, 256)), Int32(size), Int32(size == 0 ? 0 : size.trailingZeroBitCount))
        (parameterType, gradientType) = (step.parameter.dtype.code, step.gradient.dtype.code)
        moments = Int32(step.moments.count)
        signs = step.moments.enumerated().reduce(0) { $0 | ($1.element.blocks?.isSigned == true ? 1 << Int32($1.offset) : 0) }
        (self.step, decay, coupledDecay, limit) = (update.step, update.decay, update.coupledDecay, update.gradientLimit)
        (trustLimit, directionScale) = (update.trust?.limit ?? 0, update.trust?.directionScale ?? 0)
        add(update.rule)
        if update.decaysFirst { flags |= Flag.decaysFirst }
        if update.skipsZeros { flags |= Flag.skipsZeros }
    }

    private enum Flag {
        static let decaysFirst: Int32 = 1
        static let skipsZeros: Int32 = 2
        static let usesMaximum: Int32 = 4
        static let isFirst: Int32 = 8
        static let isNesterov: Int32 = 16
        static let roundsTwice: Int32 = 32
        static let isCentered: Int32 = 64
        static let hasMomentum: Int32 = 128
    }

    private mutating func add(_ rule: ElementRule) {
        switch rule {
        case .adam(let rule):
            (beta1, gain1, beta2, gain2, epsilon) = (rule.beta1, rule.gain1, rule.beta2, rule.gain2, rule.epsilon)
            if rule.usesMaximum { flags |= Flag.usesMaximum }
        case .adEMAMix(let rule):
            self.rule = 1
            (beta1, gain1, beta2, gain2, beta3, gain3) = (rule.beta1, rule.gain1, rule.beta2, rule.gain2, rule.beta3, rule.gain3)
            (alpha, bias, epsilon) = (rule.alpha, rule.bias, rule.epsilon)
        case .momentum(let rule):
            self.rule = 2
            (beta1, gain1) = (rule.beta, rule.gain)
            if rule.isFirst { flags |= Flag.isFirst }
            if rule.isNesterov { flags |= Flag.isNesterov }
            if rule.roundsTwice { flags |= Flag.roundsTwice }
        case .rmsProp(let rule):
            self.rule = 3
            (beta1, gain1, beta2, epsilon) = (rule.beta, rule.gain, rule.momentum ?? 0, rule.epsilon)
            if rule.isCentered { flags |= Flag.isCentered }
            if rule.momentum != nil { flags |= Flag.hasMomentum }
        case .adagrad(let rule):
            self.rule = 4
            epsilon = rule.epsilon
        case .lion(let rule):
            self.rule = 5
            (beta1, gain1, beta2, gain2) = (rule.beta1, rule.gain1, rule.beta2, rule.gain2)
        case .custom:
            preconditionFailure("a rule of the host's on a GPU")
        }
    }

    /// Elements `range` of the parameter, which begin with a block.
    func part(_ range: Range<Int>, of step: ParameterStep) -> StepEntry {
        var part = self
        part.parameter += UInt64(range.lowerBound * step.parameter.dtype.byteCount)
        part.gradient += UInt64(range.lowerBound * step.gradient.dtype.byteCount)
        part.values = triple(step.moments.map { UInt64($0.values.deviceAddress) + UInt64(range.lowerBound * $0.values.dtype.byteCount) })
        let block = range.lowerBound >> Int(blockShift)
        part.absmax = triple(step.moments.compactMap { $0.blocks.map { UInt64($0.absmax.deviceAddress) + UInt64(4 * block) } })
        part.count = Int64(range.count)
        return part
    }
}

/// Up to three addresses, null for those that are not there.
private func triple(_ addresses: [UInt64]) -> StepEntry.Addresses {
    (addresses.first ?? 0, addresses.dropFirst().first ?? 0, addresses.dropFirst(2).first ?? 0)
}

extension ElementRule {
    fileprivate var isCustom: Bool {
        if case .custom = self { true } else { false }
    }

    /// The moments that are sums of squares.
    fileprivate var positiveMoments: [Int] {
        switch self {
        case .adam(let rule): rule.usesMaximum ? [1, 2] : [1]
        case .adEMAMix: [2]
        case .rmsProp, .adagrad: [0]
        case .momentum, .lion, .custom: []
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
