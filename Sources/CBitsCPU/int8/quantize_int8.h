// Quantization to int8 inside other kernels: as the functions of the same names, but a row or column that holds NaN can have scale NaN.
#ifndef BITS_QUANTIZE_INT8_H
#define BITS_QUANTIZE_INT8_H
#include <stdint.h>

void bits_int8_quantize_rows(const void *input, int32_t dtype, int64_t rows, int64_t columns, float threshold, int32_t keeps_nan, int8_t *codes,
                             float *scales, uint8_t *outliers, int64_t *non_finite);
void bits_int8_quantize_columns(const void *input, int32_t dtype, int64_t rows, int64_t columns, float threshold, int32_t keeps_nan,
                                int8_t *codes, float *scales);

#endif
