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

#endif
