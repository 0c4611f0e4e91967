// Attention: tiles of rows, or stretches of a long cache, shared between threads.
#include "bits_transformer.h"
#include "elementwise/private_rows.h"
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { FEW_ROWS = 8, STRETCH_KEYS = 512 };
static const float LN_2 = 0.693147181f;

typedef struct {
    const bits_rows *loops;
    bits_attention_shape shape;
    const void *query, *key, *value;
    int32_t query_dtype, key_dtype, value_dtype, output_dtype;
    const int32_t *ranges;
    void *output;
    float *log_sum_exp;
    int64_t pieces;  // tiles or stretches per group
    float *scratch;
    // gradient only
    const void *saved_output, *doutput;
    const float *saved_log_sum_exp;
    void *dquery, *dkey, *dvalue;
    int32_t saved_output_dtype, doutput_dtype, dquery_dtype, dkey_dtype, dvalue_dtype;
    _Atomic int32_t status;
} attention_work;

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

// Where the rows of group g of batch entry b start in an array laid out as the query is.
static int64_t query_offset(const bits_attention_shape *shape, int64_t b, int64_t g) {
    return (b * shape->queries * shape->heads + g * (shape->heads / shape->groups)) * shape->width;
}

static int64_t key_offset(const bits_attention_shape *shape, int64_t b, int64_t g) {
    return (b * shape->key_stride * shape->groups + g) * shape->width;
}

static int64_t row_offset(const bits_attention_group *group, int64_t row) {
    return row / group->queries * group->head_stride + row % group->queries * group->query_stride;
}

static bits_attention_group group_at(const attention_work *work, int64_t b, int64_t g) {
    const bits_attention_shape *shape = &work->shape;
    return (bits_attention_group){
        .query = bits_at(work->query, work->query_dtype, query_offset(shape, b, g)),
        .key = bits_at(work->key, work->key_dtype, key_offset(shape, b, g)),
        .value = bits_at(work->value, work->value_dtype, key_offset(shape, b, g)),
        .ranges = work->ranges + b * shape->queries * 2,
        .query_dtype = work->query_dtype, .key_dtype = work->key_dtype, .value_dtype = work->value_dtype,
        .queries = shape->queries, .rows = shape->heads / shape->groups * shape->queries, .keys = shape->keys, .width = shape->width,
        .query_stride = shape->heads * shape->width, .key_stride = shape->groups * shape->width, .head_stride = shape->width,
        .scale = shape->scale};
}

static float *log_sum_exp_of(float *array, const bits_attention_shape *shape, int64_t b, int64_t g) {
    return array ? array + (b * shape->heads + g * (shape->heads / shape->groups)) * shape->queries : NULL;
}

static void tile_part(void *context, int64_t part) {
    const attention_work *work = context;
    const bits_attention_shape *shape = &work->shape;
    const int64_t b = part / work->pieces / shape->groups, g = part / work->pieces % shape->groups, first = part % work->pieces * BITS_ATTENTION_ROWS;
    const bits_attention_group group = group_at(work, b, g);
    work->loops->attention_tile(&group, first, least(BITS_ATTENTION_ROWS, group.rows - first),
                                bits_at_mutable(work->output, work->output_dtype, query_offset(shape, b, g)), work->output_dtype,
                                log_sum_exp_of(work->log_sum_exp, shape, b, g));
}

// Results of one stretch of keys for the rows of a group, in work->scratch: largest, total, then sums of each row.
static float *stretch_results(const attention_work *work, int64_t rows, int64_t part) {
    return work->scratch + part * rows * (2 + work->shape.width);
}

static void finish_few(const attention_work *work, const bits_attention_group *group, int64_t b, int64_t g, int64_t row, const float *sums,
                       float largest, float total) {
    float result[BITS_MAX_HEAD_WIDTH];
    const float factor = total == 0 ? 0 : 1 / total;
    for (int64_t h = 0; h < group->width; h++) result[h] = sums[h] * factor;
    void *target = bits_at_mutable(work->output, work->output_dtype, query_offset(&work->shape, b, g) + row_offset(group, row));
    if (work->output_dtype == BITS_F32) memcpy(target, result, (size_t)group->width * sizeof(float));
    else work->loops->convert(result, BITS_F32, target, work->output_dtype, group->width);
    if (work->log_sum_exp) log_sum_exp_of(work->log_sum_exp, &work->shape, b, g)[row] = largest * LN_2 + logf(total);
}

