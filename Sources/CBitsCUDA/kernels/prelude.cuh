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

// What a kernel begins with that may be launched while the one before ends: from here on there is what that wrote.
__device__ __forceinline__ void wait_for_launches_before() {
#if __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

// The same, and the next launch may begin while this one works.
__device__ __forceinline__ void begin_launch() {
#if __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
    wait_for_launches_before();
}

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

// The largest of a warp, as a number or as the bits of a magnitude, whose order is that of the numbers with NaN at the end.
__device__ __forceinline__ uint32 warp_max(uint32 x) {
#if __CUDA_ARCH__ >= 800
    return __reduce_max_sync(FULL_WARP, x);
#else
    for (int h = 16; h > 0; h >>= 1) x = max(x, __shfl_xor_sync(FULL_WARP, x, h));
    return x;
#endif
}

// Whether `reciprocal` takes the number with these bits: from 2^-126 to below 2^126.
__device__ __forceinline__ bool is_invertible(uint32 bits) { return bits - 0x00800000u < 0x7e000000u; }
// 1 / x rounded to nearest: what __frcp_rn does where it need not ask.
__device__ __forceinline__ float reciprocal(float x) {
    float y;
    asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return __fmaf_rn(y, -__fmaf_rn(x, y, -1.0f), y);
}

// a / b rounded to nearest: what __fdiv_rn does where it need not ask, as where magnitudes are from 2^-60 to 2^70 and from 2^-51 to 2^64.
__device__ __forceinline__ float quotient_of_ordinary(float a, float b) {
    const float inverse = reciprocal(b), near = a * inverse;
    return __fmaf_rn(-inverse, __fmaf_rn(b, near, -a), near);
}

// The square root rounded to nearest of a number from 2^-101 on: what __fsqrt_rn does where it need not ask.
#define SMALLEST_ROOTED __int_as_float(0x0d000000)
__device__ __forceinline__ float root_of_ordinary(float x) {
    float y;
    asm("rsqrt.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    const float root = x * y;
    return __fmaf_rn(__fmaf_rn(-root, root, x), y * 0.5f, root);
}

// tanh within a few units in the last place, by the hardware's estimates of 2^x and reciprocals, and short enough to stand in a loop that is unrolled.
__device__ __forceinline__ float short_tanh(float x) {
    const float size = fabsf(x), s = x * x;
    float power, part, p = -5.704987328e-3f;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(power) : "f"(size * 2.885390082f));
    asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(part) : "f"(power + 1.0f));
    p = __fmaf_rn(p, s, 2.063908800e-2f);
    p = __fmaf_rn(p, s, -5.373971537e-2f);
    p = __fmaf_rn(p, s, 1.333144158e-1f);
    p = __fmaf_rn(p, s, -3.333328068e-1f);
    return size < 0.625f ? __fmaf_rn(p * s, x, x) : copysignf(__fmaf_rn(part, -2.0f, 1.0f), x);
}

// The larger of a magnitude and that of x; NaN is larger than all.
__device__ __forceinline__ float larger_magnitude(float largest, float x) {
#if __CUDA_ARCH__ >= 800
    float y;
    asm("max.NaN.f32 %0, %1, %2;" : "=f"(y) : "f"(largest), "f"(fabsf(x)));
    return y;
#else
    return __uint_as_float(max(__float_as_uint(largest), __float_as_uint(fabsf(x))));
#endif
}

// The sum of every STRIDE-th of `count` doubles, one after the other, where the order is part of a rule; by a whole warp, every lane gets it.
template <int STRIDE> __device__ __forceinline__ double sum_in_order(const double *values, int64 count) {
    const int lane = threadIdx.x & 31;
    double sum = 0, next = lane < count ? values[STRIDE * lane] : 0;
    for (int64 begin = 0; begin < count; begin += 32) {
        const double now = next;
        const int64 ahead = begin + 32 + lane;
        next = ahead < count ? values[STRIDE * ahead] : 0;
        const int size = (int)min(count - begin, (int64)32);
        if (size == 32) {
#pragma unroll
            for (int i = 0; i < 32; i++) sum += __shfl_sync(FULL_WARP, now, i);
        } else {
            for (int i = 0; i < size; i++) sum += __shfl_sync(FULL_WARP, now, i);
        }
    }
    return sum;
}

// MARK: Shared memory

