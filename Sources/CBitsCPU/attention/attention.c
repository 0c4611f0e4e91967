// Attention: tiles of rows, or stretches of a long cache, shared between threads.
#include "attention/private_attention.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FEW_ROWS = 8, STRETCH_KEYS = 512 };
static const float LN_2 = 0.693147181f;

typedef struct {
    const bits_rows *loops;
    const bits_paired_attention *paired;
    const bits_attention_shape *shape;
    const bits_attention_inputs *inputs;
    void *output;
    int32_t output_dtype;
    float *log_sum_exp;
    int64_t pieces;  // tiles or stretches per group
    float *scratch;
} attention_work;

// A part of the work: which piece of which group.
typedef struct {
    int64_t b, g, piece;
    bits_attention_group group;
} attention_part;

static attention_part part_at(const attention_work *work, int64_t part) {
    const int64_t b = part / work->pieces / work->shape->groups, g = part / work->pieces % work->shape->groups;
    attention_part result = {b, g, part % work->pieces, bits_attention_group_at(work->shape, work->inputs, b, g)};
    result.group.paired = work->paired;
    return result;
}

// Where the rows of a group begin in the output, and in the log-sum-exps.
static void *output_of(const attention_work *work, int64_t b, int64_t g) {
    return bits_at_mutable(work->output, work->output_dtype, bits_query_place(work->shape, b, g) * work->shape->value_width);
}
static float *log_sum_exp_of(const attention_work *work, int64_t b, int64_t g) {
    return work->log_sum_exp ? work->log_sum_exp + bits_head_place(work->shape, b, g) * work->shape->queries : NULL;
}

static void tile_part(void *context, int64_t part) {
    const attention_work *work = context;
    const attention_part p = part_at(work, part);
    const int64_t first = p.piece * BITS_ATTENTION_ROWS, left = p.group.rows - first;
    work->loops->attention_tile(&p.group, first, left < BITS_ATTENTION_ROWS ? left : BITS_ATTENTION_ROWS, output_of(work, p.b, p.g),
                                work->output_dtype, log_sum_exp_of(work, p.b, p.g));
}

// Results of one stretch of keys for the rows of a group, in work->scratch: largest, total, then sums of each row.
static float *stretch_results(const attention_work *work, int64_t rows, int64_t part) {
    return work->scratch + part * rows * (2 + work->shape->value_width);
}

static void finish_few(const attention_work *work, const attention_part *p, int64_t row, const float *sums, float largest, float total) {
    float result[BITS_MAX_HEAD_WIDTH];
    const int64_t width = p->group.value_width, place = row % p->group.queries * p->group.heads + row / p->group.queries;
    const float factor = total == 0 ? 0 : 1 / total;
    for (int64_t h = 0; h < width; h++) result[h] = sums[h] * factor;
    void *target = bits_at_mutable(output_of(work, p->b, p->g), work->output_dtype, place * width);
    if (work->output_dtype == BITS_F32) memcpy(target, result, (size_t)width * sizeof(float));
    else work->loops->convert(result, BITS_F32, target, work->output_dtype, width);
    if (work->log_sum_exp) log_sum_exp_of(work, p->b, p->g)[row] = largest * LN_2 + logf(total);
}

static void few_part(void *context, int64_t part) {
    const attention_work *work = context;
    const attention_part p = part_at(work, part);
    const int64_t rows = p.group.rows, keys = work->shape->keys, start = p.piece * STRETCH_KEYS;
    const int64_t end = p.piece + 1 == work->pieces ? keys : start + STRETCH_KEYS;
    int64_t from = keys, to = 0;
    for (int64_t q = 0; q < p.group.queries; q++) {
        const bits_key_range range = bits_keys_seen(&p.group, q);
        if (range.low >= range.high) continue;
        if (range.low < from) from = range.low;
        if (range.high > to) to = range.high;
    }
    float local[FEW_ROWS * (2 + BITS_MAX_HEAD_WIDTH)];
    float *results = work->pieces > 1 ? stretch_results(work, rows, part) : local;
    float *largest = results, *totals = results + rows, *sums = results + 2 * rows;
    work->loops->attention_few(&p.group, from < start ? start : from, to > end ? end : to, sums, largest, totals);
    if (work->pieces == 1)
        for (int64_t row = 0; row < rows; row++) finish_few(work, &p, row, sums + row * p.group.value_width, largest[row], totals[row]);
}

// Joins the stretches of each row, in order.
static void join_few(const attention_work *work) {
    const int64_t groups = work->shape->batch * work->shape->groups, width = work->shape->value_width;
    for (int64_t i = 0; i < groups; i++) {
        const attention_part p = part_at(work, i * work->pieces);
        const int64_t rows = p.group.rows;
        for (int64_t row = 0; row < rows; row++) {
            float top = -INFINITY, total = 0, sums[BITS_MAX_HEAD_WIDTH] = {0};
            for (int64_t piece = 0; piece < work->pieces; piece++) {
                const float largest = stretch_results(work, rows, i * work->pieces + piece)[row];
                if (largest > top) top = largest;
            }
            for (int64_t piece = 0; piece < work->pieces; piece++) {
                const float *results = stretch_results(work, rows, i * work->pieces + piece);
                if (results[rows + row] == 0) continue;
                const float factor = exp2f(results[row] - top), *part = results + 2 * rows + row * width;
                total += results[rows + row] * factor;
                for (int64_t h = 0; h < width; h++) sums[h] += part[h] * factor;
            }
            finish_few(work, &p, row, sums, top, total);
        }
    }
}

int32_t bits_cpu_attention(const bits_attention_shape *shape, const bits_attention_inputs *inputs, void *output, int32_t output_dtype,
                           float *log_sum_exp) {
    if (!bits_is_float(output_dtype)) return BITS_BAD_DTYPE;
    const int32_t status = bits_check_attention(shape, inputs);
    if (status != BITS_OK || shape->batch == 0 || shape->queries == 0 || shape->heads == 0) return status;
    attention_work work = {.loops = bits_rows_now(), .shape = shape, .inputs = inputs, .output = output, .output_dtype = output_dtype,
                           .log_sum_exp = log_sum_exp};
    const int64_t rows = bits_group_heads(shape) * shape->queries, groups = shape->batch * shape->groups, cost = bits_attention_work(shape, 2);
    if (rows > FEW_ROWS || inputs->buckets) {
        work.pieces = (rows + BITS_ATTENTION_ROWS - 1) / BITS_ATTENTION_ROWS;
        work.paired = bits_attention_pairs(shape, inputs);
        bits_share(groups * work.pieces, cost, tile_part, &work);
        return BITS_OK;
    }
    // A stretch ends where it ends whatever room a cache has, so that the order of a row's sums depends on the keys that it sees alone.
    work.pieces = shape->keys <= STRETCH_KEYS ? 1 : (shape->keys + STRETCH_KEYS - 1) / STRETCH_KEYS;
    if (work.pieces > 1) {
        work.scratch = malloc((size_t)(groups * work.pieces * rows * (2 + shape->value_width)) * sizeof(float));
        if (!work.scratch) return BITS_NO_MEMORY;
    }
    bits_share(groups * work.pieces, cost, few_part, &work);
    if (work.pieces > 1) join_few(&work);
    free(work.scratch);
    return BITS_OK;
}
