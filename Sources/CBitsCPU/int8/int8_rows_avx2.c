// The loops of int8 kernels for AVX2.
#if defined(__x86_64__)
#define BITS_WIDTH 8
#define BITS_INT8_ROWS bits_int8_rows_avx2
#include "int8/int8_rows_body.h"
#endif
