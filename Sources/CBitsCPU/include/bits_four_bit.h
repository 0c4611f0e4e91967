// A matrix in 4 bits, as everything that reads one takes it.
#ifndef BITS_FOUR_BIT_H
#define BITS_FOUR_BIT_H
#include <stdint.h>

// W[n, k] = code[c] * scale[e / block_size], e = n * columns + k, c the e-th nibble of `packed` (even elements in the high nibble).
// scale is `absmax`, or, where that is NULL, nested_code[absmax_codes[b]] * nested_absmax[b / nested_block_size] + *nested_offset, each
// operation rounded to float32.
typedef struct {
    const uint8_t *packed;
    int64_t rows, columns, block_size;
    const float *code;
    const float *absmax;
    const uint8_t *absmax_codes;
    const float *nested_code, *nested_absmax, *nested_offset;
    int64_t nested_block_size;
} bits_four_bit_matrix;

#endif
