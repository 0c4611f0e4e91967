// Attention of one level: the loops over tiles.
//
// A tile is 16 rows (a row is one query of one head) against all keys, 32 at a time. Scores lie transposed, [key][row], so that a vector holds one
// key's scores for many rows: the softmax needs no sums across lanes, and K and V are read as they lie, one broadcast number per multiply-add.
// Scores are in base 2: the query is multiplied by scale / ln 2, so that 2^score is what exp of the plain score is.
#ifndef BITS_ATTENTION_ROWS_H
#define BITS_ATTENTION_ROWS_H
#include "elementwise/private_rows.h"
#include "base/private_vector_math.h"

enum { ROWS = BITS_ATTENTION_ROWS, KEYS = BITS_ATTENTION_KEYS, MAX_WIDTH = BITS_ATTENTION_WIDTH, QV = ROWS / WIDTH, STEP = 8 / QV };

static const float LOG2_E = 1.44269504f, LN_2 = 0.693147181f;

// Where a tile's rows lie, and which keys they see.
typedef struct {
    int64_t offset[ROWS];            // first element in an array laid out as the query is
    int32_t low[ROWS], high[ROWS];   // key range; empty past the tile's last row
    int64_t from, to;                // keys any row sees
    int64_t shared_from, shared_to;  // keys every row sees
} tile_rows;

