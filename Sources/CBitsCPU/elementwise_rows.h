// Element-by-element loops of one level.
#ifndef BITS_ELEMENTWISE_ROWS_H
#define BITS_ELEMENTWISE_ROWS_H
#include "include/bits_elementwise.h"
#include "private_vector_math.h"

// Runs a loop with the types it meets most known to the compiler.
#define FOR_TYPES_2(loop, a, b, ...) \
    do { \
        if ((a) == BITS_F32 && (b) == BITS_F32) loop(BITS_F32, BITS_F32, __VA_ARGS__); \
        else loop(a, b, __VA_ARGS__); \
    } while (0)

static void convert_row(const void *x, int32_t x_dtype, void *y, int32_t y_dtype, int64_t count) {
#define CONVERT(FROM, TO) for (int64_t i = 0; i < count; i += WIDTH) store(y, TO, i, count, load(x, FROM, i, count))
    if (x_dtype == y_dtype) {
        memcpy(y, x, (size_t)count * (x_dtype == BITS_F32 ? 4 : 2));
    } else if (x_dtype == BITS_F32) {
        if (y_dtype == BITS_BF16) CONVERT(BITS_F32, BITS_BF16);
        else CONVERT(BITS_F32, BITS_F16);
    } else if (y_dtype == BITS_F32) {
        if (x_dtype == BITS_BF16) CONVERT(BITS_BF16, BITS_F32);
        else CONVERT(BITS_F16, BITS_F32);
    } else {
        CONVERT(x_dtype, y_dtype);
    }
#undef CONVERT
}

INLINE vf binary_value(int32_t operation, vf a, vf b) {
    switch (operation) {
    case BITS_ADD: return a + b;
    case BITS_SUBTRACT: return a - b;
    case BITS_MULTIPLY: return a * b;
    case BITS_DIVIDE: return a / b;
    default: return pick((a > b) | (a != a), a, b);
    }
}

INLINE void binary_loop(int32_t at, int32_t bt, int32_t operation, const void *a, int64_t a_step, const void *b, int64_t b_step, void *y,
                        int32_t yt, int64_t count) {
    vf va = {}, vb = {};
    if (a_step == 0) va = splat(load_one(a, at, 0));
    if (b_step == 0) vb = splat(load_one(b, bt, 0));
    for (int64_t i = 0; i < count; i += WIDTH) {
        if (a_step) va = load(a, at, i, count);
        if (b_step) vb = load(b, bt, i, count);
        store(y, yt, i, count, binary_value(operation, va, vb));
    }
}

static void binary_row(int32_t operation, const void *a, int32_t at, int64_t a_step, const void *b, int32_t bt, int64_t b_step, void *y, int32_t yt,
                       int64_t count) {
    if (at == BITS_F32 && bt == BITS_F32 && yt == BITS_F32 && operation == BITS_ADD && a_step && b_step)
        binary_loop(BITS_F32, BITS_F32, BITS_ADD, a, 1, b, 1, y, BITS_F32, count);
    else if (at == BITS_F32 && bt == BITS_F32 && yt == BITS_F32 && operation == BITS_MULTIPLY && a_step && b_step)
        binary_loop(BITS_F32, BITS_F32, BITS_MULTIPLY, a, 1, b, 1, y, BITS_F32, count);
    else
        binary_loop(at, bt, operation, a, a_step, b, b_step, y, yt, count);
}

INLINE void scale_shift_loop(int32_t xt, int32_t yt, const void *x, float scale, float shift, void *y, int64_t count) {
    for (int64_t i = 0; i < count; i += WIDTH) store(y, yt, i, count, load(x, xt, i, count) * scale + shift);
}

static void scale_shift_row(const void *x, int32_t xt, float scale, float shift, void *y, int32_t yt, int64_t count) {
    FOR_TYPES_2(scale_shift_loop, xt, yt, x, scale, shift, y, count);
}

static const float SQRT_HALF = 0.707106781f, INVERSE_SQRT_2PI = 0.398942280f, TWO_SQRT_2_OVER_PI = 1.595769122f, GELU_CUBIC = 0.044715f;

INLINE vf relu(vf x) { return pick(x <= 0.0f, zero(), x); }
INLINE vf silu(vf x) { return x / (1.0f + v_exp(-x)); }
INLINE vf normal_distribution(vf x) { return 0.5f * (1.0f + v_erf(x * SQRT_HALF)); }
INLINE vf gelu(vf x) { return x * normal_distribution(x); }
// 0.5 * (1 + tanh(u)) is sigmoid(2u).
INLINE vf gelu_tanh_sigmoid(vf x) { return v_sigmoid(TWO_SQRT_2_OVER_PI * (x + GELU_CUBIC * (x * x * x))); }
INLINE vf gelu_tanh(vf x) { return x * gelu_tanh_sigmoid(x); }

