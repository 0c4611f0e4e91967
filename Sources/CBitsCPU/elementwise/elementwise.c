// Element-by-element operations: operands checked, rows shared between threads.
#include "bits_elementwise.h"
#include "elementwise/private_rows.h"
#include "base/private_strides.h"

enum { UNIT_ELEMENTS = 8192, STRETCH = 256, SUMS = 1024 };

// Estimated nanoseconds per 16 elements, at AVX-512.
enum { CHEAP = 3, COSTLY = 12 };

typedef struct {
    const bits_rows *loops;
    int32_t operation, dtype[5];
    const void *in[3];
    void *out[2];
    float scale, shift;
    int64_t count;
} flat_work;

static int64_t unit_count(const flat_work *work, int64_t part) {
    const int64_t left = work->count - part * UNIT_ELEMENTS;
    return left < UNIT_ELEMENTS ? left : UNIT_ELEMENTS;
}

// Operand k from the part's first element on; inputs come first in dtype, then outputs.
static const void *in(const flat_work *work, int k, int64_t part) { return bits_at(work->in[k], work->dtype[k], part * UNIT_ELEMENTS); }

static void *out(const flat_work *work, int k, int inputs, int64_t part) {
    return bits_at_mutable(work->out[k], work->dtype[inputs + k], part * UNIT_ELEMENTS);
}

static int32_t run_flat(flat_work *work, int operands, int64_t cost, bits_part_fn part) {
    for (int k = 0; k < operands; k++)
        if (!bits_is_float(work->dtype[k])) return BITS_BAD_DTYPE;
    if (work->count < 0) return BITS_BAD_SIZE;
    work->loops = bits_rows_now();
    bits_share((work->count + UNIT_ELEMENTS - 1) / UNIT_ELEMENTS, work->count / 16 * cost, part, work);
    return BITS_OK;
}

static int is_costly(int32_t operation) {
    switch (operation) {
    case BITS_NEGATE: case BITS_RELU: case BITS_SQUARE: case BITS_ABS: return 0;
    default: return 1;
    }
}

static int is_activation(int32_t operation) {
    return operation == BITS_SILU || operation == BITS_GELU || operation == BITS_GELU_TANH || operation == BITS_RELU;
}

static void scale_shift_part(void *context, int64_t part) {
    const flat_work *w = context;
    w->loops->scale_shift(in(w, 0, part), w->dtype[0], w->scale, w->shift, out(w, 0, 1, part), w->dtype[1], unit_count(w, part));
}

int32_t bits_cpu_scale_shift(const void *input, int32_t input_dtype, float scale, float shift, void *output, int32_t output_dtype, int64_t count) {
    flat_work work = {.in = {input}, .out = {output}, .dtype = {input_dtype, output_dtype}, .scale = scale, .shift = shift, .count = count};
    return run_flat(&work, 2, CHEAP, scale_shift_part);
}

typedef struct {
    const bits_rows *loops;
    const void *const *terms;
    const int32_t *dtypes;
    int32_t term_count, output_dtype;
    void *output;
    int64_t count;
} terms_work;

static void terms_part(void *context, int64_t part) {
    const terms_work *w = context;
    const int64_t first = part * UNIT_ELEMENTS, end = first + UNIT_ELEMENTS < w->count ? first + UNIT_ELEMENTS : w->count;
    float sums[SUMS];
    for (int64_t i = first; i < end; i += SUMS) {
        const int64_t count = end - i < SUMS ? end - i : SUMS;
        const void *sum = bits_at(w->terms[0], w->dtypes[0], i);
        int32_t dtype = w->dtypes[0];
        for (int32_t k = 1; k < w->term_count - 1; k++) {
            w->loops->binary(BITS_ADD, sum, dtype, 1, bits_at(w->terms[k], w->dtypes[k], i), w->dtypes[k], 1, sums, BITS_F32, count);
            sum = sums, dtype = BITS_F32;
        }
        const int32_t last = w->term_count - 1;
        void *output = bits_at_mutable(w->output, w->output_dtype, i);
        if (last == 0) w->loops->convert(sum, dtype, output, w->output_dtype, count);
        else w->loops->binary(BITS_ADD, sum, dtype, 1, bits_at(w->terms[last], w->dtypes[last], i), w->dtypes[last], 1, output, w->output_dtype, count);
    }
}

