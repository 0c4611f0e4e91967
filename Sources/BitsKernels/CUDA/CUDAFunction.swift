internal import Synchronization

/// A function of a file in `CBitsCUDA/kernels`, found on each device when it is first launched there.
final class CUDAFunction: Sendable {
    let file: String
    let name: String
    private let handles = Mutex<[UInt]>([])

    init(_ file: String, _ name: String) {
        self.file = file
        self.name = name
    }

    /// The handle on device `ordinal`, by `find` the first time.
    func handle(on ordinal: Int, _ find: () throws(DeviceError) -> UInt) throws(DeviceError) -> UInt {
        try handles.withLock { handles throws(DeviceError) in
            if ordinal < handles.count, handles[ordinal] != 0 { return handles[ordinal] }
            let handle = try find()
            while handles.count <= ordinal { handles.append(0) }
            handles[ordinal] = handle
            return handle
        }
    }
}

/// One function for each floating-point type, or for each pair of them: `name_f32`, `name_f32_bf16`.
struct CUDAFunctions: Sendable {
    private let singles: [CUDAFunction]
    private let pairs: [CUDAFunction]
    private static let types: [(dtype: DType, name: String)] = [(.float32, "f32"), (.float16, "f16"), (.bfloat16, "bf16")]

    init(_ file: String, _ name: String) {
        let types = CUDAFunctions.types.map(\.name)
        singles = types.map { CUDAFunction(file, "\(name)_\($0)") }
        pairs = types.flatMap { first in types.map { CUDAFunction(file, "\(name)_\(first)_\($0)") } }
    }

    subscript(dtype: DType) -> CUDAFunction { singles[CUDAFunctions.index(dtype)] }

    subscript(first: DType, second: DType) -> CUDAFunction { pairs[CUDAFunctions.index(first) * 3 + CUDAFunctions.index(second)] }

    private static func index(_ dtype: DType) -> Int {
        guard let index = types.firstIndex(where: { $0.dtype == dtype }) else {
            preconditionFailure("no kernel takes \(dtype.rawValue) elements here")
        }
        return index
    }
}
