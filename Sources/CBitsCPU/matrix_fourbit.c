// Products with a weight in 4 bits.
#include "matrix_engine.h"
#include <stddef.h>

static int32_t check(const bits_fourbit_matrix *w, int32_t from, int32_t to, int64_t m, int32_t precision) {
    if (!bits_is_float(from) || !bits_is_float(to)) return BITS_BAD_DTYPE;
    if (precision != BITS_PRODUCT_F32 && precision != BITS_PRODUCT_BF16) return BITS_BAD_OPTION;
    if (m < 0 || w->rows < 0 || w->columns < 0 || w->block_size < 2 || w->block_size % 2) return BITS_BAD_SIZE;
    if (!w->absmax && (!w->absmax_codes || w->nested_block_size < 1)) return BITS_BAD_OPTION;
    return BITS_OK;
}

int32_t bits_cpu_fourbit_linear(const void *x, int32_t x_dtype, const bits_fourbit_matrix *w, const void *bias, int32_t bias_dtype, void *y,
                                int32_t y_dtype, int64_t m, int32_t precision) {
    const int32_t status = check(w, x_dtype, y_dtype, m, precision);
    if (status != BITS_OK) return status;
    if (bias && !bits_is_float(bias_dtype)) return BITS_BAD_DTYPE;
    int32_t rounds;
    const matrix_engine *const engine = bits_matrix_engine(precision, &rounds);
    const matrix_operand weight = {.weight = w, .along = 1, .rounds = rounds};
    const matrix_operand input = {.data = x, .stride = w->columns, .dtype = x_dtype, .along = 1, .rounds = rounds};
    const matrix_result to = {
        .data = y, .stride = w->rows, .dtype = y_dtype, .transposed = 1, .bias = bias, .bias_dtype = bias_dtype};
    return bits_matrix_run(engine, &weight, &input, w->rows, m, w->columns, &to);
}

int32_t bits_cpu_fourbit_linear_input_gradient(const void *dy, int32_t dy_dtype, const bits_fourbit_matrix *w, void *dx, int32_t dx_dtype,
                                               int64_t m, int32_t precision) {
    const int32_t status = check(w, dy_dtype, dx_dtype, m, precision);
    if (status != BITS_OK) return status;
    int32_t rounds;
    const matrix_engine *const engine = bits_matrix_engine(precision, &rounds);
    const matrix_operand weight = {.weight = w, .along = 0, .rounds = rounds};
    const matrix_operand gradient = {.data = dy, .stride = w->rows, .dtype = dy_dtype, .along = 1, .rounds = rounds};
    const matrix_result to = {.data = dx, .stride = w->columns, .dtype = dx_dtype};
    return bits_matrix_run(engine, &gradient, &weight, m, w->columns, w->rows, &to);
}
