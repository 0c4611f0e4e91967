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

// weights[j][row] *= slopes[j][row]; a weight of 0 stays, whatever the slope of what its row does not see.
static void apply_slopes(const float *slopes, int64_t count, float *weights) {
    for (int64_t i = 0; i < count * ROWS; i += WIDTH) {
        const vf weight = load_f32(weights + i);
        store_f32(weights + i, pick(weight == 0.0f, weight, weight * load_f32(slopes + i)));
    }
}

// d_by_query[row][bucket] += weights[j][row], d_by_key[j][bucket] += weights[j][row]
static void add_relative_gradient(const bits_attention_group *group, const bits_attention_sums *sums, const tile_rows *rows, const key_block *block,
                                  const float *weights) {
    const int64_t count = group->bucket_count;
    for (int64_t r = 0; r < rows->count; r++) {
        const int32_t *const buckets = buckets_of(group, rows, r, block);
        float *const by_query = sums->by_query ? sums->by_query + (rows->first + r) * count : NULL;
        float *const by_key = sums->by_key ? sums->by_key + by_key_offset(group, rows, r, block) : NULL;
        for (int64_t j = 0; j < block->count; j++) {
            const int32_t bucket = buckets[-j];
            if (bucket < 0 || bucket >= count) continue;
            if (by_query) by_query[bucket] += weights[j * ROWS + r];
            if (by_key) by_key[j * count + bucket] += weights[j * ROWS + r];
        }
    }
}

static void attention_tile_gradient(const bits_attention_group *group, int64_t first, int64_t count, const void *output, int32_t output_dtype,
                                    const void *doutput, int32_t doutput_dtype, const float *lse, void *dquery, int32_t dquery_dtype,
                                    const bits_attention_sums *sums) {
    tile_operand query_tile, doutput_tile;
    _Alignas(64) float dquery_columns[MAX_WIDTH * ROWS], buffer[KEYS * MAX_WIDTH];
    _Alignas(64) float p[KEYS * ROWS], ds[KEYS * ROWS], slopes[KEYS * ROWS], dots[ROWS] = {0}, logs[ROWS] = {0};
    const int64_t width = group->width, value_width = group->value_width;
    const tile_rows rows = rows_of_tile(group, first, count);
    load_operand(group, &rows, group->query, group->query_dtype, width, group->scale * LOG2_E, sums->key_stride, &query_tile);
    load_operand(group, &rows, doutput, doutput_dtype, value_width, 1, sums->value_stride, &doutput_tile);
    memset(dquery_columns, 0, (size_t)(width * ROWS) * sizeof(float));
    for (int64_t r = 0; r < count; r++) {
        const int64_t place = rows.place[r] * value_width;
        const void *row = bits_at(output, output_dtype, place), *drow = bits_at(doutput, doutput_dtype, place);
        vf sum = {};
        for (int64_t h = 0; h < value_width; h += WIDTH)
            sum = fma_or_not(load(row, output_dtype, h, value_width), load(drow, doutput_dtype, h, value_width), sum);
        dots[r] = sum_of_lanes(sum);
        logs[r] = lse[first + r] * LOG2_E;
    }
    const bits_paired_attention *const paired = group->paired;
    const int wild_query = !paired && holds_non_finite(query_tile.rows, sums->key_stride, ROWS, width);
    const int wild_doutput = !paired && holds_non_finite(doutput_tile.rows, sums->value_stride, ROWS, value_width);
    vf one[QV], scale[QV];
    for (int v = 0; v < QV; v++) one[v] = splat(1), scale[v] = splat(group->scale);

    key_block block = {0};
    while (next_keys(&rows, &block)) {
        int64_t stride = 0;
        const float *tokens = NULL;
        if (paired) {
            paired_products(group, &block, group->value, value_width, doutput_tile.column_pairs, 1, ds);
            paired_products(group, &block, group->key, width, query_tile.column_pairs, group->scale * LOG2_E, p);
            finish_scores(group, &rows, &block, p, slopes);
        } else {
            const float *const values = values_of_block(group, &block, buffer, &stride);
            tile_scores(values, stride, block.count, doutput_tile.columns, value_width, ds);
            tokens = scores_of_block(group, &rows, &block, query_tile.columns, buffer, p, slopes, &stride);
        }
        for (int v = 0; v < QV; v++) {
            const vf log = load_f32(logs + v * WIDTH), dot = load_f32(dots + v * WIDTH);
            for (int64_t j = 0; j < block.count; j++) {
                float *pj = p + j * ROWS + v * WIDTH, *dsj = ds + j * ROWS + v * WIDTH;
                vf probability = v_exp2(load_f32(pj) - log), d = probability * (load_f32(dsj) - dot);
                if (block.masked) {
                    const vi seen = sees(&rows, v, block.from + j);
                    probability = pick(seen, probability, zero());
                    d = pick(seen, d, zero());
                }
                store_f32(pj, probability);
                store_f32(dsj, d);
            }
        }
        float *const key_sums = sums->key + block.from * sums->key_stride, *const value_sums = sums->value + block.from * sums->value_stride;
        if (paired) paired->outer_sum(p, 1, block.count, doutput_tile.row_pairs, sums->value_stride, value_sums);
        else outer_sum(block.masked && wild_doutput, p, block.count, doutput_tile.rows, sums->value_stride, value_sums);
        if (group->buckets) add_relative_gradient(group, sums, &rows, &block, ds);
        if (group->cap) apply_slopes(slopes, block.count, ds);
        if (paired) {
            paired->outer_sum(ds, group->scale * LOG2_E, block.count, query_tile.row_pairs, sums->key_stride, key_sums);
            paired_weighted_sum(group, &block, group->key, width, ds, one, dquery_columns);
        } else {
            outer_sum(block.masked && wild_query, ds, block.count, query_tile.rows, sums->key_stride, key_sums);
            tile_weighted_sum(block.masked, tokens, stride, block.count, width, ds, one, dquery_columns);
        }
    }
    store_tile(&rows, dquery_columns, scale, dquery, dquery_dtype, width);
}

#endif
