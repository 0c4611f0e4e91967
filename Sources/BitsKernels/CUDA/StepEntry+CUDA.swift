/// One parameter of an optimizer's steps, as `optimizer.cu` reads it: `ParameterStep` there. Addresses are of the first of its elements; 0 where there is none.
struct StepEntry: BitwiseCopyable {
    var parameter, gradient: UInt64
    /// Of the gradient's factor; 0 for 1.
    private var scale: UInt64
    /// Of what its step is multiplied by; 0 for 1. Until the entry is settled the place of that plus 1.
    var trust: UInt64 = 0
    /// Of each moment: its numbers or codes, the scales of its blocks, and the table to find its codes by, until the entry is settled that one's place.
    var values = Triple()
    var absmax = Triple()
    var tables = Triple()
    /// Of its update's numbers; until the entry is settled their place.
    var numbers: UInt64
    var count: Int64
    /// Of its units, among those of all parameters of a launch.
    var first: Int64 = 0
    /// Elements that a block of threads steps together: whole blocks of the moments.
    let unit: Int32
    /// Of the moments; 0 where they are in float32.
    let blockSize: Int32
    /// Its logarithm.
    private let blockShift: Int32
    /// As kernels number types.
    let parameterType, gradientType: Int32
    /// How many.
    let moments: Int32
    /// A bit for each moment that is signed.
    private let signs: Int32
    let rule: Int32
    /// The first of its norm chunks.
    var chunk: Int32 = 0

    /// `unit` of moments in float32.
    private static let floatUnit: Int32 = 2048
    /// Threads that step a unit, and the least elements of one of moments in blocks.
    private static let threads = 256

    /// - Parameter slot: of its update's numbers in their table.
    init(_ step: ParameterStep, rule: StepRule, slot: Int) {
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
        unit = blockSize == 0 ? StepEntry.floatUnit : Int32(max(blockSize, StepEntry.threads))
        self.blockSize = Int32(blockSize)
        blockShift = blockSize == 0 ? 0 : Int32(blockSize.trailingZeroBitCount)
        (parameterType, gradientType) = (step.parameter.dtype.code, step.gradient.dtype.code)
        moments = Int32(step.moments.count)
        self.signs = signs
        (self.rule, numbers) = (rule.rawValue, UInt64(slot))
    }

    private static func gradient(_ step: ParameterStep) -> (UInt64, UInt64) {
        (UInt64(step.gradient.deviceAddress), step.gradientScale.map { UInt64($0.deviceAddress) } ?? 0)
    }

    /// Counts its units behind those before it, and puts addresses for what it knows by number: its tables, its numbers, its place in `trust`.
    mutating func settle(_ unitCount: inout Int64, tables address: UInt64, numbers numbersAddress: UInt64, trust trustAddress: UInt64?) {
        first = unitCount
        unitCount += (count + Int64(unit) - 1) / Int64(unit)
        for k in 0..<3 { tables[k] = address + tables[k] * UInt64(CodeTable.byteCount) }
        numbers = numbersAddress + numbers * UInt64(MemoryLayout<UpdateNumbers>.stride)
        if let trustAddress, trust > 0 { trust = trustAddress + StepEntry.floatByteCount * (trust - 1) }
    }

    /// Takes the gradient and its scale from where they lie in `step`, from element `first` on.
    ///
    /// - Returns: whether it is as far from a multiple of 16 as the one before.
    mutating func moveGradient(_ step: ParameterStep, from first: Int64) -> Bool {
        let before = gradient
        (gradient, scale) = StepEntry.gradient(step)
        gradient += UInt64(first) * StepEntry.byteCount(gradientType)
        return gradient % 16 == before % 16
    }

    private static let floatByteCount: UInt64 = 4

    /// Of an element of a floating-point type.
    private static func byteCount(_ type: Int32) -> UInt64 { type == DType.float32.code ? floatByteCount : 2 }

    /// Elements `range`, which begin with a block.
    func part(_ range: Range<Int64>) -> StepEntry {
        var part = self
        let (first, block) = (UInt64(range.lowerBound), UInt64(range.lowerBound >> Int64(blockShift)))
        part.parameter += first * StepEntry.byteCount(parameterType)
        part.gradient += first * StepEntry.byteCount(gradientType)
        for k in 0..<Int(moments) {
            part.values[k] += first * (blockSize == 0 ? StepEntry.floatByteCount : 1)
            part.absmax[k] += block * StepEntry.floatByteCount
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

/// A rule by its number in `optimizer.cu`.
enum StepRule: Int32, CaseIterable {
    case adam, adEMAMix, momentum, rmsProp, adagrad, lion

    /// What its functions' names begin with.
    var name: String { "\(self)".lowercased() }
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

    /// The rule of `update`, and its numbers.
    static func of(_ update: ElementUpdate) -> (rule: StepRule, UpdateNumbers) {
        var n = UpdateNumbers(update)
        switch update.rule {
        case .adam(let rule):
            (n.beta1, n.gain1, n.beta2, n.gain2, n.epsilon) = (rule.beta1, rule.gain1, rule.beta2, rule.gain2, rule.epsilon)
            n.set(Flag.usesMaximum, rule.usesMaximum)
            return (.adam, n)
        case .adEMAMix(let rule):
            (n.beta1, n.gain1, n.beta2, n.gain2, n.beta3, n.gain3) = (rule.beta1, rule.gain1, rule.beta2, rule.gain2, rule.beta3, rule.gain3)
            (n.alpha, n.bias, n.epsilon) = (rule.alpha, rule.bias, rule.epsilon)
            return (.adEMAMix, n)
        case .momentum(let rule):
            (n.beta1, n.gain1) = (rule.beta, rule.gain)
            n.set(Flag.isFirst, rule.isFirst)
            n.set(Flag.isNesterov, rule.isNesterov)
            n.set(Flag.roundsTwice, rule.roundsTwice)
            return (.momentum, n)
        case .rmsProp(let rule):
            (n.beta1, n.gain1, n.beta2, n.epsilon) = (rule.beta, rule.gain, rule.momentum ?? 0, rule.epsilon)
            n.set(Flag.isCentered, rule.isCentered)
            n.set(Flag.hasMomentum, rule.momentum != nil)
            return (.rmsProp, n)
        case .adagrad(let rule):
            n.epsilon = rule.epsilon
            return (.adagrad, n)
        case .lion(let rule):
            (n.beta1, n.gain1, n.beta2, n.gain2) = (rule.beta1, rule.gain1, rule.beta2, rule.gain2)
            return (.lion, n)
        case .custom:
            preconditionFailure("a rule of the host's on a GPU")
        }
    }
}
