// Vectors of float32 for one processor level, and how they are read from and written to float32, float16 and bfloat16.
//
// Included once by each rows_<level>.c, which sets BITS_WIDTH (lanes) first; everything after this line of those files is compiled for the level.
#ifndef BITS_PRIVATE_VECTOR_H
#define BITS_PRIVATE_VECTOR_H
#include "base/private_base.h"
#include <math.h>
#include <string.h>

#if BITS_WIDTH == 16
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512cd,avx2,fma,f16c,bmi,bmi2"))), apply_to = function)
#elif BITS_WIDTH == 8
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c,bmi,bmi2"))), apply_to = function)
#endif

#define INLINE static inline __attribute__((always_inline))

enum { WIDTH = BITS_WIDTH };
typedef float vf __attribute__((vector_size(4 * BITS_WIDTH)));
typedef int32_t vi __attribute__((vector_size(4 * BITS_WIDTH)));
typedef uint32_t vu __attribute__((vector_size(4 * BITS_WIDTH)));
typedef uint16_t vh __attribute__((vector_size(2 * BITS_WIDTH)));

INLINE vf splat(float x) { return x - (vf){}; }
INLINE vi splat_bits(int32_t x) { return x - (vi){}; }
INLINE vf zero(void) { return (vf){}; }
// a where the mask is all ones, b where it is zero.
INLINE vf pick(vi mask, vf a, vf b) { return (vf)((mask & (vi)a) | (~mask & (vi)b)); }
INLINE vf larger(vf a, vf b) { return pick(a > b, a, b); }   // b where either is NaN
INLINE vf smaller(vf a, vf b) { return pick(a < b, a, b); }  // b where either is NaN
INLINE vf magnitude(vf x) { return (vf)((vi)x & 0x7fffffff); }
INLINE vf with_sign(vf x, vf sign) { return (vf)(((vi)x & 0x7fffffff) | ((vi)sign & (int32_t)0x80000000)); }
INLINE vf square_root(vf x) { return __builtin_elementwise_sqrt(x); }

// a * b + c, with one rounding where the level can do it at full speed: for sums and polynomials, never where bits are promised.
INLINE vf fma_or_not(vf a, vf b, vf c) {
#if BITS_WIDTH > 4 || defined(__aarch64__)
    return __builtin_elementwise_fma(a, b, c);
#else
    return a * b + c;
#endif
}

