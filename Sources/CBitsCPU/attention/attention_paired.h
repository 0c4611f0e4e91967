// The products of attention where queries, keys and values are bfloat16 and a processor multiplies pairs of those: sums are float32, weights are rounded
// to bfloat16 before they are multiplied.
//
// Every weight meets every number, so none of the numbers may be NaN or infinite: a weight of 0 would not hide it.
#ifndef BITS_ATTENTION_PAIRED_H
#define BITS_ATTENTION_PAIRED_H
#include "bits_base.h"

// A pair is two bfloat16, the first in the lower half. Tiles are of BITS_ATTENTION_ROWS rows, blocks of at most BITS_ATTENTION_KEYS tokens.
typedef struct {
    int (*all_finite)(const void *x, int64_t count);
    // to[h / 2][row]: elements h and h + 1 of each row of a tile.
    void (*columns)(const void *const rows[], int64_t width, uint32_t *to);
    // to[i / 2][h]: element h of rows i and i + 1, zero for what is not there; `stride`, a multiple of 16, from one to the next.
    void (*pairs)(const void *const rows[], int64_t count, int64_t width, uint32_t *to, int64_t stride);
    // scores[j][row] = factor * tokens[j] · columns[.][row], tokens `stride` bytes apart.
    void (*scores)(const void *tokens, int64_t stride, int64_t count, const uint32_t *columns, int64_t width, float factor, float *scores);
    // sums[h][row] = sums[h][row] * factors[row] + sum_j weights[j][row] tokens[j][h]
    void (*weighted_sum)(const float *weights, int64_t count, const uint32_t *tokens, int64_t stride, int64_t width, const float *factors, float *sums);
    // sums[j][h] += sum_r factor * weights[j][r] rows[r][h], h < stride
    void (*outer_sum)(const float *weights, float factor, int64_t count, const uint32_t *rows, int64_t stride, float *sums);
} bits_paired_attention;

extern const bits_paired_attention bits_paired_attention_avx512;

#endif
