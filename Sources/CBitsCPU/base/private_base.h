// What every C file of the kernels includes first: no contraction to fma by accident, and the target attributes of the processor levels.
#ifndef BITS_PRIVATE_BASE_H
#define BITS_PRIVATE_BASE_H
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#else
#pragma GCC optimize("fp-contract=off")
#endif
#include "bits_base.h"

#if defined(__x86_64__)
#define BITS_X86 1
#include <immintrin.h>
#define BITS_TARGET_AVX2 __attribute__((target("avx2,fma,f16c,bmi,bmi2")))
#define BITS_TARGET_AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512cd,avx2,fma,f16c,bmi,bmi2")))
#define BITS_TARGET_AVX512_BF16 \
    __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512cd,avx512bf16,avx2,fma,f16c,bmi,bmi2")))
#define BITS_TARGET_AVX512_VNNI \
    __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512cd,avx512vnni,avx2,fma,f16c,bmi,bmi2")))
#define BITS_TARGET_AVX512_VBMI \
    __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512cd,avx512vbmi,avx2,fma,f16c,bmi,bmi2")))
#define BITS_TARGET_AMX \
    __attribute__((target("amx-tile,amx-bf16,amx-int8,avx512f,avx512bw,avx512vl,avx512dq,avx512cd,avx512bf16,avx512vnni,avx2,fma,f16c,bmi,bmi2")))
#else
#define BITS_X86 0
#endif

#define BITS_INLINE static inline __attribute__((always_inline))

// The version of the level in effect; elsewhere than on x86 the others need not be there.
#if BITS_X86
#define BITS_OF_LEVEL(portable, avx2, avx512)                                                              \
    (__extension__({                                                                                       \
        const int32_t level_ = bits_cpu_level();                                                           \
        level_ >= BITS_AVX512 ? (avx512) : level_ >= BITS_AVX2 ? (avx2) : (portable);                      \
    }))
#else
#define BITS_OF_LEVEL(portable, avx2, avx512) (portable)
#endif

#endif
