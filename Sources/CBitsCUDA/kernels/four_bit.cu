// Quantization to the 4-bit formats, block by block, its inverse, with a low-rank update too, and rows of a quantized matrix.

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

// Numbers from -1 to 1, or their magnitudes, by their nearest sixteenth: at most one limit is that near. Each lane has a copy.
struct alignas(8) Bucket {
    float limit;
    uint32 codes;  // of what is not above the limit; of fp4 plus 16 times that of what is, of nf4 that is the next
};
enum { BUCKETS = 33, BUCKET_BYTES = 32 * 8 };

// Addresses in shared memory of 32 bits, which may be reckoned with.
__device__ __forceinline__ Bucket load_bucket(uint32 address) {
    Bucket bucket;
    asm("ld.shared.v2.b32 {%0, %1}, [%2];" : "=f"(bucket.limit), "=r"(bucket.codes) : "r"(address));
    return bucket;
}

// One more where x > limit: an addition under a predicate, where the compiler would add and then choose.
__device__ __forceinline__ uint32 add_if_above(uint32 sum, float x, float limit) {
    asm("{ .reg .pred p; setp.gt.f32 p, %1, %2; @p add.u32 %0, %0, 1; }" : "+r"(sum) : "f"(x), "f"(limit));
    return sum;
}

template <int FORMAT> __device__ __forceinline__ void fill_buckets(Bucket *buckets) {
    for (int i = threadIdx.x; i < BUCKETS * 32; i += blockDim.x) {
        const float center = (i / 32 - 16) * 0.0625f;
        int rank = 0;
        while (rank < LIMITS<FORMAT> && limit_of<FORMAT>(rank) < center - 0.03125f) rank++;
        Bucket bucket = {INFINITE, code_of_rank<FORMAT>(rank)};
        if (rank < LIMITS<FORMAT> && limit_of<FORMAT>(rank) <= center + 0.03125f) {
            bucket.limit = limit_of<FORMAT>(rank);
            if (FORMAT == FP4) bucket.codes |= code_of_rank<FORMAT>(rank + 1) << 4;
        }
        buckets[i] = bucket;
    }
}

// A lane's copy of the bucket of a number from -1 to 1, or of its magnitude; `own` is where the copy begins in shared memory.
__device__ __forceinline__ Bucket bucket_of(uint32 own, float x) {
    // The last bits of the sum are those of the nearest integer to 16 (x + 1); its first 8 fall out of the product, the others are 0.
    return load_bucket(own + __float_as_uint(__fmaf_rn(x, 16.0f, 8388624.0f)) * BUCKET_BYTES);
}

// Codes are put behind those before them.
template <int FORMAT> __device__ __forceinline__ uint32 append_code(uint32 codes, uint32 own, float y) {
    const float x = FORMAT == NF4 ? y : fabsf(y);
    const Bucket bucket = bucket_of(own, x);
    if (FORMAT == NF4) return add_if_above(codes * 16 + bucket.codes, x, bucket.limit);
    return codes * 16 + (x > bucket.limit ? bucket.codes >> 4 : bucket.codes & 15) + (y < 0 ? 8 : 0);
}

__device__ __forceinline__ bool is_finite(float x) { return fabsf(x) < INFINITE; }

// What a block is multiplied by.
__device__ __forceinline__ float factor_of(float absmax) { return absmax == 0 ? 1 : __frcp_rn(absmax); }

// One run of 256 elements, or what there is of it, whatever it holds; by a warp, eight elements to a lane.
template <int FORMAT, typename T>
__device__ __noinline__ void quantize_special_run(
    const T *input, uint8 *packed, float *absmax, uint64 *non_finite, int64 first, int64 count, int block_size) {
    const int block_lanes = block_size / 8, lane = threadIdx.x & 31;
    const int64 begin = first + 8 * lane, end = min(begin + 8, count);
    float largest = 0;
    int others = 0;
    for (int64 i = begin; i < end; i++) {
        const float x = widen(input[i]);
        others += !is_finite(x);
        largest = fmaxf(largest, fabsf(x));
    }
    for (int h = 1; h < block_lanes; h <<= 1) largest = fmaxf(largest, __shfl_xor_sync(FULL_WARP, largest, h));
    const float factor = factor_of(largest);
    for (int64 i = begin; i < end; i += 2) {
        const uint32 even = code_of<FORMAT>(widen(input[i]) * factor);
        packed[i / 2] = (uint8)(even << 4 | code_of<FORMAT>(i + 1 < end ? widen(input[i + 1]) * factor : 0));
    }
    if (begin < count && lane % block_lanes == 0) absmax[begin / (uint32)block_size] = largest;
    if (others > 0 && non_finite != nullptr) atomicAdd(non_finite, (uint64)others);
}

