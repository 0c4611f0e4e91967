// Optimizer steps with AVX-512.
#include "base/private_base.h"
#if BITS_X86

#define LEVEL_TARGET BITS_TARGET_AVX512
#define LEVEL_HALVES
#define LEVEL_GATHER return (vf)_mm512_i32gather_ps((__m512i)at, table, 4);
#include "optimizer/optimizer_level.h"

const bits_optimizer_level bits_optimizer_avx512 = LEVEL_TABLE(write_codes);
#endif
