// The loops that exist once per processor level: each works on one row (or tile) on the calling thread. The files named after a topic
// check operands, choose the level and share rows between threads.
//
// Arrays are float32, float16 or bfloat16, each with its own type code; arithmetic is float32, stores round once. Strides and counts are in elements.
#ifndef BITS_PRIVATE_ROWS_H
#define BITS_PRIVATE_ROWS_H
#include "attention/attention_paired.h"
#include "base/element_types.h"
#include "bits_random.h"
#include "bits_transformer.h"

// One head group of one batch entry, as the attention loops see it: R = rows = heads in the group x queries.
typedef struct {
    const void *query, *key, *value;     // first element of this group
    const int32_t *ranges;               // [queries, 2]
    int32_t query_dtype, key_dtype, value_dtype;
    int32_t window;                      // BITS_WINDOW_...
    int64_t window_size;
    int64_t queries, rows, keys;         // row = head * queries + query
    int64_t width, value_width;
    int64_t heads, groups;               // vectors from one token to the next, in query and in key
    float scale, cap;                    // cap: 0 where nothing bounds the scores
    const float *slopes;                 // of the group's heads
    const float *by_query, *by_key;      // [row, bucket] and [head of the group, key, bucket]
    const int32_t *buckets;
    int64_t bucket_count;
    const bits_paired_attention *paired; // what multiplies tiles, where operands and processor suit it; else NULL
} bits_attention_group;

typedef struct {
    int32_t low, high;
} bits_key_range;

// The keys [low, high) that a query sees; both 0 where there are none.
static inline bits_key_range bits_keys_seen(const bits_attention_group *group, int64_t query) {
    int64_t low = group->ranges[2 * query], high = group->ranges[2 * query + 1];
    if (low < 0) low = 0;
    if (high > group->keys) high = group->keys;
    const int64_t first = group->window == BITS_WINDOW_AROUND ? query - group->window_size : high - group->window_size;
    if (group->window != BITS_WINDOW_NONE && low < first) low = first;
    if (group->window == BITS_WINDOW_AROUND && high > query + group->window_size + 1) high = query + group->window_size + 1;
    return low < high ? (bits_key_range){(int32_t)low, (int32_t)high} : (bits_key_range){0, 0};
}

// Where the gradients of a group gather, float32: those of keys (divided by ln 2) and values in rows of `key_stride` and `value_stride`, zero beyond the
// width; those of the bias as it lies, NULL where there is none.
typedef struct {
    float *key, *value, *by_query, *by_key;
    int64_t key_stride, value_stride;
} bits_attention_sums;

enum { BITS_ATTENTION_ROWS = 16, BITS_ATTENTION_KEYS = 32, BITS_ATTENTION_WIDTH = 256 };

