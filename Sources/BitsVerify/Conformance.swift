package import BitsKernels

/// What every device has to do: each kernel once or more on ordinary operands of odd sizes, compared with its reference.
///
/// A new device passes when `deviations(on:)` of every case is empty. The kernels' own tests go further, into hostile numbers and every layout.
package struct ConformanceCase: Sendable {
    package let kernel: String
    package let variant: String
    private let body: @Sendable (Device) throws -> [String]
    /// One line for everything that is wrong with how the kernel declares its operands.
    package let declarationProblems: @Sendable () -> [String]

    init<K: Kernel>(_ variant: String, _ make: @escaping @Sendable (Device) -> (K, [KernelOutput])) {
        self.kernel = K.name
        self.variant = variant
        self.body = { device in
            try [3, 16].flatMap { offset in
                try OperandPlacement.$offset.withValue(offset) {
                    let (kernel, outputs) = make(device)
                    return try deviationsFromReference(kernel, outputs: outputs).map { "\($0) (operands at \(offset))" }
                }
            }
        }
        declarationProblems = { make(.cpu).0.declarationProblems() }
    }

    /// Kernels that a device may record and submit as a whole, the outputs of the later ones being what is compared: with what they are when each is
    /// submitted alone, bit for bit.
    init(recording variant: String, _ make: @escaping @Sendable (Device) -> (submit: () -> Void, outputs: [KernelOutput])) {
        kernel = "recording"
        self.variant = variant
        body = { device in
            try OperandPlacement.$offset.withValue(16) {
                let (submit, outputs) = make(device)
                return try deviationsOfRecording(submit, outputs: outputs)
            }
        }
        declarationProblems = { [] }
    }

    /// One line for everything that is wrong on `device`.
    package func deviations(on device: Device) throws -> [String] { try body(device) }

    package static let all: [ConformanceCase] =
        copies + elementwise + sums + reductions + transformer + tiles + decoding + matrices + quantization + int8 + optimizer + random + hostile
        + large + products + recordings
}

extension ConformanceCase: CustomStringConvertible {
    package var description: String { "\(kernel), \(variant)" }
}

extension ConformanceCase {
    static let floatTypes: [DType] = [.float32, .float16, .bfloat16]

    static var copies: [ConformanceCase] {
        let pairs: [(DType, DType)] = [
            (.float32, .float32), (.float32, .bfloat16), (.bfloat16, .float16), (.float16, .int32), (.int64, .float32), (.uint8, .bool),
            (.int32, .int8),
        ]
        return pairs.map { from, to in
            ConformanceCase("permuted \(from.rawValue) to \(to.rawValue)") { device in
                let source = device.input(HostileFloats.ordinary(count: 5 * 7 * 33, seed: 1).map { 20 * $0 }, as: from)
                let destination = device.output(to, count: 5 * 7 * 33)
                let kernel = StridedCopy(
                    from: StridedSlice(source, shape: [7, 5, 33], strides: [33, 231, 1]),
                    to: StridedSlice(contiguous: destination, shape: [7, 5, 33]))
                return (kernel, [KernelOutput("destination", destination)])
            }
        }
            + DType.allCases.map { dtype in
                ConformanceCase(dtype.rawValue) { device in
                    let destination = device.output(dtype, count: 77)
                    return (Fill(2.6, into: destination), [KernelOutput("destination", destination)])
                }
            }
    }

    static var elementwise: [ConformanceCase] {
        floatTypes.flatMap { dtype in
            BinaryElementwise.Operation.allCases.map { operation in
                ConformanceCase("\(operation) of \(dtype.rawValue), broadcast") { device in
                    let output = device.output(dtype, count: 9 * 35)
                    let kernel = BinaryElementwise(
                        operation, StridedSlice(contiguous: ordinary(device, 9 * 35, 1, dtype), shape: [9, 35]),
                        StridedSlice(ordinary(device, 35, 2, dtype), shape: [9, 35], strides: [0, 1]), into: output)
                    return (kernel, [KernelOutput("output", output)])
                }
            }
                + UnaryElementwise.Operation.allCases.flatMap { operation in
                    [
                        ConformanceCase("\(operation) of \(dtype.rawValue)") { device in
                            let output = device.output(dtype, count: 333)
                            let kernel = UnaryElementwise(operation, positive(device, 333, 3, dtype), into: output)
                            return (kernel, [KernelOutput("output", output, absolute: 1e-6, relative: 1e-6)])
                        },
                        ConformanceCase("\(operation) of \(dtype.rawValue)") { device in
                            let output = device.output(dtype, count: 333)
                            let kernel = UnaryElementwiseGradient(
                                operation, input: positive(device, 333, 4, dtype), outputGradient: ordinary(device, 333, 5, dtype), into: output)
                            return (kernel, [KernelOutput("input gradient", output, absolute: 4e-6, relative: 2e-6)])
                        },
                    ]
                }
                + [UnaryElementwise.Operation.silu, .gelu, .geluTanh, .relu].flatMap { activation in
                    [
                        ConformanceCase("\(activation) of \(dtype.rawValue)") { device in
                            let output = device.output(dtype, count: 101)
                            let kernel = GatedActivation(
                                activation, gate: ordinary(device, 101, 6, dtype), up: ordinary(device, 101, 7, dtype), into: output)
                            return (kernel, [KernelOutput("output", output, absolute: 2e-6, relative: 1e-6)])
                        },
                        gatedGradient(activation, of: 101, dtype),
                        gatedGradient(activation, of: 104, dtype),
                    ]
                }
                + [
                    ConformanceCase(dtype.rawValue) { device in
                        let output = device.output(dtype, count: 50)
                        return (ScaleAndShift(ordinary(device, 50, 9, dtype), scale: 0.3, shift: 2, into: output), [KernelOutput("output", output)])
                    }
                ]
        }
    }

