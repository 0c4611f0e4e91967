// Storing a finished tile with AVX-512.
#include "matrix/matrix_avx512.h"
#if BITS_X86
#include "matrix/matrix_vectors_avx512.h"

typedef struct {
    const matrix_result *to;
    int64_t size, bias_size;
} target;

BITS_TARGET_AVX512 BITS_INLINE __m512 bias16(const target *x, int64_t first, __mmask16 mask) {
    const char *const from = x->to->bias + first * x->bias_size;
    switch (x->to->bias_dtype) {
    case BITS_F32: return bits_load16(from, BITS_F32, mask);
    case BITS_BF16: return bits_load16(from, BITS_BF16, mask);
    default: return bits_load16(from, BITS_F16, mask);
    }
}

BITS_TARGET_AVX512 BITS_INLINE void put16(const int32_t dtype, char *out, __m512 sums, int32_t accumulates, __mmask16 mask) {
    if (accumulates) sums = _mm512_add_ps(sums, bits_load16(out, dtype, mask));
    bits_store16(out, dtype, mask, sums);
}

BITS_TARGET_AVX512 BITS_INLINE void store_as(const int32_t dtype, const float *tile, int64_t rows, int64_t columns, const target *x, int64_t r,
                                             int64_t c) {
    const matrix_result *const to = x->to;
    const int64_t size = bits_element_size(dtype);
    for (int64_t j = 0; j < columns; j += 16) {
        const __mmask16 mask = bits_mask16(columns - j);
        const __m512 bias = to->bias ? bias16(x, c + j, mask) : _mm512_setzero_ps();
        char *out = to->data + (r * to->stride + c + j) * size;
        for (int64_t i = 0; i < rows; i++, out += to->stride * size)
            put16(dtype, out, _mm512_add_ps(_mm512_loadu_ps(tile + i * BITS_TILE_COLUMNS + j), bias), to->accumulates, mask);
    }
}

BITS_TARGET_AVX512 BITS_INLINE void store_transposed_as(const int32_t dtype, const float *tile, int64_t rows, int64_t columns, const target *x,
                                                        int64_t r, int64_t c) {
    const matrix_result *const to = x->to;
    const int64_t size = bits_element_size(dtype);
    for (int64_t i = 0; i < rows; i += 16) {
        const int64_t height = bits_min(16, rows - i);
        const __mmask16 mask = bits_mask16(height);
        const __m512 bias = to->bias ? bias16(x, r + i, mask) : _mm512_setzero_ps();
        for (int64_t j = 0; j < columns; j += 16) {
            __m512i lines[16];
#pragma unroll
            for (int u = 0; u < 16; u++) lines[u] = u < height ? _mm512_loadu_si512(tile + (i + u) * BITS_TILE_COLUMNS + j) : _mm512_setzero_si512();
            bits_transpose16(lines);
            const int64_t width = bits_min(16, columns - j);
            char *out = to->data + ((c + j) * to->stride + r + i) * size;
            for (int64_t v = 0; v < width; v++, out += to->stride * size)
                put16(dtype, out, _mm512_add_ps(_mm512_castsi512_ps(lines[v]), bias), to->accumulates, mask);
        }
    }
}

BITS_TARGET_AVX512 void bits_store_avx512(const float *tile, int64_t rows, int64_t columns, const matrix_result *to, int64_t r, int64_t c) {
    const target x = {.to = to, .size = bits_element_size(to->dtype), .bias_size = to->bias ? bits_element_size(to->bias_dtype) : 0};
    switch (to->dtype * 2 + (to->transposed ? 1 : 0)) {
    case BITS_F32 * 2: return store_as(BITS_F32, tile, rows, columns, &x, r, c);
    case BITS_BF16 * 2: return store_as(BITS_BF16, tile, rows, columns, &x, r, c);
    case BITS_F16 * 2: return store_as(BITS_F16, tile, rows, columns, &x, r, c);
    case BITS_F32 * 2 + 1: return store_transposed_as(BITS_F32, tile, rows, columns, &x, r, c);
    case BITS_BF16 * 2 + 1: return store_transposed_as(BITS_BF16, tile, rows, columns, &x, r, c);
    default: return store_transposed_as(BITS_F16, tile, rows, columns, &x, r, c);
    }
}
#endif
