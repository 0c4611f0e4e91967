#ifndef BITS_OPTIMIZER_H
#define BITS_OPTIMIZER_H
#include "bits_base.h"
#endif
