// The nearest entry of a sorted codebook of 256 values: exact for every float, by the rule of the reference.
//
// With m[j] = fl(0.5 * fl(c[j] + c[j + 1])) the index is the number of m[j] below y, and on a tie (y == m[j]) the even of its two neighbours; NaN gives 0.
// That is the number of thresholds t[j] <= y, where t[j] is m[j] if the tie at m[j] goes up (odd j) and the next float above it otherwise. The
// thresholds are searched in one of two ways, which agree on every float:
// - one value: a table over its leading 16 bits holds the count at the start of that bucket, and comparisons finish it (one for all usual codebooks);
// - sixteen values with AVX-512: eight rounds of binary search in tables that lie in registers.
#ifndef BITS_NEAREST_CODE_H
#define BITS_NEAREST_CODE_H
#include "base/half.h"

struct bits_code_table {
    // Tables of the rounds 1 to 7 of the binary search: 16 entries each for rounds 1 to 4, then 32, 64, 128. Entry i of round s is the threshold to
    // compare with after rounds 0 ... s - 1 gave the bits of i, the first the lowest.
    _Alignas(64) float rounds[4 * 16 + 32 + 64 + 128];
    _Alignas(64) float thresholds[256];  // the last is NaN, which nothing reaches
    float codebook[256];
    int32_t steps;  // the most thresholds in one bucket
    int32_t is_shared;
    uint8_t bucket[65536];
};

// The table of `codebook` (256 floats, ascending). Tables are kept for the codebooks seen first; release what you acquired in any case.
// NULL when the codebook is not ascending or has an entry beyond 2^126 (two of which could not be added), or when there is no memory.
const struct bits_code_table *bits_code_table_acquire(const float *codebook);
void bits_code_table_release(const struct bits_code_table *table);

static inline __attribute__((always_inline)) uint32_t bits_nearest_code(const struct bits_code_table *table, float y) {
    y = y > -__builtin_inff() ? y : -__builtin_inff();  // NaN too
    uint32_t code = table->bucket[bits_of_float(y) >> 16];
    if (table->steps == 1) return code + (y >= table->thresholds[code]);
    while (y >= table->thresholds[code]) code++;
    return code;
}

#if BITS_X86
// The tables of the search; load them once outside the loop, the compiler keeps them in registers.
struct bits_code_rounds {
    __m512 first, round[4], round5[2], round6[4], round7[8];
};

BITS_TARGET_AVX512 static inline __attribute__((always_inline)) struct bits_code_rounds bits_code_rounds(const struct bits_code_table *table) {
    struct bits_code_rounds r;
    const float *tables = table->rounds;
    r.first = _mm512_set1_ps(table->thresholds[127]);
    for (int i = 0; i < 4; i++) r.round[i] = _mm512_load_ps(tables + 16 * i);
    for (int i = 0; i < 2; i++) r.round5[i] = _mm512_load_ps(tables + 64 + 16 * i);
    for (int i = 0; i < 4; i++) r.round6[i] = _mm512_load_ps(tables + 96 + 16 * i);
    for (int i = 0; i < 8; i++) r.round7[i] = _mm512_load_ps(tables + 160 + 16 * i);
    return r;
}

// The codes of sixteen values, one per 32-bit lane, with their eight bits in reverse order; NaN gives 0.
BITS_TARGET_AVX512 static inline __attribute__((always_inline)) __m512i bits_nearest_code_reversed_x16(const struct bits_code_rounds *r, __m512 y) {
    __m512i i = _mm512_maskz_set1_epi32(_mm512_cmp_ps_mask(y, r->first, _CMP_GE_OQ), 1);
    for (int s = 0; s < 4; s++) {
        const __mmask16 above = _mm512_cmp_ps_mask(y, _mm512_permutexvar_ps(i, r->round[s]), _CMP_GE_OQ);
        i = _mm512_mask_or_epi32(i, above, i, _mm512_set1_epi32(2 << s));
    }
    const __mmask16 bit5 = _mm512_cmp_ps_mask(y, _mm512_permutex2var_ps(r->round5[0], i, r->round5[1]), _CMP_GE_OQ);
    const __m512 a6 = _mm512_permutex2var_ps(r->round6[0], i, r->round6[1]), b6 = _mm512_permutex2var_ps(r->round6[2], i, r->round6[3]);
    const __mmask16 bit6 = _mm512_cmp_ps_mask(y, _mm512_mask_blend_ps(bit5, a6, b6), _CMP_GE_OQ);
    const __m512 a7 = _mm512_permutex2var_ps(r->round7[0], i, r->round7[1]), b7 = _mm512_permutex2var_ps(r->round7[2], i, r->round7[3]);
    const __m512 c7 = _mm512_permutex2var_ps(r->round7[4], i, r->round7[5]), d7 = _mm512_permutex2var_ps(r->round7[6], i, r->round7[7]);
    const __m512 ab = _mm512_mask_blend_ps(bit5, a7, b7), cd = _mm512_mask_blend_ps(bit5, c7, d7);
    const __mmask16 bit7 = _mm512_cmp_ps_mask(y, _mm512_mask_blend_ps(bit6, ab, cd), _CMP_GE_OQ);
    i = _mm512_mask_or_epi32(i, bit5, i, _mm512_set1_epi32(32));
    i = _mm512_mask_or_epi32(i, bit6, i, _mm512_set1_epi32(64));
    return _mm512_mask_or_epi32(i, bit7, i, _mm512_set1_epi32(128));
}

// The codes of sixteen values as bytes.
BITS_TARGET_AVX512 static inline __attribute__((always_inline)) __m128i bits_nearest_code_x16(const struct bits_code_rounds *r, __m512 y) {
    const __m128i i = _mm512_cvtepi32_epi8(bits_nearest_code_reversed_x16(r, y));
    const __m128i low = _mm_set1_epi8(15);
    const __m128i reversed = _mm_setr_epi8(0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15);
    const __m128i upper = _mm_shuffle_epi8(reversed, _mm_and_si128(i, low));
    const __m128i lower = _mm_shuffle_epi8(reversed, _mm_and_si128(_mm_srli_epi16(i, 4), low));
    return _mm_or_si128(_mm_slli_epi16(upper, 4), lower);
}

// The codes of 64 values as bytes, in order.
BITS_TARGET_AVX512 static inline __attribute__((always_inline)) __m512i bits_nearest_code_x64(
    const struct bits_code_rounds *r, __m512 y0, __m512 y1, __m512 y2, __m512 y3) {
    const __m512i a = _mm512_packus_epi32(bits_nearest_code_reversed_x16(r, y0), bits_nearest_code_reversed_x16(r, y1));
    const __m512i b = _mm512_packus_epi32(bits_nearest_code_reversed_x16(r, y2), bits_nearest_code_reversed_x16(r, y3));
    const __m512i i = _mm512_packus_epi16(a, b);
    const __m512i low = _mm512_set1_epi8(15);
    const __m512i reversed = _mm512_broadcast_i32x4(_mm_setr_epi8(0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15));
    const __m512i upper = _mm512_shuffle_epi8(reversed, _mm512_and_si512(i, low));
    const __m512i lower = _mm512_shuffle_epi8(reversed, _mm512_and_si512(_mm512_srli_epi16(i, 4), low));
    // The packs left the groups of four bytes in the order 0 4 8 12 1 5 9 13 ...
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    return _mm512_permutexvar_epi32(order, _mm512_or_si512(_mm512_slli_epi16(upper, 4), lower));
}
#endif

#endif
