/// Something whose time is worth knowing, under a name that scripts rely on.
public struct Measurement: Sendable {
    public let name: String
    /// Sizes and types, for people.
    public let shape: String
    /// Tokens that one call handles, where it handles tokens.
    public let tokens: Int?
    /// Prepares, then returns the time of each call, repeated for about the given time.
    private let times: @Sendable (Duration) throws -> [Duration]

    init(_ name: String, shape: String, tokens: Int? = nil, times: @escaping @Sendable (Duration) throws -> [Duration]) {
        self.name = name
        self.shape = shape
        self.tokens = tokens
        self.times = times
    }

    /// A measurement of a body that `prepare` makes.
    init(_ name: String, shape: String, tokens: Int? = nil, prepare: @escaping @Sendable () throws -> () throws -> Void) {
        self.init(name, shape: shape, tokens: tokens) { duration in try repeated(for: duration, try prepare()) }
    }

    /// Measures for about `duration`, after preparing and warming up.
    public func callAsFunction(for duration: Duration) throws -> Timing {
        let sorted = try times(duration).sorted()
        return Timing(
            name: name, shape: shape,
            milliseconds: .init(min: sorted[0].milliseconds, median: sorted[sorted.count / 2].milliseconds),
            repetitions: sorted.count, tokens: tokens, tokensPerSecond: tokens.map { Double($0) / sorted[sorted.count / 2].milliseconds * 1e3 })
    }
}

/// What one measurement gave.
public struct Timing: Sendable, Encodable {
    public struct Milliseconds: Sendable, Encodable {
        public let min: Double
        public let median: Double
    }

    public let name: String
    public let shape: String
    /// Of one call.
    public let milliseconds: Milliseconds
    public let repetitions: Int
    public let tokens: Int?
    /// By the median.
    public let tokensPerSecond: Double?

    enum CodingKeys: String, CodingKey {
        case name, shape, milliseconds, repetitions, tokens
        case tokensPerSecond = "tokens_per_second"
    }
}

/// The time of each call of `body`: one to warm up, then as many as fit into `duration`, three at least.
func repeated(for duration: Duration, _ body: () throws -> Void) throws -> [Duration] {
    let clock = ContinuousClock()
    try body()
    var times: [Duration] = []
    let end = clock.now + duration
    while times.count < 3 || clock.now < end { times.append(try clock.measure(body)) }
    return times
}

extension Duration {
    var milliseconds: Double { Double(components.seconds) * 1e3 + Double(components.attoseconds) * 1e-15 }
}

extension Timing: CustomStringConvertible {
    /// `quantize-nf4-f32  4.75 ms (median 6.06)  4096x4096 block 64`
    public var description: String {
        let speed = tokensPerSecond.map { "  \(Int($0.rounded())) tokens/s" } ?? ""
        return "\(name)  \(milliseconds.min.short) ms (median \(milliseconds.median.short))\(speed)  \(shape)"
    }
}

extension Double {
    /// Three significant digits, at most three decimals.
    fileprivate var short: String {
        let scale: Double = self >= 100 ? 1 : self >= 10 ? 10 : self >= 1 ? 100 : 1000
        return "\((self * scale).rounded() / scale)"
    }
}
