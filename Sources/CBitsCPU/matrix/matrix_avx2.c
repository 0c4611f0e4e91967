// The parts of a matrix product with AVX2 and FMA.
#include "matrix/matrix_engine.h"
#if BITS_X86

// Eight codes to eight values: the table's halves are looked up apart and chosen by the code's upper bit.
BITS_TARGET_AVX2 BITS_INLINE __m256 looked_up(__m256i codes, __m256 low, __m256 high) {
    return _mm256_blendv_ps(_mm256_permutevar8x32_ps(low, codes), _mm256_permutevar8x32_ps(high, codes),
                            _mm256_castsi256_ps(_mm256_slli_epi32(codes, 28)));
}

BITS_TARGET_AVX2 BITS_INLINE void unpack_codes(const uint8_t *bytes, int64_t count, const float *table, float *to) {
    const __m256 low = _mm256_loadu_ps(table), high = _mm256_loadu_ps(table + 8);
    const __m256i shifts = _mm256_setr_epi32(4, 0, 12, 8, 20, 16, 28, 24);
    int64_t i = 0;
    for (; i + 8 <= count; i += 8) {
        int32_t word;
        __builtin_memcpy(&word, bytes + i / 2, 4);
        _mm256_storeu_ps(to + i, looked_up(_mm256_srlv_epi32(_mm256_set1_epi32(word), shifts), low, high));
    }
    for (; i < count; i += 2) {
        to[i] = table[bytes[i / 2] >> 4];
        to[i + 1] = table[bytes[i / 2] & 15];
    }
}

#define GENERIC(name) name##_avx2
#define GENERIC_TARGET BITS_TARGET_AVX2
#define GENERIC_ROWS 6
#define GENERIC_MADD(a, b, sum) __builtin_elementwise_fma(a, b, sum)
#define GENERIC_UNPACK(bytes, count, table, to) unpack_codes(bytes, count, table, to)
#include "matrix/matrix_generic.h"
#endif
