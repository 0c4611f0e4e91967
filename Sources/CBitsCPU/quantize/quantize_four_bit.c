#include "base/element_types.h"
#include "base/half.h"
#include "bits_quantize.h"
#include <stdatomic.h>

enum { LARGEST_BLOCK = 4096, PART_ELEMENTS = 1 << 16, INFINITE = 0x7f800000 };

// A format as sixteen ranges in ascending order: the rank of y is the number of thresholds t[j] <= y, and code[rank] its code. NaN has code 0.
struct ranges {
    float thresholds[15];
    _Alignas(16) uint8_t code[16];
    int32_t rank_of_nan, rank_of_zero;
    // For the binary search: entry i of rounds[s] is the threshold to compare with after rounds 0 ... s gave the bits of i, the first the lowest.
    _Alignas(64) float rounds[3][16];
    // The code of the rank whose four bits are those of i in reverse order.
    _Alignas(16) uint8_t reversed_code[16];
};

// Midpoints of neighbouring values; a tie goes to the lower.
static const float nf4_middles[15] = {
    -0x1.b239bp-1, -0x1.38a4ep-1, -0x1.d709p-2,  -0x1.5bd4ecp-2, -0x1.e079d8p-3, -0x1.1a7178p-3, -0x1.74f0e2p-5, 0x1.45f5fep-5,
    0x1.ec90c4p-4, 0x1.a0cfcp-3,  0x1.2b05a8p-2, 0x1.8ea7f2p-2,  0x1.00da08p-1,  0x1.491b5ep-1,  0x1.b913b4p-1};