// Shuffles: lane k of the result comes from lane k ^ distance.
INLINE vf swapped(vf x, int distance) {
#if BITS_WIDTH == 16
    switch (distance) {
    case 8: return __builtin_shufflevector(x, x, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7);
    case 4: return __builtin_shufflevector(x, x, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11);
    case 2: return __builtin_shufflevector(x, x, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
    default: return __builtin_shufflevector(x, x, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14);
    }
#elif BITS_WIDTH == 8
    switch (distance) {
    case 4: return __builtin_shufflevector(x, x, 4, 5, 6, 7, 0, 1, 2, 3);
    case 2: return __builtin_shufflevector(x, x, 2, 3, 0, 1, 6, 7, 4, 5);
    default: return __builtin_shufflevector(x, x, 1, 0, 3, 2, 5, 4, 7, 6);
    }
#else
    return distance == 2 ? __builtin_shufflevector(x, x, 2, 3, 0, 1) : __builtin_shufflevector(x, x, 1, 0, 3, 2);
#endif
}

// All ones in the lanes whose number has the bit `distance`.
INLINE vi lanes_with(int distance) {
#if BITS_WIDTH == 16
    const vi number = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
#elif BITS_WIDTH == 8
    const vi number = {0, 1, 2, 3, 4, 5, 6, 7};
#else
    const vi number = {0, 1, 2, 3};
#endif
    return (number & distance) != 0;
}

INLINE float sum_of_lanes(vf x) {
    for (int distance = WIDTH / 2; distance > 0; distance /= 2) x = x + swapped(x, distance);
    return x[0];
}

INLINE float largest_lane(vf x) {
    for (int distance = WIDTH / 2; distance > 0; distance /= 2) x = larger(x, swapped(x, distance));
    return x[0];
}

// Rows of a WIDTH x WIDTH matrix become its columns.
INLINE void transpose(vf rows[BITS_WIDTH]) {
#pragma clang loop unroll(full)
    for (int distance = WIDTH / 2; distance > 0; distance /= 2) {
        const vi odd = lanes_with(distance);
#pragma clang loop unroll(full)
        for (int i = 0; i < WIDTH; i++) {
            if (i & distance) continue;
            const vf a = rows[i], b = rows[i + distance];
            rows[i] = pick(odd, swapped(b, distance), a);
            rows[i + distance] = pick(odd, b, swapped(a, distance));
        }
    }
}

// Lane k of the result is the sum of the lanes of rows[k].
INLINE vf sums_of_rows(vf rows[BITS_WIDTH]) {
#pragma clang loop unroll(full)
    for (int distance = WIDTH / 2; distance > 0; distance /= 2) {
        const vi odd = lanes_with(distance);
#pragma clang loop unroll(full)
        for (int i = 0; i < distance; i++)
            rows[i] = pick(odd, rows[i + distance], rows[i]) + swapped(pick(odd, rows[i], rows[i + distance]), distance);
    }
    return rows[0];
}

// load_NAME and store_NAME of whole vectors, load_part_NAME (zero beyond) and store_part_NAME of their first `count` lanes. The last two macros are the
// instructions that do the latter with a mask.
#if BITS_WIDTH == 16
#define LOAD_PART(x, p, count, MASKED) x = (typeof(x))MASKED((__mmask16)((1u << count) - 1), p)
#define STORE_PART(x, p, count, VECTOR, MASKED) MASKED(p, (__mmask16)((1u << count) - 1), (VECTOR)x)
#else
#define LOAD_PART(x, p, count, MASKED) memcpy(&x, p, (size_t)count * sizeof *p)
#define STORE_PART(x, p, count, VECTOR, MASKED) memcpy(p, &x, (size_t)count * sizeof *p)
#endif
#define IN_MEMORY(NAME, TYPE, ELEMENT, VECTOR, MASKED_LOAD, MASKED_STORE) \
    INLINE TYPE load_##NAME(const ELEMENT *p) { \
        TYPE x; \
        memcpy(&x, p, sizeof x); \
        return x; \
    } \
    INLINE void store_##NAME(ELEMENT *p, TYPE x) { memcpy(p, &x, sizeof x); } \
    INLINE TYPE load_part_##NAME(const ELEMENT *p, int64_t count) { \
        TYPE x = {}; \
        LOAD_PART(x, p, count, MASKED_LOAD); \
        return x; \
    } \
    INLINE void store_part_##NAME(ELEMENT *p, TYPE x, int64_t count) { STORE_PART(x, p, count, VECTOR, MASKED_STORE); }

IN_MEMORY(f32, vf, float, __m512, _mm512_maskz_loadu_ps, _mm512_mask_storeu_ps)
IN_MEMORY(words, vh, uint16_t, __m256i, _mm256_maskz_loadu_epi16, _mm256_mask_storeu_epi16)
#undef IN_MEMORY
#undef LOAD_PART
#undef STORE_PART

// bfloat16: the upper half of a float32. Rounded in integers, because the processor's own instruction flushes denormal numbers.

INLINE vf widen_bf16(vh x) { return (vf)(__builtin_convertvector(x, vu) << 16); }

INLINE vh narrow_bf16(vf x) {
    const vu bits = (vu)x;
    const vu rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16, quiet = (bits >> 16) | 0x40;
    const vu nan = (vu)(x != x);
    return __builtin_convertvector((nan & quiet) | (~nan & rounded), vh);
}

// float16

