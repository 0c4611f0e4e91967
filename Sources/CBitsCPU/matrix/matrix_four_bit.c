// Products with a weight in 4 bits.
#include "matrix/matrix_engine.h"
#include "base/scratch.h"
#include <stddef.h>

// From so many rows of input on, transposing the weight's panels costs less than transposing the result.
enum { WIDE = 112 };

static int32_t check(const bits_four_bit_matrix *w, int32_t from, int32_t to, int64_t m, int32_t precision) {
    if (!bits_is_float(from) || !bits_is_float(to)) return BITS_BAD_DTYPE;
    if (!bits_is_precision(precision)) return BITS_BAD_OPTION;
    if (m < 0 || w->rows < 0 || w->columns < 0 || w->block_size < 2 || w->block_size % 2) return BITS_BAD_SIZE;
    if (!w->absmax && (!w->absmax_codes || w->nested_block_size < 1)) return BITS_BAD_OPTION;
    return BITS_OK;
}

// Takes the weight in the engine's own order where there is one, and puts the input into the same.
static int32_t run_ordered(const matrix_engine *engine, const matrix_operand *weight, const matrix_operand *input, int64_t m,
                           const matrix_result *to) {
    const bits_four_bit_matrix *const w = weight->weight;
    if (!bits_matrix_has_order(engine, weight)) return bits_matrix_run(engine, weight, input, w->rows, m, w->columns, to);
    const int64_t size = bits_element_size(engine->packed), depth = bits_round_up(w->columns, 256 / size), stride = depth * size;
    char *const memory = bits_scratch(BITS_SCRATCH_OPERAND, (size_t)(stride * (m + 1)));
    if (!memory) return BITS_NO_MEMORY;
    char *const packed = memory + stride * m;
    for (int64_t i = 0; i < m; i++) {
        engine->pack_rows(input, i, 1, 0, w->columns, depth, packed, stride);
        engine->order(packed, w->columns, memory + i * stride);
    }
    matrix_operand ordered_weight = *weight;
    ordered_weight.ordered = 1;
    const matrix_operand ordered_input = {.data = memory, .stride = depth, .dtype = engine->packed, .along = 1};
    return bits_matrix_run(engine, &ordered_weight, &ordered_input, w->rows, m, depth, to);
}

// One product as the engine takes it.
static matrix_rows rows_of(const bits_four_bit_product *product, int32_t rounds) {
    return (matrix_rows){
        .from = {.weight = &product->weight, .along = 1, .rounds = rounds}, .count = product->weight.rows,
        .to = {.data = product->y, .stride = product->weight.rows, .dtype = product->y_dtype, .bias = product->bias, .bias_dtype = product->bias_dtype}};
}

static int32_t run(const matrix_engine *engine, const matrix_rows *rows, const matrix_operand *input, int64_t m) {
    const int64_t depth = rows->from.weight->columns;
    if (m >= WIDE) return bits_matrix_run(engine, input, &rows->from, m, rows->count, depth, &rows->to);
    if (bits_matrix_are_few(engine, &rows->from, m)) return bits_matrix_run_few(engine, rows, 1, input, m, depth);
    matrix_result to = rows->to;
    to.transposed = 1;
    return run_ordered(engine, &rows->from, input, m, &to);
}

int32_t bits_cpu_four_bit_linear(const void *x, int32_t x_dtype, const bits_four_bit_product *products, int64_t count, int64_t m,
                                int32_t precision) {
    if (count < 1 || count > BITS_MOST_FOUR_BIT_PRODUCTS) return BITS_BAD_SIZE;
    for (int64_t i = 0; i < count; i++) {
        const int32_t status = check(&products[i].weight, x_dtype, products[i].y_dtype, m, precision);
        if (status != BITS_OK) return status;
        if (products[i].bias && !bits_is_float(products[i].bias_dtype)) return BITS_BAD_DTYPE;
        if (products[i].weight.columns != products->weight.columns) return BITS_BAD_SIZE;
    }
    int32_t rounds;
    const matrix_engine *const engine = bits_matrix_engine(precision, &rounds);
    const matrix_operand input = {.data = x, .stride = products->weight.columns, .dtype = x_dtype, .along = 1,
                                  .rounds = bits_rounds(rounds, x_dtype)};
    matrix_rows sets[BITS_MOST_FOUR_BIT_PRODUCTS];
    int together = 1;
    for (int64_t i = 0; i < count; i++) {
        sets[i] = rows_of(&products[i], rounds);
        together = together && bits_matrix_run_together(engine, &sets->from, &sets[i].from, m);
    }
    if (together) return bits_matrix_run_few(engine, sets, count, &input, m, products->weight.columns);
    for (int64_t i = 0; i < count; i++) {
        const int32_t status = run(engine, &sets[i], &input, m);
        if (status != BITS_OK) return status;
    }
    return BITS_OK;
}

int32_t bits_cpu_four_bit_linear_input_gradient(const void *dy, int32_t dy_dtype, const bits_four_bit_matrix *w, void *dx, int32_t dx_dtype,
                                               int64_t m, int32_t precision) {
    const int32_t status = check(w, dy_dtype, dx_dtype, m, precision);
    if (status != BITS_OK) return status;
    int32_t rounds;
    const matrix_engine *const engine = bits_matrix_engine(precision, &rounds);
    const matrix_operand weight = {.weight = w, .along = 0, .rounds = rounds};
    const matrix_operand gradient = {.data = dy, .stride = w->rows, .dtype = dy_dtype, .along = 1,
                                     .rounds = bits_rounds(rounds, dy_dtype)};
    const matrix_result to = {.data = dx, .stride = w->columns, .dtype = dx_dtype};
    return bits_matrix_run(engine, &gradient, &weight, m, w->columns, w->rows, &to);
}
