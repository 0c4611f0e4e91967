import BitsKernels

// Shapes: M = rows of the output, N = its columns, K = terms of a sum.

extension ConformanceCase {
    /// Products of sizes at which devices share the work in other ways than they do for small ones.
    static var products: [ConformanceCase] { ProductPrecision.allCases.flatMap { dense($0) + narrow($0) + fourBit($0) + updated($0) } + int8Tiles }

    /// Few rows, and enough of everything for a library of products.
    private static func dense(_ precision: ProductPrecision) -> [ConformanceCase] {
        let few = [(1, 300, 1100), (2, 90, 512), (5, 70, 520), (8, 33, 264), (7, 90, 512), (13, 300, 1280), (16, 300, 256)].map { m, n, k in
            dense(precision, (m, n, k), transposesA: false, transposesB: true, accumulates: m == 5 || m == 13)
        }
        let large = [(false, false), (false, true), (true, false), (true, true)].flatMap { transposesA, transposesB in
            [false, true].map {
                dense(precision, (150, 136, 264), transposesA: transposesA, transposesB: transposesB, accumulates: $0)
            }
        }
        return few + large
    }

    private static func dense(
        _ precision: ProductPrecision, _ size: (m: Int, n: Int, k: Int), transposesA: Bool, transposesB: Bool, accumulates: Bool
    ) -> ConformanceCase {
        let (m, n, k) = size
        let variant = "\(precision), \(m) x \(n) x \(k), transposed: \(transposesA), \(transposesB)\(accumulates ? ", added" : "")"
        return ConformanceCase(variant) { device in
            let dtype = precision.dtype
            // Types that go together, and, of products that are transposed twice, ones that do not.
            let outputType: DType = transposesA && transposesB ? .float16 : accumulates ? .float32 : dtype
            let output = ordinary(device, m * n, 1, outputType)
            let kernel = MatrixProduct(
                ordinary(device, m * k, 2, dtype), ordinary(device, n * k, 3, dtype), into: output, m: m, n: n, k: k, transposesA: transposesA,
                transposesB: transposesB, bias: accumulates && !transposesA ? nil : ordinary(device, n, 4, transposesA ? .bfloat16 : dtype),
                accumulates: accumulates, precision: precision)
            return (kernel, [sums("output", output, terms: k)])
        }
    }

    /// Few columns, of few rows and of so many that they occupy a device by themselves.
    private static func narrow(_ precision: ProductPrecision) -> [ConformanceCase] {
        [(70, 16, 50), (2200, 5, 96), (2200, 24, 544), (2200, 40, 64)].flatMap { m, n, k in
            [false, true].map { transposesB in
                ConformanceCase("\(precision), \(m) x \(n) x \(k)\(transposesB ? ", transposed" : "")") { device in
                    let output = device.output(precision.dtype, count: m * n)
                    let kernel = ScaledProduct(
                        0.3, ordinary(device, m * k, 2, precision.dtype), ordinary(device, n * k, 3, .float32), into: output, m: m, n: n, k: k,
                        transposesB: transposesB, precision: precision)
                    return (kernel, [sums("output", output, terms: k)])
                }
            }
        }
    }

    /// Rows that are whole blocks, of every kind of block, for few rows of the input and for several.
    private static func fourBit(_ precision: ProductPrecision) -> [ConformanceCase] {
        let n = 40
        return [32, 64, 256, 4096].flatMap { blockSize in
            [(1, 512, false), (5, 2560, true), (9, 512, true), (16, 768, false), (20, 256, false), (40, 768, true), (70, 512, true)].map {
                m, k, nested in
                ConformanceCase("\(precision), \(m) rows, \(nested ? "nested" : "plain") blocks of \(blockSize)") { device in
                    let output = device.output(m == 9 ? .float32 : precision.dtype, count: m * n)
                    let kernel = FourBitLinear(
                        ordinary(device, m * k, 5, m == 5 ? .float32 : precision.dtype),
                        weight: fourBitMatrix(device, n, k, blockSize: blockSize, nested: nested),
                        bias: m == 16 ? nil : ordinary(device, n, 6, .float32), into: output, precision: precision)
                    var sums = sums("output", output, terms: k)
                    // Codes may be rounded instead of the weights, each by as much, up or down.
                    if precision != .float32 { sums.absolute += 0x1p-6 * Float(k).squareRoot() * (precision == .float16 ? 0.125 : 1) }
                    return (kernel, [sums])
                }
            }
        }
    }

