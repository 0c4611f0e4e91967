// How optimizer kernels reach elements of any type, and the plain passes over them: norms and scaling.
#include "optimizer/optimizer_private.h"
#include <math.h>
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
        memcpy(tail, values + whole * bits_element_size(dtype), (size_t)((count - whole) * bits_element_size(dtype)));
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
        memcpy(result + whole * bits_element_size(dtype), tail, (size_t)((count - whole) * bits_element_size(dtype)));
    }
}

double bits_folded(double sums[BITS_LANES]) {
    for (int lanes = BITS_LANES / 2; lanes > 0; lanes /= 2)
        for (int lane = 0; lane < lanes; lane++) sums[lane] += sums[lane + lanes];
    return sums[0];
}

typedef struct {
    const bits_optimizer_level *level;
    const bits_values *arrays;
    int64_t count, parts;
    int64_t *first;     // of each array, among the parts of all
    double *squares;    // norms: per norm chunk
    int64_t *others;    // norms: per part, elements that are not finite
    float scale, limit; // scaling
} pass;

// Numbers the parts of all arrays, with room for `per_part` bytes of each; the memory is `first`.
static int32_t prepare(pass *call, const bits_values *arrays, int64_t count, size_t per_part) {
    *call = (pass){.level = bits_optimizer_current_level(), .arrays = arrays, .count = count};
    if (count < 0) return BITS_BAD_SIZE;
    for (int64_t i = 0; i < count; i++) {
        if (!bits_is_float(arrays[i].dtype)) return BITS_BAD_DTYPE;
        if (arrays[i].count < 0) return BITS_BAD_SIZE;
        call->parts += bits_parts(arrays[i].count);
    }
    call->first = malloc((size_t)(count + 1) * sizeof(int64_t) + (size_t)call->parts * per_part);
    if (!call->first) return BITS_NO_MEMORY;
    int64_t parts = 0;
    for (int64_t i = 0; i < count; i++) {
        call->first[i] = parts;
        parts += bits_parts(arrays[i].count);
    }
    return BITS_OK;
}

// The elements of one part: where they begin in their array, and where they end.
typedef struct {
    const bits_values *array;
    int64_t begin, end;
} run;

static run run_of_part(const pass *call, int64_t part) {
    const int64_t owner = bits_owner(call->first, call->count, part);
    const bits_values *array = call->arrays + owner;
    const int64_t begin = (part - call->first[owner]) * BITS_PART;
    return (run){array, begin, begin + BITS_PART < array->count ? begin + BITS_PART : array->count};
}

static char *element(const bits_values *array, int64_t index) { return (char *)array->values + index * bits_element_size(array->dtype); }

static void norm_part(void *context, int64_t part) {
    const pass *call = context;
    const run r = run_of_part(call, part);
    _Alignas(64) float scratch[BITS_CHUNK];
    double *folded = call->squares + part * BITS_NORM_CHUNKS;
    int64_t others = 0;
    for (int64_t chunk = r.begin; chunk < r.end; chunk += BITS_NORM_CHUNK) {
        double squares[BITS_LANES] = {0};
        const int64_t stop = chunk + BITS_NORM_CHUNK < r.end ? chunk + BITS_NORM_CHUNK : r.end;
        for (int64_t start = chunk; start < stop; start += BITS_CHUNK) {
            const int64_t count = stop - start < BITS_CHUNK ? stop - start : BITS_CHUNK;
            const float *values = bits_widened(call->level, r.array->dtype, element(r.array, start), scratch, count);
            others += call->level->add_squares(values, bits_rounded_up(count, BITS_LANES), squares);
        }
        *folded++ = bits_folded(squares);
    }
    call->others[part] = others;
}

int32_t bits_cpu_norms(const bits_values *arrays, int64_t count, float (*norms)[2]) {
    pass call;
    const int32_t status = prepare(&call, arrays, count, BITS_NORM_CHUNKS * sizeof(double) + sizeof(int64_t));
    if (status != BITS_OK) return status;
    call.others = call.first + count + 1;
    call.squares = (double *)(call.others + call.parts);
    bits_pool_run(call.parts, norm_part, &call);
    for (int64_t i = 0; i < count; i++) {
        const double *squares = call.squares + call.first[i] * BITS_NORM_CHUNKS;
        double sum = 0;
        for (int64_t chunk = 0; chunk * BITS_NORM_CHUNK < arrays[i].count; chunk++) sum += squares[chunk];
        int64_t others = 0;
        for (int64_t part = 0; part < bits_parts(arrays[i].count); part++) others += call.others[call.first[i] + part];
        norms[i][0] = (float)sqrt(sum);
        norms[i][1] = (float)others;
    }
    free(call.first);
    return BITS_OK;
}

static void scale_part(void *context, int64_t part) {
    const pass *call = context;
    const run r = run_of_part(call, part);
    _Alignas(64) float scratch[BITS_CHUNK];
    for (int64_t start = r.begin; start < r.end; start += BITS_CHUNK) {
        const int64_t count = r.end - start < BITS_CHUNK ? r.end - start : BITS_CHUNK;
        char *at = element(r.array, start);
        float *values = bits_widened(call->level, r.array->dtype, at, scratch, count);
        call->level->scale(values, bits_rounded_up(count, BITS_LANES), call->scale, call->limit);
        bits_write_back(call->level, r.array->dtype, values, at, count);
    }
}

int32_t bits_cpu_scale_in_place(const bits_values *arrays, int64_t count, const float *scale, float limit) {
    pass call;
    const int32_t status = prepare(&call, arrays, count, 0);
    if (status != BITS_OK) return status;
    call.scale = scale ? *scale : 1;
    call.limit = limit;
    bits_pool_run(call.parts, scale_part, &call);
    free(call.first);
    return BITS_OK;
}
