// Quantization to int8 by rows and columns, and back.
#include "bits_int8.h"
#include "int8/int8_rows.h"
#include "elementwise/private_rows.h"
#include "int8/quantize_int8.h"
#include <math.h>
#include <stdatomic.h>
#include <string.h>

enum {
    PART_ELEMENTS = 1 << 16,
    PART_COLUMNS = 512,
    COST = 4,  // estimated nanoseconds per 16 elements
};

typedef struct {
    const bits_int8_rows *loops;
    const char *input;
    int32_t dtype;
    int64_t rows, columns, rows_per_part;
    float threshold;
    int32_t keeps_nan;  // as the scale
    int8_t *codes;
    float *scales;
    uint8_t *outliers;  // NULL where there can be none
    _Atomic int64_t non_finite;
} quantization;

static int64_t rows_in_part(int64_t columns) { return columns > PART_ELEMENTS ? 1 : PART_ELEMENTS / (columns > 0 ? columns : 1); }

static void run(int64_t rows, int64_t rows_per_part, int64_t columns, bits_part_fn part, void *work) {
    bits_share((rows + rows_per_part - 1) / rows_per_part, rows * columns / 16 * COST, part, work);
}

#define FOR_ROWS_OF(part, w, r) \
    for (int64_t r = (part) * (w)->rows_per_part; r < (w)->rows && r < ((part) + 1) * (w)->rows_per_part; r++)

static void absmax_part(void *context, int64_t part) {
    quantization *const w = context;
    int64_t non_finite = 0;
    FOR_ROWS_OF(part, w, r) {
        bits_int8_findings found = {};
        w->scales[r] = w->loops->absmax(bits_at(w->input, w->dtype, r * w->columns), w->dtype, w->columns, w->threshold, w->outliers, &found);
        if (found.has_nan && w->keeps_nan) w->scales[r] = NAN;
        non_finite += found.non_finite;
    }
    atomic_fetch_add(&w->non_finite, non_finite);
}

static void quantize_part(void *context, int64_t part) {
    const quantization *const w = context;
    FOR_ROWS_OF(part, w, r)
        w->loops->quantize(bits_at(w->input, w->dtype, r * w->columns), w->dtype, w->columns, 127 / w->scales[r], w->outliers,
                           w->codes + r * w->columns);
}

// Without outliers one pass over a row that is still in the cache follows the other.
static void whole_part(void *context, int64_t part) {
    absmax_part(context, part);
    quantize_part(context, part);
}

void bits_int8_quantize_rows(const void *input, int32_t dtype, int64_t rows, int64_t columns, float threshold, int32_t keeps_nan, int8_t *codes,
                             float *scales, uint8_t *outliers, int64_t *non_finite) {
    if (outliers) memset(outliers, 0, (size_t)columns);
    quantization work = {.loops = bits_int8_rows_now(), .input = input, .dtype = dtype, .rows = rows, .columns = columns,
                         .rows_per_part = rows_in_part(columns), .threshold = threshold, .keeps_nan = keeps_nan, .codes = codes, .scales = scales,
                         .outliers = threshold > 0 ? outliers : NULL};
    if (threshold > 0) {
        run(rows, work.rows_per_part, columns, absmax_part, &work);
        run(rows, work.rows_per_part, columns, quantize_part, &work);
    } else {
        run(rows, work.rows_per_part, columns, whole_part, &work);
    }
    if (non_finite) *non_finite = work.non_finite;
}

int32_t bits_cpu_quantize_int8_rows(const void *input, int32_t dtype, int64_t rows, int64_t columns, float threshold, int8_t *codes, float *scales,
                                    uint8_t *outliers, int64_t *non_finite) {
    if (!bits_is_float(dtype)) return BITS_BAD_DTYPE;
    if (rows < 0 || columns < 0) return BITS_BAD_SIZE;
    if (!(threshold >= 0) || (threshold > 0 && !outliers)) return BITS_BAD_OPTION;
    bits_int8_quantize_rows(input, dtype, rows, columns, threshold, 0, codes, scales, outliers, non_finite);
    return BITS_OK;
}

static void columns_part(void *context, int64_t part) {
    const quantization *const w = context;
    const int64_t first = part * PART_COLUMNS, count = w->columns - first < PART_COLUMNS ? w->columns - first : PART_COLUMNS;
    memset(w->scales + first, 0, (size_t)count * sizeof *w->scales);
    for (int64_t r = 0; r < w->rows; r++)
        w->loops->column_absmax(bits_at(w->input, w->dtype, r * w->columns + first), w->dtype, count, w->threshold, w->keeps_nan,
                                w->scales + first);
    for (int64_t r = 0; r < w->rows; r++)
        w->loops->quantize_columns(bits_at(w->input, w->dtype, r * w->columns + first), w->dtype, count, w->threshold, w->scales + first,
                                   w->codes + r * w->columns + first);
}

