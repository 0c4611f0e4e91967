// Packing with AVX-512, for every packed type: everything is moved in vectors of sixteen 32-bit units, a float32, a pair of bfloat16 or four int8
// that follow each other in k. The including file defines PACK_NAME(name), PACK_TARGET, PACK_UNIT (elements of k in a unit), PACK_TYPES(function)
// (calls function for the operand's type), `along` and `across`.
//
// Where PACK_INTERLEAVED is defined, interleave(...) packs columns that lie across k in that type.
//
// along(from, dtype, rounds, count): sixteen units that follow each other in k, from contiguous memory of `count` elements.
// across(from, line, count, dtype, rounds, mask): one unit for each of sixteen rows or columns, contiguous in memory; `count` k's are left, `line`
// bytes apart.
#include "matrix/matrix_vectors_avx512.h"

enum { VECTOR = 16 * PACK_UNIT };  // elements of k in a vector

PACK_TARGET BITS_INLINE void rows_along(const matrix_operand *from, const int32_t dtype, int64_t first, int64_t count, int64_t k, int64_t depth,
                                        int64_t padded, char *to, int64_t stride) {
    const int64_t size = bits_element_size(dtype);
    for (int64_t i = 0; i < count; i++, to += stride) {
        const char *const row = from->data + ((first + i) * from->stride + k) * size;
        for (int64_t t = 0; t < padded; t += VECTOR)
            _mm512_storeu_si512(to + t / PACK_UNIT * 4, along(row + t * size, dtype, from->rounds, depth - t));
    }
}

PACK_TARGET BITS_INLINE void rows_across(const matrix_operand *from, const int32_t dtype, int64_t first, int64_t count, int64_t k,
                                         int64_t depth, int64_t padded, char *to, int64_t stride) {
    const int64_t size = bits_element_size(dtype), line = from->stride * size;
    for (int64_t t = 0; t < padded; t += VECTOR) {
        for (int64_t i = 0; i < count; i += 16) {
            const __mmask16 mask = bits_mask16(count - i);
            const char *const corner = from->data + ((k + t) * from->stride + first + i) * size;
            __m512i x[16];
#pragma unroll
            for (int u = 0; u < 16; u++) {
                const int64_t left = depth - t - u * PACK_UNIT;
                x[u] = left <= 0 ? _mm512_setzero_si512() : across(corner + u * PACK_UNIT * line, line, left, dtype, from->rounds, mask);
            }
            bits_transpose16(x);
            char *const row = to + i * stride + t / PACK_UNIT * 4;
            for (int64_t j = 0; j < bits_min(16, count - i); j++) _mm512_storeu_si512(row + j * stride, x[j]);
        }
    }
}

PACK_TARGET BITS_INLINE void columns_along(const matrix_operand *from, const int32_t dtype, int64_t first, int64_t count, int64_t k,
                                           int64_t depth, int64_t padded, char *to, int64_t stride) {
    const int64_t size = bits_element_size(dtype), line = from->stride * size;
    for (int64_t i = 0; i < count; i += BITS_PANEL, to += stride) {
        for (int64_t t = 0; t < padded; t += VECTOR) {
            const char *const corner = from->data + ((first + i) * from->stride + k + t) * size;
            __m512i x[16];
            if (count - i >= 16) {
#pragma unroll
                for (int j = 0; j < 16; j++) x[j] = along(corner + j * line, dtype, from->rounds, depth - t);
            } else {
#pragma unroll
                for (int j = 0; j < 16; j++) x[j] = i + j < count ? along(corner + j * line, dtype, from->rounds, depth - t) : _mm512_setzero_si512();
            }
            bits_transpose16(x);
            const int64_t units = bits_min(16, (padded - t) / PACK_UNIT);
            char *const panel = to + t / PACK_UNIT * 64;
            for (int64_t u = 0; u < units; u++) _mm512_storeu_si512(panel + u * 64, x[u]);
        }
    }
}

PACK_TARGET BITS_INLINE void columns_across(const matrix_operand *from, const int32_t dtype, int64_t first, int64_t count, int64_t k,
                                            int64_t depth, int64_t padded, char *to, int64_t stride) {
    const int64_t size = bits_element_size(dtype), line = from->stride * size;
    for (int64_t t = 0; t < padded; t += PACK_UNIT) {
        const char *const here = from->data + ((k + t) * from->stride + first) * size;
        char *out = to + t / PACK_UNIT * 64;
        for (int64_t i = 0; i < count; i += BITS_PANEL, out += stride) {
            const __m512i x = t >= depth ? _mm512_setzero_si512()
                                         : across(here + i * size, line, depth - t, dtype, from->rounds, bits_mask16(count - i));
            _mm512_storeu_si512(out, x);
        }
    }
}

#define PACK_AS(function, type) function(from, type, first, count, k, depth, padded, to, stride)
#define PACK_FLOATS(function)                                         \
    switch (from->dtype) {                                            \
    case BITS_F32: return PACK_AS(function, BITS_F32);                \
    case BITS_BF16: return PACK_AS(function, BITS_BF16);              \
    default: return PACK_AS(function, BITS_F16);                      \
    }

PACK_TARGET void PACK_NAME(rows)(const matrix_operand *from, int64_t first, int64_t count, int64_t k, int64_t depth, int64_t padded, char *to,
                                 int64_t stride) {
    if (from->along) PACK_TYPES(rows_along)
    PACK_TYPES(rows_across)
}

PACK_TARGET void PACK_NAME(columns)(const matrix_operand *from, int64_t first, int64_t count, int64_t k, int64_t depth, int64_t padded, char *to,
                                    int64_t stride) {
    if (from->along) PACK_TYPES(columns_along)
#ifdef PACK_INTERLEAVED
    if (from->dtype == PACK_INTERLEAVED) return interleave(from, first, count, k, depth, padded, to, stride);
#endif
    PACK_TYPES(columns_across)
}
