// Optimizer steps: many parameters in a launch, each with its update and its moments in 8 or 32 bits.
//
// What is ordinary has a version for each rule: `step_runs` for moments in 8 bits in blocks of 256, a warp per block, and `step_floats` for those in
// float32. A block with anything that is not finite is left as it is and noted; `step_units`, which does everything for everything, steps those and
// whatever else is not ordinary.

#include "codes.cuh"

// The numbers of an update, as the host writes them.
struct UpdateNumbers {
    int flags;
    float beta1, gain1, beta2, gain2, beta3, gain3, alpha, bias, epsilon;
    float step, decay, coupled_decay, limit;
    float trust_limit, direction_scale;
};

// One parameter, as the host writes it. What changes from step to step lies elsewhere: this table stays on the device.
struct ParameterStep {
    void *parameter;
    const void *gradient;
    const float *scale;  // of the gradient; null: 1
    const float *trust;  // multiplies the step; null: 1
    void *values[3];     // of the moments
    float *absmax[3];
    const CodeTable *tables[3];
    const UpdateNumbers *numbers;
    int64 count;
    int64 first;         // of its units, among those of all parameters
    int unit;            // elements per unit: whole blocks of the moments
    int block_size;      // 0: moments in float32
    int block_shift;     // its logarithm
    int parameter_type, gradient_type;
    int moments, signs;  // how many; a bit for each that is signed
    int rule;
    int chunk;           // the first of its norm chunks
};

enum { ADAM = 0, ADEMAMIX = 1, MOMENTUM = 2, RMSPROP = 3, ADAGRAD = 4, LION = 5 };
enum { DECAYS_FIRST = 1, SKIPS_ZEROS = 2, USES_MAXIMUM = 4, IS_FIRST = 8, IS_NESTEROV = 16, ROUNDS_TWICE = 32, IS_CENTERED = 64, HAS_MOMENTUM = 128 };

__device__ __forceinline__ bool is_finite(float x) { return fabsf(x) < INFINITE; }

// The parameter that a unit, or a chunk, belongs to: the last whose first is not beyond it.
template <typename First> __device__ __forceinline__ int owner_of(int64 unit, int count, First first) {
    int low = 0, high = count;
    while (high - low > 1) {
        const int middle = (low + high) / 2;
        if (first(middle) <= unit) low = middle;
        else high = middle;
    }
    return low;
}

__device__ __forceinline__ float rounded_to(int type, float x) {
    if (type == FLOAT16) return widen(narrow<float16>(x));
    if (type == BFLOAT16) return widen(narrow<bfloat16>(x));
    return x;
}

// MARK: Any element

// The direction of the step; `s` are the element's moments, which change.
__device__ __forceinline__ float direction_of(const ParameterStep &u, float g, float s[3]) {
    const UpdateNumbers &n = *u.numbers;
    switch (u.rule) {
    case ADAM: {
        s[0] = __fmaf_rn(n.beta1, s[0], n.gain1 * g);
        s[1] = __fmaf_rn(n.beta2, s[1], n.gain2 * (g * g));
        float variance = s[1];
        if (n.flags & USES_MAXIMUM) variance = s[2] = s[1] > s[2] ? s[1] : s[2];
        return s[0] / (__fsqrt_rn(variance) + n.epsilon);
    }
    case ADEMAMIX:
        s[0] = __fmaf_rn(n.beta1, s[0], n.gain1 * g);
        s[1] = __fmaf_rn(n.beta3, s[1], n.gain3 * g);
        s[2] = __fmaf_rn(n.beta2, s[2], n.gain2 * (g * g));
        return __fmaf_rn(n.alpha, s[1], n.bias * s[0]) / (__fsqrt_rn(s[2]) + n.epsilon);
    case MOMENTUM:
        if (u.moments == 0) return g;
        s[0] = n.flags & IS_FIRST       ? g
            : n.flags & ROUNDS_TWICE    ? n.beta1 * s[0] + n.gain1 * g
                                        : __fmaf_rn(n.beta1, s[0], n.gain1 * g);
        return n.flags & IS_NESTEROV ? __fmaf_rn(n.beta1, s[0], g) : s[0];
    case RMSPROP: {
        s[0] = __fmaf_rn(n.beta1, s[0], n.gain1 * g * g);
        float variance = s[0];
        if (n.flags & IS_CENTERED) {
            const float mean = __fmaf_rn(n.beta1, u.moments == 3 ? s[2] : s[1], n.gain1 * g);
            if (u.moments == 3) s[2] = mean;
            else s[1] = mean;
            variance = __fmaf_rn(-mean, mean, variance);
            if (!(variance > 0)) variance = 0;
        }
        const float d = g / (__fsqrt_rn(variance) + n.epsilon);
        if (!(n.flags & HAS_MOMENTUM)) return d;
        return s[1] = __fmaf_rn(n.beta2, s[1], d);
    }
    case ADAGRAD:
        s[0] = __fmaf_rn(g, g, s[0]);
        return g / (__fsqrt_rn(s[0]) + n.epsilon);
    default: {
        const float x = __fmaf_rn(n.beta1, s[0], n.gain1 * g);
        s[0] = __fmaf_rn(n.beta2, s[0], n.gain2 * g);
        return x > 0 ? 1.0f : x < 0 ? -1.0f : 0.0f;
    }
    }
}

