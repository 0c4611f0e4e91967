// All loops of one level, and the table that names them.
#ifndef BITS_ROWS_BODY_H
#define BITS_ROWS_BODY_H
#include "base/private_base.h"
#include "elementwise/private_rows.h"
// The level's instructions are allowed from here on.
#include "base/private_vector.h"
#include "base/private_vector_math.h"

#include "attention/attention_few_rows.h"
#include "attention/attention_gradient_rows.h"
#include "attention/attention_rows.h"
#include "decoding/sampling_rows.h"
#include "elementwise/elementwise_rows.h"
#include "elementwise/reduce_rows.h"
// after reduce_rows.h, whose loops they use
#include "elementwise/cross_entropy_rows.h"
#include "elementwise/norm_rows.h"
#include "random/random_rows.h"

const bits_rows BITS_ROWS = {
    .convert = convert_row,
    .binary = binary_row,
    .scale_shift = scale_shift_row,
    .unary = unary_row,
    .unary_gradient = unary_gradient_row,
    .gated = gated_row,
    .gated_gradient = gated_gradient_row,
    .sum = sum_row,
    .sum_of_squares = sum_of_squares_row,
    .maximum = maximum_row,
    .largest_index = largest_index_row,
    .reduce_rows = reduce_rows,
    .softmax = softmax_row,
    .softmax_gradient = softmax_gradient_row,
    .rms_norm = rms_norm_row,
    .rms_norm_gradient = rms_norm_gradient_row,
    .layer_norm = layer_norm_row,
    .layer_norm_gradient = layer_norm_gradient_row,
    .norm_weight_gradient = norm_weight_gradient_rows,
    .rotary = rotary_row,
    .attention_tile = attention_tile,
    .attention_few = attention_few,
    .attention_tile_gradient = attention_tile_gradient,
    .cross_entropy = cross_entropy_row,
    .random = random_row,
    .dropout = dropout_row,
    .random_block = random_block,
    .sampling_weights = sampling_weights_row,
};

#if BITS_WIDTH > 4
#pragma clang attribute pop
#endif

#endif
