#ifndef BITS_QUANTIZE_H
#define BITS_QUANTIZE_H
#include "bits_base.h"
#endif
