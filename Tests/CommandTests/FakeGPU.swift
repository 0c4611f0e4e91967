import Foundation
import Testing

/// A driver of CUDA's that computes nothing, for what the command does with a GPU that fails: built from `FakeDriver/driver.c`, which says what it can.
struct FakeGPU {
    private let scratch: Scratch
    /// The driver.
    private var path: String { "\(scratch.path)/libcuda.so.1" }

    init() throws {
        scratch = try Scratch()
        try build("driver.c", as: "libcuda.so.1")
    }

    /// The toolchain brings the compiler.
    private func build(_ source: String, as name: String) throws {
        let source = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("FakeDriver/\(source)").path
        let line = "\"${CC:-clang}\" -std=gnu2x -O1 -shared -fPIC -pthread -o \"$0\" \"$1\""
        let built = try Command.run(shell: line, ["\(scratch.path)/\(name)", source])
        try #require(built.status == 0, "\(built.errors)")
    }

    /// The environment of a command that is to find this GPU alone.
    ///
    /// - Parameters:
    ///   - cache: where machine code is kept.
    ///   - settings: what is to go wrong, by the names in `driver.c` without what they begin with.
    func environment(cache: String, _ settings: [String: String] = [:]) -> [String: String] {
        var environment = ["BNB_CUDA_DRIVER": path, "BNB_NVRTC": "off", "BNB_CUBLASLT": "/none", "BNB_CUDA_CACHE": cache]
        for (name, value) in settings { environment["FAKE_CUDA_\(name)"] = value }
        return environment
    }

    /// The same, with an NVRTC of CUDA 13 where the loader looks first: `FakeDriver/nvrtc.c`.
    ///
    /// - Parameter isNamed: whether `BNB_NVRTC` names it.
    func environmentWithCompiler(cache: String, isNamed: Bool = false, _ settings: [String: String] = [:]) throws -> [String: String] {
        for name in ["libnvrtc.so.12", "libnvrtc.so.13"] { try build("nvrtc.c", as: name) }
        var environment = environment(cache: cache, settings)
        environment["BNB_NVRTC"] = isNamed ? "\(scratch.path)/libnvrtc.so.13" : ""
        let others = ProcessInfo.processInfo.environment["LD_LIBRARY_PATH"].map { ":\($0)" } ?? ""
        environment["LD_LIBRARY_PATH"] = scratch.path + others
        return environment
    }
}
