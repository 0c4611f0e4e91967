// The parts of a matrix product in plain C with vectors of eight, compiled once for each level that has no better version.
// The including file defines GENERIC(name), GENERIC_TARGET, GENERIC_MADD(a, b, sum), GENERIC_ROWS and, if it has its own, GENERIC_UNPACK.
#include "base/half.h"
#include "matrix/matrix_engine.h"

#define GENERIC_FUNCTION GENERIC_TARGET static
#define GENERIC_INLINE GENERIC_TARGET BITS_INLINE

typedef float GENERIC(lanes) __attribute__((vector_size(32), aligned(4)));
#define LANES GENERIC(lanes)

// `count` elements widened to float32, and rounded to a type of 16 bits if wanted.
GENERIC_FUNCTION void GENERIC(widen)(const char *from, int32_t dtype, int32_t rounds, int64_t count, float *to) {
    if (dtype == BITS_F32) {
        memcpy(to, from, (size_t)count * 4);
    } else if (dtype == BITS_BF16) {
        for (int64_t i = 0; i < count; i++) to[i] = bits_bf16_to_f32(((const uint16_t *)from)[i]);
    } else {
        for (int64_t i = 0; i < count; i++) to[i] = bits_f16_to_f32(((const uint16_t *)from)[i]);
    }
    if (rounds == BITS_BF16)
        for (int64_t i = 0; i < count; i++) to[i] = bits_rounded(to[i], BITS_BF16);
    if (rounds == BITS_F16)
        for (int64_t i = 0; i < count; i++) to[i] = bits_rounded(to[i], BITS_F16);
}

GENERIC_FUNCTION void GENERIC(pack_rows)(const matrix_operand *from, int64_t first, int64_t count, int64_t k, int64_t depth, int64_t padded,
                                         char *to, int64_t stride) {
    const int64_t size = bits_element_size(from->dtype);
    if (from->along) {
        for (int64_t i = 0; i < count; i++) {
            float *row = (float *)(to + i * stride);
            GENERIC(widen)(from->data + ((first + i) * from->stride + k) * size, from->dtype, from->rounds, depth, row);
            for (int64_t t = depth; t < padded; t++) row[t] = 0;
        }
        return;
    }
    enum { BLOCK = 64 };
    float line[8][BLOCK];
    for (int64_t start = 0; start < count; start += BLOCK) {
        const int64_t width = bits_min(BLOCK, count - start);
        for (int64_t t = 0; t < depth; t += 8) {
            const int64_t lines = bits_min(8, depth - t);
            for (int64_t j = 0; j < lines; j++)
                GENERIC(widen)(from->data + ((k + t + j) * from->stride + first + start) * size, from->dtype, from->rounds, width, line[j]);
            for (int64_t i = 0; i < width; i++)
                for (int64_t j = 0; j < lines; j++) ((float *)(to + (start + i) * stride))[t + j] = line[j][i];
        }
        for (int64_t i = 0; i < width; i++)
            for (int64_t t = depth; t < padded; t++) ((float *)(to + (start + i) * stride))[t] = 0;
    }
}

GENERIC_FUNCTION void GENERIC(pack_columns)(const matrix_operand *from, int64_t first, int64_t count, int64_t k, int64_t depth,
                                            int64_t padded, char *to, int64_t stride) {
    enum { BLOCK = 64 };
    const int64_t size = bits_element_size(from->dtype);
    for (int64_t start = 0; start < count; start += BITS_PANEL, to += stride) {
        const int64_t width = bits_min(BITS_PANEL, count - start);
        float *panel = (float *)to;
        if (width < BITS_PANEL || depth < padded) memset(panel, 0, (size_t)padded * BITS_PANEL * 4);
        if (!from->along) {
            for (int64_t t = 0; t < depth; t++)
                GENERIC(widen)(from->data + ((k + t) * from->stride + first + start) * size, from->dtype, from->rounds, width,
                               panel + t * BITS_PANEL);
            continue;
        }
        float line[BLOCK];
        for (int64_t t = 0; t < depth; t += BLOCK) {
            const int64_t length = bits_min(BLOCK, depth - t);
            for (int64_t i = 0; i < width; i++) {
                GENERIC(widen)(from->data + ((first + start + i) * from->stride + k + t) * size, from->dtype, from->rounds, length, line);
                for (int64_t j = 0; j < length; j++) panel[(t + j) * BITS_PANEL + i] = line[j];
            }
        }
    }
}

