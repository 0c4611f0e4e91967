// Fresh memory from the system costs a page fault per 4 KiB, more than a small product; so each thread keeps what it had.
#include "base/scratch.h"
#include <pthread.h>
#include <stdlib.h>

typedef struct {
    void *memory[BITS_SCRATCH_SLOTS];
    size_t size[BITS_SCRATCH_SLOTS];
} scratch;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t at_exit;
static int has_key;
static _Thread_local scratch mine;

static void release(void *pointer) {
    scratch *s = pointer;
    for (int slot = 0; slot < BITS_SCRATCH_SLOTS; slot++) {
        free(s->memory[slot]);
        s->memory[slot] = NULL;
        s->size[slot] = 0;
    }
}

static void make_key(void) { has_key = pthread_key_create(&at_exit, release) == 0; }

void *bits_scratch(int slot, size_t bytes) {
    if (mine.size[slot] >= bytes && mine.memory[slot]) return mine.memory[slot];
    pthread_once(&once, make_key);
    if (has_key) pthread_setspecific(at_exit, &mine);
    const size_t size = (bytes + (64 << 10)) / (64 << 10) * (64 << 10);
    free(mine.memory[slot]);
    mine.memory[slot] = aligned_alloc(64, size);
    mine.size[slot] = mine.memory[slot] ? size : 0;
    return mine.memory[slot];
}
