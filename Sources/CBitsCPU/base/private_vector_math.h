// Functions of vectors: polynomials fitted by minimax, within 2 units in the last place, right at zeros, infinities and NaN.
#ifndef BITS_PRIVATE_VECTOR_MATH_H
#define BITS_PRIVATE_VECTOR_MATH_H
#include "base/private_vector.h"

// The integer nearest to x, |x| < 2^22, in float32, and 2^n for such an n.
typedef struct {
    vf value, shifted;  // shifted: n + 1.5 * 2^23, whose low bits are n in two's complement
} nearest;

INLINE nearest nearest_integer(vf x) {
    const vf shifted = x + 12582912.0f;
    return (nearest){shifted - 12582912.0f, shifted};
}

// p(x) of coefficients from that of the highest power down, by Horner's rule.
#define HORNER(NAME, FMA) \
    INLINE vf NAME(vf x, const float *coefficients, int count) { \
        vf p = splat(coefficients[0]); \
        _Pragma("clang loop unroll(full)") \
        for (int k = 1; k < count; k++) p = FMA(p, x, splat(coefficients[k])); \
        return p; \
    }
HORNER(polynomial, fma_or_not)
#define COEFFICIENTS(...) (const float[]){__VA_ARGS__}, sizeof((const float[]){__VA_ARGS__}) / sizeof(float)

// ln(1 + f) = f - f² / 2 + f³ p(f)
#define LOG_COEFFICIENTS \
    COEFFICIENTS(6.746640801e-2f, -1.167565212e-1f, 1.188816205e-1f, -1.240558922e-1f, 1.421955228e-1f, -1.666799635e-1f, 2.000211924e-1f, \
                 -2.500000894e-1f, 3.333331347e-1f)

// x * 2^n for n in [-252, 254], in two halves, so that a denormal result is rounded once.
INLINE vf times_power_of_two(vf x, nearest n) {
#if BITS_WIDTH == 16
    return (vf)_mm512_scalef_ps((__m512)x, (__m512)n.value);
#else
    const vi bits = (vi)n.shifted, half = bits >> 1;
    return x * (vf)((half << 23) + (127 << 23)) * (vf)(((bits - half) << 23) + (127 << 23));
#endif
}

INLINE vf v_exp(vf x) {
    x = pick(x < -104.0f, splat(-104.0f), x);
    x = pick(x > 89.0f, splat(89.0f), x);
    const nearest n = nearest_integer(x * 1.44269504f);
    const vf r = fma_or_not(n.value, splat(2.12194440e-4f), fma_or_not(n.value, splat(-0.693359375f), x));
    const vf p = polynomial(r, COEFFICIENTS(1.381461276e-3f, 8.368710056e-3f, 4.166838899e-2f, 1.666652113e-1f, 4.999999404e-1f));
    return times_power_of_two(fma_or_not(p, r * r, r) + 1.0f, n);
}

// 2^x for x up to 127, 0 where that would be below 2^-126. For softmax, whose exponents are not above 0.
INLINE vf v_exp2(vf x) {
#if BITS_WIDTH == 16
    const vf y = (vf)_mm512_max_ps((__m512)splat(-200.0f), (__m512)x), n = (vf)_mm512_roundscale_ps((__m512)y, 0);
#else
    const vf y = pick(x < -126.0f, splat(-126.0f), x);
    const nearest nearest_to_y = nearest_integer(y);
    const vf n = nearest_to_y.value;
#endif
    const vf r = y - n;
    const vf p = polynomial(
        r, COEFFICIENTS(1.535336196e-4f, 1.339887385e-3f, 9.618436918e-3f, 5.550332367e-2f, 2.402264774e-1f, 6.931471825e-1f, 1.0f));
#if BITS_WIDTH == 16
    return (vf)_mm512_scalef_ps((__m512)p, (__m512)n);
#else
    return pick(x < -126.0f, zero(), p * (vf)(((vi)nearest_to_y.shifted << 23) + (127 << 23)));
#endif
}

INLINE vf v_log(vf x) {
    const vi denormal = x < 0x1p-126f;
    const vf y = pick(denormal, x * 0x1p23f, x);
    // y = 2^e * m with m in [sqrt(1/2), sqrt(2))
    const vi shifted = (vi)y - 0x3f3504f3;
    const vf e = __builtin_convertvector((shifted >> 23) - (denormal & 23), vf);
    const vf f = (vf)((shifted & 0x7fffff) + 0x3f3504f3) - 1.0f;
    const vf p = polynomial(f, LOG_COEFFICIENTS);
    const vf square = f * f;
    vf tail = fma_or_not(p, square * f, e * -2.12194440e-4f);
    tail = fma_or_not(square, splat(-0.5f), tail);
    vf result = fma_or_not(e, splat(0.693359375f), f + tail);
    result = pick(x == (vf)splat_bits(0x7f800000), x, result);
    result = pick(x == 0.0f, (vf)splat_bits((int32_t)0xff800000), result);
    result = pick(x < 0.0f, (vf)splat_bits(0x7fc00000), result);
    return pick(x != x, x, result);
}

INLINE vf v_sigmoid(vf x) { return 1.0f / (1.0f + v_exp(-x)); }

INLINE vf v_tanh(vf x) {
    const vf size = magnitude(x), s = x * x;
    const vf far = 1.0f - 2.0f / (v_exp(size + size) + 1.0f);
    const vf p = polynomial(s, COEFFICIENTS(-5.704987328e-3f, 2.063908800e-2f, -5.373971537e-2f, 1.333144158e-1f, -3.333328068e-1f));
    const vf near = fma_or_not(p * s, x, x);
    return pick(size < 0.625f, near, with_sign(far, x));
}

INLINE vf v_erf(vf x) {
    const vf s = x * x;
    const vf p = polynomial(
        s, COEFFICIENTS(-5.990866339e-4f, 4.993183073e-3f, -2.676661871e-2f, 1.128181592e-1f, -3.761249483e-1f, 1.283791512e-1f));
    const vf near = fma_or_not(p, x, x);
    // 1 - erf(t) = exp(-t - t q(t)); from 4 on erf is 1 in float32
    const vf size = magnitude(x), t = pick(size > 4.0f, splat(4.0f), size);
    const vf q = polynomial(
        t, COEFFICIENTS(-2.135320101e-4f, 3.211310599e-3f, -2.287858911e-2f, 1.052446291e-1f, 6.357309818e-1f, 1.285107583e-1f));
    const vf far = 1.0f - v_exp(-fma_or_not(q, t, t));
    return pick(size < 0.921875f, near, with_sign(far, x));
}

#endif