// Runs of 256 elements in blocks of 8, 16, ... or 256: SIZE, where it is not 0.
template <int FORMAT, int SIZE, typename T>
__device__ __forceinline__ void quantize_runs(
    const Bucket *buckets, const T *input, uint8 *packed, float *absmax, uint64 *non_finite, int64 count, int any_size) {
    const bool is_fast = is_aligned16(input) && ((uint64)packed & 3) == 0;
    const int block_size = SIZE != 0 ? SIZE : any_size, lane = threadIdx.x & 31, block_lanes = block_size / 8, block_shift = 31 - __clz(block_size);
    const uint32 own = shared_address(buckets + lane);
    constexpr int RUNS = sizeof(T) == 4 ? 2 : 4;  // in registers at a time
    const int64 warps = thread_count() / 32;
    for (int64 group = thread_index() / 32; group * (RUNS * 256) < count; group += warps) {
        const int64 first = group * (RUNS * 256);
        if (!is_fast || first + RUNS * 256 > count) {
            for (int64 run = first; run < first + RUNS * 256 && run < count; run += 256)
                quantize_special_run<FORMAT>(input, packed, absmax, non_finite, run, count, block_size);
            continue;
        }
        Eight<T> x[RUNS];
#pragma unroll
        for (int r = 0; r < RUNS; r++) x[r].load(input + first + r * 256 + 8 * lane);
#pragma unroll
        for (int r = 0; r < RUNS; r++) {
            const int64 at = first + r * 256 + 8 * lane;
            uint32 largest = x[r].largest_magnitude();
#pragma unroll
            for (int h = 1; h < block_lanes; h <<= 1) largest = max(largest, __shfl_xor_sync(FULL_WARP, largest, h));
            // Where that has an inverse, every element times it is from -1 to 1, give or take a rounding.
            if (!__all_sync(FULL_WARP, is_invertible(largest))) {
                quantize_special_run<FORMAT>(input, packed, absmax, non_finite, first + r * 256, count, block_size);
                continue;
            }
            const float factor = reciprocal(__uint_as_float(largest));
            // The last byte is appended first, and in each byte the even element.
            uint32 word = 0;
#pragma unroll
            for (int i = 6; i >= 0; i -= 2) {
                word = append_code<FORMAT>(word, own, x[r][i] * factor);
                word = append_code<FORMAT>(word, own, x[r][i + 1] * factor);
            }
            __stcs((uint32 *)(packed + at / 2), word);
            if ((lane & (block_lanes - 1)) == 0) absmax[at >> block_shift] = __uint_as_float(largest);
        }
    }
}

template <int FORMAT, typename T>
__device__ __forceinline__ void quantize_short_blocks(
    const T *input, uint8 *packed, float *absmax, uint64 *non_finite, int64 count, int block_size) {
    __shared__ Bucket buckets[BUCKETS * 32];
    fill_buckets<FORMAT>(buckets);
    __syncthreads();
    if (block_size == 64) quantize_runs<FORMAT, 64>(buckets, input, packed, absmax, non_finite, count, block_size);
    else quantize_runs<FORMAT, 0>(buckets, input, packed, absmax, non_finite, count, block_size);
}

