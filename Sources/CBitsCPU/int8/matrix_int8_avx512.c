// int8 products with AVX-512 VNNI. Its instruction multiplies unsigned by signed bytes: what is packed as columns or vectors is raised by 128, and 128
// times the sum of the row is taken off again, which is exact because sums wrap around.
#include "int8/matrix_int8.h"
#if BITS_X86
#include "matrix/matrix_vectors_avx512.h"
#include <string.h>

BITS_TARGET_AVX512 BITS_INLINE __m512i along(const char *from, const int32_t dtype, int32_t rounds, int64_t count) {
    (void)dtype;
    (void)rounds;
    const __mmask64 mask = count >= 64 ? ~0ull : count <= 0 ? 0 : (1ull << count) - 1;
    return _mm512_maskz_loadu_epi8(mask, from);
}

BITS_TARGET_AVX512 BITS_INLINE __m512i across(const char *from, int64_t line, int64_t count, const int32_t dtype, int32_t rounds, __mmask16 mask) {
    (void)dtype;
    (void)rounds;
    __m512i units = _mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(mask, from));
    if (count > 1) units = _mm512_or_si512(units, _mm512_slli_epi32(_mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(mask, from + line)), 8));
    if (count > 2) units = _mm512_or_si512(units, _mm512_slli_epi32(_mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(mask, from + 2 * line)), 16));
    if (count > 3) units = _mm512_or_si512(units, _mm512_slli_epi32(_mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(mask, from + 3 * line)), 24));
    return units;
}

#define PACK_NAME(name) bits_pack_##name##_i8_avx512
#define PACK_TARGET BITS_TARGET_AVX512
#define PACK_UNIT 4
#define PACK_TYPES(function) return PACK_AS(function, BITS_I8);
#include "matrix/matrix_pack_avx512.h"

BITS_TARGET_AVX512 BITS_INLINE void raise(char *from, int64_t bytes) {
    for (char *const end = from + bytes; from < end; from += 64)
        _mm512_storeu_si512(from, _mm512_xor_si512(_mm512_loadu_si512(from), _mm512_set1_epi8((char)0x80)));
}

BITS_TARGET_AVX512 static void pack_raised_columns(const matrix_operand *from, int64_t first, int64_t count, int64_t k, int64_t depth,
                                                   int64_t padded, char *to, int64_t stride) {
    bits_pack_columns_i8_avx512(from, first, count, k, depth, padded, to, stride);
    for (int64_t i = 0; i < count; i += BITS_PANEL) raise(to + i / BITS_PANEL * stride, padded * BITS_PANEL);
}

BITS_TARGET_AVX512 static void pack_raised_vectors(const matrix_operand *from, int64_t first, int64_t count, int64_t k, int64_t depth,
                                                   int64_t padded, char *to, int64_t stride) {
    bits_pack_rows_i8_avx512(from, first, count, k, depth, padded, to, stride);
    for (int64_t i = 0; i < count; i++) raise(to + i * stride, padded);
}

// 128 times the sum of a row.
BITS_TARGET_AVX512_VNNI BITS_INLINE __m512i raised_by(const char *row, int64_t depth) {
    __m512i sum = _mm512_setzero_si512();
    for (int64_t k = 0; k < depth; k += 64) sum = _mm512_dpbusd_epi32(sum, _mm512_set1_epi8((char)0x80), along(row + k, BITS_I8, 0, depth - k));
    return _mm512_set1_epi32(_mm512_reduce_add_epi32(sum));
}

BITS_TARGET_AVX512_VNNI BITS_INLINE void tile_of(const int rows, const int panels, int64_t units, const char *p, int64_t p_stride, const char *q,
                                                 int64_t panel_stride, int32_t *tile, int32_t accumulates) {
    __m512i sum[12][2];
#pragma unroll
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < panels; j++)
            sum[i][j] = accumulates ? _mm512_loadu_si512(tile + i * BITS_TILE_COLUMNS + j * 16) : _mm512_setzero_si512();
    for (int64_t u = 0; u < units; u++) {
        __m512i columns[2];
#pragma unroll
        for (int j = 0; j < panels; j++) columns[j] = _mm512_loadu_si512(q + j * panel_stride + u * 64);
#pragma unroll
        for (int i = 0; i < rows; i++) {
            int32_t unit;
            memcpy(&unit, p + i * p_stride + u * 4, sizeof unit);
            for (int j = 0; j < panels; j++) sum[i][j] = _mm512_dpbusd_epi32(sum[i][j], columns[j], _mm512_set1_epi32(unit));
        }
    }
