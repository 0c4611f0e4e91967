import BitsCore
import BitsIO
import BitsModels
import BitsNN

/// Tells what a run does not train of its model: the form of each weight, and the first bytes of what it lies in.
///
/// A checkpoint holds what is trained. It goes on as it would have gone on only on the same other weights, in the same form.
enum FrozenWeights {
    /// Bytes of each tensor that are looked at.
    private static let most = 4096

    static func check(of model: TaskModel, without trained: TrainedWeights) throws(DeviceError) -> String {
        let ids = Set(trained.parameters.map { ObjectIdentifier($0.parameter) })
        let names = Set(model.namedParameters().filter { ids.contains(ObjectIdentifier($0.parameter)) }.map(\.path))
        var check = CRC32C()
        for (name, tensor) in try model.entries() where !names.contains(name) {
            check.append(Array("\(name) \(tensor.dtype.rawValue) \(tensor.shape)".utf8))
            check.append(try start(of: tensor).contiguous().bytes())
        }
        return String(check.value, radix: 16)
    }

    private static func start(of tensor: Tensor) -> Tensor {
        guard let rows = tensor.shape.first, rows > 1 else { return tensor }
        let rowByteCount = max(1, tensor.count / rows * tensor.dtype.byteCount)
        return tensor.narrowed(axis: 0, to: 0..<min(rows, max(1, most / rowByteCount)))
    }
}