// Blocks of any even size, each by a warp, or by all threads of a block where `is_wide`.
template <int FORMAT, typename T>
__device__ __forceinline__ void quantize_blocks(
    const T *input, uint8 *packed, float *absmax, uint64 *non_finite, int64 count, int64 block_size, int is_wide) {
    __shared__ float partial[33];
    __shared__ Bucket buckets[BUCKETS * 32];
    fill_buckets<FORMAT>(buckets);
    __syncthreads();
    const uint32 own = shared_address(buckets + (threadIdx.x & 31));
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
            const float even = widen(input[i]) * factor, odd = i + 1 < end ? widen(input[i + 1]) * factor : 0;
            uint32 codes;
            if (fabsf(even) <= 1 && fabsf(odd) <= 1) codes = append_code<FORMAT>(append_code<FORMAT>(0, own, even), own, odd);
            else codes = code_of<FORMAT>(even) << 4 | code_of<FORMAT>(odd);
            packed[i / 2] = (uint8)codes;
        }
    }
    if (others > 0 && non_finite != nullptr) atomicAdd(non_finite, (uint64)others);
}

// MARK: Dequantization

enum { COPIES = 16 };

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

// The scale of a block; the code of nested scales lies in shared memory.
__device__ __forceinline__ float scale_of(const Matrix &matrix, const float *nested_code, float offset, int64 block, int nested_shift) {
    if (matrix.absmax != nullptr) return matrix.absmax[block];
    return nested_code[matrix.absmax_codes[block]] * matrix.nested_absmax[block >> nested_shift] + offset;
}

// What both codes of a byte stand for, a copy for each of 16 lanes; and behind that the code of nested scales, whose place is returned.
__device__ __forceinline__ const float *fill_tables(const Matrix &matrix, float2 *pairs) {
    for (int i = threadIdx.x; i < 256 * COPIES; i += blockDim.x)
        pairs[i] = make_float2(matrix.code[i / COPIES >> 4], matrix.code[i / COPIES & 15]);
    float *nested_code = (float *)(pairs + 256 * COPIES);
    if (matrix.absmax == nullptr)
        for (int i = threadIdx.x; i < 256; i += blockDim.x) nested_code[i] = matrix.nested_code[i];
    __syncthreads();
    return nested_code;
}

