// One row of cross-entropy of one level.
#ifndef BITS_CROSS_ENTROPY_ROWS_H
#define BITS_CROSS_ENTROPY_ROWS_H
#include "base/private_vector_math.h"

INLINE float cross_entropy_loop(int32_t xt, int32_t yt, const void *x, int64_t target, void *dx, float scale, int64_t count) {
    const float top = maximum_loop(x, xt, count), chosen = load_one(x, xt, target);
    const int keeps = dx && yt == BITS_F32;  // exponentials stay in the gradient's row; 16 bits would round them twice
    const double total = exponential_sum(x, xt, top, keeps ? dx : NULL, count);
    if (dx) {
        const float factor = (float)((double)scale / total);
        if (keeps) {
            for (int64_t i = 0; i < count; i += WIDTH) store(dx, BITS_F32, i, count, load(dx, BITS_F32, i, count) * factor);
            ((float *)dx)[target] -= scale;
        } else {
            for (int64_t i = 0; i < count; i += WIDTH) {
                vf g = v_exp(load(x, xt, i, count) - top) * factor;
                if (target >= i && target < i + WIDTH) g[target - i] -= scale;
                store(dx, yt, i, count, g);
            }
        }
    }
    return (float)(log(total) + (double)top - (double)chosen);
}

static float cross_entropy_row(const void *x, int32_t xt, int64_t target, void *dx, int32_t yt, float scale, int64_t count) {
    if (xt == BITS_F32 && yt == BITS_F32) return cross_entropy_loop(BITS_F32, BITS_F32, x, target, dx, scale, count);
    return cross_entropy_loop(xt, yt, x, target, dx, scale, count);
}

#endif
