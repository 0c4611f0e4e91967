// What is to know of an element type.
#ifndef BITS_ELEMENT_TYPES_H
#define BITS_ELEMENT_TYPES_H
#include "base/private_base.h"

// Besides those that callers name: int8 widened, as some products pack it.
enum { BITS_I16 = 100 };

BITS_INLINE int bits_is_float(int32_t dtype) { return dtype == BITS_F32 || dtype == BITS_F16 || dtype == BITS_BF16; }

BITS_INLINE int64_t bits_element_size(int32_t dtype) {
    switch (dtype) {
    case BITS_F32: case BITS_I32: return 4;
    case BITS_F16: case BITS_BF16: case BITS_I16: return 2;
    case BITS_I64: return 8;
    default: return 1;
    }
}

// Arrays of indices are int32 or int64.
BITS_INLINE int bits_is_index(int32_t dtype) { return dtype == BITS_I32 || dtype == BITS_I64; }
BITS_INLINE int64_t bits_index_at(const void *indices, int32_t dtype, int64_t i) {
    return dtype == BITS_I32 ? ((const int32_t *)indices)[i] : ((const int64_t *)indices)[i];
}

// Returns `function` of the arguments and, last, the floating-point type `dtype`, as a constant: an inline function is compiled for each.
#define BITS_FOR_FLOAT_TYPE(dtype, function, ...)                  \
    switch (dtype) {                                               \
    case BITS_F32: return function(__VA_ARGS__, BITS_F32);         \
    case BITS_BF16: return function(__VA_ARGS__, BITS_BF16);       \
    default: return function(__VA_ARGS__, BITS_F16);               \
    }

#endif