static const uint8_t nf4_code[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

// Limits of the magnitude, as the reference's CUDA kernels have them; a tie goes to the smaller magnitude, and the sign is that of y < 0.
static const float fp4_limits[7] = {0.00260417f, 0.0859375f, 0.20833333f, 0.29166667f, 0.4166667f, 0.583333f, 0.8333333f};
static const uint8_t fp4_code[16] = {11, 10, 13, 12, 15, 14, 9, 8, 0, 1, 6, 7, 4, 5, 2, 3};

static struct ranges ranges_of(int32_t format) {
    struct ranges r;
    memcpy(r.code, format == BITS_NF4 ? nf4_code : fp4_code, sizeof r.code);
    r.rank_of_nan = format == BITS_NF4 ? 0 : 8;
    r.rank_of_zero = format == BITS_NF4 ? 7 : 8;
    for (int j = 0; j < 15; j++)
        if (format == BITS_NF4) r.thresholds[j] = bits_next_above(nf4_middles[j]);
        else r.thresholds[j] = j < 7 ? -fp4_limits[6 - j] : j == 7 ? 0 : bits_next_above(fp4_limits[j - 8]);
    for (int i = 0; i < 16; i++) {
        const int reversed = (i & 1) << 3 | (i & 2) << 1 | (i & 4) >> 1 | (i & 8) >> 3;
        r.reversed_code[i] = r.code[reversed];
        for (int round = 1; round < 4; round++) {
            const int known = reversed & (0xf0 >> round & 15), step = 8 >> round;
            r.rounds[round - 1][i] = r.thresholds[known + step - 1];
        }
    }
    return r;
}

struct job {
    const void *input;
    int32_t dtype;
    int64_t count, block_size, part_size;
    struct ranges ranges;
    uint8_t *packed;
    float *absmax;
    _Atomic int64_t non_finite;
};

// One block, whatever it holds.
static inline __attribute__((always_inline)) void quantize_block(struct job *job, int64_t first, int64_t n) {
    float buffer[LARGEST_BLOCK];
    const uint16_t *halves = (const uint16_t *)job->input + first;
    const float *x = job->dtype == BITS_F32 ? (const float *)job->input + first : buffer;
    if (job->dtype == BITS_F16)
        for (int64_t i = 0; i < n; i++) buffer[i] = bits_f16_to_f32(halves[i]);
    if (job->dtype == BITS_BF16)
        for (int64_t i = 0; i < n; i++) buffer[i] = bits_bf16_to_f32(halves[i]);

    int32_t largest = 0, absmax_bits = 0;
    for (int64_t i = 0; i < n; i++) {
        const int32_t magnitude = (int32_t)(bits_of_float(x[i]) & 0x7fffffff), known = magnitude > INFINITE ? 0 : magnitude;
        largest = magnitude > largest ? magnitude : largest;
        absmax_bits = known > absmax_bits ? known : absmax_bits;
    }
    if (largest >= INFINITE) {
        int64_t non_finite = 0;
        for (int64_t i = 0; i < n; i++) non_finite += (bits_of_float(x[i]) & INFINITE) == INFINITE;
        job->non_finite += non_finite;
    }
    const float absmax = bits_as_float((uint32_t)absmax_bits), factor = absmax == 0 ? 1 : 1 / absmax;
    job->absmax[first / job->block_size] = absmax;

    const struct ranges *ranges = &job->ranges;
    uint8_t ranks[LARGEST_BLOCK + 1];
    float thresholds[15];  // a copy that nothing else can point to
    memcpy(thresholds, ranges->thresholds, sizeof thresholds);
    const int32_t rank_of_nan = ranges->rank_of_nan;
    for (int64_t i = 0; i < n; i++) {
        const float y = x[i] * factor;
        int32_t rank = y == y ? 0 : rank_of_nan;
        for (int j = 0; j < 15; j++) rank += y >= thresholds[j];
        ranks[i] = (uint8_t)rank;
    }
    if (n % 2 == 1) ranks[n] = ranges->rank_of_zero;
    uint8_t *packed = job->packed + first / 2;
    for (int64_t i = 0; i < (n + 1) / 2; i++) packed[i] = (uint8_t)(ranks[2 * i] << 4 | ranks[2 * i + 1]);
    if (ranges->rank_of_nan != 0)  // ranks are not codes
        for (int64_t i = 0; i < (n + 1) / 2; i++) packed[i] = (uint8_t)(ranges->code[packed[i] >> 4] << 4 | ranges->code[packed[i] & 15]);
}

static inline __attribute__((always_inline)) int64_t part_end(const struct job *job, int64_t part) {
    const int64_t end = (part + 1) * job->part_size;
    return end < job->count ? end : job->count;
}

static inline __attribute__((always_inline)) void quantize_blocks(struct job *job, int64_t first, int64_t end) {
    for (; first < end; first += job->block_size)
        quantize_block(job, first, first + job->block_size < end ? job->block_size : end - first);
}

static void part_portable(void *context, int64_t part) {
    struct job *job = context;
    quantize_blocks(job, part * job->part_size, part_end(job, part));
}

#if BITS_X86
BITS_TARGET_AVX2 static void part_avx2(void *context, int64_t part) {
    struct job *job = context;
    quantize_blocks(job, part * job->part_size, part_end(job, part));
}

// Blocks that are not whole, or hold something else than ordinary numbers.
static __attribute__((noinline)) void special_blocks(struct job *job, int64_t first, int64_t end) { quantize_blocks(job, first, end); }

#define TARGET BITS_TARGET_AVX512 static inline __attribute__((always_inline))

struct registers {
    __m512 first, rounds[3];
    __m512i code;
};

TARGET struct registers load_ranges(const struct ranges *ranges) {
    struct registers r;
    r.first = _mm512_set1_ps(ranges->thresholds[7]);
    for (int i = 0; i < 3; i++) r.rounds[i] = _mm512_load_ps(ranges->rounds[i]);
    r.code = _mm512_broadcast_i32x4(_mm_load_si128((const __m128i *)ranges->reversed_code));
    return r;
}

TARGET __m512 load(const struct job *job, int64_t i, int32_t dtype) {
    if (dtype == BITS_F32) return _mm512_loadu_ps((const float *)job->input + i);
    const __m256i words = _mm256_loadu_si256((const __m256i *)((const uint16_t *)job->input + i));
    if (dtype == BITS_F16) return _mm512_cvtph_ps(words);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(words), 16));
}

TARGET __m512i magnitude(__m512 x) { return _mm512_and_si512(_mm512_castps_si512(x), _mm512_set1_epi32(0x7fffffff)); }

// The rank of each value, its four bits in reverse order.
TARGET __m512i rank(const struct registers *r, __m512 y) {
    __m512i i = _mm512_maskz_set1_epi32(_mm512_cmp_ps_mask(y, r->first, _CMP_GE_OQ), 1);
    for (int s = 0; s < 3; s++) {
        const __mmask16 above = _mm512_cmp_ps_mask(y, _mm512_permutexvar_ps(i, r->rounds[s]), _CMP_GE_OQ);
        i = _mm512_mask_or_epi32(i, above, i, _mm512_set1_epi32(2 << s));
    }
    return i;
}

// The packed codes of 64 values.
TARGET __m256i pack(const struct registers *r, const __m512 *y) {
    const __m512i a = _mm512_packus_epi32(rank(r, y[0]), rank(r, y[1])), b = _mm512_packus_epi32(rank(r, y[2]), rank(r, y[3]));
    const __m512i codes = _mm512_shuffle_epi8(r->code, _mm512_packus_epi16(a, b));
    const __m256i bytes = _mm512_cvtepi16_epi8(_mm512_maddubs_epi16(codes, _mm512_set1_epi16(0x0110)));
    // The packs left the groups of four values in the order 0 4 8 12 1 5 9 13 ...
    return _mm256_permutexvar_epi16(_mm256_setr_epi16(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15), bytes);
}

