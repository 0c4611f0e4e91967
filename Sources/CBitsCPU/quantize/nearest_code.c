#include "quantize/nearest_code.h"
#include <stdatomic.h>
#include <stdlib.h>

enum { SHARED_TABLES = 16 };
static _Atomic(struct bits_code_table *) shared[SHARED_TABLES];

static void find_thresholds(struct bits_code_table *table) {
    float previous = 0;
    for (int j = 0; j < 255; j++) {
        const float middle = 0.5f * (table->codebook[j] + table->codebook[j + 1]);
        const int is_first = j == 0 || middle != previous;
        table->thresholds[j] = j % 2 == 1 && is_first ? middle : bits_next_above(middle);
        previous = middle;
    }
    table->thresholds[255] = __builtin_nanf("");
}

// Lays the thresholds out for the rounds of the binary search.
static void fill_rounds(struct bits_code_table *table) {
    float *entry = table->rounds;
    for (int round = 1; round < 8; round++) {
        const int entries = round < 4 ? 16 : 1 << round;
        for (int i = 0; i < entries; i++) {
            int code = 0;
            for (int bit = 0; bit < round; bit++) code |= (i >> bit & 1) << (7 - bit);
            *entry++ = table->thresholds[code + (1 << (7 - round)) - 1];
        }
    }
}

// Buckets in ascending order of the floats in them: from -inf over both zeros to +inf. NaNs are not looked up.
static void fill_buckets(struct bits_code_table *table) {
    int code = 0, end = 0;
    memset(table->bucket, 0, sizeof table->bucket);
    for (int32_t i = -0x7f81; i <= 0x7f80; i++) {
        const uint32_t index = i < 0 ? 0x8000u | (uint32_t)(-i - 1) : (uint32_t)i;
        const uint32_t outer = (index & 0x7fff) == 0x7f80 ? 0 : 0xffff;
        const float smallest = bits_as_float(index << 16 | (i < 0 ? outer : 0));
        const float largest = bits_as_float(index << 16 | (i < 0 ? 0 : outer));
        while (code < 255 && table->thresholds[code] <= smallest) code++;
        while (end < 255 && table->thresholds[end] <= largest) end++;
        table->bucket[index] = (uint8_t)code;
        if (end - code > table->steps) table->steps = end - code;
    }
}

static struct bits_code_table *build(const float *codebook) {
    for (int j = 0; j < 256; j++)
        if (!(__builtin_fabsf(codebook[j]) <= 0x1p126f) || (j > 0 && codebook[j - 1] > codebook[j])) return NULL;
    struct bits_code_table *table = aligned_alloc(64, (sizeof *table + 63) / 64 * 64);
    if (table == NULL) return NULL;
    memcpy(table->codebook, codebook, sizeof table->codebook);
    table->steps = 1;
    table->is_shared = 0;
    find_thresholds(table);
    fill_rounds(table);
    fill_buckets(table);
    return table;
}

const struct bits_code_table *bits_code_table_acquire(const float *codebook) {
    for (int slot = 0; slot < SHARED_TABLES; slot++) {
        struct bits_code_table *table = atomic_load_explicit(&shared[slot], memory_order_acquire);
        if (table == NULL) {
            struct bits_code_table *fresh = build(codebook);
            if (fresh == NULL) return NULL;
            fresh->is_shared = 1;
            if (atomic_compare_exchange_strong(&shared[slot], &table, fresh)) return fresh;
            free(fresh);  // another thread was first; `table` is its table
        }
        if (memcmp(table->codebook, codebook, sizeof table->codebook) == 0) return table;
    }
    return build(codebook);
}

void bits_code_table_release(const struct bits_code_table *table) {
    if (table != NULL && !table->is_shared) free((void *)table);
}
