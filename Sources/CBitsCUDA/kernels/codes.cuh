// The codes of 8 bits nearest to numbers: tables that `code_tables` makes of a codebook, and looking codes up in them.

// Magnitudes by their upper 16 bits, from 2^-23 to 1: see `code_of_magnitude`.
#define CODE_BUCKETS 2946

// What `code_tables` makes of a codebook of 256 ascending entries.
struct CodeTable {
    // code > j where y >= thresholds[j]; the last is NaN.
    float thresholds[256];
    float codebook[256];
    // Whether `entries` give the code of every y from -1 to 1; else only `nearest_code` does.
    int parts_are_exact[4];
    // See `code_of_magnitude`. Of a table for both signs, entry 2 i + 1 is that of the negative numbers.
    uint32 entries[2 * CODE_BUCKETS];
    // Four parts of the table are made by different blocks of threads.
    __device__ __forceinline__ bool is_exact() const { return parts_are_exact[0] && parts_are_exact[1] && parts_are_exact[2] && parts_are_exact[3]; }
};

// Copies entries into shared memory, by all threads of a block: at most 12 for each of 512.
__device__ __forceinline__ void copy_entries(const uint32 *entries, int count, uint32 *shared) {
    const uint4 *from = (const uint4 *)entries;
    uint4 *to = (uint4 *)shared;
    const int fours = (count + 3) / 4;
    for (int i = threadIdx.x; i < fours; i += 2 * blockDim.x) {
        const int ahead = i + blockDim.x;
        const uint4 x = from[i], y = ahead < fours ? from[ahead] : x;
        to[i] = x;
        if (ahead < fours) to[ahead] = y;
    }
}

// The index of the entry nearest to y: of two equally near the even one, 0 for NaN.
__device__ __forceinline__ uint32 nearest_code(const float *thresholds, float y) {
    uint32 code = 0;
#pragma unroll
    for (int step = 128; step > 0; step >>= 1)
        if (thresholds[code + step - 1] <= y) code += step;
    return code;
}

// Magnitudes below this share the first bucket.
#define SMALLEST_BUCKET __int_as_float(0x34000000)

// A number whose byte 2 is the code of y, which lies between 0 and 1.
//
// The upper 16 bits of y are the bucket; at most one threshold lies in it, and the lower 16 bits decide by carrying into the code.
__device__ __forceinline__ uint32 code_of_magnitude(const uint32 *entries, float y) {
    const uint32 bits = __float_as_uint(fmaxf(y, SMALLEST_BUCKET));
    return (entries - 0x3400)[bits >> 16] + bits;
}
// The same of y between -1 and 1 by a table for both signs; where y is negative the code is complemented.
__device__ __forceinline__ uint32 code_of_either(const uint32 *entries, float y) {
    const uint32 bits = __float_as_uint(fmaxf(fabsf(y), SMALLEST_BUCKET));
    return (entries - 2 * 0x3400)[__funnelshift_l(__float_as_uint(y), bits >> 16, 1)] + bits;
}

// Byte 2 of four numbers.
__device__ __forceinline__ uint32 third_bytes(uint32 a, uint32 b, uint32 c, uint32 d) {
    return __byte_perm(__byte_perm(a, b, 0x0062), __byte_perm(c, d, 0x0062), 0x5410);
}
// Four bytes, 255 where the number is negative.
__device__ __forceinline__ uint32 sign_bytes(float a, float b, float c, float d) {
    uint32 low, high;
    asm("prmt.b32 %0, %1, %2, 0x00fb;" : "=r"(low) : "f"(a), "f"(b));
    asm("prmt.b32 %0, %1, %2, 0x00fb;" : "=r"(high) : "f"(c), "f"(d));
    return __byte_perm(low, high, 0x5410);
}
