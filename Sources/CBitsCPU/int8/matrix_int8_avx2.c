// int8 products with AVX2. The instruction that multiplies bytes saturates; pairs of 16 bits are exact.
#include "int8/matrix_int8.h"
#if BITS_X86
#include <string.h>

BITS_TARGET_AVX2 BITS_INLINE __m256i sum_of_pairs(__m256i sum, const int16_t *row, const int16_t *columns) {
    int32_t pair;
    memcpy(&pair, row, sizeof pair);
    return _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_set1_epi32(pair), _mm256_loadu_si256((const __m256i *)columns)));
}

#define INT8(name) name##_avx2
#define INT8_TARGET BITS_TARGET_AVX2
#define INT8_ROWS 4
#define INT8_LANES __m256i
#define INT8_ADD_PAIRS(sum, row, columns) sum = sum_of_pairs(sum, row, columns)
#include "int8/matrix_int8_generic.h"
#endif
