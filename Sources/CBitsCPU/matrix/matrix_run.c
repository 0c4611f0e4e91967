// The loops of a matrix product around packing and tiles.
//
// One side, the shared one, is packed once for all; the other is cut into panels, each packed, or unpacked from 4 bits, by the part that uses it,
// chunk by chunk of k. A part is one panel against one block of the shared side. Sums run over k in an order that depends on the sizes alone.
#include "matrix/matrix_engine.h"
#include "int8/matrix_int8.h"
#include "base/scratch.h"
#include <stdatomic.h>
#include <string.h>

enum {
    SHARED_BYTES = 16 << 20,   // of the shared side packed at a time
    BLOCK_BYTES = SHARED_BYTES,  // of it that one part runs through: each block of it has the other side packed anew
    TILE_BLOCK_BYTES = 1 << 20,  // the same where tiles of AMX read it: half of their second-level cache
    BLOCK_COLUMNS = 512,
    PANEL = 96,                // rows or columns of a panel, about
    WEIGHT_PANEL = 128,        // columns where they run along a 4-bit weight's rows: whole groups are unpacked faster
    UNPACKED_ROWS = 32,        // rows of a 4-bit weight unpacked before they are interleaved
    SERIAL_PRODUCTS = 1 << 18, // below this a second thread costs more than it gives
};

typedef struct {
    const matrix_engine *engine;
    const matrix_operand *p, *q;
    const matrix_result *to;
    int64_t rows, columns, depth;
    int64_t chunk, chunks;                // of k
    int64_t row_stride, panel_stride;     // bytes of a packed row and panel
    int32_t shares_rows, direct_rows;     // which side is shared; rows read as they lie
    int64_t shared_first, shared_count, shared_units;  // of the shared side packed now
    char *shared;
    int64_t block, panel, panels;
    atomic_int failed;
} product;

static int64_t packed_size(const product *x) { return bits_element_size(x->engine->packed); }

// Elements of chunk t, and padded.
static int64_t chunk_depth(const product *x, int64_t t) { return bits_min(x->chunk, x->depth - t * x->chunk); }
static int64_t padded_depth(const product *x, int64_t t) { return bits_round_up(chunk_depth(x, t), x->engine->depth_unit); }

// Asks for the codes of a run that is unpacked soon: rows of a weight lie too far apart for the processor to see it coming.
static void expect_codes(const bits_four_bit_matrix *w, int64_t row, int64_t column, int64_t count) {
    if (row >= w->rows) return;
    const int64_t first = row * w->columns + column;
    for (int64_t byte = first / 2; byte < (first + count + 1) / 2; byte += 64) __builtin_prefetch(w->packed + byte);
}

static void pack_rows(const product *x, int64_t first, int64_t count, int64_t t, char *to) {
    const matrix_operand *const p = x->p;
    const int64_t depth = chunk_depth(x, t), padded = padded_depth(x, t), size = packed_size(x);
    if (p->weight) {
        for (int64_t i = 0; i < count; i++) {
            char *const row = to + i * x->row_stride;
            expect_codes(p->weight, first + i + x->engine->rows, t * x->chunk, depth);
            const int64_t from = (first + i) * p->weight->columns + t * x->chunk;
            if (p->ordered) {
                x->engine->unpack_ordered(p->weight, from, bits_min(depth, p->weight->columns - t * x->chunk), row);
                continue;
            }
            x->engine->unpack(p->weight, from, depth, p->rounds, row);
            memset(row + depth * size, 0, (size_t)((padded - depth) * size));
        }
    } else {
        x->engine->pack_rows(p, first, count, t * x->chunk, depth, padded, to, x->row_stride);
    }
    if (x->engine->whole_rows)
        for (int64_t i = count; i < bits_round_up(count, x->engine->rows); i++)
            memset(to + i * x->row_stride, 0, (size_t)(padded * size));
}

