internal import CBitsCUDA
internal import Synchronization

/// Host memory that the GPU copies to by itself, for what the host reads late. Blocks are kept: the driver is slow to give them.
final class CUDAPinnedMemory: Sendable {
    /// A block with an event of its own; goes back when the last reference goes.
    final class Block: Sendable {
        private let memory: CUDAPinnedMemory
        private let part: Part

        fileprivate init(_ memory: CUDAPinnedMemory, _ part: Part) {
            self.memory = memory
            self.part = part
        }

        deinit { memory.idle.withLock { $0.append(part) } }

        var pointer: UnsafeMutableRawPointer? { unsafe UnsafeMutableRawPointer(bitPattern: part.address) }
        var event: UnsafeMutableRawPointer? { unsafe UnsafeMutableRawPointer(bitPattern: part.event) }
    }

    fileprivate struct Part: Sendable {
        let address: UInt
        let event: UInt
        let byteCount: Int
    }

    private let context: CUDAContext
    private let idle = Mutex<[Part]>([])

    init(_ context: CUDAContext) { self.context = context }

    /// A block of at least `byteCount` bytes.
    func take(byteCount: Int) -> Block {
        let wanted = max(byteCount, 4096)
        let kept = idle.withLock { idle in
            idle.firstIndex { $0.byteCount >= wanted && $0.byteCount <= 4 * wanted }.map { idle.remove(at: $0) }
        }
        return Block(self, kept ?? fresh(wanted))
    }

    private func fresh(_ byteCount: Int) -> Part {
        var (memory, event): (UnsafeMutableRawPointer?, UnsafeMutableRawPointer?) = (nil, nil)
        let status = unsafe bits_cuda_allocate_host(context.pointer, byteCount, &memory)
        precondition(status == 0, "no \(byteCount) bytes of pinned host memory: \(CUDADriver.text(of: status))")
        unsafe _ = bits_cuda_event_create(context.pointer, false, &event)
        return Part(address: UInt(bitPattern: memory), event: UInt(bitPattern: event), byteCount: byteCount)
    }
}
