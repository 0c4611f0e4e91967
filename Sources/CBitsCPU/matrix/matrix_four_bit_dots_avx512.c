// A few vectors against 4-bit rows with AVX-512. A block's sixteen values are scaled and rounded once; codes pick them by permutation, and what
// they pick is multiplied where it is, in a register.
#include "matrix/matrix_avx512.h"
#if BITS_X86
#include "matrix/matrix_codes_avx512.h"

enum {
    ROWS = 4,         // at once, with up to four vectors; three with more, so that the sums fit the registers
    SCALES = 128,     // of a row, computed at a time; even
    PREFETCH = 2048,  // bytes ahead
};

// Sums of `rows` rows, each read once, against `vectors` vectors.
#define DEFINE_DOTS(type, target)                                                                                                       \
    target BITS_INLINE void step_##type(const int rows, const int vectors, int64_t left, const uint8_t *const *bytes, int64_t at,       \
                                        const __m512i *tables, const char *x, int64_t x_stride, __m512 sum[ROWS][8]) {                  \
        _Pragma("unroll") for (int j = 0; j < 4; j++) {                                                                                 \
            __m512i w[ROWS];                                                                                                            \
            _Pragma("unroll") for (int i = 0; i < rows; i++) w[i] = picked_##type(bytes[i] + at, left, j, tables[i]);                   \
            _Pragma("unroll") for (int v = 0; v < vectors; v++) {                                                                       \
                const __m512i vector = _mm512_loadu_si512(x + v * x_stride + j * 64);                                                   \
                _Pragma("unroll") for (int i = 0; i < rows; i++) sum[i][v] = bits_add_products_##type(sum[i][v], w[i], vector);         \
            }                                                                                                                           \
        }                                                                                                                               \
    }                                                                                                                                   \
    target BITS_INLINE void rows_##type(const int rows, const int vectors, const bits_four_bit_matrix *w, int64_t first, const char *x, \
                                        int64_t x_stride, float *sums) {                                                                \
        const __m512 code = _mm512_loadu_ps(w->code);                                                                                   \
        const int64_t groups = w->columns / BITS_GROUP;                                                                                 \
        __m512 sum[ROWS][8];                                                                                                            \
        _Pragma("unroll") for (int i = 0; i < rows; i++) _Pragma("unroll") for (int v = 0; v < vectors; v++)                            \
            sum[i][v] = _mm512_setzero_ps();                                                                                            \
        for (int64_t done = 0; done < groups; done += SCALES) {                                                                         \
            float memory[ROWS][SCALES];                                                                                                 \
            const float *scales[ROWS];                                                                                                  \
            const uint8_t *bytes[ROWS];                                                                                                 \
            const int64_t count = bits_min(SCALES, groups - done);                                                                      \
            _Pragma("unroll") for (int i = 0; i < rows; i++) {                                                                          \
                const int64_t start = ((first + i) * groups + done) * BITS_GROUP;                                                       \
                scales[i] = bits_group_scales(w, start, count, memory[i]);                                                              \
                bytes[i] = w->packed + start / 2;                                                                                       \
            }                                                                                                                           \
            for (int64_t g = 0; g < count; g += STEP_##type, x += STEP_BYTES) {                                                         \
                const int64_t left = count - g, at = g * (BITS_GROUP / 2);                                                              \
                __m512i tables[ROWS];                                                                                                   \
                _Pragma("unroll") for (int i = 0; i < rows; i++) {                                                                      \
                    _mm_prefetch((const char *)bytes[i] + at + PREFETCH, _MM_HINT_T0);                                                  \
                    tables[i] = table_##type(code, scales[i] + g, left);                                                                \
                }                                                                                                                       \
                if (left >= STEP_##type) step_##type(rows, vectors, STEP_##type, bytes, at, tables, x, x_stride, sum);                  \
                else step_##type(rows, vectors, left, bytes, at, tables, x, x_stride, sum);                                             \
            }                                                                                                                           \
        }                                                                                                                               \
        _Pragma("unroll") for (int i = 0; i < rows; i++) _Pragma("unroll") for (int v = 0; v < vectors; v++)                            \
            sums[v * BITS_TILE_COLUMNS + i] = _mm512_reduce_add_ps(sum[i][v]);                                                          \
    }

DEFINE_DOTS(f32, BITS_TARGET_AVX512)
DEFINE_DOTS(f16, BITS_TARGET_AVX512)
DEFINE_DOTS(bf16, BITS_TARGET_AVX512_BF16)

#define DOTS_OF(type, count, height)                                                                             \
    case count:                                                                                                  \
        for (; r + height <= rows; r += height) rows_##type(height, count, w, first + r, x, x_stride, sums + r); \
        for (; r < rows; r++) rows_##type(1, count, w, first + r, x, x_stride, sums + r);                        \
        break;
#define EVERY_DOTS(type)                                                                \
    int64_t r = 0;                                                                      \
    switch (vectors) {                                                                  \
        case 1: return bits_four_bit_vector_##type##_avx512(w, first, rows, x, sums);   \
        DOTS_OF(type, 2, 4) DOTS_OF(type, 3, 4) DOTS_OF(type, 4, 4)                     \
        DOTS_OF(type, 5, 3) DOTS_OF(type, 6, 3) DOTS_OF(type, 7, 3) DOTS_OF(type, 8, 3) \
    }

BITS_TARGET_AVX512 void bits_four_bit_dots_f32_avx512(const bits_four_bit_matrix *w, int64_t first, int64_t rows, int32_t vectors, const char *x,
                                                     int64_t x_stride, float *sums) {
    EVERY_DOTS(f32)
}

BITS_TARGET_AVX512 void bits_four_bit_dots_f16_avx512(const bits_four_bit_matrix *w, int64_t first, int64_t rows, int32_t vectors, const char *x,
                                                     int64_t x_stride, float *sums) {
    EVERY_DOTS(f16)
}

BITS_TARGET_AVX512_BF16 void bits_four_bit_dots_bf16_avx512(const bits_four_bit_matrix *w, int64_t first, int64_t rows, int32_t vectors,
                                                           const char *x, int64_t x_stride, float *sums) {
    EVERY_DOTS(bf16)
}
#endif
