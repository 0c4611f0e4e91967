// Element by element: binary operations with broadcasting, functions of one number with their slopes, scaling, gated activations.
//
// Types are known at run time. A thread takes eight elements, in two runs of four, and has all that it reads under way before it computes: what a type
// or an operation costs to look up is shared by eight.

enum { RUNS = 2, EIGHT = 4 * RUNS };

// Arrays by their addresses and types.
template <int INPUTS, int OUTPUTS> struct Arrays {
    const void *in[INPUTS];
    int in_types[INPUTS];
    void *out[OUTPUTS];
    int out_types[OUTPUTS];

    __device__ bool take_fours() const {
        bool all = true;
#pragma unroll
        for (int k = 0; k < INPUTS; k++) all &= takes_fours(in[k], in_types[k]);
#pragma unroll
        for (int k = 0; k < OUTPUTS; k++) all &= takes_fours(out[k], out_types[k]);
        return all;
    }
};

__device__ __forceinline__ void spread(float4 from, float *to) {
    to[0] = from.x;
    to[1] = from.y;
    to[2] = from.z;
    to[3] = from.w;
}

__device__ __forceinline__ float4 gather(const float *from) { return make_float4(from[0], from[1], from[2], from[3]); }

// out[...] = compute(in[...]) over arrays of `count`. Every element is read before the one in its place is written.
template <int INPUTS, int OUTPUTS, typename Compute>
__device__ __forceinline__ void map(const Arrays<INPUTS, OUTPUTS> &arrays, int64 count, Compute compute) {
    const bool fours = arrays.take_fours();
    const int64 run = 4 * (int64)blockDim.x;
    for (int64 start = blockIdx.x * RUNS * run; start < count; start += gridDim.x * RUNS * run) {
        const int64 first = start + 4 * threadIdx.x;
        uint4 read[INPUTS][RUNS];
#pragma unroll
        for (int r = 0; r < RUNS; r++) {
            const int64 i = first + r * run;
#pragma unroll
            for (int k = 0; k < INPUTS; k++)
                read[k][r] = fours && i + 4 <= count ? load_four(arrays.in[k], arrays.in_types[k], i)
                                                     : load_up_to_four(arrays.in[k], arrays.in_types[k], i, count);
        }
        float x[INPUTS][EIGHT], y[OUTPUTS][EIGHT];
#pragma unroll
        for (int r = 0; r < RUNS; r++)
#pragma unroll
            for (int k = 0; k < INPUTS; k++) spread(widen_four(read[k][r], arrays.in_types[k]), x[k] + 4 * r);
        compute(x, y);
#pragma unroll
        for (int r = 0; r < RUNS; r++) {
            const int64 i = first + r * run;
#pragma unroll
            for (int k = 0; k < OUTPUTS; k++)
                if (fours && i + 4 <= count) store_four(arrays.out[k], arrays.out_types[k], i, gather(y[k] + 4 * r));
                else store_up_to_four(arrays.out[k], arrays.out_types[k], i, count, gather(y[k] + 4 * r));
        }
    }
}

// Statements for each of the eight elements.
#define FOR_EIGHT(...) \
    _Pragma("unroll") for (int j = 0; j < EIGHT; j++) { __VA_ARGS__; }

// MARK: Sums

enum { MOST_TERMS = 8 };
struct Terms {
    const void *start[MOST_TERMS];
    int types[MOST_TERMS];
    int count, padding;
};

// y = start[0] + start[1] + ..., in that order.
extern "C" __global__ void __launch_bounds__(256) sum_of_terms(Terms terms, void *y, int y_type, int64 count) {
    begin_launch();
    bool fours = takes_fours(y, y_type);
#pragma unroll
    for (int k = 0; k < MOST_TERMS; k++)
        if (k < terms.count) fours &= takes_fours(terms.start[k], terms.types[k]);
    for (int64 i = 4 * thread_index(); i < count; i += 4 * thread_count()) {
        const bool whole = fours && i + 4 <= count;
        uint4 read[MOST_TERMS];
#pragma unroll
        for (int k = 0; k < MOST_TERMS; k++)
            if (k < terms.count) read[k] = whole ? load_four(terms.start[k], terms.types[k], i) : load_up_to_four(terms.start[k], terms.types[k], i, count);
        float4 sum = widen_four(read[0], terms.types[0]);
#pragma unroll
        for (int k = 1; k < MOST_TERMS; k++) {
            if (k >= terms.count) break;
            const float4 x = widen_four(read[k], terms.types[k]);
            sum = make_float4(sum.x + x.x, sum.y + x.y, sum.z + x.z, sum.w + x.w);
        }
        if (whole) store_four(y, y_type, i, sum);
        else store_up_to_four(y, y_type, i, count, sum);
    }
}

