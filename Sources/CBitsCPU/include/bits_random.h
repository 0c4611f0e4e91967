// Random numbers that are a function of their place: the same bits at every processor level, for any number of threads, and when drawn again.
#ifndef BITS_RANDOM_H
#define BITS_RANDOM_H
#include "bits_base.h"

// Block b of four words is Philox 4x32-10 of the counter [b, stream] with the seed as key; word i of a draw is word i % 4 of block position + i / 4.
typedef struct {
    uint64_t seed, stream, position;
} bits_random_stream;

// UNIFORM: fl(center + fl(spread * ((word >> 8) * 2^-24))). NORMAL: elements 2k and 2k + 1 are fma(spread, r cos t, center) and fma(spread, r sin t,
// center) with r = sqrt(-2 ln u), u = fma(a >> 1, 2^-31, 2^-32), t = 2 pi b / 2^32 of their words a and b.
enum { BITS_UNIFORM = 0, BITS_NORMAL = 1 };

// `output` is float32, float16 or bfloat16, rounded once.
int32_t bits_cpu_random(int32_t distribution, const bits_random_stream *stream, float center, float spread, void *output, int32_t output_dtype,
                        int64_t count);

// output[i] = input[i] * (word i < threshold ? 0 : gain)
int32_t bits_cpu_dropout(const bits_random_stream *stream, uint32_t threshold, float gain, const void *input, int32_t input_dtype, void *output,
                         int32_t output_dtype, int64_t count);
#endif
