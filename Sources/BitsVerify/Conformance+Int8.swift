import BitsKernels

extension ConformanceCase {
    static var int8: [ConformanceCase] {
        floatTypes.flatMap { int8Quantization($0) + int8Linear($0) }
            + [
                ConformanceCase("K 77") { device in
                    let output = device.output(.int32, count: 9 * 35)
                    let kernel = Int8Product(int8Codes(device, 9 * 77), int8Codes(device, 35 * 77), into: output, m: 9, n: 35, k: 77)
                    return (kernel, [KernelOutput("output", output)])
                }
            ]
    }

    private static func int8Quantization(_ dtype: DType) -> [ConformanceCase] {
        let (rows, columns) = (7, 133)
        return [0, 2].map { (threshold: Float) in
            ConformanceCase("\(dtype.rawValue), threshold \(threshold)") { device in
                let codes = device.output(.int8, count: rows * columns)
                let scales = device.output(.float32, count: rows)
                let outliers = device.output(.uint8, count: columns)
                let nonFinite = device.integers([0], as: .int64)
                let kernel = QuantizeInt8Rows(
                    ordinary(device, rows * columns, 1, dtype), columns: columns, threshold: threshold, codes: codes, scales: scales,
                    outliers: outliers, nonFiniteCount: nonFinite)
                return (
                    kernel,
                    [
                        KernelOutput("codes", codes), KernelOutput("scales", scales), KernelOutput("outliers", outliers),
                        KernelOutput("count", nonFinite),
                    ]
                )
            }
        } + [
            ConformanceCase(dtype.rawValue) { device in
                let codes = device.output(.int8, count: rows * columns)
                let scales = device.output(.float32, count: columns)
                let kernel = QuantizeInt8Columns(ordinary(device, rows * columns, 2, dtype), threshold: 1.5, codes: codes, scales: scales)
                return (kernel, [KernelOutput("codes", codes), KernelOutput("scales", scales)])
            },
            ConformanceCase(dtype.rawValue) { device in
                let output = device.output(dtype, count: rows * columns)
                return (DequantizeInt8(int8Matrix(device, rows, columns), into: output), [KernelOutput("output", output)])
            },
            ConformanceCase(dtype.rawValue) { device in
                let output = device.output(dtype, count: 4 * columns)
                let kernel = GatherInt8(int8Matrix(device, rows, columns), rows: device.integers([2, 0, -1, 7], as: .int32), into: output)
                return (kernel, [KernelOutput("output", output)])
            },
            ConformanceCase(dtype.rawValue) { device in
                let output = device.output(dtype, count: rows * columns)
                let kernel = DequantizeInt8Product(
                    device.integers((0..<rows * columns).map { $0 * 7919 - 3_000_000 }, as: .int32), rowScales: positive(device, rows, 3, .float32),
                    columnScales: positive(device, columns, 4, .float32), bias: ordinary(device, columns, 5, dtype), into: output)
                return (kernel, [KernelOutput("output", output)])
            },
        ]
    }

    private static func int8Linear(_ dtype: DType) -> [ConformanceCase] {
        let (m, n, k) = (11, 37, 70)
        return [0, 2].map { (threshold: Float) in
            ConformanceCase("\(dtype.rawValue), threshold \(threshold)") { device in
                let output = device.output(dtype, count: m * n)
                let kernel = Int8Linear(
                    ordinary(device, m * k, 1, dtype), weight: int8Matrix(device, n, k), bias: ordinary(device, n, 2, dtype), threshold: threshold,
                    into: output, m: m)
                return (kernel, [threshold == 0 ? KernelOutput("output", output) : KernelOutput("output", output, absolute: 2e-5, relative: 2e-6)])
            }
        } + [
            ConformanceCase(dtype.rawValue) { device in
                let output = device.output(dtype, count: m * n)
                let outliers = Int8ScaledProduct.Outliers(
                    ordinary(device, m * k, 3, dtype), columns: device.integers((0..<k).map { $0 % 23 == 5 ? 1 : 0 }, as: .uint8))
                let kernel = Int8ScaledProduct(
                    int8Matrix(device, m, k), weight: int8Matrix(device, n, k), bias: ordinary(device, n, 2, dtype), outliers: outliers, into: output)
                return (kernel, [KernelOutput("output", output, absolute: 2e-5, relative: 2e-6)])
            },
            ConformanceCase(dtype.rawValue) { device in
                let output = device.output(dtype, count: m * k)
                let kernel = Int8LinearInputGradient(
                    ordinary(device, m * n, 4, dtype), weight: int8Matrix(device, n, k), into: output, m: m,
                    precision: dtype == .bfloat16 ? .bfloat16 : .float32)
                return (kernel, [KernelOutput("input gradient", output, absolute: 2e-5, relative: 2e-6)])
            },
            ConformanceCase(dtype.rawValue) { device in
                let output = device.output(dtype, count: n * k)
                let kernel = Int8LinearWeightGradient(
                    ordinary(device, m * n, 5, dtype), input: ordinary(device, m * k, 6, dtype), threshold: 2.2, into: output, m: m, n: n, k: k)
                return (kernel, [KernelOutput("weight gradient", output, absolute: 2e-5, relative: 2e-6)])
            },
        ]
    }

    static func int8Matrix(_ device: Device, _ rows: Int, _ columns: Int) -> Int8Matrix {
        Int8Matrix(codes: int8Codes(device, rows * columns), scales: positive(device, rows, 9, .float32), columns: columns)
    }

    static func int8Codes(_ device: Device, _ count: Int) -> Slice {
        device.integers((0..<count).map { $0 * 37 % 255 - 127 }, as: .int8)
    }
}
