// Quantization to the 4-bit formats, block by block, its inverse, and rows of a quantized matrix.

enum { NF4 = 0, FP4 = 1 };

__constant__ float nf4_values[16] = {-1,           -0.696192801f, -0.525073051f, -0.394917488f, -0.284441382f, -0.18477343f, -0.0910500363f, 0,
                                     0.0795802996f, 0.160930201f,  0.246112302f,  0.337915242f,  0.440709829f,  0.562617004f, 0.722956836f,   1};
// Limits of fp4's magnitudes, and the codes between them, from zero up.
__constant__ float fp4_limits[7] = {0.00260417f, 0.0859375f, 0.20833333f, 0.29166667f, 0.4166667f, 0.583333f, 0.8333333f};
__constant__ uint8 fp4_codes[8] = {0, 1, 6, 7, 4, 5, 2, 3};

// MARK: Quantization

// Limit j of a format: codes of nf4 by value, of fp4 by magnitude; a number on a limit is below it.
template <int FORMAT> __device__ __forceinline__ float limit_of(int j) {
    return FORMAT == NF4 ? (nf4_values[j] + nf4_values[j + 1]) * 0.5f : fp4_limits[j];
}
template <int FORMAT> constexpr int LIMITS = FORMAT == NF4 ? 15 : 7;
template <int FORMAT> __device__ __forceinline__ uint32 code_of_rank(int rank) { return FORMAT == NF4 ? rank : fp4_codes[rank]; }

// The code of any number.
template <int FORMAT> __device__ __forceinline__ uint32 code_of(float y) {
    const float x = FORMAT == NF4 ? y : fabsf(y);
    int rank = 0;
    for (int j = 0; j < LIMITS<FORMAT>; j++) rank += x > limit_of<FORMAT>(j);
    return code_of_rank<FORMAT>(rank) + (FORMAT == FP4 && y < 0 ? 8 : 0);
}

// Numbers from -1 to 1, or their magnitudes, by their nearest sixteenth: at most one limit is that near. Each of 16 lanes has a copy.
struct Bucket {
    float limit;
    uint32 codes;  // of what is not above the limit, and 16 times that of what is
};
enum { BUCKETS = 33, COPIES = 16 };

template <int FORMAT> __device__ __forceinline__ void fill_buckets(Bucket *buckets) {
    for (int i = threadIdx.x; i < BUCKETS * COPIES; i += blockDim.x) {
        const float center = (i / COPIES - 16) * 0.0625f;
        int rank = 0;
        while (rank < LIMITS<FORMAT> && limit_of<FORMAT>(rank) < center - 0.03125f) rank++;
        Bucket bucket = {INFINITE, code_of_rank<FORMAT>(rank)};
        if (rank < LIMITS<FORMAT> && limit_of<FORMAT>(rank) <= center + 0.03125f) {
            bucket.limit = limit_of<FORMAT>(rank);
            bucket.codes |= code_of_rank<FORMAT>(rank + 1) << 4;
        }
        buckets[i] = bucket;
    }
}

// The code of a number from -1 to 1.
template <int FORMAT> __device__ __forceinline__ uint32 code_of_ordinary(const Bucket *own, float y) {
    const float x = FORMAT == NF4 ? y : fabsf(y);
    // The sum's last bits are those of the nearest integer to 16 (x + 1).
    const uint32 nearest = __float_as_uint(__fmaf_rn(x, 16.0f, 12582928.0f)) & 63;
    const Bucket bucket = own[nearest * COPIES];
    if (FORMAT == NF4) return (bucket.codes & 15) + (x > bucket.limit);
    return ((x > bucket.limit ? bucket.codes >> 4 : bucket.codes) & 15) + (y < 0 ? 8 : 0);
}

__device__ __forceinline__ uint32 magnitude_bits(float x) { return __float_as_uint(x) & 0x7fffffff; }
__device__ __forceinline__ bool is_finite(float x) { return magnitude_bits(x) < 0x7f800000; }

// What a block is multiplied by.
__device__ __forceinline__ float factor_of(float absmax) { return absmax == 0 ? 1 : __frcp_rn(absmax); }

