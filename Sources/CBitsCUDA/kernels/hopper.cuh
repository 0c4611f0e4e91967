// What kernels are made of that use the matrix instructions of compute capability 9.0: barriers in shared memory, registers, tiles, and waiting for products.

#ifdef __CUDA_ARCH_FEAT_SM90_ALL

// What this thread has written is there for matrix instructions of whoever it tells.
__device__ __forceinline__ void show_to_products() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }

// A barrier that threads arrive at and others wait for; its phases are numbered from 0.
__device__ __forceinline__ void begin_barrier(uint64 *barrier, int arrivals) {
    asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(barrier)), "r"(arrivals) : "memory");
}
__device__ __forceinline__ void arrive(uint64 *barrier) {
    asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(shared_address(barrier)) : "memory");
}
__device__ __forceinline__ bool has_ended(uint64 *barrier, int phase) {
    uint32 ended;
    asm volatile(
        "{\n.reg .pred p;\nmbarrier.test_wait.parity.shared::cta.b64 p, [%1], %2;\nselp.u32 %0, 1, 0, p;\n}"
        : "=r"(ended)
        : "r"(shared_address(barrier)), "r"(phase & 1)
        : "memory");
    return ended;
}
__device__ __forceinline__ void await_phase(uint64 *barrier, int phase) {
    while (!has_ended(barrier, phase)) {}
}

// Registers that a thread of the group has from here on.
template <int COUNT> __device__ __forceinline__ void give_registers() { asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(COUNT)); }
template <int COUNT> __device__ __forceinline__ void take_registers() { asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(COUNT)); }

__device__ __forceinline__ void begin_products() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
__device__ __forceinline__ void end_products() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
// All but the newest LEFT groups of products have ended.
template <int LEFT> __device__ __forceinline__ void await_products() { asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(LEFT) : "memory"); }

// How matrix instructions find a tile in shared memory whose rows, or vectors, are 128 bytes with 16-byte pieces that change places by the row's number (their
// 128-byte swizzle), from a multiple of 1024 bytes on: groups of eight rows 1024 bytes apart, blocks of 128 bytes of longer rows `block` bytes.
__device__ __forceinline__ uint64 description(const uint8 *tile, uint32 block) {
    return (uint64)((shared_address(tile) & 0x3ffff) >> 4) | (uint64)(block >> 4) << 16 | (uint64)(1024 >> 4) << 32 | (uint64)1 << 62;
}

#endif
