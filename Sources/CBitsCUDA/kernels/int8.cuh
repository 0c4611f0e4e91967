// Codes in int8, and what they and sums of their products stand for.

// The nearest integer, ties to even, at most ±127; NaN is 0.
__device__ __forceinline__ int8 nearest_code(float x) { return x == x ? (int8)(int)fminf(fmaxf(rintf(x), -127.0f), 127.0f) : 0; }

// fl(1 / 127²) and fl(1 / 127)
#define PRODUCT_UNIT (1.0f / 16129.0f)
#define CODE_UNIT (1.0f / 127.0f)

// What a product of codes stands for.
__device__ __forceinline__ float rescaled(int product, float row_scale, float column_scale, float bias) {
    return __fmaf_rn(__fmul_rn(__fmul_rn((float)product, row_scale), column_scale), PRODUCT_UNIT, bias);
}

// An element of a quantized matrix, rounded to `type`.
__device__ __forceinline__ float decoded(int8 code, float scale, int type) {
    float x = __fmul_rn(__fmul_rn((float)code, scale), CODE_UNIT);
    if (type == FLOAT16) return widen(narrow<float16>(x));
    if (type == BFLOAT16) return widen(narrow<bfloat16>(x));
    return x;
}

// An element of a floating-point array as it lies there, so that a thread has several under way before it looks at the first; and what it stands for.
__device__ __forceinline__ uint32 load_bits(const void *array, int type, int64 i) {
    return type == FLOAT32 ? ((const uint32 *)array)[i] : ((const uint16 *)array)[i];
}
__device__ __forceinline__ float float_of(uint32 bits, int type) {
    return type == FLOAT32 ? __uint_as_float(bits) : type == FLOAT16 ? widen(float16{(uint16)bits}) : widen(bfloat16{(uint16)bits});
}
