import Testing

@Suite struct DoctorTests {
    @Test("doctor shows processor, threads and memory")
    func text() throws {
        let outcome = try Command.run("doctor")
        #expect(outcome.status == 0)
        for word in ["version", "processor", "level", "threads", "memory", "device     cuda", "rocm is not supported"] {
            #expect(outcome.output.contains(word))
        }
    }

    @Test("doctor follows what the environment and the options say")
    func settings() throws {
        let found = try Command.run(["doctor", "--json", "--threads", "3"], environment: ["BNB_CPU": "portable"]).json
        #expect(found["level"] as? String == "portable")
        #expect(found["features"] as? [String] == [])
        #expect(found["threads"] as? Int == 3)
        #expect((found["environment"] as? [String: String])?["BNB_CPU"] == "portable")
        #expect(try Command.run(["doctor", "--json"], environment: ["BNB_NUM_THREADS": "2"]).json["threads"] as? Int == 2)
    }
}
