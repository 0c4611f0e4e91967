// Quantization to 8 bits in blocks and to 4 bits, and back. The formulas stand at the Swift kernels of the same names.
#ifndef BITS_QUANTIZE_H
#define BITS_QUANTIZE_H
#include "bits_base.h"
#include "bits_four_bit.h"

enum { BITS_NF4 = 0, BITS_FP4 = 1 };

// Blocks are 1 to 16384 elements. `offset`, `order` and `non_finite` may be NULL; `codebook` is 256 floats, ascending.
int32_t bits_cpu_quantize_blockwise(
    const void *input, int32_t dtype, int64_t count, const float *offset, const float *codebook, const uint8_t *order, int64_t block_size,
    uint8_t *codes, float *absmax, int64_t *non_finite);

// `codebook` in the order of the codes; `offset` may be NULL.
int32_t bits_cpu_dequantize_blockwise(
    const uint8_t *codes, int64_t count, const float *codebook, const float *absmax, int64_t block_size, const float *offset, void *output,
    int32_t dtype);

// Blocks are even, 2 to 4096 elements; `non_finite` may be NULL.
int32_t bits_cpu_quantize_four_bit(
    const void *input, int32_t dtype, int64_t count, int32_t format, int64_t block_size, uint8_t *packed, float *absmax, int64_t *non_finite);

// output[rows, columns] = W, each element rounded once.
int32_t bits_cpu_dequantize_four_bit(const bits_four_bit_matrix *w, void *output, int32_t dtype);
// output[count, columns]: rows by index (int32 or int64); one outside 0 ..< rows gives zeros.
int32_t bits_cpu_gather_four_bit(
    const bits_four_bit_matrix *w, const void *indices, int32_t index_dtype, int64_t count, void *output, int32_t dtype);

// The mean taken in double in a fixed order, rounded to float32.
int32_t bits_cpu_mean_in_double(const float *input, int64_t count, float *mean);

#endif