int32_t bits_cpu_sum_of_terms(const void *const *terms, const int32_t *dtypes, int32_t term_count, void *output, int32_t output_dtype, int64_t count) {
    if (term_count < 1 || term_count > BITS_MOST_TERMS || count < 0) return BITS_BAD_SIZE;
    for (int32_t k = 0; k < term_count; k++)
        if (!bits_is_float(dtypes[k])) return BITS_BAD_DTYPE;
    if (!bits_is_float(output_dtype)) return BITS_BAD_DTYPE;
    terms_work work = {bits_rows_now(), terms, dtypes, term_count, output_dtype, output, count};
    bits_share((count + UNIT_ELEMENTS - 1) / UNIT_ELEMENTS, count / 16 * CHEAP * term_count, terms_part, &work);
    return BITS_OK;
}

static void unary_part(void *context, int64_t part) {
    const flat_work *w = context;
    w->loops->unary(w->operation, in(w, 0, part), w->dtype[0], out(w, 0, 1, part), w->dtype[1], unit_count(w, part));
}

int32_t bits_cpu_unary(int32_t operation, const void *input, int32_t input_dtype, void *output, int32_t output_dtype, int64_t count) {
    if (operation < BITS_NEGATE || operation > BITS_RECIPROCAL) return BITS_BAD_OPTION;
    flat_work work = {.operation = operation, .in = {input}, .out = {output}, .dtype = {input_dtype, output_dtype}, .count = count};
    return run_flat(&work, 2, is_costly(operation) ? COSTLY : CHEAP, unary_part);
}

static void unary_gradient_part(void *context, int64_t part) {
    const flat_work *w = context;
    w->loops->unary_gradient(w->operation, in(w, 0, part), w->dtype[0], in(w, 1, part), w->dtype[1], out(w, 0, 2, part), w->dtype[2],
                             unit_count(w, part));
}

int32_t bits_cpu_unary_gradient(int32_t operation, const void *input, int32_t input_dtype, const void *doutput, int32_t doutput_dtype, void *dinput,
                                int32_t dinput_dtype, int64_t count) {
    if (operation < BITS_NEGATE || operation > BITS_RECIPROCAL) return BITS_BAD_OPTION;
    flat_work work = {.operation = operation, .in = {input, doutput}, .out = {dinput}, .dtype = {input_dtype, doutput_dtype, dinput_dtype},
                      .count = count};
    return run_flat(&work, 3, is_costly(operation) ? COSTLY : CHEAP, unary_gradient_part);
}

static void gated_part(void *context, int64_t part) {
    const flat_work *w = context;
    w->loops->gated(w->operation, in(w, 0, part), w->dtype[0], in(w, 1, part), w->dtype[1], out(w, 0, 2, part), w->dtype[2], unit_count(w, part));
}

int32_t bits_cpu_gated(int32_t activation, const void *gate, int32_t gate_dtype, const void *up, int32_t up_dtype, void *output,
                       int32_t output_dtype, int64_t count) {
    if (!is_activation(activation)) return BITS_BAD_OPTION;
    flat_work work = {.operation = activation, .in = {gate, up}, .out = {output}, .dtype = {gate_dtype, up_dtype, output_dtype}, .count = count};
    return run_flat(&work, 3, COSTLY, gated_part);
}

static void gated_gradient_part(void *context, int64_t part) {
    const flat_work *w = context;
    w->loops->gated_gradient(w->operation, in(w, 0, part), w->dtype[0], in(w, 1, part), w->dtype[1], in(w, 2, part), w->dtype[2],
                             out(w, 0, 3, part), w->dtype[3], out(w, 1, 3, part), w->dtype[4], unit_count(w, part));
}

int32_t bits_cpu_gated_gradient(int32_t activation, const void *gate, int32_t gate_dtype, const void *up, int32_t up_dtype, const void *doutput,
                                int32_t doutput_dtype, void *dgate, int32_t dgate_dtype, void *dup, int32_t dup_dtype, int64_t count) {
    if (!is_activation(activation)) return BITS_BAD_OPTION;
    flat_work work = {.operation = activation, .in = {gate, up, doutput}, .out = {dgate, dup},
                      .dtype = {gate_dtype, up_dtype, doutput_dtype, dgate_dtype, dup_dtype}, .count = count};
    return run_flat(&work, 5, COSTLY, gated_gradient_part);
}

// Binary operations: units are stretches of the inner axis.
typedef struct {
    const bits_rows *loops;
    int32_t operation, a_dtype, b_dtype, output_dtype;
    const void *a, *b;
    void *output;
    bits_walk walk;  // a, b, output
    int64_t per_row, units, per_part;
} binary_work;

