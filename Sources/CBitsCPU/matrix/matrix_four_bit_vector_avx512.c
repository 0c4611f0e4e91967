// One vector against 4-bit rows with AVX-512: what a token costs where one is computed at a time. Rows are read one after the other, in one stream
// at memory's pace; the scales are decoded in the same pass.
#include "matrix/matrix_avx512.h"
#if BITS_X86
#include "matrix/matrix_codes_avx512.h"

enum {
    NEAR = 256,  // bytes ahead that codes are asked for a second time, into the first-level cache: the processor's own prefetching has no time to
                 // where this much is computed with each line
    SCALES_AHEAD = 1024,  // bytes ahead that scales are asked for: a stream of their own, too slow for the processor to see it in time
    NESTED_CODES = 256,
};

// The scales of a weight, met in order. Of a nested block all that there can be are decoded together, so that a group's is looked up: this leaves the
// vector units to the codes, and no vector waits for single values to be stored.
typedef struct {
    const bits_four_bit_matrix *w;
    int32_t nested, shift;  // from groups to blocks
    __m512 code;
    const float *absmax;
    const uint8_t *codes;
    float *decoded;
    int64_t end;  // first group whose scale cannot be looked up
} scales;

BITS_TARGET_AVX512 static __attribute__((noinline)) int64_t decode_nested(const scales *s, int64_t group) {
    const bits_four_bit_matrix *const w = s->w;
    const int64_t nested = bits_quotient(group >> s->shift, w->nested_block_size);
    const __m512 absmax = _mm512_set1_ps(w->nested_absmax[nested]), offset = _mm512_set1_ps(*w->nested_offset);
    for (int i = 0; i < NESTED_CODES; i += 16)
        _mm512_store_ps(s->decoded + i, _mm512_add_ps(_mm512_mul_ps(_mm512_loadu_ps(w->nested_code + i), absmax), offset));
    return (nested + 1) * w->nested_block_size << s->shift;
}

// Asks for the scales of some rows after that of these groups.
BITS_TARGET_AVX512 BITS_INLINE void expect_scales(const scales *s, int64_t group, int64_t end) {
    const int64_t size = s->nested ? 1 : 4, first = (group >> s->shift) * size, after = ((end - 1) >> s->shift) * size;
    const char *const from = (s->nested ? (const char *)s->codes : (const char *)s->absmax) + SCALES_AHEAD;
    for (int64_t i = first; i <= after; i += 64) _mm_prefetch(from + i, _MM_HINT_T0);
}

// The values that the codes of a group stand for. `checks` where the group may lie beyond the nested block.
BITS_TARGET_AVX512 BITS_INLINE __m512 values_of(scales *s, int64_t group, const int checks) {
    if (!s->nested) return _mm512_mul_ps(s->code, _mm512_set1_ps(s->absmax[group >> s->shift]));
    if (checks && group >= s->end) s->end = decode_nested(s, group);
    return _mm512_mul_ps(s->code, _mm512_set1_ps(s->decoded[s->codes[group >> s->shift]]));
}

BITS_TARGET_AVX512 BITS_INLINE __m512i table_of_f32(scales *s, int64_t group, int64_t left, const int checks) {
    (void)left;
    return _mm512_castps_si512(values_of(s, group, checks));
}

BITS_TARGET_AVX512 BITS_INLINE __m512i table_of_f16(scales *s, int64_t group, int64_t left, const int checks) {
    return _mm512_castps_si512(bits_rounded16(_mm512_castsi512_ps(table_of_f32(s, group, left, checks)), BITS_F16));
}

BITS_TARGET_AVX512_BF16 BITS_INLINE __m512i table_of_bf16(scales *s, int64_t group, int64_t left, const int checks) {
    const __m512 low = values_of(s, group, checks);
    return (__m512i)_mm512_cvtne2ps_pbh(left > 1 ? values_of(s, group + 1, checks) : low, low);
}

// A step's four vectors each have a sum, to hide the latency.
#define DEFINE_VECTOR(type, target)                                                                                                                 \
    target BITS_INLINE void step_##type(scales *s, int64_t group, int64_t left, const uint8_t *bytes, const char *x, __m512 sum[4],                 \
                                        const int checks) {                                                                                         \
        bits_expect(bytes);                                                                                                                         \
        _mm_prefetch((const char *)bytes + NEAR, _MM_HINT_T0);                                                                                      \
        const __m512i table = table_of_##type(s, group, left, checks);                                                                              \
        _Pragma("unroll") for (int j = 0; j < 4; j++)                                                                                               \
            sum[j] = bits_add_products_##type(sum[j], picked_##type(bytes, left, j, table), _mm512_loadu_si512(x + j * 64));                        \
    }                                                                                                                                               \
    target BITS_INLINE float row_##type(scales *s, int64_t group, int64_t end, const uint8_t *bytes, const char *x, const int checks) {             \
        __m512 sum[4];                                                                                                                              \
        _Pragma("unroll") for (int j = 0; j < 4; j++) sum[j] = _mm512_setzero_ps();                                                                 \
        for (; group + STEP_##type <= end; group += STEP_##type, bytes += STEP_##type * (BITS_GROUP / 2), x += STEP_BYTES)                          \
            step_##type(s, group, STEP_##type, bytes, x, sum, checks);                                                                              \
        if (group < end) step_##type(s, group, end - group, bytes, x, sum, checks);                                                                 \
        return _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(sum[0], sum[1]), _mm512_add_ps(sum[2], sum[3])));                                   \
    }                                                                                                                                               \
    target BITS_INLINE void rows_##type(const int nested, const bits_four_bit_matrix *w, int64_t first, int64_t rows, const char *x, float *sums) { \
        const int64_t groups = w->columns / BITS_GROUP;                                                                                             \
        _Alignas(64) float decoded[NESTED_CODES];                                                                                                   \
        scales s = {.w = w, .nested = nested, .code = _mm512_loadu_ps(w->code), .absmax = w->absmax, .codes = w->absmax_codes, .decoded = decoded}; \
        s.shift = __builtin_ctzll((uint64_t)w->block_size / BITS_GROUP);                                                                            \
        for (int64_t r = 0; r < rows; r++) {                                                                                                        \
            const int64_t group = (first + r) * groups, end = group + groups;                                                                       \
            const uint8_t *const bytes = w->packed + group * (BITS_GROUP / 2);                                                                      \
            expect_scales(&s, group, end);                                                                                                          \
            if (nested && group >= s.end) s.end = decode_nested(&s, group);                                                                         \
            sums[r] = nested && end > s.end ? row_##type(&s, group, end, bytes, x, 1) : row_##type(&s, group, end, bytes, x, 0);                    \
        }                                                                                                                                           \
    }                                                                                                                                               \
    target void bits_four_bit_vector_##type##_avx512(const bits_four_bit_matrix *w, int64_t first, int64_t rows, const char *x, float *sums) {      \
        if (w->absmax) rows_##type(0, w, first, rows, x, sums);                                                                                     \
        else rows_##type(1, w, first, rows, x, sums);                                                                                               \
    }

DEFINE_VECTOR(f32, BITS_TARGET_AVX512)
DEFINE_VECTOR(f16, BITS_TARGET_AVX512)
DEFINE_VECTOR(bf16, BITS_TARGET_AVX512_BF16)
#endif
