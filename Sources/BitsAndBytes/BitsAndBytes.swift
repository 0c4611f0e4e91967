/// Quantization, low-precision layers and 8-bit optimizers under one name; see ``BitsCore``, ``BitsQuant``, ``BitsNN`` and ``BitsOptim``.
@_exported public import BitsCore
@_exported public import BitsNN
@_exported public import BitsOptim
@_exported public import BitsQuant
