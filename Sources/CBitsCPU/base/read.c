// Reading memory for nothing but its pace.
#include "bits_base.h"

enum { PARTS_PER_THREAD = 4, AHEAD = 4096 };

typedef uint64_t lanes __attribute__((vector_size(64), aligned(64)));

typedef struct {
    const lanes *from;
    int64_t count, per_part;
} reading;

static void read_part(void *context, int64_t part) {
    const reading *const x = context;
    const int64_t first = part * x->per_part, end = first + x->per_part < x->count ? first + x->per_part : x->count;
    lanes even = {0}, odd = {0};
    int64_t i = first;
    for (; i + 2 <= end; i += 2) {
        __builtin_prefetch((const char *)(x->from + i) + AHEAD, 0, 2);
        __builtin_prefetch((const char *)(x->from + i + 1) + AHEAD, 0, 2);
        even |= x->from[i];
        odd |= x->from[i + 1];
    }
    for (; i < end; i++) even |= x->from[i];
    even |= odd;
    __asm__ volatile("" : : "r"(&even) : "memory");  // so that the loads are not left out
}

void bits_memory_read(const void *from, int64_t bytes) {
    const int64_t count = bytes / (int64_t)sizeof(lanes), parts = (int64_t)bits_pool_threads() * PARTS_PER_THREAD;
    reading work = {.from = from, .count = count, .per_part = (count + parts - 1) / parts};
    if (count > 0) bits_pool_run((count + work.per_part - 1) / work.per_part, read_part, &work);
}
