// Sixteen elements of any floating-point type from and to float32, and transposing 16 × 16, with AVX-512.
#ifndef BITS_MATRIX_VECTORS_AVX512_H
#define BITS_MATRIX_VECTORS_AVX512_H
#include "matrix/matrix_engine.h"
#if BITS_X86
#include <string.h>

BITS_TARGET_AVX512 BITS_INLINE __mmask16 bits_mask16(int64_t count) {
    return count >= 16 ? 0xffff : count <= 0 ? 0 : (__mmask16)((1u << count) - 1);
}

BITS_TARGET_AVX512 BITS_INLINE __mmask32 bits_mask32(int64_t count) {
    return count >= 32 ? 0xffffffff : count <= 0 ? 0 : (__mmask32)((1u << count) - 1);
}

// The bits of the nearest bfloat16 in the low half of each lane; ties to even, NaN stays a quiet NaN.
BITS_TARGET_AVX512 BITS_INLINE __m512i bits_bf16_of(__m512 value) {
    const __m512i bits = _mm512_castps_si512(value);
    const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    const __m512i rounded = _mm512_srli_epi32(_mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff)), odd), 16);
    const __m512i quiet = _mm512_or_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(0x40));
    return _mm512_mask_mov_epi32(rounded, _mm512_cmp_ps_mask(value, value, _CMP_UNORD_Q), quiet);
}

BITS_TARGET_AVX512 BITS_INLINE __m512 bits_widened_bf16(__m256i halves) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
}

// Elements of `dtype` in the lanes of `mask`, zero elsewhere.
BITS_TARGET_AVX512 BITS_INLINE __m512 bits_load16(const char *from, const int32_t dtype, __mmask16 mask) {
    if (dtype == BITS_F32) return _mm512_maskz_loadu_ps(mask, from);
    const __m256i halves = _mm256_maskz_loadu_epi16(mask, from);
    return dtype == BITS_BF16 ? bits_widened_bf16(halves) : _mm512_cvtph_ps(halves);
}

BITS_TARGET_AVX512 BITS_INLINE __m512 bits_rounded_bf16(__m512 value) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(bits_bf16_of(value), 16));
}

// The numbers as `dtype` has them.
BITS_TARGET_AVX512 BITS_INLINE __m512 bits_rounded16(__m512 value, int32_t dtype) {
    if (dtype == BITS_BF16) return bits_rounded_bf16(value);
    return dtype == BITS_F16 ? _mm512_cvtph_ps(_mm512_cvtps_ph(value, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)) : value;
}

BITS_TARGET_AVX512 BITS_INLINE void bits_store16(char *to, const int32_t dtype, __mmask16 mask, __m512 value) {
    if (dtype == BITS_F32) _mm512_mask_storeu_ps(to, mask, value);
    if (dtype == BITS_BF16) _mm256_mask_storeu_epi16(to, mask, _mm512_cvtepi32_epi16(bits_bf16_of(value)));
    if (dtype == BITS_F16) _mm256_mask_storeu_epi16(to, mask, _mm512_cvtps_ph(value, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}

// sum + the products of float32 elements (those of float16 are kept as such), or of pairs of bfloat16.
BITS_TARGET_AVX512 BITS_INLINE __m512 bits_add_products_f32(__m512 sum, __m512i a, __m512i b) {
    return _mm512_fmadd_ps(_mm512_castsi512_ps(a), _mm512_castsi512_ps(b), sum);
}
BITS_TARGET_AVX512 BITS_INLINE __m512 bits_add_products_f16(__m512 sum, __m512i a, __m512i b) { return bits_add_products_f32(sum, a, b); }
BITS_TARGET_AVX512_BF16 BITS_INLINE __m512 bits_add_products_bf16(__m512 sum, __m512i a, __m512i b) {
    return _mm512_dpbf16_ps(sum, (__m512bh)a, (__m512bh)b);
}

// One unit of k, a float32 or a pair of bfloat16, in every lane.
BITS_TARGET_AVX512 BITS_INLINE __m512i bits_unit_at(const void *from) {
    int32_t unit;
    memcpy(&unit, from, sizeof unit);
    return _mm512_set1_epi32(unit);
}

enum { BITS_GROUP = 64 };  // elements of a 4-bit weight with one scale, where kernels count on it

// x[i] lane j becomes x[j] lane i.
BITS_TARGET_AVX512 BITS_INLINE void bits_transpose16(__m512i x[16]) {
    __m512i y[16];
#pragma unroll
    for (int i = 0; i < 16; i += 2) {
        y[i] = _mm512_unpacklo_epi32(x[i], x[i + 1]);
        y[i + 1] = _mm512_unpackhi_epi32(x[i], x[i + 1]);
    }
#pragma unroll
    for (int i = 0; i < 16; i += 4) {
        x[i] = _mm512_unpacklo_epi64(y[i], y[i + 2]);
        x[i + 1] = _mm512_unpackhi_epi64(y[i], y[i + 2]);
        x[i + 2] = _mm512_unpacklo_epi64(y[i + 1], y[i + 3]);
        x[i + 3] = _mm512_unpackhi_epi64(y[i + 1], y[i + 3]);
    }
#pragma unroll
    for (int i = 0; i < 4; i++) {
        y[i] = _mm512_shuffle_i32x4(x[i], x[i + 4], 0x88);
        y[i + 4] = _mm512_shuffle_i32x4(x[i], x[i + 4], 0xdd);
        y[i + 8] = _mm512_shuffle_i32x4(x[i + 8], x[i + 12], 0x88);
        y[i + 12] = _mm512_shuffle_i32x4(x[i + 8], x[i + 12], 0xdd);
    }
#pragma unroll
    for (int i = 0; i < 4; i++) {
        x[i] = _mm512_shuffle_i32x4(y[i], y[i + 8], 0x88);
        x[i + 4] = _mm512_shuffle_i32x4(y[i + 4], y[i + 12], 0x88);
        x[i + 8] = _mm512_shuffle_i32x4(y[i], y[i + 8], 0xdd);
        x[i + 12] = _mm512_shuffle_i32x4(y[i + 4], y[i + 12], 0xdd);
    }
}

// 32 codes from 16 bytes as 16-bit indices into a table that is there twice: the index's fifth bit is the neighbour's lowest.
BITS_TARGET_AVX512 BITS_INLINE __m512i bits_codes32(const uint8_t *bytes) {
    const __m512i twice = _mm512_set_epi64(0x0f0f0f0f0e0e0e0e, 0x0d0d0d0d0c0c0c0c, 0x0b0b0b0b0a0a0a0a, 0x0909090908080808, 0x0707070706060606,
                                           0x0505050504040404, 0x0303030302020202, 0x0101010100000000);
    __m512i four_times;
    __asm__("vbroadcasti32x4 %1, %0" : "=v"(four_times) : "m"(*(const __m128i_u *)bytes));  // else made of a load and a shuffle
    return _mm512_srlv_epi16(_mm512_shuffle_epi8(four_times, twice), _mm512_set1_epi32(4));
}

// The scale of each group of 64 elements from start on, where blocks are no smaller: where they lie, or in `to`.
BITS_TARGET_AVX512 BITS_INLINE const float *bits_group_scales(const bits_four_bit_matrix *w, int64_t start, int64_t count, float *to) {
    if (w->block_size == BITS_GROUP) return bits_four_bit_scales(w, start / BITS_GROUP, count, to);
    for (int64_t i = 0; i < count; i++) to[i] = bits_four_bit_scale(w, bits_quotient(start + i * BITS_GROUP, w->block_size));
    return to;
}

#endif
#endif