// Where something stands in shared memory, as instructions take it.
__device__ __forceinline__ uint32 shared_address(const void *pointer) { return (uint32)__cvta_generic_to_shared(pointer); }

// What stands at such an address.
__device__ __forceinline__ uint32 load_byte(uint32 address) {
    uint32 x;
    asm volatile("ld.shared.u8 %0, [%1];" : "=r"(x) : "r"(address) : "memory");
    return x;
}
__device__ __forceinline__ float load_number(uint32 address) {
    float x;
    asm volatile("ld.shared.f32 %0, [%1];" : "=f"(x) : "r"(address) : "memory");
    return x;
}
__device__ __forceinline__ uint2 load_two(uint32 address) {
    uint2 x;
    asm volatile("ld.shared.v2.u32 {%0, %1}, [%2];" : "=r"(x.x), "=r"(x.y) : "r"(address) : "memory");
    return x;
}
__device__ __forceinline__ uint4 load_four(uint32 address) {
    uint4 x;
    asm volatile("ld.shared.v4.u32 {%0, %1, %2, %3}, [%4];" : "=r"(x.x), "=r"(x.y), "=r"(x.z), "=r"(x.w) : "r"(address) : "memory");
    return x;
}

#if __CUDA_ARCH__ >= 800

// 16 bytes, or a number, on their way to shared memory while the thread goes on; zeros where they do not count.
__device__ __forceinline__ void fetch(uint32 to, const void *from) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(to), "l"(from) : "memory");
}
__device__ __forceinline__ void fetch(uint32 to, const void *from, bool counts) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(counts ? 16 : 0) : "memory");
}
__device__ __forceinline__ void fetch_number(uint32 to, const void *from) {
    asm volatile("cp.async.ca.shared.global [%0], [%1], 4;" ::"r"(to), "l"(from) : "memory");
}
__device__ __forceinline__ void fetch_number(uint32 to, const void *from, bool counts) {
    asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(to), "l"(from), "r"(counts ? 4 : 0) : "memory");
}
// What has been asked for since the last one is a group.
__device__ __forceinline__ void end_fetches() { asm volatile("cp.async.commit_group;" ::: "memory"); }
// All but the newest `LEFT` groups of this thread have come.
template <int LEFT> __device__ __forceinline__ void await_fetches() { asm volatile("cp.async.wait_group %0;" ::"n"(LEFT) : "memory"); }

#endif

// MARK: Eight elements

// Two numbers rounded to a 16-bit type, the first in the lower half.
template <typename T> __device__ __forceinline__ uint32 pack(float low, float high) {
    return (uint32)narrow<T>(low).bits | (uint32)narrow<T>(high).bits << 16;
}
#if __CUDA_ARCH__ >= 800
template <> __device__ __forceinline__ uint32 pack<bfloat16>(float low, float high) {
    uint32 y;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(y) : "f"(high), "f"(low));
    return y;
}
template <> __device__ __forceinline__ uint32 pack<float16>(float low, float high) {
    uint32 y;
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(y) : "f"(high), "f"(low));
    return y;
}
#endif

// The numbers in the lower and in the upper half of 32 bits.
template <typename T> __device__ __forceinline__ float unpack_low(uint32 x);
template <> __device__ __forceinline__ float unpack_low<bfloat16>(uint32 x) { return __uint_as_float(x << 16); }
template <> __device__ __forceinline__ float unpack_low<float16>(uint32 x) { return widen(float16{(uint16)x}); }
template <typename T> __device__ __forceinline__ float unpack_high(uint32 x);
template <> __device__ __forceinline__ float unpack_high<bfloat16>(uint32 x) { return __uint_as_float(x & 0xffff0000); }
template <> __device__ __forceinline__ float unpack_high<float16>(uint32 x) { return widen(float16{(uint16)(x >> 16)}); }

