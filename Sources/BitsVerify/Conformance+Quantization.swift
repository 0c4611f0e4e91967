import BitsKernels

extension ConformanceCase {
    static var matrices: [ConformanceCase] {
        ProductPrecision.allCases.flatMap { precision in
            floatTypes.flatMap { dtype in
                [
                    ConformanceCase("\(precision) from \(dtype.rawValue)") { device in
                        let (m, n, k) = (19, 35, 50)
                        let output = ordinary(device, m * n, 1, dtype)
                        let kernel = MatrixProduct(
                            ordinary(device, m * k, 2, dtype), ordinary(device, n * k, 3, dtype), into: output, m: m, n: n, k: k, transposesB: true,
                            bias: ordinary(device, n, 4, .float32), accumulates: true, precision: precision)
                        return (kernel, [KernelOutput("output", output, absolute: 2e-5, relative: 2e-6)])
                    },
                    ConformanceCase("\(precision) from \(dtype.rawValue)") { device in
                        let matrix = fourBitMatrix(device, nested: false)
                        let output = device.output(dtype, count: 7 * matrix.rows)
                        let kernel = FourBitLinear(
                            ordinary(device, 7 * matrix.columns, 5, dtype), weight: matrix, bias: ordinary(device, matrix.rows, 6, dtype),
                            into: output, precision: precision)
                        return (kernel, [KernelOutput("output", output, absolute: 5e-5, relative: 2e-6)])
                    },
                    ConformanceCase("\(precision) from \(dtype.rawValue)") { device in
                        let matrix = fourBitMatrix(device, nested: true)
                        let output = device.output(dtype, count: 7 * matrix.columns)
                        let kernel = FourBitLinearInputGradient(
                            ordinary(device, 7 * matrix.rows, 7, dtype), weight: matrix, into: output, precision: precision)
                        return (kernel, [KernelOutput("input gradient", output, absolute: 5e-5, relative: 2e-6)])
                    },
                ]
            }
        }
    }

    static var quantization: [ConformanceCase] {
        floatTypes.flatMap { blockwise($0) + fourBit($0) }
            + [
                ConformanceCase("float32") { device in
                    let mean = device.output(.float32, count: 1)
                    return (MeanInDouble(device.input(HostileFloats.ordinary(count: 3001, seed: 1)), into: mean), [KernelOutput("mean", mean)])
                }
            ]
    }

    private static func blockwise(_ dtype: DType) -> [ConformanceCase] {
        let (count, blockSize) = (1000, 256)
        return [
            ConformanceCase(dtype.rawValue) { device in
                let codes = device.output(.uint8, count: count)
                let absmax = device.output(.float32, count: blockCount(count, blockSize: blockSize))
                let nonFinite = device.integers([0], as: .int64)
                let kernel = QuantizeBlockwise(
                    ordinary(device, count, 1, dtype), offset: device.input([0.2]), codebook: codebook(device), blockSize: blockSize, codes: codes,
                    absmax: absmax, nonFiniteCount: nonFinite)
                return (kernel, [KernelOutput("codes", codes), KernelOutput("absmax", absmax), KernelOutput("count", nonFinite)])
            },
            ConformanceCase(dtype.rawValue) { device in
                let output = device.output(dtype, count: count)
                let kernel = DequantizeBlockwise(
                    codes(device, count), codebook: codebook(device), absmax: positive(device, blockCount(count, blockSize: blockSize), 2, .float32),
                    blockSize: blockSize, offset: device.input([0.2]), into: output)
                return (kernel, [KernelOutput("output", output)])
            },
        ]
    }

    private static func fourBit(_ dtype: DType) -> [ConformanceCase] {
        FourBitFormat.allCases.map { format in
            ConformanceCase("\(format) from \(dtype.rawValue)") { device in
                let packed = device.output(.uint8, count: 501)
                let absmax = device.output(.float32, count: blockCount(1001, blockSize: 64))
                let kernel = QuantizeFourBit(ordinary(device, 1001, 3, dtype), format: format, blockSize: 64, packed: packed, absmax: absmax)
                return (kernel, [KernelOutput("packed", packed), KernelOutput("absmax", absmax)])
            }
        }
            + [false, true].flatMap { nested in
                [
                    ConformanceCase("\(dtype.rawValue)\(nested ? ", nested scales" : "")") { device in
                        let matrix = fourBitMatrix(device, nested: nested)
                        let output = device.output(dtype, count: matrix.rows * matrix.columns)
                        return (DequantizeFourBit(matrix, into: output), [KernelOutput("output", output)])
                    },
                    ConformanceCase("\(dtype.rawValue)\(nested ? ", nested scales" : "")") { device in
                        let matrix = fourBitMatrix(device, nested: nested)
                        let output = device.output(dtype, count: 4 * matrix.columns)
                        let kernel = GatherFourBit(matrix, rows: device.integers([2, 0, -1, 22], as: .int32), into: output)
                        return (kernel, [KernelOutput("output", output)])
                    },
                ]
            }
    }

    /// [23, 100] in blocks of 64.
    private static func fourBitMatrix(_ device: Device, nested: Bool) -> FourBitMatrix {
        fourBitMatrix(device, 23, 100, blockSize: 64, nested: nested)
    }

    static func fourBitMatrix(_ device: Device, _ rows: Int, _ columns: Int, blockSize: Int, nested: Bool) -> FourBitMatrix {
        let blocks = blockCount(rows * columns, blockSize: blockSize)
        let scales: FourBitMatrix.Scales =
            nested
            ? .nested(
                codes: codes(device, blocks), code: codebook(device), absmax: positive(device, blockCount(blocks, blockSize: 16), 4, .float32),
                offset: device.input([0.2]), blockSize: 16)
            : .plain(positive(device, blocks, 5, .float32))
        return FourBitMatrix(
            packed: codes(device, (rows * columns + 1) / 2), rows: rows, columns: columns, blockSize: blockSize,
            code: device.input(FourBitFormat.nf4.values), scales: scales)
    }

    static func codes(_ device: Device, _ count: Int) -> Slice {
        device.integers((0..<count).map { $0 * 37 % 256 }, as: .uint8)
    }

    private static func codebook(_ device: Device) -> Slice { device.input((0..<256).map { (i: Int) -> Float in Float(i - 127) / 128 }) }
}
