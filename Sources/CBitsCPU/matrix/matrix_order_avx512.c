// Vectors in the order of permuted weights, and runs of weights unpacked in that order.
#include "matrix/matrix_avx512.h"
#if BITS_X86
#include "matrix/matrix_codes_avx512.h"

enum { SCALES = 64 };  // computed at a time; even

BITS_TARGET_AVX512 void bits_order_f32_avx512(const char *x, int64_t depth, char *to) {
    const __m512i order = _mm512_setr_epi32(0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15);
    for (int64_t i = 0; i < depth * 4; i += 64) _mm512_storeu_si512(to + i, _mm512_permutexvar_epi32(order, _mm512_loadu_si512(x + i)));
}

// Half a step at the end leaves the upper halves of the vectors zero.
BITS_TARGET_AVX512 void bits_order_bf16_avx512(const char *x, int64_t depth, char *to) {
    static const int place[4] = {1, 0, 3, 2};
    const __m512i numbers = _mm512_slli_epi32(_mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15), 3);
    const __m512i fours = _mm512_or_si512(numbers, _mm512_slli_epi32(_mm512_add_epi32(numbers, _mm512_set1_epi32(4)), 16));  // word i: 4 i
    for (int64_t k = 0; k < depth; k += 128, x += STEP_BYTES, to += STEP_BYTES) {
        const __m512i a = _mm512_loadu_si512(x), b = _mm512_loadu_si512(x + 64), none = _mm512_setzero_si512();
        const __m512i c = depth - k > 64 ? _mm512_loadu_si512(x + 128) : none, d = depth - k > 64 ? _mm512_loadu_si512(x + 192) : none;
        for (int j = 0; j < 4; j++) {
            const __m512i from = _mm512_add_epi16(fours, _mm512_set1_epi16((short)place[j]));
            const __m512i low = _mm512_permutex2var_epi16(a, from, b), high = _mm512_permutex2var_epi16(c, from, d);
            _mm512_storeu_si512(to + j * 64, _mm512_mask_blend_epi64(0xf0, low, high));
        }
    }
}

// Whole groups from a group's start; `to` has room for whole steps.
#define UNPACK_ORDERED(type)                                                                                    \
    const __m512 code = _mm512_loadu_ps(w->code);                                                               \
    const int64_t all = count / BITS_GROUP;                                                                     \
    const uint8_t *bytes = w->packed + first / 2;                                                               \
    char *out = to;                                                                                             \
    for (int64_t done = 0; done < all; done += SCALES) {                                                        \
        float memory[SCALES];                                                                                   \
        const int64_t groups = bits_min(SCALES, all - done);                                                    \
        const float *const scales = bits_group_scales(w, first + done * BITS_GROUP, groups, memory);            \
        int64_t g = 0;                                                                                          \
        for (; g + STEP_##type <= groups; g += STEP_##type) {                                                   \
            const __m512i table = table_##type(code, scales + g, STEP_##type);                                  \
            _Pragma("unroll") for (int j = 0; j < 4; j++, out += 64)                                            \
                _mm512_storeu_si512(out, picked_##type(bytes + g * (BITS_GROUP / 2), STEP_##type, j, table));   \
        }                                                                                                       \
        if (g < groups) {                                                                                       \
            const __m512i table = table_##type(code, scales + g, 1);                                            \
            for (int j = 0; j < 4; j++, out += 64)                                                              \
                _mm512_storeu_si512(out, picked_##type(bytes + g * (BITS_GROUP / 2), 1, j, table));             \
        }                                                                                                       \
        bytes += groups * (BITS_GROUP / 2);                                                                     \
    }

BITS_TARGET_AVX512 void bits_unpack_ordered_f32_avx512(const bits_four_bit_matrix *w, int64_t first, int64_t count, void *to) {
    UNPACK_ORDERED(f32)
}

BITS_TARGET_AVX512 void bits_unpack_ordered_f16_avx512(const bits_four_bit_matrix *w, int64_t first, int64_t count, void *to) {
    UNPACK_ORDERED(f16)
}

BITS_TARGET_AVX512_BF16 void bits_unpack_ordered_bf16_avx512(const bits_four_bit_matrix *w, int64_t first, int64_t count, void *to) {
    UNPACK_ORDERED(bf16)
}
#endif