enum Outcome { STAYS, CLEARS, MOVES };

// What becomes of an element; `gradient` is scaled already, `s` are its moments, which change.
__device__ __forceinline__ Outcome outcome_of(const ParameterStep &u, float value, float gradient, float s[3], float &direction) {
    const UpdateNumbers &n = *u.numbers;
    direction = 0;
    if ((n.flags & SKIPS_ZEROS) && gradient == 0) return STAYS;
    if (is_finite(gradient)) {
        float g = -n.limit >= gradient ? -n.limit : gradient;
        g = n.limit < g ? n.limit : g;
        if (n.coupled_decay != 0) g = __fmaf_rn(n.coupled_decay, value, g);
        const float d = direction_of(u, g, s);
        const bool fits = (u.moments < 1 || is_finite(s[0])) && (u.moments < 2 || is_finite(s[1])) && (u.moments < 3 || is_finite(s[2]));
        if (fits) {
            direction = d;
            return MOVES;
        }
    }
    s[0] = s[1] = s[2] = 0;
    return CLEARS;
}

// An element as it lies in memory.
struct Element {
    float value, gradient;
    float s[3];
};

__device__ __forceinline__ Element element_of(const ParameterStep &u, float scale, int64 i) {
    Element e;
    e.value = load_float(u.parameter, u.parameter_type, i);
    e.gradient = scale * load_float(u.gradient, u.gradient_type, i);
#pragma unroll
    for (int k = 0; k < 3; k++) {
        e.s[k] = 0;
        if (k < u.moments)
            e.s[k] = u.block_size == 0 ? ((const float *)u.values[k])[i]
                                       : u.tables[k]->codebook[((const uint8 *)u.values[k])[i]] * u.absmax[k][i >> u.block_shift];
    }
    return e;
}

__device__ __forceinline__ void move(const ParameterStep &u, float step, int64 i, float value, float direction) {
    const UpdateNumbers &n = *u.numbers;
    const int type = u.parameter_type;
    if (n.flags & DECAYS_FIRST) value = __fmaf_rn(step, direction, rounded_to(type, value * n.decay));
    else value = rounded_to(type, __fmaf_rn(step, direction, value)) * n.decay;
    store_float(u.parameter, type, i, value);
}

// The code of a moment that is multiplied by `inverse`.
__device__ __forceinline__ uint32 moment_code(const CodeTable *table, bool is_signed, float s, float inverse) {
    const float y = s * inverse;
    const uint32 code = nearest_code(table->thresholds, y);
    if (!is_signed || y != y || s == 0) return code;
    const uint32 has_sign = __float_as_uint(table->codebook[code]) >> 31, sign = __float_as_uint(s) >> 31;
    if (has_sign == sign) return code;
    return sign ? (code > 0 ? code - 1 : 0) : min(code + 1, 255u);
}