// MARK: Binary operations

enum { ADD, SUBTRACT, MULTIPLY, DIVIDE, MAXIMUM };

__device__ __forceinline__ float combined(int operation, float a, float b) {
    switch (operation) {
    case ADD: return a + b;
    case SUBTRACT: return a - b;
    case MULTIPLY: return a * b;
    case DIVIDE: return a / b;
    default: return a > b || isnan(a) ? a : b;
    }
}

// An operand of shape [rows, columns]: a column stride of 0 repeats an element along the row.
struct Matrix {
    const void *start;
    int type;
    int64 row_stride, column_stride;

    __device__ bool has_fours() const { return column_stride == 0 || (row_stride % 4 == 0 && takes_fours(start, type)); }

    // Elements i to i + 3 of the row-major order, which lie in one row; from `count` on 0.
    __device__ uint4 four(int64 row, int64 column, int64 columns, bool fours) const {
        if (column_stride == 0) {
            const int64 i = row * row_stride;
            if (type == FLOAT32) {
                const uint32 word = ((const uint32 *)start)[i];
                return make_uint4(word, word, word, word);
            }
            const uint32 words = ((const uint16 *)start)[i] * 0x10001u;
            return make_uint4(words, words, 0, 0);
        }
        if (fours && column + 4 <= columns) return load_four(start, type, row * row_stride + column);
        return load_up_to_four(start, type, row * row_stride + column, row * row_stride + columns);
    }
};

// Operands that repeat along rows or columns or not at all; where there are several rows, the columns are a multiple of 4.
extern "C" __global__ void __launch_bounds__(256) binary(
    int operation, const void *a, int a_type, int64 a_row, int64 a_column, const void *b, int b_type, int64 b_row, int64 b_column, void *y,
    int y_type, int64 rows, int64 columns) {
    begin_launch();
    const Matrix left = {a, a_type, a_row, a_column}, right = {b, b_type, b_row, b_column};
    const bool fours = left.has_fours() && right.has_fours() && takes_fours(y, y_type);
    const int64 count = rows * columns, run = 4 * (int64)blockDim.x;
    for (int64 start = blockIdx.x * RUNS * run; start < count; start += gridDim.x * RUNS * run) {
        const int64 first = start + 4 * threadIdx.x;
        uint4 lefts[RUNS], rights[RUNS];
#pragma unroll
        for (int r = 0; r < RUNS; r++) {
            const int64 i = first + r * run;
            if (i >= count) break;
            int64 row = 0;
            if (rows > 1) row = count >> 32 ? i / columns : (uint32)i / (uint32)columns;
            lefts[r] = left.four(row, i - row * columns, columns, fours);
            rights[r] = right.four(row, i - row * columns, columns, fours);
        }
#pragma unroll
        for (int r = 0; r < RUNS; r++) {
            const int64 i = first + r * run;
            if (i >= count) break;
            const float4 p = widen_four(lefts[r], a_type), q = widen_four(rights[r], b_type);
            const float4 result = make_float4(
                combined(operation, p.x, q.x), combined(operation, p.y, q.y), combined(operation, p.z, q.z), combined(operation, p.w, q.w));
            if (fours && i + 4 <= count) store_four(y, y_type, i, result);
            else store_up_to_four(y, y_type, i, count, result);
        }
    }
}