    private static func gatedGradient(_ activation: UnaryElementwise.Operation, of count: Int, _ dtype: DType) -> ConformanceCase {
        ConformanceCase("\(activation) of \(count) \(dtype.rawValue)") { device in
            let gate = device.output(dtype, count: count)
            let up = device.output(dtype, count: count)
            let kernel = GatedActivationGradient(
                activation, gate: ordinary(device, count, 6, dtype), up: ordinary(device, count, 7, dtype),
                outputGradient: ordinary(device, count, 8, dtype), gateGradient: gate, upGradient: up)
            return (
                kernel,
                [
                    KernelOutput("gate gradient", gate, absolute: 8e-6, relative: 1e-6),
                    KernelOutput("up gradient", up, absolute: 4e-6, relative: 1e-6),
                ]
            )
        }
    }

    static var sums: [ConformanceCase] {
        let alike = floatTypes.flatMap { dtype in
            [2, SumOfTerms.mostTerms].map { count in
                ConformanceCase("\(count) terms of \(dtype.rawValue)") { device in
                    let output = device.output(dtype, count: 2080)
                    let terms = (0..<count).map { ordinary(device, 2080, 10 + UInt64($0), dtype) }
                    return (SumOfTerms(terms, into: output), [KernelOutput("output", output)])
                }
            }
        }
        return alike
            + floatTypes.flatMap { dtype in
                [1, 2, 3, SumOfTerms.mostTerms].map { count in
                    ConformanceCase("\(count) terms, the sum in \(dtype.rawValue)") { device in
                        let output = device.output(dtype, count: 2077)
                        let terms = (0..<count).map { ordinary(device, 2077, 10 + UInt64($0), $0 == 0 ? dtype : floatTypes[$0 % 3]) }
                        return (SumOfTerms(terms, into: output), [KernelOutput("output", output)])
                    }
                }
            }
    }

    static var reductions: [ConformanceCase] {
        floatTypes.flatMap { dtype in
            Reduce.Operation.allCases.flatMap { operation in
                [(3, 257, 1), (2, 40, 19)].map { outer, axis, inner in
                    ConformanceCase("\(operation) of \(dtype.rawValue), inner size \(inner)") { device in
                        let output = device.output(.float32, count: outer * inner)
                        let kernel = Reduce(
                            operation, ordinary(device, outer * axis * inner, 10, dtype), outer: outer, axis: axis, inner: inner, into: output)
                        return (kernel, [KernelOutput("output", output, absolute: 2e-5, relative: 2e-6)])
                    }
                }
            }
                + [
                    ConformanceCase(dtype.rawValue) { device in
                        let output = device.output(.int32, count: 6)
                        return (ArgMax(ordinary(device, 6 * 71, 11, dtype), rows: 6, into: output), [KernelOutput("output", output)])
                    },
                    ConformanceCase(dtype.rawValue) { device in
                        let output = device.output(dtype, count: 6 * 71)
                        return (
                            Softmax(ordinary(device, 6 * 71, 12, dtype), width: 71, into: output),
                            [KernelOutput("output", output, absolute: 1e-8, relative: 2e-6)]
                        )
                    },
                    ConformanceCase(dtype.rawValue) { device in
                        let result = device.output(dtype, count: 6 * 71)
                        let kernel = SoftmaxGradient(
                            output: ordinary(device, 6 * 71, 13, dtype), outputGradient: ordinary(device, 6 * 71, 14, dtype), width: 71, into: result)
                        return (kernel, [KernelOutput("input gradient", result, absolute: 2e-5, relative: 2e-6)])
                    },
                ]
        }
    }

    /// Ordinary numbers.
    static func ordinary(_ device: Device, _ count: Int, _ seed: UInt64, _ dtype: DType) -> Slice {
        device.input(HostileFloats.ordinary(count: count, seed: seed), as: dtype)
    }

    /// Ordinary numbers from 0.1 on.
    static func positive(_ device: Device, _ count: Int, _ seed: UInt64, _ dtype: DType) -> Slice {
        device.input(HostileFloats.ordinary(count: count, seed: seed).map { abs($0) + 0.1 }, as: dtype)
    }
}
