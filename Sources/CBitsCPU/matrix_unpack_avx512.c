// Unpacking runs of 4-bit weights with AVX-512: the sixteen values of a block are scaled and rounded once, codes then pick them by permutation.
#include "matrix_avx512.h"
#if BITS_X86
#include "half.h"
#include "matrix_vectors_avx512.h"

// 32 codes from 16 bytes as 16-bit indices below 32 (the table is there twice).
BITS_TARGET_AVX512 BITS_INLINE __m512i indices32(__m128i bytes) {
    const __m512i x = _mm512_cvtepu8_epi32(bytes);
    return _mm512_or_si512(_mm512_srli_epi32(x, 4), _mm512_slli_epi32(x, 16));
}

BITS_TARGET_AVX512 BITS_INLINE __mmask16 byte_mask(int64_t elements) { return bits_mask16((elements + 1) / 2); }

BITS_TARGET_AVX512_BF16 static inline void unpack_block_bf16(const uint8_t *bytes, int64_t count, __m512 table, uint16_t *to) {
    const __m256i half = (__m256i)_mm512_cvtneps_pbh(table);
    const __m512i values = _mm512_inserti64x4(_mm512_castsi256_si512(half), half, 1);
    int64_t i = 0;
    for (; i + 32 <= count; i += 32)
        _mm512_storeu_si512(to + i, _mm512_permutexvar_epi16(indices32(_mm_loadu_si128((const __m128i *)(bytes + i / 2))), values));
    if (i < count)
        _mm512_mask_storeu_epi16(to + i, bits_mask32(count - i),
                                 _mm512_permutexvar_epi16(indices32(_mm_maskz_loadu_epi8(byte_mask(count - i), bytes + i / 2)), values));
}

BITS_TARGET_AVX512 static inline void unpack_block_f32(const uint8_t *bytes, int64_t count, __m512 table, float *to) {
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

// Walks the blocks of a run: an odd start is one element alone, everything after it begins on a byte.
#define UNPACK(type, single, unpack_block)                                                                          \
    const __m512 code = _mm512_loadu_ps(w->code);                                                                   \
    const int64_t end = first + count;                                                                              \
    type *to = out;                                                                                                 \
    int64_t block = first / w->block_size, stop = (block + 1) * w->block_size;                                      \
    for (; first < end; block++, stop += w->block_size) {                                                           \
        const int64_t here = bits_min(stop, end);                                                                   \
        __m512 table = _mm512_mul_ps(code, _mm512_set1_ps(bits_fourbit_scale(w, block)));                           \
        if (rounds) table = bits_rounded_bf16(table);                                                               \
        if (first & 1) {                                                                                            \
            float values[16];                                                                                       \
            _mm512_storeu_ps(values, table);                                                                        \
            *to++ = single(values[w->packed[first++ >> 1] & 15]);                                                   \
        }                                                                                                           \
        unpack_block(w->packed + (first >> 1), here - first, table, to);                                            \
        to += here - first;                                                                                         \
        first = here;                                                                                               \
    }

BITS_TARGET_AVX512 void bits_unpack_f32_avx512(const bits_fourbit_matrix *w, int64_t first, int64_t count, int32_t rounds, void *out) {
    UNPACK(float, , unpack_block_f32)
}

BITS_TARGET_AVX512_BF16 void bits_unpack_bf16_avx512(const bits_fourbit_matrix *w, int64_t first, int64_t count, int32_t rounds, void *out) {
    UNPACK(uint16_t, bits_f32_to_bf16, unpack_block_bf16)
}
#endif