// Operands of any strides, one element a thread.
extern "C" __global__ void __launch_bounds__(256) binary_strided(
    int operation, const void *a, int a_type, Axes a_strides, const void *b, int b_type, Axes b_strides, void *y, int y_type, Axes sizes, int64 count) {
    begin_launch();
    for (int64 i = thread_index(); i < count; i += thread_count()) {
        int64 from_a = 0, from_b = 0, rest = i;
#pragma unroll
        for (int axis = AXES - 1; axis >= 0; axis--) {
            const int64 place = take_axis(rest, sizes.of[axis]);
            from_a += place * a_strides.of[axis];
            from_b += place * b_strides.of[axis];
        }
        store_float(y, y_type, i, combined(operation, load_float(a, a_type, from_a), load_float(b, b_type, from_b)));
    }
}

// MARK: Functions of one number

// The same numbers in another type.
extern "C" __global__ void __launch_bounds__(256) cast(const void *x, int x_type, void *y, int y_type, int64 count) {
    begin_launch();
    map(Arrays<1, 1>{{x}, {x_type}, {y}, {y_type}}, count, [=](const float (&x)[1][EIGHT], float (&y)[1][EIGHT]) { FOR_EIGHT(y[0][j] = x[0][j]) });
}

extern "C" __global__ void __launch_bounds__(256) scale_shift(
    const void *x, int x_type, float scale, float shift, void *y, int y_type, int64 count) {
    begin_launch();
    map(Arrays<1, 1>{{x}, {x_type}, {y}, {y_type}}, count, [=](const float (&x)[1][EIGHT], float (&y)[1][EIGHT]) {
        FOR_EIGHT(y[0][j] = scale * x[0][j] + shift)
    });
}

enum { NEGATE, EXPONENTIAL, LOGARITHM, SQUARE_ROOT, RECIPROCAL_SQUARE_ROOT, TANH, SIGMOID, SILU, GELU, GELU_TANH, RELU, SQUARE, ABSOLUTE, RECIPROCAL };

// exp and tanh within a unit in the last place or little more, denormal results rounded once: a polynomial fitted by minimax where the library's expf, which is
// quicker and serves the activations, goes by the hardware's estimate of 2^x.
__device__ __forceinline__ float exponential(float x) {
    if (x < -104.0f) x = -104.0f;
    if (x > 89.0f) x = 89.0f;
    const float n = rintf(x * 1.44269504f);
    const float r = __fmaf_rn(n, 2.12194440e-4f, __fmaf_rn(n, -0.693359375f, x));
    float p = 1.381461276e-3f;
    p = __fmaf_rn(p, r, 8.368710056e-3f);
    p = __fmaf_rn(p, r, 4.166838899e-2f);
    p = __fmaf_rn(p, r, 1.666652113e-1f);
    p = __fmaf_rn(p, r, 4.999999404e-1f);
    // 2^n in two halves.
    const int power = (int)n, half = power >> 1;
    return (__fmaf_rn(p, r * r, r) + 1.0f) * __int_as_float((half + 127) << 23) * __int_as_float((power - half + 127) << 23);
}
__device__ __forceinline__ float hyperbolic_tangent(float x) {
    const float size = fabsf(x), s = x * x;
    float p = -5.704987328e-3f;
    p = __fmaf_rn(p, s, 2.063908800e-2f);
    p = __fmaf_rn(p, s, -5.373971537e-2f);
    p = __fmaf_rn(p, s, 1.333144158e-1f);
    p = __fmaf_rn(p, s, -3.333328068e-1f);
    if (size < 0.625f) return __fmaf_rn(p * s, x, x);
    return copysignf(1.0f - 2.0f / (exponential(size + size) + 1.0f), x);
}
// Divided by the hardware's estimate of a reciprocal: 0 where the result is below 2^-126.
__device__ __forceinline__ float sigmoid(float x) { return __fdividef(1.0f, 1.0f + expf(-x)); }
__device__ __forceinline__ float silu(float x) { return __fdividef(x, 1.0f + expf(-x)); }
// The distribution function of the standard normal distribution.
__device__ __forceinline__ float normal_distribution(float x) { return 0.5f * (1.0f + erff(x * 0.707106781f)); }
__device__ __forceinline__ float gelu(float x) { return x * normal_distribution(x); }
// 0.5 * (1 + tanh(u)) is sigmoid(2u).
__device__ __forceinline__ float gelu_tanh_sigmoid(float x) { return sigmoid(1.595769122f * (x + 0.044715f * (x * x * x))); }
__device__ __forceinline__ float gelu_tanh(float x) { return x * gelu_tanh_sigmoid(x); }
__device__ __forceinline__ float relu(float x) { return x <= 0.0f ? 0.0f : x; }