// The sixteen values of one block.
GENERIC_INLINE void GENERIC(table)(const bits_four_bit_matrix *w, int64_t block, int32_t rounds, float *table) {
    const float scale = bits_four_bit_scale(w, block);
    for (int i = 0; i < 16; i++) table[i] = bits_rounded(w->code[i] * scale, rounds);
}

#ifndef GENERIC_UNPACK
#define GENERIC_UNPACK(bytes, count, table, to)                     \
    for (int64_t i_ = 0; i_ < (count) / 2; i_++) {                  \
        (to)[2 * i_] = (table)[(bytes)[i_] >> 4];                   \
        (to)[2 * i_ + 1] = (table)[(bytes)[i_] & 15];               \
    }
#endif

GENERIC_FUNCTION void GENERIC(unpack)(const bits_four_bit_matrix *w, int64_t first, int64_t count, int32_t rounds, void *out) {
    float table[16], *to = out;
    const int64_t end = first + count;
    while (first < end) {
        const int64_t block = bits_quotient(first, w->block_size), stop = bits_min(end, (block + 1) * w->block_size);
        GENERIC(table)(w, block, rounds, table);
        if (first & 1) *to++ = table[w->packed[first++ >> 1] & 15];
        const uint8_t *bytes = w->packed + (first >> 1);
        const int64_t whole = (stop - first) & ~1;
        if (whole > 0) {
            GENERIC_UNPACK(bytes, whole, table, to);
            to += whole;
            first += whole;
        }
        if (first < stop) *to++ = table[w->packed[first++ >> 1] >> 4];
    }
}

GENERIC_INLINE void GENERIC(tile_of)(const int rows, int64_t depth, const char *p, int64_t p_stride, const float *q, float *tile,
                                     int32_t accumulates) {
    LANES sum[GENERIC_ROWS][2];
#pragma unroll
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < 2; j++) sum[i][j] = accumulates ? *(const LANES *)(tile + i * BITS_TILE_COLUMNS + j * 8) : (LANES){0};
    for (int64_t k = 0; k < depth; k++) {
        const LANES left = *(const LANES *)(q + k * BITS_PANEL), right = *(const LANES *)(q + k * BITS_PANEL + 8);
#pragma unroll
        for (int i = 0; i < rows; i++) {
            const float x = *(const float *)(p + i * p_stride + k * 4);
            const LANES every = {x, x, x, x, x, x, x, x};
            sum[i][0] = GENERIC_MADD(every, left, sum[i][0]);
            sum[i][1] = GENERIC_MADD(every, right, sum[i][1]);
        }
    }
#pragma unroll
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < 2; j++) *(LANES *)(tile + i * BITS_TILE_COLUMNS + j * 8) = sum[i][j];
}

GENERIC_FUNCTION void GENERIC(tile)(int32_t rows, int32_t panels, int64_t depth, const char *p, int64_t p_stride, const char *q,
                                    int64_t panel_stride, float *tile, int32_t accumulates) {
    (void)panels;
    (void)panel_stride;
    const float *const columns = (const float *)q;
    switch (rows) {
    case 1: GENERIC(tile_of)(1, depth, p, p_stride, columns, tile, accumulates); break;
    case 2: GENERIC(tile_of)(2, depth, p, p_stride, columns, tile, accumulates); break;
    case 3: GENERIC(tile_of)(3, depth, p, p_stride, columns, tile, accumulates); break;
    case 4: GENERIC(tile_of)(4, depth, p, p_stride, columns, tile, accumulates); break;
#if GENERIC_ROWS > 4
    case 5: GENERIC(tile_of)(5, depth, p, p_stride, columns, tile, accumulates); break;
    case 6: GENERIC(tile_of)(6, depth, p, p_stride, columns, tile, accumulates); break;
#endif
    }
}

