package import BitsIO
package import BitsNN

extension LayerSelection {
    /// The layers that `quantization` takes; nil if it takes none.
    package init?(_ quantization: BitsAndBytesConfig?, keptByDefault: [String: String]) {
        guard let quantization, quantization.method != nil else { return nil }
        self.init(skipping: quantization.skipModules, keptByDefault: keptByDefault)
    }
}
