// One processor level's rules, conversions and 8-bit moments. Included by each optimizer_<level>.c, which defines
//   LEVEL_TARGET  the target attribute
//   LEVEL_GATHER  the body of gather(table, at), which takes table[at[i]] in every lane
//   LEVEL_HALVES  where rules take 16-bit types as they lie, and come in a variant without options: the processor converts float16
// The vector type is the same everywhere; the compiler cuts it into what the processor has.
#include "base/half.h"
#include "optimizer/optimizer_private.h"

// Vectors are wider than most levels' registers, but never cross a call: everything that takes or returns one is inlined.
#pragma clang diagnostic ignored "-Wpsabi"

typedef float vf __attribute__((ext_vector_type(16)));
typedef int32_t vi __attribute__((ext_vector_type(16)));
typedef uint32_t vu __attribute__((ext_vector_type(16)));
typedef double vd __attribute__((ext_vector_type(16)));
typedef uint8_t vb __attribute__((ext_vector_type(16)));
typedef uint16_t vh __attribute__((ext_vector_type(16)));
typedef float vf_unaligned __attribute__((ext_vector_type(16), aligned(4)));
typedef uint16_t vh_unaligned __attribute__((ext_vector_type(16), aligned(2)));
typedef uint8_t vb_unaligned __attribute__((ext_vector_type(16), aligned(1)));
typedef double vd_unaligned __attribute__((ext_vector_type(16), aligned(8)));

#define INLINE LEVEL_TARGET static inline __attribute__((always_inline))
#define FMA(a, b, c) __builtin_elementwise_fma((vf)(a), (vf)(b), (vf)(c))
#define SQRT(a) __builtin_elementwise_sqrt(a)

INLINE vf load(const float *at) { return *(const vf_unaligned *)at; }
INLINE void store(float *at, vf values) { *(vf_unaligned *)at = values; }
INLINE vi is_finite(vf x) { return ((vi)x & 0x7fffffff) < 0x7f800000; }

// ---- 16-bit types: what half.h does one by one.

#ifdef LEVEL_HALVES
typedef _Float16 v16 __attribute__((ext_vector_type(16)));
typedef _Float16 v16_unaligned __attribute__((ext_vector_type(16), aligned(2)));
#endif

// Rounded to a 16-bit type and back.
INLINE vf rounded(int32_t dtype, vf x) {
    const vu bits = (vu)x;
    if (dtype == BITS_BF16) {
        const vu nearest = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000;
        return x != x ? x : (vf)nearest;
    }
#ifdef LEVEL_HALVES
    return __builtin_convertvector(__builtin_convertvector(x, v16), vf);
#else
    const vu magnitude = bits & 0x7fffffff, sign = bits ^ magnitude;
    const vu normal = (magnitude + 0xfff + (magnitude >> 13 & 1)) & 0xffffe000, denormal = (vu)(((vf)magnitude + 0.5f) - 0.5f);
    vu nearest = magnitude < 0x38800000 ? denormal : normal;
    nearest = nearest >= 0x47800000 ? (vu)0x7f800000 : nearest;
    return magnitude > 0x7f800000 ? x : (vf)(nearest | sign);
#endif
}

INLINE vf load_as(int32_t dtype, const void *values, int64_t i) {
    if (dtype == BITS_F32) return load((const float *)values + i);
    const uint16_t *at = (const uint16_t *)values + i;
#ifdef LEVEL_HALVES
    if (dtype == BITS_F16) return __builtin_convertvector(*(const v16_unaligned *)at, vf);
#endif
    return (vf)(__builtin_convertvector(*(const vh_unaligned *)at, vu) << 16);
}

INLINE void store_as(int32_t dtype, void *values, int64_t i, vf x) {
    uint16_t *at = (uint16_t *)values + i;
    if (dtype == BITS_F32) {
        store((float *)values + i, x);
        return;
    }
#ifdef LEVEL_HALVES
    if (dtype == BITS_F16) {
        *(v16_unaligned *)at = __builtin_convertvector(x, v16);
        return;
    }
#endif
    const vu bits = (vu)x, nearest = bits + 0x7fff + (bits >> 16 & 1), kept = x != x ? bits | 0x400000 : nearest;
    *(vh_unaligned *)at = __builtin_convertvector(kept >> 16, vh);
}

