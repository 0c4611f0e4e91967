@testable import BitsKernels
import Testing
import _BitsTestSupport

@Suite("Memory by its addresses")
struct AddressRangesTests {
    @Test("What was inserted is found, byte for byte, and ranges that touch are one")
    func membership() {
        var generator = SplitMix(state: 1)
        for _ in 0..<200 {
            var (memory, bytes) = (AddressRanges(), Set<UInt>())
            for _ in 0..<12 {
                let start = UInt.random(in: 0..<60, using: &generator)
                let range = start..<start + UInt.random(in: 0..<6, using: &generator)
                memory.insert(range)
                bytes.formUnion(range)
            }
            for start in UInt(0)..<66 {
                for end in start..<66 { #expect(memory.overlap(start..<end) == (start..<end).contains(where: bytes.contains)) }
            }
            #expect(zip(memory.ranges, memory.ranges.dropFirst()).allSatisfy { $0.upperBound < $1.lowerBound })
        }
    }
}
