import BitsNN
import BitsQuant
import _BitsTestSupport

extension LoadOptions {
    /// Onto the device that is tested.
    static func tested(_ quantization: Quantization? = nil) -> LoadOptions { LoadOptions(quantization: quantization, device: .tested) }
}
