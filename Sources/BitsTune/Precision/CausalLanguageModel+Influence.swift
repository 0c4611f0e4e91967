import BitsCore
import BitsModels
import BitsNN

// Shapes: T = tokens, N = output width, V = vocabulary.

extension CausalLanguageModel {
    /// How much the loss feels of each layer's outputs, see ``LayerErrors/influence``, over `sequences`, one backward pass each.
    ///
    /// Zeros that are added to a layer's outputs have the gradient with respect to these, and no weight needs one.
    func influences(of paths: Set<String>, on sequences: [[Int32]]) throws(EvaluationError) -> [String: Double] {
        var sums: [String: Double] = [:]
        let tokens = sequences.reduce(0) { $0 + $1.count }
        for ids in sequences where ids.count > 1 {
            var probes: [(path: String, zeros: Parameter, squares: Tensor)] = []
            let observer: LayerObserver = { path, _, _, output in
                let zeros = Parameter(.zeros(output.shape, dtype: output.dtype, device: output.device))
                probes.append((path, zeros, output.detached().rowSquares))
                return output + zeros.tensor
            }
            let loss = observing(paths, by: observer) {
                let scores = logits(TokenBatch(packing: [ids], device: computeDevice)).reshaped(ids.count, vocabularySize)  // [T, V]
                return scores.crossEntropy(Tensor(ids.dropFirst() + [-100], device: computeDevice)).sum()
            }
            loss.backward()
            do throws(DeviceError) {
                for (path, zeros, squares) in probes {
                    guard let gradient = zeros.gradient else { continue }
                    let width = 2 * Double(tokens) * Double(zeros.shape[zeros.shape.count - 1])
                    sums[path, default: 0] += Double(try (gradient.rowSquares * squares).sum().item()) / width
                }
            } catch { throw .device(error) }
        }
        return sums
    }
}

extension Tensor {
    /// The squared norms of the rows of [.., N], float32 [T].
    fileprivate var rowSquares: Tensor { reshaped(-1, shape[rank - 1]).cast(to: .float32).squared().sum(axis: 1) }
}
