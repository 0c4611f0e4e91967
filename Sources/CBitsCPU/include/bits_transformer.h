#ifndef BITS_TRANSFORMER_H
#define BITS_TRANSFORMER_H
#include "bits_base.h"
#endif
