// The gradients of int8 linear layers.
#include "int8/matrix_int8.h"
#include "base/half.h"
#include "int8/quantize_int8.h"
#include "base/scratch.h"
#include <string.h>

void bits_int8_unpack(const matrix_operand *from, int64_t row, int64_t first, int64_t count, int32_t packed, void *to) {
    enum { PIECE = 256 };
    const bits_int8_matrix *const w = from->int8;
    const bits_int8_rows *const loops = bits_int8_rows_now();
    const int8_t *const codes = w->codes + row * w->columns + first;
    const int32_t dtype = packed == BITS_BF16 || from->rounds == BITS_BF16 ? BITS_BF16 : from->dtype != BITS_F32 ? from->dtype : from->rounds;
    if (dtype == packed) return loops->dequantize(codes, count, w->scales[row], to, packed);
    // Rounded to 16 bits, used as float32.
    uint16_t halves[PIECE];
    float *const floats = to;
    for (int64_t i = 0; i < count; i += PIECE) {
        const int64_t n = bits_min(PIECE, count - i);
        loops->dequantize(codes + i, n, w->scales[row], halves, dtype);
        for (int64_t j = 0; j < n; j++)
            floats[i + j] = bits_rounded(dtype == BITS_BF16 ? bits_bf16_to_f32(halves[j]) : bits_f16_to_f32(halves[j]), from->rounds);
    }
}

int32_t bits_cpu_int8_linear_input_gradient(const void *dy, int32_t dy_dtype, const bits_int8_matrix *w, void *dx, int32_t dx_dtype, int64_t m,
                                            int32_t precision) {
    if (!bits_is_float(dy_dtype) || !bits_is_float(dx_dtype)) return BITS_BAD_DTYPE;
    if (!bits_is_precision(precision)) return BITS_BAD_OPTION;
    if (m < 0 || w->rows < 0 || w->columns < 0) return BITS_BAD_SIZE;
    int32_t rounds;
    const matrix_engine *const engine = bits_matrix_engine(precision, &rounds);
    const matrix_operand weight = {.int8 = w, .dtype = dx_dtype, .rounds = rounds};
    const matrix_operand gradient = {.data = dy, .stride = w->rows, .dtype = dy_dtype, .along = 1,
                                     .rounds = bits_rounds(rounds, dy_dtype)};
    const matrix_result to = {.data = dx, .stride = w->columns, .dtype = dx_dtype};
    return bits_matrix_run(engine, &gradient, &weight, m, w->columns, w->rows, &to);
}

// Columns of x as they are: dw[:, indices] = dyᵀ · x[:, indices].
static int32_t multiply_outliers(const void *dy, int32_t dy_dtype, const void *x, int32_t x_dtype, const uint8_t *outliers, int64_t count, char *dw,
                                 int32_t dw_dtype, int64_t m, int64_t n, int64_t k) {
    const int64_t x_size = bits_element_size(x_dtype), size = bits_element_size(dw_dtype), of_x = bits_round_up(m * count * x_size, 64);
    char *const columns = bits_scratch(BITS_SCRATCH_OUTLIERS, (size_t)(of_x + n * count * size)), *const products = columns + of_x;
    if (!columns) return BITS_NO_MEMORY;
    for (int64_t t = 0, o = 0; t < k; t++) {
        if (!outliers[t]) continue;
        for (int64_t i = 0; i < m; i++) memcpy(columns + (i * count + o) * x_size, (const char *)x + (i * k + t) * x_size, (size_t)x_size);
        o++;
    }
    const bits_matrix a = {.data = dy, .stride = n, .dtype = dy_dtype, .transposed = 1};
    const bits_matrix b = {.data = columns, .stride = count, .dtype = x_dtype};
    const int32_t status = bits_cpu_matrix_product(&a, &b, NULL, 0, products, dw_dtype, count, n, count, m, 0, BITS_PRODUCT_F32);
    if (status != BITS_OK) return status;
    for (int64_t t = 0, o = 0; t < k; t++) {
        if (!outliers[t]) continue;
        for (int64_t j = 0; j < n; j++) memcpy(dw + (j * k + t) * size, products + (j * count + o) * size, (size_t)size);
        o++;
    }
    return BITS_OK;
}

int32_t bits_cpu_int8_linear_weight_gradient(const void *dy, int32_t dy_dtype, const void *x, int32_t x_dtype, float threshold, void *dw,
                                             int32_t dw_dtype, int64_t m, int64_t n, int64_t k) {
    if (!bits_is_float(dy_dtype) || !bits_is_float(x_dtype) || !bits_is_float(dw_dtype)) return BITS_BAD_DTYPE;
    if (m < 0 || n < 0 || k < 0) return BITS_BAD_SIZE;
    if (!(threshold >= 0)) return BITS_BAD_OPTION;
    if (n == 0 || k == 0) return BITS_OK;
    const int64_t of_g = bits_round_up(m * n, 64), of_a = bits_round_up(m * k, 64);
    char *const memory = bits_scratch(BITS_SCRATCH_OPERAND, (size_t)(of_g + of_a + (n + k) * 4 + k));
    if (!memory) return BITS_NO_MEMORY;
    int8_t *const g_codes = (int8_t *)memory, *const a_codes = g_codes + of_g;
    float *const g_scales = (float *)(void *)(memory + of_g + of_a), *const a_scales = g_scales + n;
    bits_int8_quantize_columns(dy, dy_dtype, m, n, 0, 1, g_codes, g_scales);
    bits_int8_quantize_columns(x, x_dtype, m, k, 0, 1, a_codes, a_scales);

    const bits_int8_epilogue epilogue = {.loops = bits_int8_rows_now(), .row_scales = g_scales, .column_scales = a_scales};
    const bits_int8_plan plan = bits_int8_plan_for(n, k, 0);
    const matrix_operand left = {.data = (const char *)g_codes, .stride = n, .dtype = BITS_I8};
    const matrix_operand right = {.data = (const char *)a_codes, .stride = k, .dtype = BITS_I8};
    const matrix_result to = {.data = dw, .stride = k, .dtype = dw_dtype, .epilogue = &epilogue};
    const int32_t status = bits_int8_run(&plan, &left, &right, n, k, m, &to);
    if (status != BITS_OK || !(threshold > 0)) return status;

    // A column has an outlier if its largest magnitude is one; NaN may hide it.
    uint8_t *const outliers = (uint8_t *)(a_scales + k);
    int64_t count = 0;
    for (int64_t t = 0; t < k; t++) {
        outliers[t] = a_scales[t] >= threshold;
        count += outliers[t];
    }
    return count == 0 ? BITS_OK : multiply_outliers(dy, dy_dtype, x, x_dtype, outliers, count, dw, dw_dtype, m, n, k);
}
