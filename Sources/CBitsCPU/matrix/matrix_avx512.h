// The parts of a matrix product with AVX-512, by file.
#ifndef BITS_MATRIX_AVX512_H
#define BITS_MATRIX_AVX512_H
#include "matrix/matrix_engine.h"

void bits_pack_rows_f32_avx512(const matrix_operand *from, int64_t first, int64_t count, int64_t k, int64_t depth, int64_t padded, char *to,
                               int64_t stride);
void bits_pack_columns_f32_avx512(const matrix_operand *from, int64_t first, int64_t count, int64_t k, int64_t depth, int64_t padded, char *to,
                                  int64_t stride);
void bits_pack_rows_bf16_avx512(const matrix_operand *from, int64_t first, int64_t count, int64_t k, int64_t depth, int64_t padded, char *to,
                                int64_t stride);
void bits_pack_columns_bf16_avx512(const matrix_operand *from, int64_t first, int64_t count, int64_t k, int64_t depth, int64_t padded, char *to,
                                   int64_t stride);
void bits_unpack_f32_avx512(const bits_four_bit_matrix *w, int64_t first, int64_t count, int32_t rounds, void *to);
void bits_unpack_bf16_avx512(const bits_four_bit_matrix *w, int64_t first, int64_t count, int32_t rounds, void *to);
void bits_store_avx512(const float *tile, int64_t rows, int64_t columns, const matrix_result *to, int64_t r, int64_t c);
void bits_store_bf16_avx512(const float *tile, int64_t rows, int64_t columns, const matrix_result *to, int64_t r, int64_t c);
void bits_dots_f32_avx512(int32_t vectors, int64_t depth, const char *w, const char *x, int64_t x_stride, float *sums, int32_t accumulates);
void bits_dots_bf16_avx512(int32_t vectors, int64_t depth, const char *w, const char *x, int64_t x_stride, float *sums, int32_t accumulates);
void bits_unpack_ordered_f32_avx512(const bits_four_bit_matrix *w, int64_t first, int64_t count, void *to);
void bits_unpack_ordered_f16_avx512(const bits_four_bit_matrix *w, int64_t first, int64_t count, void *to);
void bits_unpack_ordered_bf16_avx512(const bits_four_bit_matrix *w, int64_t first, int64_t count, void *to);
void bits_order_f32_avx512(const char *x, int64_t depth, char *to);
void bits_order_bf16_avx512(const char *x, int64_t depth, char *to);
void bits_four_bit_dots_f32_avx512(const bits_four_bit_matrix *w, int64_t first, int64_t rows, int32_t vectors, const char *x, int64_t x_stride,
                                  float *sums);
void bits_four_bit_dots_f16_avx512(const bits_four_bit_matrix *w, int64_t first, int64_t rows, int32_t vectors, const char *x, int64_t x_stride,
                                  float *sums);
void bits_four_bit_dots_bf16_avx512(const bits_four_bit_matrix *w, int64_t first, int64_t rows, int32_t vectors, const char *x, int64_t x_stride,
                                  float *sums);
// `four_bit_dots` of one vector.
void bits_four_bit_vector_f32_avx512(const bits_four_bit_matrix *w, int64_t first, int64_t rows, const char *x, float *sums);
void bits_four_bit_vector_f16_avx512(const bits_four_bit_matrix *w, int64_t first, int64_t rows, const char *x, float *sums);
void bits_four_bit_vector_bf16_avx512(const bits_four_bit_matrix *w, int64_t first, int64_t rows, const char *x, float *sums);

#endif
