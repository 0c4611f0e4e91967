// Reductions and softmax of one level. The order of a sum depends on the count alone.
#ifndef BITS_REDUCE_ROWS_H
#define BITS_REDUCE_ROWS_H
#include "bits_elementwise.h"
#include "base/private_vector_math.h"

// Sums lanes in float32 over stretches of at most 64 vectors, and the stretches in double.
#define SUM_LOOP(TERM) \
    double total = 0; \
    for (int64_t start = 0; start < count; start += 64 * WIDTH) { \
        const int64_t end = start + 64 * WIDTH < count ? start + 64 * WIDTH : count; \
        vf sums[4] = {}; \
        int64_t i = start; \
        for (; i + 4 * WIDTH <= end; i += 4 * WIDTH) { \
            for (int k = 0; k < 4; k++) { \
                const vf x = load_full(array, dtype, i + k * WIDTH); \
                sums[k] = sums[k] + (TERM); \
            } \
        } \
        for (; i < end; i += WIDTH) { \
            const vf x = load(array, dtype, i, end); \
            sums[0] = sums[0] + (TERM); \
        } \
        total += (double)sum_of_lanes((sums[0] + sums[1]) + (sums[2] + sums[3])); \
    } \
    return total;

INLINE double sum_loop(const void *array, int32_t dtype, int64_t count) { SUM_LOOP(x) }
INLINE double sum_of_squares_loop(const void *array, int32_t dtype, int64_t count) { SUM_LOOP(x *x) }

static double sum_row(const void *array, int32_t dtype, int64_t count) {
    return dtype == BITS_F32 ? sum_loop(array, BITS_F32, count) : sum_loop(array, dtype, count);
}

static double sum_of_squares_row(const void *array, int32_t dtype, int64_t count) {
    return dtype == BITS_F32 ? sum_of_squares_loop(array, BITS_F32, count) : sum_of_squares_loop(array, dtype, count);
}

// Elements i, i + 1, ..., with -inf beyond the end.
INLINE vf load_or_lowest(const void *array, int32_t dtype, int64_t i, int64_t count) {
    const vf x = load(array, dtype, i, count);
    if (count - i >= WIDTH) return x;
    vi inside;
    for (int k = 0; k < WIDTH; k++) inside[k] = k < count - i ? -1 : 0;
    return pick(inside, x, splat(-INFINITY));
}

INLINE float maximum_loop(const void *array, int32_t dtype, int64_t count) {
    vf best = splat(-INFINITY);
    vi nan = {};
    for (int64_t i = 0; i < count; i += WIDTH) {
        const vf x = load_or_lowest(array, dtype, i, count);
        nan |= x != x;
        best = larger(x, best);
    }
    for (int k = 0; k < WIDTH; k++)
        if (nan[k]) return NAN;
    return largest_lane(best);
}

static float maximum_row(const void *array, int32_t dtype, int64_t count) {
    return dtype == BITS_F32 ? maximum_loop(array, BITS_F32, count) : maximum_loop(array, dtype, count);
}

static int64_t largest_index_row(const void *array, int32_t dtype, int64_t count) {
    vf best = splat(-INFINITY);
    for (int64_t i = 0; i < count; i += WIDTH) best = larger(load_or_lowest(array, dtype, i, count), best);
    const float largest = largest_lane(best);
    for (int64_t i = 0; i < count; i += WIDTH) {
        const vi found = load_or_lowest(array, dtype, i, count) == largest;
        for (int k = 0; k < WIDTH && i + k < count; k++)
            if (found[k]) return i + k;
    }
    return 0;  // every element is NaN
}

