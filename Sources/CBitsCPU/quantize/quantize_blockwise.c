#include "base/element_types.h"
#include "bits_quantize.h"
#include "quantize/nearest_code.h"
#include <stdatomic.h>

enum { LARGEST_BLOCK = 16384, PART_ELEMENTS = 1 << 16, INFINITE = 0x7f800000 };

struct job {
    const void *input;
    int32_t dtype;
    int64_t count, block_size, part_size;
    const float *offset;
    const struct bits_code_table *table;
    const uint8_t *order;
    uint8_t *codes;
    float *absmax;
    _Atomic int64_t non_finite;
};

static inline __attribute__((always_inline)) const float *widen(const struct job *job, int64_t first, int64_t n, float *buffer) {
    const float *values = (const float *)job->input + first;
    if (job->dtype == BITS_F32 && job->offset == NULL) return values;
    const uint16_t *halves = (const uint16_t *)job->input + first;
    if (job->dtype == BITS_F32) memcpy(buffer, values, (size_t)n * sizeof *buffer);
    if (job->dtype == BITS_F16)
        for (int64_t i = 0; i < n; i++) buffer[i] = bits_f16_to_f32(halves[i]);
    if (job->dtype == BITS_BF16)
        for (int64_t i = 0; i < n; i++) buffer[i] = bits_bf16_to_f32(halves[i]);
    return buffer;
}

// How many of `n` inputs are NaN or infinite.
static int64_t count_non_finite(const struct job *job, int64_t first, int64_t n) {
    const uint32_t *words = (const uint32_t *)job->input + first;
    const uint16_t *halves = (const uint16_t *)job->input + first;
    const uint16_t exponent = job->dtype == BITS_F16 ? 0x7c00 : 0x7f80;
    int64_t total = 0;
    if (job->dtype == BITS_F32)
        for (int64_t i = 0; i < n; i++) total += (words[i] & INFINITE) == INFINITE;
    else
        for (int64_t i = 0; i < n; i++) total += (halves[i] & exponent) == exponent;
    return total;
}

// One block, whatever it holds.
static inline __attribute__((always_inline)) void quantize_block(struct job *job, int64_t first, int64_t n) {
    float buffer[LARGEST_BLOCK];
    const float *x = widen(job, first, n, buffer);
    if (job->offset != NULL) {
        const float offset = *job->offset;
        for (int64_t i = 0; i < n; i++) buffer[i] -= offset;
    }
    int32_t largest = 0, absmax_bits = 0;
    for (int64_t i = 0; i < n; i++) {
        const int32_t magnitude = (int32_t)(bits_of_float(x[i]) & 0x7fffffff), known = magnitude > INFINITE ? 0 : magnitude;
        largest = magnitude > largest ? magnitude : largest;
        absmax_bits = known > absmax_bits ? known : absmax_bits;
    }
    if (largest >= INFINITE) job->non_finite += count_non_finite(job, first, n);
    const float absmax = bits_as_float((uint32_t)absmax_bits), inverse = 1 / absmax;
    job->absmax[first / job->block_size] = absmax;
    const struct bits_code_table *table = job->table;
    uint8_t *codes = job->codes + first;
    if (job->order != NULL) {
        for (int64_t i = 0; i < n; i++) {
            const float y = x[i] * inverse;
            codes[i] = y == y ? job->order[bits_nearest_code(table, y)] : 0;
        }
    } else {
        for (int64_t i = 0; i < n; i++) codes[i] = (uint8_t)bits_nearest_code(table, x[i] * inverse);
    }
}

static inline __attribute__((always_inline)) void quantize_part(struct job *job, int64_t part) {
    const int64_t start = part * job->part_size;
    const int64_t end = start + job->part_size < job->count ? start + job->part_size : job->count;
    for (int64_t first = start; first < end; first += job->block_size)
        quantize_block(job, first, first + job->block_size < end ? job->block_size : end - first);
}

static void part_portable(void *context, int64_t part) { quantize_part(context, part); }

#if BITS_X86
BITS_TARGET_AVX2 static void part_avx2(void *context, int64_t part) { quantize_part(context, part); }

