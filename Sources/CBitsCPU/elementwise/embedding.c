// Embedding tables: rows gathered; gradients scattered in the order of the indices whatever the number of threads.
#include "bits_transformer.h"
#include "base/private_convert.h"
#include "bits_elementwise.h"
#include <stdlib.h>
#include <string.h>

enum { COLUMNS = 128 };

typedef struct {
    const bits_rows *loops;
    const void *table, *indices;
    void *output;
    int32_t table_dtype, indices_dtype, output_dtype;
    int64_t vocabulary, width, count, per_part;
} gather_work;

static void gather_part(void *context, int64_t part) {
    const gather_work *w = context;
    const int64_t first = part * w->per_part, last = first + w->per_part < w->count ? first + w->per_part : w->count;
    for (int64_t i = first; i < last; i++) {
        const int64_t index = bits_index_at(w->indices, w->indices_dtype, i);
        void *row = bits_at_mutable(w->output, w->output_dtype, i * w->width);
        if (index < 0 || index >= w->vocabulary) memset(row, 0, (size_t)(w->width * bits_element_size(w->output_dtype)));
        else bits_convert_row(w->loops, bits_at(w->table, w->table_dtype, index * w->width), w->table_dtype, row, w->output_dtype, w->width);
    }
}

int32_t bits_cpu_embedding_gather(const void *table, int32_t table_dtype, int64_t vocabulary, int64_t width, const void *indices,
                                  int32_t indices_dtype, int64_t count, void *output, int32_t output_dtype) {
    if (!bits_is_float(table_dtype) || !bits_is_float(output_dtype) || !bits_is_index(indices_dtype)) return BITS_BAD_DTYPE;
    if (vocabulary < 0 || width < 0 || count < 0) return BITS_BAD_SIZE;
    gather_work work = {.loops = bits_rows_now(), .table = table, .table_dtype = table_dtype, .vocabulary = vocabulary, .width = width,
                        .indices = indices, .indices_dtype = indices_dtype, .count = count, .output = output, .output_dtype = output_dtype,
                        .per_part = width >= 16384 ? 1 : 16384 / (width + 1) + 1};
    bits_share((count + work.per_part - 1) / work.per_part, count * width / 8, gather_part, &work);
    return BITS_OK;
}

// Indices that stay inside the table; for a table of 16 bits sorted, equal ones in their order.
typedef struct {
    int64_t index, position;
} scatter_entry;

static int compare_entries(const void *a, const void *b) {
    const scatter_entry *x = a, *y = b;
    if (x->index != y->index) return x->index < y->index ? -1 : 1;
    return x->position < y->position ? -1 : x->position > y->position;
}

typedef struct {
    const bits_rows *loops;
    const void *doutput, *indices;
    void *dtable;
    int32_t doutput_dtype, indices_dtype, dtable_dtype;
    int64_t count, width, vocabulary, entries;
    const scatter_entry *sorted;
} scatter_work;

static void add_row(const scatter_work *w, int64_t position, int64_t column, int64_t count, float *row) {
    w->loops->binary(BITS_ADD, row, BITS_F32, 1, bits_at(w->doutput, w->doutput_dtype, position * w->width + column), w->doutput_dtype, 1, row,
                     BITS_F32, count);
}

// One block of columns.
static void scatter_part(void *context, int64_t part) {
    const scatter_work *w = context;
    const int64_t column = part * COLUMNS, count = w->width - column < COLUMNS ? w->width - column : COLUMNS;
    if (w->dtable_dtype == BITS_F32) {
        for (int64_t i = 0; i < w->count; i++) {
            const int64_t index = bits_index_at(w->indices, w->indices_dtype, i);
            if (index >= 0 && index < w->vocabulary) add_row(w, i, column, count, (float *)w->dtable + index * w->width + column);
        }
        return;
    }
    float sum[COLUMNS];
    for (int64_t i = 0; i < w->entries;) {
        const int64_t index = w->sorted[i].index;
        void *row = bits_at_mutable(w->dtable, w->dtable_dtype, index * w->width + column);
        w->loops->convert(row, w->dtable_dtype, sum, BITS_F32, count);
        for (; i < w->entries && w->sorted[i].index == index; i++) add_row(w, w->sorted[i].position, column, count, sum);
        w->loops->convert(sum, BITS_F32, row, w->dtable_dtype, count);
    }
}

int32_t bits_cpu_embedding_scatter_add(const void *doutput, int32_t doutput_dtype, const void *indices, int32_t indices_dtype, int64_t count,
                                       int64_t width, void *dtable, int32_t dtable_dtype, int64_t vocabulary) {
    if (!bits_is_float(doutput_dtype) || !bits_is_float(dtable_dtype) || !bits_is_index(indices_dtype))
        return BITS_BAD_DTYPE;
    if (vocabulary < 0 || width < 0 || count < 0) return BITS_BAD_SIZE;
    scatter_work work = {.loops = bits_rows_now(), .doutput = doutput, .doutput_dtype = doutput_dtype, .indices = indices,
                         .indices_dtype = indices_dtype, .count = count, .width = width, .dtable = dtable, .dtable_dtype = dtable_dtype,
                         .vocabulary = vocabulary};
    scatter_entry *entries = NULL;
    if (dtable_dtype != BITS_F32 && count > 0) {
        entries = malloc((size_t)count * sizeof *entries);
        if (!entries) return BITS_NO_MEMORY;
        for (int64_t i = 0; i < count; i++) {
            const int64_t index = bits_index_at(indices, indices_dtype, i);
            if (index >= 0 && index < vocabulary) entries[work.entries++] = (scatter_entry){index, i};
        }
        qsort(entries, (size_t)work.entries, sizeof *entries, compare_entries);
        work.sorted = entries;
    }
    bits_share((width + COLUMNS - 1) / COLUMNS, count * width / 6, scatter_part, &work);
    free(entries);
    return BITS_OK;
}