// `count` sums to consecutive elements of the result.
GENERIC_FUNCTION void GENERIC(store_line)(const float *sums, int64_t count, const matrix_result *to, int64_t line, int64_t first) {
    float values[BITS_TILE_COLUMNS], before[BITS_TILE_COLUMNS];
    const int64_t size = bits_element_size(to->dtype);
    char *const out = to->data + (line * to->stride + first) * size;
    memcpy(values, sums, (size_t)count * 4);
    if (to->bias) {
        GENERIC(widen)(to->bias + first * bits_element_size(to->bias_dtype), to->bias_dtype, BITS_F32, count, before);
        for (int64_t i = 0; i < count; i++) values[i] += before[i];
    }
    if (to->accumulates) {
        GENERIC(widen)(out, to->dtype, BITS_F32, count, before);
        for (int64_t i = 0; i < count; i++) values[i] += before[i];
    }
    if (to->dtype == BITS_F32) memcpy(out, values, (size_t)count * 4);
    if (to->dtype == BITS_BF16)
        for (int64_t i = 0; i < count; i++) ((uint16_t *)out)[i] = bits_f32_to_bf16(values[i]);
    if (to->dtype == BITS_F16)
        for (int64_t i = 0; i < count; i++) ((uint16_t *)out)[i] = bits_f32_to_f16(values[i]);
}

GENERIC_FUNCTION void GENERIC(store)(const float *tile, int64_t rows, int64_t columns, const matrix_result *to, int64_t r, int64_t c) {
    if (!to->transposed) {
        for (int64_t i = 0; i < rows; i++) GENERIC(store_line)(tile + i * BITS_TILE_COLUMNS, columns, to, r + i, c);
        return;
    }
    float line[BITS_TILE_COLUMNS];
    for (int64_t j = 0; j < columns; j++) {
        for (int64_t i = 0; i < rows; i++) line[i] = tile[i * BITS_TILE_COLUMNS + j];
        GENERIC(store_line)(line, rows, to, c + j, r);
    }
}

GENERIC_FUNCTION void GENERIC(dots)(int32_t vectors, int64_t depth, const char *w, const char *x, int64_t x_stride, float *sums,
                                    int32_t accumulates) {
    const float *const row = (const float *)w;
    for (int j = 0; j < vectors; j++) {
        const float *const vector = (const float *)(x + j * x_stride);
        LANES sum[4] = {{0}, {0}, {0}, {0}};
        int64_t k = 0;
        for (; k + 32 <= depth; k += 32) {
            bits_expect(row + k);
            bits_expect(row + k + 16);
            for (int u = 0; u < 4; u++)
                sum[u] = GENERIC_MADD(*(const LANES *)(row + k + 8 * u), *(const LANES *)(vector + k + 8 * u), sum[u]);
        }
        const LANES four = (sum[0] + sum[1]) + (sum[2] + sum[3]);
        float all = ((four[0] + four[4]) + (four[1] + four[5])) + ((four[2] + four[6]) + (four[3] + four[7]));
        for (; k < depth; k++) all += row[k] * vector[k];
        float *const to = sums + j * BITS_TILE_COLUMNS;
        *to = accumulates ? *to + all : all;
    }
}

const matrix_engine GENERIC(bits_matrix) = {
    BITS_ONE_PANEL,
    .packed = BITS_F32,
    .depth_unit = 1,
    .rows = GENERIC_ROWS,
    .pack_rows = GENERIC(pack_rows),
    .pack_columns = GENERIC(pack_columns),
    .unpack = GENERIC(unpack),
    .tile = GENERIC(tile),
    .store = GENERIC(store),
    .dots = GENERIC(dots),
};
