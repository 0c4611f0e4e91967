// The driver of an optimizer step: cuts a parameter into parts for the pool and into chunks that stay in the first-level cache.
#include "optimizer/optimizer_private.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    const bits_optimizer_level *level;
    const bits_update *update;
    char *parameter;
    const char *gradient;
    int32_t parameter_dtype, gradient_dtype, moment_count, block_size;
    const bits_moment *moments;
    const bits_code_map *maps[BITS_MAX_MOMENTS];
    int64_t count;
    float scale, step;
    double *squares;  // per norm chunk: of the parameter, of the direction; only while the norms are wanted
} step_call;

typedef struct {
    _Alignas(64) float parameter[BITS_MAX_BLOCK], gradient[BITS_MAX_BLOCK], moments[BITS_MAX_MOMENTS][BITS_MAX_BLOCK], direction[BITS_MAX_BLOCK];
    _Alignas(64) uint8_t codes[BITS_MAX_BLOCK];
} scratch_space;

static void fetch(const char *from, int64_t bytes) {
    for (int64_t at = 0; at < bytes; at += 64) __builtin_prefetch(from + at, 1);
}

// Asks for what moment k's share of the next block needs: finding codes takes long enough for memory to catch up.
static void fetch_next_block(const step_call *call, int32_t k, int64_t next) {
    const int64_t size = call->block_size;
    if (next + size > call->count) return;
    if (k == 0) fetch(call->parameter + next * bits_width(call->parameter_dtype), size * bits_width(call->parameter_dtype));
    if (k == call->moment_count - 1) fetch(call->gradient + next * bits_width(call->gradient_dtype), size * bits_width(call->gradient_dtype));
    fetch((const char *)call->moments[k].values + next, size);
}

// The codes of the block at `start`.
static void read_block(const step_call *call, int32_t k, int64_t start, int64_t count, scratch_space *scratch) {
    const bits_moment *moment = call->moments + k;
    const int64_t padded = bits_rounded_up(count, BITS_GROUP);
    const uint8_t *codes = (const uint8_t *)moment->values + start;
    float *values = scratch->moments[k];
    if (padded > count) {
        memcpy(scratch->codes, codes, (size_t)count);
        memset(scratch->codes + count, 0, (size_t)(padded - count));
        codes = scratch->codes;
    }
    call->level->read_codes(call->maps[k], codes, moment->absmax[start / call->block_size], values, padded);
    memset(values + count, 0, (size_t)(padded - count) * 4);
}

static void write_block(const step_call *call, int32_t k, int64_t start, int64_t count, scratch_space *scratch) {
    const bits_moment *moment = call->moments + k;
    const bits_code_map *map = call->maps[k];
    const int64_t padded = bits_rounded_up(count, BITS_GROUP);
    uint8_t *codes = (uint8_t *)moment->values + start, *written = padded > count ? scratch->codes : codes;
    float *values = scratch->moments[k], *absmax = moment->absmax + start / call->block_size;
    memset(values + count, 0, (size_t)(padded - count) * 4);
    const uint32_t bits = call->level->largest_bits(values, padded);
    const int fast = call->level->write_codes && map->kind == (moment->is_signed ? BITS_MAP_SIGNED : BITS_MAP_UNSIGNED) && bits < 0x7f800000;
    if (fast) {
        memcpy(absmax, &bits, 4);
        call->level->write_codes(map, values, written, bits_inverse_scale(*absmax), padded);
    } else {
        bits_write_codes(map, moment->is_signed, values, written, absmax, count);
    }
    if (written != codes) memcpy(codes, written, (size_t)count);
}

// One chunk: a block of 8-bit moments, or a run of float32 ones.
static void step_chunk(const step_call *call, int64_t start, int64_t count, scratch_space *scratch, double (*squares)[BITS_LANES]) {
    const bits_optimizer_level *level = call->level;
    char *parameter = call->parameter + start * bits_width(call->parameter_dtype);
    const char *gradient = call->gradient + start * bits_width(call->gradient_dtype);
    bits_lanes lanes = {
        .moment_count = call->moment_count, .scale = call->scale, .step = call->step, .parameter_dtype = call->parameter_dtype};
    const int32_t dtype = call->parameter_dtype;
    const int as_it_lies = !squares && dtype == call->gradient_dtype && count % BITS_LANES == 0 && (dtype == BITS_F32 || level->takes_halves);
    if (as_it_lies) {
        lanes.parameter = parameter;
        lanes.gradient = gradient;
        lanes.dtype = dtype;
    } else {
        lanes.parameter = bits_widened(level, dtype, parameter, scratch->parameter, count);
        lanes.gradient = bits_widened(level, call->gradient_dtype, gradient, scratch->gradient, count);
        lanes.dtype = BITS_F32;
    }
    for (int32_t k = 0; k < call->moment_count; k++)
        if (call->maps[k]) {
            read_block(call, k, start, count, scratch);
            lanes.moments[k] = scratch->moments[k];
        } else {
            lanes.moments[k] = bits_widened(level, BITS_F32, (const char *)((float *)call->moments[k].values + start), scratch->moments[k], count);
        }

    const int64_t padded = bits_rounded_up(count, BITS_LANES);
    if (squares) {
        lanes.direction = scratch->direction;
        level->rules[call->update->rule](call->update, &lanes, padded);
        for (int64_t i = count; i < padded; i++) scratch->direction[i] = 0;
        level->add_squares(lanes.parameter, padded, squares[0]);
        level->add_squares(scratch->direction, padded, squares[1]);
        return;
    }
    level->rules[call->update->rule](call->update, &lanes, padded);
    if (!as_it_lies) bits_write_back(level, dtype, lanes.parameter, parameter, count);
    for (int32_t k = 0; k < call->moment_count; k++)
        if (call->maps[k]) {
            fetch_next_block(call, k, start + count);
            write_block(call, k, start, count, scratch);
        } else {
            bits_write_back(level, BITS_F32, lanes.moments[k], (char *)((float *)call->moments[k].values + start), count);
        }
}

