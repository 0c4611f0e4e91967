import BitsKernels

extension ConformanceCase {
    static var random: [ConformanceCase] {
        let stream = RandomStream(seed: 11, stream: 3, position: 1 << 32 - 9)
        return floatTypes.flatMap { dtype in
            [RandomFill.Distribution.uniform(low: -1, high: 2), .normal(mean: 1, deviation: 0.02)].map { distribution in
                ConformanceCase("\(distribution) in \(dtype.rawValue)") { device in
                    let output = device.output(dtype, count: 301)
                    return (RandomFill(distribution, from: stream, into: output), [KernelOutput("output", output)])
                }
            }
                + [
                    ConformanceCase(dtype.rawValue) { device in
                        let output = device.output(dtype, count: 301)
                        return (Dropout(ordinary(device, 301, 1, dtype), rate: 0.25, from: stream, into: output), [KernelOutput("output", output)])
                    }
                ]
        }
    }
}
