// Optimizer steps with AVX2.
#include "base/private_base.h"
#if BITS_X86

#define LEVEL_TARGET BITS_TARGET_AVX2
#define LEVEL_HALVES
#define LEVEL_GATHER                                                                                               \
    const __m256 low = _mm256_i32gather_ps(table, (__m256i)at.lo, 4), high = _mm256_i32gather_ps(table, (__m256i)at.hi, 4); \
    return __builtin_shufflevector(low, high, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
#include "optimizer/optimizer_level.h"

const bits_optimizer_level bits_optimizer_avx2 = LEVEL_TABLE(write_codes);
#endif
