// Tiles of 12 × 32 with AVX-512: 24 sums, two vectors of columns and one broadcast element fill the registers.
#include "matrix/matrix_avx512.h"
#if BITS_X86
#include "matrix/matrix_vectors_avx512.h"

// sum += the products of one unit of k: a float32, or a pair of bfloat16.
BITS_TARGET_AVX512 BITS_INLINE __m512 add_f32(__m512 sum, __m512i row, __m512i column) {
    return _mm512_fmadd_ps(_mm512_castsi512_ps(row), _mm512_castsi512_ps(column), sum);
}
BITS_TARGET_AVX512_BF16 BITS_INLINE __m512 add_bf16(__m512 sum, __m512i row, __m512i column) {
    return _mm512_dpbf16_ps(sum, (__m512bh)column, (__m512bh)row);
}

#define DEFINE_TILE(type, target)                                                                                                   \
    target BITS_INLINE void tile_of_##type(const int rows, const int panels, int64_t units, const char *p, int64_t p_stride,        \
                                           const char *q, int64_t panel_stride, float *tile, int32_t accumulates) {                 \
        __m512 sum[12][2];                                                                                                          \
        _Pragma("unroll") for (int i = 0; i < rows; i++) for (int j = 0; j < panels; j++)                                           \
            sum[i][j] = accumulates ? _mm512_loadu_ps(tile + i * BITS_TILE_COLUMNS + j * 16) : _mm512_setzero_ps();                 \
        const char *const right = q + panel_stride;                                                                                 \
        for (int64_t u = 0; u < units; u++) {                                                                                       \
            const __m512i a = _mm512_loadu_si512(q + u * 64), b = panels == 2 ? _mm512_loadu_si512(right + u * 64) : a;             \
            _Pragma("unroll") for (int i = 0; i < rows; i++) {                                                                      \
                const __m512i x = bits_unit_at(p + i * p_stride + u * 4);                                                           \
                sum[i][0] = add_##type(sum[i][0], x, a);                                                                            \
                if (panels == 2) sum[i][1] = add_##type(sum[i][1], x, b);                                                           \
            }                                                                                                                       \
        }                                                                                                                           \
        _Pragma("unroll") for (int i = 0; i < rows; i++) for (int j = 0; j < panels; j++)                                           \
            _mm512_storeu_ps(tile + i * BITS_TILE_COLUMNS + j * 16, sum[i][j]);                                                     \
    }

DEFINE_TILE(f32, BITS_TARGET_AVX512)
DEFINE_TILE(bf16, BITS_TARGET_AVX512_BF16)

#define ONE_TILE(type, height)                                                                                          \
    case height:                                                                                                        \
        if (panels == 2) tile_of_##type(height, 2, units, p, p_stride, q, panel_stride, tile, accumulates);             \
        else tile_of_##type(height, 1, units, p, p_stride, q, panel_stride, tile, accumulates);                         \
        break;
#define EVERY_TILE(type)                                                                                                \
    switch (rows) {                                                                                                     \
        ONE_TILE(type, 1) ONE_TILE(type, 2) ONE_TILE(type, 3) ONE_TILE(type, 4) ONE_TILE(type, 5) ONE_TILE(type, 6)     \
        ONE_TILE(type, 7) ONE_TILE(type, 8) ONE_TILE(type, 9) ONE_TILE(type, 10) ONE_TILE(type, 11) ONE_TILE(type, 12)  \
    }

BITS_TARGET_AVX512 static void tile_f32(int32_t rows, int32_t panels, int64_t depth, const char *p, int64_t p_stride, const char *q,
                                        int64_t panel_stride, float *tile, int32_t accumulates) {
    const int64_t units = depth;
    EVERY_TILE(f32)
}

BITS_TARGET_AVX512_BF16 static void tile_bf16(int32_t rows, int32_t panels, int64_t depth, const char *p, int64_t p_stride, const char *q,
                                              int64_t panel_stride, float *tile, int32_t accumulates) {
    const int64_t units = depth / 2;
    EVERY_TILE(bf16)
}

// Operands packed as `type`, `unit` of them together along k; weights in the engine's order are made by the functions of `ordered`, rounded to `rounding`.
#define ENGINE(type, packed_type, unit, ordered, rounding, storing)                                                 \
    {                                                                                                               \
        .packed = packed_type, .depth_unit = unit, .rows = 12, .columns = 32, .chunk = 2048, .rounds = rounding,    \
        .pack_rows = bits_pack_rows_##type##_avx512, .pack_columns = bits_pack_columns_##type##_avx512,             \
        .unpack = bits_unpack_##type##_avx512, .tile = tile_##type, .store = storing,                               \
        .dots = bits_dots_##type##_avx512, .order = bits_order_##type##_avx512,                                     \
        .unpack_ordered = bits_unpack_ordered_##ordered##_avx512,                                                   \
        .four_bit_dots = bits_four_bit_dots_##ordered##_avx512, .few = 8, .few_four_bit = 24,                       \
    }

const matrix_engine bits_matrix_avx512 = ENGINE(f32, BITS_F32, 1, f32, BITS_F32, bits_store_avx512);
const matrix_engine bits_matrix_avx512_f16 = ENGINE(f32, BITS_F32, 1, f16, BITS_F16, bits_store_avx512);
const matrix_engine bits_matrix_avx512_bf16 = ENGINE(bf16, BITS_BF16, 2, bf16, BITS_F32, bits_store_bf16_avx512);
#endif