// A unit of 256 threads: elements of float32 moments, or whole blocks, at most one where they are larger than 256.
__device__ __forceinline__ void step_unit(const ParameterStep &u, int64 unit) {
    __shared__ uint32 largest[3][8];
    __shared__ int moves[8];
    const int64 begin = unit * u.unit, end = min(begin + u.unit, u.count);
    const float scale = u.scale != nullptr ? *u.scale : 1, step = u.trust != nullptr ? u.numbers->step * *u.trust : u.numbers->step;
    if (u.block_size == 0) {
        for (int64 i = begin + threadIdx.x; i < end; i += 256) {
            Element e = element_of(u, scale, i);
            float direction;
            const Outcome outcome = outcome_of(u, e.value, e.gradient, e.s, direction);
            if (outcome == STAYS) continue;
            if (outcome == MOVES) move(u, step, i, e.value, direction);
#pragma unroll
            for (int k = 0; k < 3; k++)
                if (k < u.moments) ((float *)u.values[k])[i] = e.s[k];
        }
        return;
    }
    // First the scales and whether a block changes at all, while nothing is written; then the same again, with the writing.
    uint32 most[3] = {0, 0, 0};
    bool changes = !(u.numbers->flags & SKIPS_ZEROS);
    for (int64 i = begin + threadIdx.x; i < end; i += 256) {
        Element e = element_of(u, scale, i);
        float direction;
        changes |= !(e.gradient == 0);
        outcome_of(u, e.value, e.gradient, e.s, direction);
#pragma unroll
        for (int k = 0; k < 3; k++)
            if (e.s[k] == e.s[k]) most[k] = max(most[k], __float_as_uint(e.s[k]) & 0x7fffffff);
    }
    const int warp = threadIdx.x >> 5, lane = threadIdx.x & 31;
    changes = __any_sync(FULL_WARP, changes);
#pragma unroll
    for (int k = 0; k < 3; k++) {
        most[k] = warp_max(most[k]);
        if (lane == 0) largest[k][warp] = most[k];
    }
    if (lane == 0) moves[warp] = changes;
    __syncthreads();
    const int block_warps = min(u.block_size, 256) / 32, first_warp = warp & ~(block_warps - 1);
    changes = false;
    most[0] = most[1] = most[2] = 0;
    for (int w = first_warp; w < first_warp + block_warps; w++) {
        changes |= moves[w] != 0;
#pragma unroll
        for (int k = 0; k < 3; k++) most[k] = max(most[k], largest[k][w]);
    }
    for (int64 i = begin + threadIdx.x; i < end && changes; i += 256) {
        Element e = element_of(u, scale, i);
        float direction;
        const Outcome outcome = outcome_of(u, e.value, e.gradient, e.s, direction);
        if (outcome == MOVES) move(u, step, i, e.value, direction);
#pragma unroll
        for (int k = 0; k < 3; k++)
            if (k < u.moments) {
                const float inverse = __frcp_rn(fmaxf(__uint_as_float(most[k]), __int_as_float(0x00800000)));
                ((uint8 *)u.values[k])[i] = (uint8)moment_code(u.tables[k], u.signs >> k & 1, e.s[k], inverse);
            }
    }
    // The old scales are read until here.
    __syncthreads();
    const int64 first = begin + 32 * warp;
    if (lane == 0 && warp == first_warp && first < end && changes)
#pragma unroll
        for (int k = 0; k < 3; k++)
            if (k < u.moments) u.absmax[k][first >> u.block_shift] = __uint_as_float(most[k]);
    __syncthreads();
}

// All `units`, or those of a list with their number before it.
extern "C" __global__ void __launch_bounds__(256) step_units(const ParameterStep *steps, int count, int64 units, const uint32 *list) {
    if (list != nullptr) units = list[0];
    for (int64 i = blockIdx.x; i < units; i += gridDim.x) {
        const int64 unit = list != nullptr ? list[1 + i] : i;
        const ParameterStep &u = steps[owner_of(unit, count, [=](int k) { return steps[k].first; })];
        step_unit(u, unit - u.first);
    }
}

// MARK: Ordinary blocks

// The numbers of an update that all parameters of a launch share.
struct Numbers {
    float beta1, gain1, beta2, gain2, beta3, gain3, alpha, bias, epsilon;
    int flags;
};

