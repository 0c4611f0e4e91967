public import BitsIO
public import BitsNN

extension ModelQuantization {
    /// What a `quantization_config` asks for, with the skip list.
    public init(_ configuration: BitsAndBytesConfig?) {
        self.init(configuration?.quantization, skipping: configuration?.quantization == nil ? nil : configuration?.skipModules)
    }
}
