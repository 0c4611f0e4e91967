// Norms and rotary embedding of one level.
#ifndef BITS_NORM_ROWS_H
#define BITS_NORM_ROWS_H
#include "base/private_vector_math.h"

INLINE float rms_norm_loop(int32_t xt, int32_t yt, const void *x, const void *weight, int32_t wt, float epsilon, void *y, int64_t count) {
    const float reciprocal = 1.0f / sqrtf((float)(sum_of_squares_loop(x, xt, count) / (double)count) + epsilon);
    for (int64_t i = 0; i < count; i += WIDTH) store(y, yt, i, count, load(x, xt, i, count) * reciprocal * load(weight, wt, i, count));
    return reciprocal;
}

static float rms_norm_row(const void *x, int32_t xt, const void *weight, int32_t wt, float epsilon, void *y, int32_t yt, int64_t count) {
    if (xt == BITS_F32 && yt == BITS_F32 && wt == BITS_F32) return rms_norm_loop(BITS_F32, BITS_F32, x, weight, BITS_F32, epsilon, y, count);
    return rms_norm_loop(xt, yt, x, weight, wt, epsilon, y, count);
}

// Gradients: with n = (x - mean) * reciprocal and g = dy * weight, dx = reciprocal * (g - mean(g) - n * mean(g * n)); RMS norm has no means.
INLINE void norm_gradient_loop(int32_t xt, int32_t dyt, int32_t dxt, int32_t wt, const void *x, const void *weight, int with_mean, float mean,
                               float reciprocal, const void *dy, void *dx, int64_t count) {
    vf sum_g = {}, sum_gn = {};
    for (int64_t i = 0; i < count; i += WIDTH) {
        vf g = load(dy, dyt, i, count), n = load(x, xt, i, count);
        if (weight) g = g * load(weight, wt, i, count);
        if (with_mean) n = n - mean, sum_g = sum_g + g;
        sum_gn = fma_or_not(g, n * reciprocal, sum_gn);
    }
    const float mean_gn = sum_of_lanes(sum_gn) / (float)count, mean_g = with_mean ? sum_of_lanes(sum_g) / (float)count : 0;
    for (int64_t i = 0; i < count; i += WIDTH) {
        vf g = load(dy, dyt, i, count), n = load(x, xt, i, count);
        if (weight) g = g * load(weight, wt, i, count);
        if (with_mean) n = n - mean, g = g - mean_g;
        store(dx, dxt, i, count, reciprocal * (g - n * reciprocal * mean_gn));
    }
}

static void rms_norm_gradient_row(const void *x, int32_t xt, const void *weight, int32_t wt, float reciprocal, const void *dy, int32_t dyt, void *dx,
                                  int32_t dxt, int64_t count) {
    if (xt == BITS_F32 && wt == BITS_F32 && dyt == BITS_F32 && dxt == BITS_F32)
        norm_gradient_loop(BITS_F32, BITS_F32, BITS_F32, BITS_F32, x, weight, 0, 0, reciprocal, dy, dx, count);
    else
        norm_gradient_loop(xt, dyt, dxt, wt, x, weight, 0, 0, reciprocal, dy, dx, count);
}

static void layer_norm_row(const void *x, int32_t xt, const void *weight, int32_t wt, const void *bias, int32_t bt, float epsilon, void *y, int32_t yt,
                           int64_t count, float *mean, float *reciprocal) {
    const float m = (float)(sum_loop(x, xt, count) / (double)count);
    double squares = 0;
    for (int64_t start = 0; start < count; start += 64 * WIDTH) {
        const int64_t end = start + 64 * WIDTH < count ? start + 64 * WIDTH : count;
        vf sums = {};
        for (int64_t i = start; i < end; i += WIDTH) {
            vf d = load(x, xt, i, end) - m;
            if (end - i < WIDTH)
                for (int k = (int)(end - i); k < WIDTH; k++) d[k] = 0;
            sums = fma_or_not(d, d, sums);
        }
        squares += (double)sum_of_lanes(sums);
    }
    const float r = 1.0f / sqrtf((float)(squares / (double)count) + epsilon);
    for (int64_t i = 0; i < count; i += WIDTH) {
        vf v = (load(x, xt, i, count) - m) * r;
        if (weight) v = v * load(weight, wt, i, count);
        if (bias) v = v + load(bias, bt, i, count);
        store(y, yt, i, count, v);
    }
    *mean = m;
    *reciprocal = r;
}

