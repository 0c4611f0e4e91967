#ifndef BITS_MATRIX_H
#define BITS_MATRIX_H
#include "bits_base.h"
#endif
