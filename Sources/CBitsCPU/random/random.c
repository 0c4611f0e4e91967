// Random numbers and dropout: operands checked, runs of elements shared between threads.
#include "bits_random.h"
#include "elementwise/private_rows.h"

// Whole blocks of the stream, and whole units of every level.
enum { UNIT_ELEMENTS = 8192 };

// Estimated nanoseconds per 16 elements, at AVX-512.
enum { COST = 12 };

typedef struct {
    const bits_rows *loops;
    const bits_random_stream *stream;
    int32_t distribution, input_dtype, output_dtype;
    float center, spread;  // random numbers
    uint32_t threshold;    // dropout
    float gain;
    const void *input;
    void *output;
    int64_t count;
} random_work;

static int64_t run_length(const random_work *work, int64_t part) {
    const int64_t left = work->count - part * UNIT_ELEMENTS;
    return left < UNIT_ELEMENTS ? left : UNIT_ELEMENTS;
}

static void random_part(void *context, int64_t part) {
    const random_work *w = context;
    void *output = bits_at_mutable(w->output, w->output_dtype, part * UNIT_ELEMENTS);
    w->loops->random(w->distribution, w->stream, part * (UNIT_ELEMENTS / 4), w->center, w->spread, output, w->output_dtype, run_length(w, part));
}

static void dropout_part(void *context, int64_t part) {
    const random_work *w = context;
    const void *input = bits_at(w->input, w->input_dtype, part * UNIT_ELEMENTS);
    void *output = bits_at_mutable(w->output, w->output_dtype, part * UNIT_ELEMENTS);
    w->loops->dropout(w->stream, part * (UNIT_ELEMENTS / 4), w->threshold, w->gain, input, w->input_dtype, output, w->output_dtype,
                      run_length(w, part));
}

static int32_t run(random_work *work, bits_part_fn part) {
    if (work->count < 0) return BITS_BAD_SIZE;
    work->loops = bits_rows_now();
    bits_share((work->count + UNIT_ELEMENTS - 1) / UNIT_ELEMENTS, work->count / 16 * COST, part, work);
    return BITS_OK;
}

int32_t bits_cpu_random(int32_t distribution, const bits_random_stream *stream, float center, float spread, void *output, int32_t output_dtype,
                        int64_t count) {
    if (!bits_is_float(output_dtype)) return BITS_BAD_DTYPE;
    if (distribution != BITS_UNIFORM && distribution != BITS_NORMAL) return BITS_BAD_OPTION;
    random_work work = {.stream = stream, .distribution = distribution, .center = center, .spread = spread, .output = output,
                        .output_dtype = output_dtype, .count = count};
    return run(&work, random_part);
}

int32_t bits_cpu_dropout(const bits_random_stream *stream, uint32_t threshold, float gain, const void *input, int32_t input_dtype, void *output,
                         int32_t output_dtype, int64_t count) {
    if (!bits_is_float(input_dtype) || !bits_is_float(output_dtype)) return BITS_BAD_DTYPE;
    random_work work = {.stream = stream, .threshold = threshold, .gain = gain, .input = input, .input_dtype = input_dtype, .output = output,
                        .output_dtype = output_dtype, .count = count};
    return run(&work, dropout_part);
}
