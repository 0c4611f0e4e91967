// Attention of one level for a few rows (generation: one query): a vector holds a stretch of one head's width, or the scores of many keys.
#ifndef BITS_ATTENTION_FEW_ROWS_H
#define BITS_ATTENTION_FEW_ROWS_H
#include "attention/attention_rows.h"

// Rows that share the reading of keys and values, and keys or vectors of values at a time: as many sums as fit the registers.
enum { SHARING = 4, FEW_KEYS = WIDTH == 16 ? 4 : 2, FEW_VECTORS = WIDTH == 16 ? 4 : 2 };

// scores[r] = queries[r] · tokens[j], lane j, for WIDTH tokens; the ones from `count` on repeat the last.
INLINE void few_scores(const int rows, const float *queries, int64_t padded, const float *tokens, int64_t stride, int64_t count, int64_t width,
                       vf scores[]) {
    vf sums[SHARING][WIDTH];
    for (int k = 0; k < WIDTH; k += FEW_KEYS) {
        const float *token[FEW_KEYS];
        vf total[SHARING][FEW_KEYS] = {};
        for (int s = 0; s < FEW_KEYS; s++) token[s] = tokens + (k + s < count ? k + s : count - 1) * stride;
        for (int64_t h = 0; h < width; h += WIDTH) {
#pragma clang loop unroll(full)
            for (int s = 0; s < FEW_KEYS; s++) {
                const vf t = load(token[s], BITS_F32, h, width);
#pragma clang loop unroll(full)
                for (int r = 0; r < rows; r++) total[r][s] = fma_or_not(t, load_f32(queries + r * padded + h), total[r][s]);
            }
        }
        for (int r = 0; r < rows; r++)
            for (int s = 0; s < FEW_KEYS; s++) sums[r][k + s] = total[r][s];
    }
    for (int r = 0; r < rows; r++) scores[r] = sums_of_rows(sums[r]);
}

static void few_scores_of(int64_t rows, const float *queries, int64_t padded, const float *tokens, int64_t stride, int64_t count, int64_t width,
                          vf scores[]) {
    switch (rows) {
    case 1: few_scores(1, queries, padded, tokens, stride, count, width, scores); break;
    case 2: few_scores(2, queries, padded, tokens, stride, count, width, scores); break;
    case 3: few_scores(3, queries, padded, tokens, stride, count, width, scores); break;
    default: few_scores(4, queries, padded, tokens, stride, count, width, scores); break;
    }
}

// sums[r][h] = sums[r][h] * factors[r] + sum_j weights[r][j] tokens[j][h], for `vectors` vectors of h from the pointers on, or for a part of one.
INLINE void few_weighted_sum(const int rows, const int vectors, const int selective, int64_t part, const float *weights, const float *tokens, int64_t stride, int64_t count,
                             const float *factors, float *sums, int64_t width) {
    vf total[SHARING][FEW_VECTORS];
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < vectors; v++) total[r][v] = load(sums + r * width, BITS_F32, v * WIDTH, part) * factors[r];
    for (int64_t j = 0; j < count; j++) {
#pragma clang loop unroll(full)
        for (int v = 0; v < vectors; v++) {
            const vf t = load(tokens + j * stride, BITS_F32, v * WIDTH, part);
#pragma clang loop unroll(full)
            for (int r = 0; r < rows; r++) total[r][v] = weighted(selective, total[r][v], splat(weights[r * KEYS + j]), t);
        }
    }
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < vectors; v++) store(sums + r * width, BITS_F32, v * WIDTH, part, total[r][v]);
}

INLINE void few_weighted_sums(const int rows, int selective, const float *weights, const float *tokens, int64_t stride, int64_t count,
                              const float *factors, float *sums, int64_t width) {
    const int64_t step = FEW_VECTORS * WIDTH;
    int64_t h = 0;
    if (selective) {
        for (; h < width; h += WIDTH)
            few_weighted_sum(rows, 1, 1, width - h < WIDTH ? width - h : WIDTH, weights, tokens + h, stride, count, factors, sums + h, width);
        return;
    }
    for (; h + step <= width; h += step)
        few_weighted_sum(rows, FEW_VECTORS, 0, step, weights, tokens + h, stride, count, factors, sums + h, width);
    for (; h + WIDTH <= width; h += WIDTH) few_weighted_sum(rows, 1, 0, WIDTH, weights, tokens + h, stride, count, factors, sums + h, width);
    if (h < width) few_weighted_sum(rows, 1, 0, width - h, weights, tokens + h, stride, count, factors, sums + h, width);
}

