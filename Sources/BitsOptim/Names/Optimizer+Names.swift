// bitsandbytes' classes under their names; see ``OptimizerClass`` for how they are called.

extension Optimizer {
    /// Reference: `Adam`.
    public static let adam = OptimizerClass<Adam>()
    /// Reference: `Adam8bit`.
    public static let adam8bit = OptimizerClass<Adam>(.eight)
    /// Reference: `Adam32bit`.
    public static let adam32bit = OptimizerClass<Adam>(.thirtyTwo)
    /// Reference: `PagedAdam`.
    public static let pagedAdam = OptimizerClass<Adam>(paged: true)
    /// Reference: `PagedAdam8bit`.
    public static let pagedAdam8bit = OptimizerClass<Adam>(.eight, paged: true)
    /// Reference: `PagedAdam32bit`.
    public static let pagedAdam32bit = OptimizerClass<Adam>(.thirtyTwo, paged: true)

    /// Reference: `AdamW`.
    public static let adamW = OptimizerClass<AdamW>()
    /// Reference: `AdamW8bit`.
    public static let adamW8bit = OptimizerClass<AdamW>(.eight)
    /// Reference: `AdamW32bit`.
    public static let adamW32bit = OptimizerClass<AdamW>(.thirtyTwo)
    /// Reference: `PagedAdamW`.
    public static let pagedAdamW = OptimizerClass<AdamW>(paged: true)
    /// Reference: `PagedAdamW8bit`.
    public static let pagedAdamW8bit = OptimizerClass<AdamW>(.eight, paged: true)
    /// Reference: `PagedAdamW32bit`.
    public static let pagedAdamW32bit = OptimizerClass<AdamW>(.thirtyTwo, paged: true)

    /// Reference: `AdEMAMix`.
    public static let adEMAMix = OptimizerClass<AdEMAMix>()
    /// Reference: `AdEMAMix8bit`.
    public static let adEMAMix8bit = OptimizerClass<AdEMAMix>(.eight)
    /// Reference: `AdEMAMix32bit`.
    public static let adEMAMix32bit = OptimizerClass<AdEMAMix>(.thirtyTwo)
    /// Reference: `PagedAdEMAMix`.
    public static let pagedAdEMAMix = OptimizerClass<AdEMAMix>(paged: true)
    /// Reference: `PagedAdEMAMix8bit`.
    public static let pagedAdEMAMix8bit = OptimizerClass<AdEMAMix>(.eight, paged: true)
    /// Reference: `PagedAdEMAMix32bit`.
    public static let pagedAdEMAMix32bit = OptimizerClass<AdEMAMix>(.thirtyTwo, paged: true)

    /// Reference: `Lion`.
    public static let lion = OptimizerClass<Lion>()
    /// Reference: `Lion8bit`.
    public static let lion8bit = OptimizerClass<Lion>(.eight)
    /// Reference: `Lion32bit`.
    public static let lion32bit = OptimizerClass<Lion>(.thirtyTwo)
    /// Reference: `PagedLion`.
    public static let pagedLion = OptimizerClass<Lion>(paged: true)
    /// Reference: `PagedLion8bit`.
    public static let pagedLion8bit = OptimizerClass<Lion>(.eight, paged: true)
    /// Reference: `PagedLion32bit`.
    public static let pagedLion32bit = OptimizerClass<Lion>(.thirtyTwo, paged: true)

    /// Reference: `LAMB`.
    public static let lamb = OptimizerClass<LAMB>()
    /// Reference: `LAMB8bit`.
    public static let lamb8bit = OptimizerClass<LAMB>(.eight)
    /// Reference: `LAMB32bit`.
    public static let lamb32bit = OptimizerClass<LAMB>(.thirtyTwo)

    /// Reference: `LARS`.
    public static let lars = OptimizerClass<LARS>()
    /// Reference: `LARS8bit`.
    public static let lars8bit = OptimizerClass<LARS>(.eight)
    /// Reference: `LARS32bit`.
    public static let lars32bit = OptimizerClass<LARS>(.thirtyTwo)

    /// Reference: `RMSprop`.
    public static let rmsprop = OptimizerClass<RMSprop>()
    /// Reference: `RMSprop8bit`.
    public static let rmsprop8bit = OptimizerClass<RMSprop>(.eight)
    /// Reference: `RMSprop32bit`.
    public static let rmsprop32bit = OptimizerClass<RMSprop>(.thirtyTwo)

    /// Reference: `SGD`.
    public static let sgd = OptimizerClass<SGD>()
    /// Reference: `SGD8bit`.
    public static let sgd8bit = OptimizerClass<SGD>(.eight)
    /// Reference: `SGD32bit`.
    public static let sgd32bit = OptimizerClass<SGD>(.thirtyTwo)

    /// Reference: `Adagrad`.
    public static let adagrad = OptimizerClass<Adagrad>()
    /// Reference: `Adagrad8bit`.
    public static let adagrad8bit = OptimizerClass<Adagrad>(.eight)
    /// Reference: `Adagrad32bit`.
    public static let adagrad32bit = OptimizerClass<Adagrad>(.thirtyTwo)
}