// The place of element i's code among those of eight.
__device__ __forceinline__ int nibble_shift(int i) { return 8 * (i / 2) + (i % 2 == 0 ? 4 : 0); }

// Runs of 256 elements, one to a warp and eight to a lane, in blocks of 8, 16, ... or 256.
template <int FORMAT, typename T>
__device__ __forceinline__ void quantize_runs(const T *input, uint8 *packed, float *absmax, uint64 *non_finite, int64 count, int block_size) {
    __shared__ Bucket buckets[BUCKETS * COPIES];
    fill_buckets<FORMAT>(buckets);
    __syncthreads();
    const bool is_aligned = is_aligned16(input) && ((uint64)packed & 3) == 0;
    const int lane = threadIdx.x & 31, block_lanes = block_size / 8, block_shift = 31 - __clz(block_size);
    const Bucket *own = buckets + (lane & (COPIES - 1));
    constexpr int RUNS = sizeof(T) == 4 ? 2 : 4;  // in registers at a time
    const int64 warps = thread_count() / 32;
    for (int64 group = thread_index() / 32; group * (RUNS * 256) < count; group += warps) {
        const int64 first = group * (RUNS * 256) + 8 * lane;
        const bool is_whole = is_aligned && (group + 1) * (RUNS * 256) <= count;
        Eight<T> x[RUNS];
        if (is_whole) {
#pragma unroll
            for (int r = 0; r < RUNS; r++) x[r].load(input + first + r * 256);
        } else {
#pragma unroll
            for (int r = 0; r < RUNS; r++)
#pragma unroll
                for (int i = 0; i < 4; i++) {
                    const int64 at = first + r * 256 + 2 * i;
                    x[r].set(i, at < count ? widen(input[at]) : 0, at + 1 < count ? widen(input[at + 1]) : 0);
                }
        }
#pragma unroll
        for (int r = 0; r < RUNS; r++) {
            const int64 at = first + r * 256;
            uint32 largest = 0;
#pragma unroll
            for (int i = 0; i < 8; i++) largest = max(largest, magnitude_bits(x[r][i]));
            for (int h = 1; h < block_lanes; h <<= 1) largest = max(largest, __shfl_xor_sync(FULL_WARP, largest, h));
            float scale = __uint_as_float(largest), factor = factor_of(scale);
            uint32 word = 0;
            if (__all_sync(FULL_WARP, factor > 0 && factor < INFINITE)) {
#pragma unroll
                for (int i = 0; i < 8; i++) word |= code_of_ordinary<FORMAT>(own, x[r][i] * factor) << nibble_shift(i);
            } else {
                largest = 0;
                int others = 0;
#pragma unroll
                for (int i = 0; i < 8; i++) {
                    others += !is_finite(x[r][i]);
                    if (x[r][i] == x[r][i]) largest = max(largest, magnitude_bits(x[r][i]));
                }
                for (int h = 1; h < block_lanes; h <<= 1) largest = max(largest, __shfl_xor_sync(FULL_WARP, largest, h));
                scale = __uint_as_float(largest);
                factor = factor_of(scale);
#pragma unroll
                for (int i = 0; i < 8; i++) word |= code_of<FORMAT>(at + i < count ? x[r][i] * factor : 0) << nibble_shift(i);
                if (others > 0 && non_finite != nullptr) atomicAdd(non_finite, (uint64)others);
            }
            if (is_whole) {
                *(uint32 *)(packed + at / 2) = word;
            } else {
#pragma unroll
                for (int i = 0; i < 4; i++)
                    if (at + 2 * i < count) packed[at / 2 + i] = (uint8)(word >> (8 * i));
            }
            if ((lane & (block_lanes - 1)) == 0 && at < count) absmax[at >> block_shift] = scale;
        }
    }
}

