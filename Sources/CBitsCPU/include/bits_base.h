// What every kernel header shares: element types, status codes, processor levels, the thread pool.
#ifndef BITS_BASE_H
#define BITS_BASE_H
#include <stdint.h>

// Element types.
enum { BITS_F32 = 0, BITS_F16 = 1, BITS_BF16 = 2, BITS_I8 = 3, BITS_U8 = 4, BITS_I32 = 5, BITS_I64 = 6, BITS_BOOL = 7 };

// Status of a kernel call.
enum { BITS_OK = 0, BITS_BAD_DTYPE = 1, BITS_BAD_SIZE = 2, BITS_BAD_OPTION = 3, BITS_NO_MEMORY = 4 };

// Processor levels, each including those before it.
enum { BITS_PORTABLE = 0, BITS_AVX2 = 1, BITS_AVX512 = 2, BITS_AMX = 3 };

// Features used beyond the level's base; a bit mask.
enum { BITS_HAS_AVX512_BF16 = 1, BITS_HAS_AVX512_VNNI = 2, BITS_HAS_AVX512_VBMI = 4, BITS_HAS_AMX_BF16 = 8, BITS_HAS_AMX_INT8 = 16 };

// The level in effect: the best the processor has, capped by BNB_CPU=portable|avx2|avx512|amx and by bits_cpu_cap.
int32_t bits_cpu_level(void);
// The best level of the processor, whatever the cap.
int32_t bits_cpu_best_level(void);
// Features in effect at the current level.
int32_t bits_cpu_features(void);
// Caps the level and the features from now on (tests run every variant in one process); returns the level in effect.
int32_t bits_cpu_cap(int32_t level, int32_t features);

// The pool. Parts are claimed from an atomic counter, the caller takes part, a call from inside a part runs serially.
// A part's result may not depend on which thread runs it.
typedef void (*bits_part_fn)(void *context, int64_t part);
void bits_pool_run(int64_t parts, bits_part_fn function, void *context);
// Threads that take part in a region: BNB_NUM_THREADS, or the processors allowed to the process.
int32_t bits_pool_threads(void);
void bits_pool_set_threads(int32_t threads);

// Reads `bytes` bytes, a multiple of 64 at such an address, on all threads of the pool, as fast as they come.
void bits_memory_read(const void *from, int64_t bytes);

#endif