// Rules of ordinary blocks: how many moments, which of them (bits) are never negative, and from gradient and moments of an element to new moments and
// then the direction. A rule whose direction is known before the moments are has both in `direction`.
template <int MOMENTS_, int POSITIVE_> struct RootRule {
    static constexpr int MOMENTS = MOMENTS_, POSITIVE = POSITIVE_;
    static constexpr bool HAS_ROOT = true;
};
template <int MOMENTS_> struct PlainRule {
    static constexpr int MOMENTS = MOMENTS_, POSITIVE = 0;
    static constexpr bool HAS_ROOT = false;
};
struct AdamRule : RootRule<2, 2> {
    static __device__ __forceinline__ void update(const Numbers &u, float g, float s[]) {
        s[0] = __fmaf_rn(u.beta1, s[0], u.gain1 * g);
        s[1] = __fmaf_rn(u.beta2, s[1], u.gain2 * (g * g));
    }
    static __device__ __forceinline__ float dividend(const Numbers &u, float g, const float s[]) { return s[0]; }
};
struct AdEMAMixRule : RootRule<3, 4> {
    static __device__ __forceinline__ void update(const Numbers &u, float g, float s[]) {
        s[0] = __fmaf_rn(u.beta1, s[0], u.gain1 * g);
        s[1] = __fmaf_rn(u.beta3, s[1], u.gain3 * g);
        s[2] = __fmaf_rn(u.beta2, s[2], u.gain2 * (g * g));
    }
    static __device__ __forceinline__ float dividend(const Numbers &u, float g, const float s[]) {
        return __fmaf_rn(u.alpha, s[1], u.bias * s[0]);
    }
};
struct RMSPropRule : RootRule<1, 1> {
    static __device__ __forceinline__ void update(const Numbers &u, float g, float s[]) { s[0] = __fmaf_rn(u.beta1, s[0], u.gain1 * g * g); }
    static __device__ __forceinline__ float dividend(const Numbers &u, float g, const float s[]) { return g; }
};
struct AdagradRule : RootRule<1, 1> {
    static __device__ __forceinline__ void update(const Numbers &u, float g, float s[]) { s[0] = __fmaf_rn(g, g, s[0]); }
    static __device__ __forceinline__ float dividend(const Numbers &u, float g, const float s[]) { return g; }
};
struct MomentumRule : PlainRule<1> {
    static __device__ __forceinline__ float direction(const Numbers &u, float g, float s[]) {
        const float share = u.gain1 * g;
        s[0] = u.flags & IS_FIRST ? g : u.flags & ROUNDS_TWICE ? u.beta1 * s[0] + share : __fmaf_rn(u.beta1, s[0], share);
        return u.flags & IS_NESTEROV ? __fmaf_rn(u.beta1, s[0], g) : s[0];
    }
};
struct LionRule : PlainRule<1> {
    static __device__ __forceinline__ float direction(const Numbers &u, float g, float s[]) {
        const float x = __fmaf_rn(u.beta1, s[0], u.gain1 * g);
        s[0] = __fmaf_rn(u.beta2, s[0], u.gain2 * g);
        return x > 0 ? 1.0f : x < 0 ? -1.0f : 0.0f;
    }
};

// The direction with the root of the last moment, which is a sum of squares.
template <typename Rule> __device__ __forceinline__ float quotient(const Numbers &u, float g, const float s[]) {
    return __fdiv_rn(Rule::dividend(u, g, s), __fsqrt_rn(s[Rule::MOMENTS - 1]) + u.epsilon);
}
// The same without a branch, so that those of several elements are computed side by side: where `has_short_quotient`, and epsilon is from 0 to 2^60.
template <typename Rule> __device__ __forceinline__ float short_quotient(const Numbers &u, float g, const float s[]) {
    return quotient_of_ordinary(Rule::dividend(u, g, s), root_of_ordinary(s[Rule::MOMENTS - 1]) + u.epsilon);
}
template <typename Rule> __device__ __forceinline__ bool has_short_quotient(const Numbers &u, float g, const float s[]) {
    const float size = fabsf(Rule::dividend(u, g, s));
    return (size >= 0x1p-60f) & (size <= 0x1p70f) & (s[Rule::MOMENTS - 1] >= SMALLEST_ROOTED);
}

// Where a warp is: at block `number` of all parameters, which is block `index` of the `end` that parameter `owner` has.
struct Place {
    int number, owner, index, end;

    __device__ __forceinline__ void find(const ParameterStep *steps, int count) {
        owner = owner_of(number, count, [=](int k) { return steps[k].first; });
        index = number - (int)steps[owner].first;
        end = (int)(steps[owner].count >> 8);
    }
    __device__ __forceinline__ void advance(const ParameterStep *steps, int count, int blocks) {
        number += blocks;
        index += blocks;
        if (index >= end) find(steps, count);
    }
};

// What is the same for all blocks of a parameter: factors of its gradient and of its step.
struct Factors {
    float scale, trust;

    __device__ __forceinline__ void load(const ParameterStep &u) {
        scale = u.scale != nullptr ? *u.scale : 1;
        trust = u.trust != nullptr ? *u.trust : 1;
    }
};

