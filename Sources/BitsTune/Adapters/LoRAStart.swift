/// Where an adapter begins. All but ``random`` leave what the model computes as it is.
public enum LoRAStart: Sendable, Equatable {
    /// A uniform in ±1 / sqrt(K), B zero; of an embedding A zero, B normal. PEFT's `init_lora_weights=True`.
    case kaiming
    /// A normal with the standard deviation 1 / R, B zero.
    case gaussian
    /// Neither is zero: for tests. PEFT's `False`.
    case random
    /// The part of the weight in its R largest singular values, which is taken out of the base layer (Meng et al. 2024, arXiv:2404.02948).
    ///
    /// - `iterations`: of subspace iteration; nil for as many as it takes.
    case pissa(iterations: Int? = nil)
    /// The first R columns of the weight's QR decomposition, which are taken out of the base layer (Büyükakyüz 2024, arXiv:2406.01775).
    case olora
    /// The best approximation of what quantization has lost (Li et al. 2023, arXiv:2310.08659).
    ///
    /// - `rounds`: from 1. The first leaves the base as it is; each further one quantizes anew what the factors do not make up for, and finds the factors for that: the
    ///   base becomes one of its own, see ``Adapter/hasOwnBase``. PEFT's `loftq_iter`.
    case loftQ(rounds: Int = 1)
}
