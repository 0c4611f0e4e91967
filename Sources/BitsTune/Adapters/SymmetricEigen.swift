/// Eigenvalues and eigenvectors of symmetric matrices, by Jacobi's rotations (Golub and Van Loan, "Matrix Computations", 8.5).
enum SymmetricEigen {
    /// The eigenvalues in descending order, and a row for each.
    static func decomposed(_ matrix: [[Double]]) -> (values: [Double], vectors: [[Double]]) {
        let count = matrix.count
        var a = matrix
        var vectors = (0..<count).map { row in (0..<count).map { $0 == row ? 1.0 : 0.0 } }
        for _ in 0..<50 {
            var (outside, diagonal) = (0.0, 0.0)
            for i in 0..<count {
                diagonal += a[i][i] * a[i][i]
                for j in 0..<i { outside += a[i][j] * a[i][j] }
            }
            if outside <= 1e-30 * diagonal { break }
            for p in 0..<count {
                for q in p + 1..<max(count, p + 1) where a[p][q] != 0 { rotate(&a, &vectors, p, q) }
            }
        }
        let order = (0..<count).sorted { a[$0][$0] > a[$1][$1] }
        return (order.map { a[$0][$0] }, order.map { vectors[$0] })
    }

    /// Makes the element at p and q zero.
    private static func rotate(_ a: inout [[Double]], _ vectors: inout [[Double]], _ p: Int, _ q: Int) {
        let theta = (a[q][q] - a[p][p]) / (2 * a[p][q])
        let tangent = (theta < 0 ? -1 : 1) / (abs(theta) + (theta * theta + 1).squareRoot())
        let cosine = 1 / (tangent * tangent + 1).squareRoot()
        let sine = tangent * cosine
        for k in a.indices {
            let (x, y) = (a[k][p], a[k][q])
            (a[k][p], a[k][q]) = (cosine * x - sine * y, sine * x + cosine * y)
        }
        for k in a.indices {
            let (x, y) = (a[p][k], a[q][k])
            (a[p][k], a[q][k]) = (cosine * x - sine * y, sine * x + cosine * y)
            let (u, v) = (vectors[p][k], vectors[q][k])
            (vectors[p][k], vectors[q][k]) = (cosine * u - sine * v, sine * u + cosine * v)
        }
    }
}
