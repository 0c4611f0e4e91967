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

#define PACK_NAME(name) bits_pack_##name##_bf16_avx512
#define PACK_TARGET BITS_TARGET_AVX512_BF16
#define PACK_UNIT 2
#define PACK_TYPES(function) PACK_FLOATS(function)
#include "matrix/matrix_pack_avx512.h"
#endif