static void few_part(void *context, int64_t part) {
    const attention_work *work = context;
    const bits_attention_shape *shape = &work->shape;
    const int64_t b = part / work->pieces / shape->groups, g = part / work->pieces % shape->groups, piece = part % work->pieces;
    const bits_attention_group group = group_at(work, b, g);
    int64_t from = shape->keys, to = 0;
    for (int64_t q = 0; q < shape->queries; q++) {
        const int64_t low = group.ranges[2 * q], high = group.ranges[2 * q + 1];
        if (low >= high) continue;
        if (low < from) from = low;
        if (high > to) to = high;
    }
    if (from < piece * STRETCH_KEYS) from = piece * STRETCH_KEYS;
    to = least(to, piece + 1 == work->pieces ? shape->keys : (piece + 1) * STRETCH_KEYS);
    float local[FEW_ROWS * (2 + BITS_MAX_HEAD_WIDTH)];
    float *results = work->pieces > 1 ? stretch_results(work, group.rows, part) : local;
    float *largest = results, *totals = results + group.rows, *sums = results + 2 * group.rows;
    work->loops->attention_few(&group, from, to, sums, largest, totals);
    if (work->pieces == 1)
        for (int64_t row = 0; row < group.rows; row++)
            finish_few(work, &group, b, g, row, sums + row * group.width, largest[row], totals[row]);
}

// Joins the stretches of each row, in order.
static void join_few(const attention_work *work) {
    const bits_attention_shape *shape = &work->shape;
    for (int64_t b = 0; b < shape->batch; b++)
        for (int64_t g = 0; g < shape->groups; g++) {
            const bits_attention_group group = group_at(work, b, g);
            for (int64_t row = 0; row < group.rows; row++) {
                const int64_t first = (b * shape->groups + g) * work->pieces;
                float top = -INFINITY, total = 0, sums[BITS_MAX_HEAD_WIDTH] = {0};
                for (int64_t piece = 0; piece < work->pieces; piece++) {
                    const float largest = stretch_results(work, group.rows, first + piece)[row];
                    if (largest > top) top = largest;
                }
                for (int64_t piece = 0; piece < work->pieces; piece++) {
                    const float *results = stretch_results(work, group.rows, first + piece);
                    if (results[group.rows + row] == 0) continue;
                    const float factor = exp2f(results[row] - top), *part = results + 2 * group.rows + row * group.width;
                    total += results[group.rows + row] * factor;
                    for (int64_t h = 0; h < group.width; h++) sums[h] += part[h] * factor;
                }
                finish_few(work, &group, b, g, row, sums, top, total);
            }
        }
}

static int32_t check(const bits_attention_shape *s) {
    if (s->batch < 0 || s->queries < 0 || s->keys < 0 || s->key_stride < s->keys || s->groups <= 0 || s->heads % s->groups != 0) return BITS_BAD_SIZE;
    return s->width <= 0 || s->width > BITS_MAX_HEAD_WIDTH || s->keys > INT32_MAX ? BITS_BAD_SIZE : BITS_OK;
}

// Nanoseconds of `products` multiply-add passes over all pairs of rows and keys.
static int64_t work_of(const bits_attention_shape *shape, int64_t products) {
    return shape->batch * shape->heads * shape->queries * (shape->keys * shape->width * products / 32 + shape->width);
}

int32_t bits_cpu_attention(const bits_attention_shape *shape, const void *query, int32_t query_dtype, const void *key, int32_t key_dtype,
                           const void *value, int32_t value_dtype, const int32_t *ranges, void *output, int32_t output_dtype, float *log_sum_exp) {
    if (!bits_is_float(query_dtype) || !bits_is_float(key_dtype) || !bits_is_float(value_dtype) || !bits_is_float(output_dtype))
        return BITS_BAD_DTYPE;
    if (check(shape) != BITS_OK) return BITS_BAD_SIZE;
    if (shape->batch == 0 || shape->queries == 0 || shape->heads == 0) return BITS_OK;
    attention_work work = {.loops = bits_rows_now(), .shape = *shape, .query = query, .query_dtype = query_dtype, .key = key, .key_dtype = key_dtype,
                           .value = value, .value_dtype = value_dtype, .ranges = ranges, .output = output, .output_dtype = output_dtype,
                           .log_sum_exp = log_sum_exp};
    const int64_t rows = shape->heads / shape->groups * shape->queries, groups = shape->batch * shape->groups, cost = work_of(shape, 2);
    if (rows > FEW_ROWS) {
        work.pieces = (rows + BITS_ATTENTION_ROWS - 1) / BITS_ATTENTION_ROWS;
        bits_share(groups * work.pieces, cost, tile_part, &work);
        return BITS_OK;
    }
    work.pieces = shape->keys < 2 * STRETCH_KEYS ? 1 : shape->keys / STRETCH_KEYS;
    if (work.pieces > 1) {
        work.scratch = malloc((size_t)(groups * work.pieces * rows * (2 + shape->width)) * sizeof(float));
        if (!work.scratch) return BITS_NO_MEMORY;
    }
    bits_share(groups * work.pieces, cost, few_part, &work);
    if (work.pieces > 1) join_few(&work);
    free(work.scratch);
    return BITS_OK;
}