// `count` elements with a stride, brought together in `buffer` unless they are already, or are all one.
static const void *stretch(const void *array, int32_t dtype, int64_t stride, int64_t count, uint32_t *buffer) {
    if (stride == 0 || stride == 1) return array;
    if (dtype == BITS_F32)
        for (int64_t i = 0; i < count; i++) buffer[i] = ((const uint32_t *)array)[i * stride];
    else
        for (int64_t i = 0; i < count; i++) ((uint16_t *)buffer)[i] = ((const uint16_t *)array)[i * stride];
    return buffer;
}

static void binary_unit(const binary_work *work, int64_t unit) {
    const bits_walk *walk = &work->walk;
    const int32_t inner = walk->rank - 1;
    int64_t offsets[3];
    bits_walk_offsets(walk, inner, unit / work->per_row, offsets);
    const int64_t start = unit % work->per_row * UNIT_ELEMENTS;
    const int64_t count = walk->shape[inner] - start < UNIT_ELEMENTS ? walk->shape[inner] - start : UNIT_ELEMENTS;
    const int64_t a_stride = walk->strides[0][inner], b_stride = walk->strides[1][inner];
    const void *a = bits_at(work->a, work->a_dtype, offsets[0] + start * a_stride);
    const void *b = bits_at(work->b, work->b_dtype, offsets[1] + start * b_stride);
    void *output = bits_at_mutable(work->output, work->output_dtype, offsets[2] + start);
    if ((a_stride == 0 || a_stride == 1) && (b_stride == 0 || b_stride == 1)) {
        work->loops->binary(work->operation, a, work->a_dtype, a_stride, b, work->b_dtype, b_stride, output, work->output_dtype, count);
        return;
    }
    uint32_t a_buffer[STRETCH], b_buffer[STRETCH];
    for (int64_t i = 0; i < count; i += STRETCH) {
        const int64_t part = count - i < STRETCH ? count - i : STRETCH;
        const void *a_part = stretch(bits_at(a, work->a_dtype, i * a_stride), work->a_dtype, a_stride, part, a_buffer);
        const void *b_part = stretch(bits_at(b, work->b_dtype, i * b_stride), work->b_dtype, b_stride, part, b_buffer);
        work->loops->binary(work->operation, a_part, work->a_dtype, a_stride != 0, b_part, work->b_dtype, b_stride != 0,
                            bits_at_mutable(output, work->output_dtype, i), work->output_dtype, part);
    }
}

static void binary_part(void *context, int64_t part) {
    const binary_work *work = context;
    const int64_t first = part * work->per_part, last = first + work->per_part < work->units ? first + work->per_part : work->units;
    for (int64_t unit = first; unit < last; unit++) binary_unit(work, unit);
}

int32_t bits_cpu_binary(int32_t operation, const void *a, int32_t a_dtype, const int64_t *a_strides, const void *b, int32_t b_dtype,
                        const int64_t *b_strides, void *output, int32_t output_dtype, const int64_t *shape, int32_t rank) {
    if (operation < BITS_ADD || operation > BITS_MAXIMUM) return BITS_BAD_OPTION;
    if (rank < 0 || rank > BITS_MAX_RANK) return BITS_BAD_SIZE;
    if (!bits_is_float(a_dtype) || !bits_is_float(b_dtype) || !bits_is_float(output_dtype)) return BITS_BAD_DTYPE;
    int64_t output_strides[BITS_MAX_RANK], count = 1;
    for (int32_t axis = rank - 1; axis >= 0; axis--) {
        if (shape[axis] < 0) return BITS_BAD_SIZE;
        output_strides[axis] = count;
        count *= shape[axis];
    }
    if (count == 0) return BITS_OK;
    binary_work work = {
        .loops = bits_rows_now(), .operation = operation, .a = a, .b = b, .output = output, .a_dtype = a_dtype, .b_dtype = b_dtype,
        .output_dtype = output_dtype, .walk = bits_walk_make(3, (const int64_t *const[]){a_strides, b_strides, output_strides}, shape, rank)};
    const int64_t inner = work.walk.shape[work.walk.rank - 1];
    work.per_row = (inner + UNIT_ELEMENTS - 1) / UNIT_ELEMENTS;
    work.units = bits_walk_count(&work.walk, work.walk.rank - 1) * work.per_row;
    work.per_part = inner >= UNIT_ELEMENTS ? 1 : UNIT_ELEMENTS / inner;
    bits_share((work.units + work.per_part - 1) / work.per_part, count / 16 * CHEAP + work.units * 8, binary_part, &work);
    return BITS_OK;
}
