// Exact products of int8 matrices, and what becomes of their sums.
#include "int8/matrix_int8.h"
#include "base/half.h"
#include <stddef.h>
#include <string.h>

enum {
    NARROW = 64,          // rows up to which transposing the result is cheaper than transposing the other operand
    TILE_ROWS = 32,       // most rows of any engine's tile
    OUTLIERS_AT_ONCE = 64 // of a tile's, where the weight's are taken from it
};

static const matrix_engine *engine_for(int few) {
#if BITS_X86
    const int32_t level = bits_cpu_level(), features = bits_cpu_features();
    if (!few && features & BITS_HAS_AMX_INT8) return &bits_int8_amx;
    if (features & BITS_HAS_AVX512_VNNI) return &bits_int8_avx512_vnni;
    if (level >= BITS_AVX2) return &bits_int8_avx2;
#else
    (void)few;
#endif
    return &bits_int8_portable;
}

bits_int8_plan bits_int8_plan_for(int64_t m, int64_t n, int along) {
    const int few = along && bits_min(m, n) <= BITS_DOTS_VECTORS;
    // The larger operand should stay as it lies, unless there is enough work to pay for transposing it.
    return (bits_int8_plan){.engine = engine_for(few), .few = few, .transposed = along && (few ? m <= n : m < n && m <= NARROW)};
}

int32_t bits_int8_run(const bits_int8_plan *plan, const matrix_operand *a, const matrix_operand *b, int64_t m, int64_t n, int64_t depth,
                      const matrix_result *to) {
    matrix_result result = *to;
    result.transposed = plan->transposed;
    const matrix_operand *const p = plan->transposed ? b : a, *const q = plan->transposed ? a : b;
    const int64_t rows = plan->transposed ? n : m, columns = plan->transposed ? m : n;
    if (!plan->few) return bits_matrix_run(plan->engine, p, q, rows, columns, depth, &result);
    matrix_rows set = {.from = *p, .count = rows, .to = result};
    set.to.transposed = !plan->transposed;
    return bits_matrix_run_few(plan->engine, &set, 1, q, columns, depth);
}

int32_t bits_cpu_int8_product(const int8_t *a, const int8_t *b, int32_t *c, int64_t m, int64_t n, int64_t k) {
    if (m < 0 || n < 0 || k < 0) return BITS_BAD_SIZE;
    if (m == 0 || n == 0) return BITS_OK;
    const matrix_operand left = {.data = (const char *)a, .stride = k, .dtype = BITS_I8, .along = 1};
    const matrix_operand right = {.data = (const char *)b, .stride = k, .dtype = BITS_I8, .along = 1};
    const matrix_result to = {.data = (char *)c, .stride = n, .dtype = BITS_I32};
    const bits_int8_plan plan = bits_int8_plan_for(m, n, 1);
    return bits_int8_run(&plan, &left, &right, m, n, k, &to);
}

void bits_int8_weight_outliers(const bits_int8_epilogue *x, int64_t first, int64_t rows, int64_t row_step, int64_t step, float *to) {
    const bits_int8_matrix *const w = x->weight;
    for (int64_t i = 0; i < rows; i++) {
        const int8_t *const codes = w->codes + (first + i) * w->columns;
        const int known = first + i < w->rows;
        const float scale = known ? w->scales[first + i] : 0, unit = 1.0f / 127;
        for (int64_t o = 0; o < x->count; o++) {
            float value = known ? (float)codes[x->indices[o]] * scale * unit : 0;
            if (x->dtype == BITS_BF16) value = bits_bf16_to_f32(bits_f32_to_bf16(value));
            if (x->dtype == BITS_F16) value = bits_f16_to_f32(bits_f32_to_f16(value));
            to[i * row_step + o * step] = value;
        }
    }
}

// What outlier columns add to the tile at (r, c): rows of tiles are the activation, or the weight where the result is transposed.
static void outlier_sums(const bits_int8_epilogue *x, int transposed, int64_t rows, int64_t columns, int64_t r, int64_t c, float *sums) {
    const float *const row_side = (transposed ? x->weights : x->activation) + r * x->count;
    for (int64_t j = 0; j < columns; j += BITS_PANEL) {
        const int64_t panel = (c + j) / BITS_PANEL * BITS_PANEL * x->count;
        x->loops->multiply_outliers(row_side, rows, (transposed ? x->activation : x->weights) + panel, x->count, sums + j);
    }
}

