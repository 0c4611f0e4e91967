#ifndef BITS_ELEMENTWISE_H
#define BITS_ELEMENTWISE_H
#include "bits_base.h"
#endif