// Rows of the weight are k here: a few at a time are unpacked, then interleaved as a dense operand would be.
static void pack_weight_columns(const product *x, int64_t first, int64_t count, int64_t t, char *to) {
    const matrix_operand *const q = x->q;
    const int64_t depth = chunk_depth(x, t), padded = padded_depth(x, t), size = packed_size(x), width = bits_round_up(count, BITS_PANEL);
    _Alignas(64) char unpacked[UNPACKED_ROWS * WEIGHT_PANEL * 2 * 4];
    const matrix_operand dense = {.data = unpacked, .stride = width, .dtype = x->engine->packed};
    for (int64_t k = 0; k < depth; k += UNPACKED_ROWS) {
        const int64_t lines = bits_min(UNPACKED_ROWS, depth - k);
        for (int64_t i = 0; i < lines; i++) {
            expect_codes(q->weight, t * x->chunk + k + i + UNPACKED_ROWS, first, count);
            x->engine->unpack(q->weight, (t * x->chunk + k + i) * x->columns + first, count, q->rounds, unpacked + i * width * size);
        }
        x->engine->pack_columns(&dense, 0, count, 0, lines, bits_min(UNPACKED_ROWS, padded - k), to + k * BITS_PANEL * size, x->panel_stride);
    }
}

// The same with an int8 weight.
static void pack_int8_columns(const product *x, int64_t first, int64_t count, int64_t t, char *to) {
    const int64_t depth = chunk_depth(x, t), padded = padded_depth(x, t), size = packed_size(x), width = bits_round_up(count, BITS_PANEL);
    _Alignas(64) char unpacked[UNPACKED_ROWS * PANEL * 2 * 4];
    const matrix_operand dense = {.data = unpacked, .stride = width, .dtype = x->engine->packed};
    for (int64_t k = 0; k < depth; k += UNPACKED_ROWS) {
        const int64_t lines = bits_min(UNPACKED_ROWS, depth - k);
        for (int64_t i = 0; i < lines; i++)
            bits_int8_unpack(x->q, t * x->chunk + k + i, first, count, x->engine->packed, unpacked + i * width * size);
        x->engine->pack_columns(&dense, 0, count, 0, lines, bits_min(UNPACKED_ROWS, padded - k), to + k * BITS_PANEL * size, x->panel_stride);
    }
}

// Rows of the weight are columns here: a panel's rows are unpacked, then transposed as a dense operand would be.
static void pack_weight_rows_as_columns(const product *x, int64_t first, int64_t count, int64_t t, char *to) {
    enum { MOST = 2048 };  // bytes of a chunk
    _Alignas(64) char unpacked[BITS_PANEL * (MOST + BITS_ROW_GAP)];
    const bits_four_bit_matrix *const w = x->q->weight;
    const int64_t size = packed_size(x), depth = chunk_depth(x, t), stride = (MOST + BITS_ROW_GAP) / size;
    const matrix_operand dense = {.data = unpacked, .stride = stride, .dtype = x->engine->packed, .along = 1};
    for (int64_t i = 0; i < count; i += BITS_PANEL, to += x->panel_stride) {
        const int64_t rows = bits_min(BITS_PANEL, count - i);
        for (int64_t j = 0; j < rows; j++) {
            expect_codes(w, first + i + j + BITS_PANEL, t * x->chunk, depth);
            x->engine->unpack(w, (first + i + j) * w->columns + t * x->chunk, depth, x->q->rounds, unpacked + j * stride * size);
        }
        x->engine->pack_columns(&dense, 0, rows, 0, depth, padded_depth(x, t), to, x->panel_stride);
    }
}

static void pack_columns(const product *x, int64_t first, int64_t count, int64_t t, char *to) {
    if (x->q->weight && x->q->along) return pack_weight_rows_as_columns(x, first, count, t, to);
    if (x->q->weight) return pack_weight_columns(x, first, count, t, to);
    if (x->q->int8) return pack_int8_columns(x, first, count, t, to);
    x->engine->pack_columns(x->q, first, count, t * x->chunk, chunk_depth(x, t), padded_depth(x, t), to, x->panel_stride);
}

// Packed chunk t of the shared side, from its element i on (counted from shared_first).
static char *shared_at(const product *x, int64_t t, int64_t i) {
    return x->shares_rows ? x->shared + (t * x->shared_units + i) * x->row_stride
                          : x->shared + (t * x->shared_units + i / BITS_PANEL) * x->panel_stride;
}

static void pack_shared_part(void *context, int64_t part) {
    enum { STEP = 64 };
    const product *const x = context;
    const int64_t step = x->shares_rows ? bits_round_up(STEP, x->engine->rows) : STEP;
    const int64_t i = part / x->chunks * step, t = part % x->chunks, count = bits_min(step, x->shared_count - i);
    if (x->shares_rows) pack_rows(x, x->shared_first + i, count, t, shared_at(x, t, i));
    else pack_columns(x, x->shared_first + i, count, t, shared_at(x, t, i));
}

