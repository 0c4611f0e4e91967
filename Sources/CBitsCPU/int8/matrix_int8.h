// What the versions of int8 products share.
#ifndef BITS_MATRIX_INT8_H
#define BITS_MATRIX_INT8_H
#include "int8/int8_rows.h"
#include "matrix/matrix_engine.h"

// What becomes of the sums of an int8 product, and the outlier columns of the activation that are added as floating-point products.
//
// In the result, one side is the activation (M), the other the weight (N). The side that is the rows of tiles has its outlier columns as [row][count],
// the other as panels [/ 16][count][16].
typedef struct bits_int8_epilogue {
    const bits_int8_rows *loops;
    const float *row_scales, *column_scales;  // of the result: M and N
    int64_t count;                            // outlier columns
    const int32_t *indices;                   // which
    const bits_int8_matrix *weight;
    int32_t dtype;                            // that the weight is rounded to, the activation's
    const float *activation, *weights;        // outlier columns; `weights` NULL: taken from the weight for each tile
} bits_int8_epilogue;

// Stores a tile of int32 sums, by the epilogue if there is one.
void bits_int8_store(const float *tile, int64_t rows, int64_t columns, const matrix_result *to, int64_t r, int64_t c);

// Outlier columns of rows first .. first + rows (at most 16) of the weight, rounded to the activation's type: element (row, o) to
// to[row * row_step + o * step], zeros for rows beyond the last.
void bits_int8_weight_outliers(const bits_int8_epilogue *x, int64_t first, int64_t rows, int64_t row_step, int64_t step, float *to);

// result = P · Qᵀ of int8 operands over `depth`, one of them [M, depth] with `m` rows, the other [N, depth]; `result` as [M, N].
typedef struct {
    const matrix_engine *engine;
    int32_t few, transposed;  // which of the ways to compute it; transposed: the rows of tiles are N
} bits_int8_plan;
bits_int8_plan bits_int8_plan_for(int64_t m, int64_t n, int along);
int32_t bits_int8_run(const bits_int8_plan *plan, const matrix_operand *a, const matrix_operand *b, int64_t m, int64_t n, int64_t depth,
                      const matrix_result *to);

// `count` elements of a row of an int8 weight, from column `first` on, in a packed type.
void bits_int8_unpack(const matrix_operand *from, int64_t row, int64_t first, int64_t count, int32_t packed, void *to);

#if BITS_X86
void bits_pack_rows_i8_avx512(const matrix_operand *from, int64_t first, int64_t count, int64_t k, int64_t depth, int64_t padded, char *to,
                              int64_t stride);
void bits_pack_columns_i8_avx512(const matrix_operand *from, int64_t first, int64_t count, int64_t k, int64_t depth, int64_t padded, char *to,
                                 int64_t stride);
#endif

#endif
