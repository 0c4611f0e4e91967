// The block scales of a matrix in 4 bits.
#ifndef BITS_FOUR_BIT_SCALES_H
#define BITS_FOUR_BIT_SCALES_H
#include "base/private_base.h"
#include "bits_four_bit.h"

// n / size, where size is usually a power of two and a division would keep everything after it waiting.
BITS_INLINE int64_t bits_quotient(int64_t n, int64_t size) { return size & (size - 1) ? n / size : n >> __builtin_ctzll((uint64_t)size); }

// The scales of blocks first .. first + count of a weight: where they lie, or computed into `to`.
BITS_INLINE const float *bits_four_bit_scales(const bits_four_bit_matrix *w, int64_t first, int64_t count, float *to) {
    if (w->absmax) return w->absmax + first;
    const uint8_t *const codes = w->absmax_codes + first;
    const float *const code = w->nested_code;
    int64_t nested = bits_quotient(first, w->nested_block_size), left = (nested + 1) * w->nested_block_size - first;
    const float offset = *w->nested_offset;
    for (int64_t i = 0; i < count; nested++, left = w->nested_block_size) {
        const int64_t end = i + left < count ? i + left : count;
        const float absmax = w->nested_absmax[nested];
        // One at a time: gathering costs more than single loads, and vectors loaded right after single stores wait for them.
#pragma clang loop vectorize(disable) unroll_count(4)
        for (; i < end; i++) to[i] = code[codes[i]] * absmax + offset;
    }
    return to;
}

// The scale of block `b` of a weight.
BITS_INLINE float bits_four_bit_scale(const bits_four_bit_matrix *w, int64_t b) {
    if (w->absmax) return w->absmax[b];
    return w->nested_code[w->absmax_codes[b]] * w->nested_absmax[bits_quotient(b, w->nested_block_size)] + *w->nested_offset;
}

#endif