typedef struct {
    void (*convert)(const void *x, int32_t x_dtype, void *y, int32_t y_dtype, int64_t count);
    void (*binary)(int32_t operation, const void *a, int32_t a_dtype, int64_t a_step, const void *b, int32_t b_dtype, int64_t b_step, void *y,
                   int32_t y_dtype, int64_t count);  // steps are 0 or 1
    void (*scale_shift)(const void *x, int32_t x_dtype, float scale, float shift, void *y, int32_t y_dtype, int64_t count);
    void (*unary)(int32_t operation, const void *x, int32_t x_dtype, void *y, int32_t y_dtype, int64_t count);
    void (*unary_gradient)(int32_t operation, const void *x, int32_t x_dtype, const void *dy, int32_t dy_dtype, void *dx, int32_t dx_dtype,
                           int64_t count);
    void (*gated)(int32_t operation, const void *gate, int32_t gate_dtype, const void *up, int32_t up_dtype, void *y, int32_t y_dtype,
                  int64_t count);
    void (*gated_gradient)(int32_t operation, const void *gate, int32_t gate_dtype, const void *up, int32_t up_dtype, const void *dy,
                           int32_t dy_dtype, void *dgate, int32_t dgate_dtype, void *dup, int32_t dup_dtype, int64_t count);

    // Reductions of a row; maximum is -inf for none and NaN where an element is. largest_index: the first of equals, NaN smallest.
    double (*sum)(const void *x, int32_t dtype, int64_t count);
    double (*sum_of_squares)(const void *x, int32_t dtype, int64_t count);
    float (*maximum)(const void *x, int32_t dtype, int64_t count);
    int64_t (*largest_index)(const void *x, int32_t dtype, int64_t count);
    // Reduces `rows` rows, `stride` apart, element by element into y.
    void (*reduce_rows)(int32_t operation, const void *x, int32_t x_dtype, int64_t rows, int64_t stride, void *y, int32_t y_dtype, int64_t count);

    void (*softmax)(const void *x, int32_t x_dtype, void *y, int32_t y_dtype, int64_t count);
    void (*softmax_gradient)(const void *y, int32_t y_dtype, const void *dy, int32_t dy_dtype, void *dx, int32_t dx_dtype, int64_t count);

    // Norms: a row forward returns its statistics; a weight gradient sums rows over columns [0, count).
    float (*rms_norm)(const void *x, int32_t x_dtype, const void *weight, int32_t weight_dtype, float epsilon, void *y, int32_t y_dtype,
                      int64_t count);
    void (*rms_norm_gradient)(const void *x, int32_t x_dtype, const void *weight, int32_t weight_dtype, float reciprocal, const void *dy,
                              int32_t dy_dtype, void *dx, int32_t dx_dtype, int64_t count);
    void (*layer_norm)(const void *x, int32_t x_dtype, const void *weight, int32_t weight_dtype, const void *bias, int32_t bias_dtype,
                       float epsilon, void *y, int32_t y_dtype, int64_t count, float *mean, float *reciprocal);
    void (*layer_norm_gradient)(const void *x, int32_t x_dtype, const void *weight, int32_t weight_dtype, float mean, float reciprocal,
                                const void *dy, int32_t dy_dtype, void *dx, int32_t dx_dtype, int64_t count);
    // mean may be NULL (RMS norm); dweight or dbias may be NULL.
    void (*norm_weight_gradient)(const void *x, int32_t x_dtype, const float *mean, const float *reciprocal, const void *dy, int32_t dy_dtype,
                                 int64_t rows, int64_t stride, void *dweight, int32_t dweight_dtype, void *dbias, int32_t dbias_dtype,
                                 int64_t count);

    void (*rotary)(const void *x, int32_t x_dtype, const float *cosine, const float *sine, float sign, void *y, int32_t y_dtype, int64_t heads,
                   int64_t half);

    // Attention. A tile is the rows [first, first + count) of a group, count <= BITS_ATTENTION_ROWS.
    void (*attention_tile)(const bits_attention_group *group, int64_t first, int64_t count, void *output, int32_t output_dtype, float *lse);
    // A few rows against the keys [from, to), without a relative bias: unnormalized sums [rows, value_width], the largest score in base 2 and the sum of
    // exponentials per row.
    void (*attention_few)(const bits_attention_group *group, int64_t from, int64_t to, float *sums, float *largest, float *totals);
    // Adds a tile's contribution to `sums` and writes its rows of dquery.
    void (*attention_tile_gradient)(const bits_attention_group *group, int64_t first, int64_t count, const void *output, int32_t output_dtype,
                                    const void *doutput, int32_t doutput_dtype, const float *lse, void *dquery, int32_t dquery_dtype,
                                    const bits_attention_sums *sums);

    // One row of cross-entropy; dlogits may be NULL or the logits.
    float (*cross_entropy)(const void *logits, int32_t logits_dtype, int64_t target, void *dlogits, int32_t dlogits_dtype, float scale,
                           int64_t count);

    // Elements from the first of a block of the stream on.
    void (*random)(int32_t distribution, const bits_random_stream *stream, int64_t block, float center, float spread, void *y, int32_t y_dtype,
                   int64_t count);
    void (*dropout)(const bits_random_stream *stream, int64_t block, uint32_t threshold, float gain, const void *x, int32_t x_dtype, void *y,
                    int32_t y_dtype, int64_t count);
    // The words of the block at the stream's position.
    void (*random_block)(const bits_random_stream *stream, uint32_t words[4]);

    // weights[i] = exp((x[i] - peak) / temperature), 0 for NaN; weights may be x.
    void (*sampling_weights)(const void *x, int32_t x_dtype, float peak, float temperature, float *weights, int64_t count);
} bits_rows;

extern const bits_rows bits_rows_portable, bits_rows_avx2, bits_rows_avx512;

// The loops of the level in effect.
static inline const bits_rows *bits_rows_now(void) { return BITS_OF_LEVEL(&bits_rows_portable, &bits_rows_avx2, &bits_rows_avx512); }

// Element `index` of an array; NULL stays NULL.
static inline const void *bits_at(const void *array, int32_t dtype, int64_t index) {
    return array ? (const char *)array + index * bits_element_size(dtype) : array;
}
static inline void *bits_at_mutable(void *array, int32_t dtype, int64_t index) {
    return array ? (char *)array + index * bits_element_size(dtype) : array;
}

// Calls `function` for the parts, on the pool when the work (in about nanoseconds of one thread) is worth it.
static inline void bits_share(int64_t parts, int64_t work, bits_part_fn function, void *context) {
    if (work >= 10000 && parts > 1) {
        bits_pool_run(parts, function, context);
    } else {
        for (int64_t part = 0; part < parts; part++) function(context, part);
    }
}

#endif
