// Dense matrix products: which operand takes which side.
#include "matrix/matrix_engine.h"
#include <stddef.h>

// The cost of packing `count` × `k` elements, in products of one vector: a transposing pack is dearer than a copy.
static double packing(const matrix_operand *from, int64_t count, int64_t k, int transposes) {
    (void)from;
    return (double)count * (double)k * (transposes ? 0.7 : 0.3);
}

static double cost(const matrix_engine *e, const matrix_operand *p, const matrix_operand *q, int64_t rows, int64_t columns, int64_t k,
                   int transposed) {
    const double lanes = (double)bits_round_up(columns, BITS_PANEL) / BITS_PANEL;
    const double height = (double)(e->whole_rows ? bits_round_up(rows, BITS_PANEL) : rows);
    return height * lanes * (double)k + packing(p, rows, k, !p->along) + packing(q, columns, k, q->along)
           + (transposed ? 0.6 : 0.1) * (double)rows * (double)columns;
}

int32_t bits_cpu_matrix_product(const bits_matrix *a, const bits_matrix *b, const void *bias, int32_t bias_dtype, void *c, int32_t c_dtype,
                                int64_t c_stride, int64_t m, int64_t n, int64_t k, int32_t accumulates, int32_t precision) {
    if (!bits_is_float(a->dtype) || !bits_is_float(b->dtype) || !bits_is_float(c_dtype)) return BITS_BAD_DTYPE;
    if (bias && !bits_is_float(bias_dtype)) return BITS_BAD_DTYPE;
    if (!bits_is_precision(precision)) return BITS_BAD_OPTION;
    if (m < 0 || n < 0 || k < 0 || (m > 1 && c_stride < n)) return BITS_BAD_SIZE;
    if (!bits_rows_fit(a, a->transposed ? k : m, a->transposed ? m : k) || !bits_rows_fit(b, b->transposed ? n : k, b->transposed ? k : n))
        return BITS_BAD_SIZE;
    if (m == 0 || n == 0) return BITS_OK;

    int32_t rounds;
    const matrix_engine *const engine = bits_matrix_engine(precision, &rounds);
    const matrix_operand left = {.data = a->data, .stride = a->stride, .dtype = a->dtype, .along = !a->transposed,
                                 .rounds = bits_rounds(rounds, a->dtype)};
    const matrix_operand right = {.data = b->data, .stride = b->stride, .dtype = b->dtype, .along = b->transposed,
                                  .rounds = bits_rounds(rounds, b->dtype)};
    matrix_result to = {.data = c, .stride = c_stride, .dtype = c_dtype, .accumulates = accumulates, .bias = bias, .bias_dtype = bias_dtype};
    if (left.along && right.along && bits_matrix_are_few(engine, m <= n ? &right : &left, bits_min(m, n))) {
        to.transposed = m > n;
        const matrix_rows rows = {.from = m <= n ? right : left, .count = bits_max(m, n), .to = to};
        return bits_matrix_run_few(engine, &rows, 1, m <= n ? &left : &right, bits_min(m, n), k);
    }
    if (cost(engine, &left, &right, m, n, k, 0) <= cost(engine, &right, &left, n, m, k, 1))
        return bits_matrix_run(engine, &left, &right, m, n, k, &to);
    to.transposed = 1;
    return bits_matrix_run(engine, &right, &left, n, m, k, &to);
}
