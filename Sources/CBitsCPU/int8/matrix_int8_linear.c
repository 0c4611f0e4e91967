// Linear layers of LLM.int8(): the activation is quantized, multiplied exactly and rescaled, its outlier columns are multiplied as they are.
#include "int8/matrix_int8.h"
#include "base/half.h"
#include "int8/quantize_int8.h"
#include "base/scratch.h"
#include <string.h>

static int is_matrix(const bits_int8_matrix *x) { return x->rows >= 0 && x->columns >= 0; }

static float element(const void *x, int32_t dtype, int64_t i) {
    switch (dtype) {
    case BITS_F32: return ((const float *)x)[i];
    case BITS_BF16: return bits_bf16_to_f32(((const uint16_t *)x)[i]);
    default: return bits_f16_to_f32(((const uint16_t *)x)[i]);
    }
}

typedef struct {
    const bits_int8_epilogue *epilogue;
    const void *x;
    int32_t dtype, as_panels;
    int64_t m, columns;
    float *to;
} activation_outliers;

// Outlier columns of a panel's rows of an activation in the layout of its side; rows beyond the last are zeros.
static void take_activation_part(void *context, int64_t part) {
    const activation_outliers *const a = context;
    const bits_int8_epilogue *const e = a->epilogue;
    const int64_t first = part * BITS_PANEL, end = a->as_panels ? first + BITS_PANEL : bits_min(first + BITS_PANEL, a->m);
    const int64_t step = a->as_panels ? BITS_PANEL : 1;
    for (int64_t i = first; i < end; i++) {
        float *const row = a->as_panels ? a->to + first * e->count + i - first : a->to + i * e->count;
        for (int64_t o = 0; o < e->count; o++) row[o * step] = i < a->m ? element(a->x, a->dtype, i * a->columns + e->indices[o]) : 0;
    }
}

typedef struct {
    const bits_int8_epilogue *epilogue;
    int32_t as_panels;
    float *to;
} weight_outliers;

static void take_weight_part(void *context, int64_t part) {
    const weight_outliers *const x = context;
    const int64_t count = x->epilogue->count, first = part * BITS_PANEL, left = x->epilogue->weight->rows - first;
    if (x->as_panels) bits_int8_weight_outliers(x->epilogue, first, BITS_PANEL, 1, BITS_PANEL, x->to + first * count);
    else bits_int8_weight_outliers(x->epilogue, first, bits_min(BITS_PANEL, left), count, 1, x->to + first * count);
}

// Prepares the outlier columns of both sides; 0 where there is no memory.
static int prepare_outliers(bits_int8_epilogue *e, const bits_int8_plan *plan, const void *x, int32_t x_dtype, int64_t m, const uint8_t *outliers) {
    const int64_t columns = e->weight->columns;
    for (int64_t k = 0; k < columns; k++) e->count += outliers[k] != 0;
    if (e->count == 0) return 1;
    const int64_t of_indices = bits_round_up(e->count, 16), of_activation = bits_round_up(m, BITS_PANEL) * e->count;
    const int64_t of_weights = plan->few ? 0 : bits_round_up(e->weight->rows, BITS_PANEL) * e->count;
    int32_t *const indices = bits_scratch(BITS_SCRATCH_OUTLIERS, (size_t)(of_indices + of_activation + of_weights) * 4);
    if (!indices) return 0;
    for (int64_t k = 0, o = 0; k < columns; k++)
        if (outliers[k]) indices[o++] = (int32_t)k;
    e->indices = indices;
    e->dtype = x_dtype;
    float *const activation = (float *)(void *)(indices + of_indices), *const weights = activation + of_activation;
    // Few vectors are the rows of what is stored, though they are the columns of the product.
    activation_outliers taken = {.epilogue = e, .x = x, .dtype = x_dtype, .as_panels = plan->transposed && !plan->few, .m = m, .columns = columns,
                                 .to = activation};
    bits_pool_run((m + BITS_PANEL - 1) / BITS_PANEL, take_activation_part, &taken);
    e->activation = activation;
    if (plan->few) return 1;
    weight_outliers work = {.epilogue = e, .as_panels = !plan->transposed, .to = weights};
    bits_pool_run((e->weight->rows + BITS_PANEL - 1) / BITS_PANEL, take_weight_part, &work);
    e->weights = weights;
    return 1;
}

int32_t bits_cpu_int8_scaled_product(const bits_int8_matrix *a, const bits_int8_matrix *w, const void *bias, int32_t bias_dtype, const void *x,
                                     int32_t x_dtype, const uint8_t *outliers, void *y, int32_t y_dtype) {
    if (!bits_is_float(y_dtype) || (bias && !bits_is_float(bias_dtype)) || (outliers && !bits_is_float(x_dtype))) return BITS_BAD_DTYPE;
    if (!is_matrix(a) || !is_matrix(w) || a->columns != w->columns) return BITS_BAD_SIZE;
    if (a->rows == 0 || w->rows == 0) return BITS_OK;
    bits_int8_plan plan = bits_int8_plan_for(a->rows, w->rows, 1);
    if (plan.few && !plan.transposed) {
        // A weight of few rows is the larger operand's vectors; outliers are only prepared for the other case.
        plan = bits_int8_plan_for(BITS_DOTS_VECTORS + 1, BITS_DOTS_VECTORS + 1, 1);
    }
    bits_int8_epilogue epilogue = {.loops = bits_int8_rows_now(), .row_scales = a->scales, .column_scales = w->scales, .weight = w};
    if (outliers && !prepare_outliers(&epilogue, &plan, x, x_dtype, a->rows, outliers)) return BITS_NO_MEMORY;
    const matrix_operand left = {.data = (const char *)a->codes, .stride = a->columns, .dtype = BITS_I8, .along = 1};
    const matrix_operand right = {.data = (const char *)w->codes, .stride = w->columns, .dtype = BITS_I8, .along = 1};
    const matrix_result to = {.data = y, .stride = w->rows, .dtype = y_dtype, .bias = bias, .bias_dtype = bias_dtype, .epilogue = &epilogue};
    return bits_int8_run(&plan, &left, &right, a->rows, w->rows, w->columns, &to);
}

int32_t bits_cpu_int8_linear(const void *x, int32_t x_dtype, const bits_int8_matrix *w, const void *bias, int32_t bias_dtype, float threshold,
                             void *y, int32_t y_dtype, int64_t m) {
    if (!bits_is_float(x_dtype)) return BITS_BAD_DTYPE;
    if (m < 0 || !is_matrix(w)) return BITS_BAD_SIZE;
    if (!(threshold >= 0)) return BITS_BAD_OPTION;
    const int64_t k = w->columns, of_scales = bits_round_up(m * 4, 64), of_codes = bits_round_up(m * k, 64);
    char *const memory = bits_scratch(BITS_SCRATCH_OPERAND, (size_t)(of_scales + of_codes + k));
    if (!memory) return BITS_NO_MEMORY;
    float *const scales = (float *)(void *)memory;
    int8_t *const codes = (int8_t *)memory + of_scales;
    uint8_t *const outliers = threshold > 0 ? (uint8_t *)memory + of_scales + of_codes : NULL;
    bits_int8_quantize_rows(x, x_dtype, m, k, threshold, 1, codes, scales, outliers, NULL);
    const bits_int8_matrix a = {.codes = codes, .scales = scales, .rows = m, .columns = k};
    return bits_cpu_int8_scaled_product(&a, w, bias, bias_dtype, x, x_dtype, outliers, y, y_dtype);
}
