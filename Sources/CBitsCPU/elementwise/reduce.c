// Reductions, argmax and softmax: rows shared between threads. A long row is cut into pieces of a size that depends on its length alone.
#include "bits_elementwise.h"
#include "elementwise/private_rows.h"
#include <math.h>

enum { PIECE_ELEMENTS = 32768, MAX_PIECES = 64, COLUMNS = 64 };

typedef struct {
    const bits_rows *loops;
    int32_t operation, input_dtype, output_dtype;
    const void *input;
    void *output;
    int64_t outer, axis, inner, per_part, blocks;
    int64_t piece;
    double pieces[MAX_PIECES];
} reduce_work;

static double reduce_stretch(const reduce_work *work, const void *x, int64_t count) {
    switch (work->operation) {
    case BITS_REDUCE_MAX: return work->loops->maximum(x, work->input_dtype, count);
    case BITS_REDUCE_SUM_OF_SQUARES: return work->loops->sum_of_squares(x, work->input_dtype, count);
    default: return work->loops->sum(x, work->input_dtype, count);
    }
}

static void store_result(const reduce_work *work, int64_t row, double value) {
    const float result = (float)(work->operation == BITS_REDUCE_MEAN ? value / (double)work->axis : value);
    void *target = bits_at_mutable(work->output, work->output_dtype, row);
    if (work->output_dtype == BITS_F32) *(float *)target = result;
    else work->loops->convert(&result, BITS_F32, target, work->output_dtype, 1);
}

static void reduce_rows_part(void *context, int64_t part) {
    const reduce_work *work = context;
    const int64_t first = part * work->per_part, last = first + work->per_part < work->outer ? first + work->per_part : work->outer;
    for (int64_t row = first; row < last; row++)
        store_result(work, row, reduce_stretch(work, bits_at(work->input, work->input_dtype, row * work->axis), work->axis));
}

static void reduce_piece(void *context, int64_t part) {
    reduce_work *work = context;
    const int64_t start = part * work->piece, left = work->axis - start;
    work->pieces[part] = reduce_stretch(work, bits_at(work->input, work->input_dtype, start), left < work->piece ? left : work->piece);
}

// One long row.
static void reduce_long(reduce_work *work, int64_t row) {
    reduce_work one = *work;
    one.input = bits_at(work->input, work->input_dtype, row * work->axis);
    const int64_t pieces = (work->axis + work->piece - 1) / work->piece;
    bits_share(pieces, work->axis / 8, reduce_piece, &one);
    double total = one.pieces[0];
    for (int64_t k = 1; k < pieces; k++) {
        if (work->operation != BITS_REDUCE_MAX) total += one.pieces[k];
        else if (one.pieces[k] > total || isnan(one.pieces[k])) total = one.pieces[k];
    }
    store_result(work, row, total);
}

static void reduce_columns_part(void *context, int64_t part) {
    const reduce_work *work = context;
    const int64_t outer = part / work->blocks, first = part % work->blocks * COLUMNS;
    const int64_t count = work->inner - first < COLUMNS ? work->inner - first : COLUMNS;
    work->loops->reduce_rows(work->operation, bits_at(work->input, work->input_dtype, outer * work->axis * work->inner + first), work->input_dtype,
                             work->axis, work->inner, bits_at_mutable(work->output, work->output_dtype, outer * work->inner + first),
                             work->output_dtype, count);
}

int32_t bits_cpu_reduce(int32_t operation, const void *input, int32_t input_dtype, int64_t outer, int64_t axis, int64_t inner, void *output,
                        int32_t output_dtype) {
    if (operation < BITS_REDUCE_SUM || operation > BITS_REDUCE_SUM_OF_SQUARES) return BITS_BAD_OPTION;
    if (!bits_is_float(input_dtype) || !bits_is_float(output_dtype)) return BITS_BAD_DTYPE;
    if (outer < 0 || axis < 0 || inner < 0) return BITS_BAD_SIZE;
    if (outer == 0 || inner == 0) return BITS_OK;
    reduce_work work = {.loops = bits_rows_now(), .operation = operation, .input = input, .input_dtype = input_dtype, .output = output,
                        .output_dtype = output_dtype, .outer = outer, .axis = axis, .inner = inner};
    const int64_t nanoseconds = outer * inner * axis / 8;
    if (inner > 1) {
        work.blocks = (inner + COLUMNS - 1) / COLUMNS;
        bits_share(outer * work.blocks, nanoseconds, reduce_columns_part, &work);
    } else if (axis <= 2 * PIECE_ELEMENTS) {
        work.per_part = axis >= 8192 ? 1 : 8192 / (axis + 1) + 1;
        bits_share((outer + work.per_part - 1) / work.per_part, nanoseconds, reduce_rows_part, &work);
    } else {
        work.piece = (axis / MAX_PIECES + PIECE_ELEMENTS) / PIECE_ELEMENTS * PIECE_ELEMENTS;
        for (int64_t row = 0; row < outer; row++) reduce_long(&work, row);
    }
    return BITS_OK;
}

