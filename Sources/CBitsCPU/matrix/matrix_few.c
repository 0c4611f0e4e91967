// Products with a few vectors: each row of the larger operand is read once, as it lies where its type allows, and meets all vectors.
#include "matrix/matrix_engine.h"
#include "base/scratch.h"
#include <string.h>

enum {
    CONVERTED_BYTES = 4096,      // of a row converted or unpacked at a time
    SERIAL_PRODUCTS = 1 << 16,   // below this a second thread costs more than it gives
};

typedef struct {
    const matrix_engine *engine;
    const matrix_operand *p;
    matrix_result to;  // seen from the vectors: (vector, row)
    int64_t rows, vectors, vectors_at_once, depth;
    int64_t parts_at_once, rounds;
    const char *x;  // packed; ordered if the codes are multiplied directly
    int32_t ordered;
    int64_t x_stride;
} few;

// Row `r` against the vectors, converted piece by piece.
static void convert_and_multiply(const few *x, int64_t r, char *memory, float *sums) {
    const matrix_engine *const e = x->engine;
    const bits_four_bit_matrix *const w = x->p->weight;
    const int64_t size = bits_element_size(e->packed), piece = CONVERTED_BYTES / size;
    for (int64_t k = 0; k < x->depth; k += piece) {
        const int64_t depth = bits_min(piece, x->depth - k), width = bits_element_size(x->p->dtype);
        const char *const from = w ? (const char *)w->packed + (r * x->depth + k) / 2 : x->p->data + (r * x->p->stride + k) * width;
        for (int64_t i = 0; i < (w ? depth / 2 : depth * width); i += 64) bits_expect(from + i);
        if (w) e->unpack(w, r * x->depth + k, depth, x->p->rounds, memory);
        else e->pack_rows(x->p, r, 1, k, depth, depth, memory, CONVERTED_BYTES);
        e->dots((int32_t)x->vectors, depth, memory, x->x + k * size, x->x_stride, sums, k > 0);
    }
}

// The first row of a part. The threads share half the rows, then half of what is left, and so on: long runs, which memory is read fastest in, and short
// ones at the end, so that no thread waits long for another.
static int64_t first_row(const few *x, int64_t part) {
    const int64_t all = (x->rows + BITS_TILE_COLUMNS - 1) / BITS_TILE_COLUMNS, round = part / x->parts_at_once;
    if (round > x->rounds) return x->rows;
    const int64_t left = all >> round, shared = left - (round < x->rounds ? left >> 1 : 0);
    return bits_min((all - left + part % x->parts_at_once * shared / x->parts_at_once) * BITS_TILE_COLUMNS, x->rows);
}

static void run_rows(void *context, int64_t part) {
    const few *const x = context;
    const matrix_engine *const e = x->engine;
    const int64_t size = bits_element_size(e->packed), end = first_row(x, part + 1);
    const int direct = !x->p->weight && x->p->dtype == e->packed && x->p->rounds == BITS_F32;
    _Alignas(64) char memory[CONVERTED_BYTES];
    float sums[BITS_DOTS_VECTORS * BITS_TILE_COLUMNS];
    for (int64_t r = first_row(x, part); r < end; r += BITS_TILE_COLUMNS) {
        const int64_t block = bits_min(BITS_TILE_COLUMNS, end - r);
        if (x->depth == 0) memset(sums, 0, sizeof sums);
        if (x->ordered) {
            for (int64_t v = 0; v < x->vectors; v += x->vectors_at_once) {
                const int64_t vectors = bits_min(x->vectors_at_once, x->vectors - v);
                e->four_bit_dots(x->p->weight, r, block, (int32_t)vectors, x->x + v * x->x_stride, x->x_stride, sums);
                e->store(sums, vectors, block, &x->to, v, r);
            }
            continue;
        }
        for (int64_t i = 0; i < block; i++) {
            if (direct)
                e->dots((int32_t)x->vectors, x->depth, x->p->data + (r + i) * x->p->stride * size, x->x, x->x_stride, sums + i, 0);
            else
                convert_and_multiply(x, r + i, memory, sums + i);
        }
        e->store(sums, x->vectors, block, &x->to, 0, r);
    }
}

int bits_matrix_has_order(const matrix_engine *engine, const matrix_operand *p) {
    const bits_four_bit_matrix *const w = p->weight;
    if (!w || !engine->order || p->rounds != engine->rounds) return 0;
    return w->columns > 0 && w->columns % 64 == 0 && w->block_size % 64 == 0 && (w->block_size & (w->block_size - 1)) == 0;
}

static int multiplies_codes(const matrix_engine *engine, const matrix_operand *p, int64_t columns) {
    // A whole panel of columns is better off with tiles.
    return columns <= engine->few_four_bit && columns % BITS_PANEL != 0 && bits_matrix_has_order(engine, p);
}

int bits_matrix_are_few(const matrix_engine *engine, const matrix_operand *p, int64_t columns) {
    return columns <= engine->few || multiplies_codes(engine, p, columns);
}

int32_t bits_matrix_run_few(const matrix_engine *engine, const matrix_operand *p, const matrix_operand *q, int64_t rows, int64_t columns,
                            int64_t depth, const matrix_result *to) {
    if (rows == 0 || columns == 0) return BITS_OK;
    few x = {.engine = engine, .p = p, .to = *to, .rows = rows, .vectors = columns, .depth = depth};
    x.to.transposed = !to->transposed;
    x.ordered = multiplies_codes(engine, p, columns);
    const int64_t passes = (columns + BITS_DOTS_VECTORS - 1) / BITS_DOTS_VECTORS;
    x.vectors_at_once = (columns + passes - 1) / passes;

    const int64_t padded = bits_round_up(bits_max(depth, 1), 128);
    x.x_stride = padded * bits_element_size(engine->packed) + BITS_ROW_GAP;
    char *const memory = bits_scratch(BITS_SCRATCH_SHARED, (size_t)(x.x_stride * columns * (x.ordered ? 2 : 1)));
    if (!memory) return BITS_NO_MEMORY;
    (engine->pack_vectors ? engine->pack_vectors : engine->pack_rows)(q, 0, columns, 0, depth, padded, memory, x.x_stride);
    x.x = memory;
    if (x.ordered) {
        x.x = memory + x.x_stride * columns;
        for (int64_t i = 0; i < columns; i++) engine->order(memory + i * x.x_stride, depth, memory + (columns + i) * x.x_stride);
    }

    const int64_t all = (rows + BITS_TILE_COLUMNS - 1) / BITS_TILE_COLUMNS;
    x.parts_at_once = rows * depth * columns < SERIAL_PRODUCTS ? 1 : bits_min(bits_pool_threads(), all);
    if (x.parts_at_once > 1)
        while (all >> (x.rounds + 1) >= x.parts_at_once) x.rounds++;
    bits_pool_run((x.rounds + 1) * x.parts_at_once, run_rows, &x);
    return BITS_OK;
}
