// Random numbers and dropout: each a function of its place in a stream (Philox 4x32-10).

// A place in a stream.
struct Stream {
    uint64 seed, stream, position;
};

// The four words of block `position + index`.
__device__ __forceinline__ uint4 words_of(const Stream &stream, uint64 index) {
    const uint64 number = stream.position + index;
    uint4 x = make_uint4((uint32)number, (uint32)(number >> 32), (uint32)stream.stream, (uint32)(stream.stream >> 32));
    uint32 low = (uint32)stream.seed, high = (uint32)(stream.seed >> 32);
#pragma unroll
    for (int round = 0; round < 10; round++) {
        const uint64 first = (uint64)x.x * 0xd2511f53u, second = (uint64)x.z * 0xcd9e8d57u;
        x = make_uint4((uint32)(second >> 32) ^ x.y ^ low, (uint32)second, (uint32)(first >> 32) ^ x.w ^ high, (uint32)first);
        low += 0x9e3779b9u;
        high += 0xbb67ae85u;
    }
    return x;
}

// `ln x` for a normal number x: that of its exponent, and a polynomial of the rest from sqrt(1/2) to sqrt(2) less one.
__device__ __forceinline__ float logarithm(float x) {
    const int bits = __float_as_int(x) - 0x3f3504f3;
    const float exponent = (float)(bits >> 23);
    const float f = __int_as_float((bits & 0x7fffff) + 0x3f3504f3) - 1.0f;
    const float square = f * f;
    float p = 6.746640801e-2f;
    p = __fmaf_rn(p, f, -1.167565212e-1f);
    p = __fmaf_rn(p, f, 1.188816205e-1f);
    p = __fmaf_rn(p, f, -1.240558922e-1f);
    p = __fmaf_rn(p, f, 1.421955228e-1f);
    p = __fmaf_rn(p, f, -1.666799635e-1f);
    p = __fmaf_rn(p, f, 2.000211924e-1f);
    p = __fmaf_rn(p, f, -2.500000894e-1f);
    p = __fmaf_rn(p, f, 3.333331347e-1f);
    // ln 2 in two parts, of which the first is exact for every exponent.
    const float tail = __fmaf_rn(square, -0.5f, __fmaf_rn(p, square * f, exponent * -2.12194440e-4f));
    return __fmaf_rn(exponent, 0.693359375f, f + tail);
}

// Cosine and sine of `turns / 2^32` turns: polynomials of the angle to the nearest quarter turn.
__device__ __forceinline__ float2 cosine_and_sine(uint32 turns) {
    const uint32 quarter = (turns + (1u << 29)) >> 30;
    const float y = (float)(int)(turns - (quarter << 30)) * 0x1.921fb6p-30f;
    const float square = y * y;
    float p = __fmaf_rn(-1.9515295891e-4f, square, 8.3321608736e-3f);
    p = __fmaf_rn(p, square, -1.6666654611e-1f);
    const float sine = __fmaf_rn(p * square, y, y);
    float q = __fmaf_rn(2.443315711809948e-5f, square, -1.388731625493765e-3f);
    q = __fmaf_rn(q, square, 4.166664568298827e-2f);
    const float cosine = __fmaf_rn(q, square * square, __fmaf_rn(square, -0.5f, 1.0f));
    switch (quarter) {
    case 0: return make_float2(cosine, sine);
    case 1: return make_float2(-sine, cosine);
    case 2: return make_float2(-cosine, -sine);
    default: return make_float2(sine, -cosine);
    }
}

struct Uniform {
    float low, width;
    __device__ __forceinline__ float one(uint32 word) const { return low + width * ((float)(word >> 8) * 0x1p-24f); }
    __device__ __forceinline__ float4 operator()(uint4 words) const { return make_float4(one(words.x), one(words.y), one(words.z), one(words.w)); }
};

