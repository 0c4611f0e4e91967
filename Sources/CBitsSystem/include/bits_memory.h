// What Swift's view of the C library leaves out for its memory.
#ifndef BITS_MEMORY_H
#define BITS_MEMORY_H
#include <stdint.h>

// Has the C library keep the memory of freed blocks smaller than `below` bytes (and twice that) for the next ones, up to 128 MiB.
void bits_memory_keep_small_blocks(int64_t below);

#endif