__device__ __forceinline__ float silu_slope(float x) {
    const float s = sigmoid(x);
    return s * (1.0f + x * (1.0f - s));
}
__device__ __forceinline__ float gelu_slope(float x) { return normal_distribution(x) + x * 0.398942280f * expf(-0.5f * (x * x)); }
__device__ __forceinline__ float gelu_tanh_slope(float x) {
    // Beyond, the slope is 0 or 1 and squares overflow.
    if (fabsf(x) > 100.0f) x = copysignf(100.0f, x);
    const float s = gelu_tanh_sigmoid(x);
    return s + x * s * (1.0f - s) * (1.595769122f * (1.0f + 0.134145f * (x * x)));
}
__device__ __forceinline__ float relu_slope(float x) { return x <= 0.0f ? 0.0f : 1.0f; }
__device__ __forceinline__ float absolute_slope(float x) { return x == 0.0f ? 0.0f : x < 0.0f ? -1.0f : 1.0f; }
__device__ __forceinline__ float tanh_slope(float x) {
    const float t = hyperbolic_tangent(x);
    return 1.0f - t * t;
}
__device__ __forceinline__ float sigmoid_slope(float x) {
    const float s = sigmoid(x);
    return s * (1.0f - s);
}

extern "C" __global__ void __launch_bounds__(256) unary(int operation, const void *x, int x_type, void *y, int y_type, int64 count) {
    begin_launch();
    map(Arrays<1, 1>{{x}, {x_type}, {y}, {y_type}}, count, [=](const float (&in)[1][EIGHT], float (&out)[1][EIGHT]) {
        const float(&x)[EIGHT] = in[0];
        float(&y)[EIGHT] = out[0];
        switch (operation) {
        case NEGATE: FOR_EIGHT(y[j] = -x[j]) break;
        case EXPONENTIAL: FOR_EIGHT(y[j] = exponential(x[j])) break;
        case LOGARITHM: FOR_EIGHT(y[j] = logf(x[j])) break;
        case SQUARE_ROOT: FOR_EIGHT(y[j] = sqrtf(x[j])) break;
        case RECIPROCAL_SQUARE_ROOT: FOR_EIGHT(y[j] = 1.0f / sqrtf(x[j])) break;
        case TANH: FOR_EIGHT(y[j] = hyperbolic_tangent(x[j])) break;
        case SIGMOID: FOR_EIGHT(y[j] = sigmoid(x[j])) break;
        case SILU: FOR_EIGHT(y[j] = silu(x[j])) break;
        case GELU: FOR_EIGHT(y[j] = gelu(x[j])) break;
        case GELU_TANH: FOR_EIGHT(y[j] = gelu_tanh(x[j])) break;
        case RELU: FOR_EIGHT(y[j] = relu(x[j])) break;
        case SQUARE: FOR_EIGHT(y[j] = x[j] * x[j]) break;
        case ABSOLUTE: FOR_EIGHT(y[j] = fabsf(x[j])) break;
        default: FOR_EIGHT(y[j] = 1.0f / x[j]) break;
        }
    });
}