// A vector of the output to a lane, in blocks of 2^block_shift of which 8 is a divisor, and nested blocks of 2^nested_shift; addresses aligned.
template <typename T>
__device__ __forceinline__ void dequantize_runs(const Matrix &matrix, T *output, int64 count, int block_shift, int nested_shift) {
    extern __shared__ float2 pairs[];
    const float *nested_code = fill_tables(matrix, pairs);
    const bool is_nested = matrix.absmax == nullptr;
    const float offset = is_nested ? *matrix.nested_offset : 0;
    const int lane = threadIdx.x & 31;
    const float2 *own = pairs + (lane & (COPIES - 1));
    constexpr int PER = PER_VECTOR<T>, RUNS = 32 / PER;
    const int64 warps = thread_count() / 32;
    for (int64 begin = thread_index() / 32 * 1024; begin < count; begin += warps * 1024) {
        const int64 first = begin + PER * lane;
        uint32 words[RUNS];
        float scales[RUNS];
#pragma unroll
        for (int r = 0; r < RUNS; r++) {
            const int64 at = first + r * 32 * PER;
            words[r] = 0;
            if (at >= count) continue;
            if (PER == 8) words[r] = __ldcs((const uint32 *)(matrix.packed + at / 2));
            else words[r] = __ldcs((const uint16 *)(matrix.packed + at / 2));
        }
        if (block_shift >= 5) {
            // A lane for each block of the 1024 elements, and each scale reckoned once.
            const int64 block = (begin >> block_shift) + lane;
            const bool is_there = lane <= 1023 >> block_shift && block << block_shift < count;
            const float scale = is_there ? scale_of(matrix, nested_code, offset, block, nested_shift) : 0;
            const int inner = (int)(begin & ((1ll << block_shift) - 1)) + PER * lane;
#pragma unroll
            for (int r = 0; r < RUNS; r++) scales[r] = __shfl_sync(FULL_WARP, scale, (inner + r * 32 * PER) >> block_shift);
        } else {
#pragma unroll
            for (int r = 0; r < RUNS; r++) {
                const int64 at = first + r * 32 * PER;
                scales[r] = at < count ? scale_of(matrix, nested_code, offset, at >> block_shift, nested_shift) : 0;
            }
        }
#pragma unroll
        for (int r = 0; r < RUNS; r++) {
            const int64 at = first + r * 32 * PER;
            if (at >= count) continue;
            float y[PER];
#pragma unroll
            for (int i = 0; i < PER / 2; i++) {
                const float2 pair = own[(words[r] >> (8 * i) & 255) * COPIES];
                y[2 * i] = pair.x * scales[r];
                y[2 * i + 1] = pair.y * scales[r];
            }
            store_vector(output + at, y);
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
        quantize_short_blocks<FORMAT>(input, packed, absmax, non_finite, count, block_size);                                                           \
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

// MARK: Dequantization with a low-rank update

#if __CUDA_ARCH__ >= 800

// sums += a b', of 16 x 8 elements.
template <typename T> __device__ __forceinline__ void multiply(float (&sums)[4], const uint32 (&a)[4], const uint32 (&b)[2]);
template <> __device__ __forceinline__ void multiply<float16>(float (&s)[4], const uint32 (&a)[4], const uint32 (&b)[2]) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+f"(s[0]), "+f"(s[1]), "+f"(s[2]), "+f"(s[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
template <> __device__ __forceinline__ void multiply<bfloat16>(float (&s)[4], const uint32 (&a)[4], const uint32 (&b)[2]) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+f"(s[0]), "+f"(s[1]), "+f"(s[2]), "+f"(s[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

// What a warp takes at a time: rows, and columns that lie in one block of each.
enum { STRIP_ROWS = 16, STRIP = 64 };

// Two of the numbers of a rank, rounded; zeros behind it.
template <typename T> __device__ __forceinline__ uint32 load_ranks(const float *from, int r, int rank, int64 stride) {
    return pack<T>(r < rank ? from[r * stride] : 0, r + 1 < rank ? from[(r + 1) * stride] : 0);
}

// The same of a row of pairs: of an even rank, from where two can be loaded together.
template <typename T> __device__ __forceinline__ uint32 load_pair(const float *row, int r, int rank) {
    const float2 two = r < rank ? *(const float2 *)(row + r) : make_float2(0, 0);
    return pack<T>(two.x, two.y);
}

// What a lane reads of 16 rows of W: words of two of them, and of one what its block's scale is made of.
struct strip_rows {
    uint32 words[2][2];
    uint32 scale;
    float nested_absmax;

    __device__ __forceinline__ void load(const Matrix &matrix, int64 first, int64 strip, int64 rows, int64 columns, int block_shift, int nested_shift) {
        const int lane = threadIdx.x & 31;
        // Rows behind the last are the last again, and are not stored.
        const int64 block = (min(first + lane % STRIP_ROWS, rows - 1) * columns + strip) >> block_shift;
        const bool is_nested = matrix.absmax == nullptr;
        scale = is_nested ? matrix.absmax_codes[block] : __float_as_uint(matrix.absmax[block]);
        nested_absmax = is_nested ? matrix.nested_absmax[block >> nested_shift] : 0;
#pragma unroll
        for (int r = 0; r < 2; r++) {
            const int64 row = min(first + lane / 4 + 8 * r, rows - 1);
#pragma unroll
            for (int h = 0; h < 2; h++) words[r][h] = __ldcs((const uint32 *)(matrix.packed + (row * columns + strip) / 2) + 4 * h + lane % 4);
        }
    }
};

// W + scale * up · down by the tensor cores, for up [N, rank], down [rank, K] and a rank of at most 16 * PARTS: operands rounded to T, the sum in float32.
// A warp keeps to the columns of its strip, whose part of `down` it has in registers. Which columns make one product is chosen so that a lane gets eight
// that lie together.
template <typename T, int PARTS>
__device__ __forceinline__ void dequantize_updated(
    const Matrix &matrix, const float *down, const float *up, float scale, int rank, T *output, int64 rows, int64 columns, int block_shift,
    int nested_shift) {
    const bool is_nested = matrix.absmax == nullptr;
    extern __shared__ float2 pairs[];
    const float *nested_code = fill_tables(matrix, pairs);
    const float offset = is_nested ? *matrix.nested_offset : 0;
    const int lane = threadIdx.x & 31, row_of_lane = lane / 4, place = lane % 4;
    const float2 *own = pairs + (lane & (COPIES - 1));
    const int64 strip = thread_index() / 32 * STRIP;
    if (strip >= columns) return;
    uint32 b[PARTS][8][2];
#pragma unroll
    for (int p = 0; p < PARTS; p++)
#pragma unroll
        for (int j = 0; j < 8; j++)
#pragma unroll
            for (int h = 0; h < 2; h++) {
                const int64 column = strip + j / 4 * 32 + lane / 8 * 8 + j % 4 * 2 + row_of_lane % 2;
                b[p][j][h] = load_ranks<T>(down + column, 16 * p + 8 * h + 2 * place, rank, columns);
            }
    const bool has_pairs = rank % 2 == 0 && ((uint64)up & 7) == 0;
    const int64 step = gridDim.y * (int64)STRIP_ROWS;
    strip_rows ahead;
    ahead.load(matrix, blockIdx.y * (int64)STRIP_ROWS, strip, rows, columns, block_shift, nested_shift);
    for (int64 first = blockIdx.y * (int64)STRIP_ROWS; first < rows; first += step) {
        const strip_rows now = ahead;
        uint32 a[PARTS][4];
#pragma unroll
        for (int r = 0; r < 2; r++) {
            const float *row = up + min(first + row_of_lane + 8 * r, rows - 1) * rank;
#pragma unroll
            for (int p = 0; p < PARTS; p++)
#pragma unroll
                for (int h = 0; h < 2; h++) {
                    const int rank_of_lane = 16 * p + 8 * h + 2 * place;
                    a[p][2 * h + r] = has_pairs ? load_pair<T>(row, rank_of_lane, rank) : load_ranks<T>(row, rank_of_lane, rank, 1);
                }
        }
        if (first + step < rows) ahead.load(matrix, first + step, strip, rows, columns, block_shift, nested_shift);
        const float block_scale = is_nested ? nested_code[now.scale] * now.nested_absmax + offset : __uint_as_float(now.scale);
        float scales[2];
#pragma unroll
        for (int r = 0; r < 2; r++) scales[r] = __shfl_sync(FULL_WARP, block_scale, row_of_lane + 8 * r);
#pragma unroll
        for (int h = 0; h < 2; h++) {
            float y[2][8];
#pragma unroll
            for (int j = 0; j < 4; j++) {
                float sums[4] = {};
#pragma unroll
                for (int p = 0; p < PARTS; p++) multiply<T>(sums, a[p], b[p][4 * h + j]);
#pragma unroll
                for (int r = 0; r < 2; r++) {
                    const float2 pair = own[(now.words[r][h] >> (8 * j) & 255) * COPIES];
                    y[r][2 * j] = __fmaf_rn(scale, sums[2 * r], pair.x * scales[r]);
                    y[r][2 * j + 1] = __fmaf_rn(scale, sums[2 * r + 1], pair.y * scales[r]);
                }
            }
#pragma unroll
            for (int r = 0; r < 2; r++)
                if (first + row_of_lane + 8 * r < rows)
                    store_vector(output + (first + row_of_lane + 8 * r) * columns + strip + 32 * h + 8 * place, y[r]);
        }
    }
}

#define UPDATED(suffix, T, PARTS) \
    extern "C" __global__ void __launch_bounds__(512, PARTS == 1 ? 2 : 1) dequantize_four_bit_updated_##PARTS##_##suffix( \
        MATRIX, const float *down, const float *up, float scale, int rank, T *output, int64 rows, int64 columns, int block_shift, \
        int nested_shift) { \
        const Matrix matrix = MATRIX_OF_ARGUMENTS; \
        dequantize_updated<T, PARTS>(matrix, down, up, scale, rank, output, rows, columns, block_shift, nested_shift); \
    }
#define ANY_UPDATED(suffix, T) \
    UPDATED(suffix, T, 1) \
    UPDATED(suffix, T, 2) \
    UPDATED(suffix, T, 4)
ANY_UPDATED(f16, float16)
ANY_UPDATED(bf16, bfloat16)

#endif
