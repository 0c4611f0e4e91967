// LLM.int8(): quantization by rows and columns, exact products, linear layers. The formulas stand at the Swift kernels of the same names.
#ifndef BITS_INT8_H
#define BITS_INT8_H
#include "bits_base.h"

// A matrix in int8 with one scale per row: W[r, k] = codes[r * columns + k] * scales[r] / 127.
typedef struct {
    const int8_t *codes;
    const float *scales;
    int64_t rows, columns;
} bits_int8_matrix;

// `threshold` 0: no outliers. `outliers` [columns] and `non_finite` may be NULL.
int32_t bits_cpu_quantize_int8_rows(const void *input, int32_t dtype, int64_t rows, int64_t columns, float threshold, int8_t *codes, float *scales,
                                    uint8_t *outliers, int64_t *non_finite);
int32_t bits_cpu_quantize_int8_columns(const void *input, int32_t dtype, int64_t rows, int64_t columns, float threshold, int8_t *codes,
                                       float *scales);

int32_t bits_cpu_dequantize_int8(const bits_int8_matrix *matrix, void *output, int32_t dtype);
// Rows by index (int32 or int64); one out of range gives zeros.
int32_t bits_cpu_gather_int8(const bits_int8_matrix *matrix, const void *indices, int32_t index_dtype, int64_t count, void *output, int32_t dtype);
// `bias` may be NULL.
int32_t bits_cpu_dequantize_int8_product(const int32_t *products, const float *row_scales, const float *column_scales, const void *bias,
                                         int32_t bias_dtype, void *output, int32_t dtype, int64_t rows, int64_t columns);

// c[M, N] = a[M, K] · b[N, K]ᵀ, exact in int32 (sums beyond it wrap around).
int32_t bits_cpu_int8_product(const int8_t *a, const int8_t *b, int32_t *c, int64_t m, int64_t n, int64_t k);

// y[M, rows] = a · wᵀ (+ bias) of what the codes stand for. With `outliers` [columns], those columns of `x`, which `a` was quantized from, are
// multiplied with the dequantized weight instead.
int32_t bits_cpu_int8_scaled_product(const bits_int8_matrix *a, const bits_int8_matrix *w, const void *bias, int32_t bias_dtype, const void *x,
                                     int32_t x_dtype, const uint8_t *outliers, void *y, int32_t y_dtype);
// y[M, rows] = x[M, columns] · wᵀ (+ bias), x quantized on the way.
int32_t bits_cpu_int8_linear(const void *x, int32_t x_dtype, const bits_int8_matrix *w, const void *bias, int32_t bias_dtype, float threshold,
                             void *y, int32_t y_dtype, int64_t m);
// dx[M, columns] = dy[M, rows] · W, the weight rounded to dx's type; precision as for matrix products.
int32_t bits_cpu_int8_linear_input_gradient(const void *dy, int32_t dy_dtype, const bits_int8_matrix *w, void *dx, int32_t dx_dtype, int64_t m,
                                            int32_t precision);
// dw[N, K] = dy[M, N]ᵀ · x[M, K], both quantized by columns; columns of x with outliers as they are.
int32_t bits_cpu_int8_linear_weight_gradient(const void *dy, int32_t dy_dtype, const void *x, int32_t x_dtype, float threshold, void *dw,
                                             int32_t dw_dtype, int64_t m, int64_t n, int64_t k);

#endif
