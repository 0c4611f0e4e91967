// Codes of 4-bit weights to values, in the order that costs least: a vector of weights holds its elements permuted, and so must what it is
// multiplied with (bits_order_*_avx512). Rows and blocks are multiples of 64 elements.
#ifndef BITS_MATRIX_CODES_AVX512_H
#define BITS_MATRIX_CODES_AVX512_H
#include "matrix/matrix_vectors_avx512.h"
#if BITS_X86
#include <string.h>

// A step fills four vectors. With float32 that is one group of 64 elements, 32 bytes; eight bytes are read into every second lane pair, so that
// lane 2 e of sixteen holds element e and lane 2 e + 1 element 8 + e.
enum { STEP_f32 = 1, STEP_f16 = 1, STEP_bf16 = 2, STEP_BYTES = 256 };  // groups; bytes of values

BITS_TARGET_AVX512 BITS_INLINE __m512i table_f32(__m512 code, const float *scales, int64_t left) {
    (void)left;
    return _mm512_castps_si512(_mm512_mul_ps(code, _mm512_set1_ps(scales[0])));
}

BITS_TARGET_AVX512 BITS_INLINE __m512i picked_f32(const uint8_t *bytes, int64_t left, const int j, __m512i table) {
    (void)left;
    const __m512i shifts = _mm512_setr_epi32(4, 4, 0, 0, 12, 12, 8, 8, 20, 20, 16, 16, 28, 28, 24, 24);
    int64_t eight;
    memcpy(&eight, bytes + j * 8, 8);
    return _mm512_permutexvar_epi32(_mm512_srlv_epi32(_mm512_set1_epi64(eight), shifts), table);
}

// With float16 it is the same, of values that are rounded to it.
BITS_TARGET_AVX512 BITS_INLINE __m512i table_f16(__m512 code, const float *scales, int64_t left) {
    return _mm512_castps_si512(bits_rounded16(_mm512_castsi512_ps(table_f32(code, scales, left)), BITS_F16));
}

BITS_TARGET_AVX512 BITS_INLINE __m512i picked_f16(const uint8_t *bytes, int64_t left, const int j, __m512i table) {
    return picked_f32(bytes, left, j, table);
}

// With bfloat16 a step is two groups, 64 bytes, each with its half of the table. Word i holds elements 4 i + 1, 4 i, 4 i + 3, 4 i + 2 from its
// lowest four bits up, and each of the four places makes a vector. The last step may be one group alone.
BITS_TARGET_AVX512_BF16 BITS_INLINE __m512i table_bf16(__m512 code, const float *scales, int64_t left) {
    const __m512 low = _mm512_mul_ps(code, _mm512_set1_ps(scales[0]));
    return (__m512i)_mm512_cvtne2ps_pbh(left > 1 ? _mm512_mul_ps(code, _mm512_set1_ps(scales[1])) : low, low);
}

BITS_TARGET_AVX512_BF16 BITS_INLINE __m512i picked_bf16(const uint8_t *bytes, int64_t left, const int j, __m512i table) {
    const __m512i fifteen = _mm512_set1_epi8(15), upper = _mm512_inserti64x4(_mm512_setzero_si512(), _mm256_set1_epi8(16), 1);
    const __m512i all = left > 1 ? _mm512_loadu_si512(bytes) : _mm512_castsi256_si512(_mm256_loadu_si256((const __m256i *)bytes));
    const __m512i half = j % 2 ? _mm512_srli_epi16(all, 4) : all;
    // Each byte an index, (a & b) | c: two places have it in common, which leaves the vector units half the work of making one a place.
    const __m512i codes = _mm512_ternarylogic_epi32(half, fifteen, upper, 0xea);
    return _mm512_permutexvar_epi16(j / 2 ? _mm512_srli_epi16(codes, 8) : codes, table);
}

#endif
#endif
