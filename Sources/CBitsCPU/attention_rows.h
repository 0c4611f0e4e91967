// Attention of one level: the loops over tiles.
//
// A tile is 16 rows (a row is one query of one head) against all keys, 32 at a time. Scores lie transposed, [key][row], so that a vector holds one
// key's scores for many rows: the softmax needs no sums across lanes, and K and V are read as they lie, one broadcast number per multiply-add.
#ifndef BITS_ATTENTION_ROWS_H
#define BITS_ATTENTION_ROWS_H
#include "private_rows.h"
#include "private_vector_math.h"

enum { ROWS = BITS_ATTENTION_ROWS, KEYS = BITS_ATTENTION_KEYS, MAX_WIDTH = BITS_ATTENTION_WIDTH, QV = ROWS / WIDTH, STEP = 8 / QV };

typedef struct {
    int32_t low[ROWS], high[ROWS];  // key range per row
    int64_t from, to;               // keys any row sees
    int64_t shared_from, shared_to; // keys every row sees
} tile_range;

static tile_range range_of_tile(const bits_attention_group *group, int64_t first, int64_t count) {
    tile_range range = {.from = INT32_MAX, .to = 0, .shared_from = 0, .shared_to = INT32_MAX};
    for (int64_t r = 0; r < ROWS; r++) {
        int32_t low = 0, high = 0;
        if (r < count) {
            const int32_t *pair = group->ranges + 2 * ((first + r) % group->queries);
            low = pair[0] < 0 ? 0 : pair[0], high = pair[1] > group->keys ? (int32_t)group->keys : pair[1];
        }
        if (low >= high) low = high = 0;
        range.low[r] = low;
        range.high[r] = high;
        if (low > range.shared_from) range.shared_from = low;
        if (high < range.shared_to) range.shared_to = high;
        if (low == high) continue;
        if (low < range.from) range.from = low;
        if (high > range.to) range.to = high;
    }
    return range;
}

// First element of row `row` in an array laid out as the query is.
INLINE int64_t row_offset(const bits_attention_group *group, int64_t row) {
    return row / group->queries * group->head_stride + row % group->queries * group->query_stride;
}

// Tokens [from, from + count) of a key or value array in float32: in place, or widened into `buffer`.
INLINE const float *widened_tokens(const void *array, int32_t dtype, int64_t token_stride, int64_t from, int64_t count, int64_t width, float *buffer,
                                   int64_t *stride) {
    if (dtype == BITS_F32) {
        *stride = token_stride;
        return (const float *)array + from * token_stride;
    }
    for (int64_t j = 0; j < count; j++) {
        const uint16_t *token = (const uint16_t *)array + (from + j) * token_stride;
        for (int64_t h = 0; h < width; h += WIDTH) store(buffer + j * width, BITS_F32, h, width, load(token, dtype, h, width));
    }
    *stride = width;
    return buffer;
}

// Rows of a tile, float32 times `scale`: `rows` as [ROWS][padded] when given, and transposed [width][ROWS]. Rows past `count` are zero.
static void load_tile(const bits_attention_group *group, const void *array, int32_t dtype, int64_t first, int64_t count, float scale, float *rows,
                      int64_t padded, float *columns) {
    const char *starts[ROWS];
    for (int64_t r = 0; r < count; r++) starts[r] = bits_at(array, dtype, row_offset(group, first + r));
    for (int64_t h = 0; h < group->width; h += WIDTH) {
        for (int v = 0; v < QV; v++) {
            vf block[WIDTH];
            for (int i = 0; i < WIDTH; i++) {
                const int r = v * WIDTH + i;
                block[i] = r < count ? load(starts[r], dtype, h, group->width) * scale : zero();
                if (rows) store_f32(rows + r * padded + h, block[i]);
            }
            transpose(block);
            for (int i = 0; i < WIDTH && h + i < group->width; i++) store_f32(columns + (h + i) * ROWS + v * WIDTH, block[i]);
        }
    }
    const int64_t filled = (group->width + WIDTH - 1) / WIDTH * WIDTH;
    for (int64_t r = 0; rows && r < ROWS; r++) memset(rows + r * padded + filled, 0, (size_t)(padded - filled) * sizeof(float));
}

// The other way: columns [width][ROWS] times `factors` per row into rows of an array.
static void store_tile(const bits_attention_group *group, const float *columns, const vf factors[], int64_t first, int64_t count, void *array,
                       int32_t dtype) {
    for (int64_t h = 0; h < group->width; h += WIDTH) {
        for (int v = 0; v < QV && v * WIDTH < count; v++) {
            vf block[WIDTH];
            for (int i = 0; i < WIDTH; i++)
                block[i] = h + i < group->width ? load_f32(columns + (h + i) * ROWS + v * WIDTH) * factors[v] : zero();
            transpose(block);
            for (int i = 0; i < WIDTH && v * WIDTH + i < count; i++)
                store(bits_at_mutable(array, dtype, row_offset(group, first + v * WIDTH + i)), dtype, h, group->width, block[i]);
        }
    }
}

