// int8 products without any particular instruction.
#include "matrix_int8.h"

// Sums wrap around, as the processor's instructions do.
typedef struct {
    uint32_t lane[8];
} lanes;

BITS_INLINE void add_pairs(lanes *sum, const int16_t *row, const int16_t *columns) {
    for (int i = 0; i < 8; i++) sum->lane[i] += (uint32_t)(row[0] * columns[2 * i] + row[1] * columns[2 * i + 1]);
}

#define INT8(name) name##_portable
#define INT8_TARGET
#define INT8_ROWS 4
#define INT8_LANES lanes
#define INT8_ADD_PAIRS(sum, row, columns) add_pairs(&(sum), row, columns)
#include "matrix_int8_generic.h"