// What the elements of a block are multiplied by; negative where the block needs the general path.
TARGET float factor_of(int32_t absmax_bits) {
    const float absmax = bits_as_float((uint32_t)absmax_bits);
    if (absmax_bits == 0) return 1;
    return absmax_bits >= INFINITE || absmax < 0x1p-126f ? -1 : 1 / absmax;
}

TARGET void block_of_64s(struct job *job, const struct registers *r, int64_t first, int32_t dtype) {
    const int64_t n = job->block_size;
    __m512 x[4];
    __m512i largest = _mm512_setzero_si512();
    for (int64_t i = 0; i < n; i += 64)
        for (int j = 0; j < 4; j++) {
            x[j] = load(job, first + i + 16 * j, dtype);
            largest = _mm512_max_epi32(largest, magnitude(x[j]));
        }
    const int32_t absmax_bits = _mm512_reduce_max_epi32(largest);
    const float factor = factor_of(absmax_bits);
    if (factor < 0) return special_blocks(job, first, first + n);
    job->absmax[first / n] = bits_as_float((uint32_t)absmax_bits);
    const __m512 factors = _mm512_set1_ps(factor);
    for (int64_t i = 0; i < n; i += 64) {
        for (int j = 0; j < 4; j++) x[j] = _mm512_mul_ps(n == 64 ? x[j] : load(job, first + i + 16 * j, dtype), factors);
        _mm256_storeu_si256((__m256i *)(job->packed + (first + i) / 2), pack(r, x));
    }
}

TARGET void two_blocks_of_32(struct job *job, const struct registers *r, int64_t first, int32_t dtype) {
    __m512 x[4];
    for (int j = 0; j < 4; j++) x[j] = load(job, first + 16 * j, dtype);
    const int32_t absmax_bits[2] = {
        _mm512_reduce_max_epi32(_mm512_max_epi32(magnitude(x[0]), magnitude(x[1]))),
        _mm512_reduce_max_epi32(_mm512_max_epi32(magnitude(x[2]), magnitude(x[3])))};
    const float factors[2] = {factor_of(absmax_bits[0]), factor_of(absmax_bits[1])};
    if (factors[0] < 0 || factors[1] < 0) return special_blocks(job, first, first + 64);
    memcpy(job->absmax + first / 32, absmax_bits, sizeof absmax_bits);
    for (int j = 0; j < 4; j++) x[j] = _mm512_mul_ps(x[j], _mm512_set1_ps(factors[j / 2]));
    _mm256_storeu_si256((__m256i *)(job->packed + first / 2), pack(r, x));
}

TARGET void blocks_avx512(struct job *job, int64_t part, int32_t dtype) {
    const struct registers r = load_ranges(&job->ranges);
    const int64_t end = part_end(job, part), step = job->block_size < 64 ? 64 : job->block_size;
    int64_t first = part * job->part_size;
    if (job->block_size == 64)
        for (; first + 64 <= end; first += 64) block_of_64s(job, &r, first, dtype);
    else if (job->block_size == 32)
        for (; first + step <= end; first += step) two_blocks_of_32(job, &r, first, dtype);
    else
        for (; first + step <= end; first += step) block_of_64s(job, &r, first, dtype);
    if (first < end) special_blocks(job, first, end);
}

BITS_TARGET_AVX512 static void part_avx512(void *context, int64_t part) {
    struct job *job = context;
    BITS_FOR_FLOAT_TYPE(job->dtype, blocks_avx512, job, part)
}
#endif

static bits_part_fn part_function(int64_t block_size) {
#if BITS_X86
    if (bits_cpu_level() >= BITS_AVX512 && (block_size == 32 || block_size % 64 == 0)) return part_avx512;
    if (bits_cpu_level() >= BITS_AVX2) return part_avx2;
#endif
    (void)block_size;
    return part_portable;
}

int32_t bits_cpu_quantize_four_bit(
    const void *input, int32_t dtype, int64_t count, int32_t format, int64_t block_size, uint8_t *packed, float *absmax, int64_t *non_finite) {
    if (!bits_is_float(dtype)) return BITS_BAD_DTYPE;
    if (format != BITS_NF4 && format != BITS_FP4) return BITS_BAD_OPTION;
    if (count < 0 || block_size < 2 || block_size > LARGEST_BLOCK || block_size % 2 != 0) return BITS_BAD_SIZE;
    struct job job = {
        .input = input, .dtype = dtype, .count = count, .block_size = block_size, .part_size = PART_ELEMENTS / block_size * block_size,
        .ranges = ranges_of(format), .packed = packed, .absmax = absmax};
    bits_pool_run((count + job.part_size - 1) / job.part_size, part_function(block_size), &job);
    if (non_finite != NULL) *non_finite = job.non_finite;
    return BITS_OK;
}
