// The parts of a matrix product without any particular instruction.
#define GENERIC(name) name##_portable
#define GENERIC_TARGET
#define GENERIC_ROWS 4
#define GENERIC_MADD(a, b, sum) ((sum) + (a) * (b))
#include "matrix/matrix_generic.h"