extern "C" __global__ void __launch_bounds__(256) unary_gradient(
    int operation, const void *x, int x_type, const void *dy, int dy_type, void *dx, int dx_type, int64 count) {
    begin_launch();
    map(Arrays<2, 1>{{x, dy}, {x_type, dy_type}, {dx}, {dx_type}}, count, [=](const float (&in)[2][EIGHT], float (&out)[1][EIGHT]) {
        const float(&x)[EIGHT] = in[0], (&dy)[EIGHT] = in[1];
        float(&dx)[EIGHT] = out[0];
        switch (operation) {
        case NEGATE: FOR_EIGHT(dx[j] = -dy[j]) break;
        case EXPONENTIAL: FOR_EIGHT(dx[j] = dy[j] * expf(x[j])) break;
        case LOGARITHM: FOR_EIGHT(dx[j] = dy[j] * (1.0f / x[j])) break;
        case SQUARE_ROOT: FOR_EIGHT(dx[j] = dy[j] * (0.5f / sqrtf(x[j]))) break;
        case RECIPROCAL_SQUARE_ROOT: FOR_EIGHT(dx[j] = dy[j] * (-0.5f / (x[j] * sqrtf(x[j])))) break;
        case TANH: FOR_EIGHT(dx[j] = dy[j] * tanh_slope(x[j])) break;
        case SIGMOID: FOR_EIGHT(dx[j] = dy[j] * sigmoid_slope(x[j])) break;
        case SILU: FOR_EIGHT(dx[j] = dy[j] * silu_slope(x[j])) break;
        case GELU: FOR_EIGHT(dx[j] = dy[j] * gelu_slope(x[j])) break;
        case GELU_TANH: FOR_EIGHT(dx[j] = dy[j] * gelu_tanh_slope(x[j])) break;
        case RELU: FOR_EIGHT(dx[j] = dy[j] * relu_slope(x[j])) break;
        case SQUARE: FOR_EIGHT(dx[j] = dy[j] * (2.0f * x[j])) break;
        case ABSOLUTE: FOR_EIGHT(dx[j] = dy[j] * absolute_slope(x[j])) break;
        default: FOR_EIGHT(dx[j] = dy[j] * (-1.0f / (x[j] * x[j]))) break;
        }
    });
}

// MARK: Gated activations

extern "C" __global__ void __launch_bounds__(256) gated(
    int activation, const void *gate, int gate_type, const void *up, int up_type, void *y, int y_type, int64 count) {
    begin_launch();
    map(Arrays<2, 1>{{gate, up}, {gate_type, up_type}, {y}, {y_type}}, count, [=](const float (&in)[2][EIGHT], float (&out)[1][EIGHT]) {
        const float(&gate)[EIGHT] = in[0], (&up)[EIGHT] = in[1];
        float(&y)[EIGHT] = out[0];
        switch (activation) {
        case SILU: FOR_EIGHT(y[j] = silu(gate[j]) * up[j]) break;
        case GELU: FOR_EIGHT(y[j] = gelu(gate[j]) * up[j]) break;
        case GELU_TANH: FOR_EIGHT(y[j] = gelu_tanh(gate[j]) * up[j]) break;
        default: FOR_EIGHT(y[j] = relu(gate[j]) * up[j]) break;
        }
    });
}

// Value and slope from one sigmoid.
__device__ __forceinline__ void silu_gradient(float gate, float up, float dy, float &dgate, float &dup) {
    const float s = sigmoid(gate), value = gate * s;
    dgate = dy * up * (s + value * (1.0f - s));
    dup = dy * value;
}

extern "C" __global__ void __launch_bounds__(256) gated_gradient(
    int activation, const void *gate, int gate_type, const void *up, int up_type, const void *dy, int dy_type, void *dgate, int dgate_type, void *dup,
    int dup_type, int64 count) {
    begin_launch();
    const Arrays<3, 2> arrays = {{gate, up, dy}, {gate_type, up_type, dy_type}, {dgate, dup}, {dgate_type, dup_type}};
    map(arrays, count, [=](const float (&in)[3][EIGHT], float (&out)[2][EIGHT]) {
        const float(&gate)[EIGHT] = in[0], (&up)[EIGHT] = in[1], (&dy)[EIGHT] = in[2];
        float(&dgate)[EIGHT] = out[0], (&dup)[EIGHT] = out[1];
        switch (activation) {
        case SILU:
            FOR_EIGHT(silu_gradient(gate[j], up[j], dy[j], dgate[j], dup[j]))
            break;
        case GELU: FOR_EIGHT(dgate[j] = dy[j] * up[j] * gelu_slope(gate[j]); dup[j] = dy[j] * gelu(gate[j])) break;
        case GELU_TANH: FOR_EIGHT(dgate[j] = dy[j] * up[j] * gelu_tanh_slope(gate[j]); dup[j] = dy[j] * gelu_tanh(gate[j])) break;
        default: FOR_EIGHT(dgate[j] = dy[j] * up[j] * relu_slope(gate[j]); dup[j] = dy[j] * relu(gate[j])) break;
        }
    });
}

