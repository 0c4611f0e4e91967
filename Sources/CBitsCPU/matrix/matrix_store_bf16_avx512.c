// Storing a finished tile as bfloat16 with AVX-512's conversion, which takes denormal sums for zero as its products do. All else goes the general way.
#include "matrix/matrix_avx512.h"
#if BITS_X86
#include "matrix/matrix_vectors_avx512.h"

BITS_TARGET_AVX512_BF16 static void store_rows(const float *tile, int64_t rows, int64_t columns, const matrix_result *to, int64_t r, int64_t c) {
    const __mmask32 mask = bits_mask32(columns);
    uint16_t *out = (uint16_t *)to->data + r * to->stride + c;
    for (int64_t i = 0; i < rows; i++, out += to->stride, tile += BITS_TILE_COLUMNS) {
        __m512 left = _mm512_loadu_ps(tile), right = _mm512_loadu_ps(tile + BITS_PANEL);
        if (to->accumulates) {
            const __m512i before = _mm512_maskz_loadu_epi16(mask, out);
            left = _mm512_add_ps(left, bits_widened_bf16(_mm512_castsi512_si256(before)));
            right = _mm512_add_ps(right, bits_widened_bf16(_mm512_extracti64x4_epi64(before, 1)));
        }
        _mm512_mask_storeu_epi16(out, mask, (__m512i)_mm512_cvtne2ps_pbh(right, left));
    }
}

BITS_TARGET_AVX512_BF16 void bits_store_bf16_avx512(const float *tile, int64_t rows, int64_t columns, const matrix_result *to, int64_t r, int64_t c) {
    if (to->dtype == BITS_BF16 && !to->transposed && !to->bias) return store_rows(tile, rows, columns, to, r, c);
    bits_store_avx512(tile, rows, columns, to, r, c);
}
#endif
