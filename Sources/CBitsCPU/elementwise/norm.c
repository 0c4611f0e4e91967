// RMS norm and layer norm: rows shared between threads, weight gradients by blocks of columns.
#include "bits_transformer.h"
#include "elementwise/private_rows.h"

enum { COLUMNS = 64 };

typedef struct {
    const bits_rows *loops;
    const void *input, *weight, *bias, *doutput;
    void *output, *dweight, *dbias;  // output: or dinput
    int32_t input_dtype, weight_dtype, bias_dtype, doutput_dtype, output_dtype, dweight_dtype, dbias_dtype;
    float epsilon;
    const float *saved_mean, *saved_reciprocal;
    float *mean, *reciprocal;
    int64_t rows, width, per_part;
} norm_work;

static int32_t run_rows(norm_work *work, bits_part_fn part) {
    work->per_part = work->width >= 8192 ? 1 : 8192 / work->width + 1;
    bits_share((work->rows + work->per_part - 1) / work->per_part, work->rows * work->width / 4, part, work);
    return BITS_OK;
}

static int64_t last_row(const norm_work *work, int64_t part) {
    const int64_t last = (part + 1) * work->per_part;
    return last < work->rows ? last : work->rows;
}

static const void *row_of(const norm_work *work, const void *array, int32_t dtype, int64_t row) { return bits_at(array, dtype, row * work->width); }

static int is_float_or_none(const void *array, int32_t dtype) { return !array || bits_is_float(dtype); }

static void rms_norm_part(void *context, int64_t part) {
    const norm_work *w = context;
    for (int64_t row = part * w->per_part; row < last_row(w, part); row++) {
        const float reciprocal = w->loops->rms_norm(row_of(w, w->input, w->input_dtype, row), w->input_dtype, w->weight, w->weight_dtype, w->epsilon,
                                                    bits_at_mutable(w->output, w->output_dtype, row * w->width), w->output_dtype, w->width);
        if (w->reciprocal) w->reciprocal[row] = reciprocal;
    }
}

int32_t bits_cpu_rms_norm(const void *input, int32_t input_dtype, const void *weight, int32_t weight_dtype, float epsilon, void *output,
                          int32_t output_dtype, float *reciprocal, int64_t rows, int64_t width) {
    if (!bits_is_float(input_dtype) || !bits_is_float(weight_dtype) || !bits_is_float(output_dtype)) return BITS_BAD_DTYPE;
    if (rows < 0 || width <= 0) return BITS_BAD_SIZE;
    norm_work work = {.loops = bits_rows_now(), .input = input, .input_dtype = input_dtype, .weight = weight, .weight_dtype = weight_dtype,
                      .epsilon = epsilon, .output = output, .output_dtype = output_dtype, .reciprocal = reciprocal, .rows = rows, .width = width};
    return run_rows(&work, rms_norm_part);
}

static void layer_norm_part(void *context, int64_t part) {
    const norm_work *w = context;
    for (int64_t row = part * w->per_part; row < last_row(w, part); row++) {
        float mean, reciprocal;
        w->loops->layer_norm(row_of(w, w->input, w->input_dtype, row), w->input_dtype, w->weight, w->weight_dtype, w->bias, w->bias_dtype, w->epsilon,
                             bits_at_mutable(w->output, w->output_dtype, row * w->width), w->output_dtype, w->width, &mean, &reciprocal);
        if (w->mean) w->mean[row] = mean;
        if (w->reciprocal) w->reciprocal[row] = reciprocal;
    }
}

int32_t bits_cpu_layer_norm(const void *input, int32_t input_dtype, const void *weight, int32_t weight_dtype, const void *bias, int32_t bias_dtype,
                            float epsilon, void *output, int32_t output_dtype, float *mean, float *reciprocal, int64_t rows, int64_t width) {
    if (!bits_is_float(input_dtype) || !bits_is_float(output_dtype) || !is_float_or_none(weight, weight_dtype) || !is_float_or_none(bias, bias_dtype))
        return BITS_BAD_DTYPE;
    if (rows < 0 || width <= 0) return BITS_BAD_SIZE;
    norm_work work = {.loops = bits_rows_now(), .input = input, .input_dtype = input_dtype, .weight = weight, .weight_dtype = weight_dtype,
                      .bias = bias, .bias_dtype = bias_dtype, .epsilon = epsilon, .output = output, .output_dtype = output_dtype, .mean = mean,
                      .reciprocal = reciprocal, .rows = rows, .width = width};
    return run_rows(&work, layer_norm_part);
}

