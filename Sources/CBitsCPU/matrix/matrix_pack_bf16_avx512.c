// Packing to bfloat16 with AVX-512 and its bfloat16 conversions.
#include "matrix/matrix_avx512.h"
#if BITS_X86
#include "matrix/matrix_vectors_avx512.h"

BITS_TARGET_AVX512_BF16 BITS_INLINE __m512i along(const char *from, const int32_t dtype, int32_t rounds, int64_t count) {
    (void)rounds;
    if (dtype == BITS_BF16) return _mm512_maskz_loadu_epi16(bits_mask32(count), from);
    const __m512 low = bits_load16(from, dtype, bits_mask16(count));
    const __m512 high = bits_load16(from + 16 * bits_element_size(dtype), dtype, bits_mask16(count - 16));
    return (__m512i)_mm512_cvtne2ps_pbh(high, low);
}

BITS_TARGET_AVX512_BF16 BITS_INLINE __m512i halves(const char *from, const int32_t dtype, __mmask16 mask) {
    if (dtype == BITS_BF16) return _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, from));
    return _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(bits_load16(from, dtype, mask)));
}

BITS_TARGET_AVX512_BF16 BITS_INLINE __m512i across(const char *from, int64_t line, int64_t count, const int32_t dtype, int32_t rounds, __mmask16 mask) {
    (void)rounds;
    const __m512i next = count > 1 ? halves(from + line, dtype, mask) : _mm512_setzero_si512();
    return _mm512_or_si512(halves(from, dtype, mask), _mm512_slli_epi32(next, 16));
}

// Columns that are bfloat16 already and lie across k: two rows at a time are interleaved, 32 columns at once.
BITS_TARGET_AVX512_BF16 static void interleave(const matrix_operand *from, int64_t first, int64_t count, int64_t k, int64_t depth, int64_t padded,
                                               char *to, int64_t stride) {
    enum { AHEAD = 32 };  // rows: they lie too far apart for the processor to see them coming
    const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m512i left = _mm512_or_si512(lanes, _mm512_slli_epi32(_mm512_add_epi32(lanes, _mm512_set1_epi32(32)), 16));
    const __m512i right = _mm512_add_epi16(left, _mm512_set1_epi16(16));
    const int64_t line = from->stride * 2;
    const char *here = from->data + (k * from->stride + first) * 2;
    for (int64_t t = 0; t < padded; t += 2, to += 64, here += 2 * line) {
        if (t + AHEAD + 1 < depth)
            for (int64_t byte = 0; byte < count * 2; byte += 64) {
                __builtin_prefetch(here + AHEAD * line + byte);
                __builtin_prefetch(here + (AHEAD + 1) * line + byte);
            }
        char *out = to;
        for (int64_t i = 0; i < count; i += 32, out += 2 * stride) {
            const __mmask32 mask = bits_mask32(count - i);
            const __m512i a = t < depth ? _mm512_maskz_loadu_epi16(mask, here + i * 2) : _mm512_setzero_si512();
            const __m512i b = t + 1 < depth ? _mm512_maskz_loadu_epi16(mask, here + line + i * 2) : _mm512_setzero_si512();
            _mm512_storeu_si512(out, _mm512_permutex2var_epi16(a, left, b));
            if (count - i > BITS_PANEL) _mm512_storeu_si512(out + stride, _mm512_permutex2var_epi16(a, right, b));
        }
    }
}

#define PACK_INTERLEAVED BITS_BF16
#define PACK_NAME(name) bits_pack_##name##_bf16_avx512
#define PACK_TARGET BITS_TARGET_AVX512_BF16
#define PACK_UNIT 2
#define PACK_TYPES(function) PACK_FLOATS(function)
#include "matrix/matrix_pack_avx512.h"
#endif
