// The loops of transformer kernels for AVX2, FMA and F16C.
#if defined(__x86_64__)
#define BITS_WIDTH 8
#define BITS_ROWS bits_rows_avx2
#include "elementwise/rows_body.h"
#endif
