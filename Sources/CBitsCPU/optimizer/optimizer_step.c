// The driver of an optimizer step: cuts parameters into parts for the pool and into chunks that stay in the first-level cache.
#include "base/scratch.h"
#include "optimizer/optimizer_private.h"
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

// One parameter.
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
    double *squares;  // per norm chunk: of the parameter, of the direction; NULL where no norm is wanted
} step_call;

// A codebook that the parameters of one call share, prepared.
typedef struct prepared_map {
    const float *codebook;
    const bits_code_map *map;
    struct prepared_map *next;
    bits_code_map scratch;
} prepared_map;

typedef struct {
    step_call *calls;
    int64_t count, parts;
    int64_t *first;  // part of each parameter, among the parts of all
    prepared_map *maps;
    int measures;  // whether the norms are taken, and nothing is changed
    _Atomic int32_t status;
} launch;

// Room for one chunk, of a thread.
typedef struct {
    float *parameter, *gradient, *direction, *moments[BITS_MAX_MOMENTS];
    uint8_t *codes;
} scratch_space;

static int reserve(scratch_space *scratch, int64_t unit) {
    const int64_t size = bits_rounded_up(unit, BITS_GROUP);
    float *memory = bits_scratch(BITS_SCRATCH_LOCAL, (size_t)size * ((3 + BITS_MAX_MOMENTS) * sizeof(float) + 1));
    if (!memory) return 0;
    scratch->parameter = memory;
    scratch->gradient = memory + size;
    scratch->direction = memory + 2 * size;
    for (int k = 0; k < BITS_MAX_MOMENTS; k++) scratch->moments[k] = memory + (3 + k) * size;
    scratch->codes = (uint8_t *)(memory + (3 + BITS_MAX_MOMENTS) * size);
    return 1;
}

static void fetch(const char *from, int64_t bytes) {
    for (int64_t at = 0; at < bytes; at += 64) __builtin_prefetch(from + at, 1);
}

// Asks for what moment k's share of the next block needs: finding codes takes long enough for memory to catch up.
static void fetch_next_block(const step_call *call, int32_t k, int64_t next) {
    const int64_t size = call->block_size;
    if (next + size > call->count) return;
    if (k == 0) fetch(call->parameter + next * bits_element_size(call->parameter_dtype), size * bits_element_size(call->parameter_dtype));
    if (k == call->moment_count - 1) fetch(call->gradient + next * bits_element_size(call->gradient_dtype), size * bits_element_size(call->gradient_dtype));
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
    char *parameter = call->parameter + start * bits_element_size(call->parameter_dtype);
    const char *gradient = call->gradient + start * bits_element_size(call->gradient_dtype);
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
    const char *from = call->gradient + start * bits_element_size(call->gradient_dtype);
    const float *gradient = bits_widened(call->level, call->gradient_dtype, from, scratch->gradient, count);
    for (int64_t i = 0; i < count; i++)
        if (call->scale * gradient[i] != 0) return 0;
    return 1;
}

// The elements begin ..< end of one parameter.
static void step_run(const step_call *call, int64_t begin, int64_t end, int64_t unit, scratch_space *scratch) {
    for (int64_t start = begin; start < end; start += unit) {
        const int64_t count = end - start < unit ? end - start : unit;
        if (!is_skipped(call, start, count, scratch)) step_chunk(call, start, count, scratch, NULL);
    }
}

static void measure_run(const step_call *call, int64_t begin, int64_t end, int64_t unit, scratch_space *scratch) {
    for (int64_t chunk = begin; chunk < end; chunk += BITS_NORM_CHUNK) {
        double squares[2][BITS_LANES] = {{0}};
        const int64_t stop = chunk + BITS_NORM_CHUNK < end ? chunk + BITS_NORM_CHUNK : end;
        for (int64_t start = chunk; start < stop; start += unit)
            step_chunk(call, start, stop - start < unit ? stop - start : unit, scratch, squares);
        for (int side = 0; side < 2; side++) call->squares[chunk / BITS_NORM_CHUNK * 2 + side] = bits_folded(squares[side]);
    }
}

static void step_part(void *context, int64_t part) {
    launch *all = context;
    const int64_t owner = bits_owner(all->first, all->count, part), begin = (part - all->first[owner]) * BITS_PART;
    const step_call *call = all->calls + owner;
    if (all->measures && !call->squares) return;
    const int64_t end = begin + BITS_PART < call->count ? begin + BITS_PART : call->count;
    const int64_t unit = call->moment_count > 0 && call->maps[0] ? call->block_size : BITS_CHUNK;
    scratch_space scratch;
    if (!reserve(&scratch, unit)) all->status = BITS_NO_MEMORY;
    else (all->measures ? measure_run : step_run)(call, begin, end, unit, &scratch);
}

