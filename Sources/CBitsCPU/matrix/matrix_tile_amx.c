// Tiles of 32 × 32 with AMX: packed rows are its first operand as they lie, packed panels its second.
#include "matrix/matrix_avx512.h"
#include "int8/matrix_int8.h"
#if BITS_X86

enum { TILE_BYTES = 64, PANEL_BYTES_PER_STEP = 16 * TILE_BYTES, STRIDE = BITS_TILE_COLUMNS * 4 };

typedef struct {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} tile_configuration;

// Tiles belong to a thread, and holding them makes its switches dearer: each part takes and gives them back.
BITS_TARGET_AMX static void begin(void) {
    tile_configuration all = {.palette = 1};
    for (int i = 0; i < 8; i++) {
        all.row_bytes[i] = TILE_BYTES;
        all.rows[i] = 16;
    }
    _tile_loadconfig(&all);
}

BITS_TARGET_AMX static void end(void) { _tile_release(); }

// The tile function for one type of product; k is in steps of 64 bytes.
#define DEFINE_TILE(name, multiply, k_per_step)                                                                               \
    BITS_TARGET_AMX static void name(int32_t rows, int32_t panels, int64_t depth, const char *p, int64_t p_stride, const char *q, \
                                     int64_t panel_stride, float *tile, int32_t accumulates) {                                \
        float *const below = tile + 16 * BITS_TILE_COLUMNS;                                                                   \
        const char *const lower = p + 16 * p_stride, *const right = q + panel_stride;                                         \
        const int tall = rows > 16, wide = panels == 2;                                                                       \
        _tile_zero(0);                                                                                                        \
        _tile_zero(1);                                                                                                        \
        _tile_zero(2);                                                                                                        \
        _tile_zero(3);                                                                                                        \
        if (accumulates) {                                                                                                    \
            _tile_loadd(0, tile, STRIDE);                                                                                     \
            if (wide) _tile_loadd(1, tile + 16, STRIDE);                                                                      \
            if (tall) _tile_loadd(2, below, STRIDE);                                                                          \
            if (tall && wide) _tile_loadd(3, below + 16, STRIDE);                                                             \
        }                                                                                                                     \
        const int64_t steps = depth / (k_per_step);                                                                           \
        if (tall && wide) {                                                                                                   \
            for (int64_t k = 0; k < steps; k++) {                                                                             \
                _tile_loadd(4, p + k * TILE_BYTES, p_stride);                                                                 \
                _tile_loadd(6, q + k * PANEL_BYTES_PER_STEP, TILE_BYTES);                                                     \
                multiply(0, 4, 6);                                                                                            \
                _tile_loadd(5, lower + k * TILE_BYTES, p_stride);                                                             \
                multiply(2, 5, 6);                                                                                            \
                _tile_loadd(7, right + k * PANEL_BYTES_PER_STEP, TILE_BYTES);                                                 \
                multiply(1, 4, 7);                                                                                            \
                multiply(3, 5, 7);                                                                                            \
            }                                                                                                                 \
        } else if (tall) {                                                                                                    \
            for (int64_t k = 0; k < steps; k++) {                                                                             \
                _tile_loadd(6, q + k * PANEL_BYTES_PER_STEP, TILE_BYTES);                                                     \
                _tile_loadd(4, p + k * TILE_BYTES, p_stride);                                                                 \
                multiply(0, 4, 6);                                                                                            \
                _tile_loadd(5, lower + k * TILE_BYTES, p_stride);                                                             \
                multiply(2, 5, 6);                                                                                            \
            }                                                                                                                 \
        } else {                                                                                                              \
            for (int64_t k = 0; k < steps; k++) {                                                                             \
                _tile_loadd(4, p + k * TILE_BYTES, p_stride);                                                                 \
                _tile_loadd(6, q + k * PANEL_BYTES_PER_STEP, TILE_BYTES);                                                     \
                multiply(0, 4, 6);                                                                                            \
                if (!wide) continue;                                                                                          \
                _tile_loadd(7, right + k * PANEL_BYTES_PER_STEP, TILE_BYTES);                                                 \
                multiply(1, 4, 7);                                                                                            \
            }                                                                                                                 \
        }                                                                                                                     \
        _tile_stored(0, tile, STRIDE);                                                                                        \
        if (wide) _tile_stored(1, tile + 16, STRIDE);                                                                         \
        if (tall) _tile_stored(2, below, STRIDE);                                                                             \
        if (tall && wide) _tile_stored(3, below + 16, STRIDE);                                                                \
    }

DEFINE_TILE(tile_bf16, _tile_dpbf16ps, 32)
DEFINE_TILE(tile_i8, _tile_dpbssd, 64)

#define TILES .rows = 32, .whole_rows = 1, .columns = 32, .chunk = 1024, .begin = begin, .end = end

const matrix_engine bits_matrix_amx = {
    TILES,
    .packed = BITS_BF16,
    .depth_unit = 32,
    .pack_rows = bits_pack_rows_bf16_avx512,
    .pack_columns = bits_pack_columns_bf16_avx512,
    .unpack = bits_unpack_bf16_avx512,
    .tile = tile_bf16,
    .store = bits_store_bf16_avx512,
    .dots = bits_dots_bf16_avx512,
    .order = bits_order_bf16_avx512,
    .unpack_ordered = bits_unpack_ordered_bf16_avx512,
    .four_bit_dots = bits_four_bit_dots_bf16_avx512,
    .few = 3,
    .few_four_bit = 3,
};

const matrix_engine bits_int8_amx = {
    TILES,
    .packed = BITS_I8,
    .depth_unit = 64,
    .pack_rows = bits_pack_rows_i8_avx512,
    .pack_columns = bits_pack_columns_i8_avx512,
    .tile = tile_i8,
    .store = bits_int8_store,
};
#endif
