// The parts of an int8 product in plain C, compiled once for each level that has no better version: operands are widened to 16 bits, and two
// products are added at a time. The including file defines INT8(name), INT8_TARGET, INT8_ROWS and INT8_ADD_PAIRS(sum, row, columns):
// sum[0 ..< 8] += row[0] * columns[2 i] + row[1] * columns[2 i + 1].
#include "matrix/matrix_engine.h"
#include <string.h>

INT8_TARGET static void INT8(pack_rows)(const matrix_operand *from, int64_t first, int64_t count, int64_t k, int64_t depth, int64_t padded,
                                        char *to, int64_t stride) {
    const int8_t *const data = (const int8_t *)from->data;
    for (int64_t i = 0; i < count; i++) {
        int16_t *const row = (int16_t *)(to + i * stride);
        if (from->along)
            for (int64_t t = 0; t < depth; t++) row[t] = data[(first + i) * from->stride + k + t];
        else
            for (int64_t t = 0; t < depth; t++) row[t] = data[(k + t) * from->stride + first + i];
        for (int64_t t = depth; t < padded; t++) row[t] = 0;
    }
}

INT8_TARGET static void INT8(pack_columns)(const matrix_operand *from, int64_t first, int64_t count, int64_t k, int64_t depth, int64_t padded,
                                           char *to, int64_t stride) {
    const int8_t *const data = (const int8_t *)from->data;
    for (int64_t start = 0; start < count; start += BITS_PANEL, to += stride) {
        int16_t *const panel = (int16_t *)to;
        const int64_t width = bits_min(BITS_PANEL, count - start);
        if (width < BITS_PANEL || depth < padded) memset(panel, 0, (size_t)padded * BITS_PANEL * 2);
        for (int64_t i = 0; i < width; i++) {
            const int8_t *const corner = from->along ? data + (first + start + i) * from->stride + k : data + k * from->stride + first + start + i;
            const int64_t step = from->along ? 1 : from->stride;
            for (int64_t t = 0; t < depth; t++) panel[t / 2 * 2 * BITS_PANEL + i * 2 + t % 2] = corner[t * step];
        }
    }
}

INT8_TARGET BITS_INLINE void INT8(tile_of)(const int rows, int64_t pairs, const char *p, int64_t p_stride, const int16_t *q, int32_t *tile,
                                           int32_t accumulates) {
    INT8_LANES sum[INT8_ROWS][2];
#pragma unroll
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < 2; j++) {
            if (accumulates) memcpy(&sum[i][j], tile + i * BITS_TILE_COLUMNS + j * 8, 32);
            else memset(&sum[i][j], 0, 32);
        }
    for (int64_t u = 0; u < pairs; u++)
#pragma unroll
        for (int i = 0; i < rows; i++)
            for (int j = 0; j < 2; j++) INT8_ADD_PAIRS(sum[i][j], (const int16_t *)(p + i * p_stride) + 2 * u, q + u * 2 * BITS_PANEL + j * 16);
#pragma unroll
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < 2; j++) memcpy(tile + i * BITS_TILE_COLUMNS + j * 8, &sum[i][j], 32);
}

INT8_TARGET static void INT8(tile)(int32_t rows, int32_t panels, int64_t depth, const char *p, int64_t p_stride, const char *q,
                                   int64_t panel_stride, float *tile, int32_t accumulates) {
    (void)panels;
    (void)panel_stride;
    int32_t *const sums = (int32_t *)tile;
    const int16_t *const columns = (const int16_t *)q;
    switch (rows) {
    case 1: INT8(tile_of)(1, depth / 2, p, p_stride, columns, sums, accumulates); break;
    case 2: INT8(tile_of)(2, depth / 2, p, p_stride, columns, sums, accumulates); break;
    case 3: INT8(tile_of)(3, depth / 2, p, p_stride, columns, sums, accumulates); break;
    case 4: INT8(tile_of)(4, depth / 2, p, p_stride, columns, sums, accumulates); break;
    }
}

INT8_TARGET static void INT8(dots)(int32_t vectors, int64_t depth, const char *w, const char *x, int64_t x_stride, float *sums,
                                   int32_t accumulates) {
    const int16_t *const row = (const int16_t *)w;
    for (int j = 0; j < vectors; j++) {
        const int16_t *const vector = (const int16_t *)(x + j * x_stride);
        uint32_t sum = 0;
        for (int64_t k = 0; k < depth; k++) sum += (uint32_t)(row[k] * vector[k]);
        int32_t *const to = (int32_t *)sums + j * BITS_TILE_COLUMNS;
        *to = (int32_t)(accumulates ? (uint32_t)*to + sum : sum);
    }
}

const matrix_engine INT8(bits_int8) = {
    BITS_ONE_PANEL,
    .packed = BITS_I16,
    .depth_unit = 2,
    .rows = INT8_ROWS,
    .pack_rows = INT8(pack_rows),
    .pack_columns = INT8(pack_columns),
    .tile = INT8(tile),
    .store = bits_int8_store,
    .dots = INT8(dots),
};
