// The loops of int8 kernels over one row, once per processor level, on the calling thread. Arithmetic is the same at every level, bit for bit, but for
// sums of floating-point products.
#ifndef BITS_INT8_ROWS_H
#define BITS_INT8_ROWS_H
#include "base/element_types.h"

// What is found in a row besides its largest magnitude.
typedef struct {
    int64_t non_finite;
    int32_t has_nan, has_outliers;
} bits_int8_findings;

typedef struct {
    // The largest magnitude of the elements below `threshold` (0: of all), NaN left out. Outliers are marked in `outliers` unless that is NULL, with 1;
    // several threads may mark at once. Findings are added to.
    float (*absmax)(const void *x, int32_t dtype, int64_t count, float threshold, uint8_t *outliers, bits_int8_findings *found);
    // codes[i] = x[i] * factor to the nearest integer; 0 for NaN and where `outliers` (may be NULL) has a 1.
    void (*quantize)(const void *x, int32_t dtype, int64_t count, float factor, const uint8_t *outliers, int8_t *codes);
    // absmax[i] = the larger of itself and |x[i]|; outliers are left out, and NaN unless it is to be kept.
    void (*column_absmax)(const void *x, int32_t dtype, int64_t count, float threshold, int32_t keeps_nan, float *absmax);
    // codes[i] = x[i] * 127 / scales[i] to the nearest integer; 0 for NaN and outliers.
    void (*quantize_columns)(const void *x, int32_t dtype, int64_t count, float threshold, const float *scales, int8_t *codes);
    // y[i] = codes[i] * scale / 127
    void (*dequantize)(const int8_t *codes, int64_t count, float scale, void *y, int32_t dtype);
    // y[i] = sums[i] * row_scale * column_scales[i] / 127² + bias[i] + added[i]; the last two may be NULL.
    void (*rescale)(const int32_t *sums, int64_t count, float row_scale, const float *column_scales, const void *bias, int32_t bias_dtype,
                    const float *added, void *y, int32_t dtype);
    // sums[i * 32 + j] = sum over o of rows[i * count + o] * panel[o * 16 + j], i < height, j < 16.
    void (*multiply_outliers)(const float *rows, int64_t height, const float *panel, int64_t count, float *sums);
} bits_int8_rows;

extern const bits_int8_rows bits_int8_rows_portable, bits_int8_rows_avx2, bits_int8_rows_avx512;

// The loops of the level in effect.
static inline const bits_int8_rows *bits_int8_rows_now(void) {
    return BITS_OF_LEVEL(&bits_int8_rows_portable, &bits_int8_rows_avx2, &bits_int8_rows_avx512);
}

#endif
