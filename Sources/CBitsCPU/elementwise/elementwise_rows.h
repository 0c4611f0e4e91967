// Element-by-element loops of one level.
#ifndef BITS_ELEMENTWISE_ROWS_H
#define BITS_ELEMENTWISE_ROWS_H
#include "bits_elementwise.h"
#include "base/private_vector_math.h"

static void convert_row(const void *x, int32_t x_dtype, void *y, int32_t y_dtype, int64_t count) {
#define CONVERT(FROM, TO) for (int64_t i = 0; i < count; i += WIDTH) store(y, TO, i, count, load(x, FROM, i, count))
    if (x_dtype == y_dtype) {
        memcpy(y, x, (size_t)count * bits_element_size(x_dtype));
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

// One call: inputs first in dtype, then outputs. A step of 0 repeats an input's first element.
typedef struct {
    int32_t operation, inputs, outputs, dtype[5];
    int64_t step[3];
    float scale, shift;
    const void *in[3];
    void *out[2];
} element_call;

// The loops of one family of operations, over whole vectors: for float32, for bfloat16, for any types.
typedef void element_loop(const element_call *call, int64_t count);

INLINE const void *input_at(const element_call *call, int k, int64_t i) { return bits_at(call->in[k], call->dtype[k], call->step[k] ? i : 0); }

static int all_are(const element_call *call, int32_t dtype) {
    for (int k = 0; k < call->inputs + call->outputs; k++)
        if (call->dtype[k] != dtype) return 0;
    return 1;
}

// What is left after the whole vectors is widened into one vector of float32 each and goes the same way.
static void run_elements(const element_call *call, int64_t count, element_loop *f32, element_loop *bf16, element_loop *mixed) {
    const int64_t whole = count / WIDTH * WIDTH, left = count - whole;
    if (whole) (all_are(call, BITS_F32) ? f32 : all_are(call, BITS_BF16) ? bf16 : mixed)(call, whole);
    if (!left) return;
    float values[5][BITS_WIDTH];
    element_call rest = *call;
    for (int k = 0; k < call->inputs; k++) {
        const void *start = input_at(call, k, whole);
        store_f32(values[k], call->step[k] ? load(start, call->dtype[k], 0, left) : splat(load_one(start, call->dtype[k], 0)));
        rest.in[k] = values[k];
    }
    for (int k = 0; k < call->outputs; k++) rest.out[k] = values[call->inputs + k];
    f32(&rest, WIDTH);
    for (int k = 0; k < call->outputs; k++)
        store(call->out[k], call->dtype[call->inputs + k], whole, count, load_f32(values[call->inputs + k]));
}

// NAME_f32, NAME_bf16 and NAME_mixed from NAME_loop, an INLINE function of the call, the count and the types.
#define ELEMENT_LOOPS(NAME) \
    static void NAME##_f32(const element_call *call, int64_t count) { NAME##_loop(call, count, F32_TYPES); } \
    static void NAME##_bf16(const element_call *call, int64_t count) { NAME##_loop(call, count, BF16_TYPES); } \
    static void NAME##_mixed(const element_call *call, int64_t count) { NAME##_loop(call, count, call->dtype); }

static const int32_t F32_TYPES[5] = {BITS_F32, BITS_F32, BITS_F32, BITS_F32, BITS_F32};
static const int32_t BF16_TYPES[5] = {BITS_BF16, BITS_BF16, BITS_BF16, BITS_BF16, BITS_BF16};

#define LOAD(K) load_full(call->in[K], dtype[K], i)
#define FOR_WHOLE_VECTORS for (int64_t i = 0; i < count; i += WIDTH)

INLINE void binary_loop(const element_call *call, int64_t count, const int32_t *dtype) {
    const vf first_a = call->step[0] ? zero() : splat(load_one(call->in[0], dtype[0], 0));
    const vf first_b = call->step[1] ? zero() : splat(load_one(call->in[1], dtype[1], 0));
#define LOOP(VALUE) \
    FOR_WHOLE_VECTORS { \
        const vf a = call->step[0] ? LOAD(0) : first_a, b = call->step[1] ? LOAD(1) : first_b; \
        store_full(call->out[0], dtype[2], i, VALUE); \
    } \
    break
    switch (call->operation) {
    case BITS_ADD: LOOP(a + b);
    case BITS_SUBTRACT: LOOP(a - b);
    case BITS_MULTIPLY: LOOP(a * b);
    case BITS_DIVIDE: LOOP(a / b);
    default: LOOP(pick((a > b) | (a != a), a, b));
    }
#undef LOOP
}
ELEMENT_LOOPS(binary)

static void binary_row(int32_t operation, const void *a, int32_t at, int64_t a_step, const void *b, int32_t bt, int64_t b_step, void *y, int32_t yt,
                       int64_t count) {
    const element_call call = {.operation = operation, .inputs = 2, .outputs = 1, .dtype = {at, bt, yt}, .step = {a_step, b_step}, .in = {a, b}, .out = {y}};
    run_elements(&call, count, binary_f32, binary_bf16, binary_mixed);
}

INLINE void scale_shift_loop(const element_call *call, int64_t count, const int32_t *dtype) {
    const vf scale = splat(call->scale), shift = splat(call->shift);
    FOR_WHOLE_VECTORS store_full(call->out[0], dtype[1], i, LOAD(0) * scale + shift);
}
ELEMENT_LOOPS(scale_shift)

static void scale_shift_row(const void *x, int32_t xt, float scale, float shift, void *y, int32_t yt, int64_t count) {
    const element_call call = {.inputs = 1, .outputs = 1, .dtype = {xt, yt}, .step = {1}, .in = {x}, .out = {y}, .scale = scale, .shift = shift};
    run_elements(&call, count, scale_shift_f32, scale_shift_bf16, scale_shift_mixed);
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
#define ACTIVATIONS_BUT_SILU(CASE) \
    CASE(BITS_GELU, gelu(x), gelu_slope(x)) \
    CASE(BITS_GELU_TANH, gelu_tanh(x), gelu_tanh_slope(x)) \
    CASE(BITS_RELU, relu(x), relu_slope(x))

#define ACTIVATIONS(CASE) \
    CASE(BITS_SILU, silu(x), silu_slope(x)) \
    ACTIVATIONS_BUT_SILU(CASE)

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

// NAME_loop, for the operations that are listed, and its NAME_f32, NAME_bf16 and NAME_mixed.
#define OPERATION_LOOPS(NAME, OPERATIONS, CASE) \
    INLINE void NAME##_loop(const element_call *call, int64_t count, const int32_t *dtype) { \
        switch (call->operation) { OPERATIONS(CASE) } \
    } \
    ELEMENT_LOOPS(NAME)
#define OPERATION(CODE, RESULT, DTYPE) \
    case CODE: \
        FOR_WHOLE_VECTORS { \
            const vf x = LOAD(0); \
            (void)x; \
            store_full(call->out[0], DTYPE, i, RESULT); \
        } \
        break;
#define VALUE_OF(CODE, VALUE, SLOPE) OPERATION(CODE, VALUE, dtype[1])
#define TIMES_SLOPE(CODE, VALUE, SLOPE) OPERATION(CODE, LOAD(1) * (SLOPE), dtype[2])
#define TIMES_VALUE(CODE, VALUE, SLOPE) OPERATION(CODE, (VALUE) * LOAD(1), dtype[2])

OPERATION_LOOPS(unary, UNARY_OPERATIONS, VALUE_OF)

static void unary_row(int32_t operation, const void *x, int32_t xt, void *y, int32_t yt, int64_t count) {
    const element_call call = {.operation = operation, .inputs = 1, .outputs = 1, .dtype = {xt, yt}, .step = {1}, .in = {x}, .out = {y}};
    run_elements(&call, count, unary_f32, unary_bf16, unary_mixed);
}

OPERATION_LOOPS(unary_gradient, UNARY_OPERATIONS, TIMES_SLOPE)

static void unary_gradient_row(int32_t operation, const void *x, int32_t xt, const void *dy, int32_t dyt, void *dx, int32_t dxt, int64_t count) {
    const element_call call = {.operation = operation, .inputs = 2, .outputs = 1, .dtype = {xt, dyt, dxt}, .step = {1, 1}, .in = {x, dy}, .out = {dx}};
    run_elements(&call, count, unary_gradient_f32, unary_gradient_bf16, unary_gradient_mixed);
}

OPERATION_LOOPS(gated, ACTIVATIONS, TIMES_VALUE)

static void gated_row(int32_t operation, const void *gate, int32_t gt, const void *up, int32_t ut, void *y, int32_t yt, int64_t count) {
    const element_call call = {.operation = operation, .inputs = 2, .outputs = 1, .dtype = {gt, ut, yt}, .step = {1, 1}, .in = {gate, up}, .out = {y}};
    run_elements(&call, count, gated_f32, gated_bf16, gated_mixed);
}

INLINE void gated_gradient_loop(const element_call *call, int64_t count, const int32_t *dtype) {
    switch (call->operation) {
    case BITS_SILU:  // written out, so that exp is taken once: value and slope come from the same sigmoid
        FOR_WHOLE_VECTORS {
            const vf x = LOAD(0), up = LOAD(1), dy = LOAD(2), s = v_sigmoid(x), value = x * s;
            store_full(call->out[0], dtype[3], i, dy * up * (s + value * (1.0f - s)));
            store_full(call->out[1], dtype[4], i, dy * value);
        }
        break;
#define CASE(CODE, VALUE, SLOPE) \
    case CODE: \
        FOR_WHOLE_VECTORS { \
            const vf x = LOAD(0), up = LOAD(1), dy = LOAD(2); \
            store_full(call->out[0], dtype[3], i, dy * up * (SLOPE)); \
            store_full(call->out[1], dtype[4], i, dy * (VALUE)); \
        } \
        break;
        ACTIVATIONS_BUT_SILU(CASE)
#undef CASE
    }
}
ELEMENT_LOOPS(gated_gradient)

static void gated_gradient_row(int32_t operation, const void *gate, int32_t gt, const void *up, int32_t ut, const void *dy, int32_t dyt, void *dgate,
                               int32_t dgt, void *dup, int32_t dut, int64_t count) {
    const element_call call = {.operation = operation, .inputs = 3, .outputs = 2, .dtype = {gt, ut, dyt, dgt, dut}, .step = {1, 1, 1},
                               .in = {gate, up, dy}, .out = {dgate, dup}};
    run_elements(&call, count, gated_gradient_f32, gated_gradient_bf16, gated_gradient_mixed);
}

#undef LOAD
#undef FOR_WHOLE_VECTORS
#undef ELEMENT_LOOPS
#undef OPERATION_LOOPS
#undef OPERATION
#undef VALUE_OF
#undef TIMES_SLOPE
#undef TIMES_VALUE

#endif
