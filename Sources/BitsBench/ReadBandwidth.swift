import BitsCore

/// What plain reading gives, on all threads: the bound for a token, which uses each of the model's bytes once.
func readBandwidthMeasurements() -> [Measurement] {
    [
        Measurement("read-bandwidth", shape: "512 MiB, each byte once") { duration in
            let memory = try Processor.ReadableMemory(byteCount: 512 << 20)
            return Samples(times: try repeated(for: duration, memory.read), byteCount: memory.byteCount)
        }
    ]
}