// scores[j][row] = tokens[j] · columns[.][row], for `count` tokens; columns is [width][ROWS]. `scores` has room for a multiple of 8 tokens.
static void tile_scores(const float *tokens, int64_t stride, int64_t count, const float *columns, int64_t width, float *scores) {
    for (int64_t j = 0; j < count; j += STEP) {
        const float *token[STEP];
        vf sums[STEP][QV] = {};
        for (int s = 0; s < STEP; s++) token[s] = tokens + (j + s < count ? j + s : count - 1) * stride;
        for (int64_t h = 0; h < width; h++) {
            vf q[QV];
            for (int v = 0; v < QV; v++) q[v] = load_f32(columns + h * ROWS + v * WIDTH);
#pragma clang loop unroll(full)
            for (int s = 0; s < STEP; s++) {
                const vf k = splat(token[s][h]);
#pragma clang loop unroll(full)
                for (int v = 0; v < QV; v++) sums[s][v] = fma_or_not(k, q[v], sums[s][v]);
            }
        }
        for (int s = 0; s < STEP; s++)
            for (int v = 0; v < QV; v++) store_f32(scores + (j + s) * ROWS + v * WIDTH, sums[s][v]);
    }
}

// sums[h][row] = sums[h][row] * factor[row] + sum_j weights[j][row] tokens[j][h]
INLINE void weighted_sum_step(const int steps, const float *tokens, int64_t stride, int64_t count, const float *weights, const vf factor[], float *sums,
                              int64_t h) {
    vf total[STEP][QV];
    for (int s = 0; s < steps; s++)
        for (int v = 0; v < QV; v++) total[s][v] = load_f32(sums + (h + s) * ROWS + v * WIDTH) * factor[v];
    for (int64_t j = 0; j < count; j++) {
        vf w[QV];
        for (int v = 0; v < QV; v++) w[v] = load_f32(weights + j * ROWS + v * WIDTH);
        const float *token = tokens + j * stride + h;
#pragma clang loop unroll(full)
        for (int s = 0; s < steps; s++) {
            const vf x = splat(token[s]);
#pragma clang loop unroll(full)
            for (int v = 0; v < QV; v++) total[s][v] = fma_or_not(x, w[v], total[s][v]);
        }
    }
    for (int s = 0; s < steps; s++)
        for (int v = 0; v < QV; v++) store_f32(sums + (h + s) * ROWS + v * WIDTH, total[s][v]);
}

static void tile_weighted_sum(const float *tokens, int64_t stride, int64_t count, int64_t width, const float *weights, const vf factor[], float *sums) {
    int64_t h = 0;
    for (; h + STEP <= width; h += STEP) weighted_sum_step(STEP, tokens, stride, count, weights, factor, sums, h);
    for (; h < width; h++) weighted_sum_step(1, tokens, stride, count, weights, factor, sums, h);
}

// All ones where row lanes of vector `v` see key `key`.
INLINE vi sees(const tile_range *range, int v, int64_t key) {
    vi low, high;
    memcpy(&low, range->low + v * WIDTH, sizeof low);
    memcpy(&high, range->high + v * WIDTH, sizeof high);
    const vi k = splat_bits((int32_t)key);
    return (low <= k) & (k < high);
}

static void attention_tile(const bits_attention_group *group, int64_t first, int64_t count, void *output, int32_t output_dtype, float *lse) {
    _Alignas(64) float columns[MAX_WIDTH * ROWS], sums[MAX_WIDTH * ROWS], scores[KEYS * ROWS], buffer[KEYS * MAX_WIDTH];
    const int64_t width = group->width;
    const tile_range range = range_of_tile(group, first, count);
    vf largest[QV], total[QV], factor[QV];
    for (int v = 0; v < QV; v++) largest[v] = splat(-INFINITY), total[v] = zero();
    memset(sums, 0, (size_t)(width * ROWS) * sizeof(float));
    load_tile(group, group->query, group->query_dtype, first, count, group->scale, NULL, 0, columns);

    for (int64_t from = range.from; from < range.to; from += KEYS) {
        const int64_t keys = from + KEYS < range.to ? KEYS : range.to - from;
        int64_t stride;
        const float *tokens = widened_tokens(group->key, group->key_dtype, group->key_stride, from, keys, width, buffer, &stride);
        tile_scores(tokens, stride, keys, columns, width, scores);
        if (from < range.shared_from || from + keys > range.shared_to)
            for (int64_t j = 0; j < keys; j++)
                for (int v = 0; v < QV; v++) {
                    float *s = scores + j * ROWS + v * WIDTH;
                    store_f32(s, pick(sees(&range, v, from + j), load_f32(s), splat(-INFINITY)));
                }
        for (int v = 0; v < QV; v++) {
            vf top = largest[v], sum = zero();
            for (int64_t j = 0; j < keys; j++) top = larger(load_f32(scores + j * ROWS + v * WIDTH), top);
            const vf base = pick(top == -INFINITY, zero(), top);  // no key seen yet
            factor[v] = v_exp(largest[v] - base);
            for (int64_t j = 0; j < keys; j++) {
                float *s = scores + j * ROWS + v * WIDTH;
                const vf p = v_exp(load_f32(s) - base);
                store_f32(s, p);
                sum = sum + p;
            }
            total[v] = fma_or_not(total[v], factor[v], sum);
            largest[v] = top;
        }
        tokens = widened_tokens(group->value, group->value_dtype, group->key_stride, from, keys, width, buffer, &stride);
        tile_weighted_sum(tokens, stride, keys, width, scores, factor, sums);
    }

    for (int v = 0; v < QV; v++) factor[v] = pick(total[v] == 0.0f, zero(), 1.0f / total[v]);
    store_tile(group, sums, factor, first, count, output, output_dtype);
    if (!lse) return;
    _Alignas(64) float logs[ROWS];
    for (int v = 0; v < QV; v++) store_f32(logs + v * WIDTH, largest[v] + v_log(total[v]));
    memcpy(lse + first, logs, (size_t)count * sizeof(float));
}

#endif
