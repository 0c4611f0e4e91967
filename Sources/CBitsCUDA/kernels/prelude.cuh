// What stands before every file of kernels: NVRTC compiles them without a header of CUDA's.

typedef signed char int8;
typedef unsigned char uint8;
typedef unsigned short uint16;
typedef unsigned int uint32;
typedef long long int64;
typedef unsigned long long uint64;

#define FULL_WARP 0xffffffffu
#define INFINITE __int_as_float(0x7f800000)
#define NOT_A_NUMBER __int_as_float(0x7fc00000)

// 16-bit numbers by their bits.
struct alignas(2) float16 {
    uint16 bits;
};
struct alignas(2) bfloat16 {
    uint16 bits;
};

// MARK: Types

// The float32 of the same value.
__device__ __forceinline__ float widen(float x) { return x; }
__device__ __forceinline__ float widen(float16 x) {
    float y;
    asm("cvt.f32.f16 %0, %1;" : "=f"(y) : "h"(x.bits));
    return y;
}
__device__ __forceinline__ float widen(bfloat16 x) { return __uint_as_float((uint32)x.bits << 16); }

// The nearest number of the type, ties to even; NaN stays NaN.
template <typename T> __device__ __forceinline__ T narrow(float x);
template <> __device__ __forceinline__ float narrow<float>(float x) { return x; }
template <> __device__ __forceinline__ float16 narrow<float16>(float x) {
    float16 y;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(y.bits) : "f"(x));
    return y;
}
template <> __device__ __forceinline__ bfloat16 narrow<bfloat16>(float x) {
    bfloat16 y;
#if __CUDA_ARCH__ >= 800
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(y.bits) : "f"(x));
#else
    uint32 bits = __float_as_uint(x);
    y.bits = (uint16)((bits & 0x7fffffff) > 0x7f800000 ? (bits >> 16) | 0x40 : (bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
#endif
    return y;
}

// `DType.code`, for kernels that take types at run time.
enum { FLOAT32 = 0, FLOAT16 = 1, BFLOAT16 = 2, INT8 = 3, UINT8 = 4, INT32 = 5, INT64 = 6, BOOL = 7 };

// Element i of a floating-point array whose type is known at run time.
__device__ __forceinline__ float load_float(const void *array, int type, int64 i) {
    if (type == FLOAT32) return ((const float *)array)[i];
    if (type == FLOAT16) return widen(((const float16 *)array)[i]);
    return widen(((const bfloat16 *)array)[i]);
}
__device__ __forceinline__ void store_float(void *array, int type, int64 i, float x) {
    if (type == FLOAT32) ((float *)array)[i] = x;
    else if (type == FLOAT16) ((float16 *)array)[i] = narrow<float16>(x);
    else ((bfloat16 *)array)[i] = narrow<bfloat16>(x);
}

// An index from an array of int32 or int64.
__device__ __forceinline__ int64 load_index(const void *array, int type, int64 i) {
    return type == INT32 ? (int64)((const int *)array)[i] : ((const int64 *)array)[i];
}

// Whether an address is a multiple of 16, as vector accesses want it.
__device__ __forceinline__ bool is_aligned16(const void *address) { return ((uint64)address & 15) == 0; }

// MARK: Threads

__device__ __forceinline__ int64 thread_index() { return (int64)blockIdx.x * blockDim.x + threadIdx.x; }
__device__ __forceinline__ int64 thread_count() { return (int64)gridDim.x * blockDim.x; }

// Over a warp, the same order of sums in every lane.
__device__ __forceinline__ float warp_sum(float x) {
    for (int h = 16; h > 0; h >>= 1) x += __shfl_xor_sync(FULL_WARP, x, h);
    return x;
}
// NaN left out.
__device__ __forceinline__ float warp_max(float x) {
    for (int h = 16; h > 0; h >>= 1) x = fmaxf(x, __shfl_xor_sync(FULL_WARP, x, h));
    return x;
}

// Over a block of at most 1024 threads, whose number is a multiple of 32; every thread gets the result. `shared` holds 33 numbers and is free again on return.
__device__ __forceinline__ float block_sum(float x, float *shared) {
    x = warp_sum(x);
    if ((threadIdx.x & 31) == 0) shared[threadIdx.x >> 5] = x;
    __syncthreads();
    if (threadIdx.x < 32) {
        float y = threadIdx.x < (blockDim.x >> 5) ? shared[threadIdx.x] : 0.0f;
        y = warp_sum(y);
        if (threadIdx.x == 0) shared[32] = y;
    }
    __syncthreads();
    x = shared[32];
    __syncthreads();
    return x;
}
__device__ __forceinline__ float block_max(float x, float *shared) {
    x = warp_max(x);
    if ((threadIdx.x & 31) == 0) shared[threadIdx.x >> 5] = x;
    __syncthreads();
    if (threadIdx.x < 32) {
        float y = threadIdx.x < (blockDim.x >> 5) ? shared[threadIdx.x] : -INFINITE;
        y = warp_max(y);
        if (threadIdx.x == 0) shared[32] = y;
    }
    __syncthreads();
    x = shared[32];
    __syncthreads();
    return x;
}