// ---- Rules: from the gradient g and the moments s to the new moments and the direction.

INLINE vf adam(const bits_update *u, vf g, vf *s, int32_t last) {
    (void)last;
    s[0] = FMA(u->beta1, s[0], u->gain1 * g);
    s[1] = FMA(u->beta2, s[1], u->gain2 * (g * g));
    vf v = s[1];
    if (u->flags & BITS_UPDATE_AMSGRAD) v = s[2] = s[1] > s[2] ? s[1] : s[2];
    return s[0] / (SQRT(v) + u->epsilon);
}

INLINE vf ademamix(const bits_update *u, vf g, vf *s, int32_t last) {
    (void)last;
    s[0] = FMA(u->beta1, s[0], u->gain1 * g);
    s[1] = FMA(u->beta3, s[1], u->gain3 * g);
    s[2] = FMA(u->beta2, s[2], u->gain2 * (g * g));
    return FMA(u->alpha, s[1], u->bias * s[0]) / (SQRT(s[2]) + u->epsilon);
}

INLINE vf momentum(const bits_update *u, vf g, vf *s, int32_t last) {
    if (last < 0) return g;
    const vf next = u->flags & BITS_UPDATE_TWO_ROUNDINGS ? u->beta1 * s[0] + u->gain1 * g : FMA(u->beta1, s[0], u->gain1 * g);
    s[0] = u->flags & BITS_UPDATE_FIRST_STEP ? g : next;
    return u->flags & BITS_UPDATE_NESTEROV ? FMA(u->beta1, s[0], g) : s[0];
}

INLINE vf rmsprop(const bits_update *u, vf g, vf *s, int32_t last) {
    s[0] = FMA(u->beta1, s[0], u->gain1 * g * g);
    vf v = s[0];
    if (u->flags & BITS_UPDATE_CENTERED) {
        const vf a = FMA(u->beta1, s[last], u->gain1 * g);
        s[last] = a;
        v = FMA(-a, a, v);
        v = v > 0 ? v : (vf)0;
    }
    const vf d = g / (SQRT(v) + u->epsilon);
    if (!(u->flags & BITS_UPDATE_MOMENTUM)) return d;
    return s[1] = FMA(u->beta2, s[1], d);
}

INLINE vf adagrad(const bits_update *u, vf g, vf *s, int32_t last) {
    (void)last;
    s[0] = FMA(g, g, s[0]);
    return g / (SQRT(s[0]) + u->epsilon);
}

INLINE vf lion(const bits_update *u, vf g, vf *s, int32_t last) {
    (void)last;
    const vf x = FMA(u->beta1, s[0], u->gain1 * g);
    s[0] = FMA(u->beta2, s[0], u->gain2 * g);
    const vf negative = x < 0 ? (vf)-1 : (vf)0;
    return x > 0 ? (vf)1 : negative;
}

typedef vf (*direction_of)(const bits_update *update, vf g, vf *s, int32_t last);

