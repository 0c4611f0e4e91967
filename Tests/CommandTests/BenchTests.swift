import Testing

@Suite struct BenchTests {
    @Test("a measurement that memory bounds says how fast memory was read")
    func readBandwidth() throws {
        let arguments = ["bench", "--only", "read-bandwidth", "--seconds", "0"]
        let timing = try Command.run(arguments + ["--json"]).json
        let median = try #require((timing["milliseconds"] as? [String: Double])?["median"])
        let speed = try #require(timing["gigabytes_per_second"] as? Double)
        #expect(abs(speed * median - 536.870912) < 0.01)
        #expect(timing["share_of_read_bandwidth"] == nil && timing["tokens_per_second"] == nil)
        #expect(try Command.run(arguments).output.contains(" GB/s"))
    }
}