static tile_rows rows_of_tile(const bits_attention_group *group, int64_t first, int64_t count) {
    tile_rows rows = {.from = INT32_MAX, .to = 0, .shared_from = 0, .shared_to = INT32_MAX};
    int64_t head = first / group->queries, query = first % group->queries;
    for (int64_t r = 0; r < count; r++) {
        const int32_t *pair = group->ranges + 2 * query;
        const int32_t low = pair[0] < 0 ? 0 : pair[0], high = pair[1] > group->keys ? (int32_t)group->keys : pair[1];
        rows.offset[r] = head * group->head_stride + query * group->query_stride;
        if (++query == group->queries) query = 0, head++;
        if (low < high) {
            rows.low[r] = low;
            rows.high[r] = high;
            if (low < rows.from) rows.from = low;
            if (high > rows.to) rows.to = high;
        }
    }
    for (int64_t r = 0; r < ROWS; r++) {
        if (rows.low[r] > rows.shared_from) rows.shared_from = rows.low[r];
        if (rows.high[r] < rows.shared_to) rows.shared_to = rows.high[r];
    }
    return rows;
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

// Elements h, h + 1, ... of WIDTH rows times `scale`, into columns from `target` on and, unless that is NULL, into rows from `copies` on. `whole`:
// float32, and all within the width.
INLINE void load_block(const int whole, const void *const starts[], int32_t dtype, int64_t h, int64_t width, float scale, float *target, float *copies,
                       int64_t padded) {
    vf block[WIDTH];
#pragma clang loop unroll(full)
    for (int i = 0; i < WIDTH; i++) {
        block[i] = (whole ? load_f32((const float *)starts[i] + h) : load(starts[i], dtype, h, width)) * scale;
        if (copies) store_f32(copies + i * padded + h, block[i]);
    }
    transpose(block);
#pragma clang loop unroll(full)
    for (int i = 0; i < WIDTH; i++)
        if (whole || h + i < width) store_f32(target + i * ROWS, block[i]);
}

// The rows of a tile, float32 times `scale`: transposed, [width][ROWS], and when `copies` is given as [ROWS][padded] too. Missing rows are zero.
static void load_tile(const tile_rows *rows, int64_t count, const void *array, int32_t dtype, int64_t width, float scale, float *columns,
                      float *copies, int64_t padded) {
    static const float zeros[MAX_WIDTH];
    const void *starts[ROWS];
    const int64_t size = bits_size(dtype);
    for (int r = 0; r < ROWS; r++) starts[r] = r < count ? (const char *)array + rows->offset[r] * size : (const char *)zeros;
    for (int v = 0; v < QV; v++) {
        const void *const *block = starts + v * WIDTH;
        float *target = columns + v * WIDTH, *copy = copies ? copies + v * WIDTH * padded : NULL;
        for (int64_t h = 0; h < width; h += WIDTH) {
            if (dtype == BITS_F32 && h + WIDTH <= width) load_block(1, block, dtype, h, width, scale, target + h * ROWS, copy, padded);
            else load_block(0, block, dtype, h, width, scale, target + h * ROWS, copy, padded);
        }
    }
    const int64_t filled = (width + WIDTH - 1) / WIDTH * WIDTH;
    if (copies && filled < padded)
        for (int64_t r = 0; r < ROWS; r++) memset(copies + r * padded + filled, 0, (size_t)(padded - filled) * sizeof(float));
}

// The other way: columns [width][ROWS] times `factors` per row into the rows of an array. Columns have room for a multiple of WIDTH.
static void store_tile(const tile_rows *rows, int64_t count, const float *columns, const vf factors[], void *array, int32_t dtype, int64_t width) {
    for (int64_t h = 0; h < width; h += WIDTH) {
        for (int v = 0; v < QV && v * WIDTH < count; v++) {
            vf block[WIDTH];
            const vf factor = factors[v];
#pragma clang loop unroll(full)
            for (int i = 0; i < WIDTH; i++) block[i] = load_f32(columns + (h + i) * ROWS + v * WIDTH) * factor;
            transpose(block);
            const int left = count - v * WIDTH < WIDTH ? (int)(count - v * WIDTH) : WIDTH;
            if (dtype == BITS_F32 && left == WIDTH && h + WIDTH <= width)
#pragma clang loop unroll(full)
                for (int i = 0; i < WIDTH; i++) store_f32((float *)array + rows->offset[v * WIDTH + i] + h, block[i]);
            else
                for (int i = 0; i < left; i++) store(bits_at_mutable(array, dtype, rows->offset[v * WIDTH + i]), dtype, h, width, block[i]);
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

// Whether `count` rows of `width` numbers hold NaN or an infinity. A weight of 0 hides other rows, but not these: 0 * NaN is NaN.
static int holds_non_finite(const float *rows, int64_t stride, int64_t count, int64_t width) {
    vf probe = {};
    for (int64_t j = 0; j < count; j++)
        for (int64_t h = 0; h < width; h += WIDTH) probe = fma_or_not(load(rows + j * stride, BITS_F32, h, width), zero(), probe);
    return sum_of_lanes(probe) != 0;
}

// total + weight * x; `selective`: total alone where the weight is 0.
INLINE vf weighted(const int selective, vf total, vf weight, vf x) {
    const vf sum = fma_or_not(x, weight, total);
    return selective ? pick(weight == 0.0f, total, sum) : sum;
}

// sums[h][row] = sums[h][row] * factor[row] + sum_j weights[j][row] tokens[j][h]
INLINE void weighted_sum_step(const int steps, const int selective, const float *tokens, int64_t stride, int64_t count, const float *weights,
                              const vf factor[], float *sums, int64_t h) {
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
            for (int v = 0; v < QV; v++) total[s][v] = weighted(selective, total[s][v], w[v], x);
        }
    }
    for (int s = 0; s < steps; s++)
        for (int v = 0; v < QV; v++) store_f32(sums + (h + s) * ROWS + v * WIDTH, total[s][v]);
}

// `masked`: some weights are 0 because their row does not see the token.
static void tile_weighted_sum(int masked, const float *tokens, int64_t stride, int64_t count, int64_t width, const float *weights, const vf factor[],
                              float *sums) {
    int64_t h = 0;
    if (masked && holds_non_finite(tokens, stride, count, width)) {
        for (; h < width; h++) weighted_sum_step(1, 1, tokens, stride, count, weights, factor, sums, h);
        return;
    }
    for (; h + STEP <= width; h += STEP) weighted_sum_step(STEP, 0, tokens, stride, count, weights, factor, sums, h);
    for (; h < width; h++) weighted_sum_step(1, 0, tokens, stride, count, weights, factor, sums, h);
}

// All ones where row lanes of vector `v` see key `key`.
INLINE vi sees(const tile_rows *rows, int v, int64_t key) {
    vi low, high;
    memcpy(&low, rows->low + v * WIDTH, sizeof low);
    memcpy(&high, rows->high + v * WIDTH, sizeof high);
    const vi k = splat_bits((int32_t)key);
    return (low <= k) & (k < high);
}

// Whether any row sees any of the keys [from, to): rows of packed sequences, or of two heads, may leave wide gaps between their ranges.
static int any_row_sees(const tile_rows *rows, int64_t from, int64_t to) {
    int seen = 0;
    for (int r = 0; r < ROWS; r++) seen |= (rows->low[r] < to) & (rows->high[r] > from);
    return seen;
}

static void attention_tile(const bits_attention_group *group, int64_t first, int64_t count, void *output, int32_t output_dtype, float *lse) {
    _Alignas(64) float columns[MAX_WIDTH * ROWS], sums[MAX_WIDTH * ROWS], scores[KEYS * ROWS], buffer[KEYS * MAX_WIDTH];
    const int64_t width = group->width;
    const tile_rows rows = rows_of_tile(group, first, count);
    vf largest[QV], total[QV], factor[QV];
    for (int v = 0; v < QV; v++) largest[v] = splat(-INFINITY), total[v] = zero();
    memset(sums, 0, (size_t)(width * ROWS) * sizeof(float));
    load_tile(&rows, count, group->query, group->query_dtype, width, group->scale * LOG2_E, columns, NULL, 0);

    for (int64_t from = rows.from; from < rows.to; from += KEYS) {
        const int64_t keys = from + KEYS < rows.to ? KEYS : rows.to - from;
        const int masked = from < rows.shared_from || from + keys > rows.shared_to;
        if (masked && !any_row_sees(&rows, from, from + keys)) continue;
        int64_t stride;
        const float *tokens = widened_tokens(group->key, group->key_dtype, group->key_stride, from, keys, width, buffer, &stride);
        tile_scores(tokens, stride, keys, columns, width, scores);
        if (masked)
            for (int64_t j = 0; j < keys; j++)
                for (int v = 0; v < QV; v++) {
                    float *s = scores + j * ROWS + v * WIDTH;
                    store_f32(s, pick(sees(&rows, v, from + j), load_f32(s), splat(-INFINITY)));
                }
        for (int v = 0; v < QV; v++) {
            vf top = largest[v], sum = zero();
            for (int64_t j = 0; j < keys; j++) top = larger(load_f32(scores + j * ROWS + v * WIDTH), top);
            const vf base = pick(top == -INFINITY, zero(), top);  // no key seen yet
            factor[v] = v_exp2(largest[v] - base);
            for (int64_t j = 0; j < keys; j++) {
                float *s = scores + j * ROWS + v * WIDTH;
                const vf p = v_exp2(load_f32(s) - base);
                store_f32(s, p);
                sum = sum + p;
            }
            total[v] = fma_or_not(total[v], factor[v], sum);
            largest[v] = top;
        }
        tokens = widened_tokens(group->value, group->value_dtype, group->key_stride, from, keys, width, buffer, &stride);
        tile_weighted_sum(masked, tokens, stride, keys, width, scores, factor, sums);
    }

    for (int v = 0; v < QV; v++) factor[v] = pick(total[v] == 0.0f, zero(), 1.0f / total[v]);
    store_tile(&rows, count, sums, factor, output, output_dtype, width);
    if (!lse) return;
    _Alignas(64) float logs[ROWS];
    for (int v = 0; v < QV; v++) store_f32(logs + v * WIDTH, largest[v] * LN_2 + v_log(total[v]));
    memcpy(lse + first, logs, (size_t)count * sizeof(float));
}

#endif
