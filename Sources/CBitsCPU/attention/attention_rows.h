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
    int64_t count;
    int64_t first;                   // row of the group
    int64_t place[ROWS];             // in an array [queries, heads, ...] from the group's first head on
    int32_t query[ROWS], head[ROWS];
    int32_t low[ROWS], high[ROWS];   // key range; empty past the tile's last row
    int64_t from, to;                // keys any row sees
    int64_t shared_from, shared_to;  // keys every row sees
    _Alignas(64) float slope[ROWS];  // of the bias, in base 2
} tile_rows;

static tile_rows rows_of_tile(const bits_attention_group *group, int64_t first, int64_t count) {
    tile_rows rows = {.count = count, .first = first, .from = INT32_MAX, .to = 0, .shared_from = 0, .shared_to = INT32_MAX};
    int64_t head = first / group->queries, query = first % group->queries;
    for (int64_t r = 0; r < count; r++) {
        rows.place[r] = query * group->heads + head;
        rows.query[r] = (int32_t)query;
        rows.head[r] = (int32_t)head;
        const bits_key_range range = bits_keys_seen(group, query);
        rows.low[r] = range.low;
        rows.high[r] = range.high;
        if (group->slopes) rows.slope[r] = group->slopes[head] * LOG2_E;
        if (range.low < range.high) {
            if (range.low < rows.from) rows.from = range.low;
            if (range.high > rows.to) rows.to = range.high;
        }
        if (++query == group->queries) query = 0, head++;
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

// A stretch of at most KEYS keys that some row of a tile sees.
typedef struct {
    int64_t from, count;
    int masked;  // some row does not see all of them
} key_block;

// The keys and the values of a stretch, as above.
INLINE const float *keys_of_block(const bits_attention_group *group, const key_block *block, float *buffer, int64_t *stride) {
    return widened_tokens(group->key, group->key_dtype, group->groups * group->width, block->from, block->count, group->width, buffer, stride);
}

INLINE const float *values_of_block(const bits_attention_group *group, const key_block *block, float *buffer, int64_t *stride) {
    return widened_tokens(group->value, group->value_dtype, group->groups * group->value_width, block->from, block->count, group->value_width, buffer,
                          stride);
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

// Where the rows of a tile begin in an array; missing ones are zeros.
static void starts_of_rows(const tile_rows *rows, const void *array, int32_t dtype, int64_t width, const void *starts[]) {
    static const float zeros[MAX_WIDTH];
    for (int r = 0; r < ROWS; r++) starts[r] = r < rows->count ? bits_at(array, dtype, rows->place[r] * width) : zeros;
}

// The rows of a tile, float32 times `scale`: transposed, [width][ROWS], and when `copies` is given as [ROWS][padded] too.
static void load_tile(const tile_rows *rows, const void *array, int32_t dtype, int64_t width, float scale, float *columns, float *copies,
                      int64_t padded) {
    const void *starts[ROWS];
    starts_of_rows(rows, array, dtype, width, starts);
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
static void store_tile(const tile_rows *rows, const float *columns, const vf factors[], void *array, int32_t dtype, int64_t width) {
    const int64_t count = rows->count;
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
                for (int i = 0; i < WIDTH; i++) store_f32((float *)array + rows->place[v * WIDTH + i] * width + h, block[i]);
            else
                for (int i = 0; i < left; i++) store(bits_at_mutable(array, dtype, rows->place[v * WIDTH + i] * width), dtype, h, width, block[i]);
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

// Moves on to the next stretch, from none to the first; 0 after the last.
static int next_keys(const tile_rows *rows, key_block *block) {
    for (int64_t from = block->count ? block->from + KEYS : rows->from; from < rows->to; from += KEYS) {
        const int64_t count = from + KEYS < rows->to ? KEYS : rows->to - from;
        const int masked = from < rows->shared_from || from + count > rows->shared_to;
        *block = (key_block){from, count, masked};
        if (!masked || any_row_sees(rows, from, from + count)) return 1;
    }
    return 0;
}

// A score before the bias, in base 2, within `cap`, which is in base 2 too.
INLINE vf bounded(vf score, float cap) { return v_tanh(score / cap) * cap; }

// scores[j][row] = bounded(scores[j][row]); into `slopes`, unless that is NULL, what a score passes on of its gradient: 1 - (score / cap)².
static void bound_scores(float cap, int64_t count, float *scores, float *slopes) {
    for (int64_t i = 0; i < count * ROWS; i += WIDTH) {
        const vf score = bounded(load_f32(scores + i), cap);
        store_f32(scores + i, score);
        if (slopes) store_f32(slopes + i, 1.0f - score / cap * (score / cap));
    }
}

// scores[j][row] += slope[row] * (key j - last key of the row's range)
static void add_slopes(const tile_rows *rows, const key_block *block, float *scores) {
    for (int v = 0; v < QV; v++) {
        vi end;
        memcpy(&end, rows->high + v * WIDTH, sizeof end);
        const vf slope = load_f32(rows->slope + v * WIDTH);
        for (int64_t j = 0; j < block->count; j++) {
            float *const s = scores + j * ROWS + v * WIDTH;
            const vf distance = __builtin_convertvector(splat_bits((int32_t)(block->from + j + 1)) - end, vf);
            store_f32(s, fma_or_not(slope, distance, load_f32(s)));
        }
    }
}

// The buckets of row `r` and the keys of a block: that of key j at [-j].
INLINE const int32_t *buckets_of(const bits_attention_group *group, const tile_rows *rows, int64_t r, const key_block *block) {
    return group->buckets + rows->query[r] - block->from + group->keys - 1;
}

// Where the entries by key of row `r` begin, for the first key of a block.
INLINE int64_t by_key_offset(const bits_attention_group *group, const tile_rows *rows, int64_t r, const key_block *block) {
    return (rows->head[r] * group->keys + block->from) * group->bucket_count;
}

// scores[j][row] += by_query[row][bucket] + by_key[j][bucket]
static void add_relative(const bits_attention_group *group, const tile_rows *rows, const key_block *block, float *scores) {
    const int64_t count = group->bucket_count;
    for (int64_t r = 0; r < rows->count; r++) {
        const int32_t *const buckets = buckets_of(group, rows, r, block);
        const float *const by_query = group->by_query ? group->by_query + (rows->first + r) * count : NULL;
        const float *const by_key = group->by_key ? group->by_key + by_key_offset(group, rows, r, block) : NULL;
        for (int64_t j = 0; j < block->count; j++) {
            const int32_t bucket = buckets[-j];
            if (bucket < 0 || bucket >= count) continue;
            const float bias = (by_query ? by_query[bucket] : 0) + (by_key ? by_key[j * count + bucket] : 0);
            scores[j * ROWS + r] += LOG2_E * bias;
        }
    }
}

// Bounds the scores of a block, which are in base 2, and adds the bias; and where scores are bounded gives their slopes, unless that is NULL.
INLINE void finish_scores(const bits_attention_group *group, const tile_rows *rows, const key_block *block, float *scores, float *slopes) {
    if (group->cap) bound_scores(group->cap * LOG2_E, block->count, scores, slopes);
    if (group->slopes) add_slopes(rows, block, scores);
    if (group->buckets) add_relative(group, rows, block, scores);
}

// The same, of the products of keys and the query in `columns`. Returns the keys as they were read.
INLINE const float *scores_of_block(const bits_attention_group *group, const tile_rows *rows, const key_block *block, const float *columns,
                                    float *buffer, float *scores, float *slopes, int64_t *stride) {
    const float *const tokens = keys_of_block(group, block, buffer, stride);
    tile_scores(tokens, *stride, block->count, columns, group->width, scores);
    finish_scores(group, rows, block, scores, slopes);
    return tokens;
}

// The rows of a tile as products take them, transposed and as they lie: in float32 or, of a group that is multiplied so, in pairs of bfloat16.
typedef struct {
    _Alignas(64) float columns[MAX_WIDTH * ROWS], rows[ROWS * MAX_WIDTH];
    _Alignas(64) uint32_t column_pairs[MAX_WIDTH / 2 * ROWS], row_pairs[ROWS / 2 * MAX_WIDTH];
} tile_operand;

// `scale`: of float32. `stride`: from row to row as they lie, 0 where they are not wanted.
static void load_operand(const bits_attention_group *group, const tile_rows *rows, const void *array, int32_t dtype, int64_t width, float scale,
                         int64_t stride, tile_operand *to) {
    if (!group->paired) return load_tile(rows, array, dtype, width, scale, to->columns, stride ? to->rows : NULL, stride);
    const void *starts[ROWS];
    starts_of_rows(rows, array, dtype, width, starts);
    group->paired->columns(starts, width, to->column_pairs);
    if (stride) group->paired->pairs(starts, ROWS, width, to->row_pairs, stride);
}

// products[j][row] = factor * tokens[j] · columns[.][row] for the tokens of a block, of an array of `width` numbers a token and group.
INLINE void paired_products(const bits_attention_group *group, const key_block *block, const void *array, int64_t width, const uint32_t *columns,
                            float factor, float *products) {
    const int64_t stride = group->groups * width;
    group->paired->scores((const uint16_t *)array + block->from * stride, stride * (int64_t)sizeof(uint16_t), block->count, columns, width, factor,
                          products);
}

// sums[h][row] = sums[h][row] * factors[row] + sum_j weights[j][row] tokens[j][h], of such an array.
static void paired_weighted_sum(const bits_attention_group *group, const key_block *block, const void *array, int64_t width, const float *weights,
                                const vf factors[], float *sums) {
    _Alignas(64) uint32_t pairs[KEYS / 2 * MAX_WIDTH];
    _Alignas(64) float factor[ROWS];
    const void *starts[KEYS];
    for (int64_t j = 0; j < block->count; j++) starts[j] = (const uint16_t *)array + (block->from + j) * group->groups * width;
    for (int v = 0; v < QV; v++) store_f32(factor + v * WIDTH, factors[v]);
    const int64_t stride = (width + 15) / 16 * 16;
    group->paired->pairs(starts, block->count, width, pairs, stride);
    group->paired->weighted_sum(weights, block->count, pairs, stride, width, factor, sums);
}

static void attention_tile(const bits_attention_group *group, int64_t first, int64_t count, void *output, int32_t output_dtype, float *lse) {
    _Alignas(64) float sums[MAX_WIDTH * ROWS], scores[KEYS * ROWS], buffer[KEYS * MAX_WIDTH];
    tile_operand query;
    const tile_rows rows = rows_of_tile(group, first, count);
    vf largest[QV], total[QV], factor[QV];
    for (int v = 0; v < QV; v++) largest[v] = splat(-INFINITY), total[v] = zero();
    memset(sums, 0, (size_t)(group->value_width * ROWS) * sizeof(float));
    load_operand(group, &rows, group->query, group->query_dtype, group->width, group->scale * LOG2_E, 0, &query);

    key_block block = {0};
    while (next_keys(&rows, &block)) {
        int64_t stride;
        if (group->paired) {
            paired_products(group, &block, group->key, group->width, query.column_pairs, group->scale * LOG2_E, scores);
            finish_scores(group, &rows, &block, scores, NULL);
        } else {
            scores_of_block(group, &rows, &block, query.columns, buffer, scores, NULL, &stride);
        }
        if (block.masked)
            for (int64_t j = 0; j < block.count; j++)
                for (int v = 0; v < QV; v++) {
                    float *s = scores + j * ROWS + v * WIDTH;
                    store_f32(s, pick(sees(&rows, v, block.from + j), load_f32(s), splat(-INFINITY)));
                }
        for (int v = 0; v < QV; v++) {
            vf top = largest[v], sum = zero();
            for (int64_t j = 0; j < block.count; j++) top = larger(load_f32(scores + j * ROWS + v * WIDTH), top);
            const vf base = pick(top == -INFINITY, zero(), top);  // no key seen yet
            factor[v] = v_exp2(largest[v] - base);
            for (int64_t j = 0; j < block.count; j++) {
                float *s = scores + j * ROWS + v * WIDTH;
                const vf p = v_exp2(load_f32(s) - base);
                store_f32(s, p);
                sum = sum + p;
            }
            total[v] = fma_or_not(total[v], factor[v], sum);
            largest[v] = top;
        }
        if (group->paired) {
            paired_weighted_sum(group, &block, group->value, group->value_width, scores, factor, sums);
            continue;
        }
        const float *const values = values_of_block(group, &block, buffer, &stride);
        tile_weighted_sum(block.masked, values, stride, block.count, group->value_width, scores, factor, sums);
    }

    for (int v = 0; v < QV; v++) factor[v] = pick(total[v] == 0.0f, zero(), 1.0f / total[v]);
    store_tile(&rows, sums, factor, output, output_dtype, group->value_width);
    if (!lse) return;
    _Alignas(64) float logs[ROWS];
    for (int v = 0; v < QV; v++) store_f32(logs + v * WIDTH, largest[v] * LN_2 + v_log(total[v]));
    memcpy(lse + first, logs, (size_t)count * sizeof(float));
}

#endif