// Multiplies the step by U of bits_update.max_norm.
static void apply_trust(step_call *call) {
    double sums[2] = {0, 0};
    for (int64_t i = 0; i < 2 * (bits_rounded_up(call->count, BITS_NORM_CHUNK) / BITS_NORM_CHUNK); i++) sums[i % 2] += call->squares[i];
    const double largest = (double)call->update->max_norm * sqrt(sums[0]), length = (double)call->update->direction_scale * sqrt(sums[1]);
    call->step = call->update->step * (length > largest ? (float)(largest / length) : 1);
}

static int is_block_size(int32_t size) { return size >= 32 && size <= BITS_MAX_BLOCK && (size & (size - 1)) == 0; }

// What keeps a step from being taken.
static int32_t objection(const bits_parameter_step *step) {
    if (!bits_is_float(step->parameter_dtype) || !bits_is_float(step->gradient_dtype)) return BITS_BAD_DTYPE;
    if (step->count < 0 || step->moment_count < 0 || step->moment_count > BITS_MAX_MOMENTS || !is_block_size(step->block_size)) return BITS_BAD_SIZE;
    if (step->update.rule < 0 || step->update.rule >= BITS_RULE_COUNT) return BITS_BAD_OPTION;
    return BITS_OK;
}

static int32_t find_map(launch *all, const float *codebook, const bits_code_map **map) {
    for (const prepared_map *known = all->maps; known; known = known->next)
        if (known->codebook == codebook) {
            *map = known->map;
            return BITS_OK;
        }
    prepared_map *fresh = aligned_alloc(_Alignof(prepared_map), sizeof *fresh);
    if (!fresh) return BITS_NO_MEMORY;
    fresh->codebook = codebook;
    fresh->map = bits_prepare_code_map(codebook, &fresh->scratch);
    fresh->next = all->maps;
    all->maps = fresh;
    *map = fresh->map;
    return *map ? BITS_OK : BITS_BAD_OPTION;
}

static int32_t prepare_call(launch *all, step_call *call, const bits_parameter_step *step, const bits_moment *moments) {
    *call = (step_call){
        .level = bits_optimizer_current_level(), .update = &step->update, .parameter = step->parameter, .gradient = step->gradient,
        .parameter_dtype = step->parameter_dtype, .gradient_dtype = step->gradient_dtype, .moments = moments, .moment_count = step->moment_count,
        .block_size = step->block_size, .count = step->count, .scale = step->gradient_scale ? *step->gradient_scale : 1, .step = step->update.step,
    };
    int32_t status = objection(step);
    for (int32_t k = 0; k < step->moment_count && status == BITS_OK; k++) {
        if (!moments[k].codebook != !moments[0].codebook) status = BITS_BAD_OPTION;
        else if (moments[k].codebook) status = find_map(all, moments[k].codebook, call->maps + k);
    }
    return status;
}

// Takes the norms of the parameters whose steps are bounded by them.
static int32_t measure(launch *all) {
    for (int64_t i = 0; i < all->count; i++) all->measures |= all->calls[i].update->max_norm > 0;
    if (!all->measures) return BITS_OK;
    double *squares = malloc((size_t)(all->parts + 1) * 2 * BITS_NORM_CHUNKS * sizeof(double));
    if (!squares) return BITS_NO_MEMORY;
    for (int64_t i = 0; i < all->count; i++)
        if (all->calls[i].update->max_norm > 0) all->calls[i].squares = squares + all->first[i] * 2 * BITS_NORM_CHUNKS;
    bits_pool_run(all->parts, step_part, all);
    all->measures = 0;
    for (int64_t i = 0; i < all->count; i++)
        if (all->calls[i].squares) apply_trust(all->calls + i);
    free(squares);
    return all->status;
}

int32_t bits_cpu_optimizer_step(const bits_parameter_step *steps, int64_t count, const bits_moment *moments) {
    if (count < 0) return BITS_BAD_SIZE;
    launch all = {.count = count};
    all.calls = malloc((size_t)(count + 1) * (sizeof *all.calls + sizeof *all.first));
    if (!all.calls) return BITS_NO_MEMORY;
    all.first = (int64_t *)(all.calls + count);
    int32_t status = BITS_OK;
    for (int64_t i = 0; i < count && status == BITS_OK; i++) {
        status = prepare_call(&all, all.calls + i, steps + i, moments);
        moments += steps[i].moment_count;
        all.first[i] = all.parts;
        all.parts += bits_parts(steps[i].count);
    }
    if (status == BITS_OK) status = measure(&all);
    if (status == BITS_OK) {
        bits_pool_run(all.parts, step_part, &all);
        status = all.status;
    }
    while (all.maps) {
        prepared_map *next = all.maps->next;
        bits_release_code_map(all.maps->map);
        free(all.maps);
        all.maps = next;
    }
    free(all.calls);
    return status;
}