static int64_t shared_parts(const product *x) {
    const int64_t step = x->shares_rows ? bits_round_up(64, x->engine->rows) : 64;
    return (x->shared_count + step - 1) / step * x->chunks;
}

// All tiles of `rows` × `columns` at (r, c), for chunk t.
// A row's worth of tiles is packed just before it is used if `pack_at` says where.
static void run_tiles(const product *x, int64_t t, const char *p, int64_t p_stride, char *pack_at, int64_t rows, const char *q, int64_t columns,
                      int64_t r, int64_t c, float *tiles) {
    const matrix_engine *const e = x->engine;
    const int64_t pieces = (rows + e->rows - 1) / e->rows, step = e->whole_rows ? e->rows : (rows + pieces - 1) / pieces;
    const int64_t padded = padded_depth(x, t);
    float *tile = tiles;
    for (int64_t i = 0; i < rows; i += step) {
        const int64_t height = bits_min(step, rows - i);
        if (pack_at) pack_rows(x, r + i, height, t, pack_at);
        const char *const row = pack_at ? pack_at : p + i * p_stride;
        for (int64_t j = 0; j < columns; j += e->columns) {
            const int64_t width = bits_min(e->columns, columns - j);
            e->tile((int32_t)height, width > BITS_PANEL ? 2 : 1, padded, row, p_stride, q + j / BITS_PANEL * x->panel_stride,
                    x->panel_stride, tile, t > 0);
            if (t == x->chunks - 1) e->store(tile, height, width, x->to, r + i, c + j);
            if (x->chunks > 1) tile += e->rows * BITS_TILE_COLUMNS;
        }
    }
}

static int64_t tile_bytes(const product *x, int64_t rows, int64_t columns) {
    const int64_t one = x->engine->rows * BITS_TILE_COLUMNS * 4;
    if (x->chunks == 1) return one;
    return one * ((rows + x->engine->rows - 1) / x->engine->rows) * ((columns + x->engine->columns - 1) / x->engine->columns);
}

static void run_part(void *context, int64_t part) {
    product *const x = context;
    const int64_t i = part / x->panels * x->block, a = part % x->panels * x->panel;
    const int64_t shared = bits_min(x->block, x->shared_count - i);
    const int64_t own = bits_min(x->panel, (x->shares_rows ? x->columns : x->rows) - a);
    const int64_t rows = x->shares_rows ? shared : own, columns = x->shares_rows ? own : shared;
    const int64_t r = x->shares_rows ? x->shared_first + i : a, c = x->shares_rows ? a : x->shared_first + i;

    const int64_t tiles_size = bits_round_up(tile_bytes(x, rows, columns), 64);
    const int64_t own_size = x->shares_rows ? bits_round_up(own, BITS_PANEL) / BITS_PANEL * x->panel_stride
                             : x->direct_rows ? 0
                                              : x->engine->rows * x->row_stride;
    char *const memory = bits_scratch(BITS_SCRATCH_LOCAL, (size_t)(tiles_size + own_size));
    if (!memory) {
        atomic_store(&x->failed, 1);
        return;
    }
    float *const tiles = (float *)memory;
    char *const mine = memory + tiles_size;

    if (x->engine->begin) x->engine->begin();
    for (int64_t t = 0; t < x->chunks; t++) {
        const char *p = NULL, *q;
        char *pack_at = NULL;
        int64_t p_stride = x->row_stride;
        if (x->direct_rows) {
            const int64_t size = packed_size(x);
            p_stride = x->p->stride * size;
            p = x->p->data + r * p_stride + t * x->chunk * size;
        } else if (x->shares_rows) {
            p = shared_at(x, t, i);
        } else {
            pack_at = mine;
        }
        if (x->shares_rows) {
            pack_columns(x, c, columns, t, mine);
            q = mine;
        } else {
            q = shared_at(x, t, i);
        }
        run_tiles(x, t, p, p_stride, pack_at, rows, q, columns, r, c, tiles);
    }
    if (x->engine->end) x->engine->end();
}

// Rows that are already what packing would make of them, unless they would all fall into one set of the first-level cache.
static int reads_rows_directly(const product *x) {
    const matrix_engine *const e = x->engine;
    const matrix_operand *const p = x->p;
    return !p->weight && p->along && p->dtype == e->packed && p->rounds == BITS_F32 && x->depth % e->depth_unit == 0 && x->depth > 0
           && !(e->whole_rows && x->rows % e->rows) && p->stride * packed_size(x) % 4096 != 0;
}