// `selective`: tokens hold NaN or infinities, which a weight of 0 does not hide.
static void few_weighted_sums_of(int64_t rows, int selective, const float *weights, const float *tokens, int64_t stride, int64_t count,
                                 const float *factors, float *sums, int64_t width) {
    switch (rows) {
    case 1: few_weighted_sums(1, selective, weights, tokens, stride, count, factors, sums, width); break;
    case 2: few_weighted_sums(2, selective, weights, tokens, stride, count, factors, sums, width); break;
    case 3: few_weighted_sums(3, selective, weights, tokens, stride, count, factors, sums, width); break;
    default: few_weighted_sums(4, selective, weights, tokens, stride, count, factors, sums, width); break;
    }
}

static void attention_few(const bits_attention_group *group, int64_t from, int64_t to, float *sums, float *largest, float *totals) {
    _Alignas(64) float queries[MAX_WIDTH * ROWS], buffer[KEYS * MAX_WIDTH], weights[ROWS * KEYS];
    const int64_t width = group->width, value_width = group->value_width, padded = (width + WIDTH - 1) / WIDTH * WIDTH;
    float factors[ROWS];
    const tile_rows rows = rows_of_tile(group, 0, group->rows);
    for (int64_t r = 0; r < group->rows; r++) {
        const void *query = bits_at(group->query, group->query_dtype, rows.place[r] * width);
        for (int64_t h = 0; h < width; h += WIDTH)
            store_f32(queries + r * padded + h, load(query, group->query_dtype, h, width) * (group->scale * LOG2_E));
        largest[r] = -INFINITY;
        totals[r] = 0;
    }
    memset(sums, 0, (size_t)(group->rows * value_width) * sizeof(float));

    vi number;
    for (int k = 0; k < WIDTH; k++) number[k] = k;
    for (int64_t start = from; start < to; start += KEYS) {
        const key_block block = {.from = start, .count = start + KEYS < to ? KEYS : to - start};
        int masked = 0;
        for (int64_t r = 0; r < group->rows; r++) masked |= rows.low[r] > start || rows.high[r] < start + block.count;
        int64_t stride;
        const float *tokens = keys_of_block(group, &block, buffer, &stride);
        for (int64_t first = 0; first < group->rows; first += SHARING) {
            const int64_t sharing = group->rows - first < SHARING ? group->rows - first : SHARING;
            vf scores[KEYS / WIDTH][SHARING];
            for (int64_t j = 0; j < block.count; j += WIDTH)
                few_scores_of(sharing, queries + first * padded, padded, tokens + j * stride, stride, block.count - j, width, scores[j / WIDTH]);
            for (int64_t k = 0; k < sharing; k++) {
                const int64_t r = first + k;
                const vi low = splat_bits((int32_t)(rows.low[r] - start));
                const vi high = splat_bits((int32_t)((rows.high[r] < to ? rows.high[r] : to) - start));
                vf top = splat(largest[r]), sum = {};
                for (int64_t j = 0; j < block.count; j += WIDTH) {
                    const vi key = number + (int32_t)j;
                    if (group->cap) scores[j / WIDTH][k] = bounded(scores[j / WIDTH][k], group->cap * LOG2_E);
                    if (group->slopes) {
                        const vf distance = __builtin_convertvector(key + (int32_t)(start + 1 - rows.high[r]), vf);
                        scores[j / WIDTH][k] = fma_or_not(splat(rows.slope[r]), distance, scores[j / WIDTH][k]);
                    }
                    scores[j / WIDTH][k] = pick((low <= key) & (key < high), scores[j / WIDTH][k], splat(-INFINITY));
                    top = larger(scores[j / WIDTH][k], top);
                }
                const float best = largest_lane(top);
                const vf base = splat(best == -INFINITY ? 0 : best);
                for (int64_t j = 0; j < block.count; j += WIDTH) {
                    const vf p = v_exp2(scores[j / WIDTH][k] - base);
                    store_f32(weights + r * KEYS + j, p);
                    sum = sum + p;
                }
                factors[r] = v_exp2(splat(largest[r]) - base)[0];
                totals[r] = totals[r] * factors[r] + sum_of_lanes(sum);
                largest[r] = best;
            }
        }
        tokens = values_of_block(group, &block, buffer, &stride);
        const int selective = masked && holds_non_finite(tokens, stride, block.count, value_width);
        for (int64_t r = 0; r < group->rows; r += SHARING)
            few_weighted_sums_of(group->rows - r < SHARING ? group->rows - r : SHARING, selective, weights + r * KEYS, tokens, stride, block.count,
                                 factors + r, sums + r * value_width, value_width);
    }
}

#endif