// What a lane needs of a block: eight elements, as `Eight` spreads them over a warp.
template <typename Rule, typename T> struct Lane {
    Eight<T> parameter, gradient;
    uint2 codes[Rule::MOMENTS];
    float absmax[Rule::MOMENTS];

    // All but the parameter, which is needed last: registers for two of those would be warps fewer.
    __device__ __forceinline__ void load(const ParameterStep &u, int block, int lane) {
        const int64 at = (int64)block << 8;
        gradient.load_spread((const T *)u.gradient + at, lane);
#pragma unroll
        for (int k = 0; k < Rule::MOMENTS; k++) {
            codes[k] = Eight<T>::load_bytes((const uint8 *)u.values[k] + at, lane);
            absmax[k] = u.absmax[k][block];
        }
    }
    __device__ __forceinline__ void load_parameter(const ParameterStep &u, int block, int lane) {
        parameter.load_spread((const T *)u.parameter + ((int64)block << 8), lane);
    }
    __device__ __forceinline__ void multiply(float decay) {
#pragma unroll
        for (int i = 0; i < 4; i++) parameter.set(i, parameter[2 * i] * decay, parameter[2 * i + 1] * decay);
    }
    // The gradient as the rule takes it.
    __device__ __forceinline__ void read_gradient(float scale, float coupled_decay, float g[8]) const {
#pragma unroll
        for (int i = 0; i < 8; i++) g[i] = gradient[i];
        if (scale != 1) {
#pragma unroll
            for (int i = 0; i < 8; i++) g[i] *= scale;
        }
        if (coupled_decay != 0) {
#pragma unroll
            for (int i = 0; i < 8; i++) g[i] = __fmaf_rn(coupled_decay, parameter[i], g[i]);
        }
    }
    // New moments from the old, and the largest magnitude of each by its bits; with them the parameter, where the rule has no root. What should not be
    // negative is larger than all where it is. Returns whether every element has a short quotient.
    __device__ __forceinline__ bool update(
        const Numbers &u, const uint32 *const tables[], float step, const float g[8], float s[Rule::MOMENTS][8], uint32 largest[]) {
        float most[Rule::MOMENTS], before = 0;
        bool are_short = true;
#pragma unroll
        for (int k = 0; k < Rule::MOMENTS; k++) most[k] = 0, largest[k] = 0;
#pragma unroll
        for (int i = 0; i < 8; i++) {
            float own[Rule::MOMENTS];
#pragma unroll
            for (int k = 0; k < Rule::MOMENTS; k++) {
                const uint32 word = i < 4 ? codes[k].x : codes[k].y;
                own[k] = __uint_as_float(tables[k][word >> (i % 4 * 8) & 255]) * absmax[k];
            }
            if constexpr (Rule::HAS_ROOT) {
                Rule::update(u, g[i], own);
                are_short &= has_short_quotient<Rule>(u, g[i], own);
            } else {
                const float direction = Rule::direction(u, g[i], own);
                const float moved = __fmaf_rn(step, direction, parameter[i]);
                if (i % 2 == 0) before = moved;
                else parameter.set(i / 2, before, moved);
            }
#pragma unroll
            for (int k = 0; k < Rule::MOMENTS; k++) {
                s[k][i] = own[k];
                if (Rule::POSITIVE >> k & 1) largest[k] = max(largest[k], __float_as_uint(own[k]));
                else most[k] = larger_magnitude(most[k], own[k]);
            }
        }
#pragma unroll
        for (int k = 0; k < Rule::MOMENTS; k++) largest[k] = warp_max(Rule::POSITIVE >> k & 1 ? largest[k] : __float_as_uint(most[k]));
        return are_short;
    }
    // The parameter, of a rule with a root.
    template <bool IS_SHORT> __device__ __forceinline__ void move(const Numbers &u, float step, const float g[8], const float s[Rule::MOMENTS][8]) {
#pragma unroll
        for (int i = 0; i < 4; i++) {
            float p[2];
#pragma unroll
            for (int j = 0; j < 2; j++) {
                float own[Rule::MOMENTS];
#pragma unroll
                for (int k = 0; k < Rule::MOMENTS; k++) own[k] = s[k][2 * i + j];
                const float direction = IS_SHORT ? short_quotient<Rule>(u, g[2 * i + j], own) : quotient<Rule>(u, g[2 * i + j], own);
                p[j] = __fmaf_rn(step, direction, parameter[2 * i + j]);
            }
            parameter.set(i, p[0], p[1]);
        }
    }
};

// Codes of eight moments times `inverse`.
__device__ __forceinline__ uint2 codes_of(bool is_positive, const uint32 *entries, const float s[8], float inverse) {
    uint32 c[8];
    float y[8];
#pragma unroll
    for (int i = 0; i < 8; i++) {
        // A sum with zero has no negative zero, which would count as a number below zero.
        y[i] = __fmaf_rn(s[i], inverse, 0.0f);
        c[i] = is_positive ? code_of_magnitude(entries, y[i]) : code_of_either(entries, y[i]);
    }
    uint2 codes = make_uint2(third_bytes(c[0], c[1], c[2], c[3]), third_bytes(c[4], c[5], c[6], c[7]));
    if (!is_positive) {
        codes.x ^= sign_bytes(y[0], y[1], y[2], y[3]);
        codes.y ^= sign_bytes(y[4], y[5], y[6], y[7]);
    }
    return codes;
}