INLINE vf relu_slope(vf x) { return pick(x <= 0.0f, zero(), splat(1.0f)); }
INLINE vf silu_slope(vf x) {
    const vf s = v_sigmoid(x);
    return s * (1.0f + x * (1.0f - s));
}
INLINE vf gelu_slope(vf x) { return normal_distribution(x) + x * INVERSE_SQRT_2PI * v_exp(-0.5f * (x * x)); }
INLINE vf gelu_tanh_slope(vf x) {
    x = pick(magnitude(x) > 100.0f, with_sign(splat(100.0f), x), x);  // beyond, the slope is 0 or 1 and squares overflow
    const vf s = gelu_tanh_sigmoid(x);
    return s + x * s * (1.0f - s) * (TWO_SQRT_2_OVER_PI * (1.0f + 3.0f * GELU_CUBIC * (x * x)));
}

// Every activation as CASE(code, value, slope), in terms of x.
#define ACTIVATIONS(CASE) \
    CASE(BITS_SILU, silu(x), silu_slope(x)) \
    CASE(BITS_GELU, gelu(x), gelu_slope(x)) \
    CASE(BITS_GELU_TANH, gelu_tanh(x), gelu_tanh_slope(x)) \
    CASE(BITS_RELU, relu(x), relu_slope(x))

#define UNARY_OPERATIONS(CASE) \
    ACTIVATIONS(CASE) \
    CASE(BITS_NEGATE, -x, splat(-1.0f)) \
    CASE(BITS_EXP, v_exp(x), v_exp(x)) \
    CASE(BITS_LOG, v_log(x), 1.0f / x) \
    CASE(BITS_SQRT, square_root(x), 0.5f / square_root(x)) \
    CASE(BITS_RSQRT, 1.0f / square_root(x), -0.5f / (x * square_root(x))) \
    CASE(BITS_TANH, v_tanh(x), 1.0f - v_tanh(x) * v_tanh(x)) \
    CASE(BITS_SIGMOID, v_sigmoid(x), v_sigmoid(x) * (1.0f - v_sigmoid(x))) \
    CASE(BITS_SQUARE, x * x, x + x) \
    CASE(BITS_ABS, magnitude(x), pick(x == 0.0f, zero(), with_sign(splat(1.0f), x))) \
    CASE(BITS_RECIPROCAL, 1.0f / x, -1.0f / (x * x))

static void unary_row(int32_t operation, const void *x_, int32_t xt, void *y, int32_t yt, int64_t count) {
    switch (operation) {
#define CASE(CODE, VALUE, SLOPE) \
    case CODE: \
        for (int64_t i = 0; i < count; i += WIDTH) { \
            const vf x = load(x_, xt, i, count); \
            store(y, yt, i, count, VALUE); \
        } \
        break;
        UNARY_OPERATIONS(CASE)
#undef CASE
    }
}

static void unary_gradient_row(int32_t operation, const void *x_, int32_t xt, const void *dy, int32_t dyt, void *dx, int32_t dxt, int64_t count) {
    switch (operation) {
#define CASE(CODE, VALUE, SLOPE) \
    case CODE: \
        for (int64_t i = 0; i < count; i += WIDTH) { \
            const vf x = load(x_, xt, i, count); \
            (void)x; \
            store(dx, dxt, i, count, load(dy, dyt, i, count) * (SLOPE)); \
        } \
        break;
        UNARY_OPERATIONS(CASE)
#undef CASE
    }
}

static void gated_row(int32_t operation, const void *gate, int32_t gt, const void *up, int32_t ut, void *y, int32_t yt, int64_t count) {
    switch (operation) {
#define CASE(CODE, VALUE, SLOPE) \
    case CODE: \
        for (int64_t i = 0; i < count; i += WIDTH) { \
            const vf x = load(gate, gt, i, count); \
            store(y, yt, i, count, (VALUE) * load(up, ut, i, count)); \
        } \
        break;
        ACTIVATIONS(CASE)
#undef CASE
    }
}

// With the slopes written out so that exp is taken once: value and slope come from the same sigmoid.
static void gated_silu_gradient_row(const void *gate, int32_t gt, const void *up, int32_t ut, const void *dy, int32_t dyt, void *dgate,
                                    int32_t dgt, void *dup, int32_t dut, int64_t count) {
    for (int64_t i = 0; i < count; i += WIDTH) {
        const vf x = load(gate, gt, i, count), u = load(up, ut, i, count), g = load(dy, dyt, i, count);
        const vf s = v_sigmoid(x);
        store(dgate, dgt, i, count, g * u * (s * (1.0f + x * (1.0f - s))));
        store(dup, dut, i, count, g * (x * s));
    }
}

static void gated_gradient_row(int32_t operation, const void *gate, int32_t gt, const void *up, int32_t ut, const void *dy, int32_t dyt, void *dgate,
                               int32_t dgt, void *dup, int32_t dut, int64_t count) {
    if (operation == BITS_SILU) {
        gated_silu_gradient_row(gate, gt, up, ut, dy, dyt, dgate, dgt, dup, dut, count);
        return;
    }
    switch (operation) {
#define CASE(CODE, VALUE, SLOPE) \
    case CODE: \
        for (int64_t i = 0; i < count; i += WIDTH) { \
            const vf x = load(gate, gt, i, count), u = load(up, ut, i, count), g = load(dy, dyt, i, count); \
            store(dgate, dgt, i, count, g * u * (SLOPE)); \
            store(dup, dut, i, count, g * (VALUE)); \
        } \
        break;
        ACTIVATIONS(CASE)
#undef CASE
    }
}

#endif