// What surrounds every rule: scaling, limit, coupled decay; elements that are left alone; the parameter. `usual_moments` is not 0 where there are that
// many and no options: then all that is asked in the loop is known to the compiler.
INLINE void run(direction_of rule, int32_t dtype, int usual_moments, const bits_update *update, const bits_lanes *lanes, int64_t count) {
    bits_update u = *update;
    bits_lanes l = *lanes;
    if (dtype != BITS_F32) l.parameter_dtype = dtype;
    if (usual_moments) {
        u.flags &= BITS_UPDATE_DECAY_FIRST;
        u.gradient_limit = __builtin_inff();
        l.moment_count = usual_moments;
        l.direction = NULL;
    }
    const int decays_first = u.flags & BITS_UPDATE_DECAY_FIRST, rounds = u.decay != 1 && l.parameter_dtype != BITS_F32;
    const int rounds_first = rounds && decays_first, rounds_last = rounds && !decays_first;
    const float before = decays_first ? u.decay : 1, after = decays_first ? 1 : u.decay;
    for (int64_t i = 0; i < count; i += BITS_LANES) {
        const vf p = load_as(dtype, l.parameter, i), raw = l.scale * load_as(dtype, l.gradient, i);
        const vi idle = u.flags & BITS_UPDATE_SKIP_ZEROS ? raw == 0 : (vi)0;
        vf g = raw, old[BITS_MAX_MOMENTS] = {0}, s[BITS_MAX_MOMENTS];
        if (u.gradient_limit < __builtin_inff()) {
            g = g > u.gradient_limit ? (vf)u.gradient_limit : g;
            g = g < -u.gradient_limit ? (vf)-u.gradient_limit : g;
        }
        if (u.flags & BITS_UPDATE_COUPLED_DECAY) g = FMA(u.weight_decay, p, g);
        for (int32_t k = 0; k < BITS_MAX_MOMENTS; k++) s[k] = old[k] = k < l.moment_count ? load(l.moments[k] + i) : (vf)0;
        const vf d = rule(&u, g, s, l.moment_count - 1);
        // Zero, but NaN where anything is not finite; usually the moments then tell of the gradient too.
        vf zero = usual_moments ? (vf)0 : 0 * raw;
        for (int32_t k = 0; k < BITS_MAX_MOMENTS; k++)
            if (k < l.moment_count) zero *= s[k];
        const vi live = zero == 0;
        if (l.direction) {
            const vf taken = live ? d : (vf)0;
            store(l.direction + i, idle ? (vf)0 : taken);
            continue;
        }
        vf moved = p * before;
        if (rounds_first) moved = rounded(l.parameter_dtype, moved);
        moved = FMA(l.step, d, moved);
        if (rounds_last) moved = rounded(l.parameter_dtype, moved);
        moved = live ? moved * after : p;
        store_as(dtype, l.parameter, i, idle ? p : moved);
        for (int32_t k = 0; k < BITS_MAX_MOMENTS; k++)
            if (k < l.moment_count) {
                const vf kept = live ? s[k] : (vf)0;
                store(l.moments[k] + i, idle ? old[k] : kept);
            }
    }
}

#ifdef LEVEL_HALVES
INLINE void run_as(direction_of rule, int32_t dtype, int usual_moments, const bits_update *update, const bits_lanes *lanes, int64_t count) {
    const int has_options = (update->flags & ~BITS_UPDATE_DECAY_FIRST) != 0 || update->gradient_limit < __builtin_inff();
    if (has_options || lanes->direction || lanes->moment_count != usual_moments) run(rule, dtype, 0, update, lanes, count);
    else run(rule, dtype, usual_moments, update, lanes, count);
}

INLINE void run_any(direction_of rule, int usual_moments, const bits_update *update, const bits_lanes *lanes, int64_t count) {
    if (lanes->dtype == BITS_F32) run_as(rule, BITS_F32, usual_moments, update, lanes, count);
    else if (lanes->dtype == BITS_BF16) run_as(rule, BITS_BF16, usual_moments, update, lanes, count);
    else run_as(rule, BITS_F16, usual_moments, update, lanes, count);
}
#else
INLINE void run_any(direction_of rule, int usual_moments, const bits_update *update, const bits_lanes *lanes, int64_t count) {
    (void)usual_moments;
    run(rule, BITS_F32, 0, update, lanes, count);
}
#endif

// run_RULE, compiled for its rule.
#define RULE(name, usual_moments) \
    LEVEL_TARGET static void run_##name(const bits_update *update, const bits_lanes *lanes, int64_t count) { \
        run_any(name, usual_moments, update, lanes, count); \
    }
RULE(adam, 2)
RULE(ademamix, 3)
RULE(momentum, 1)
RULE(rmsprop, 1)
RULE(adagrad, 1)
RULE(lion, 1)

// ---- Conversions.

LEVEL_TARGET static void widen(int32_t dtype, const void *values, float *result, int64_t count) {
    const uint16_t *at = values;
    if (dtype == BITS_BF16)
        for (int64_t i = 0; i < count; i++) result[i] = bits_bf16_to_f32(at[i]);
    else if (dtype == BITS_F16)
        for (int64_t i = 0; i < count; i++) result[i] = bits_f16_to_f32(at[i]);
    else
        memcpy(result, values, (size_t)count * 4);
}

