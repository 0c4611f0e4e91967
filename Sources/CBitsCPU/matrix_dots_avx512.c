// A few rows of a matrix against a few vectors with AVX-512, both as they lie in memory.
#include "matrix_avx512.h"
#if BITS_X86
#include "matrix_vectors_avx512.h"

BITS_TARGET_AVX512 BITS_INLINE __m512 add_f32(__m512 sum, __m512i row, __m512i vector) {
    return _mm512_fmadd_ps(_mm512_castsi512_ps(row), _mm512_castsi512_ps(vector), sum);
}
BITS_TARGET_AVX512_BF16 BITS_INLINE __m512 add_bf16(__m512 sum, __m512i row, __m512i vector) {
    return _mm512_dpbf16_ps(sum, (__m512bh)row, (__m512bh)vector);
}
BITS_TARGET_AVX512 BITS_INLINE __m512i last_f32(const char *from, int64_t count) { return _mm512_maskz_loadu_epi32(bits_mask16(count), from); }
BITS_TARGET_AVX512 BITS_INLINE __m512i last_bf16(const char *from, int64_t count) { return _mm512_maskz_loadu_epi16(bits_mask32(count), from); }

// One vector is memory-bound: two sums per row keep loads in flight, and the rows' next lines are asked for early.
#define DEFINE_DOTS(type, target, width)                                                                                            \
    target BITS_INLINE void dots_of_##type(const int rows, const int vectors, int64_t depth, const char *w, int64_t w_stride,       \
                                           const char *x, int64_t x_stride, float *sums) {                                          \
        const int lanes = vectors == 1 ? 2 : 1;                                                                                     \
        __m512 sum[4][8][2];                                                                                                        \
        _Pragma("unroll") for (int i = 0; i < rows; i++)                                                                            \
            for (int j = 0; j < vectors; j++) for (int l = 0; l < lanes; l++) sum[i][j][l] = _mm512_setzero_ps();                   \
        int64_t k = 0;                                                                                                              \
        for (; k + lanes * width <= depth; k += lanes * width)                                                                      \
            _Pragma("unroll") for (int l = 0; l < lanes; l++) {                                                                     \
                const int64_t at = (k + l * width) * (64 / width);                                                                  \
                __m512i row[4];                                                                                                     \
                _Pragma("unroll") for (int i = 0; i < rows; i++) {                                                                  \
                    row[i] = _mm512_loadu_si512(w + i * w_stride + at);                                                             \
                    if (vectors == 1) _mm_prefetch(w + i * w_stride + at + 2048, _MM_HINT_T0);                                      \
                }                                                                                                                   \
                _Pragma("unroll") for (int j = 0; j < vectors; j++) {                                                               \
                    const __m512i vector = _mm512_loadu_si512(x + j * x_stride + at);                                               \
                    _Pragma("unroll") for (int i = 0; i < rows; i++) sum[i][j][l] = add_##type(sum[i][j][l], row[i], vector);       \
                }                                                                                                                   \
            }                                                                                                                       \
        for (; k < depth; k += width) {                                                                                             \
            const int64_t at = k * (64 / width);                                                                                    \
            __m512i row[4];                                                                                                         \
            _Pragma("unroll") for (int i = 0; i < rows; i++) row[i] = last_##type(w + i * w_stride + at, depth - k);                \
            _Pragma("unroll") for (int j = 0; j < vectors; j++) {                                                                   \
                const __m512i vector = _mm512_loadu_si512(x + j * x_stride + at);                                                   \
                _Pragma("unroll") for (int i = 0; i < rows; i++) sum[i][j][0] = add_##type(sum[i][j][0], row[i], vector);           \
            }                                                                                                                       \
        }                                                                                                                           \
        _Pragma("unroll") for (int i = 0; i < rows; i++) _Pragma("unroll") for (int j = 0; j < vectors; j++) {                      \
            const __m512 all = vectors == 1 ? _mm512_add_ps(sum[i][j][0], sum[i][j][1]) : sum[i][j][0];                             \
            sums[i * BITS_DOTS_VECTORS + j] = _mm512_reduce_add_ps(all);                                                            \
        }                                                                                                                           \
    }

DEFINE_DOTS(f32, BITS_TARGET_AVX512, 16)
DEFINE_DOTS(bf16, BITS_TARGET_AVX512_BF16, 32)

#define DOTS_OF(type, count)                                                                                           \
    case count:                                                                                                        \
        if (rows == 4) return dots_of_##type(4, count, depth, w, w_stride, x, x_stride, sums);                         \
        for (int i = 0; i < rows; i++)                                                                                 \
            dots_of_##type(1, count, depth, w + i * w_stride, w_stride, x, x_stride, sums + i * BITS_DOTS_VECTORS);    \
        return;
// Up to four vectors meet four rows at once; more would not fit the registers.
#define DOTS_OF_PAIRS(type, count)                                                                                                   \
    case count:                                                                                                                      \
        for (int i = 0; i + 2 <= rows; i += 2)                                                                                       \
            dots_of_##type(2, count, depth, w + i * w_stride, w_stride, x, x_stride, sums + i * BITS_DOTS_VECTORS);                  \
        if (rows & 1)                                                                                                                \
            dots_of_##type(1, count, depth, w + (rows - 1) * w_stride, w_stride, x, x_stride, sums + (rows - 1) * BITS_DOTS_VECTORS); \
        return;
#define EVERY_DOTS(type)                                                                                               \
    switch (vectors) {                                                                                                 \
        DOTS_OF(type, 1) DOTS_OF(type, 2) DOTS_OF(type, 3) DOTS_OF(type, 4)                                            \
        DOTS_OF_PAIRS(type, 5) DOTS_OF_PAIRS(type, 6) DOTS_OF_PAIRS(type, 7) DOTS_OF_PAIRS(type, 8)                    \
    }

BITS_TARGET_AVX512 void bits_dots_f32_avx512(int32_t rows, int32_t vectors, int64_t depth, const char *w, int64_t w_stride, const char *x,
                                             int64_t x_stride, float *sums) {
    EVERY_DOTS(f32)
}

BITS_TARGET_AVX512_BF16 void bits_dots_bf16_avx512(int32_t rows, int32_t vectors, int64_t depth, const char *w, int64_t w_stride, const char *x,
                                                   int64_t x_stride, float *sums) {
    EVERY_DOTS(bf16)
}
#endif
