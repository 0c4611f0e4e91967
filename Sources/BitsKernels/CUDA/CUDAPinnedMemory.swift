internal import CBitsCUDA
internal import Synchronization

/// Host memory that the GPU copies to and from by itself. Blocks are kept: the driver is slow to give them.
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

    /// Of a block.
    static let leastByteCount = 4096

    private let context: CUDAContext
    private let idle = Mutex<[Part]>([])

    init(_ context: CUDAContext) { self.context = context }

    deinit { empty() }

    /// Gives idle blocks back to the driver; copies to and from them must be over.
    func empty() {
        let parts = idle.withLock { idle in
            defer { idle = [] }
            return idle
        }
        for part in parts {
            unsafe _ = bits_cuda_event_destroy(context.pointer, UnsafeMutableRawPointer(bitPattern: part.event))
            unsafe _ = bits_cuda_free_host(context.pointer, UnsafeMutableRawPointer(bitPattern: part.address))
        }
    }

    /// A block of at least `byteCount` bytes, or none and what the driver said.
    func take(byteCount: Int) -> (block: Block?, status: Int32) {
        // Small blocks are of few sizes, so that they fit again.
        let least = max(byteCount, CUDAPinnedMemory.leastByteCount)
        let wanted = byteCount > 4 << 20 ? byteCount : 1 << (Int.bitWidth - (least - 1).leadingZeroBitCount)
        let kept = idle.withLock { idle in
            idle.firstIndex { $0.byteCount >= wanted && $0.byteCount <= 4 * wanted }.map { idle.remove(at: $0) }
        }
        if let kept { return (Block(self, kept), 0) }
        var (memory, event): (UnsafeMutableRawPointer?, UnsafeMutableRawPointer?) = (nil, nil)
        var status = unsafe bits_cuda_allocate_host(context.pointer, wanted, &memory)
        if status == 0 { status = unsafe bits_cuda_event_create(context.pointer, &event) }
        guard status == 0 else {
            if unsafe memory != nil { unsafe _ = bits_cuda_free_host(context.pointer, memory) }
            return (nil, status)
        }
        return (Block(self, Part(address: UInt(bitPattern: memory), event: UInt(bitPattern: event), byteCount: wanted)), 0)
    }
}
