// The loops of int8 kernels for one level; the including file sets BITS_WIDTH and BITS_INT8_ROWS.
#include "int8/int8_rows.h"
// The level's instructions are allowed from here on.
#include "base/private_vector.h"

typedef int8_t vb __attribute__((vector_size(BITS_WIDTH)));

enum { INFINITE = 0x7f800000, PANEL = 16, TILE_COLUMNS = 32 };

// Magnitudes as integers, which compare as the numbers do; those of NaN are above INFINITE.
INLINE vi magnitude_bits(const void *x, int32_t dtype, int64_t i, int64_t count) { return (vi)load(x, dtype, i, count) & 0x7fffffff; }

// The magnitude from which on a number is an outlier.
INLINE int32_t outlier_bits(float threshold) {
    int32_t bits;
    memcpy(&bits, &threshold, sizeof bits);
    return threshold > 0 ? bits : 0x7fffffff;
}

INLINE vi is_outlier(vi magnitude, int32_t from) { return (magnitude >= from) & (magnitude <= INFINITE); }

INLINE float as_float(int32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

// A row that holds outliers, infinities or NaN.
INLINE int32_t largest_of_special(const void *x, int32_t dtype, int64_t count, int32_t from, uint8_t *outliers, bits_int8_findings *found) {
    vi largest = {}, non_finite = {}, nan = {};
    for (int64_t i = 0; i < count; i += WIDTH) {
        const vi m = magnitude_bits(x, dtype, i, count), out = is_outlier(m, from), unknown = m > INFINITE;
        largest = __builtin_elementwise_max(largest, m & ~(out | unknown));
        non_finite -= m >= INFINITE;
        nan |= unknown;
        if (!__builtin_reduce_or(out)) continue;
        found->has_outliers = 1;
        for (int k = 0; k < WIDTH && outliers; k++)
            if (out[k]) __atomic_store_n(outliers + i + k, 1, __ATOMIC_RELAXED);
    }
    found->non_finite += __builtin_reduce_add(non_finite);
    found->has_nan |= __builtin_reduce_or(nan) != 0;
    return __builtin_reduce_max(largest);
}

INLINE float absmax_loop(const void *x, int32_t dtype, int64_t count, float threshold, uint8_t *outliers, bits_int8_findings *found) {
    const int32_t from = outlier_bits(threshold);
    vi largest[4] = {};
    int64_t i = 0;
    for (; i + 4 * WIDTH <= count; i += 4 * WIDTH)
        for (int k = 0; k < 4; k++)
            largest[k] = __builtin_elementwise_max(largest[k], (vi)load_full(x, dtype, i + k * WIDTH) & 0x7fffffff);
    for (; i < count; i += WIDTH) largest[0] = __builtin_elementwise_max(largest[0], magnitude_bits(x, dtype, i, count));
    for (int k = 1; k < 4; k++) largest[0] = __builtin_elementwise_max(largest[0], largest[k]);
    const int32_t all = __builtin_reduce_max(largest[0]);
    return as_float(all < from && all < INFINITE ? all : largest_of_special(x, dtype, count, from, outliers, found));
}

static float absmax_row(const void *x, int32_t dtype, int64_t count, float threshold, uint8_t *outliers, bits_int8_findings *found) {
    return dtype == BITS_F32 ? absmax_loop(x, BITS_F32, count, threshold, outliers, found) : absmax_loop(x, dtype, count, threshold, outliers, found);
}

// The nearest integers of numbers, at most ±127; 0 for NaN. Adding 1.5 * 2^23 rounds to units, which then stand in the lowest bits.
INLINE vb nearest_codes(vf y) {
    y = pick(y == y, y, zero());
    y = smaller(larger(y, splat(-127)), splat(127));
    return __builtin_convertvector((vi)(y + 0x1.8p23f) - 0x4b400000, vb);
}

INLINE void store_codes(int8_t *codes, vb x, int64_t left) { memcpy(codes, &x, left < WIDTH ? (size_t)left : WIDTH); }

INLINE void quantize_loop(const void *x, int32_t dtype, int64_t count, float factor, int8_t *codes) {
    int64_t i = 0;
    for (; i + WIDTH <= count; i += WIDTH) store_codes(codes + i, nearest_codes(load_full(x, dtype, i) * splat(factor)), WIDTH);
    if (i < count) store_codes(codes + i, nearest_codes(load(x, dtype, i, count) * splat(factor)), count - i);
}

static void quantize_row(const void *x, int32_t dtype, int64_t count, float factor, const uint8_t *outliers, int8_t *codes) {
    if (dtype == BITS_F32) quantize_loop(x, BITS_F32, count, factor, codes);
    else quantize_loop(x, dtype, count, factor, codes);
    if (!outliers) return;
    for (int64_t i = 0; i < count; i++) codes[i] = (int8_t)(codes[i] & (outliers[i] - 1));
}

static void column_absmax_row(const void *x, int32_t dtype, int64_t count, float threshold, int32_t keeps_nan, float *absmax) {
    const int32_t from = outlier_bits(threshold), most = keeps_nan ? 0x7fffffff : INFINITE;
    for (int64_t i = 0; i < count; i += WIDTH) {
        const vi m = magnitude_bits(x, dtype, i, count), counted = m & ~is_outlier(m, from) & (m <= most);
        store(absmax, BITS_F32, i, count, (vf)__builtin_elementwise_max((vi)load(absmax, BITS_F32, i, count), counted));
    }
}

static void quantize_columns_row(const void *x, int32_t dtype, int64_t count, float threshold, const float *scales, int8_t *codes) {
    const int32_t from = outlier_bits(threshold);
    for (int64_t i = 0; i < count; i += WIDTH) {
        const vf value = load(x, dtype, i, count);
        const vf y = value * splat(127) / load(scales, BITS_F32, i, count);
        const vi outlier = is_outlier((vi)value & 0x7fffffff, from);
        store_codes(codes + i, nearest_codes(pick(outlier, zero(), y)), count - i);
    }
}

INLINE vf load_codes(const int8_t *codes, int64_t left) {
    vb x = {};
    memcpy(&x, codes, left < WIDTH ? (size_t)left : WIDTH);
    return __builtin_convertvector(__builtin_convertvector(x, vi), vf);
}

INLINE void dequantize_loop(const int8_t *codes, int64_t count, float scale, void *y, const int32_t dtype) {
    const float unit = 1.0f / 127;
    int64_t i = 0;
    for (; i + WIDTH <= count; i += WIDTH) store_full(y, dtype, i, load_codes(codes + i, WIDTH) * splat(scale) * splat(unit));
    if (i < count) store(y, dtype, i, count, load_codes(codes + i, count - i) * splat(scale) * splat(unit));
}

static void dequantize_row(const int8_t *codes, int64_t count, float scale, void *y, int32_t dtype) {
    BITS_FOR_FLOAT_TYPE(dtype, dequantize_loop, codes, count, scale, y)
}

static void rescale_row(const int32_t *sums, int64_t count, float row_scale, const float *column_scales, const void *bias, int32_t bias_dtype,
                        const float *added, void *y, int32_t dtype) {
    const float unit = 1.0f / 16129;
    for (int64_t i = 0; i < count; i += WIDTH) {
        const vf sum = __builtin_convertvector((vi)load(sums, BITS_F32, i, count), vf);
        const vf product = sum * splat(row_scale) * load(column_scales, BITS_F32, i, count);
        vf value = __builtin_elementwise_fma(product, splat(unit), bias ? load(bias, bias_dtype, i, count) : zero());
        if (added) value = value + load(added, BITS_F32, i, count);
        store(y, dtype, i, count, value);
    }
}

enum { PARTS = PANEL / BITS_WIDTH, HEIGHT = BITS_WIDTH == 16 ? 8 : 4 };  // vectors of a panel, rows at once

INLINE void multiply_rows(const int height, const float *rows, const float *panel, int64_t count, float *sums) {
    vf total[HEIGHT][PARTS] = {};
    for (int64_t o = 0; o < count; o++)
#pragma clang loop unroll(full)
        for (int i = 0; i < height; i++)
            for (int p = 0; p < PARTS; p++)
                total[i][p] = fma_or_not(splat(rows[i * count + o]), load_f32(panel + o * PANEL + p * WIDTH), total[i][p]);
#pragma clang loop unroll(full)
    for (int i = 0; i < height; i++)
        for (int p = 0; p < PARTS; p++) store_f32(sums + i * TILE_COLUMNS + p * WIDTH, total[i][p]);
}

static void multiply_outliers(const float *rows, int64_t height, const float *panel, int64_t count, float *sums) {
    for (; height >= HEIGHT; height -= HEIGHT, rows += HEIGHT * count, sums += HEIGHT * TILE_COLUMNS)
        multiply_rows(HEIGHT, rows, panel, count, sums);
    for (; height > 0; height--, rows += count, sums += TILE_COLUMNS) multiply_rows(1, rows, panel, count, sums);
}

const bits_int8_rows BITS_INT8_ROWS = {
    .absmax = absmax_row,
    .quantize = quantize_row,
    .column_absmax = column_absmax_row,
    .quantize_columns = quantize_columns_row,
    .dequantize = dequantize_row,
    .rescale = rescale_row,
    .multiply_outliers = multiply_outliers,
};

#if BITS_WIDTH > 4
#pragma clang attribute pop
#endif
