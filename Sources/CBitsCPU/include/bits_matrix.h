// Matrix products: dense, and with a weight in 4 bits that is never unpacked as a whole.
#ifndef BITS_MATRIX_H
#define BITS_MATRIX_H
#include "bits_base.h"
#include "bits_four_bit.h"

// What the operands are rounded to before they are multiplied; sums are float32 in all.
enum { BITS_PRODUCT_F32 = 0, BITS_PRODUCT_BF16 = 1, BITS_PRODUCT_F16 = 2 };

// A matrix in rows that start `stride` elements apart, used as it lies or transposed.
typedef struct {
    const void *data;
    int64_t stride;
    int32_t dtype;
    int32_t transposed;
} bits_matrix;

// c[M, N] = op(a)[M, K] · op(b)[K, N] (+ bias[N]) (+ c), rounded once to c's type. `a` lies as [M, K], transposed as [K, M]; `b` as [K, N],
// transposed as [N, K]. Rows of c start c_stride elements apart. bias may be NULL.
int32_t bits_cpu_matrix_product(const bits_matrix *a, const bits_matrix *b, const void *bias, int32_t bias_dtype, void *c, int32_t c_dtype,
                                int64_t c_stride, int64_t m, int64_t n, int64_t k, int32_t accumulates, int32_t precision);

enum { BITS_MOST_FOUR_BIT_PRODUCTS = 4 };

// y[M, rows] = x[M, columns] · Wᵀ (+ bias[rows]); all contiguous. bias may be NULL.
typedef struct {
    bits_four_bit_matrix weight;
    const void *bias;
    void *y;
    int32_t bias_dtype, y_dtype;
} bits_four_bit_product;

// One product or several of the same x, at most BITS_MOST_FOUR_BIT_PRODUCTS; a y must not overlap another product's operands.
int32_t bits_cpu_four_bit_linear(const void *x, int32_t x_dtype, const bits_four_bit_product *products, int64_t count, int64_t m,
                                int32_t precision);

// dx[M, columns] = dy[M, rows] · W; all contiguous.
int32_t bits_cpu_four_bit_linear_input_gradient(const void *dy, int32_t dy_dtype, const bits_four_bit_matrix *w, void *dx, int32_t dx_dtype,
                                               int64_t m, int32_t precision);

#endif