// Whether every gradient of the chunk is zero and zeros are skipped: then nothing is written, not even a block's rounding.
static int is_skipped(const step_call *call, int64_t start, int64_t count, scratch_space *scratch) {
    if (!(call->update->flags & BITS_UPDATE_SKIP_ZEROS)) return 0;
    const char *from = call->gradient + start * bits_width(call->gradient_dtype);
    const float *gradient = bits_widened(call->level, call->gradient_dtype, from, scratch->gradient, count);
    for (int64_t i = 0; i < count; i++)
        if (call->scale * gradient[i] != 0) return 0;
    return 1;
}

static void step_part(void *context, int64_t part) {
    const step_call *call = context;
    scratch_space scratch;
    const int64_t begin = part * BITS_PART, end = begin + BITS_PART < call->count ? begin + BITS_PART : call->count;
    const int64_t unit = call->moment_count > 0 && call->maps[0] ? call->block_size : BITS_CHUNK;
    if (!call->squares) {
        for (int64_t start = begin; start < end; start += unit) {
            const int64_t count = end - start < unit ? end - start : unit;
            if (!is_skipped(call, start, count, &scratch)) step_chunk(call, start, count, &scratch, NULL);
        }
        return;
    }
    for (int64_t chunk = begin; chunk < end; chunk += BITS_NORM_CHUNK) {
        double squares[2][BITS_LANES] = {{0}};
        const int64_t stop = chunk + BITS_NORM_CHUNK < end ? chunk + BITS_NORM_CHUNK : end;
        for (int64_t start = chunk; start < stop; start += unit)
            step_chunk(call, start, stop - start < unit ? stop - start : unit, &scratch, squares);
        for (int side = 0; side < 2; side++) call->squares[chunk / BITS_NORM_CHUNK * 2 + side] = bits_folded(squares[side]);
    }
}

// U of bits_update.max_norm.
static int32_t trust(step_call *call, float *result) {
    const int64_t chunks = bits_rounded_up(call->count, BITS_NORM_CHUNK) / BITS_NORM_CHUNK;
    call->squares = malloc((size_t)(chunks > 0 ? chunks : 1) * 2 * sizeof(double));
    if (!call->squares) return BITS_NO_MEMORY;
    bits_pool_run(bits_parts(call->count), step_part, call);
    double sums[2] = {0, 0};
    for (int64_t i = 0; i < 2 * chunks; i++) sums[i % 2] += call->squares[i];
    free(call->squares);
    call->squares = NULL;
    const double largest = (double)call->update->max_norm * sqrt(sums[0]), length = (double)call->update->direction_scale * sqrt(sums[1]);
    *result = length > largest ? (float)(largest / length) : 1;
    return BITS_OK;
}

static int is_block_size(int32_t size) { return size >= 32 && size <= BITS_MAX_BLOCK && (size & (size - 1)) == 0; }

int32_t bits_cpu_optimizer_step(
    const bits_update *update, void *parameter, int32_t parameter_dtype, const void *gradient, int32_t gradient_dtype,
    const float *gradient_scale, const bits_moment *moments, int32_t moment_count, int32_t block_size, int64_t count) {
    if (!bits_is_float(parameter_dtype) || !bits_is_float(gradient_dtype)) return BITS_BAD_DTYPE;
    if (count < 0 || moment_count < 0 || moment_count > BITS_MAX_MOMENTS || !is_block_size(block_size)) return BITS_BAD_SIZE;
    if (update->rule < 0 || update->rule >= BITS_RULE_COUNT) return BITS_BAD_OPTION;
    step_call call = {
        .level = bits_optimizer_current_level(), .update = update, .parameter = parameter, .gradient = gradient, .parameter_dtype = parameter_dtype,
        .gradient_dtype = gradient_dtype, .moments = moments, .moment_count = moment_count, .block_size = block_size, .count = count,
        .scale = gradient_scale ? *gradient_scale : 1, .step = update->step,
    };
    bits_code_map prepared[BITS_MAX_MOMENTS];
    int32_t status = BITS_OK;
    for (int32_t k = 0; k < moment_count && status == BITS_OK; k++) {
        if (!moments[k].codebook != !moments[0].codebook) status = BITS_BAD_OPTION;
        if (!moments[k].codebook) continue;
        call.maps[k] = bits_prepare_code_map(moments[k].codebook, prepared + k);
        if (!call.maps[k]) status = BITS_BAD_OPTION;
    }
    if (status == BITS_OK && update->max_norm > 0) {
        float factor = 1;
        status = trust(&call, &factor);
        call.step = update->step * factor;
    }
    if (status == BITS_OK) bits_pool_run(bits_parts(count), step_part, &call);
    for (int32_t k = 0; k < moment_count; k++) bits_release_code_map(call.maps[k]);
    return status;
}
