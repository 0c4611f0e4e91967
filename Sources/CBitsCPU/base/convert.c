// Conversions of one row between any two element types.
#include "base/private_convert.h"
#include <math.h>
#include <string.h>

enum { STRETCH = 256 };

// The value toward zero; NaN is 0, beyond 2^62 it saturates.
static int64_t truncated(float value) {
    if (isnan(value)) return 0;
    if (value >= 0x1p62f) return INT64_C(1) << 62;
    if (value <= -0x1p62f) return -(INT64_C(1) << 62);
    return (int64_t)value;
}

static int64_t clamped(int64_t value, int64_t low, int64_t high) { return value < low ? low : value > high ? high : value; }

static void read_integers(const void *source, int32_t dtype, int64_t *values, int64_t count) {
#define READ(TYPE) for (int64_t i = 0; i < count; i++) values[i] = ((const TYPE *)source)[i]
    switch (dtype) {
    case BITS_I8: READ(int8_t); break;
    case BITS_I32: READ(int32_t); break;
    case BITS_I64: READ(int64_t); break;
    default: READ(uint8_t); break;
    }
#undef READ
}

static void write_integers(const int64_t *values, void *target, int32_t dtype, int64_t count) {
#define WRITE(TYPE, VALUE) for (int64_t i = 0; i < count; i++) ((TYPE *)target)[i] = (TYPE)(VALUE)
    switch (dtype) {
    case BITS_I8: WRITE(int8_t, clamped(values[i], INT8_MIN, INT8_MAX)); break;
    case BITS_I32: WRITE(int32_t, clamped(values[i], INT32_MIN, INT32_MAX)); break;
    case BITS_I64: WRITE(int64_t, values[i]); break;
    case BITS_BOOL: WRITE(uint8_t, values[i] != 0); break;
    default: WRITE(uint8_t, clamped(values[i], 0, UINT8_MAX)); break;
    }
#undef WRITE
}

static void convert_stretch(const bits_rows *loops, const void *source, int32_t source_dtype, void *target, int32_t target_dtype, int64_t count) {
    int64_t integers[STRETCH];
    float floats[STRETCH];
    if (bits_is_float(source_dtype)) {
        const float *values = source;
        if (source_dtype != BITS_F32) {
            loops->convert(source, source_dtype, floats, BITS_F32, count);
            values = floats;
        }
        for (int64_t i = 0; i < count; i++) integers[i] = target_dtype == BITS_BOOL ? values[i] != 0 : truncated(values[i]);
        write_integers(integers, target, target_dtype, count);
        return;
    }
    read_integers(source, source_dtype, integers, count);
    if (!bits_is_float(target_dtype)) {
        write_integers(integers, target, target_dtype, count);
        return;
    }
    float *values = target_dtype == BITS_F32 ? target : floats;
    for (int64_t i = 0; i < count; i++) values[i] = (float)integers[i];
    if (target_dtype != BITS_F32) loops->convert(floats, BITS_F32, target, target_dtype, count);
}

void bits_convert_row(const bits_rows *loops, const void *source, int32_t source_dtype, void *target, int32_t target_dtype, int64_t count) {
    if (source_dtype == target_dtype) {
        memcpy(target, source, (size_t)(count * bits_element_size(source_dtype)));
    } else if (bits_is_float(source_dtype) && bits_is_float(target_dtype)) {
        loops->convert(source, source_dtype, target, target_dtype, count);
    } else {
        for (int64_t i = 0; i < count; i += STRETCH)
            convert_stretch(loops, bits_at(source, source_dtype, i), source_dtype, bits_at_mutable(target, target_dtype, i), target_dtype,
                            count - i < STRETCH ? count - i : STRETCH);
    }
}
