// Quantization to the nearest entries of a codebook, block by block, its inverse, and the mean that double quantization subtracts.

#include "codes.cuh"

// MARK: Quantization

__device__ __forceinline__ bool is_finite(float x) { return fabsf(x) < INFINITE; }

__device__ __forceinline__ uint32 code_of_any(const float *thresholds, const uint8 *order, float y) {
    const uint32 code = nearest_code(thresholds, y);
    return order != nullptr && y == y ? order[code] : code;
}

// One run of 256 elements, or what there is of it, whatever it holds; by a warp, eight elements to a lane.
template <typename T>
__device__ __noinline__ void quantize_special_run(
    const T *input, const float *offset, const float *thresholds, uint8 *codes, float *absmax, uint64 *non_finite, int64 first, int64 count,
    int block_size) {
    const int block_lanes = block_size / 8, lane = threadIdx.x & 31;
    const int64 begin = first + 8 * lane, end = min(begin + 8, count);
    float largest = 0;
    int others = 0;
    for (int64 i = begin; i < end; i++) {
        const float x = widen(input[i]);
        others += !is_finite(x);
        largest = fmaxf(largest, fabsf(offset != nullptr ? x - *offset : x));
    }
    for (int h = 1; h < block_lanes; h <<= 1) largest = fmaxf(largest, __shfl_xor_sync(FULL_WARP, largest, h));
    const float inverse = __frcp_rn(largest);
    for (int64 i = begin; i < end; i++) {
        const float x = widen(input[i]);
        codes[i] = (uint8)nearest_code(thresholds, (offset != nullptr ? x - *offset : x) * inverse);
    }
    if (begin < count && lane % block_lanes == 0) absmax[begin / (uint32)block_size] = largest;
    if (others > 0 && non_finite != nullptr) atomicAdd(non_finite, (uint64)others);
}

// Runs of 256 elements in blocks of 8, 16, ... or 256. An offset is for float32 alone.
template <typename T>
__device__ __forceinline__ void quantize_runs(
    const T *input, const float *offset, const CodeTable *table, uint8 *codes, float *absmax, uint64 *non_finite, int64 count, int block_size) {
    alignas(16) __shared__ uint32 entries[2 * CODE_BUCKETS];
    __shared__ float thresholds[256];
    copy_entries(table->entries, 2 * CODE_BUCKETS, entries);
    for (int i = threadIdx.x; i < 256; i += blockDim.x) thresholds[i] = table->thresholds[i];
    __syncthreads();
    const bool is_fast = table->is_exact() && is_aligned16(input) && ((uint64)codes & 7) == 0;
    const float shift = sizeof(T) == 4 && offset != nullptr ? *offset : 0;
    const int lane = threadIdx.x & 31, block_lanes = block_size / 8, block_shift = 31 - __clz(block_size);
    constexpr int RUNS = sizeof(T) == 4 ? 2 : 4;  // in registers at a time
    const int64 warps = thread_count() / 32;
    for (int64 group = thread_index() / 32; group * (RUNS * 256) < count; group += warps) {
        const int64 first = group * (RUNS * 256);
        if (!is_fast || first + RUNS * 256 > count) {
            for (int64 run = first; run < first + RUNS * 256 && run < count; run += 256)
                quantize_special_run(input, offset, thresholds, codes, absmax, non_finite, run, count, block_size);
            continue;
        }
        Eight<T> x[RUNS];
#pragma unroll
        for (int r = 0; r < RUNS; r++) x[r].load(input + first + r * 256 + 8 * lane);
#pragma unroll
        for (int r = 0; r < RUNS; r++) {
            const int64 at = first + r * 256 + 8 * lane;
            if (sizeof(T) == 4 && offset != nullptr)
#pragma unroll
                for (int i = 0; i < 4; i++) x[r].set(i, x[r][2 * i] - shift, x[r][2 * i + 1] - shift);
            uint32 largest = x[r].largest_magnitude();
            if (block_lanes == 32) largest = warp_max(largest);
            else
                for (int h = 1; h < block_lanes; h <<= 1) largest = max(largest, __shfl_xor_sync(FULL_WARP, largest, h));
            // Where that has an inverse, every element times it is from -1 to 1, give or take a rounding.
            if (!__all_sync(FULL_WARP, is_invertible(largest))) {
                quantize_special_run(input, offset, thresholds, codes, absmax, non_finite, first + r * 256, count, block_size);
                continue;
            }
            const float inverse = reciprocal(__uint_as_float(largest));
            float y[8];
            uint32 c[8];
#pragma unroll
            for (int i = 0; i < 8; i++) {
                y[i] = x[r][i] * inverse;
                c[i] = code_of_either(entries, y[i]);
            }
            const uint32 low = third_bytes(c[0], c[1], c[2], c[3]) ^ sign_bytes(y[0], y[1], y[2], y[3]);
            const uint32 high = third_bytes(c[4], c[5], c[6], c[7]) ^ sign_bytes(y[4], y[5], y[6], y[7]);
            __stcs((uint2 *)(codes + at), make_uint2(low, high));
            if ((lane & (block_lanes - 1)) == 0) absmax[at >> block_shift] = __uint_as_float(largest);
        }
    }
}

