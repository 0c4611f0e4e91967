// Copies with conversion and strides, and fills.
#include "base/private_convert.h"
#include "base/private_strides.h"
#include <string.h>

enum { STRETCH = 256, TILE = 32, UNIT_ELEMENTS = 16384 };

typedef struct {
    const bits_rows *loops;
    const char *source;
    char *target;
    int32_t source_dtype, target_dtype;
    bits_walk walk;  // array 0 is the source, array 1 the target; the last axis is the inner one
    int64_t blocks;  // of the axis before the inner one, when the copy is a transposition; else 0
    int64_t units, per_part;
} copy_work;

// STATEMENT, a macro of the type, for elements of `size` bytes.
#define BY_SIZE(size, STATEMENT)          \
    switch (size) {                       \
    case 1: STATEMENT(uint8_t); break;    \
    case 2: STATEMENT(uint16_t); break;   \
    case 4: STATEMENT(uint32_t); break;   \
    default: STATEMENT(uint64_t); break;  \
    }

static void gather(const char *source, int64_t size, int64_t stride, int64_t count, char *target) {
#define GATHER(TYPE) for (int64_t i = 0; i < count; i++) ((TYPE *)target)[i] = ((const TYPE *)source)[i * stride]
    BY_SIZE(size, GATHER)
#undef GATHER
}

static void scatter(const char *source, int64_t size, int64_t stride, int64_t count, char *target) {
#define SCATTER(TYPE) for (int64_t i = 0; i < count; i++) ((TYPE *)target)[i * stride] = ((const TYPE *)source)[i]
    BY_SIZE(size, SCATTER)
#undef SCATTER
}

// `count` elements along the inner axis.
static void copy_stretch(const copy_work *work, const char *source, char *target, int64_t count) {
    const int32_t inner = work->walk.rank - 1;
    const int64_t source_stride = work->walk.strides[0][inner], target_stride = work->walk.strides[1][inner];
    const int64_t source_size = bits_element_size(work->source_dtype), target_size = bits_element_size(work->target_dtype);
    if (source_stride == 1 && target_stride == 1) {
        bits_convert_row(work->loops, source, work->source_dtype, target, work->target_dtype, count);
        return;
    }
    if (work->source_dtype == work->target_dtype && target_stride == 1) {
        gather(source, source_size, source_stride, count, target);
        return;
    }
    _Alignas(64) char gathered[STRETCH * 8], converted[STRETCH * 8];
    for (int64_t i = 0; i < count; i += STRETCH) {
        const int64_t part = count - i < STRETCH ? count - i : STRETCH;
        gather(source + i * source_stride * source_size, source_size, source_stride, part, gathered);
        bits_convert_row(work->loops, gathered, work->source_dtype, converted, work->target_dtype, part);
        scatter(converted, target_size, target_stride, part, target + i * target_stride * target_size);
    }
}

// Unit: TILE rows of the axis before the inner one, so that the source's cache lines are used whole.
static void copy_tile(const copy_work *work, int64_t unit) {
    const bits_walk *walk = &work->walk;
    const int32_t inner = walk->rank - 1, row_axis = walk->rank - 2;
    int64_t offsets[3];
    bits_walk_offsets(walk, row_axis, unit / work->blocks, offsets);
    const int64_t first = unit % work->blocks * TILE, last = first + TILE < walk->shape[row_axis] ? first + TILE : walk->shape[row_axis];
    const int64_t source_size = bits_element_size(work->source_dtype), target_size = bits_element_size(work->target_dtype);
    for (int64_t i = 0; i < walk->shape[inner]; i += TILE) {
        const int64_t count = walk->shape[inner] - i < TILE ? walk->shape[inner] - i : TILE;
        for (int64_t row = first; row < last; row++)
            copy_stretch(work, work->source + (offsets[0] + row * walk->strides[0][row_axis] + i * walk->strides[0][inner]) * source_size,
                         work->target + (offsets[1] + row * walk->strides[1][row_axis] + i * walk->strides[1][inner]) * target_size, count);
    }
}

