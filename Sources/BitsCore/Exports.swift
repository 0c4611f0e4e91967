// Devices and element types are part of every signature above the kernel room.
@_exported public import enum BitsKernels.AttentionWindow
@_exported public import struct BitsKernels.Device
@_exported public import enum BitsKernels.DType
@_exported public import enum BitsKernels.DeviceError
@_exported public import class BitsKernels.MemoryLedger
@_exported public import struct BitsKernels.MemoryUse
@_exported public import enum BitsKernels.MemoryCategory
@_exported public import func BitsKernels.counted
@_exported public import struct BitsSystem.FileError
@_exported public import class BitsSystem.MappedFile
@_exported public import enum BitsKernels.Processor
