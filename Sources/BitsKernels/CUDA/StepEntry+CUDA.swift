/// One parameter of an optimizer's steps, as `optimizer.cu` reads it: `ParameterStep` there.
struct StepEntry: BitwiseCopyable {
    var parameter, gradient: UInt64
    private var scale: UInt64
    var trust: UInt64 = 0
    var values = Triple()
    var absmax = Triple()
    var tables = Triple()
    var numbers: UInt64
    var count: Int64
    /// Of its units, among those of all parameters of a launch.
    var first: Int64 = 0
    /// Elements that a block of threads steps together: whole blocks of the moments.
    let unit: Int32
    let blockSize: Int32
    private let blockShift: Int32
    let parameterType, gradientType: Int32
    let moments: Int32
    private let signs: Int32
    let rule: Int32
    /// The first of its norm chunks.
    var chunk: Int32 = 0

    /// - Parameter slot: of its update's numbers in their table.
    init(_ step: ParameterStep, rule: Int32, slot: Int) {
        let blockSize = step.moments.first?.blocks?.size ?? 0
        var signs: Int32 = 0
        for k in step.moments.indices {
            values[k] = UInt64(step.moments[k].values.deviceAddress)
            guard let blocks = step.moments[k].blocks else { continue }
            absmax[k] = UInt64(blocks.absmax.deviceAddress)
            if blocks.isSigned { signs |= 1 << Int32(k) }
        }
        parameter = UInt64(step.parameter.deviceAddress)
        (gradient, scale) = StepEntry.gradient(step)
        count = Int64(step.parameter.count)
        unit = blockSize == 0 ? 2048 : Int32(max(blockSize, 256))
        self.blockSize = Int32(blockSize)
        blockShift = blockSize == 0 ? 0 : Int32(blockSize.trailingZeroBitCount)
        (parameterType, gradientType) = (step.parameter.dtype.code, step.gradient.dtype.code)
        moments = Int32(step.moments.count)
        self.signs = signs
        (self.rule, numbers) = (rule, UInt64(slot))
    }

    private static func gradient(_ step: ParameterStep) -> (UInt64, UInt64) {
        (UInt64(step.gradient.deviceAddress), step.gradientScale.map { UInt64($0.deviceAddress) } ?? 0)
    }

    /// Counts its units behind those before it, and puts addresses for what it knows by number: its tables, its numbers, its place in `trust`.
    mutating func settle(_ unitCount: inout Int64, tables address: UInt64, numbers numbersAddress: UInt64, trust trustAddress: UInt64?) {
        first = unitCount
        unitCount += (count + Int64(unit) - 1) / Int64(unit)
        for k in 0..<3 { tables[k] = address + tables[k] * UInt64(CUDAQueue.codeTableByteCount) }
        numbers = numbersAddress + numbers * UInt64(MemoryLayout<UpdateNumbers>.stride)
        if let trustAddress, trust > 0 { trust = trustAddress + 4 * (trust - 1) }
    }

    /// Takes the gradient and its scale from where they lie in `step`, from element `first` on.
    ///
    /// - Returns: whether it is as far from a multiple of 16 as the one before.
    mutating func moveGradient(_ step: ParameterStep, from first: Int64) -> Bool {
        let before = gradient
        (gradient, scale) = StepEntry.gradient(step)
        gradient += UInt64(first) * (gradientType == 0 ? 4 : 2)
        return gradient % 16 == before % 16
    }

    /// Elements `range`, which begin with a block.
    func part(_ range: Range<Int64>) -> StepEntry {
        var part = self
        let (first, block) = (UInt64(range.lowerBound), UInt64(range.lowerBound >> Int64(blockShift)))
        part.parameter += first * (parameterType == 0 ? 4 : 2)
        part.gradient += first * (gradientType == 0 ? 4 : 2)
        for k in 0..<Int(moments) {
            part.values[k] += first * (blockSize == 0 ? 4 : 1)
            part.absmax[k] += 4 * block
        }
        part.count = Int64(range.count)
        return part
    }
}

/// Up to three addresses; 0 where there is none.
struct Triple: BitwiseCopyable, Equatable {
    private var first: UInt64 = 0
    private var second: UInt64 = 0
    private var third: UInt64 = 0

    subscript(index: Int) -> UInt64 {
        get { index == 0 ? first : index == 1 ? second : third }
        set {
            switch index {
            case 0: first = newValue
            case 1: second = newValue
            default: third = newValue
            }
        }
    }
}

/// The numbers of an update, one after the other, as `optimizer.cu` reads them.
struct UpdateNumbers: BitwiseCopyable, Equatable {
    private(set) var flags: Int32 = 0
    private(set) var beta1: Float = 0
    private(set) var gain1: Float = 0
    private(set) var beta2: Float = 0
    private(set) var gain2: Float = 0
    private(set) var beta3: Float = 0
    private(set) var gain3: Float = 0
    private(set) var alpha: Float = 0
    private(set) var bias: Float = 0
    private(set) var epsilon: Float = 0
    let step, decay, coupledDecay: Float
    private let limit, trustLimit, directionScale: Float

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

    private init(_ update: ElementUpdate) {
        (step, decay, coupledDecay, limit) = (update.step, update.decay, update.coupledDecay, update.gradientLimit)
        (trustLimit, directionScale) = (update.trust?.limit ?? 0, update.trust?.directionScale ?? 0)
        set(Flag.decaysFirst, update.decaysFirst)
        set(Flag.skipsZeros, update.skipsZeros)
    }

    var decaysFirst: Bool { flags & Flag.decaysFirst != 0 }

    private mutating func set(_ flag: Int32, _ isSet: Bool) {
        if isSet { flags |= flag }
    }

    /// The rule's number, and the numbers of `update`.
    static func of(_ update: ElementUpdate) -> (rule: Int32, UpdateNumbers) {
        var n = UpdateNumbers(update)
        switch update.rule {
        case .adam(let rule):
            (n.beta1, n.gain1, n.beta2, n.gain2, n.epsilon) = (rule.beta1, rule.gain1, rule.beta2, rule.gain2, rule.epsilon)
            n.set(Flag.usesMaximum, rule.usesMaximum)
            return (0, n)
        case .adEMAMix(let rule):
            (n.beta1, n.gain1, n.beta2, n.gain2, n.beta3, n.gain3) = (rule.beta1, rule.gain1, rule.beta2, rule.gain2, rule.beta3, rule.gain3)
            (n.alpha, n.bias, n.epsilon) = (rule.alpha, rule.bias, rule.epsilon)
            return (1, n)
        case .momentum(let rule):
            (n.beta1, n.gain1) = (rule.beta, rule.gain)
            n.set(Flag.isFirst, rule.isFirst)
            n.set(Flag.isNesterov, rule.isNesterov)
            n.set(Flag.roundsTwice, rule.roundsTwice)
            return (2, n)
        case .rmsProp(let rule):
            (n.beta1, n.gain1, n.beta2, n.epsilon) = (rule.beta, rule.gain, rule.momentum ?? 0, rule.epsilon)
            n.set(Flag.isCentered, rule.isCentered)
            n.set(Flag.hasMomentum, rule.momentum != nil)
            return (3, n)
        case .adagrad(let rule):
            n.epsilon = rule.epsilon
            return (4, n)
        case .lion(let rule):
            (n.beta1, n.gain1, n.beta2, n.gain2) = (rule.beta1, rule.gain1, rule.beta2, rule.gain2)
            return (5, n)
        case .custom:
            preconditionFailure("a rule of the host's on a GPU")
        }
    }
}