// Blocks of 256 elements, numbered over all parameters, whose counts are multiples of 256. Where a decay comes before the step, none enters the gradient.
template <typename Rule, typename T>
__device__ __forceinline__ void step_runs(
    const ParameterStep *steps, int count, int blocks, uint32 *noted, const Numbers &u, float step, float first_decay, float last_decay,
    float coupled_decay) {
    extern __shared__ uint32 shared[];
    // Of each moment: its codebook, then the entries of its table.
    const uint32 *tables[Rule::MOMENTS];
    bool is_exact = true;
    uint32 *end = shared;
#pragma unroll
    for (int k = 0; k < Rule::MOMENTS; k++) {
        const CodeTable *table = steps->tables[k];
        const int entries = (Rule::POSITIVE >> k & 1 ? 1 : 2) * CODE_BUCKETS;
        is_exact &= table->is_exact();
        copy_entries((const uint32 *)table->codebook, 256, end);
        copy_entries(table->entries, entries, end + 256);
        tables[k] = end;
        end += 256 + (entries + 3) / 4 * 4;
    }
    __syncthreads();
    // All warps go through memory side by side, which is what it is fastest at; where parameters are small, a block of threads keeps to its own, as finding
    // the next takes longer than that gains.
    const int lane = threadIdx.x & 31, warps = blockDim.x >> 5, all_warps = warps * (int)gridDim.x, share = (blocks + (int)gridDim.x - 1) / (int)gridDim.x;
    const bool is_spread = blocks / count >= all_warps;
    const int begin = (int)blockIdx.x * (is_spread ? warps : share), end_of_own = is_spread ? blocks : min(begin + share, blocks);
    const int stride = is_spread ? all_warps : warps;
    Place place;
    place.number = begin + (int)(threadIdx.x >> 5);
    if (place.number >= end_of_own) return;
    place.find(steps, count);
    Lane<Rule, T> now;
    now.load(steps[place.owner], place.index, lane);
    Factors factors;
    factors.load(steps[place.owner]);
    for (;;) {
        now.load_parameter(steps[place.owner], place.index, lane);
        const bool is_last = place.number + stride >= end_of_own;
        Place next = place;
        Lane<Rule, T> ahead;
        if (!is_last) {
            next.advance(steps, count, stride);
            ahead.load(steps[next.owner], next.index, lane);
        }
        float g[8], s[Rule::MOMENTS][8];
        uint32 largest[Rule::MOMENTS];
        const float scaled_step = step * factors.trust;
        if (!Rule::HAS_ROOT && first_decay != 1) now.multiply(first_decay);
        now.read_gradient(factors.scale, coupled_decay, g);
        const bool are_short = now.update(u, tables, scaled_step, g, s, largest) && u.epsilon >= 0 && u.epsilon <= 0x1p60f;
        bool is_ordinary = is_exact;
#pragma unroll
        for (int k = 0; k < Rule::MOMENTS; k++) is_ordinary &= largest[k] < 0x7e800000;  // of which there is a `reciprocal`, where it is not too small
        if constexpr (Rule::HAS_ROOT) {
            // Of what is not ordinary nothing is kept.
            if (first_decay != 1) now.multiply(first_decay);
            if (__all_sync(FULL_WARP, are_short)) now.template move<true>(u, scaled_step, g, s);
            else now.template move<false>(u, scaled_step, g, s);
        }
        if (last_decay != 1) now.multiply(last_decay);
        const ParameterStep &own = steps[place.owner];
        const int64 at = (int64)place.index << 8;
        if (is_ordinary) {
            now.parameter.store_spread((T *)own.parameter + at, lane);
#pragma unroll
            for (int k = 0; k < Rule::MOMENTS; k++) {
                const float inverse = reciprocal(fmaxf(__uint_as_float(largest[k]), __int_as_float(0x00800000)));
                const uint2 codes = codes_of(Rule::POSITIVE >> k & 1, tables[k] + 256, s[k], inverse);
                Eight<T>::store_bytes((uint8 *)own.values[k] + at, lane, codes);
                if (lane == 0) own.absmax[k][place.index] = __uint_as_float(largest[k]);
            }
        } else if (lane == 0) {
            noted[1 + atomicAdd(noted, 1u)] = (uint32)place.number;
        }
        if (is_last) break;
        if (next.owner != place.owner) factors.load(steps[next.owner]);
        place = next;
        now = ahead;
    }
}

