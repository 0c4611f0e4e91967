// Rotary embedding: tokens shared between threads.
#include "bits_transformer.h"
#include "elementwise/private_rows.h"
#include <string.h>

typedef struct {
    const bits_rows *loops;
    const void *input;
    void *output;
    int32_t input_dtype, output_dtype;
    const float *cosine, *sine;
    const int32_t *positions;
    float sign;
    int64_t rows, tokens, heads, half, per_part;
} rotary_work;

static void rotary_part(void *context, int64_t part) {
    const rotary_work *w = context;
    const int64_t first = part * w->per_part, last = first + w->per_part < w->tokens ? first + w->per_part : w->tokens, row = 2 * w->heads * w->half;
    for (int64_t token = first; token < last; token++) {
        const int64_t position = w->positions ? w->positions[token] : token;
        void *output = bits_at_mutable(w->output, w->output_dtype, token * row);
        if (position < 0 || position >= w->rows) memset(output, 0, (size_t)(row * bits_element_size(w->output_dtype)));
        else
            w->loops->rotary(bits_at(w->input, w->input_dtype, token * row), w->input_dtype, w->cosine + position * w->half,
                             w->sine + position * w->half, w->sign, output, w->output_dtype, w->heads, w->half);
    }
}

int32_t bits_cpu_rotary(const void *input, int32_t input_dtype, const float *cosine, const float *sine, int64_t rows, const int32_t *positions,
                        int32_t inverse, void *output, int32_t output_dtype, int64_t tokens, int64_t heads, int64_t width) {
    if (!bits_is_float(input_dtype) || !bits_is_float(output_dtype)) return BITS_BAD_DTYPE;
    if (rows < 0 || tokens < 0 || heads < 0 || width < 0 || width % 2 != 0) return BITS_BAD_SIZE;
    const int64_t row = heads * width;
    rotary_work work = {.loops = bits_rows_now(), .input = input, .input_dtype = input_dtype, .output = output, .output_dtype = output_dtype,
                        .cosine = cosine, .sine = sine, .rows = rows, .positions = positions, .sign = inverse ? -1 : 1, .tokens = tokens, .heads = heads,
                        .half = width / 2, .per_part = row >= 8192 ? 1 : 8192 / (row + 1) + 1};
    bits_share((tokens + work.per_part - 1) / work.per_part, tokens * row / 6, rotary_part, &work);
    return BITS_OK;
}
