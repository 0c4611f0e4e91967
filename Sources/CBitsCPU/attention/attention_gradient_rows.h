// The gradient of attention of one level: one tile of rows against all its keys, the probabilities recomputed from the log-sum-exp.
#ifndef BITS_ATTENTION_GRADIENT_ROWS_H
#define BITS_ATTENTION_GRADIENT_ROWS_H
#include "attention/attention_rows.h"

// sums[j][h] += sum_r weights[j][r] rows[r][h], `tokens` x `vectors` of them from the pointers on.
INLINE void outer_sum_block(const int tokens, const int vectors, const int selective, const float *weights, const float *rows, int64_t padded, float *sums) {
    vf total[4][2];
    for (int s = 0; s < tokens; s++)
        for (int v = 0; v < vectors; v++) total[s][v] = load_f32(sums + s * padded + v * WIDTH);
    for (int r = 0; r < ROWS; r++) {
        vf x[2];
        for (int v = 0; v < vectors; v++) x[v] = load_f32(rows + r * padded + v * WIDTH);
#pragma clang loop unroll(full)
        for (int s = 0; s < tokens; s++) {
            const vf w = splat(weights[s * ROWS + r]);
#pragma clang loop unroll(full)
            for (int v = 0; v < vectors; v++) total[s][v] = weighted(selective, total[s][v], w, x[v]);
        }
    }
    for (int s = 0; s < tokens; s++)
        for (int v = 0; v < vectors; v++) store_f32(sums + s * padded + v * WIDTH, total[s][v]);
}

// `selective`: rows hold NaN or infinities, which a weight of 0 does not hide.
static void outer_sum(int selective, const float *weights, int64_t tokens, const float *rows, int64_t padded, float *sums) {
    int64_t j = 0;
    if (selective) {
        for (; j < tokens; j++)
            for (int64_t h = 0; h < padded; h += WIDTH) outer_sum_block(1, 1, 1, weights + j * ROWS, rows + h, padded, sums + j * padded + h);
        return;
    }
    for (; j + 4 <= tokens; j += 4) {
        int64_t h = 0;
        for (; h + 2 * WIDTH <= padded; h += 2 * WIDTH) outer_sum_block(4, 2, 0, weights + j * ROWS, rows + h, padded, sums + j * padded + h);
        if (h < padded) outer_sum_block(4, 1, 0, weights + j * ROWS, rows + h, padded, sums + j * padded + h);
    }
    for (; j < tokens; j++)
        for (int64_t h = 0; h < padded; h += WIDTH) outer_sum_block(1, 1, 0, weights + j * ROWS, rows + h, padded, sums + j * padded + h);
}

static void attention_tile_gradient(const bits_attention_group *group, int64_t first, int64_t count, const void *output, int32_t output_dtype,
                                    const void *doutput, int32_t doutput_dtype, const float *lse, void *dquery, int32_t dquery_dtype, float *dkey,
                                    float *dvalue, int64_t padded) {
    _Alignas(64) float query_rows[ROWS * MAX_WIDTH], query_columns[MAX_WIDTH * ROWS], doutput_rows[ROWS * MAX_WIDTH];
    _Alignas(64) float doutput_columns[MAX_WIDTH * ROWS], dquery_columns[MAX_WIDTH * ROWS], buffer[KEYS * MAX_WIDTH];
    _Alignas(64) float p[KEYS * ROWS], ds[KEYS * ROWS], dots[ROWS] = {0}, logs[ROWS] = {0};
    const int64_t width = group->width;
    const tile_rows rows = rows_of_tile(group, first, count);
    load_tile(&rows, count, group->query, group->query_dtype, width, group->scale * LOG2_E, query_columns, query_rows, padded);
    load_tile(&rows, count, doutput, doutput_dtype, width, 1, doutput_columns, doutput_rows, padded);
    memset(dquery_columns, 0, (size_t)(width * ROWS) * sizeof(float));
    for (int64_t r = 0; r < count; r++) {
        const void *row = bits_at(output, output_dtype, rows.offset[r]);
        vf sum = {};
        for (int64_t h = 0; h < width; h += WIDTH)
            sum = fma_or_not(load(row, output_dtype, h, width), load_f32(doutput_rows + r * padded + h), sum);
        dots[r] = sum_of_lanes(sum);
        logs[r] = lse[first + r] * LOG2_E;
    }
    const int wild_query = holds_non_finite(query_rows, padded, ROWS, width), wild_doutput = holds_non_finite(doutput_rows, padded, ROWS, width);
    vf one[QV], scale[QV];
    for (int v = 0; v < QV; v++) one[v] = splat(1), scale[v] = splat(group->scale);

    for (int64_t from = rows.from; from < rows.to; from += KEYS) {
        const int64_t keys = from + KEYS < rows.to ? KEYS : rows.to - from;
        const int masked = from < rows.shared_from || from + keys > rows.shared_to;
        if (masked && !any_row_sees(&rows, from, from + keys)) continue;
        int64_t stride;
        const float *values = widened_tokens(group->value, group->value_dtype, group->key_stride, from, keys, width, buffer, &stride);
        tile_scores(values, stride, keys, doutput_columns, width, ds);
        const float *tokens = widened_tokens(group->key, group->key_dtype, group->key_stride, from, keys, width, buffer, &stride);
        tile_scores(tokens, stride, keys, query_columns, width, p);
        for (int v = 0; v < QV; v++) {
            const vf log = load_f32(logs + v * WIDTH), dot = load_f32(dots + v * WIDTH);
            for (int64_t j = 0; j < keys; j++) {
                float *pj = p + j * ROWS + v * WIDTH, *dsj = ds + j * ROWS + v * WIDTH;
                vf probability = v_exp2(load_f32(pj) - log), d = probability * (load_f32(dsj) - dot);
                if (masked) {
                    const vi seen = sees(&rows, v, from + j);
                    probability = pick(seen, probability, zero());
                    d = pick(seen, d, zero());
                }
                store_f32(pj, probability);
                store_f32(dsj, d);
            }
        }
        outer_sum(masked && wild_doutput, p, keys, doutput_rows, padded, dvalue + from * padded);
        outer_sum(masked && wild_query, ds, keys, query_rows, padded, dkey + from * padded);
        tile_weighted_sum(masked, tokens, stride, keys, width, ds, one, dquery_columns);
    }
    store_tile(&rows, count, dquery_columns, scale, dquery, dquery_dtype, width);
}

#endif