// Eight elements in a row in registers, as they lie in memory. Indices are to be constants of unrolled loops.
template <typename T> struct Eight {
    uint32 words[4];
    __device__ __forceinline__ float operator[](int i) const {
        return i & 1 ? unpack_high<T>(words[i >> 1]) : unpack_low<T>(words[i >> 1]);
    }
    // Elements 2 i and 2 i + 1.
    __device__ __forceinline__ void set(int i, float low, float high) { words[i] = pack<T>(low, high); }
    // The bits of the largest magnitude in float32; NaN is beyond all.
    __device__ __forceinline__ uint32 largest_magnitude() const {
        uint32 two = 0;
#pragma unroll
        for (int i = 0; i < 4; i++) two = __vmaxu2(two, words[i] & 0x7fff7fff);
        return __float_as_uint(widen(T{(uint16)max(two & 0xffff, two >> 16)}));
    }
    // From and to addresses that are multiples of 16; what is used once, so that caches keep other things.
    __device__ __forceinline__ void load(const T *from) {
        const uint4 x = __ldcs((const uint4 *)from);
        words[0] = x.x, words[1] = x.y, words[2] = x.z, words[3] = x.w;
    }
    __device__ __forceinline__ void store(T *to) const { __stcs((uint4 *)to, make_uint4(words[0], words[1], words[2], words[3])); }
    // The same of what is used again soon, or lies in shared memory.
    __device__ __forceinline__ void load_kept(const T *from) {
        const uint4 x = *(const uint4 *)from;
        words[0] = x.x, words[1] = x.y, words[2] = x.z, words[3] = x.w;
    }
    __device__ __forceinline__ void store_kept(T *to) const { *(uint4 *)to = make_uint4(words[0], words[1], words[2], words[3]); }
    // A lane's share of 256 elements, spread so that a warp's accesses leave no gaps, and the bytes that belong to the same elements.
    __device__ __forceinline__ void load_spread(const T *run, int lane) { load(run + 8 * lane); }
    __device__ __forceinline__ void store_spread(T *run, int lane) const { store(run + 8 * lane); }
    static __device__ __forceinline__ uint2 load_bytes(const uint8 *run, int lane) { return __ldcs((const uint2 *)run + lane); }
    static __device__ __forceinline__ void store_bytes(uint8 *run, int lane, uint2 bytes) { __stcs((uint2 *)run + lane, bytes); }
};
template <> struct Eight<float> {
    float words[8];
    __device__ __forceinline__ float operator[](int i) const { return words[i]; }
    __device__ __forceinline__ void set(int i, float low, float high) { words[2 * i] = low, words[2 * i + 1] = high; }
    __device__ __forceinline__ uint32 largest_magnitude() const {
        uint32 largest = 0;
#pragma unroll
        for (int i = 0; i < 8; i++) largest = max(largest, __float_as_uint(words[i]) & 0x7fffffff);
        return largest;
    }
    __device__ __forceinline__ void load(const float *from) {
        const float4 x = __ldcs((const float4 *)from), y = __ldcs((const float4 *)from + 1);
        words[0] = x.x, words[1] = x.y, words[2] = x.z, words[3] = x.w, words[4] = y.x, words[5] = y.y, words[6] = y.z, words[7] = y.w;
    }
    __device__ __forceinline__ void store(float *to) const {
        __stcs((float4 *)to, make_float4(words[0], words[1], words[2], words[3]));
        __stcs((float4 *)to + 1, make_float4(words[4], words[5], words[6], words[7]));
    }
    __device__ __forceinline__ void load_kept(const float *from) {
        const float4 x = ((const float4 *)from)[0], y = ((const float4 *)from)[1];
        words[0] = x.x, words[1] = x.y, words[2] = x.z, words[3] = x.w, words[4] = y.x, words[5] = y.y, words[6] = y.z, words[7] = y.w;
    }
    __device__ __forceinline__ void store_kept(float *to) const {
        ((float4 *)to)[0] = make_float4(words[0], words[1], words[2], words[3]);
        ((float4 *)to)[1] = make_float4(words[4], words[5], words[6], words[7]);
    }
    // Four elements from each half.
    __device__ __forceinline__ void load_spread(const float *run, int lane) {
        const float4 x = __ldcs((const float4 *)run + lane), y = __ldcs((const float4 *)run + 32 + lane);
        words[0] = x.x, words[1] = x.y, words[2] = x.z, words[3] = x.w, words[4] = y.x, words[5] = y.y, words[6] = y.z, words[7] = y.w;
    }
    __device__ __forceinline__ void store_spread(float *run, int lane) const {
        __stcs((float4 *)run + lane, make_float4(words[0], words[1], words[2], words[3]));
        __stcs((float4 *)run + 32 + lane, make_float4(words[4], words[5], words[6], words[7]));
    }
    static __device__ __forceinline__ uint2 load_bytes(const uint8 *run, int lane) {
        return make_uint2(__ldcs((const uint32 *)run + lane), __ldcs((const uint32 *)run + 32 + lane));
    }
    static __device__ __forceinline__ void store_bytes(uint8 *run, int lane, uint2 bytes) {
        __stcs((uint32 *)run + lane, bytes.x);
        __stcs((uint32 *)run + 32 + lane, bytes.y);
    }
};