    /// Weights with an update, few rows and more, of widths and ranks that are whole tiles and that are not.
    private static func updated(_ precision: ProductPrecision) -> [ConformanceCase] {
        let n = 72
        let sizes = [
            (7, 128, 16, true), (150, 100, 16, false), (150, 128, 5, true), (150, 192, 16, false), (150, 64, 24, true), (150, 64, 64, false),
        ]
        return sizes.flatMap { m, k, rank, nested in
            let variant = "\(precision), \(m) rows of \(k) with an update of rank \(rank), \(nested ? "nested" : "plain") scales"
            @Sendable func operands(_ device: Device) -> (weight: FourBitMatrix, update: LowRankUpdate) {
                let narrow = device.output(precision.dtype, count: m * rank)
                let factors = (ordinary(device, rank * k, 8, rank == 5 ? precision.dtype : .float32), ordinary(device, n * rank, 9, .float32))
                let weight = fourBitMatrix(device, n, k, blockSize: 64, nested: nested)
                return (weight, LowRankUpdate(down: factors.0, up: factors.1, scale: 0.5 / Float(rank), rank: rank, narrow: narrow))
            }
            @Sendable func outputs(_ output: Slice, _ update: LowRankUpdate, terms: Int) -> [KernelOutput] {
                var sums = sums("output", output, terms: terms + rank)
                // The sum with the weight is rounded, or the weight and the product that the update adds.
                if precision != .float32 { sums.absolute += 0x1p-6 * Float(terms).squareRoot() * (precision == .float16 ? 0.125 : 1) }
                return [sums] + (update.narrow.map { [Self.sums("narrow", $0, terms: terms)] } ?? [])
            }
            return [
                ConformanceCase(variant) { device in
                    let (weight, update) = operands(device)
                    let output = device.output(precision.dtype, count: m * n)
                    let kernel = FourBitLinear(
                        ordinary(device, m * k, 5, precision.dtype), weight: weight, update: update,
                        bias: ordinary(device, n, 6, precision.dtype), into: output, precision: precision)
                    return (kernel, outputs(output, update, terms: k))
                },
                ConformanceCase(variant) { device in
                    let (weight, update) = operands(device)
                    let output = device.output(precision.dtype, count: m * k)
                    let kernel = FourBitLinearInputGradient(
                        ordinary(device, m * n, 7, precision.dtype), weight: weight, update: update, into: output, precision: precision)
                    return (kernel, outputs(output, update, terms: n))
                },
            ]
        }
    }

    private static var int8Tiles: [ConformanceCase] {
        let (n, k) = (140, 272)
        // The last ones are enough for all multiprocessors of a large GPU, in tiles of every width.
        let large = [(960, 912, 48), (1024, 2200, 16), (1021, 3700, 16)]
        return ([(1, n, 512), (1, n, 272), (7, n, 512), (16, n, 768), (20, n, 512), (150, n, 272)] + large).flatMap { m, n, k in
            (m < 960 ? [0, 3.4] : [3.4]).map { (threshold: Float) in
                ConformanceCase("\(m) x \(n) x \(k), threshold \(threshold)") { device in
                    let output = device.output(.float32, count: m * n)
                    let kernel = Int8Linear(
                        ordinary(device, m * k, 1, .bfloat16), weight: int8Matrix(device, n, k), bias: ordinary(device, n, 2, .float32),
                        threshold: threshold, into: output, m: m)
                    return (kernel, [threshold == 0 ? KernelOutput("output", output) : sums("output", output, terms: k)])
                }
            }
        } + [
            ConformanceCase("150 x \(n) x \(k)") { device in
                let output = device.output(.int32, count: 150 * n)
                let kernel = Int8Product(int8Codes(device, 150 * k), int8Codes(device, n * k), into: output, m: 150, n: n, k: k)
                return (kernel, [KernelOutput("output", output)])
            },
            ConformanceCase("150 rows") { device in
                let output = device.output(.float32, count: n * k)
                let kernel = Int8LinearWeightGradient(
                    ordinary(device, 150 * n, 3, .bfloat16), input: ordinary(device, 150 * k, 4, .bfloat16), threshold: 3.4, into: output, m: 150,
                    n: n, k: k)
                return (kernel, [sums("weight gradient", output, terms: 150)])
            },
        ]
    }

    /// Numbers around 1 are added, each time rounding the sum so far.
    private static func sums(_ name: String, _ output: Slice, terms: Int) -> KernelOutput {
        KernelOutput(name, output, absolute: 3e-7 * Float(terms + 1), relative: 2e-6)
    }
}
