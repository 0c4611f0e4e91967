// The loops of int8 kernels for AVX-512.
#if defined(__x86_64__)
#define BITS_WIDTH 16
#define BITS_INT8_ROWS bits_int8_rows_avx512
#include "int8/int8_rows_body.h"
#endif
