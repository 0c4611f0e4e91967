// Blocks that run side by side and read one another's shared memory (compute capability 9.0).

// The blocks that work as one cluster (compute capability 9.0), and this one's place among them; elsewhere a block is alone.
__device__ __forceinline__ int cluster_size() {
    int size = 1;
#if __CUDA_ARCH__ >= 900
    asm("mov.u32 %0, %%cluster_nctarank;" : "=r"(size));
#endif
    return size;
}
__device__ __forceinline__ int cluster_rank() {
    int rank = 0;
#if __CUDA_ARCH__ >= 900
    asm("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
#endif
    return rank;
}

// Every thread of the cluster has come here, and what it wrote to shared memory is there for all.
__device__ __forceinline__ void cluster_barrier() {
#if __CUDA_ARCH__ >= 900
    asm volatile("barrier.cluster.arrive.release;\nbarrier.cluster.wait.acquire;" ::: "memory");
#else
    __syncthreads();
#endif
}

// What stands in another block's shared memory where `own` stands in this one's.
__device__ __forceinline__ uint32 load_of(const uint32 *own, int rank) {
#if __CUDA_ARCH__ >= 900
    uint32 x;
    asm volatile("{\n.reg .u32 a;\nmapa.shared::cluster.u32 a, %1, %2;\nld.shared::cluster.u32 %0, [a];\n}"
                 : "=r"(x)
                 : "r"(shared_address(own)), "r"(rank)
                 : "memory");
    return x;
#else
    return *own;
#endif
}
__device__ __forceinline__ float4 load_four_of(const float *own, int rank) {
#if __CUDA_ARCH__ >= 900
    float4 x;
    asm volatile("{\n.reg .u32 a;\nmapa.shared::cluster.u32 a, %4, %5;\nld.shared::cluster.v4.f32 {%0, %1, %2, %3}, [a];\n}"
                 : "=f"(x.x), "=f"(x.y), "=f"(x.z), "=f"(x.w)
                 : "r"(shared_address(own)), "r"(rank)
                 : "memory");
    return x;
#else
    return *(const float4 *)own;
#endif
}