static void layer_norm_gradient_row(const void *x, int32_t xt, const void *weight, int32_t wt, float mean, float reciprocal, const void *dy,
                                    int32_t dyt, void *dx, int32_t dxt, int64_t count) {
    norm_gradient_loop(xt, dyt, dxt, wt, x, weight, 1, mean, reciprocal, dy, dx, count);
}

// `vectors` vectors of columns from column i on.
INLINE void norm_weight_gradient_columns(const int vectors, const void *x, int32_t xt, const float *mean, const float *reciprocal, const void *dy,
                                         int32_t dyt, int64_t rows, int64_t stride, void *dweight, int32_t dwt, void *dbias, int32_t dbt, int64_t i,
                                         int64_t count) {
    const int64_t x_bytes = stride * bits_element_size(xt), dy_bytes = stride * bits_element_size(dyt);
    vf weights[4] = {}, biases[4] = {};
    for (int64_t start = 0; start < rows; start += 32) {  // in stretches, so that the error of a long sum stays small
        const int64_t end = start + 32 < rows ? start + 32 : rows;
        vf w[4] = {}, b[4] = {};
        for (int64_t r = start; r < end; r++) {
            for (int k = 0; k < vectors; k++) {
                const vf g = load((const char *)dy + r * dy_bytes, dyt, i + k * WIDTH, count);
                b[k] = b[k] + g;
                if (!dweight) continue;
                vf n = load((const char *)x + r * x_bytes, xt, i + k * WIDTH, count);
                if (mean) n = n - mean[r];
                w[k] = fma_or_not(g, n * reciprocal[r], w[k]);
            }
        }
        for (int k = 0; k < vectors; k++) weights[k] = weights[k] + w[k], biases[k] = biases[k] + b[k];
    }
    for (int k = 0; k < vectors; k++) {
        if (dweight) store(dweight, dwt, i + k * WIDTH, count, weights[k]);
        if (dbias) store(dbias, dbt, i + k * WIDTH, count, biases[k]);
    }
}

static void norm_weight_gradient_rows(const void *x, int32_t xt, const float *mean, const float *reciprocal, const void *dy, int32_t dyt, int64_t rows,
                                      int64_t stride, void *dweight, int32_t dwt, void *dbias, int32_t dbt, int64_t count) {
    int64_t i = 0;
    for (; i + 4 * WIDTH <= count; i += 4 * WIDTH)
        norm_weight_gradient_columns(4, x, xt, mean, reciprocal, dy, dyt, rows, stride, dweight, dwt, dbias, dbt, i, count);
    for (; i < count; i += WIDTH)
        norm_weight_gradient_columns(1, x, xt, mean, reciprocal, dy, dyt, rows, stride, dweight, dwt, dbias, dbt, i, count);
}

INLINE void rotary_loop(int32_t xt, int32_t yt, const void *x, const float *cosine, const float *sine, float sign, void *y, int64_t heads,
                        int64_t half) {
    const int64_t x_bytes = half * bits_element_size(xt), y_bytes = half * bits_element_size(yt);
    for (int64_t head = 0; head < heads; head++) {
        const char *low = (const char *)x + 2 * head * x_bytes, *high = low + x_bytes;
        char *y_low = (char *)y + 2 * head * y_bytes, *y_high = y_low + y_bytes;
        for (int64_t i = 0; i < half; i += WIDTH) {
            const vf a = load(low, xt, i, half), b = load(high, xt, i, half);
            const vf c = load(cosine, BITS_F32, i, half), s = load(sine, BITS_F32, i, half) * sign;
            store(y_low, yt, i, half, a * c - b * s);
            store(y_high, yt, i, half, b * c + a * s);
        }
    }
}

static void rotary_row(const void *x, int32_t xt, const float *cosine, const float *sine, float sign, void *y, int32_t yt, int64_t heads, int64_t half) {
    if (xt == BITS_F32 && yt == BITS_F32) rotary_loop(BITS_F32, BITS_F32, x, cosine, sine, sign, y, heads, half);
    else rotary_loop(xt, yt, x, cosine, sine, sign, y, heads, half);
}

#endif