// Blocks of 512 elements or more, whole multiples of 8, each by all threads; whole blocks whose addresses are aligned.
template <typename T>
__device__ __forceinline__ void quantize_long_blocks(
    const T *input, const CodeTable *table, uint8 *codes, float *absmax, uint64 *non_finite, int64 blocks, int64 block_size) {
    __shared__ uint32 entries[2 * CODE_BUCKETS];
    __shared__ float thresholds[256];
    __shared__ uint32 partial[16];
    for (int i = threadIdx.x; i < 2 * CODE_BUCKETS; i += blockDim.x) entries[i] = table->entries[i];
    for (int i = threadIdx.x; i < 256; i += blockDim.x) thresholds[i] = table->thresholds[i];
    const bool is_exact = table->is_exact();
    const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
    int others = 0;
    for (int64 block = blockIdx.x; block < blocks; block += gridDim.x) {
        const T *from = input + block * block_size;
        uint32 largest = 0;
        for (int64 i = 8 * threadIdx.x; i < block_size; i += 8 * blockDim.x) {
            Eight<T> x;
            x.load(from + i);
            const uint32 own = x.largest_magnitude();
            if (own >= 0x7f800000) {
                // NaN does not count.
#pragma unroll
                for (int j = 0; j < 8; j++) {
                    others += !is_finite(x[j]);
                    if (x[j] == x[j]) largest = max(largest, __float_as_uint(fabsf(x[j])));
                }
            } else {
                largest = max(largest, own);
            }
        }
        largest = warp_max(largest);
        __syncthreads();
        if (lane == 0) partial[warp] = largest;
        __syncthreads();
        for (int w = 0; w < blockDim.x >> 5; w++) largest = max(largest, partial[w]);
        if (threadIdx.x == 0) absmax[block] = __uint_as_float(largest);
        const float inverse = __frcp_rn(__uint_as_float(largest));
        for (int64 i = 8 * threadIdx.x; i < block_size; i += 8 * blockDim.x) {
            Eight<T> x;
            x.load(from + i);
            float y[8];
            uint32 c[8], low = 0, high = 0;
#pragma unroll
            for (int j = 0; j < 8; j++) y[j] = x[j] * inverse;
            if (is_exact && is_invertible(largest) && x.largest_magnitude() < 0x7f800000) {
#pragma unroll
                for (int j = 0; j < 8; j++) c[j] = code_of_either(entries, y[j]);
                low = third_bytes(c[0], c[1], c[2], c[3]) ^ sign_bytes(y[0], y[1], y[2], y[3]);
                high = third_bytes(c[4], c[5], c[6], c[7]) ^ sign_bytes(y[4], y[5], y[6], y[7]);
            } else {
                for (int j = 0; j < 4; j++) {
                    low |= nearest_code(thresholds, y[j]) << (8 * j);
                    high |= nearest_code(thresholds, y[j + 4]) << (8 * j);
                }
            }
            *(uint2 *)(codes + block * block_size + i) = make_uint2(low, high);
        }
    }
    if (others > 0 && non_finite != nullptr) atomicAdd(non_finite, (uint64)others);
}