void bits_int8_quantize_columns(const void *input, int32_t dtype, int64_t rows, int64_t columns, float threshold, int32_t keeps_nan,
                                int8_t *codes, float *scales) {
    quantization work = {.loops = bits_int8_rows_now(), .input = input, .dtype = dtype, .rows = rows, .columns = columns, .threshold = threshold,
                         .keeps_nan = keeps_nan, .codes = codes, .scales = scales};
    bits_share((columns + PART_COLUMNS - 1) / PART_COLUMNS, rows * columns / 16 * COST, columns_part, &work);
}

int32_t bits_cpu_quantize_int8_columns(const void *input, int32_t dtype, int64_t rows, int64_t columns, float threshold, int8_t *codes,
                                       float *scales) {
    if (!bits_is_float(dtype)) return BITS_BAD_DTYPE;
    if (rows < 0 || columns < 0) return BITS_BAD_SIZE;
    if (!(threshold >= 0)) return BITS_BAD_OPTION;
    bits_int8_quantize_columns(input, dtype, rows, columns, threshold, 0, codes, scales);
    return BITS_OK;
}

typedef struct {
    const bits_int8_rows *loops;
    const bits_int8_matrix *matrix;
    const void *indices;
    int32_t index_dtype, dtype;
    int64_t rows, rows_per_part;
    char *output;
} restoration;

static void restore_part(void *context, int64_t part) {
    const restoration *const w = context;
    const bits_int8_matrix *const m = w->matrix;
    FOR_ROWS_OF(part, w, r) {
        const int64_t from = w->indices ? bits_index_at(w->indices, w->index_dtype, r) : r;
        char *const to = bits_at_mutable(w->output, w->dtype, r * m->columns);
        if (from >= 0 && from < m->rows) w->loops->dequantize(m->codes + from * m->columns, m->columns, m->scales[from], to, w->dtype);
        else memset(to, 0, (size_t)(m->columns * bits_element_size(w->dtype)));
    }
}

static int32_t restore(restoration *work) {
    if (!bits_is_float(work->dtype)) return BITS_BAD_DTYPE;
    if (work->rows < 0 || work->matrix->rows < 0 || work->matrix->columns < 0) return BITS_BAD_SIZE;
    work->loops = bits_int8_rows_now();
    work->rows_per_part = rows_in_part(work->matrix->columns);
    run(work->rows, work->rows_per_part, work->matrix->columns, restore_part, work);
    return BITS_OK;
}

int32_t bits_cpu_dequantize_int8(const bits_int8_matrix *matrix, void *output, int32_t dtype) {
    restoration work = {.matrix = matrix, .rows = matrix->rows, .output = output, .dtype = dtype};
    return restore(&work);
}

int32_t bits_cpu_gather_int8(const bits_int8_matrix *matrix, const void *indices, int32_t index_dtype, int64_t count, void *output, int32_t dtype) {
    if (!bits_is_index(index_dtype)) return BITS_BAD_DTYPE;
    restoration work = {.matrix = matrix, .indices = indices, .index_dtype = index_dtype, .rows = count, .output = output, .dtype = dtype};
    return restore(&work);
}

typedef struct {
    const bits_int8_rows *loops;
    const int32_t *products;
    const float *row_scales, *column_scales;
    const void *bias;
    int32_t bias_dtype, dtype;
    int64_t rows, columns, rows_per_part;
    char *output;
} rescaling;

static void rescale_part(void *context, int64_t part) {
    const rescaling *const w = context;
    FOR_ROWS_OF(part, w, r)
        w->loops->rescale(w->products + r * w->columns, w->columns, w->row_scales[r], w->column_scales, w->bias, w->bias_dtype, NULL,
                          bits_at_mutable(w->output, w->dtype, r * w->columns), w->dtype);
}

int32_t bits_cpu_dequantize_int8_product(const int32_t *products, const float *row_scales, const float *column_scales, const void *bias,
                                         int32_t bias_dtype, void *output, int32_t dtype, int64_t rows, int64_t columns) {
    if (!bits_is_float(dtype) || (bias && !bits_is_float(bias_dtype))) return BITS_BAD_DTYPE;
    if (rows < 0 || columns < 0) return BITS_BAD_SIZE;
    rescaling work = {.loops = bits_int8_rows_now(), .products = products, .row_scales = row_scales, .column_scales = column_scales, .bias = bias,
                      .bias_dtype = bias_dtype, .dtype = dtype, .rows = rows, .columns = columns, .rows_per_part = rows_in_part(columns),
                      .output = output};
    run(rows, work.rows_per_part, columns, rescale_part, &work);
    return BITS_OK;
}
