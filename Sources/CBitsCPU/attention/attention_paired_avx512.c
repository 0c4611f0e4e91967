// The products of attention in pairs of bfloat16, with AVX-512's instruction for those.
#include "base/private_base.h"
#if BITS_X86
#include "attention/attention_paired.h"
#include "elementwise/private_rows.h"
#include "matrix/matrix_vectors_avx512.h"

enum { ROWS = BITS_ATTENTION_ROWS, KEYS = BITS_ATTENTION_KEYS };

BITS_TARGET_AVX512 static int all_finite(const void *x, int64_t count) {
    const __m512i magnitude = _mm512_set1_epi16(0x7fff), infinity = _mm512_set1_epi16(0x7f80);
    __mmask32 wild = 0;
    for (int64_t i = 0; i < count; i += 32) {
        const __m512i bits = _mm512_maskz_loadu_epi16(bits_mask32(count - i), (const uint16_t *)x + i);
        wild |= _mm512_cmpge_epu16_mask(_mm512_and_si512(bits, magnitude), infinity);
    }
    return wild == 0;
}

BITS_TARGET_AVX512 static void columns(const void *const rows[], int64_t width, uint32_t *to) {
    for (int64_t h = 0; h < width / 2; h += 16) {
        const __mmask16 mask = bits_mask16(width / 2 - h);
        __m512i x[ROWS];
#pragma unroll
        for (int r = 0; r < ROWS; r++) x[r] = _mm512_maskz_loadu_epi32(mask, (const uint32_t *)rows[r] + h);
        bits_transpose16(x);
        for (int64_t i = 0; i < bits_min(16, width / 2 - h); i++) _mm512_storeu_si512(to + (h + i) * ROWS, x[i]);
    }
}

BITS_TARGET_AVX512 static void pairs(const void *const rows[], int64_t count, int64_t width, uint32_t *to, int64_t stride) {
    for (int64_t i = 0; i < count; i += 2, to += stride) {
        for (int64_t h = 0; h < stride; h += 16) {
            const __mmask16 mask = bits_mask16(width - h), next = i + 1 < count ? mask : 0;
            const __m512i low = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, (const uint16_t *)rows[i] + h));
            const __m512i high = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(next, (const uint16_t *)rows[next ? i + 1 : i] + h));
            _mm512_storeu_si512(to + h, _mm512_or_si512(low, _mm512_slli_epi32(high, 16)));
        }
    }
}

BITS_TARGET_AVX512_BF16 BITS_INLINE void scores_of(const int tokens, const char *from, int64_t stride, const uint32_t *query, int64_t pairs,
                                                   __m512 factor, float *to) {
    __m512 sum[16];
#pragma unroll
    for (int s = 0; s < tokens; s++) sum[s] = _mm512_setzero_ps();
    for (int64_t h = 0; h < pairs; h++) {
        const __m512i column = _mm512_loadu_si512(query + h * ROWS);
#pragma unroll
        for (int s = 0; s < tokens; s++) sum[s] = bits_add_products_bf16(sum[s], column, bits_unit_at(from + s * stride + h * 4));
    }
#pragma unroll
    for (int s = 0; s < tokens; s++) _mm512_storeu_ps(to + s * ROWS, _mm512_mul_ps(sum[s], factor));
}

BITS_TARGET_AVX512_BF16 static void scores(const void *tokens, int64_t stride, int64_t count, const uint32_t *query, int64_t width, float factor,
                                           float *to) {
    const __m512 all = _mm512_set1_ps(factor);
    const char *const from = tokens;
    int64_t j = 0;
    for (; j + 16 <= count; j += 16) scores_of(16, from + j * stride, stride, query, width / 2, all, to + j * ROWS);
    for (; j + 4 <= count; j += 4) scores_of(4, from + j * stride, stride, query, width / 2, all, to + j * ROWS);
    for (; j < count; j++) scores_of(1, from + j * stride, stride, query, width / 2, all, to + j * ROWS);
}

BITS_TARGET_AVX512_BF16 BITS_INLINE void weighted_sum_of(const int elements, const uint32_t *weights, int64_t pairs, const uint32_t *tokens,
                                                         int64_t stride, __m512 factor, float *sums) {
    __m512 sum[16];
#pragma unroll
    for (int s = 0; s < elements; s++) sum[s] = _mm512_mul_ps(_mm512_loadu_ps(sums + s * ROWS), factor);
    for (int64_t u = 0; u < pairs; u++) {
        const __m512i weight = _mm512_loadu_si512(weights + u * ROWS);
#pragma unroll
        for (int s = 0; s < elements; s++) sum[s] = bits_add_products_bf16(sum[s], weight, bits_unit_at(tokens + u * stride + s));
    }
#pragma unroll
    for (int s = 0; s < elements; s++) _mm512_storeu_ps(sums + s * ROWS, sum[s]);
}