// Unit: a stretch of at most UNIT_ELEMENTS of the inner axis.
static void copy_row(const copy_work *work, int64_t unit) {
    const bits_walk *walk = &work->walk;
    const int32_t inner = walk->rank - 1;
    const int64_t per_row = (walk->shape[inner] + UNIT_ELEMENTS - 1) / UNIT_ELEMENTS;
    int64_t offsets[3];
    bits_walk_offsets(walk, inner, unit / per_row, offsets);
    const int64_t i = unit % per_row * UNIT_ELEMENTS;
    const int64_t count = walk->shape[inner] - i < UNIT_ELEMENTS ? walk->shape[inner] - i : UNIT_ELEMENTS;
    copy_stretch(work, work->source + (offsets[0] + i * walk->strides[0][inner]) * bits_element_size(work->source_dtype),
                 work->target + (offsets[1] + i * walk->strides[1][inner]) * bits_element_size(work->target_dtype), count);
}

static void copy_part(void *context, int64_t part) {
    const copy_work *work = context;
    const int64_t first = part * work->per_part, last = first + work->per_part < work->units ? first + work->per_part : work->units;
    for (int64_t unit = first; unit < last; unit++)
        if (work->blocks) copy_tile(work, unit);
        else copy_row(work, unit);
}

int32_t bits_cpu_copy(const void *source, int32_t source_dtype, const int64_t *source_strides, void *target, int32_t target_dtype,
                      const int64_t *target_strides, const int64_t *shape, int32_t rank) {
    if (rank < 0 || rank > BITS_MAX_RANK) return BITS_BAD_SIZE;
    if (source_dtype < 0 || source_dtype > BITS_BOOL || target_dtype < 0 || target_dtype > BITS_BOOL) return BITS_BAD_DTYPE;
    for (int32_t axis = 0; axis < rank; axis++)
        if (shape[axis] <= 0) return shape[axis] == 0 ? BITS_OK : BITS_BAD_SIZE;
    copy_work work = {
        .loops = bits_rows_now(), .source = source, .target = target, .source_dtype = source_dtype, .target_dtype = target_dtype,
        .walk = bits_walk_make(2, (const int64_t *const[]){source_strides, target_strides}, shape, rank)};
    bits_walk *walk = &work.walk;
    for (int32_t axis = walk->rank - 2; axis >= 0 && walk->strides[1][walk->rank - 1] != 1; axis--)
        if (walk->strides[1][axis] == 1) bits_walk_move(walk, axis, walk->rank - 1);
    const int32_t inner = walk->rank - 1;
    int64_t unit_elements;
    if (walk->strides[0][inner] > 1)
        for (int32_t axis = inner - 1; axis >= 0 && !work.blocks; axis--)
            if (walk->strides[0][axis] == 1) {
                bits_walk_move(walk, axis, inner - 1);
                work.blocks = (walk->shape[inner - 1] + TILE - 1) / TILE;
            }
    if (work.blocks) {
        work.units = bits_walk_count(walk, inner - 1) * work.blocks;
        unit_elements = TILE * walk->shape[inner];
    } else {
        work.units = bits_walk_count(walk, inner) * ((walk->shape[inner] + UNIT_ELEMENTS - 1) / UNIT_ELEMENTS);
        unit_elements = walk->shape[inner] < UNIT_ELEMENTS ? walk->shape[inner] : UNIT_ELEMENTS;
    }
    work.per_part = unit_elements >= UNIT_ELEMENTS ? 1 : UNIT_ELEMENTS / unit_elements;
    const int64_t parts = (work.units + work.per_part - 1) / work.per_part;
    bits_share(parts, work.units * (unit_elements / 8 + 8), copy_part, &work);
    return BITS_OK;
}

typedef struct {
    char *target;
    int64_t size, count;
    uint64_t pattern;
} fill_work;

static void fill_part(void *context, int64_t part) {
    const fill_work *work = context;
    const int64_t first = part * UNIT_ELEMENTS, last = first + UNIT_ELEMENTS < work->count ? first + UNIT_ELEMENTS : work->count;
#define FILL(TYPE) for (int64_t i = first; i < last; i++) ((TYPE *)work->target)[i] = (TYPE)work->pattern
    BY_SIZE(work->size, FILL)
#undef FILL
}

int32_t bits_cpu_fill(void *target, int32_t dtype, float value, int64_t count) {
    if (dtype < 0 || dtype > BITS_BOOL) return BITS_BAD_DTYPE;
    if (count < 0) return BITS_BAD_SIZE;
    fill_work work = {.target = target, .size = bits_element_size(dtype), .count = count};
    bits_convert_row(bits_rows_now(), &value, BITS_F32, &work.pattern, dtype, 1);
    bits_share((count + UNIT_ELEMENTS - 1) / UNIT_ELEMENTS, count / 8, fill_part, &work);
    return BITS_OK;
}
