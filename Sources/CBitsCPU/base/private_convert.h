// One row of elements from any type to any other, on the calling thread.
#ifndef BITS_PRIVATE_CONVERT_H
#define BITS_PRIVATE_CONVERT_H
#include "elementwise/private_rows.h"

void bits_convert_row(const bits_rows *loops, const void *source, int32_t source_dtype, void *target, int32_t target_dtype, int64_t count);

#endif
