// The gradient of attention: head groups shared between threads, each the only one to add to its keys and values.
#include "attention/private_attention.h"
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static const float LN_2 = 0.693147181f;

typedef struct {
    const bits_rows *loops;
    const bits_paired_attention *paired;
    const bits_attention_shape *shape;
    const bits_attention_inputs *inputs;
    const bits_attention_gradients *gradients;
    _Atomic int32_t status;
} gradient_work;

// The part of an array [batch, heads, tokens, bucket_count] that belongs to a group, zeroed; NULL stays NULL.
static float *zeroed(float *array, const gradient_work *work, int64_t b, int64_t g, int64_t tokens) {
    if (!array) return NULL;
    const int64_t one = tokens * work->inputs->bucket_count;
    float *const part = array + bits_head_place(work->shape, b, g) * one;
    memset(part, 0, (size_t)(bits_group_heads(work->shape) * one) * sizeof(float));
    return part;
}

static int64_t padded(int64_t width) { return (width + 15) / 16 * 16; }

static void add_tiles(const gradient_work *work, const bits_attention_group *group, int64_t b, int64_t g, const bits_attention_sums *sums) {
    const bits_attention_gradients *const x = work->gradients;
    const int64_t place = bits_query_place(work->shape, b, g), width = group->value_width;
    const float *const lse = x->log_sum_exp + bits_head_place(work->shape, b, g) * group->queries;
    for (int64_t first = 0; first < group->rows; first += BITS_ATTENTION_ROWS) {
        const int64_t left = group->rows - first;
        work->loops->attention_tile_gradient(group, first, left < BITS_ATTENTION_ROWS ? left : BITS_ATTENTION_ROWS,
                                             bits_at(x->output, x->output_dtype, place * width), x->output_dtype,
                                             bits_at(x->doutput, x->doutput_dtype, place * width), x->doutput_dtype, lse,
                                             bits_at_mutable(x->dquery, x->dquery_dtype, place * group->width), x->dquery_dtype, sums);
    }
}

static void gradient_part(void *context, int64_t part) {
    gradient_work *work = context;
    const bits_attention_shape *const shape = work->shape;
    const bits_attention_gradients *const x = work->gradients;
    const int64_t b = part / shape->groups, g = part % shape->groups;
    bits_attention_group group = bits_attention_group_at(shape, work->inputs, b, g);
    group.paired = work->paired;
    bits_attention_sums sums = {.key_stride = padded(shape->width), .value_stride = padded(shape->value_width)};
    const int64_t floats = shape->keys * (sums.key_stride + sums.value_stride);
    sums.key = aligned_alloc(64, (size_t)floats * sizeof(float) + 64);
    if (!sums.key) {
        atomic_store(&work->status, BITS_NO_MEMORY);
        return;
    }
    memset(sums.key, 0, (size_t)floats * sizeof(float));
    sums.value = sums.key + shape->keys * sums.key_stride;
    sums.by_query = zeroed(x->dby_query, work, b, g, shape->queries);
    sums.by_key = zeroed(x->dby_key, work, b, g, shape->keys);
    add_tiles(work, &group, b, g, &sums);
    for (int64_t k = 0; k < shape->keys; k++) {
        const int64_t place = bits_key_place(shape, b, g) + k * shape->groups;
        work->loops->scale_shift(sums.key + k * sums.key_stride, BITS_F32, LN_2, 0, bits_at_mutable(x->dkey, x->dkey_dtype, place * shape->width),
                                 x->dkey_dtype, shape->width);
        work->loops->convert(sums.value + k * sums.value_stride, BITS_F32, bits_at_mutable(x->dvalue, x->dvalue_dtype, place * shape->value_width),
                             x->dvalue_dtype, shape->value_width);
    }
    free(sums.key);
}

// Queries and gradients of the output are weighted here as well.
static const bits_paired_attention *pairs_of(const bits_attention_shape *s, const bits_attention_inputs *inputs, const bits_attention_gradients *x) {
    const bits_paired_attention *const paired = x->doutput_dtype == BITS_BF16 ? bits_attention_pairs(s, inputs) : NULL;
    const int64_t rows = s->batch * s->queries * s->heads;
    const int suits = paired && paired->all_finite(inputs->query, rows * s->width) && paired->all_finite(x->doutput, rows * s->value_width);
    return suits ? paired : NULL;
}

int32_t bits_cpu_attention_gradient(const bits_attention_shape *shape, const bits_attention_inputs *inputs, const bits_attention_gradients *gradients) {
    const int32_t dtypes[] = {gradients->output_dtype, gradients->doutput_dtype, gradients->dquery_dtype, gradients->dkey_dtype,
                              gradients->dvalue_dtype};
    for (int k = 0; k < 5; k++)
        if (!bits_is_float(dtypes[k])) return BITS_BAD_DTYPE;
    const int32_t status = bits_check_attention(shape, inputs);
    if (status != BITS_OK) return status;
    if (shape->key_stride != shape->keys) return BITS_BAD_SIZE;
    gradient_work work = {.loops = bits_rows_now(), .paired = pairs_of(shape, inputs, gradients), .shape = shape, .inputs = inputs,
                          .gradients = gradients};
    bits_share(shape->batch * shape->groups, bits_attention_work(shape, 5), gradient_part, &work);
    return atomic_load(&work.status);
}
