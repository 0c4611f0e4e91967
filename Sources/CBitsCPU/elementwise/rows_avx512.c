// The loops of transformer kernels for AVX-512.
#if defined(__x86_64__)
#define BITS_WIDTH 16
#define BITS_ROWS bits_rows_avx512
#include "elementwise/rows_body.h"
#endif