// Blocks of any even size, each by a warp, or by all threads of a block where `is_wide`.
template <int FORMAT, typename T>
__device__ __forceinline__ void quantize_blocks(
    const T *input, uint8 *packed, float *absmax, uint64 *non_finite, int64 count, int64 block_size, int is_wide) {
    __shared__ float partial[33];
    const int64 blocks = (count + block_size - 1) / block_size;
    const int64 stride = is_wide ? blockDim.x : 32, rank = is_wide ? threadIdx.x : threadIdx.x & 31;
    const int64 teams = is_wide ? gridDim.x : thread_count() / 32;
    int others = 0;
    for (int64 block = is_wide ? blockIdx.x : thread_index() / 32; block < blocks; block += teams) {
        const int64 begin = block * block_size, end = min(begin + block_size, count);
        float largest = 0;
        for (int64 i = begin + rank; i < end; i += stride) {
            const float x = widen(input[i]);
            others += !is_finite(x);
            largest = fmaxf(largest, fabsf(x));
        }
        largest = is_wide ? block_max(largest, partial) : warp_max(largest);
        const float factor = factor_of(largest);
        if (rank == 0) absmax[block] = largest;
        for (int64 i = begin + 2 * rank; i < end; i += 2 * stride) {
            const uint32 even = code_of<FORMAT>(widen(input[i]) * factor);
            packed[i / 2] = (uint8)(even << 4 | code_of<FORMAT>(i + 1 < end ? widen(input[i + 1]) * factor : 0));
        }
    }
    if (others > 0 && non_finite != nullptr) atomicAdd(non_finite, (uint64)others);
}

// MARK: Dequantization

// A quantized matrix: `absmax` is null where scales are quantized themselves.
struct Matrix {
    const uint8 *packed;
    const float *code, *absmax;
    const uint8 *absmax_codes;
    const float *nested_code, *nested_absmax, *nested_offset;
};
#define MATRIX                                                                                                                       \
    const uint8 *packed, const float *code, const float *absmax, const uint8 *absmax_codes, const float *nested_code,                 \
        const float *nested_absmax, const float *nested_offset
#define MATRIX_OF_ARGUMENTS {packed, code, absmax, absmax_codes, nested_code, nested_absmax, nested_offset}

// Eight elements to a lane, in blocks of 2^block_shift of which 8 is a divisor, and nested blocks of 2^nested_shift; addresses aligned.
template <typename T>
__device__ __forceinline__ void dequantize_runs(const Matrix &matrix, T *output, int64 count, int block_shift, int nested_shift) {
    // What both codes of a byte stand for, a copy for each of 16 lanes; then the code of nested scales.
    extern __shared__ float2 pairs[];
    float *nested_code = (float *)(pairs + 256 * COPIES);
    for (int i = threadIdx.x; i < 256 * COPIES; i += blockDim.x)
        pairs[i] = make_float2(matrix.code[i / COPIES >> 4], matrix.code[i / COPIES & 15]);
    const bool is_nested = matrix.absmax == nullptr;
    if (is_nested)
        for (int i = threadIdx.x; i < 256; i += blockDim.x) nested_code[i] = matrix.nested_code[i];
    __syncthreads();
    const float offset = is_nested ? *matrix.nested_offset : 0;
    const int lane = threadIdx.x & 31;
    const float2 *own = pairs + (lane & (COPIES - 1));
    constexpr int RUNS = 4;
    const int64 warps = thread_count() / 32;
    for (int64 group = thread_index() / 32; group * (RUNS * 256) < count; group += warps) {
        const int64 first = group * (RUNS * 256) + 8 * lane;
        uint32 words[RUNS];
        float scales[RUNS];
#pragma unroll
        for (int r = 0; r < RUNS; r++) {
            const int64 at = first + r * 256;
            if (at >= count) continue;
            words[r] = *(const uint32 *)(matrix.packed + at / 2);
            const int64 block = at >> block_shift;
            if (is_nested) scales[r] = nested_code[matrix.absmax_codes[block]] * matrix.nested_absmax[block >> nested_shift] + offset;
            else scales[r] = matrix.absmax[block];
        }
#pragma unroll
        for (int r = 0; r < RUNS; r++) {
            const int64 at = first + r * 256;
            if (at >= count) continue;
            Eight<T> y;
#pragma unroll
            for (int i = 0; i < 4; i++) {
                const float2 pair = own[(words[r] >> (8 * i) & 255) * COPIES];
                y.set(i, pair.x * scales[r], pair.y * scales[r]);
            }
            y.store(output + at);
        }
    }
}