static void plan_chunks(product *x) {
    const int64_t most = x->engine->chunk / packed_size(x);
    x->chunks = bits_max(1, (x->depth + most - 1) / most);
    x->chunk = bits_max(x->engine->depth_unit, bits_round_up((x->depth + x->chunks - 1) / x->chunks, x->p->ordered ? 128 : 64));
    x->chunks = bits_max(1, (x->depth + x->chunk - 1) / x->chunk);
    x->row_stride = bits_round_up(x->chunk * packed_size(x), 64) + BITS_ROW_GAP;
    x->panel_stride = bits_round_up(x->chunk, x->engine->depth_unit) * BITS_PANEL * packed_size(x);
}

// Cuts both sides so that parts are many enough to share, and large enough to be worth their packing.
static void plan_parts(product *x, int64_t threads, int64_t *shared_most) {
    const matrix_engine *const e = x->engine;
    const int64_t outer = x->shares_rows ? x->columns : x->rows, shared = x->shares_rows ? x->rows : x->columns;
    const int unpacks_columns = x->shares_rows && x->q->weight && !x->q->along;
    const int64_t outer_unit = unpacks_columns ? WEIGHT_PANEL / 2 : x->shares_rows ? e->columns : e->rows;
    const int64_t shared_unit = x->shares_rows ? e->rows : e->columns;
    const int64_t bytes = bits_max(1, x->depth) * packed_size(x);
    const int64_t most = bits_max(64, bits_min(BLOCK_COLUMNS, (e->whole_rows ? TILE_BLOCK_BYTES : BLOCK_BYTES) / bytes));
    const int64_t blocks = (shared + most - 1) / most;
    x->block = bits_round_up((shared + blocks - 1) / blocks, shared_unit);
    *shared_most = bits_max(1, SHARED_BYTES / bytes / x->block) * x->block;

    const int64_t units = (outer + outer_unit - 1) / outer_unit;
    const int64_t panel = unpacks_columns ? WEIGHT_PANEL : PANEL;
    int64_t panels = (outer + panel - 1) / panel;
    if (threads > 1) panels = bits_max(panels, bits_min(units, (4 * threads + blocks - 1) / blocks));
    x->panel = bits_round_up((outer + panels - 1) / panels, outer_unit);
    x->panels = (outer + x->panel - 1) / x->panel;
}

static void run_all(int64_t parts, bits_part_fn function, product *x, int64_t threads) {
    if (threads > 1) return bits_pool_run(parts, function, x);
    for (int64_t part = 0; part < parts; part++) function(x, part);
}

int32_t bits_matrix_run(const matrix_engine *engine, const matrix_operand *p, const matrix_operand *q, int64_t rows, int64_t columns,
                        int64_t depth, const matrix_result *to) {
    if (rows == 0 || columns == 0) return BITS_OK;
    product x = {.engine = engine, .p = p, .q = q, .to = to, .rows = rows, .columns = columns, .depth = depth};
    const int64_t threads = (double)rows * (double)columns * (double)depth < SERIAL_PRODUCTS ? 1 : bits_pool_threads();
    x.shares_rows = q->weight || q->int8 ? 1 : p->weight ? 0 : rows < columns;
    plan_chunks(&x);
    x.direct_rows = reads_rows_directly(&x);
    int64_t shared_most;
    plan_parts(&x, threads, &shared_most);

    const int64_t shared = x.shares_rows ? rows : columns;
    for (x.shared_first = 0; x.shared_first < shared; x.shared_first += shared_most) {
        x.shared_count = bits_min(shared_most, shared - x.shared_first);
        if (!(x.shares_rows && x.direct_rows)) {
            const int64_t padded = bits_round_up(x.shared_count, x.shares_rows ? engine->rows : engine->columns);
            x.shared_units = x.shares_rows ? padded : padded / BITS_PANEL;
            x.shared = bits_scratch(BITS_SCRATCH_SHARED, (size_t)(x.chunks * x.shared_units * (x.shares_rows ? x.row_stride : x.panel_stride)));
            if (!x.shared) return BITS_NO_MEMORY;
            run_all(shared_parts(&x), pack_shared_part, &x, x.shared_count * depth < SERIAL_PRODUCTS / 16 ? 1 : threads);
        }
        run_all((x.shared_count + x.block - 1) / x.block * x.panels, run_part, &x, threads);
    }
    return atomic_load(&x.failed) ? BITS_NO_MEMORY : BITS_OK;
}