// Kernels that work row by row.
typedef struct {
    const bits_rows *loops;
    const void *a, *b;
    void *output;
    int32_t a_dtype, b_dtype, output_dtype;
    int64_t rows, width, per_part;
} row_work;

static int32_t run_rows(row_work *work, int64_t nanoseconds_per_16, bits_part_fn part) {
    if (work->rows < 0 || work->width < 0) return BITS_BAD_SIZE;
    if (work->rows == 0) return BITS_OK;
    work->loops = bits_rows_now();
    work->per_part = work->width >= 8192 ? 1 : 8192 / (work->width + 1) + 1;
    bits_share((work->rows + work->per_part - 1) / work->per_part, work->rows * work->width / 16 * nanoseconds_per_16, part, work);
    return BITS_OK;
}

static int64_t last_row(const row_work *work, int64_t part) {
    const int64_t last = (part + 1) * work->per_part;
    return last < work->rows ? last : work->rows;
}

static void argmax_part(void *context, int64_t part) {
    const row_work *w = context;
    for (int64_t row = part * w->per_part; row < last_row(w, part); row++) {
        const int64_t index = w->loops->largest_index(bits_at(w->a, w->a_dtype, row * w->width), w->a_dtype, w->width);
        if (w->output_dtype == BITS_I32) ((int32_t *)w->output)[row] = (int32_t)index;
        else ((int64_t *)w->output)[row] = index;
    }
}

int32_t bits_cpu_argmax(const void *input, int32_t input_dtype, int64_t rows, int64_t width, void *output, int32_t output_dtype) {
    if (!bits_is_float(input_dtype) || (output_dtype != BITS_I32 && output_dtype != BITS_I64)) return BITS_BAD_DTYPE;
    row_work work = {.a = input, .a_dtype = input_dtype, .output = output, .output_dtype = output_dtype, .rows = rows, .width = width};
    return run_rows(&work, 2, argmax_part);
}

static void softmax_part(void *context, int64_t part) {
    const row_work *w = context;
    for (int64_t row = part * w->per_part; row < last_row(w, part); row++)
        w->loops->softmax(bits_at(w->a, w->a_dtype, row * w->width), w->a_dtype, bits_at_mutable(w->output, w->output_dtype, row * w->width),
                          w->output_dtype, w->width);
}

int32_t bits_cpu_softmax(const void *input, int32_t input_dtype, int64_t rows, int64_t width, void *output, int32_t output_dtype) {
    if (!bits_is_float(input_dtype) || !bits_is_float(output_dtype)) return BITS_BAD_DTYPE;
    row_work work = {.a = input, .a_dtype = input_dtype, .output = output, .output_dtype = output_dtype, .rows = rows, .width = width};
    return run_rows(&work, 12, softmax_part);
}

static void softmax_gradient_part(void *context, int64_t part) {
    const row_work *w = context;
    for (int64_t row = part * w->per_part; row < last_row(w, part); row++)
        w->loops->softmax_gradient(bits_at(w->a, w->a_dtype, row * w->width), w->a_dtype, bits_at(w->b, w->b_dtype, row * w->width), w->b_dtype,
                                   bits_at_mutable(w->output, w->output_dtype, row * w->width), w->output_dtype, w->width);
}

int32_t bits_cpu_softmax_gradient(const void *output, int32_t output_dtype, const void *doutput, int32_t doutput_dtype, int64_t rows, int64_t width,
                                  void *dinput, int32_t dinput_dtype) {
    if (!bits_is_float(output_dtype) || !bits_is_float(doutput_dtype) || !bits_is_float(dinput_dtype)) return BITS_BAD_DTYPE;
    row_work work = {.a = output, .a_dtype = output_dtype, .b = doutput, .b_dtype = doutput_dtype, .output = dinput, .output_dtype = dinput_dtype,
                     .rows = rows, .width = width};
    return run_rows(&work, 4, softmax_gradient_part);
}
