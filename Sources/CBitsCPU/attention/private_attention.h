// What the two directions of attention share: where the operands of a head group lie, and what they have to satisfy.
#ifndef BITS_PRIVATE_ATTENTION_H
#define BITS_PRIVATE_ATTENTION_H
#include "bits_transformer.h"
#include "elementwise/private_rows.h"

BITS_INLINE int64_t bits_group_heads(const bits_attention_shape *shape) { return shape->heads / shape->groups; }

// Row-sized vectors before group g of batch entry b in an array [batch, queries, heads, ...], [batch, key_stride, groups, ...] or [batch, heads, ...].
BITS_INLINE int64_t bits_query_place(const bits_attention_shape *shape, int64_t b, int64_t g) {
    return b * shape->queries * shape->heads + g * bits_group_heads(shape);
}
BITS_INLINE int64_t bits_key_place(const bits_attention_shape *shape, int64_t b, int64_t g) { return b * shape->key_stride * shape->groups + g; }
BITS_INLINE int64_t bits_head_place(const bits_attention_shape *shape, int64_t b, int64_t g) { return b * shape->heads + g * bits_group_heads(shape); }

BITS_INLINE bits_attention_group bits_attention_group_at(const bits_attention_shape *shape, const bits_attention_inputs *inputs, int64_t b, int64_t g) {
    const int64_t query = bits_query_place(shape, b, g), key = bits_key_place(shape, b, g), head = bits_head_place(shape, b, g);
    return (bits_attention_group){
        .query = bits_at(inputs->query, inputs->query_dtype, query * shape->width),
        .key = bits_at(inputs->key, inputs->key_dtype, key * shape->width),
        .value = bits_at(inputs->value, inputs->value_dtype, key * shape->value_width),
        .ranges = inputs->ranges + b * shape->queries * 2,
        .query_dtype = inputs->query_dtype, .key_dtype = inputs->key_dtype, .value_dtype = inputs->value_dtype,
        .window = shape->window, .window_size = shape->window_size,
        .queries = shape->queries, .rows = bits_group_heads(shape) * shape->queries, .keys = shape->keys,
        .width = shape->width, .value_width = shape->value_width, .heads = shape->heads, .groups = shape->groups,
        .scale = shape->scale, .cap = shape->cap,
        .slopes = inputs->slopes ? inputs->slopes + g * bits_group_heads(shape) : NULL,
        .by_query = inputs->by_query ? inputs->by_query + head * shape->queries * inputs->bucket_count : NULL,
        .by_key = inputs->by_key ? inputs->by_key + head * shape->keys * inputs->bucket_count : NULL,
        .buckets = inputs->buckets, .bucket_count = inputs->bucket_count};
}

BITS_INLINE int32_t bits_check_attention(const bits_attention_shape *s, const bits_attention_inputs *inputs) {
    if (!bits_is_float(inputs->query_dtype) || !bits_is_float(inputs->key_dtype) || !bits_is_float(inputs->value_dtype)) return BITS_BAD_DTYPE;
    if (s->batch < 0 || s->queries < 0 || s->keys < 0 || s->key_stride < s->keys || s->groups <= 0 || s->heads % s->groups != 0) return BITS_BAD_SIZE;
    if (s->width <= 0 || s->width > BITS_MAX_HEAD_WIDTH || s->value_width <= 0 || s->value_width > BITS_MAX_HEAD_WIDTH) return BITS_BAD_SIZE;
    if (s->keys > INT32_MAX || s->queries > INT32_MAX || inputs->bucket_count < 0) return BITS_BAD_SIZE;
    if (s->window < BITS_WINDOW_NONE || s->window > BITS_WINDOW_AROUND || s->window_size < 0) return BITS_BAD_OPTION;
    if (!(s->cap >= 0)) return BITS_BAD_OPTION;
    return (inputs->by_query || inputs->by_key) && !inputs->buckets ? BITS_BAD_OPTION : BITS_OK;
}

// Whether the `tokens` tokens of each batch entry are finite, those of an array [batch, stride, groups, width] in bfloat16.
BITS_INLINE int bits_all_finite(const bits_paired_attention *paired, const void *array, int64_t batch, int64_t tokens, int64_t stride, int64_t token) {
    int finite = 1;
    for (int64_t b = 0; b < batch; b++) finite = finite && paired->all_finite((const uint16_t *)array + b * stride * token, tokens * token);
    return finite;
}

// What multiplies tiles in pairs of bfloat16: from so many queries on that the rounding of weights is worth it, where all operands are bfloat16, and keys
// and values finite. Else NULL.
BITS_INLINE const bits_paired_attention *bits_attention_pairs(const bits_attention_shape *s, const bits_attention_inputs *x) {
#if BITS_X86
    enum { MANY = 128 };
    const bits_paired_attention *const paired = &bits_paired_attention_avx512;
    if (!(bits_cpu_features() & BITS_HAS_AVX512_BF16) || s->queries < MANY || s->width % 2 || s->value_width % 2) return NULL;
    if (x->query_dtype != BITS_BF16 || x->key_dtype != BITS_BF16 || x->value_dtype != BITS_BF16) return NULL;
    const int finite = bits_all_finite(paired, x->key, s->batch, s->keys, s->key_stride, s->groups * s->width)
                       && bits_all_finite(paired, x->value, s->batch, s->keys, s->key_stride, s->groups * s->value_width);
    return finite ? paired : NULL;
#else
    return NULL;
#endif
}

// Nanoseconds of `products` multiply-add passes over all pairs of rows and keys.
BITS_INLINE int64_t bits_attention_work(const bits_attention_shape *shape, int64_t products) {
    return shape->batch * shape->heads * shape->queries * (shape->keys * shape->width * products / 32 + shape->width);
}

#endif
