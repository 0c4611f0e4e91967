// The parts a matrix product is made of, which each processor level supplies in its own version.
//
// A product has a broadcast side and a vector side: result[r, c] = sum over k of row(r)[k] * column(c)[k]. Rows of the result are multiplied one
// element at a time, columns sixteen at once. Either operand of a product can take either side; what is computed may be the result's transpose.
//
// Packed rows: one after the other, each contiguous in k, `stride` bytes apart.
// Packed columns: panels of 16; within a panel float32 lies as [k][16], bfloat16 as [k / 2][16][2], int8 as [k / 4][16][4].
// int8 products are the same with int32 in place of float32 sums, in the same memory.
#ifndef BITS_MATRIX_ENGINE_H
#define BITS_MATRIX_ENGINE_H
#include "base/element_types.h"
#include "quantize/four_bit_scales.h"
#include "bits_int8.h"
#include "bits_matrix.h"
#include <stddef.h>

enum {
    BITS_PANEL = 16,           // columns of a panel
    BITS_TILE_COLUMNS = 32,    // floats from one row of a finished tile to the next
    BITS_DOTS_VECTORS = 8,     // most vectors that a row meets at once
    BITS_ROW_GAP = 64,         // bytes between packed rows, so that they do not share cache sets
};

// One operand as it lies in memory: element (i, k), i a row or column of the result. `along`: k is contiguous and `stride` separates the i's;
// otherwise the other way round. With a weight, the elements are its codes times scales.
typedef struct {
    const char *data;
    int64_t stride;
    int32_t dtype;
    int32_t along;
    int32_t rounds;  // what packing rounds to first, where that is not the packed type; BITS_F32 for nothing
    int32_t ordered;  // a weight to be unpacked in the engine's order
    const bits_four_bit_matrix *weight;
    const bits_int8_matrix *int8;  // an int8 weight of a floating-point product, rounded to dtype; its rows are k
} matrix_operand;

// Where a finished tile goes: (r, c) to data[r * stride + c], transposed to data[c * stride + r]; the bias runs along the contiguous direction.
typedef struct {
    char *data;
    int64_t stride;
    int32_t dtype;
    int32_t transposed;
    int32_t accumulates;
    int32_t bias_dtype;
    const char *bias;
    const struct bits_int8_epilogue *epilogue;  // of int8 products; NULL stores the sums
} matrix_result;

// Rows that meet the same vectors as others, and where that goes, seen from the vectors: (vector, row).
typedef struct {
    matrix_operand from;
    int64_t count;
    matrix_result to;
} matrix_rows;

typedef struct {
    int32_t packed;      // type of packed operands
    int32_t depth_unit;  // packed k is padded with zeros to a multiple of this
    int32_t rows;        // most rows of a tile
    int32_t whole_rows;  // tiles read all their rows: packed rows are padded with zeros to a multiple of `rows`
    int32_t columns;     // most columns of a tile, 16 or 32
    int32_t chunk;       // bytes of k that one packed row covers
    int32_t rounds;      // what weights taken in the engine's order are rounded to, besides the packed type
    // Elements (first .. first + count, k .. k + depth) of a dense operand as packed rows, each zero up to `padded`.
    void (*pack_rows)(const matrix_operand *from, int64_t first, int64_t count, int64_t k, int64_t depth, int64_t padded, char *to, int64_t stride);
    // The same as packed columns; the last panel is filled up with zeros.
    void (*pack_columns)(const matrix_operand *from, int64_t first, int64_t count, int64_t k, int64_t depth, int64_t padded, char *to, int64_t stride);
    // Vectors for `dots`, where they are not packed as rows are; else NULL.
    void (*pack_vectors)(const matrix_operand *from, int64_t first, int64_t count, int64_t k, int64_t depth, int64_t padded, char *to, int64_t stride);
    // Elements first .. first + count of a 4-bit weight, flat, in the packed type.
    void (*unpack)(const bits_four_bit_matrix *weight, int64_t first, int64_t count, int32_t rounds, void *to);
    // tile[r][c] (+)= the product over `depth` padded elements. `rows` packed rows, `panels` (1 or 2) packed panels `panel_stride` bytes apart.
    void (*tile)(int32_t rows, int32_t panels, int64_t depth, const char *p, int64_t p_stride, const char *q, int64_t panel_stride, float *tile,
                 int32_t accumulates);
    // Adds bias and previous contents to a finished tile, rounds, stores it at (r, c).
    void (*store)(const float *tile, int64_t rows, int64_t columns, const matrix_result *to, int64_t r, int64_t c);
    // sums[j * BITS_TILE_COLUMNS] (+)= one row w (packed type) · vector j of x (packed, zero to a multiple of 64 bytes), j < 8.
    void (*dots)(int32_t vectors, int64_t depth, const char *w, const char *x, int64_t x_stride, float *sums, int32_t accumulates);
    // For 4-bit weights in rows of a multiple of 64 elements and blocks of a power of two, 64 or more, there is a cheaper order of k, the same for
    // both operands. `order` copies a packed vector into it, `unpack_ordered` is `unpack` into it, writing whole multiples of 256 bytes. NULL where
    // there is none.
    void (*order)(const char *x, int64_t depth, char *to);
    void (*unpack_ordered)(const bits_four_bit_matrix *weight, int64_t first, int64_t count, void *to);
    // `dots` straight from the codes, with ordered vectors: sums[j * BITS_TILE_COLUMNS + i] = row first + i · vector j, i < 32, j < 8.
    void (*four_bit_dots)(const bits_four_bit_matrix *w, int64_t first, int64_t rows, int32_t vectors, const char *x, int64_t x_stride, float *sums);
    int32_t few, few_four_bit;  // up to so many vectors `dots` and `four_bit_dots` are faster than tiles
    // Around the tiles of one part; NULL where there is nothing to do.
    void (*begin)(void);
    void (*end)(void);
} matrix_engine;