// Numbers of a type that fill 16 bytes, written to an address that is a multiple of that.
template <typename T> constexpr int PER_VECTOR = 16 / sizeof(T);
__device__ __forceinline__ void store_vector(float *to, const float x[4]) { __stcs((float4 *)to, make_float4(x[0], x[1], x[2], x[3])); }
template <typename T> __device__ __forceinline__ void store_vector(T *to, const float x[8]) {
    __stcs((uint4 *)to, make_uint4(pack<T>(x[0], x[1]), pack<T>(x[2], x[3]), pack<T>(x[4], x[5]), pack<T>(x[6], x[7])));
}

// MARK: Four at a time

// Four elements of a floating-point array whose type is known at run time, as they lie in memory: so that a thread has several loads under way before it
// looks at the first. The index is a multiple of 4, or the array begins there; `takes_fours` says whether its address allows that.
__device__ __forceinline__ bool takes_fours(const void *array, int type) { return ((uint64)array & (type == FLOAT32 ? 15 : 7)) == 0; }
__device__ __forceinline__ uint4 load_four(const void *array, int type, int64 i) {
    if (type == FLOAT32) return *(const uint4 *)((const float *)array + i);
    const uint2 half = *(const uint2 *)((const uint16 *)array + i);
    return make_uint4(half.x, half.y, 0, 0);
}
// The same from any address; elements from `count` on are 0.
__device__ __forceinline__ uint4 load_up_to_four(const void *array, int type, int64 i, int64 count) {
    uint32 words[4] = {0, 0, 0, 0};
#pragma unroll
    for (int j = 0; j < 4; j++) {
        if (i + j >= count) break;
        if (type == FLOAT32) words[j] = ((const uint32 *)array)[i + j];
        else words[j / 2] |= (uint32)((const uint16 *)array)[i + j] << 16 * (j & 1);
    }
    return make_uint4(words[0], words[1], words[2], words[3]);
}
__device__ __forceinline__ float4 widen_four(uint4 x, int type) {
    if (type == FLOAT32) return make_float4(__uint_as_float(x.x), __uint_as_float(x.y), __uint_as_float(x.z), __uint_as_float(x.w));
    if (type == BFLOAT16)
        return make_float4(
            __uint_as_float(x.x << 16), __uint_as_float(x.x & 0xffff0000), __uint_as_float(x.y << 16), __uint_as_float(x.y & 0xffff0000));
    return make_float4(
        widen(float16{(uint16)x.x}), widen(float16{(uint16)(x.x >> 16)}), widen(float16{(uint16)x.y}), widen(float16{(uint16)(x.y >> 16)}));
}
__device__ __forceinline__ uint32 pack(float low, float high, int type) {
    return type == BFLOAT16 ? pack<bfloat16>(low, high) : pack<float16>(low, high);
}
__device__ __forceinline__ void store_four(void *array, int type, int64 i, float4 x) {
    if (type == FLOAT32) *(float4 *)((float *)array + i) = x;
    else *(uint2 *)((uint16 *)array + i) = make_uint2(pack(x.x, x.y, type), pack(x.z, x.w, type));
}
__device__ __forceinline__ void store_up_to_four(void *array, int type, int64 i, int64 count, float4 x) {
    const float values[4] = {x.x, x.y, x.z, x.w};
#pragma unroll
    for (int j = 0; j < 4; j++)
        if (i + j < count) store_float(array, type, i + j, values[j]);
}

// MARK: Axes

// A number for each axis of an array: sizes or strides. Where there are fewer axes, the first ones have one element.
enum { AXES = 6 };
struct Axes {
    int64 of[AXES];
};
// The place along the last axis of what `rest` numbers in row-major order; `rest` numbers the remaining axes afterwards.
__device__ __forceinline__ int64 take_axis(int64 &rest, int64 size) {
    if (rest == 0) return 0;
    const int64 whole = (rest | size) >> 32 ? rest / size : (int64)((uint32)rest / (uint32)size);
    const int64 place = rest - whole * size;
    rest = whole;
    return place;
}
