// Bits of a float; float16 and bfloat16 from and to float32, one element at a time, without branches so that loops over them become vector code.
// Rounding is to nearest, ties to even; a NaN keeps the upper bits of its payload and becomes quiet, as the processor's own conversions do.
#ifndef BITS_HALF_H
#define BITS_HALF_H
#include "base/private_base.h"
#include <string.h>

static inline float bits_as_float(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline uint32_t bits_of_float(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

// The next float above one that is not NaN or +inf.
static inline float bits_next_above(float value) {
    if (value == 0) return bits_as_float(1);
    const uint32_t bits = bits_of_float(value);
    return bits_as_float(value > 0 ? bits + 1 : bits - 1);
}

static inline float bits_f16_to_f32(uint16_t half) {
    const uint32_t magnitude = (uint32_t)(half & 0x7fff) << 13;
    const uint32_t scaled = bits_of_float(bits_as_float(magnitude) * 0x1p112f);
    const uint32_t special = magnitude | 0x7f800000 | (magnitude > 0x0f800000 ? 0x400000 : 0);
    return bits_as_float((magnitude >= 0x0f800000 ? special : scaled) | (uint32_t)(half & 0x8000) << 16);
}

static inline uint16_t bits_f32_to_f16(float value) {
    const uint32_t bits = bits_of_float(value);
    const uint32_t magnitude = bits & 0x7fffffff;
    const uint32_t normal = (magnitude - 0x38000000 + 0xfff + ((magnitude >> 13) & 1)) >> 13;
    // Below 2^-14 the sum with a half puts the last place of a denormal half where float32 rounds.
    const uint32_t denormal = bits_of_float(bits_as_float(magnitude) + 0.5f) - 0x3f000000;
    const uint32_t nan = 0x7e00 | (magnitude >> 13 & 0x3ff);
    uint32_t half = magnitude < 0x38800000 ? denormal : normal;
    half = magnitude >= 0x47800000 ? 0x7c00 : half;
    half = magnitude > 0x7f800000 ? nan : half;
    return (uint16_t)(half | (bits >> 16 & 0x8000));
}

static inline float bits_bf16_to_f32(uint16_t half) { return bits_as_float((uint32_t)half << 16); }

static inline uint16_t bits_f32_to_bf16(float value) {
    const uint32_t bits = bits_of_float(value);
    const uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
    return (uint16_t)((bits & 0x7fffffff) > 0x7f800000 ? (bits >> 16 | 0x40) : rounded);
}

// The number as a floating-point type has it.
static inline float bits_rounded(float value, int32_t dtype) {
    if (dtype == BITS_BF16) return bits_bf16_to_f32(bits_f32_to_bf16(value));
    return dtype == BITS_F16 ? bits_f16_to_f32(bits_f32_to_f16(value)) : value;
}

#endif
