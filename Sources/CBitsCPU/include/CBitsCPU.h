// The function list of the processor's kernels.
#ifndef CBITSCPU_H
#define CBITSCPU_H
#include "bits_base.h"
#include "bits_decoding.h"
#include "bits_elementwise.h"
#include "bits_four_bit.h"
#include "bits_int8.h"
#include "bits_matrix.h"
#include "bits_optimizer.h"
#include "bits_quantize.h"
#include "bits_random.h"
#include "bits_transformer.h"
#endif
