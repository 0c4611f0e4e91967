// How optimizer kernels reach elements of any type, and the plain passes over them: norms and scaling.
#include "optimizer/optimizer_private.h"
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

const bits_optimizer_level *bits_optimizer_current_level(void) {
#if BITS_X86
    const int32_t level = bits_cpu_level();
    if (level >= BITS_AVX512) return bits_cpu_features() & BITS_HAS_AVX512_VBMI ? &bits_optimizer_avx512_vbmi : &bits_optimizer_avx512;
    if (level == BITS_AVX2) return &bits_optimizer_avx2;
#endif
    return &bits_optimizer_portable;
}

float *bits_widened(const bits_optimizer_level *level, int32_t dtype, const char *values, float *scratch, int64_t count) {
    const int64_t whole = count / BITS_LANES * BITS_LANES;
    if (dtype == BITS_F32 && whole == count) return (float *)values;
    level->widen(dtype, values, scratch, whole);
    if (whole < count) {
        _Alignas(64) char tail[4 * BITS_LANES] = {0};
        memcpy(tail, values + whole * bits_width(dtype), (size_t)((count - whole) * bits_width(dtype)));
        level->widen(dtype, tail, scratch + whole, BITS_LANES);
    }
    return scratch;
}

void bits_write_back(const bits_optimizer_level *level, int32_t dtype, const float *values, char *result, int64_t count) {
    if ((const char *)values == result) return;
    const int64_t whole = count / BITS_LANES * BITS_LANES;
    level->narrow(dtype, values, result, whole);
    if (whole < count) {
        _Alignas(64) char tail[4 * BITS_LANES];
        level->narrow(dtype, values + whole, tail, BITS_LANES);
        memcpy(result + whole * bits_width(dtype), tail, (size_t)((count - whole) * bits_width(dtype)));
    }
}

double bits_folded(double sums[BITS_LANES]) {
    for (int lanes = BITS_LANES / 2; lanes > 0; lanes /= 2)
        for (int lane = 0; lane < lanes; lane++) sums[lane] += sums[lane + lanes];
    return sums[0];
}

typedef struct {
    const bits_optimizer_level *level;
    char *values;
    int32_t dtype;
    int64_t count;
    double *squares;         // norm: per norm chunk
    _Atomic int64_t others;  // norm: elements that are not finite
    float scale, limit;      // scaling
} pass;

static void norm_part(void *context, int64_t part) {
    pass *call = context;
    _Alignas(64) float scratch[BITS_CHUNK];
    int64_t others = 0;
    const int64_t end = (part + 1) * BITS_PART < call->count ? (part + 1) * BITS_PART : call->count;
    for (int64_t chunk = part * BITS_PART; chunk < end; chunk += BITS_NORM_CHUNK) {
        double squares[BITS_LANES] = {0};
        const int64_t stop = chunk + BITS_NORM_CHUNK < end ? chunk + BITS_NORM_CHUNK : end;
        for (int64_t start = chunk; start < stop; start += BITS_CHUNK) {
            const int64_t count = stop - start < BITS_CHUNK ? stop - start : BITS_CHUNK;
            const float *values = bits_widened(call->level, call->dtype, call->values + start * bits_width(call->dtype), scratch, count);
            others += call->level->add_squares(values, bits_rounded_up(count, BITS_LANES), squares);
        }
        call->squares[chunk / BITS_NORM_CHUNK] = bits_folded(squares);
    }
    atomic_fetch_add_explicit(&call->others, others, memory_order_relaxed);
}

int32_t bits_cpu_norm(const void *values, int32_t dtype, int64_t count, float norm[2]) {
    if (!bits_is_float(dtype)) return BITS_BAD_DTYPE;
    if (count < 0) return BITS_BAD_SIZE;
    const int64_t chunks = bits_rounded_up(count, BITS_NORM_CHUNK) / BITS_NORM_CHUNK;
    pass call = {.level = bits_optimizer_current_level(), .values = (char *)values, .dtype = dtype, .count = count};
    call.squares = malloc((size_t)(chunks > 0 ? chunks : 1) * sizeof(double));
    if (!call.squares) return BITS_NO_MEMORY;
    bits_pool_run(bits_parts(count), norm_part, &call);
    double sum = 0;
    for (int64_t i = 0; i < chunks; i++) sum += call.squares[i];
    free(call.squares);
    norm[0] = (float)sqrt(sum);
    norm[1] = (float)call.others;
    return BITS_OK;
}

static void scale_part(void *context, int64_t part) {
    const pass *call = context;
    _Alignas(64) float scratch[BITS_CHUNK];
    const int64_t end = (part + 1) * BITS_PART < call->count ? (part + 1) * BITS_PART : call->count;
    for (int64_t start = part * BITS_PART; start < end; start += BITS_CHUNK) {
        const int64_t count = end - start < BITS_CHUNK ? end - start : BITS_CHUNK;
        char *at = call->values + start * bits_width(call->dtype);
        float *values = bits_widened(call->level, call->dtype, at, scratch, count);
        call->level->scale(values, bits_rounded_up(count, BITS_LANES), call->scale, call->limit);
        bits_write_back(call->level, call->dtype, values, at, count);
    }
}

int32_t bits_cpu_scale_in_place(void *values, int32_t dtype, const float *scale, float limit, int64_t count) {
    if (!bits_is_float(dtype)) return BITS_BAD_DTYPE;
    if (count < 0) return BITS_BAD_SIZE;
    pass call = {.level = bits_optimizer_current_level(), .values = values, .dtype = dtype, .count = count, .scale = scale ? *scale : 1, .limit = limit};
    bits_pool_run(bits_parts(count), scale_part, &call);
    return BITS_OK;
}
