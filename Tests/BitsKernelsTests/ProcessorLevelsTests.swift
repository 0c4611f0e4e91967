import BitsKernels
import Testing
import _BitsTestSupport

@Suite("Processor levels")
struct ProcessorLevelsTests {
    @Test("A cap lowers the level and never raises it above the processor's")
    func cap() {
        ProcessorConditions.forEach { _ in
            let before = Processor.level
            defer { Processor.cap(before) }
            for level in Processor.Level.allCases {
                #expect(Processor.cap(level) == min(level, Processor.bestLevel))
                #expect(Processor.level == min(level, Processor.bestLevel))
            }
        }
    }

    @Test("Features belong to their level")
    func features() {
        ProcessorConditions.forEach { _ in
            switch Processor.level {
            case .portable, .avx2: #expect(Processor.features.isEmpty)
            case .avx512: #expect(Processor.features.isDisjoint(with: [.amxBF16, .amxInt8]))
            case .amx: #expect(Processor.features.isSuperset(of: [.amxBF16, .amxInt8, .avx512BF16, .avx512VNNI]))
            }
        }
    }

    @Test("Levels have the names that BNB_CPU takes, features those of the processor's flags")
    func names() {
        #expect(Processor.Level.allCases.map(\.name) == ["portable", "avx2", "avx512", "amx"])
        #expect(Processor.Features([.avx512BF16, .amxInt8]).names == ["avx512_bf16", "amx_int8"])
    }

    @Test("The number of threads is what was asked for, at least one")
    func threadCount() {
        ProcessorConditions.forEach { _ in
            let before = Processor.threadCount
            defer { Processor.setThreadCount(before) }
            for (asked, given) in [(1, 1), (5, 5), (0, 1), (-3, 1)] {
                Processor.setThreadCount(asked)
                #expect(Processor.threadCount == given)
            }
        }
    }
}