// What engines without instructions of their own have in common: tiles of one panel.
#define BITS_ONE_PANEL .columns = BITS_PANEL, .chunk = 1024, .few = BITS_DOTS_VECTORS

// The engine for a precision at the level in effect; *rounds is what packing has to round to, BITS_F32 for nothing.
const matrix_engine *bits_matrix_engine(int32_t precision, int32_t *rounds);

extern const matrix_engine bits_matrix_portable, bits_int8_portable;
#if BITS_X86
extern const matrix_engine bits_matrix_avx2, bits_matrix_avx512, bits_matrix_avx512_f16, bits_matrix_avx512_bf16, bits_matrix_amx;
extern const matrix_engine bits_int8_avx2, bits_int8_avx512_vnni, bits_int8_amx;
#endif

// result = P · Qᵀ over `depth`; P has `rows` rows, Q `columns` columns.
int32_t bits_matrix_run(const matrix_engine *engine, const matrix_operand *p, const matrix_operand *q, int64_t rows, int64_t columns,
                        int64_t depth, const matrix_result *to);

// Whether a 4-bit operand can be taken in the engine's order.
int bits_matrix_has_order(const matrix_engine *engine, const matrix_operand *p);

// The same for few columns, both operands contiguous in k; true where this is the faster way.
int bits_matrix_are_few(const matrix_engine *engine, const matrix_operand *p, int64_t columns);
// Several sets of rows that meet the same few columns, as one: all of them as the first.
int32_t bits_matrix_run_few(const matrix_engine *engine, const matrix_rows *sets, int64_t count, const matrix_operand *q, int64_t columns,
                            int64_t depth);
// Whether `p` and `q` may be such sets.
int bits_matrix_run_together(const matrix_engine *engine, const matrix_operand *p, const matrix_operand *q, int64_t columns);

// Asks for what a single stream through memory reads next, wherever rows end, into the second-level cache: as many lines as are on their way at
// memory's pace would fill the first level's queue of misses and stop the loads behind them.
BITS_INLINE void bits_expect(const void *from) { __builtin_prefetch((const char *)from + 8192, 0, 2); }

// Whether the rows of a matrix that lies as [rows, columns] do not overlap.
BITS_INLINE int bits_rows_fit(const bits_matrix *x, int64_t rows, int64_t columns) { return rows <= 1 || x->stride >= columns; }

BITS_INLINE int64_t bits_round_up(int64_t value, int64_t unit) { return (value + unit - 1) / unit * unit; }
BITS_INLINE int64_t bits_min(int64_t a, int64_t b) { return a < b ? a : b; }
BITS_INLINE int64_t bits_max(int64_t a, int64_t b) { return a > b ? a : b; }
BITS_INLINE int bits_is_precision(int32_t precision) { return precision >= BITS_PRODUCT_F32 && precision <= BITS_PRODUCT_F16; }
// What an operand of `dtype` has to be rounded to: nothing where it is of that type.
BITS_INLINE int32_t bits_rounds(int32_t rounds, int32_t dtype) { return rounds == dtype ? BITS_F32 : rounds; }

#endif
