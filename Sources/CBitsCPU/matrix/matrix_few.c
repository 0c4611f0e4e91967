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
    const matrix_rows *sets;
    int64_t blocks;  // of rows that are stored at once, in all sets
    int64_t vectors, vectors_at_once, depth;
    int64_t parts_at_once, rounds;
    const char *x;  // packed; ordered if the codes are multiplied directly
    int32_t ordered;
    int64_t x_stride;
} few;

static int64_t blocks_of(const matrix_rows *set) { return (set->count + BITS_TILE_COLUMNS - 1) / BITS_TILE_COLUMNS; }

// Row `r` against the vectors, converted piece by piece.
static void convert_and_multiply(const few *x, const matrix_operand *from, int64_t r, char *memory, float *sums) {
    const matrix_engine *const e = x->engine;
    const bits_four_bit_matrix *const w = from->weight;
    const int64_t size = bits_element_size(e->packed), piece = CONVERTED_BYTES / size;
    for (int64_t k = 0; k < x->depth; k += piece) {
        const int64_t depth = bits_min(piece, x->depth - k), width = bits_element_size(from->dtype);
        const char *const data = w ? (const char *)w->packed + (r * x->depth + k) / 2 : from->data + (r * from->stride + k) * width;
        for (int64_t i = 0; i < (w ? depth / 2 : depth * width); i += 64) bits_expect(data + i);
        if (w) e->unpack(w, r * x->depth + k, depth, from->rounds, memory);
        else e->pack_rows(from, r, 1, k, depth, depth, memory, CONVERTED_BYTES);
        e->dots((int32_t)x->vectors, depth, memory, x->x + k * size, x->x_stride, sums, k > 0);
    }
}

// The first block of a part. The threads share half the rows, then half of what is left, and so on: long runs, which memory is read fastest in, and short
// ones at the end, so that no thread waits long for another.
static int64_t first_block(const few *x, int64_t part) {
    const int64_t round = part / x->parts_at_once;
    if (round > x->rounds) return x->blocks;
    const int64_t left = x->blocks >> round, shared = left - (round < x->rounds ? left >> 1 : 0);
    return x->blocks - left + part % x->parts_at_once * shared / x->parts_at_once;
}

// Rows r .. r + count of a set against the vectors, count <= BITS_TILE_COLUMNS.
static void run_block(const few *x, const matrix_rows *set, int64_t r, int64_t count) {
    const matrix_engine *const e = x->engine;
    const matrix_operand *const from = &set->from;
    const int direct = !from->weight && from->dtype == e->packed && from->rounds == BITS_F32;
    _Alignas(64) char memory[CONVERTED_BYTES];
    float sums[BITS_DOTS_VECTORS * BITS_TILE_COLUMNS];
    if (x->depth == 0) memset(sums, 0, sizeof sums);
    if (x->ordered) {
        for (int64_t v = 0; v < x->vectors; v += x->vectors_at_once) {
            const int64_t vectors = bits_min(x->vectors_at_once, x->vectors - v);
            e->four_bit_dots(from->weight, r, count, (int32_t)vectors, x->x + v * x->x_stride, x->x_stride, sums);
            e->store(sums, vectors, count, &set->to, v, r);
        }
        return;
    }
    for (int64_t i = 0; i < count; i++) {
        if (direct)
            e->dots((int32_t)x->vectors, x->depth, from->data + (r + i) * from->stride * bits_element_size(e->packed), x->x, x->x_stride, sums + i, 0);
        else
            convert_and_multiply(x, from, r + i, memory, sums + i);
    }
    e->store(sums, x->vectors, count, &set->to, 0, r);
}

static void run_blocks(void *context, int64_t part) {
    const few *const x = context;
    const int64_t end = first_block(x, part + 1);
    const matrix_rows *set = x->sets;
    int64_t first = 0;  // block of the set
    for (int64_t block = first_block(x, part); block < end; block++) {
        while (block - first >= blocks_of(set)) first += blocks_of(set++);
        const int64_t r = (block - first) * BITS_TILE_COLUMNS;
        run_block(x, set, r, bits_min(BITS_TILE_COLUMNS, set->count - r));
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

int bits_matrix_run_together(const matrix_engine *engine, const matrix_operand *p, const matrix_operand *q, int64_t columns) {
    return bits_matrix_are_few(engine, p, columns) && bits_matrix_are_few(engine, q, columns)
           && multiplies_codes(engine, p, columns) == multiplies_codes(engine, q, columns);
}

int32_t bits_matrix_run_few(const matrix_engine *engine, const matrix_rows *sets, int64_t count, const matrix_operand *q, int64_t columns,
                            int64_t depth) {
    few x = {.engine = engine, .sets = sets, .vectors = columns, .depth = depth};
    int64_t rows = 0;
    for (int64_t i = 0; i < count; i++) {
        rows += sets[i].count;
        x.blocks += blocks_of(&sets[i]);
    }
    if (rows == 0 || columns == 0) return BITS_OK;
    x.ordered = multiplies_codes(engine, &sets->from, columns);
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

    x.parts_at_once = rows * depth * columns < SERIAL_PRODUCTS ? 1 : bits_min(bits_pool_threads(), x.blocks);
    if (x.parts_at_once > 1)
        while (x.blocks >> (x.rounds + 1) >= x.parts_at_once) x.rounds++;
    bits_pool_run((x.rounds + 1) * x.parts_at_once, run_blocks, &x);
    return BITS_OK;
}
