// Working memory that a thread keeps between kernel calls.
#ifndef BITS_SCRATCH_H
#define BITS_SCRATCH_H
#include <stddef.h>

// What the memory is for; two uses that may overlap in time on one thread take different slots.
enum { BITS_SCRATCH_SHARED = 0, BITS_SCRATCH_LOCAL = 1, BITS_SCRATCH_OPERAND = 2, BITS_SCRATCH_OUTLIERS = 3, BITS_SCRATCH_SLOTS = 4 };

// At least `bytes` bytes, aligned to 64, undefined contents, valid until the thread's next call with that slot; NULL when there is no memory.
void *bits_scratch(int slot, size_t bytes);

#endif