LEVEL_TARGET static void narrow(int32_t dtype, const float *values, void *result, int64_t count) {
    uint16_t *at = result;
    if (dtype == BITS_BF16)
        for (int64_t i = 0; i < count; i++) at[i] = bits_f32_to_bf16(values[i]);
    else if (dtype == BITS_F16)
        for (int64_t i = 0; i < count; i++) at[i] = bits_f32_to_f16(values[i]);
    else
        memcpy(result, values, (size_t)count * 4);
}

// ---- Sums of squares: one double per lane, finite elements only. The product of two float32 is exact in double, so a term rounds once with or
// without fma.

LEVEL_TARGET static int64_t add_squares(const float *values, int64_t count, double sums[BITS_LANES]) {
    vd sum = *(const vd_unaligned *)sums;
    vi finite = 0;
    for (int64_t i = 0; i < count; i += BITS_LANES) {
        const vf raw = load(values + i);
        const vi is = is_finite(raw);
        const vd x = __builtin_convertvector(is ? raw : (vf)0, vd);
        sum += x * x;
        finite -= is;
    }
    *(vd_unaligned *)sums = sum;
    return count - __builtin_reduce_add(finite);
}

LEVEL_TARGET static void scale_values(float *values, int64_t count, float scale, float limit) {
    for (int64_t i = 0; i < count; i += BITS_LANES) {
        vf x = scale * load(values + i);
        x = x > limit ? (vf)limit : x;
        store(values + i, x < -limit ? (vf)-limit : x);
    }
}

// ---- 8-bit moments.

LEVEL_TARGET static uint32_t largest_bits(const float *moment, int64_t count) {
    vu largest = 0;
    for (int64_t i = 0; i < count; i += BITS_LANES) {
        const vu bits = (vu)load(moment + i) & 0x7fffffff;
        largest = bits > largest ? bits : largest;
    }
    uint32_t result = 0;
    for (int lane = 0; lane < BITS_LANES; lane++) result = largest[lane] > result ? largest[lane] : result;
    return result;
}

#ifdef LEVEL_GATHER
INLINE vf gather(const float *table, vi at) { LEVEL_GATHER }

LEVEL_TARGET static void read_codes(const bits_code_map *map, const uint8_t *codes, float absmax, float *moment, int64_t count) {
    for (int64_t i = 0; i < count; i += BITS_LANES) {
        const vi at = __builtin_convertvector(*(const vb_unaligned *)(codes + i), vi);
        store(moment + i, gather(map->values, at) * absmax);
    }
}

LEVEL_TARGET static void write_codes(const bits_code_map *map, const float *moment, uint8_t *codes, float inverse, int64_t count) {
    const int is_signed = map->kind == BITS_MAP_SIGNED;
    for (int64_t i = 0; i < count; i += BITS_LANES) {
        const vf s = load(moment + i), y = s * inverse, magnitude = is_signed ? (vf)((vi)y & 0x7fffffff) : (y > 0 ? y : (vf)0);
        vf line = FMA(magnitude, map->slopes[0], map->offsets[0]);
        for (int decade = 1; decade < 7; decade++) {
            const vf next = FMA(magnitude, map->slopes[decade], map->offsets[decade]);
            line = next < line ? next : line;
        }
        const vi candidate = __builtin_convertvector(line, vi);
        vi code = candidate - (magnitude > gather(map->thresholds, candidate));
        if (is_signed) {
            const vi limited = code > 127 ? (vi)127 : code, least = limited < 1 ? (vi)1 : limited;
            code = s < 0 ? 127 - least : 127 + code;
        }
        *(vb_unaligned *)(codes + i) = __builtin_convertvector(code, vb);
    }
}
#endif

#ifdef LEVEL_HALVES
#define LEVEL_TAKES_HALVES 1
#else
#define LEVEL_TAKES_HALVES 0
#endif

#define LEVEL_TABLE(write)                                                                      \
    {                                                                                           \
        .rules = {run_adam, run_ademamix, run_momentum, run_rmsprop, run_adagrad, run_lion},    \
        .widen = widen, .narrow = narrow, .add_squares = add_squares, .scale = scale_values,     \
        .read_codes = read_codes, .write_codes = write, .largest_bits = largest_bits,           \
        .takes_halves = LEVEL_TAKES_HALVES,                                                     \
    }
