public import BitsCore
public import BitsQuant

extension Module {
    /// Fills a model that was built without weights, quantizing its layers on the way: never more in memory than the model as it will be and one tensor.
    ///
    /// ```swift
    /// let model = Llama(configuration)
    /// let report = try model.load(from: checkpoint, options: LoadOptions(quantization: .fourBit(.nf4)))
    /// ```
    /// A layer that `source` holds quantized is taken as it is, whatever is asked for. All parameters are frozen, but for int8 weights that are kept to be
    /// trained.
    ///
    /// - Parameter progress: called with the share of the source's bytes that is done, where it knows its entries.
    /// - Throws: ``LayerError`` for entries that are missing, of another shape or broken, all that there are, when the rest of the model has been filled; or
    ///   what `source` throws. Reference: accelerate's `load_and_quantize_model`.
    @discardableResult
    public func load(
        from source: any WeightSource, options: LoadOptions = LoadOptions(), progress: @escaping (Double) -> Void = { _ in }
    ) throws -> ModelReport {
        try ModelLoader(self, source, options: options, progress: progress).run()
    }

    /// The same with the entries that a closure gives, quantizing as ``quantize(to:embeddings:head:skipping:)`` does.
    ///
    /// - Parameters:
    ///   - dtype: see ``LoadOptions/dtype``.
    ///   - keepingFloat32: see ``LoadOptions/keepingFloat32``.
    ///   - entry: the tensor under a full name; nil where the checkpoint has none. Each weight is asked for when its turn comes; one that two modules
    ///     share is looked for under each of its names, its module's own first.
    @discardableResult
    public func loadAndQuantize(
        to form: Quantization?, embeddings: Quantization? = nil, head: Quantization? = nil, skipping: [String]? = nil, dtype: DType? = nil,
        keepingFloat32: [String] = [], device: Device = .cpu, from entry: @escaping (_ name: String) throws -> Tensor?
    ) throws -> ModelReport {
        let quantization = ModelQuantization(form, embeddings: embeddings, head: head, skipping: skipping)
        let options = LoadOptions(quantization, dtype: dtype, keepingFloat32: keepingFloat32, device: device)
        return try load(from: ClosureSource(entry), options: options)
    }
}