// As many as leave each the registers that it needs, with two blocks of threads on a multiprocessor.
template <typename Rule, typename T> constexpr int THREADS = 4 * Rule::MOMENTS + sizeof(T) > 14 ? 320 : 4 * Rule::MOMENTS + sizeof(T) > 10 ? 384 : 512;

#define STEP_RUNS_OF(name, Rule, suffix, T)                                                                                                      \
    extern "C" __global__ void __launch_bounds__(THREADS<Rule, T>, 2) name##_##suffix(                                                                       \
        const ParameterStep *steps, int count, int64 blocks, uint32 *noted, float beta1, float gain1, float beta2, float gain2, float beta3,      \
        float gain3, float alpha, float bias, float epsilon, int flags, float step, float first_decay, float last_decay, float coupled_decay) {   \
        const Numbers numbers = {beta1, gain1, beta2, gain2, beta3, gain3, alpha, bias, epsilon, flags};                                          \
        step_runs<Rule, T>(steps, count, (int)blocks, noted, numbers, step, first_decay, last_decay, coupled_decay);                                                 \
    }
#define STEP_RUNS(name, Rule)                     \
    STEP_RUNS_OF(name, Rule, f32, float)          \
    STEP_RUNS_OF(name, Rule, f16, float16)        \
    STEP_RUNS_OF(name, Rule, bf16, bfloat16)
STEP_RUNS(adam, AdamRule)
STEP_RUNS(ademamix, AdEMAMixRule)
STEP_RUNS(momentum, MomentumRule)
STEP_RUNS(rmsprop, RMSPropRule)
STEP_RUNS(adagrad, AdagradRule)
STEP_RUNS(lion, LionRule)

// MARK: Moments in float32

// Eight elements of a type known at run time, at an address that is a multiple of 16.
__device__ __forceinline__ void load_eight(const void *array, int type, int64 at, float x[8]) {
    if (type == FLOAT32) {
        Eight<float> y;
        y.load((const float *)array + at);
#pragma unroll
        for (int i = 0; i < 8; i++) x[i] = y[i];
    } else if (type == FLOAT16) {
        Eight<float16> y;
        y.load((const float16 *)array + at);
#pragma unroll
        for (int i = 0; i < 8; i++) x[i] = y[i];
    } else {
        Eight<bfloat16> y;
        y.load((const bfloat16 *)array + at);
#pragma unroll
        for (int i = 0; i < 8; i++) x[i] = y[i];
    }
}
template <typename T> __device__ __forceinline__ void store_eight_as(void *array, int64 at, const float x[8]) {
    Eight<T> y;
#pragma unroll
    for (int i = 0; i < 4; i++) y.set(i, x[2 * i], x[2 * i + 1]);
    y.store((T *)array + at);
}
__device__ __forceinline__ void store_eight(void *array, int type, int64 at, const float x[8]) {
    if (type == FLOAT32) store_eight_as<float>(array, at, x);
    else if (type == FLOAT16) store_eight_as<float16>(array, at, x);
    else store_eight_as<bfloat16>(array, at, x);
}