BITS_TARGET_AVX512 static inline __attribute__((always_inline)) __m512 load(const struct job *job, int64_t i, int32_t dtype, __mmask16 mask) {
    const uint16_t *halves = (const uint16_t *)job->input + i;
    if (dtype == BITS_F32) return _mm512_maskz_loadu_ps(mask, (const float *)job->input + i);
    const __m256i words = _mm256_maskz_loadu_epi16(mask, halves);
    if (dtype == BITS_F16) return _mm512_cvtph_ps(words);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(words), 16));
}

// A block that holds a NaN or an infinity.
static __attribute__((noinline)) void special_block(struct job *job, int64_t first, int64_t n) { quantize_block(job, first, n); }

// A block without an offset; `n` at most the block size.
BITS_TARGET_AVX512 static inline __attribute__((always_inline)) void block_avx512(
    struct job *job, const struct bits_code_rounds *rounds, int64_t first, int64_t n, int32_t dtype) {
    const int64_t whole = n & ~(int64_t)15;
    const __mmask16 rest = (__mmask16)((1u << (n - whole)) - 1);
    const __m512i magnitude = _mm512_set1_epi32(0x7fffffff);
    __m512i largest = _mm512_and_si512(_mm512_castps_si512(load(job, first + whole, dtype, rest)), magnitude);
    for (int64_t i = 0; i < whole; i += 16)
        largest = _mm512_max_epi32(largest, _mm512_and_si512(_mm512_castps_si512(load(job, first + i, dtype, 0xffff)), magnitude));
    const int32_t bits = _mm512_reduce_max_epi32(largest);
    if (bits >= INFINITE) return special_block(job, first, n);
    const float absmax = bits_as_float((uint32_t)bits);
    job->absmax[first / job->block_size] = absmax;
    const __m512 inverse = _mm512_set1_ps(1 / absmax);
    uint8_t *codes = job->codes + first;
    int64_t i = 0;
    for (; i + 64 <= n; i += 64) {
        __m512 y[4];
        for (int j = 0; j < 4; j++) y[j] = _mm512_mul_ps(load(job, first + i + 16 * j, dtype, 0xffff), inverse);
        _mm512_storeu_si512(codes + i, bits_nearest_code_x64(rounds, y[0], y[1], y[2], y[3]));
    }
    for (; i < n; i += 16) {
        const __mmask16 mask = i < whole ? 0xffff : rest;
        const __m512 y = _mm512_mul_ps(load(job, first + i, dtype, mask), inverse);
        _mm_mask_storeu_epi8(codes + i, mask, bits_nearest_code_x16(rounds, y));
    }
}

BITS_TARGET_AVX512 static inline __attribute__((always_inline)) void blocks_avx512(struct job *job, int64_t part, int32_t dtype) {
    const struct bits_code_rounds rounds = bits_code_rounds(job->table);
    const int64_t start = part * job->part_size;
    const int64_t end = start + job->part_size < job->count ? start + job->part_size : job->count;
    for (int64_t first = start; first < end; first += job->block_size)
        block_avx512(job, &rounds, first, first + job->block_size < end ? job->block_size : end - first, dtype);
}

BITS_TARGET_AVX512 static void part_avx512(void *context, int64_t part) {
    struct job *job = context;
    if (job->order != NULL || job->offset != NULL) return quantize_part(job, part);
    BITS_FOR_FLOAT_TYPE(job->dtype, blocks_avx512, job, part)
}
#endif

int32_t bits_cpu_quantize_blockwise(
    const void *input, int32_t dtype, int64_t count, const float *offset, const float *codebook, const uint8_t *order, int64_t block_size,
    uint8_t *codes, float *absmax, int64_t *non_finite) {
    if (!bits_is_float(dtype)) return BITS_BAD_DTYPE;
    if (count < 0 || block_size < 1 || block_size > LARGEST_BLOCK) return BITS_BAD_SIZE;
    const struct bits_code_table *table = bits_code_table_acquire(codebook);
    if (table == NULL) return BITS_BAD_OPTION;
    struct job job = {
        .input = input, .dtype = dtype, .count = count, .block_size = block_size, .part_size = PART_ELEMENTS / block_size * block_size,
        .offset = offset, .table = table, .order = order, .codes = codes, .absmax = absmax};
    bits_pool_run((count + job.part_size - 1) / job.part_size, BITS_OF_LEVEL(part_portable, part_avx2, part_avx512), &job);
    if (non_finite != NULL) *non_finite = job.non_finite;
    bits_code_table_release(table);
    return BITS_OK;
}
