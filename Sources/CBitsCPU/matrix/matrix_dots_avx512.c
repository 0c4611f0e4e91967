// One row of a matrix against a few vectors with AVX-512, both as they lie in memory. Memory sets the pace: one row at a time is one stream, and
// what comes next is asked for early.
#include "matrix/matrix_avx512.h"
#if BITS_X86
#include "matrix/matrix_vectors_avx512.h"

BITS_TARGET_AVX512 BITS_INLINE __m512i last_f32(const char *from, int64_t count) { return _mm512_maskz_loadu_epi32(bits_mask16(count), from); }
BITS_TARGET_AVX512 BITS_INLINE __m512i last_bf16(const char *from, int64_t count) { return _mm512_maskz_loadu_epi16(bits_mask32(count), from); }

// `width` elements to a vector of 64 bytes. One or two vectors have several sums each, to hide the latency.
#define DEFINE_DOTS(type, target, width)                                                                                                  \
    target BITS_INLINE void dots_of_##type(const int vectors, int64_t depth, const char *w, const char *x, int64_t x_stride, float *sums, \
                                           int32_t accumulates) {                                                                         \
        const int lanes = vectors > 2 ? 1 : 4 / vectors;                                                                                  \
        __m512 sum[8][4];                                                                                                                 \
        _Pragma("unroll") for (int j = 0; j < vectors; j++) for (int l = 0; l < lanes; l++) sum[j][l] = _mm512_setzero_ps();              \
        int64_t k = 0;                                                                                                                    \
        for (; k + lanes * width <= depth; k += lanes * width)                                                                            \
            _Pragma("unroll") for (int l = 0; l < lanes; l++) {                                                                           \
                const int64_t at = (k + l * width) * (64 / width);                                                                        \
                const __m512i row = _mm512_loadu_si512(w + at);                                                                           \
                bits_expect(w + at);                                                                                                      \
                _Pragma("unroll") for (int j = 0; j < vectors; j++)                                                                       \
                    sum[j][l] = bits_add_products_##type(sum[j][l], row, _mm512_loadu_si512(x + j * x_stride + at));                      \
            }                                                                                                                             \
        for (; k < depth; k += width) {                                                                                                   \
            const int64_t at = k * (64 / width);                                                                                          \
            const __m512i row = last_##type(w + at, depth - k);                                                                           \
            _Pragma("unroll") for (int j = 0; j < vectors; j++)                                                                           \
                sum[j][0] = bits_add_products_##type(sum[j][0], row, _mm512_loadu_si512(x + j * x_stride + at));                          \
        }                                                                                                                                 \
        _Pragma("unroll") for (int j = 0; j < vectors; j++) {                                                                             \
            __m512 all = sum[j][0];                                                                                                       \
            for (int l = 1; l < lanes; l++) all = _mm512_add_ps(all, sum[j][l]);                                                          \
            float *const to = sums + j * BITS_TILE_COLUMNS;                                                                               \
            *to = accumulates ? *to + _mm512_reduce_add_ps(all) : _mm512_reduce_add_ps(all);                                              \
        }                                                                                                                                 \
    }

DEFINE_DOTS(f32, BITS_TARGET_AVX512, 16)
DEFINE_DOTS(bf16, BITS_TARGET_AVX512_BF16, 32)

#define DOTS_OF(type, count) \
    case count: return dots_of_##type(count, depth, w, x, x_stride, sums, accumulates);
#define EVERY_DOTS(type)                                                    \
    switch (vectors) {                                                      \
        DOTS_OF(type, 1) DOTS_OF(type, 2) DOTS_OF(type, 3) DOTS_OF(type, 4) \
        DOTS_OF(type, 5) DOTS_OF(type, 6) DOTS_OF(type, 7) DOTS_OF(type, 8) \
    }

BITS_TARGET_AVX512 void bits_dots_f32_avx512(int32_t vectors, int64_t depth, const char *w, const char *x, int64_t x_stride, float *sums,
                                             int32_t accumulates) {
    EVERY_DOTS(f32)
}

BITS_TARGET_AVX512_BF16 void bits_dots_bf16_avx512(int32_t vectors, int64_t depth, const char *w, const char *x, int64_t x_stride, float *sums,
                                                   int32_t accumulates) {
    EVERY_DOTS(bf16)
}
#endif
