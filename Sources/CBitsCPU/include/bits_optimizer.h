// Optimizer steps, and the norms that clipping needs. One step reads the gradient, updates the moments and the parameter in one pass over memory,
// and gives the same bits at every processor level and with any number of threads.
#ifndef BITS_OPTIMIZER_H
#define BITS_OPTIMIZER_H
#include "bits_base.h"

// What happens to an element, with moments s0, s1, s2 in this order; fma rounds once, everything else rounds after each operation.
// d is the direction; the parameter becomes fma(step, d, p) * decay, or with DECAY_FIRST fma(step, d, p * decay), rounded to its type each time that
// it would be stored: after the step and, where decay is not 1, after the decay.
enum {
    // s0 = fma(beta1, s0, gain1 g), s1 = fma(beta2, s1, gain2 (g g)), d = s0 / (sqrt(s1) + epsilon); AMSGRAD: s2 = max(s2, s1) in place of s1 in d
    BITS_RULE_ADAM = 0,
    // s0 as in Adam, s1 = fma(beta3, s1, gain3 g), s2 = fma(beta2, s2, gain2 (g g)), d = fma(alpha, s1, bias s0) / (sqrt(s2) + epsilon)
    BITS_RULE_ADEMAMIX = 1,
    // s0 = g at the FIRST step, then fma(beta1, s0, gain1 g), TWO_ROUNDINGS: beta1 s0 + gain1 g; d = s0, NESTEROV: fma(beta1, s0, g); without
    // moments d = g
    BITS_RULE_MOMENTUM = 2,
    // s0 = fma(beta1, s0, (gain1 g) g), d = g / (sqrt(s0) + epsilon); CENTERED: the last moment a = fma(beta1, a, gain1 g) and
    // fma(-a, a, s0), at least 0, in place of s0 in d; MOMENTUM: s1 = fma(beta2, s1, d), d = s1
    BITS_RULE_RMSPROP = 3,
    // s0 = fma(g, g, s0), d = g / (sqrt(s0) + epsilon)
    BITS_RULE_ADAGRAD = 4,
    // d = sign(fma(beta1, s0, gain1 g)), then s0 = fma(beta2, s0, gain2 g)
    BITS_RULE_LION = 5,
    BITS_RULE_COUNT = 6
};

enum {
    BITS_UPDATE_COUPLED_DECAY = 1,  // g = fma(weight_decay, p, g) before the rule
    BITS_UPDATE_FIRST_STEP = 2,
    BITS_UPDATE_NESTEROV = 4,
    BITS_UPDATE_CENTERED = 8,
    BITS_UPDATE_MOMENTUM = 16,
    BITS_UPDATE_AMSGRAD = 32,
    BITS_UPDATE_SKIP_ZEROS = 64,  // an element whose gradient is zero keeps its value and its moments
    BITS_UPDATE_DECAY_FIRST = 128,
    BITS_UPDATE_TWO_ROUNDINGS = 256,
};

typedef struct {
    int32_t rule, flags;
    float beta1, beta2, beta3, gain1, gain2, gain3, alpha, bias, epsilon;
    float weight_decay;  // with COUPLED_DECAY
    float decay;         // 1 - learning rate * weight decay; 1 without
    float step;          // negative
    // The gradient, after scaling, is limited to -limit...limit; infinite for no limit.
    float gradient_limit;
    // Above 0: the step is multiplied by U = max_norm |p| / (direction_scale |d|) where that is below 1.
    float max_norm, direction_scale;
} bits_update;

// One moment of a parameter: float32 values, or one code per element with one scale per block.
typedef struct {
    void *values;
    float *absmax;          // NULL for float32
    const float *codebook;  // 256 ascending values; NULL for float32
    int32_t is_signed;      // a code's value has the sign of the moment it stands for
} bits_moment;

// One step over `count` elements. The parameter and the gradient are float32, float16 or bfloat16; the gradient is multiplied by *gradient_scale
// first (NULL: 1). An element whose gradient or new moments are then not finite keeps its value and gets zero moments. A block is requantized as
// nearest(codebook, s * (1 / max(absmax, 2^-126))) with its new absmax, ties to the even code; a signed moment that is not zero never gets a code of
// the other sign.
int32_t bits_cpu_optimizer_step(
    const bits_update *update, void *parameter, int32_t parameter_dtype, const void *gradient, int32_t gradient_dtype,
    const float *gradient_scale, const bits_moment *moments, int32_t moment_count, int32_t block_size, int64_t count);

// norm[0] = sqrt(sum x^2) over the finite elements, rounded once: squares are added in double in an order that depends on nothing but the count.
// norm[1] = how many elements are not finite.
int32_t bits_cpu_norm(const void *values, int32_t dtype, int64_t count, float norm[2]);

// values[i] = *scale * values[i] (NULL: 1), then limited to -limit...limit; rounded to the type of the values.
int32_t bits_cpu_scale_in_place(void *values, int32_t dtype, const float *scale, float limit, int64_t count);

#endif
