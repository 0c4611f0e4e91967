// The loops of transformer kernels for portable C; four lanes, which compilers map to SSE2 or NEON.
#define BITS_WIDTH 4
#define BITS_ROWS bits_rows_portable
#include "elementwise/rows_body.h"
