import BitsCore

/// A few long vectors on the host, in double precision.
struct RowVectors {
    private(set) var rows: [[Double]]

    init(_ rows: [[Double]]) { self.rows = rows }

    /// The rows of a matrix.
    init(_ matrix: Tensor) throws(DeviceError) {
        let (values, width) = (try matrix.floats(), matrix.shape[1])
        rows = (0..<matrix.shape[0]).map { row in values[row * width..<(row + 1) * width].map(Double.init) }
    }

    /// The rows as a matrix in float32.
    func tensor(on device: Device) -> Tensor {
        Tensor(rows.flatMap { $0.map { Float($0) } }, shape: [rows.count, rows.first?.count ?? 0], device: device)
    }

    /// The same space, spanned by rows of length 1 at right angles; a row that the ones before it span is zero.
    func orthonormal() -> RowVectors {
        var result: [[Double]] = []
        for row in rows {
            var rest = row
            // Once more takes out what rounding has left of the others.
            for _ in 0..<2 {
                for other in result {
                    let share = RowVectors.product(rest, other)
                    for index in rest.indices { rest[index] -= share * other[index] }
                }
            }
            let (length, before) = (RowVectors.product(rest, rest).squareRoot(), RowVectors.product(row, row).squareRoot())
            result.append(length > 1e-6 * before ? rest.map { $0 / length } : rest.map { _ in 0 })
        }
        return RowVectors(result)
    }

    /// The products of all rows with one another.
    var products: [[Double]] {
        var products = rows.map { _ in [Double](repeating: 0, count: rows.count) }
        for i in rows.indices {
            for j in 0...i {
                products[i][j] = RowVectors.product(rows[i], rows[j])
                products[j][i] = products[i][j]
            }
        }
        return products
    }

    /// For each list of factors the sum of the rows, each times its factor.
    func combined(_ factors: [[Double]]) -> RowVectors {
        RowVectors(
            factors.map { factors in
                var sum = [Double](repeating: 0, count: rows.first?.count ?? 0)
                for (factor, row) in zip(factors, rows) {
                    for index in sum.indices { sum[index] += factor * row[index] }
                }
                return sum
            })
    }

    /// Four sums side by side, as each addition waits for the one before it.
    private static func product(_ a: [Double], _ b: [Double]) -> Double {
        var (first, second, third, fourth) = (0.0, 0.0, 0.0, 0.0)
        let even = a.count & ~3
        for index in stride(from: 0, to: even, by: 4) {
            first += a[index] * b[index]
            second += a[index + 1] * b[index + 1]
            third += a[index + 2] * b[index + 2]
            fourth += a[index + 3] * b[index + 3]
        }
        for index in even..<a.count { first += a[index] * b[index] }
        return (first + second) + (third + fourth)
    }
}