// The same where the weight's side (columns) has not been prepared.
static void outlier_sums_from_weight(const bits_int8_epilogue *x, int64_t rows, int64_t columns, int64_t r, int64_t c, float *sums) {
    float panel[OUTLIERS_AT_ONCE * BITS_PANEL], activation[BITS_DOTS_VECTORS * OUTLIERS_AT_ONCE], more[BITS_DOTS_VECTORS * BITS_TILE_COLUMNS];
    for (int64_t first = 0; first < x->count; first += OUTLIERS_AT_ONCE) {
        bits_int8_epilogue part = *x;
        part.count = bits_min(OUTLIERS_AT_ONCE, x->count - first);
        part.indices = x->indices + first;
        for (int64_t i = 0; i < rows; i++)
            memcpy(activation + i * part.count, x->activation + (r + i) * x->count + first, (size_t)part.count * sizeof *activation);
        for (int64_t j = 0; j < columns; j += BITS_PANEL) {
            bits_int8_weight_outliers(&part, c + j, BITS_PANEL, 1, BITS_PANEL, panel);
            x->loops->multiply_outliers(activation, rows, panel, part.count, first == 0 ? sums + j : more);
            for (int64_t i = 0; first > 0 && i < rows; i++)
                for (int64_t k = 0; k < BITS_PANEL; k++) sums[i * BITS_TILE_COLUMNS + j + k] += more[i * BITS_TILE_COLUMNS + k];
        }
    }
}

static void transpose(const float *tile, int64_t rows, int64_t columns, float *to) {
    for (int64_t j = 0; j < columns; j++)
        for (int64_t i = 0; i < rows; i++) memcpy(to + j * BITS_TILE_COLUMNS + i, tile + i * BITS_TILE_COLUMNS + j, sizeof *to);
}

static void store_rescaled(const float *tile, int64_t rows, int64_t columns, const matrix_result *to, int64_t r, int64_t c) {
    const bits_int8_epilogue *const x = to->epilogue;
    float added[TILE_ROWS * BITS_TILE_COLUMNS], sums_across[TILE_ROWS * BITS_TILE_COLUMNS], added_across[TILE_ROWS * BITS_TILE_COLUMNS];
    const float *sums = tile, *more = x->count > 0 ? added : NULL;
    if (more && x->weights) outlier_sums(x, to->transposed, rows, columns, r, c, added);
    else if (more) outlier_sums_from_weight(x, rows, columns, r, c, added);
    if (to->transposed) {
        transpose(tile, rows, columns, sums_across);
        if (more) transpose(added, rows, columns, added_across);
        sums = sums_across;
        more = more ? added_across : NULL;
    }
    const int64_t lines = to->transposed ? columns : rows, count = to->transposed ? rows : columns;
    const int64_t line = to->transposed ? c : r, first = to->transposed ? r : c, size = bits_element_size(to->dtype);
    const char *const bias = to->bias ? to->bias + first * bits_element_size(to->bias_dtype) : NULL;
    for (int64_t i = 0; i < lines; i++)
        x->loops->rescale((const int32_t *)(const void *)(sums + i * BITS_TILE_COLUMNS), count, x->row_scales[line + i], x->column_scales + first, bias,
                          to->bias_dtype, more ? more + i * BITS_TILE_COLUMNS : NULL, to->data + ((line + i) * to->stride + first) * size, to->dtype);
}

void bits_int8_store(const float *tile, int64_t rows, int64_t columns, const matrix_result *to, int64_t r, int64_t c) {
    if (to->epilogue) return store_rescaled(tile, rows, columns, to, r, c);
    float across[TILE_ROWS * BITS_TILE_COLUMNS];
    if (to->transposed) transpose(tile, rows, columns, across);
    const float *const sums = to->transposed ? across : tile;
    const int64_t lines = to->transposed ? columns : rows, count = to->transposed ? rows : columns;
    const int64_t line = to->transposed ? c : r, first = to->transposed ? r : c;
    for (int64_t i = 0; i < lines; i++)
        memcpy(to->data + ((line + i) * to->stride + first) * 4, sums + i * BITS_TILE_COLUMNS, (size_t)count * 4);
}
