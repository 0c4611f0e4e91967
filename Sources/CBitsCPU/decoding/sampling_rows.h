// What drawing a token needs of each level.
#ifndef BITS_SAMPLING_ROWS_H
#define BITS_SAMPLING_ROWS_H
#include "base/private_vector_math.h"

INLINE void sampling_weights_loop(const void *x, int32_t dtype, float peak, float temperature, float *weights, int64_t count) {
    for (int64_t i = 0; i < count; i += WIDTH) {
        const vf logits = load(x, dtype, i, count);
        store(weights, BITS_F32, i, count, pick(logits == logits, v_exp((logits - peak) / temperature), zero()));
    }
}

static void sampling_weights_row(const void *x, int32_t dtype, float peak, float temperature, float *weights, int64_t count) {
    if (dtype == BITS_F32) sampling_weights_loop(x, BITS_F32, peak, temperature, weights, count);
    else sampling_weights_loop(x, dtype, peak, temperature, weights, count);
}

#endif