#pragma unroll
    for (int i = 0; i < rows; i++) {
        const __m512i raised = raised_by(p + i * p_stride, units * 4);
        for (int j = 0; j < panels; j++) _mm512_storeu_si512(tile + i * BITS_TILE_COLUMNS + j * 16, _mm512_sub_epi32(sum[i][j], raised));
    }
}

#define ONE_TILE(height)                                                                            \
    case height:                                                                                    \
        if (panels == 2) tile_of(height, 2, units, p, p_stride, q, panel_stride, sums, accumulates); \
        else tile_of(height, 1, units, p, p_stride, q, panel_stride, sums, accumulates);             \
        break;

BITS_TARGET_AVX512_VNNI static void tile_i8(int32_t rows, int32_t panels, int64_t depth, const char *p, int64_t p_stride, const char *q,
                                            int64_t panel_stride, float *tile, int32_t accumulates) {
    const int64_t units = depth / 4;
    int32_t *const sums = (int32_t *)tile;
    switch (rows) {
        ONE_TILE(1) ONE_TILE(2) ONE_TILE(3) ONE_TILE(4) ONE_TILE(5) ONE_TILE(6)
        ONE_TILE(7) ONE_TILE(8) ONE_TILE(9) ONE_TILE(10) ONE_TILE(11) ONE_TILE(12)
    }
}

BITS_TARGET_AVX512_VNNI BITS_INLINE void dots_of(const int vectors, int64_t depth, const char *w, const char *x, int64_t x_stride, int32_t *sums,
                                                 int32_t accumulates) {
    const __m512i by = _mm512_set1_epi8((char)0x80);
    __m512i sum[8], raised = _mm512_setzero_si512();
#pragma unroll
    for (int j = 0; j < vectors; j++) sum[j] = _mm512_setzero_si512();
    for (int64_t k = 0; k < depth; k += 64) {
        const __m512i row = along(w + k, BITS_I8, 0, depth - k);
        bits_expect(w + k);
        raised = _mm512_dpbusd_epi32(raised, by, row);
#pragma unroll
        for (int j = 0; j < vectors; j++) sum[j] = _mm512_dpbusd_epi32(sum[j], _mm512_loadu_si512(x + j * x_stride + k), row);
    }
#pragma unroll
    for (int j = 0; j < vectors; j++) {
        const uint32_t all = (uint32_t)_mm512_reduce_add_epi32(_mm512_sub_epi32(sum[j], raised));
        int32_t *const to = sums + j * BITS_TILE_COLUMNS;
        *to = (int32_t)(accumulates ? (uint32_t)*to + all : all);
    }
}

#define DOTS_OF(count) \
    case count: return dots_of(count, depth, w, x, x_stride, (int32_t *)sums, accumulates);

BITS_TARGET_AVX512_VNNI static void dots_i8(int32_t vectors, int64_t depth, const char *w, const char *x, int64_t x_stride, float *sums,
                                            int32_t accumulates) {
    switch (vectors) {
        DOTS_OF(1) DOTS_OF(2) DOTS_OF(3) DOTS_OF(4) DOTS_OF(5) DOTS_OF(6) DOTS_OF(7) DOTS_OF(8)
    }
}

const matrix_engine bits_int8_avx512_vnni = {
    .packed = BITS_I8,
    .depth_unit = 4,
    .rows = 12,
    .columns = 32,
    .chunk = 1024,
    .pack_rows = bits_pack_rows_i8_avx512,
    .pack_columns = pack_raised_columns,
    .pack_vectors = pack_raised_vectors,
    .tile = tile_i8,
    .store = bits_int8_store,
    .dots = dots_i8,
    .few = BITS_DOTS_VECTORS,
};
#endif
