// Attention of one level for a few rows (generation: one query): a vector holds a stretch of one head's width, or the scores of many keys.
#ifndef BITS_ATTENTION_FEW_ROWS_H
#define BITS_ATTENTION_FEW_ROWS_H
#include "attention_rows.h"

// scores[j] = q · tokens[j] for WIDTH tokens; the ones from `count` on repeat the last.
INLINE vf few_scores(const float *q, const float *tokens, int64_t stride, int64_t count, int64_t width) {
    vf sums[WIDTH];
    for (int k = 0; k < WIDTH; k++) {
        const float *token = tokens + (k < count ? k : count - 1) * stride;
        vf sum = {};
        for (int64_t h = 0; h < width; h += WIDTH) sum = fma_or_not(load(token, BITS_F32, h, width), load_f32(q + h), sum);
        sums[k] = sum;
    }
    return sums_of_rows(sums);
}

// sums[h] = sums[h] * factor + sum_j weights[j] tokens[j][h], `vectors` vectors of h from the pointers on.
INLINE void few_weighted_sum(const int vectors, const float *weights, const float *tokens, int64_t stride, int64_t count, float factor, float *sums) {
    vf total[4];
    for (int v = 0; v < vectors; v++) total[v] = load_f32(sums + v * WIDTH) * factor;
    for (int64_t j = 0; j < count; j++) {
        const vf w = splat(weights[j]);
#pragma clang loop unroll(full)
        for (int v = 0; v < vectors; v++) total[v] = fma_or_not(w, load_f32(tokens + j * stride + v * WIDTH), total[v]);
    }
    for (int v = 0; v < vectors; v++) store_f32(sums + v * WIDTH, total[v]);
}

// The tail of fewer than WIDTH elements.
INLINE void few_weighted_sum_part(const float *weights, const float *tokens, int64_t stride, int64_t count, float factor, float *sums, int64_t part) {
    vf total = load_part_f32(sums, part) * factor;
    for (int64_t j = 0; j < count; j++) total = fma_or_not(splat(weights[j]), load_part_f32(tokens + j * stride, part), total);
    store_part_f32(sums, total, part);
}

static void attention_few(const bits_attention_group *group, int64_t from, int64_t to, float *sums, float *largest, float *totals) {
    _Alignas(64) float queries[MAX_WIDTH * ROWS], buffer[KEYS * MAX_WIDTH], weights[ROWS * KEYS];
    const int64_t width = group->width, padded = (width + WIDTH - 1) / WIDTH * WIDTH;
    float factors[ROWS];
    for (int64_t r = 0; r < group->rows; r++) {
        const void *query = bits_at(group->query, group->query_dtype, row_offset(group, r));
        for (int64_t h = 0; h < width; h += WIDTH)
            store_f32(queries + r * padded + h, load(query, group->query_dtype, h, width) * group->scale);
        largest[r] = -INFINITY;
        totals[r] = 0;
    }
    memset(sums, 0, (size_t)(group->rows * width) * sizeof(float));

    for (int64_t start = from; start < to; start += KEYS) {
        const int64_t keys = start + KEYS < to ? KEYS : to - start;
        int64_t stride;
        const float *tokens = widened_tokens(group->key, group->key_dtype, group->key_stride, start, keys, width, buffer, &stride);
        for (int64_t r = 0; r < group->rows; r++) {
            const int32_t *pair = group->ranges + 2 * (r % group->queries);
            vf scores[KEYS / WIDTH], top = splat(largest[r]), sum = {};
            const vi low = splat_bits((int32_t)(pair[0] - start)), high = splat_bits((int32_t)((pair[1] < to ? pair[1] : to) - start));
            vi number;
            for (int k = 0; k < WIDTH; k++) number[k] = k;
            for (int64_t j = 0; j < keys; j += WIDTH) {
                const vf s = few_scores(queries + r * padded, tokens + j * stride, stride, keys - j, width);
                const vi key = number + (int32_t)j;
                scores[j / WIDTH] = pick((low <= key) & (key < high), s, splat(-INFINITY));
                top = larger(scores[j / WIDTH], top);
            }
            const float best = largest_lane(top);
            const vf base = splat(best == -INFINITY ? 0 : best);
            for (int64_t j = 0; j < keys; j += WIDTH) {
                const vf p = v_exp(scores[j / WIDTH] - base);
                store_f32(weights + r * KEYS + j, p);
                sum = sum + p;
            }
            factors[r] = v_exp(splat(largest[r]) - base)[0];
            totals[r] = totals[r] * factors[r] + sum_of_lanes(sum);
            largest[r] = best;
        }
        tokens = widened_tokens(group->value, group->value_dtype, group->key_stride, start, keys, width, buffer, &stride);
        for (int64_t r = 0; r < group->rows; r++) {
            const float *w = weights + r * KEYS;
            float *sum = sums + r * width;
            int64_t h = 0;
            for (; h + 4 * WIDTH <= width; h += 4 * WIDTH) few_weighted_sum(4, w, tokens + h, stride, keys, factors[r], sum + h);
            for (; h + WIDTH <= width; h += WIDTH) few_weighted_sum(1, w, tokens + h, stride, keys, factors[r], sum + h);
            if (h < width) few_weighted_sum_part(w, tokens + h, stride, keys, factors[r], sum + h, width - h);
        }
    }
}

#endif
