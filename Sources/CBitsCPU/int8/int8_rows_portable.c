// The loops of int8 kernels for any processor.
#define BITS_WIDTH 4
#define BITS_INT8_ROWS bits_int8_rows_portable
#include "int8/int8_rows_body.h"
