#include "base/element_types.h"
#include "base/half.h"
#include "bits_quantize.h"

// STREAMED_BYTES as in dequantize_four_bit.c.
enum { PART_ELEMENTS = 1 << 16, STREAMED_BYTES = 96 << 20 };

struct job {
    const uint8_t *codes;
    const float *codebook, *absmax, *offset;
    void *output;
    int64_t count, block_size, part_size;
    int32_t dtype;
    int32_t streams;  // the output is too large to be of use in the cache
    _Alignas(64) uint8_t planes[4][256];  // byte j of every value of the codebook
};

static inline __attribute__((always_inline)) void dequantize_run(const struct job *job, int64_t first, int64_t end, float scale) {
    const uint8_t *codes = job->codes;
    const float *codebook = job->codebook;
    const float *offset = job->offset;
    float values[256];
    for (int64_t start = first; start < end; start += 256) {
        const int64_t n = end - start < 256 ? end - start : 256;
        float *target = job->dtype == BITS_F32 ? (float *)job->output + start : values;
        uint16_t *halves = (uint16_t *)job->output + start;
        for (int64_t i = 0; i < n; i++) target[i] = codebook[codes[start + i]] * scale;
        if (offset != NULL)
            for (int64_t i = 0; i < n; i++) target[i] = target[i] + *offset;
        if (job->dtype == BITS_F16)
            for (int64_t i = 0; i < n; i++) halves[i] = bits_f32_to_f16(values[i]);
        if (job->dtype == BITS_BF16)
            for (int64_t i = 0; i < n; i++) halves[i] = bits_f32_to_bf16(values[i]);
    }
}

static inline __attribute__((always_inline)) int64_t part_end(const struct job *job, int64_t part) {
    const int64_t end = (part + 1) * job->part_size;
    return end < job->count ? end : job->count;
}

static inline __attribute__((always_inline)) void dequantize_part(const struct job *job, int64_t part) {
    const int64_t end = part_end(job, part);
    for (int64_t first = part * job->part_size; first < end; first += job->block_size)
        dequantize_run(job, first, first + job->block_size < end ? first + job->block_size : end, job->absmax[first / job->block_size]);
}

static void part_portable(void *context, int64_t part) { dequantize_part(context, part); }

#if BITS_X86
BITS_TARGET_AVX2 static void part_avx2(void *context, int64_t part) { dequantize_part(context, part); }

#define TARGET BITS_TARGET_AVX512_VBMI static inline __attribute__((always_inline))

// Byte j of the values of 64 codes.
TARGET __m512i plane(const uint8_t *table, __m512i codes, __mmask64 upper) {
    const __m512i low = _mm512_permutex2var_epi8(_mm512_load_si512(table), codes, _mm512_load_si512(table + 64));
    const __m512i high = _mm512_permutex2var_epi8(_mm512_load_si512(table + 128), codes, _mm512_load_si512(table + 192));
    return _mm512_mask_blend_epi8(upper, low, high);
}

TARGET void store_bits(void *target, __m512i value, int streams) {
    if (streams) _mm512_stream_si512(target, value);
    else _mm512_storeu_si512(target, value);
}

TARGET __m256i to_bf16(__m512 value) {
    const __m512i bits = _mm512_castps_si512(value);
    const __m512i upper = _mm512_srli_epi32(bits, 16);
    const __m512i odd = _mm512_and_si512(upper, _mm512_set1_epi32(1));
    const __m512i rounded = _mm512_srli_epi32(_mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff)), odd), 16);
    const __mmask16 nan = _mm512_cmp_ps_mask(value, value, _CMP_UNORD_Q);
    return _mm512_cvtepi32_epi16(_mm512_mask_or_epi32(rounded, nan, upper, _mm512_set1_epi32(0x40)));
}

