// Unpacking runs of 4-bit weights with AVX-512: the sixteen values of a block are scaled and rounded once, codes then pick them by permutation.
#include "matrix/matrix_avx512.h"
#if BITS_X86
#include "base/half.h"
#include "matrix/matrix_vectors_avx512.h"

enum { SCALES = 64 };  // computed at a time

BITS_TARGET_AVX512 BITS_INLINE __mmask16 byte_mask(int64_t elements) { return bits_mask16((elements + 1) / 2); }

// `count` elements of one block that begin on a byte.
BITS_TARGET_AVX512_BF16 BITS_INLINE void unpack_bf16(const uint8_t *bytes, int64_t count, __m512 table, uint16_t *to) {
    const __m512i values = (__m512i)_mm512_cvtne2ps_pbh(table, table);
    int64_t i = 0;
    for (; i + 32 <= count; i += 32) _mm512_storeu_si512(to + i, _mm512_permutexvar_epi16(bits_codes32(bytes + i / 2), values));
    if (i == count) return;
    uint8_t last[16];
    _mm_storeu_si128((__m128i *)last, _mm_maskz_loadu_epi8(byte_mask(count - i), bytes + i / 2));
    _mm512_mask_storeu_epi16(to + i, bits_mask32(count - i), _mm512_permutexvar_epi16(bits_codes32(last), values));
}

BITS_TARGET_AVX512 BITS_INLINE void unpack_f32(const uint8_t *bytes, int64_t count, __m512 table, float *to) {
    // Lane i of a vector of eight bytes twice: byte i / 2, upper half where i is even.
    const __m512i shifts = _mm512_setr_epi32(4, 0, 12, 8, 20, 16, 28, 24, 4, 0, 12, 8, 20, 16, 28, 24);
    const __m512i words = _mm512_setr_epi32(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1);
    for (int64_t i = 0; i < count; i += 16) {
        const __m128i eight = i + 16 <= count ? _mm_loadl_epi64((const __m128i *)(bytes + i / 2))
                                              : _mm_maskz_loadu_epi8(byte_mask(count - i), bytes + i / 2);
        const __m512i spread = _mm512_permutexvar_epi32(words, _mm512_castsi128_si512(eight));
        _mm512_mask_storeu_ps(to + i, bits_mask16(count - i), _mm512_permutexvar_ps(_mm512_srlv_epi32(spread, shifts), table));
    }
}

// Whole groups first, where the run begins with one; then block by block. An odd start is one element alone.
#define UNPACK(type, single, unpack_run)                                                                                 \
    const __m512 code = _mm512_loadu_ps(w->code);                                                                        \
    const int64_t end = first + count, size = w->block_size;                                                             \
    type *to = out;                                                                                                      \
    float memory[SCALES];                                                                                                \
    if (first % BITS_GROUP == 0 && size % BITS_GROUP == 0)                                                               \
        while (end - first >= BITS_GROUP) {                                                                              \
            const int64_t groups = bits_min(SCALES, (end - first) / BITS_GROUP);                                         \
            const float *const scales = bits_group_scales(w, first, groups, memory);                                     \
            const uint8_t *const bytes = w->packed + (first >> 1);                                                       \
            for (int64_t g = 0; g < groups; g++) {                                                                       \
                const __m512 table = bits_rounded16(_mm512_mul_ps(code, _mm512_set1_ps(scales[g])), rounds);             \
                unpack_run(bytes + g * (BITS_GROUP / 2), BITS_GROUP, table, to + g * BITS_GROUP);                        \
            }                                                                                                            \
            to += groups * BITS_GROUP;                                                                                   \
            first += groups * BITS_GROUP;                                                                                \
        }                                                                                                                \
    while (first < end) {                                                                                                \
        const int64_t block = bits_quotient(first, size), stop = bits_min((block + 1) * size, end);                                    \
        const __m512 table = bits_rounded16(_mm512_mul_ps(code, _mm512_set1_ps(bits_four_bit_scale(w, block))), rounds); \
        if (first & 1) {                                                                                                 \
            float values[16];                                                                                            \
            _mm512_storeu_ps(values, table);                                                                             \
            *to++ = single(values[w->packed[first++ >> 1] & 15]);                                                        \
        }                                                                                                                \
        unpack_run(w->packed + (first >> 1), stop - first, table, to);                                                   \
        to += stop - first;                                                                                              \
        first = stop;                                                                                                    \
    }

BITS_TARGET_AVX512 void bits_unpack_f32_avx512(const bits_four_bit_matrix *w, int64_t first, int64_t count, int32_t rounds, void *out) {
    UNPACK(float, , unpack_f32)
}

BITS_TARGET_AVX512_BF16 void bits_unpack_bf16_avx512(const bits_four_bit_matrix *w, int64_t first, int64_t count, int32_t rounds, void *out) {
    UNPACK(uint16_t, bits_f32_to_bf16, unpack_bf16)
}
#endif
