import BitsCore
import BitsIO
import BitsKernels
import Testing
import _BitsTestSupport

/// The weights that a recorded quantized checkpoint was made of, [N, K].
struct OriginalWeights {
    private let checkpoint: Checkpoint
    /// Whether the family keeps weights as [K, N], which are turned before they are quantized.
    private let isTransposed: Bool

    init(_ name: String) throws {
        let folder = try ModelFolder(path: "\(ParityCases.folder)/models/\(name)/model")
        checkpoint = try Checkpoint(folder)
        isTransposed = try ModelConfiguration(folder).modelType == "gpt2"
    }

    func tensor(_ name: String) throws -> Tensor {
        let tensor = try #require(try checkpoint.tensor(name, on: .tested), "there is no \(name)")
        guard isTransposed else { return tensor }
        let transposed = tensor.transposed(0, 1)
        return Tensor(try transposed.floats(), shape: transposed.shape, dtype: tensor.dtype, device: .tested)
    }
}