// One element of any matrix.
__device__ __forceinline__ float element_of(const Matrix &matrix, int64 i, int64 block_size, int64 nested_size) {
    const uint32 byte = matrix.packed[i / 2];
    const int64 block = i / block_size;
    const float scale = matrix.absmax != nullptr
        ? matrix.absmax[block]
        : matrix.nested_code[matrix.absmax_codes[block]] * matrix.nested_absmax[block / nested_size] + *matrix.nested_offset;
    return matrix.code[i % 2 == 0 ? byte >> 4 : byte & 15] * scale;
}

template <typename T>
__device__ __forceinline__ void dequantize_elements(
    const Matrix &matrix, T *output, int64 begin, int64 count, int64 block_size, int64 nested_size) {
    for (int64 i = begin + thread_index(); i < count; i += thread_count()) output[i] = narrow<T>(element_of(matrix, i, block_size, nested_size));
}

// Rows by their numbers: rows along the y axis of the grid, columns along the x axis.
template <typename T>
__device__ __forceinline__ void gather_rows(
    const Matrix &matrix, const void *indices, int index_type, int64 count, int64 rows, int64 columns, int64 block_size, int64 nested_size, T *output) {
    for (int64 r = blockIdx.y; r < count; r += gridDim.y) {
        const int64 row = load_index(indices, index_type, r);
        const bool is_inside = row >= 0 && row < rows;
        for (int64 k = thread_index(); k < columns; k += thread_count())
            output[r * columns + k] = narrow<T>(is_inside ? element_of(matrix, row * columns + k, block_size, nested_size) : 0);
    }
}

#define QUANTIZE(name, FORMAT, suffix, T)                                                                                                      \
    extern "C" __global__ void __launch_bounds__(512, 2) quantize_##name##_runs_##suffix(                                                      \
        const T *input, uint8 *packed, float *absmax, uint64 *non_finite, int64 count, int block_size) {                                       \
        quantize_runs<FORMAT>(input, packed, absmax, non_finite, count, block_size);                                                           \
    }                                                                                                                                          \
    extern "C" __global__ void __launch_bounds__(256) quantize_##name##_##suffix(                                                              \
        const T *input, uint8 *packed, float *absmax, uint64 *non_finite, int64 count, int64 block_size, int is_wide) {                        \
        quantize_blocks<FORMAT>(input, packed, absmax, non_finite, count, block_size, is_wide);                                                \
    }
#define FOUR_BIT(suffix, T)                                                                                                                    \
    QUANTIZE(nf4, NF4, suffix, T)                                                                                                              \
    QUANTIZE(fp4, FP4, suffix, T)                                                                                                              \
    extern "C" __global__ void __launch_bounds__(512) dequantize_four_bit_runs_##suffix(                                                       \
        MATRIX, T *output, int64 count, int block_shift, int nested_shift) {                                                                   \
        const Matrix matrix = MATRIX_OF_ARGUMENTS;                                                                                             \
        dequantize_runs(matrix, output, count, block_shift, nested_shift);                                                                     \
    }                                                                                                                                          \
    extern "C" __global__ void __launch_bounds__(256) dequantize_four_bit_##suffix(                                                            \
        MATRIX, T *output, int64 begin, int64 count, int64 block_size, int64 nested_size) {                                                    \
        const Matrix matrix = MATRIX_OF_ARGUMENTS;                                                                                             \
        dequantize_elements(matrix, output, begin, count, block_size, nested_size);                                                            \
    }                                                                                                                                          \
    extern "C" __global__ void __launch_bounds__(256) gather_four_bit_##suffix(                                                                \
        MATRIX, const void *indices, int index_type, int64 count, int64 rows, int64 columns, int64 block_size, int64 nested_size, T *output) { \
        const Matrix matrix = MATRIX_OF_ARGUMENTS;                                                                                             \
        gather_rows(matrix, indices, index_type, count, rows, columns, block_size, nested_size, output);                                       \
    }
FOUR_BIT(f32, float)
FOUR_BIT(f16, float16)
FOUR_BIT(bf16, bfloat16)