INLINE vf widen_f16(vh x) {
#if BITS_WIDTH == 16
    return (vf)_mm512_cvtph_ps((__m256i)x);
#elif BITS_WIDTH == 8
    return (vf)_mm256_cvtph_ps((__m128i)x);
#else
    const vu bits = __builtin_convertvector(x, vu), rest = bits & 0x7fff;
    const vf small = __builtin_convertvector((vi)rest, vf) * 0x1p-24f;  // a denormal number counts units of 2^-24
    const vu normal = (rest << 13) + (112u << 23);
    const vu special = (rest << 13) | 0x7f800000 | (0x400000 & (vu)(rest > 0x7c00));  // infinity, or a quiet NaN
    vu result = (vu)pick((vi)(rest >= 0x400), (vf)normal, small);
    result = (vu)pick((vi)(rest >= 0x7c00), (vf)special, (vf)result);
    return (vf)(result | (bits & 0x8000) << 16);
#endif
}

INLINE vh narrow_f16(vf x) {
#if BITS_WIDTH == 16
    return (vh)_mm512_cvtps_ph((__m512)x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
#elif BITS_WIDTH == 8
    return (vh)_mm256_cvtps_ph((__m256)x, _MM_FROUND_TO_NEAREST_INT);
#else
    const vu bits = (vu)x, sign = (bits >> 16) & 0x8000, rest = bits & 0x7fffffff;
    const vu normal = (rest - (112u << 23) + 0xfff + ((rest >> 13) & 1)) >> 13;
    // Below 2^-14, adding 0.5 rounds to units of 2^-24, which then stand in the lowest bits.
    const vu small = (vu)((vf)rest + 0.5f) - 0x3f000000;
    const vu nan = 0x7e00 | ((rest >> 13) & 0x3ff);
    vu result = (vu)pick((vi)(rest < 0x38800000), (vf)small, (vf)normal);
    result = (vu)pick((vi)(rest >= 0x477ff000), (vf)splat_bits(0x7c00), (vf)result);
    result = (vu)pick((vi)(rest > 0x7f800000), (vf)nan, (vf)result);
    return __builtin_convertvector(result | sign, vh);
#endif
}

// Elements i, i + 1, ... i + WIDTH - 1 of an array.
INLINE vf load_full(const void *array, int32_t dtype, int64_t i) {
    if (dtype == BITS_F32) return load_f32((const float *)array + i);
    const vh x = load_words((const uint16_t *)array + i);
    return dtype == BITS_BF16 ? widen_bf16(x) : widen_f16(x);
}

// The same of an array of `count`, zero beyond its end.
INLINE vf load(const void *array, int32_t dtype, int64_t i, int64_t count) {
    const int64_t left = count - i;
    if (left >= WIDTH) return load_full(array, dtype, i);
    if (dtype == BITS_F32) return load_part_f32((const float *)array + i, left);
    const vh x = load_part_words((const uint16_t *)array + i, left);
    return dtype == BITS_BF16 ? widen_bf16(x) : widen_f16(x);
}

INLINE void store_full(void *array, int32_t dtype, int64_t i, vf x) {
    if (dtype == BITS_F32) store_f32((float *)array + i, x);
    else store_words((uint16_t *)array + i, dtype == BITS_BF16 ? narrow_bf16(x) : narrow_f16(x));
}

// Elements i, i + 1, ... of an array of `count`; nothing is written beyond its end.
INLINE void store(void *array, int32_t dtype, int64_t i, int64_t count, vf x) {
    const int64_t left = count - i;
    if (left >= WIDTH) store_full(array, dtype, i, x);
    else if (dtype == BITS_F32) store_part_f32((float *)array + i, x, left);
    else store_part_words((uint16_t *)array + i, dtype == BITS_BF16 ? narrow_bf16(x) : narrow_f16(x), left);
}

INLINE float load_one(const void *array, int32_t dtype, int64_t i) { return load(array, dtype, i, i + 1)[0]; }

#endif