// Blocks of any size, each by a warp, or by all threads of a block where `is_wide`.
template <typename T>
__device__ __forceinline__ void quantize_blocks(
    const T *input, const float *offset, const CodeTable *table, const uint8 *order, uint8 *codes, float *absmax, uint64 *non_finite, int64 count,
    int64 block_size, int is_wide) {
    __shared__ float thresholds[256];
    __shared__ float partial[33];
    for (int i = threadIdx.x; i < 256; i += blockDim.x) thresholds[i] = table->thresholds[i];
    __syncthreads();
    const float shift = offset != nullptr ? *offset : 0;
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
            largest = fmaxf(largest, fabsf(offset != nullptr ? x - shift : x));
        }
        largest = is_wide ? block_max(largest, partial) : warp_max(largest);
        const float inverse = __frcp_rn(largest);
        if (rank == 0) absmax[block] = largest;
        for (int64 i = begin + rank; i < end; i += stride) {
            const float x = widen(input[i]);
            codes[i] = (uint8)code_of_any(thresholds, order, (offset != nullptr ? x - shift : x) * inverse);
        }
    }
    if (others > 0 && non_finite != nullptr) atomicAdd(non_finite, (uint64)others);
}

// MARK: Dequantization

// A vector of the output to a lane, in blocks of 2^block_shift of which 8 is a divisor; addresses aligned.
template <typename T>
__device__ __forceinline__ void dequantize_runs(
    const uint8 *codes, const float *codebook, const float *absmax, const float *offset, T *output, int64 count, int block_shift) {
    // A copy of the codebook for each lane, so that no two of a warp want the same bank.
    __shared__ float values[256 * 32];
    for (int i = threadIdx.x; i < 256 * 32; i += blockDim.x) values[i] = codebook[i / 32];
    __syncthreads();
    const int lane = threadIdx.x & 31;
    const float shift = offset != nullptr ? *offset : 0;
    constexpr int PER = PER_VECTOR<T>, WORDS = PER / 4, RUNS = 32 / PER;
    const int64 warps = thread_count() / 32;
    for (int64 first = thread_index() / 32 * 1024 + PER * lane; first - PER * lane < count; first += warps * 1024) {
        uint32 words[RUNS][WORDS];
        float scales[RUNS];
#pragma unroll
        for (int r = 0; r < RUNS; r++) {
            const int64 at = first + r * 32 * PER;
            if (at >= count) continue;
#pragma unroll
            for (int w = 0; w < WORDS; w++) words[r][w] = 0;
            if (WORDS == 2) {
                const uint2 x = __ldcs((const uint2 *)(codes + at));
                words[r][0] = x.x, words[r][WORDS - 1] = x.y;
            } else {
                words[r][0] = __ldcs((const uint32 *)(codes + at));
            }
            scales[r] = absmax[at >> block_shift];
        }
#pragma unroll
        for (int r = 0; r < RUNS; r++) {
            const int64 at = first + r * 32 * PER;
            if (at >= count) continue;
            float y[PER];
#pragma unroll
            for (int i = 0; i < PER; i++) {
                y[i] = values[(words[r][i / 4] >> (i % 4 * 8) & 255) * 32 + lane] * scales[r];
                if (offset != nullptr) y[i] += shift;
            }
            store_vector(output + at, y);
        }
    }
}

template <typename T>
__device__ __forceinline__ void dequantize_elements(
    const uint8 *codes, const float *codebook, const float *absmax, const float *offset, T *output, int64 begin, int64 count, int64 block_size) {
    __shared__ float values[256];
    for (int i = threadIdx.x; i < 256; i += blockDim.x) values[i] = codebook[i];
    __syncthreads();
    for (int64 i = begin + thread_index(); i < count; i += thread_count()) {
        const float value = values[codes[i]] * absmax[i / block_size];
        output[i] = narrow<T>(offset != nullptr ? value + *offset : value);
    }
}

