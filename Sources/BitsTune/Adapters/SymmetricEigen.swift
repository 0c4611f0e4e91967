/// Eigenvalues and eigenvectors of symmetric matrices, by Jacobi's rotations (Golub and Van Loan, "Matrix Computations", 8.5).
enum SymmetricEigen {
    /// What is left outside the diagonal at the end, as a share of it, both squared.
    private static let tolerance = 1e-30

    /// The eigenvalues in descending order, and a row for each.
    static func decomposed(_ matrix: [[Double]]) -> (values: [Double], vectors: [[Double]]) {
        let count = matrix.count
        var a = matrix.flatMap { $0 }
        var vectors = (0..<count * count).map { $0 / max(count, 1) == $0 % max(count, 1) ? 1.0 : 0.0 }
        for _ in 0..<50 {
            var (outside, diagonal) = (0.0, 0.0)
            for i in 0..<count {
                diagonal += a[i * count + i] * a[i * count + i]
                for j in 0..<i { outside += a[i * count + j] * a[i * count + j] }
            }
            if outside <= tolerance * diagonal { break }
            // All that are below this do not keep it from ending.
            let negligible = tolerance * diagonal / Double(count * count)
            for p in 0..<count {
                for q in p + 1..<max(count, p + 1) where a[p * count + q] * a[p * count + q] > negligible {
                    rotate(&a, &vectors, count, p, q)
                }
            }
        }
        let order = (0..<count).sorted { a[$0 * count + $0] > a[$1 * count + $1] }
        return (order.map { a[$0 * count + $0] }, order.map { Array(vectors[$0 * count..<($0 + 1) * count]) })
    }

    /// Makes the element at p and q zero.
    private static func rotate(_ a: inout [Double], _ vectors: inout [Double], _ count: Int, _ p: Int, _ q: Int) {
        let (atP, atQ, between) = (a[p * count + p], a[q * count + q], a[p * count + q])
        let theta = (atQ - atP) / (2 * between)
        let tangent = (theta < 0 ? -1 : 1) / (abs(theta) + (theta * theta + 1).squareRoot())
        let cosine = 1 / (tangent * tangent + 1).squareRoot()
        let sine = tangent * cosine
        for k in 0..<count {
            let (x, y) = (a[p * count + k], a[q * count + k])
            (a[p * count + k], a[q * count + k]) = (cosine * x - sine * y, sine * x + cosine * y)
            let (u, v) = (vectors[p * count + k], vectors[q * count + k])
            (vectors[p * count + k], vectors[q * count + k]) = (cosine * u - sine * v, sine * u + cosine * v)
        }
        // Columns are rows, but where the two meet.
        for k in 0..<count {
            a[k * count + p] = a[p * count + k]
            a[k * count + q] = a[q * count + k]
        }
        (a[p * count + p], a[q * count + q]) = (atP - tangent * between, atQ + tangent * between)
        (a[p * count + q], a[q * count + p]) = (0, 0)
    }
}