struct Normal {
    float mean, deviation;
    __device__ __forceinline__ float2 two(uint32 a, uint32 b) const {
        const float2 point = cosine_and_sine(b);
        const float radius = __fsqrt_rn(-2.0f * logarithm(__fmaf_rn((float)(a >> 1), 0x1p-31f, 0x1p-32f)));
        return make_float2(__fmaf_rn(deviation, radius * point.x, mean), __fmaf_rn(deviation, radius * point.y, mean));
    }
    __device__ __forceinline__ float4 operator()(uint4 words) const {
        const float2 first = two(words.x, words.y), second = two(words.z, words.w);
        return make_float4(first.x, first.y, second.x, second.y);
    }
};

// Four numbers of a block, as many as there is room for.
template <typename T> __device__ __forceinline__ void store_up_to_four(T *output, int64 at, int64 count, float4 x) {
    output[at] = narrow<T>(x.x);
    if (at + 1 < count) output[at + 1] = narrow<T>(x.y);
    if (at + 2 < count) output[at + 2] = narrow<T>(x.z);
    if (at + 3 < count) output[at + 3] = narrow<T>(x.w);
}

template <typename T, typename Distribution>
__device__ __forceinline__ void fill(const Stream &stream, const Distribution &distribution, T *output, int64 count) {
    for (int64 i = thread_index(); 4 * i < count; i += thread_count()) store_up_to_four(output, 4 * i, count, distribution(words_of(stream, i)));
}

#define FILL(suffix, T)                                                                                                         \
    extern "C" __global__ void __launch_bounds__(256) random_uniform_##suffix(                                                  \
        uint64 seed, uint64 stream, uint64 position, float low, float width, T *output, int64 count) {                          \
        fill(Stream{seed, stream, position}, Uniform{low, width}, output, count);                                               \
    }                                                                                                                           \
    extern "C" __global__ void __launch_bounds__(256) random_normal_##suffix(                                                   \
        uint64 seed, uint64 stream, uint64 position, float mean, float deviation, T *output, int64 count) {                     \
        fill(Stream{seed, stream, position}, Normal{mean, deviation}, output, count);                                           \
    }
FILL(f32, float)
FILL(f16, float16)
FILL(bf16, bfloat16)

// MARK: Dropout

template <typename From, typename To>
__device__ __forceinline__ void drop(const Stream &stream, uint32 threshold, float gain, const From *input, To *output, int64 count) {
    for (int64 i = thread_index(); 4 * i < count; i += thread_count()) {
        const uint4 words = words_of(stream, i);
        const int64 at = 4 * i;
        const float4 factor = make_float4(
            words.x < threshold ? 0 : gain, words.y < threshold ? 0 : gain, words.z < threshold ? 0 : gain, words.w < threshold ? 0 : gain);
        float4 x = make_float4(widen(input[at]), 0, 0, 0);
        if (at + 1 < count) x.y = widen(input[at + 1]);
        if (at + 2 < count) x.z = widen(input[at + 2]);
        if (at + 3 < count) x.w = widen(input[at + 3]);
        store_up_to_four(output, at, count, make_float4(x.x * factor.x, x.y * factor.y, x.z * factor.z, x.w * factor.w));
    }
}

#define DROPOUT(from, From, to, To)                                                                                             \
    extern "C" __global__ void __launch_bounds__(256) dropout_##from##_##to(                                                    \
        uint64 seed, uint64 stream, uint64 position, uint32 threshold, float gain, const From *input, To *output, int64 count) { \
        drop(Stream{seed, stream, position}, threshold, gain, input, output, count);                                            \
    }
#define DROPOUT_FROM(from, From)           \
    DROPOUT(from, From, f32, float)        \
    DROPOUT(from, From, f16, float16)      \
    DROPOUT(from, From, bf16, bfloat16)
DROPOUT_FROM(f32, float)
DROPOUT_FROM(f16, float16)
DROPOUT_FROM(bf16, bfloat16)
