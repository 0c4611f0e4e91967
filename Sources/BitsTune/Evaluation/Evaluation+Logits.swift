import BitsCore
public import BitsIO
public import BitsModels
import BitsNN

extension CausalLanguageModel {
    /// Writes `tokens` (int32 [W, T]) and `logits` (float32 [W, T, V]) of all windows, for comparison with other programs.
    ///
    /// - Throws: ``BitsIO/ModelFileError`` when the file cannot be written or the device fails.
    public func writeLogits(_ windows: EvaluationWindows, to path: String) throws(ModelFileError) {
        let all = windows.windows
        let shape = [all.count, all[0].count]
        let values = noGradient { self.logits(TokenBatch(packing: all, device: computeDevice)).reshaped(shape + [-1]) }  // [W, T, V]
        let tokens = Tensor(all.flatMap { $0 }, shape: shape, device: computeDevice)
        try SafetensorsFile.write(["tokens": tokens, "logits": values], to: path)
    }
}
