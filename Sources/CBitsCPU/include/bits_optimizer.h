// Optimizer steps, and the norms that clipping needs. One step reads the gradient, updates the moments and the parameter in one pass over memory,
// and gives the same bits at every processor level and with any number of threads.
#ifndef BITS_OPTIMIZER_H
#define BITS_OPTIMIZER_H
#include "bits_base.h"

// Which rule a step follows, and its options: the cases of ElementRule (BitsKernels/Kernels), whose formulas are not repeated here. A rule's numbers are
// in the fields of bits_update that have their names; where a rule has one beta, it is beta1.
enum {
    BITS_RULE_ADAM = 0,      // usesMaximum: AMSGRAD
    BITS_RULE_ADEMAMIX = 1,
    BITS_RULE_MOMENTUM = 2,  // isFirst: FIRST_STEP, isNesterov: NESTEROV, roundsTwice: TWO_ROUNDINGS
    BITS_RULE_RMSPROP = 3,   // isCentered: CENTERED, with a momentum, which is beta2: MOMENTUM
    BITS_RULE_ADAGRAD = 4,
    BITS_RULE_LION = 5,
    BITS_RULE_COUNT = 6
};

enum {
    BITS_UPDATE_COUPLED_DECAY = 1,
    BITS_UPDATE_FIRST_STEP = 2,
    BITS_UPDATE_NESTEROV = 4,
    BITS_UPDATE_CENTERED = 8,
    BITS_UPDATE_MOMENTUM = 16,
    BITS_UPDATE_AMSGRAD = 32,
    BITS_UPDATE_SKIP_ZEROS = 64,
    BITS_UPDATE_DECAY_FIRST = 128,
    BITS_UPDATE_TWO_ROUNDINGS = 256,
};

// What surrounds the rule, as ElementUpdate has it.
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

// One parameter's part of a step. Parameter and gradient are float32, float16 or bfloat16; blocks are 32, 64, ... or 16384 elements.
typedef struct {
    bits_update update;
    void *parameter;
    const void *gradient;
    const float *gradient_scale;  // NULL: 1
    int64_t count;
    int32_t parameter_dtype, gradient_dtype, moment_count, block_size;
} bits_parameter_step;

// One step of many parameters, which share no memory but codebooks. `moments` are theirs, one parameter's after the other's.
int32_t bits_cpu_optimizer_step(const bits_parameter_step *steps, int64_t count, const bits_moment *moments);

// Elements of float32, float16 or bfloat16.
typedef struct {
    void *values;
    int64_t count;
    int32_t dtype;
} bits_values;

// norms[i][0] = sqrt(sum x^2) over the finite elements of array i, rounded once: squares are added in double in an order that depends on nothing but
// its length. norms[i][1] = how many elements are not finite.
int32_t bits_cpu_norms(const bits_values *arrays, int64_t count, float (*norms)[2]);

// x = *scale * x for every element of every array (NULL: 1), then limited to -limit...limit; rounded to the type of the array.
int32_t bits_cpu_scale_in_place(const bits_values *arrays, int64_t count, const float *scale, float limit);

#endif
