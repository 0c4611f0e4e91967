import Foundation
import Testing

/// A driver of CUDA's that computes nothing, for what the command does with a GPU that fails: built from `FakeDriver/driver.c`, which says what it can.
struct FakeGPU {
    private let scratch: Scratch
    private var path: String { "\(scratch.path)/libcuda.so.1" }

    /// The toolchain brings the compiler.
    init() throws {
        scratch = try Scratch()
        let source = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("FakeDriver/driver.c").path
        let line = "\"${CC:-clang}\" -std=gnu2x -O1 -shared -fPIC -pthread -o \"$0\" \"$1\""
        let built = try Command.run(shell: line, [path, source])
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
}