// All rows of one group: its keys' and values' gradients are this part's alone.
static void gradient_part(void *context, int64_t part) {
    attention_work *work = context;
    const bits_attention_shape *shape = &work->shape;
    const int64_t b = part / shape->groups, g = part % shape->groups;
    const bits_attention_group group = group_at(work, b, g);
    const int64_t padded = (shape->width + 15) / 16 * 16, floats = shape->keys * padded;
    float *dkey = aligned_alloc(64, (size_t)(2 * floats) * sizeof(float) + 64), *dvalue = dkey + floats;
    if (!dkey) {
        atomic_store(&work->status, BITS_NO_MEMORY);
        return;
    }
    memset(dkey, 0, (size_t)(2 * floats) * sizeof(float));
    const int64_t offset = query_offset(shape, b, g);
    const float *lse = log_sum_exp_of((float *)work->saved_log_sum_exp, shape, b, g);
    for (int64_t first = 0; first < group.rows; first += BITS_ATTENTION_ROWS)
        work->loops->attention_tile_gradient(&group, first, least(BITS_ATTENTION_ROWS, group.rows - first),
                                             bits_at(work->saved_output, work->saved_output_dtype, offset), work->saved_output_dtype,
                                             bits_at(work->doutput, work->doutput_dtype, offset), work->doutput_dtype, lse,
                                             bits_at_mutable(work->dquery, work->dquery_dtype, offset), work->dquery_dtype, dkey, dvalue, padded);
    for (int64_t k = 0; k < shape->keys; k++) {
        const int64_t target = key_offset(shape, b, g) + k * group.key_stride;
        work->loops->scale_shift(dkey + k * padded, BITS_F32, LN_2, 0, bits_at_mutable(work->dkey, work->dkey_dtype, target), work->dkey_dtype,
                                 shape->width);
        work->loops->convert(dvalue + k * padded, BITS_F32, bits_at_mutable(work->dvalue, work->dvalue_dtype, target), work->dvalue_dtype,
                             shape->width);
    }
    free(dkey);
}

int32_t bits_cpu_attention_gradient(const bits_attention_shape *shape, const void *query, int32_t query_dtype, const void *key, int32_t key_dtype,
                                    const void *value, int32_t value_dtype, const int32_t *ranges, const void *output, int32_t output_dtype,
                                    const float *log_sum_exp, const void *doutput, int32_t doutput_dtype, void *dquery, int32_t dquery_dtype,
                                    void *dkey, int32_t dkey_dtype, void *dvalue, int32_t dvalue_dtype) {
    const int32_t dtypes[] = {query_dtype, key_dtype, value_dtype, output_dtype, doutput_dtype, dquery_dtype, dkey_dtype, dvalue_dtype};
    for (int k = 0; k < 8; k++)
        if (!bits_is_float(dtypes[k])) return BITS_BAD_DTYPE;
    if (check(shape) != BITS_OK || shape->key_stride != shape->keys) return BITS_BAD_SIZE;
    attention_work work = {.loops = bits_rows_now(), .shape = *shape, .query = query, .query_dtype = query_dtype, .key = key, .key_dtype = key_dtype,
                           .value = value, .value_dtype = value_dtype, .ranges = ranges, .saved_output = output, .saved_output_dtype = output_dtype,
                           .saved_log_sum_exp = log_sum_exp, .doutput = doutput, .doutput_dtype = doutput_dtype, .dquery = dquery,
                           .dquery_dtype = dquery_dtype, .dkey = dkey, .dkey_dtype = dkey_dtype, .dvalue = dvalue, .dvalue_dtype = dvalue_dtype};
    bits_share(shape->batch * shape->groups, work_of(shape, 5), gradient_part, &work);
    return atomic_load(&work.status);
}
