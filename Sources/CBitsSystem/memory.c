// How the C library keeps the memory of small blocks.
#include "include/bits_memory.h"
#include <stdlib.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

void bits_memory_keep_small_blocks(int64_t below) {
#ifdef __GLIBC__
    // By default the larger of them are mapped and unmapped one by one, and the heap's end is given back each time it is free: on some machines
    // a third of a training step went into page faults.
    mallopt(M_MMAP_THRESHOLD, (int)(2 * below));
    mallopt(M_TRIM_THRESHOLD, 128 << 20);
    mallopt(M_TOP_PAD, 8 << 20);
#else
    (void)below;
#endif
}