// Parameters whose counts are multiples of 8 and whose addresses are aligned: eight elements to a thread, a unit to a block of threads.
template <typename Rule>
__device__ __forceinline__ void step_floats(
    const ParameterStep *steps, int count, int64 units, const Numbers &n, float step, float decay, float coupled_decay) {
    for (int64 unit = blockIdx.x; unit < units; unit += gridDim.x) {
        const ParameterStep &u = steps[owner_of(unit, count, [=](int k) { return steps[k].first; })];
        const int64 at = (unit - u.first) * u.unit + 8 * threadIdx.x;
        if (at >= u.count) continue;
        float p[8], g[8];
        Eight<float> s[Rule::MOMENTS];
        load_eight(u.parameter, u.parameter_type, at, p);
        load_eight(u.gradient, u.gradient_type, at, g);
#pragma unroll
        for (int k = 0; k < Rule::MOMENTS; k++) s[k].load((const float *)u.values[k] + at);
        const float scale = u.scale != nullptr ? *u.scale : 1, scaled_step = u.trust != nullptr ? step * *u.trust : step;
        const int type = u.parameter_type;
#pragma unroll
        for (int i = 0; i < 8; i++) {
            const float gradient = scale * g[i];
            float x = gradient, own[Rule::MOMENTS];
            if (coupled_decay != 0) x = __fmaf_rn(coupled_decay, p[i], x);
#pragma unroll
            for (int k = 0; k < Rule::MOMENTS; k++) own[k] = s[k][i];
            float direction;
            if constexpr (Rule::HAS_ROOT) {
                Rule::update(n, x, own);
                direction = quotient<Rule>(n, x, own);
            } else {
                direction = Rule::direction(n, x, own);
            }
            bool is_moved = is_finite(gradient);
#pragma unroll
            for (int k = 0; k < Rule::MOMENTS; k++) is_moved &= is_finite(own[k]);
            float moved;
            if (n.flags & DECAYS_FIRST) moved = __fmaf_rn(scaled_step, direction, rounded_to(type, p[i] * decay));
            else moved = rounded_to(type, __fmaf_rn(scaled_step, direction, p[i])) * decay;
            if (is_moved) p[i] = moved;
#pragma unroll
            for (int k = 0; k < Rule::MOMENTS; k++) s[k].words[i] = is_moved ? own[k] : 0;
        }
        store_eight(u.parameter, type, at, p);
#pragma unroll
        for (int k = 0; k < Rule::MOMENTS; k++) s[k].store((float *)u.values[k] + at);
    }
}

#define STEP_FLOATS(name, Rule)                                                                                                                  \
    extern "C" __global__ void __launch_bounds__(256) name##_floats(                                                                             \
        const ParameterStep *steps, int count, int64 units, float beta1, float gain1, float beta2, float gain2, float beta3, float gain3,         \
        float alpha, float bias, float epsilon, int flags, float step, float decay, float coupled_decay) {                                        \
        const Numbers numbers = {beta1, gain1, beta2, gain2, beta3, gain3, alpha, bias, epsilon, flags};                                          \
        step_floats<Rule>(steps, count, units, numbers, step, decay, coupled_decay);                                                              \
    }
STEP_FLOATS(adam, AdamRule)
STEP_FLOATS(ademamix, AdEMAMixRule)
STEP_FLOATS(momentum, MomentumRule)
STEP_FLOATS(rmsprop, RMSPropRule)
STEP_FLOATS(adagrad, AdagradRule)
STEP_FLOATS(lion, LionRule)

// MARK: Trust

// The sums of the squares of parameter and direction of each chunk of 4096 elements, in the order of `VectorNorm`: 16 lanes to a chunk.
extern "C" __global__ void __launch_bounds__(256) step_squares(const ParameterStep *steps, int count, int64 chunks, double *squares) {
    const int lane = threadIdx.x & 15;
    for (int64 i = thread_index() / 16; i < (chunks + 1) / 2 * 2; i += thread_count() / 16) {
        double length = 0, move = 0;
        if (i < chunks) {
            const ParameterStep &u = steps[owner_of(i, count, [=](int k) { return steps[k].chunk; })];
            const float scale = u.scale != nullptr ? *u.scale : 1;
            const int64 begin = (i - u.chunk) * 4096, end = min(begin + 4096, u.count);
            for (int64 at = begin + lane; at < end; at += 16) {
                Element e = element_of(u, scale, at);
                float direction;
                outcome_of(u, e.value, e.gradient, e.s, direction);
                if (is_finite(e.value)) length += (double)e.value * (double)e.value;
                if (is_finite(direction)) move += (double)direction * (double)direction;
            }
        }
        for (int h = 8; h > 0; h >>= 1) {
            length += __shfl_xor_sync(FULL_WARP, length, h);
            move += __shfl_xor_sync(FULL_WARP, move, h);
        }
        if (lane == 0 && i < chunks) {
            squares[2 * i] = length;
            squares[2 * i + 1] = move;
        }
    }
}

// What the step of each parameter is multiplied by; a warp for each.
extern "C" __global__ void __launch_bounds__(32) step_trust(const ParameterStep *steps, const double *squares, float *trust) {
    const ParameterStep &u = steps[blockIdx.x];
    const double *own = squares + 2 * (int64)u.chunk;
    const int64 chunks = (u.count + 4095) / 4096;
    const double longest = (double)u.numbers->trust_limit * __dsqrt_rn(sum_in_order<2>(own, chunks));
    const double length = (double)u.numbers->direction_scale * __dsqrt_rn(sum_in_order<2>(own + 1, chunks));
    if (threadIdx.x == 0) trust[blockIdx.x] = length > longest ? __double2float_rn(__ddiv_rn(longest, length)) : 1.0f;
}