static void norm_gradient_part(void *context, int64_t part) {
    const norm_work *w = context;
    for (int64_t row = part * w->per_part; row < last_row(w, part); row++) {
        const void *x = row_of(w, w->input, w->input_dtype, row), *dy = row_of(w, w->doutput, w->doutput_dtype, row);
        void *dx = bits_at_mutable(w->output, w->output_dtype, row * w->width);
        if (w->saved_mean)
            w->loops->layer_norm_gradient(x, w->input_dtype, w->weight, w->weight_dtype, w->saved_mean[row], w->saved_reciprocal[row], dy,
                                          w->doutput_dtype, dx, w->output_dtype, w->width);
        else
            w->loops->rms_norm_gradient(x, w->input_dtype, w->weight, w->weight_dtype, w->saved_reciprocal[row], dy, w->doutput_dtype, dx,
                                        w->output_dtype, w->width);
    }
}

static void norm_weight_gradient_part(void *context, int64_t part) {
    const norm_work *w = context;
    const int64_t first = part * COLUMNS, count = w->width - first < COLUMNS ? w->width - first : COLUMNS;
    w->loops->norm_weight_gradient(bits_at(w->input, w->input_dtype, first), w->input_dtype, w->saved_mean, w->saved_reciprocal,
                                   bits_at(w->doutput, w->doutput_dtype, first), w->doutput_dtype, w->rows, w->width,
                                   bits_at_mutable(w->dweight, w->dweight_dtype, first), w->dweight_dtype,
                                   bits_at_mutable(w->dbias, w->dbias_dtype, first), w->dbias_dtype, count);
}

static int32_t run_gradient(norm_work *work) {
    if (!bits_is_float(work->input_dtype) || !bits_is_float(work->doutput_dtype) || !is_float_or_none(work->weight, work->weight_dtype)
        || !is_float_or_none(work->output, work->output_dtype) || !is_float_or_none(work->dweight, work->dweight_dtype)
        || !is_float_or_none(work->dbias, work->dbias_dtype))
        return BITS_BAD_DTYPE;
    if (work->rows < 0 || work->width <= 0) return BITS_BAD_SIZE;
    work->loops = bits_rows_now();
    if (work->output) run_rows(work, norm_gradient_part);
    if (work->dweight || work->dbias)
        bits_share((work->width + COLUMNS - 1) / COLUMNS, work->rows * work->width / 4, norm_weight_gradient_part, work);
    return BITS_OK;
}

int32_t bits_cpu_rms_norm_gradient(const void *input, int32_t input_dtype, const void *weight, int32_t weight_dtype, const float *reciprocal,
                                   const void *doutput, int32_t doutput_dtype, void *dinput, int32_t dinput_dtype, void *dweight,
                                   int32_t dweight_dtype, int64_t rows, int64_t width) {
    norm_work work = {.input = input, .input_dtype = input_dtype, .weight = weight, .weight_dtype = weight_dtype, .saved_reciprocal = reciprocal,
                      .doutput = doutput, .doutput_dtype = doutput_dtype, .output = dinput, .output_dtype = dinput_dtype, .dweight = dweight,
                      .dweight_dtype = dweight_dtype, .rows = rows, .width = width};
    return run_gradient(&work);
}

int32_t bits_cpu_layer_norm_gradient(const void *input, int32_t input_dtype, const void *weight, int32_t weight_dtype, const float *mean,
                                     const float *reciprocal, const void *doutput, int32_t doutput_dtype, void *dinput, int32_t dinput_dtype,
                                     void *dweight, int32_t dweight_dtype, void *dbias, int32_t dbias_dtype, int64_t rows, int64_t width) {
    norm_work work = {.input = input, .input_dtype = input_dtype, .weight = weight, .weight_dtype = weight_dtype, .saved_mean = mean,
                      .saved_reciprocal = reciprocal, .doutput = doutput, .doutput_dtype = doutput_dtype, .output = dinput,
                      .output_dtype = dinput_dtype, .dweight = dweight, .dweight_dtype = dweight_dtype, .dbias = dbias, .dbias_dtype = dbias_dtype,
                      .rows = rows, .width = width};
    return run_gradient(&work);
}