#define BLOCKWISE(suffix, T)                                                                                                                        \
    extern "C" __global__ void __launch_bounds__(512, 2) quantize_blockwise_runs_##suffix(                                                          \
        const T *input, const float *offset, const CodeTable *table, uint8 *codes, float *absmax, uint64 *non_finite, int64 count, int block_size) { \
        quantize_runs(input, offset, table, codes, absmax, non_finite, count, block_size);                                                          \
    }                                                                                                                                               \
    extern "C" __global__ void __launch_bounds__(512) quantize_blockwise_long_##suffix(                                                             \
        const T *input, const CodeTable *table, uint8 *codes, float *absmax, uint64 *non_finite, int64 blocks, int64 block_size) {                  \
        quantize_long_blocks(input, table, codes, absmax, non_finite, blocks, block_size);                                                          \
    }                                                                                                                                               \
    extern "C" __global__ void __launch_bounds__(256) quantize_blockwise_##suffix(                                                                  \
        const T *input, const float *offset, const CodeTable *table, const uint8 *order, uint8 *codes, float *absmax, uint64 *non_finite,            \
        int64 count, int64 block_size, int is_wide) {                                                                                               \
        quantize_blocks(input, offset, table, order, codes, absmax, non_finite, count, block_size, is_wide);                                        \
    }                                                                                                                                               \
    extern "C" __global__ void __launch_bounds__(512) dequantize_blockwise_runs_##suffix(                                                           \
        const uint8 *codes, const float *codebook, const float *absmax, const float *offset, T *output, int64 count, int block_shift) {             \
        dequantize_runs(codes, codebook, absmax, offset, output, count, block_shift);                                                               \
    }                                                                                                                                               \
    extern "C" __global__ void __launch_bounds__(256) dequantize_blockwise_##suffix(                                                                \
        const uint8 *codes, const float *codebook, const float *absmax, const float *offset, T *output, int64 begin, int64 count,                   \
        int64 block_size) {                                                                                                                         \
        dequantize_elements(codes, codebook, absmax, offset, output, begin, count, block_size);                                                     \
    }
BLOCKWISE(f32, float)
BLOCKWISE(f16, float16)
BLOCKWISE(bf16, bfloat16)

// MARK: Mean

// The 1024 running sums of `MeanInDouble`, 32 to a block of 256 threads, of whose warps one adds while all of them fetch.
extern "C" __global__ void __launch_bounds__(256) mean_strands(const float *input, int64 count, double *sums) {
    constexpr int ROWS = 128;
    __shared__ float rows[ROWS][32];
    const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
    const int64 strand = 32 * blockIdx.x + lane;
    double sum = 0;
    for (int64 begin = 0; begin * 1024 < count; begin += ROWS) {
        __syncthreads();
#pragma unroll
        for (int r = 0; r < ROWS / 8; r++) {
            const int64 i = (begin + warp + 8 * r) * 1024 + strand;
            rows[warp + 8 * r][lane] = i < count ? input[i] : 0;
        }
        __syncthreads();
        if (warp == 0)
            for (int r = 0; r < ROWS; r++)
                if ((begin + r) * 1024 + strand < count) sum += (double)rows[r][lane];
    }
    if (warp == 0) sums[strand] = sum;
}

// Joins them; one block of 512 threads.
extern "C" __global__ void __launch_bounds__(512) mean_of_strands(const double *sums, int64 count, float *mean) {
    __shared__ double s[1024];
    s[threadIdx.x] = sums[threadIdx.x];
    s[threadIdx.x + 512] = sums[threadIdx.x + 512];
    for (int h = 512; h > 0; h >>= 1) {
        __syncthreads();
        if (threadIdx.x < h) s[threadIdx.x] += s[threadIdx.x + h];
    }
    if (threadIdx.x == 0) *mean = count == 0 ? 0 : __double2float_rn(__ddiv_rn(s[0], (double)count));
}