// MARK: Aligned arrays of one type

// What every layer of a decoder does for each token, in few instructions: where there is little to compute, fetching them takes most of the time. A thread
// has eight elements, of a count that is a multiple of 8.
template <typename T> __device__ __forceinline__ void add_aligned(const T *a, const T *b, T *y, int64 count) {
    begin_launch();
    const int64 i = 8 * thread_index();
    if (i >= count) return;
    Eight<T> left, right, sum;
    left.load_kept(a + i);
    right.load_kept(b + i);
#pragma unroll
    for (int j = 0; j < 4; j++) sum.set(j, left[2 * j] + right[2 * j], left[2 * j + 1] + right[2 * j + 1]);
    sum.store_kept(y + i);
}

template <typename T> __device__ __forceinline__ void gated_silu_aligned(const T *gate, const T *up, T *y, int64 count) {
    begin_launch();
    const int64 i = 8 * thread_index();
    if (i >= count) return;
    Eight<T> left, right, product;
    left.load_kept(gate + i);
    right.load_kept(up + i);
#pragma unroll
    for (int j = 0; j < 4; j++) product.set(j, silu(left[2 * j]) * right[2 * j], silu(left[2 * j + 1]) * right[2 * j + 1]);
    product.store_kept(y + i);
}

template <typename T>
__device__ __forceinline__ void gated_silu_gradient_aligned(const T *gate, const T *up, const T *dy, T *dgate, T *dup, int64 count) {
    begin_launch();
    const int64 i = 8 * thread_index();
    if (i >= count) return;
    Eight<T> left, right, slopes, of_left, of_right;
    left.load(gate + i);
    right.load(up + i);
    slopes.load(dy + i);
#pragma unroll
    for (int j = 0; j < 4; j++) {
        float of_gate[2], of_up[2];
#pragma unroll
        for (int e = 0; e < 2; e++) silu_gradient(left[2 * j + e], right[2 * j + e], slopes[2 * j + e], of_gate[e], of_up[e]);
        of_left.set(j, of_gate[0], of_gate[1]);
        of_right.set(j, of_up[0], of_up[1]);
    }
    of_left.store_kept(dgate + i);
    of_right.store_kept(dup + i);
}

// See `sum_of_terms`.
template <typename T> __device__ __forceinline__ void sum_aligned(const Terms &terms, T *y, int64 count) {
    begin_launch();
    const int64 i = 8 * thread_index();
    if (i >= count) return;
    Eight<T> read[MOST_TERMS], sum;
#pragma unroll
    for (int k = 0; k < MOST_TERMS; k++)
        if (k < terms.count) read[k].load((const T *)terms.start[k] + i);
    float x[8];
#pragma unroll
    for (int j = 0; j < 8; j++) x[j] = read[0][j];
#pragma unroll
    for (int k = 1; k < MOST_TERMS; k++) {
        if (k >= terms.count) break;
#pragma unroll
        for (int j = 0; j < 8; j++) x[j] += read[k][j];
    }
#pragma unroll
    for (int j = 0; j < 4; j++) sum.set(j, x[2 * j], x[2 * j + 1]);
    sum.store_kept(y + i);
}

#define ALIGNED(NAME, T) \
    extern "C" __global__ void __launch_bounds__(256) add_##NAME(const T *a, const T *b, T *y, int64 count) { add_aligned(a, b, y, count); } \
    extern "C" __global__ void __launch_bounds__(256) gated_silu_##NAME(const T *gate, const T *up, T *y, int64 count) { \
        gated_silu_aligned(gate, up, y, count); \
    } \
    extern "C" __global__ void __launch_bounds__(256) gated_silu_gradient_##NAME( \
        const T *gate, const T *up, const T *dy, T *dgate, T *dup, int64 count) { \
        gated_silu_gradient_aligned(gate, up, dy, dgate, dup, count); \
    } \
    extern "C" __global__ void __launch_bounds__(256) sum_of_aligned_##NAME(Terms terms, T *y, int64 count) { sum_aligned(terms, y, count); }
ALIGNED(f32, float)
ALIGNED(f16, float16)
ALIGNED(bf16, bfloat16)