TARGET __m256i to_half(__m512 value, int32_t dtype) {
    return dtype == BITS_BF16 ? to_bf16(value) : _mm512_cvtps_ph(value, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

// 64 elements of one block.
TARGET void dequantize_64(const struct job *job, int64_t i, __m512 scale, __m512 offset, int32_t dtype) {
    // The interleaving below takes groups of four bytes in the order 0 4 8 12 1 5 9 13 ...
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    const __m512i codes = _mm512_permutexvar_epi32(order, _mm512_loadu_si512(job->codes + i));
    const __mmask64 upper = _mm512_movepi8_mask(codes);
    const __m512i b0 = plane(job->planes[0], codes, upper), b1 = plane(job->planes[1], codes, upper);
    const __m512i b2 = plane(job->planes[2], codes, upper), b3 = plane(job->planes[3], codes, upper);
    const __m512i low01 = _mm512_unpacklo_epi8(b0, b1), low23 = _mm512_unpacklo_epi8(b2, b3);
    const __m512i high01 = _mm512_unpackhi_epi8(b0, b1), high23 = _mm512_unpackhi_epi8(b2, b3);
    const __m512i bits[4] = {
        _mm512_unpacklo_epi16(low01, low23), _mm512_unpackhi_epi16(low01, low23), _mm512_unpacklo_epi16(high01, high23),
        _mm512_unpackhi_epi16(high01, high23)};
    __m512 values[4];
    for (int j = 0; j < 4; j++) {
        values[j] = _mm512_mul_ps(_mm512_castsi512_ps(bits[j]), scale);
        if (job->offset != NULL) values[j] = _mm512_add_ps(values[j], offset);
    }
    if (dtype == BITS_F32) {
        for (int j = 0; j < 4; j++) store_bits((float *)job->output + i + 16 * j, _mm512_castps_si512(values[j]), job->streams);
        return;
    }
    for (int j = 0; j < 4; j += 2) {
        const __m512i pair = _mm512_inserti64x4(_mm512_castsi256_si512(to_half(values[j], dtype)), to_half(values[j + 1], dtype), 1);
        store_bits((uint16_t *)job->output + i + 16 * j, pair, job->streams);
    }
}

TARGET void runs_vbmi(const struct job *job, int64_t part, int32_t dtype) {
    const __m512 offset = _mm512_set1_ps(job->offset == NULL ? 0 : *job->offset);
    const int64_t end = part_end(job, part);
    int64_t i = part * job->part_size;
    while (i < end) {
        const float scale = job->absmax[i / job->block_size];
        const int64_t block_end = i + job->block_size < end ? i + job->block_size : end;
        for (; i + 64 <= block_end; i += 64) dequantize_64(job, i, _mm512_set1_ps(scale), offset, dtype);
        if (i < block_end) dequantize_run(job, i, block_end, scale);
        i = block_end;
    }
    _mm_sfence();
}

BITS_TARGET_AVX512_VBMI static void part_vbmi(void *context, int64_t part) {
    struct job *job = context;
    BITS_FOR_FLOAT_TYPE(job->dtype, runs_vbmi, job, part)
}
#endif

static bits_part_fn part_function(const struct job *job) {
#if BITS_X86
    if (bits_cpu_features() & BITS_HAS_AVX512_VBMI && job->block_size % 64 == 0) return part_vbmi;
    if (bits_cpu_level() >= BITS_AVX2) return part_avx2;
#endif
    (void)job;
    return part_portable;
}

int32_t bits_cpu_dequantize_blockwise(
    const uint8_t *codes, int64_t count, const float *codebook, const float *absmax, int64_t block_size, const float *offset, void *output,
    int32_t dtype) {
    if (!bits_is_float(dtype)) return BITS_BAD_DTYPE;
    if (count < 0 || block_size < 1 || block_size > PART_ELEMENTS) return BITS_BAD_SIZE;
    struct job job = {
        .codes = codes, .codebook = codebook, .absmax = absmax, .offset = offset, .output = output, .count = count, .block_size = block_size,
        .part_size = PART_ELEMENTS / block_size * block_size, .dtype = dtype};
    job.streams = count * bits_element_size(dtype) >= STREAMED_BYTES && (uintptr_t)output % 64 == 0;
    for (int i = 0; i < 256; i++)
        for (int j = 0; j < 4; j++) job.planes[j][i] = (uint8_t)(bits_of_float(codebook[i]) >> 8 * j);
    bits_pool_run((count + job.part_size - 1) / job.part_size, part_function(&job), &job);
    return BITS_OK;
}
