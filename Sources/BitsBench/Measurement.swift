import BitsCore

/// Something whose time is worth knowing, under a name that scripts rely on.
public struct Measurement: Sendable {
    public let name: String
    /// Sizes and types, for people.
    public let shape: String
    /// Tokens that one call handles, where it handles tokens.
    public let tokens: Int?
    /// Prepares, then measures each call, repeated for about the given time.
    private let samples: @Sendable (Duration) throws -> Samples

    init(_ name: String, shape: String, tokens: Int? = nil, samples: @escaping @Sendable (Duration) throws -> Samples) {
        self.name = name
        self.shape = shape
        self.tokens = tokens
        self.samples = samples
    }

    /// A measurement of which only the time of each call is known.
    init(_ name: String, shape: String, tokens: Int? = nil, times: @escaping @Sendable (Duration) throws -> [Duration]) {
        self.init(name, shape: shape, tokens: tokens) { duration in Samples(times: try times(duration)) }
    }

    /// A measurement of work that the body which `prepare` makes submits to `device`.
    init(_ name: String, shape: String, tokens: Int? = nil, on device: Device, prepare: @escaping @Sendable () throws -> () throws -> Void) {
        self.init(name, shape: shape, tokens: tokens) { duration in
            Samples(times: try repeated(for: duration, on: device, try prepare()))
        }
    }

    /// Measures for about `duration`, after preparing and warming up.
    public func callAsFunction(for duration: Duration) throws -> Timing {
        let samples = try self.samples(duration)
        let (sorted, median) = (samples.times.sorted(), samples.times.median)
        let gigabytesPerSecond = samples.byteCount.map { Double($0) / median * 1e-6 }
        let readBandwidth = samples.readings.isEmpty ? nil : Double(samples.readByteCount) / samples.readings.median * 1e-6
        return Timing(
            name: name, shape: shape, milliseconds: .init(min: sorted[0].milliseconds, median: median), repetitions: sorted.count, tokens: tokens,
            tokensPerSecond: tokens.map { Double($0) / median * 1e3 }, gigabytesPerSecond: gigabytesPerSecond,
            shareOfReadBandwidth: gigabytesPerSecond.flatMap { speed in readBandwidth.map { speed / $0 } }, peakByteCount: samples.peakByteCount)
    }
}

/// What one measurement collects.
struct Samples {
    /// Of each call; one at least.
    var times: [Duration]
    /// What a call reads of memory, where that is its bound.
    var byteCount: Int?
    /// Times of plain reading in the same seconds, and what was read each time.
    var readings: [Duration] = []
    var readByteCount = 0
    /// The most memory that the device held, where that is worth knowing.
    var peakByteCount: Int?
}

extension [Duration] {
    /// In milliseconds; of at least one.
    fileprivate var median: Double { sorted()[count / 2].milliseconds }
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
    /// 10^9 bytes of memory read in a second, by the median, where that is the bound.
    public let gigabytesPerSecond: Double?
    /// Of what plain reading gave in the same seconds.
    public let shareOfReadBandwidth: Double?
    /// The most memory that the device held.
    public let peakByteCount: Int?

    enum CodingKeys: String, CodingKey {
        case name, shape, milliseconds, repetitions, tokens
        case tokensPerSecond = "tokens_per_second"
        case gigabytesPerSecond = "gigabytes_per_second"
        case shareOfReadBandwidth = "share_of_read_bandwidth"
        case peakByteCount = "peak_bytes"
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

/// As ``repeated(for:_:)``, of work that is submitted to `device`. Where the host need not wait for each call, as many are queued as take 20 ms, and
/// shared out.
private func repeated(for duration: Duration, on device: Device, _ body: () throws -> Void) throws -> [Duration] {
    func time(of calls: Int) throws -> Duration {
        try ContinuousClock().measure {
            for _ in 0..<calls { try body() }
            try device.synchronize()
        }
    }
    if device == .cpu { return try repeated(for: duration) { _ = try time(of: 1) } }
    _ = try time(of: 3)
    let calls = min(max(1, Int(.milliseconds(20) / (try time(of: 1)))), 2000)
    return try repeated(for: duration) { _ = try time(of: calls) }.map { $0 / calls }
}

extension Duration {
    var milliseconds: Double { Double(components.seconds) * 1e3 + Double(components.attoseconds) * 1e-15 }
}

extension Timing: CustomStringConvertible {
    /// `quantize-nf4-f32  4.75 ms (median 6.06)  4096x4096 block 64`
    public var description: String {
        let speeds = [
            tokensPerSecond.map { "  \($0 < 100 ? $0.short : "\(Int($0.rounded()))") tokens/s" }, gigabytesPerSecond.map { "  \($0.short) GB/s" },
            shareOfReadBandwidth.map { "  \(Int(($0 * 100).rounded())) % of read bandwidth" },
            peakByteCount.map { "  \((Double($0) / 1e9).short) GB" },
        ]
        let speed = speeds.compactMap(\.self).joined()
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