// `vectors` vectors of columns from column i on.
INLINE void reduce_columns(const int vectors, int32_t operation, const void *x, int32_t xt, int64_t rows, int64_t stride, void *y, int32_t yt,
                           int64_t i, int64_t count) {
    const int64_t row_bytes = stride * bits_element_size(xt);
    const char *row = x;
    vf total[4];
    for (int k = 0; k < vectors; k++) total[k] = operation == BITS_REDUCE_MAX ? splat(-INFINITY) : zero();
    // Stretches of 32 rows, so that the error of a long sum stays small.
    for (int64_t start = 0; start < rows; start += 32) {
        vf part[4];
        for (int k = 0; k < vectors; k++) part[k] = operation == BITS_REDUCE_MAX ? total[k] : zero();
        for (int64_t r = start; r < rows && r < start + 32; r++, row += row_bytes) {
            for (int k = 0; k < vectors; k++) {
                const vf v = load(row, xt, i + k * WIDTH, count);
                if (operation == BITS_REDUCE_MAX) part[k] = pick((v > part[k]) | (v != v), v, part[k]);
                else part[k] = part[k] + (operation == BITS_REDUCE_SUM_OF_SQUARES ? v * v : v);
            }
        }
        for (int k = 0; k < vectors; k++) total[k] = operation == BITS_REDUCE_MAX ? part[k] : total[k] + part[k];
    }
    for (int k = 0; k < vectors; k++)
        store(y, yt, i + k * WIDTH, count, operation == BITS_REDUCE_MEAN ? total[k] / (float)rows : total[k]);
}

static void reduce_rows(int32_t operation, const void *x, int32_t xt, int64_t rows, int64_t stride, void *y, int32_t yt, int64_t count) {
    int64_t i = 0;
    for (; i + 4 * WIDTH <= count; i += 4 * WIDTH) reduce_columns(4, operation, x, xt, rows, stride, y, yt, i, count);
    for (; i < count; i += WIDTH) reduce_columns(1, operation, x, xt, rows, stride, y, yt, i, count);
}

// The sum of exp(x - top) over a row, in stretches so that its error stays small; the terms are kept in `terms` (float32) unless that is NULL.
INLINE double exponential_sum(const void *x, int32_t xt, float top, float *terms, int64_t count) {
    double total = 0;
    for (int64_t start = 0; start < count; start += 64 * WIDTH) {
        const int64_t end = start + 64 * WIDTH < count ? start + 64 * WIDTH : count;
        vf sums = {};
        for (int64_t i = start; i < end; i += WIDTH) {
            const vf e = v_exp(load_or_lowest(x, xt, i, end) - top);
            sums = sums + e;
            if (terms) store(terms, BITS_F32, i, end, e);
        }
        total += (double)sum_of_lanes(sums);
    }
    return total;
}

INLINE void softmax_loop(int32_t xt, int32_t yt, const void *x, void *y, int64_t count) {
    const float top = maximum_loop(x, xt, count);
    if (yt == BITS_F32) {
        const float factor = (float)(1.0 / exponential_sum(x, xt, top, y, count));
        for (int64_t i = 0; i < count; i += WIDTH) store(y, BITS_F32, i, count, load(y, BITS_F32, i, count) * factor);
    } else {  // 16 bits would round the exponentials twice: taken again
        const float factor = (float)(1.0 / exponential_sum(x, xt, top, NULL, count));
        for (int64_t i = 0; i < count; i += WIDTH) store(y, yt, i, count, v_exp(load(x, xt, i, count) - top) * factor);
    }
}

static void softmax_row(const void *x, int32_t xt, void *y, int32_t yt, int64_t count) {
    if (xt == BITS_F32 && yt == BITS_F32) softmax_loop(BITS_F32, BITS_F32, x, y, count);
    else softmax_loop(xt, yt, x, y, count);
}

static void softmax_gradient_row(const void *y, int32_t yt, const void *dy, int32_t dyt, void *dx, int32_t dxt, int64_t count) {
    vf sums = {};
    for (int64_t i = 0; i < count; i += WIDTH) sums = fma_or_not(load(y, yt, i, count), load(dy, dyt, i, count), sums);
    const float dot = sum_of_lanes(sums);
    for (int64_t i = 0; i < count; i += WIDTH) store(dx, dxt, i, count, load(y, yt, i, count) * (load(dy, dyt, i, count) - dot));
}

#endif
