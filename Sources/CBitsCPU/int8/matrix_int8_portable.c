// int8 products for any processor; every x86-64 has an instruction that multiplies and adds pairs of 16 bits.
#include "int8/matrix_int8.h"

#if BITS_X86
#include <string.h>

typedef struct {
    __m128i half[2];
} lanes;

BITS_INLINE void add_pairs(lanes *sum, const int16_t *row, const int16_t *columns) {
    int32_t pair;
    memcpy(&pair, row, sizeof pair);
    for (int i = 0; i < 2; i++) {
        const __m128i products = _mm_madd_epi16(_mm_set1_epi32(pair), _mm_loadu_si128((const __m128i *)columns + i));
        sum->half[i] = _mm_add_epi32(sum->half[i], products);
    }
}
#else
// Sums wrap around, as the processor's instructions do.
typedef struct {
    uint32_t lane[8];
} lanes;

BITS_INLINE void add_pairs(lanes *sum, const int16_t *row, const int16_t *columns) {
    for (int i = 0; i < 8; i++) sum->lane[i] += (uint32_t)(row[0] * columns[2 * i] + row[1] * columns[2 * i + 1]);
}
#endif

#define INT8(name) name##_portable
#define INT8_TARGET
#define INT8_ROWS 4
#define INT8_LANES lanes
#define INT8_ADD_PAIRS(sum, row, columns) add_pairs(&(sum), row, columns)
#include "int8/matrix_int8_generic.h"
