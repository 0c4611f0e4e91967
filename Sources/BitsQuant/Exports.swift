// The 4-bit formats are part of this module's signatures; their tables lie where the kernels are.
@_exported public import enum BitsKernels.FourBitFormat
