// Walking several arrays of one shape, each with its own strides.
#ifndef BITS_PRIVATE_STRIDES_H
#define BITS_PRIVATE_STRIDES_H
#include "bits_elementwise.h"

// A shape reduced to the axes that matter; strides[k] belong to array k.
typedef struct {
    int32_t rank, arrays;
    int64_t shape[BITS_MAX_RANK];
    int64_t strides[3][BITS_MAX_RANK];
} bits_walk;

// Drops axes of one element and joins neighbours that lie one after the other in every array. Rank is at least 1 afterwards.
static inline bits_walk bits_walk_make(int32_t arrays, const int64_t *const strides[], const int64_t *shape, int32_t rank) {
    bits_walk walk = {.rank = 0, .arrays = arrays};
    for (int32_t axis = 0; axis < rank; axis++) {
        if (shape[axis] == 1) continue;
        int joins = walk.rank > 0;
        for (int32_t k = 0; k < arrays && joins; k++) joins = walk.strides[k][walk.rank - 1] == strides[k][axis] * shape[axis];
        if (!joins) walk.shape[walk.rank++] = 1;
        walk.shape[walk.rank - 1] *= shape[axis];
        for (int32_t k = 0; k < arrays; k++) walk.strides[k][walk.rank - 1] = strides[k][axis];
    }
    if (walk.rank == 0) {
        walk.rank = 1;
        walk.shape[0] = 1;
        for (int32_t k = 0; k < arrays; k++) walk.strides[k][0] = 1;
    }
    return walk;
}

// Moves an axis to the given place, shifting those between.
static inline void bits_walk_move(bits_walk *walk, int32_t from, int32_t to) {
    for (; from != to; from += from < to ? 1 : -1) {
        const int32_t next = from < to ? from + 1 : from - 1;
        const int64_t size = walk->shape[from];
        walk->shape[from] = walk->shape[next];
        walk->shape[next] = size;
        for (int32_t k = 0; k < walk->arrays; k++) {
            const int64_t stride = walk->strides[k][from];
            walk->strides[k][from] = walk->strides[k][next];
            walk->strides[k][next] = stride;
        }
    }
}

// Elements over axes [0, axes).
static inline int64_t bits_walk_count(const bits_walk *walk, int32_t axes) {
    int64_t count = 1;
    for (int32_t axis = 0; axis < axes; axis++) count *= walk->shape[axis];
    return count;
}

// Where element `index` (row-major over axes [0, axes)) lies in each array.
static inline void bits_walk_offsets(const bits_walk *walk, int32_t axes, int64_t index, int64_t offsets[3]) {
    for (int32_t k = 0; k < walk->arrays; k++) offsets[k] = 0;
    for (int32_t axis = axes - 1; axis >= 0; axis--) {
        const int64_t position = index % walk->shape[axis];
        index /= walk->shape[axis];
        for (int32_t k = 0; k < walk->arrays; k++) offsets[k] += position * walk->strides[k][axis];
    }
}

#endif
