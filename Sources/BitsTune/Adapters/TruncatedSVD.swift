import BitsCore

// Shapes: N, K = rows and columns of the matrix, R = rank, P = rows of the subspace, at least R.

/// The largest singular values of a matrix with their vectors, `W ≈ Uᵀ · diag(values) · V`, by subspace iteration.
///
/// Products with the matrix run on its device, in float32; what is done with the few rows of the subspace runs on the host in double precision. Where the
/// subspace is the whole space, as for small matrices, a round is exact. Halko, Martinsson and Tropp 2011, "Finding structure with randomness",
/// arXiv:0909.4061.
struct TruncatedSVD {
    /// Descending, R of them or as many as the matrix has.
    let values: [Double]
    /// A row for each value, [.., N] and [.., K].
    let left: RowVectors
    let right: RowVectors

    private static let mostRounds = 60

    /// - Parameters:
    ///   - matrix: [N, K] in float32.
    ///   - rounds: of subspace iteration, in a subspace that is hardly larger than the rank; nil for as many as it takes in a larger one.
    ///   - tolerance: singular values have settled when none changes by more than this share of the largest.
    init(_ matrix: Tensor, rank: Int, rounds: Int? = nil, tolerance: Double = 1e-7) throws(DeviceError) {
        let (n, k) = (matrix.shape[0], matrix.shape[1])
        let width = min(n, k, rounds == nil ? max(2 * rank, rank + 64) : rank + 8)
        var generator = RandomGenerator(seed: 0)
        var rows = try RowVectors(.normal([width, k], using: &generator)).orthonormal()  // [P, K]
        var round = 0
        var previous: [Double] = []
        while true {
            let images = try RowVectors(rows.tensor(on: matrix.device).linear(matrix, computeDType: .float32))  // [P, N]
            // All columns, or what the images of all rows span.
            let isWhole = width == k || width == n && round > 0
            let isLast = isWhole || round == rounds ?? TruncatedSVD.mostRounds
            // Until then nobody asks for the values of a given number of rounds.
            if isLast || rounds == nil {
                let (squares, axes) = SymmetricEigen.decomposed(images.products)
                let values = squares.prefix(rank).map { max($0, 0).squareRoot() }
                let change = zip(values, previous).reduce(0) { max($0, abs($1.0 - $1.1)) }
                if isLast || !previous.isEmpty && change <= tolerance * (values.first ?? 0) {
                    self.values = values
                    let leading = Array(axes.prefix(rank))
                    right = rows.combined(leading)
                    left = images.combined(zip(leading, values).map { axis, value in axis.map { value > 0 ? $0 / value : 0 } })
                    return
                }
                previous = values
            }
            round += 1
            rows = try RowVectors(images.orthonormal().tensor(on: matrix.device).matrixProduct(matrix)).orthonormal()
        }
    }
}