BITS_TARGET_AVX512_BF16 static void weighted_sum(const float *weights, int64_t count, const uint32_t *tokens, int64_t stride, int64_t width,
                                                 const float *factors, float *sums) {
    const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m512i interleaved = _mm512_or_si512(lanes, _mm512_slli_epi32(_mm512_add_epi32(lanes, _mm512_set1_epi32(16)), 16));
    _Alignas(64) uint32_t paired[KEYS / 2 * ROWS];
    for (int64_t j = 0; j < count; j += 2) {
        const __m512 next = j + 1 < count ? _mm512_loadu_ps(weights + (j + 1) * ROWS) : _mm512_setzero_ps();
        const __m512i both = (__m512i)_mm512_cvtne2ps_pbh(next, _mm512_loadu_ps(weights + j * ROWS));
        _mm512_storeu_si512(paired + j / 2 * ROWS, _mm512_permutexvar_epi16(interleaved, both));
    }
    const __m512 factor = _mm512_loadu_ps(factors);
    const int64_t units = (count + 1) / 2;
    int64_t h = 0;
    for (; h + 16 <= width; h += 16) weighted_sum_of(16, paired, units, tokens + h, stride, factor, sums + h * ROWS);
    for (; h + 4 <= width; h += 4) weighted_sum_of(4, paired, units, tokens + h, stride, factor, sums + h * ROWS);
    for (; h < width; h++) weighted_sum_of(1, paired, units, tokens + h, stride, factor, sums + h * ROWS);
}

BITS_TARGET_AVX512_BF16 BITS_INLINE void outer_sum_of(const int tokens, const int vectors, const uint16_t *weights, const uint32_t *rows,
                                                      int64_t stride, float *sums) {
    __m512 sum[4][4];
#pragma unroll
    for (int s = 0; s < tokens; s++)
#pragma unroll
        for (int v = 0; v < vectors; v++) sum[s][v] = _mm512_loadu_ps(sums + s * stride + v * 16);
    for (int u = 0; u < ROWS / 2; u++) {
        __m512i x[4];
#pragma unroll
        for (int v = 0; v < vectors; v++) x[v] = _mm512_loadu_si512(rows + u * stride + v * 16);
#pragma unroll
        for (int s = 0; s < tokens; s++) {
            const __m512i weight = bits_unit_at(weights + s * ROWS + 2 * u);
#pragma unroll
            for (int v = 0; v < vectors; v++) sum[s][v] = bits_add_products_bf16(sum[s][v], x[v], weight);
        }
    }
#pragma unroll
    for (int s = 0; s < tokens; s++)
#pragma unroll
        for (int v = 0; v < vectors; v++) _mm512_storeu_ps(sums + s * stride + v * 16, sum[s][v]);
}

BITS_TARGET_AVX512_BF16 static void outer_sum(const float *weights, float factor, int64_t count, const uint32_t *rows, int64_t stride, float *sums) {
    _Alignas(64) uint16_t rounded[KEYS * ROWS];
    const __m512 all = _mm512_set1_ps(factor);
    for (int64_t j = 0; j < count; j++)
        _mm256_storeu_si256((__m256i *)(rounded + j * ROWS), (__m256i)_mm512_cvtneps_pbh(_mm512_mul_ps(_mm512_loadu_ps(weights + j * ROWS), all)));
    int64_t j = 0;
    for (; j + 4 <= count; j += 4) {
        const uint16_t *const weight = rounded + j * ROWS;
        float *const to = sums + j * stride;
        int64_t h = 0;
        for (; h + 64 <= stride; h += 64) outer_sum_of(4, 4, weight, rows + h, stride, to + h);
        for (; h + 32 <= stride; h += 32) outer_sum_of(4, 2, weight, rows + h, stride, to + h);
        if (h < stride) outer_sum_of(4, 1, weight, rows + h, stride, to + h);
    }
    for (; j < count; j++)
        for (int64_t h = 0; h < stride; h += 16) outer_sum_of(1, 1, rounded + j * ROWS, rows + h, stride, sums + j * stride + h);
}

const bits_paired_attention bits_paired_attention_avx512 = {
    .all_finite = all_finite, .columns = columns, .pairs = pairs, .scores = scores, .weighted_sum = weighted_sum, .outer_sum = outer_sum};
#endif
