// Copies, element-by-element operations, reductions and softmax.
//
// Arrays of numbers are float32, float16 or bfloat16, each with its own type code; arithmetic is float32, stores round once to nearest even.
// Counts, shapes and strides are in elements. Results do not depend on the number of threads.
#ifndef BITS_ELEMENTWISE_H
#define BITS_ELEMENTWISE_H
#include "bits_base.h"

enum { BITS_MAX_RANK = 6 };

// target[i, j, ...] = source[i, j, ...] with conversion between any two types; strides may be 0 in the source. Floats to integers truncate toward
// zero and saturate, NaN gives 0; bool is "not zero". Equal types are copied bit for bit.
int32_t bits_cpu_copy(const void *source, int32_t source_dtype, const int64_t *source_strides, void *target, int32_t target_dtype,
                      const int64_t *target_strides, const int64_t *shape, int32_t rank);
// target[i] = value, converted like a copy from float32.
int32_t bits_cpu_fill(void *target, int32_t dtype, float value, int64_t count);

enum { BITS_ADD = 0, BITS_SUBTRACT = 1, BITS_MULTIPLY = 2, BITS_DIVIDE = 3, BITS_MAXIMUM = 4 };
// output (contiguous) = a op b, both read with strides over `shape`; the maximum is NaN where an operand is.
int32_t bits_cpu_binary(int32_t operation, const void *a, int32_t a_dtype, const int64_t *a_strides, const void *b, int32_t b_dtype,
                        const int64_t *b_strides, void *output, int32_t output_dtype, const int64_t *shape, int32_t rank);
enum { BITS_MOST_TERMS = 8 };
// output[i] = terms[0][i] + terms[1][i] + ..., in that order in float32; 1 to BITS_MOST_TERMS terms.
int32_t bits_cpu_sum_of_terms(const void *const *terms, const int32_t *dtypes, int32_t term_count, void *output, int32_t output_dtype, int64_t count);
// output[i] = scale * input[i] + shift, rounded after each of the two.
int32_t bits_cpu_scale_shift(const void *input, int32_t input_dtype, float scale, float shift, void *output, int32_t output_dtype, int64_t count);

enum {
    BITS_NEGATE = 0, BITS_EXP = 1, BITS_LOG = 2, BITS_SQRT = 3, BITS_RSQRT = 4, BITS_TANH = 5, BITS_SIGMOID = 6, BITS_SILU = 7, BITS_GELU = 8,
    BITS_GELU_TANH = 9, BITS_RELU = 10, BITS_SQUARE = 11, BITS_ABS = 12, BITS_RECIPROCAL = 13
};
int32_t bits_cpu_unary(int32_t operation, const void *input, int32_t input_dtype, void *output, int32_t output_dtype, int64_t count);
// dinput[i] = doutput[i] * operation'(input[i])
int32_t bits_cpu_unary_gradient(int32_t operation, const void *input, int32_t input_dtype, const void *doutput, int32_t doutput_dtype, void *dinput,
                                int32_t dinput_dtype, int64_t count);
// output = activation(gate) * up, for BITS_SILU, BITS_GELU, BITS_GELU_TANH and BITS_RELU.
int32_t bits_cpu_gated(int32_t activation, const void *gate, int32_t gate_dtype, const void *up, int32_t up_dtype, void *output,
                       int32_t output_dtype, int64_t count);
int32_t bits_cpu_gated_gradient(int32_t activation, const void *gate, int32_t gate_dtype, const void *up, int32_t up_dtype, const void *doutput,
                                int32_t doutput_dtype, void *dgate, int32_t dgate_dtype, void *dup, int32_t dup_dtype, int64_t count);

enum { BITS_REDUCE_SUM = 0, BITS_REDUCE_MEAN = 1, BITS_REDUCE_MAX = 2, BITS_REDUCE_SUM_OF_SQUARES = 3 };
// output[outer, inner] = operation over the middle axis of input[outer, axis, inner]; an empty axis gives 0, NaN, -inf, 0.
int32_t bits_cpu_reduce(int32_t operation, const void *input, int32_t input_dtype, int64_t outer, int64_t axis, int64_t inner, void *output,
                        int32_t output_dtype);
// output[r] (int32 or int64) = the first index of row r's largest element; NaN is smallest.
int32_t bits_cpu_argmax(const void *input, int32_t input_dtype, int64_t rows, int64_t width, void *output, int32_t output_dtype);

// Over rows of `width`.
int32_t bits_cpu_softmax(const void *input, int32_t input_dtype, int64_t rows, int64_t width, void *output, int32_t output_dtype);
int32_t bits_cpu_softmax_gradient(const void *output, int32_t output_dtype, const void *doutput, int32_t doutput_dtype, int64_t rows, int64_t width,
                                  void *dinput, int32_t dinput_dtype);
#endif
