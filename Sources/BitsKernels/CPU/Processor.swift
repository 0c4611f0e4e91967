internal import CBitsCPU

/// The processor that the CPU device runs on: which instructions its kernels use, and on how many threads.
public enum Processor {
    /// A set of instructions that kernels are written for; each includes those before it.
    public enum Level: Int32, Sendable, CaseIterable, Comparable {
        /// No particular instructions.
        case portable = 0
        /// AVX2, FMA and F16C.
        case avx2 = 1
        /// AVX-512 F, BW, CD, DQ and VL.
        case avx512 = 2
        /// AMX tiles for bfloat16 and int8.
        case amx = 3

        public static func < (a: Level, b: Level) -> Bool { a.rawValue < b.rawValue }

        /// As the environment variable `BNB_CPU` spells it.
        public var name: String { "\(self)" }
    }

    /// Instructions beyond the level's own that kernels use where they are.
    public struct Features: OptionSet, Sendable {
        public let rawValue: Int32
        public init(rawValue: Int32) { self.rawValue = rawValue }

        public static let avx512BF16 = Features(rawValue: 1)
        public static let avx512VNNI = Features(rawValue: 2)
        public static let avx512VBMI = Features(rawValue: 4)
        public static let amxBF16 = Features(rawValue: 8)
        public static let amxInt8 = Features(rawValue: 16)

        /// The names of the features in the set.
        public var names: [String] {
            let all: [(Features, String)] = [
                (.avx512BF16, "avx512_bf16"), (.avx512VNNI, "avx512_vnni"), (.avx512VBMI, "avx512_vbmi"), (.amxBF16, "amx_bf16"),
                (.amxInt8, "amx_int8"),
            ]
            return all.filter { contains($0.0) }.map(\.1)
        }
    }

    /// The level in effect: the best the processor has, unless the environment variable `BNB_CPU` asks for less.
    public static var level: Level { Level(rawValue: bits_cpu_level()) ?? .portable }

    /// The best level the processor has.
    public static var bestLevel: Level { Level(rawValue: bits_cpu_best_level()) ?? .portable }

    /// The features in effect at ``level``.
    public static var features: Features { Features(rawValue: bits_cpu_features()) }

    /// Threads that share a kernel's work: the environment variable `BNB_NUM_THREADS`, or the processors allowed to the process.
    public static var threadCount: Int { Int(bits_pool_threads()) }

    /// Lets kernels use nothing above `level`, and no features but `features`, from now on; returns the level in effect.
    @discardableResult
    package static func cap(_ level: Level, features: Features = Features(rawValue: ~0)) -> Level {
        Level(rawValue: bits_cpu_cap(level.rawValue, features.rawValue)) ?? .portable
    }

    /// Shares kernels' work between `count` threads from now on.
    public static func setThreadCount(_ count: Int) { bits_pool_set_threads(Int32(clamping: count)) }
}
