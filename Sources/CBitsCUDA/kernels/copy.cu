// Fills, and copies with strides and conversions.

// An element over and over, `pattern` holding its bytes as often as they fit; elements lie at multiples of their size.
extern "C" __global__ void __launch_bounds__(256) fill(uint8 *y, int64 bytes, uint64 pattern) {
    begin_launch();
    const uint64 misplaced = -(uint64)y & 15;
    const int64 before = misplaced < bytes ? misplaced : bytes, vectors = (bytes - before) / 16, after = before + 16 * vectors;
    const ulonglong2 twice = make_ulonglong2(pattern, pattern);
    for (int64 i = thread_index(); i < vectors; i += thread_count()) ((ulonglong2 *)(y + before))[i] = twice;
    const int64 i = thread_index();
    if (i < before) y[i] = (uint8)(pattern >> 8 * ((uint64)(y + i) & 7));
    if (i < bytes - after) y[after + i] = (uint8)(pattern >> 8 * ((uint64)(y + after + i) & 7));
}

// MARK: Conversions

__device__ __forceinline__ int64 clamped(int64 x, int64 low, int64 high) { return x < low ? low : x > high ? high : x; }

// Toward zero; NaN is 0, beyond 2^62 it saturates.
__device__ __forceinline__ int64 truncated(float x) {
    if (isnan(x)) return 0;
    if (x >= 4611686018427387904.0f) return 1ll << 62;
    if (x <= -4611686018427387904.0f) return -(1ll << 62);
    return (int64)x;
}

__device__ __forceinline__ int64 load_integer(const void *array, int type, int64 i) {
    switch (type) {
    case INT8: return ((const int8 *)array)[i];
    case INT32: return ((const int *)array)[i];
    case INT64: return ((const int64 *)array)[i];
    default: return ((const uint8 *)array)[i];
    }
}

__device__ __forceinline__ void store_integer(void *array, int type, int64 i, int64 x) {
    switch (type) {
    case INT8: ((int8 *)array)[i] = (int8)clamped(x, -128, 127); break;
    case INT32: ((int *)array)[i] = (int)clamped(x, -2147483647 - 1, 2147483647); break;
    case INT64: ((int64 *)array)[i] = x; break;
    case BOOL: ((uint8 *)array)[i] = x != 0; break;
    default: ((uint8 *)array)[i] = (uint8)clamped(x, 0, 255); break;
    }
}

__device__ __forceinline__ bool is_float(int type) { return type <= BFLOAT16; }

// y[j] = x[i] by the types' rules.
__device__ __forceinline__ void convert(const void *x, int x_type, int64 i, void *y, int y_type, int64 j) {
    if (is_float(x_type)) {
        const float value = load_float(x, x_type, i);
        if (is_float(y_type)) store_float(y, y_type, j, value);
        else store_integer(y, y_type, j, y_type == BOOL ? value != 0.0f : truncated(value));
    } else {
        const int64 value = load_integer(x, x_type, i);
        if (is_float(y_type)) store_float(y, y_type, j, (float)value);
        else store_integer(y, y_type, j, value);
    }
}

// MARK: Strides

// Where unit `number` of the shape lies in both arrays.
__device__ __forceinline__ void find_unit(int64 number, const Axes &sizes, const Axes &x_strides, const Axes &y_strides, int64 &in_x, int64 &in_y) {
    in_x = in_y = 0;
#pragma unroll
    for (int axis = AXES - 1; axis >= 0; axis--) {
        const int64 place = take_axis(number, sizes.of[axis]);
        in_x += place * x_strides.of[axis];
        in_y += place * y_strides.of[axis];
    }
}

// Units of a thread whose loads are under way together.
enum { UNITS = 4 };

// Units of so many bytes as they are: an element, or several that lie together in both arrays. Strides are in units.
template <typename Unit>
__device__ __forceinline__ void copy_units(const Unit *x, const Axes &x_strides, Unit *y, const Axes &y_strides, const Axes &sizes, int64 count) {
    begin_launch();
    for (int64 start = (int64)blockIdx.x * blockDim.x * UNITS; start < count; start += (int64)gridDim.x * blockDim.x * UNITS) {
        Unit read[UNITS];
        int64 in_y[UNITS];
#pragma unroll
        for (int k = 0; k < UNITS; k++) {
            const int64 i = start + k * blockDim.x + threadIdx.x;
            int64 in_x = 0;
            find_unit(i < count ? i : 0, sizes, x_strides, y_strides, in_x, in_y[k]);
            if (i < count) read[k] = x[in_x];
        }
#pragma unroll
        for (int k = 0; k < UNITS; k++)
            if (start + k * blockDim.x + threadIdx.x < count) y[in_y[k]] = read[k];
    }
}

#define COPY(BYTES, UNIT) \
    extern "C" __global__ void __launch_bounds__(256) copy_##BYTES( \
        const UNIT *x, Axes x_strides, UNIT *y, Axes y_strides, Axes sizes, int64 count) { \
        copy_units(x, x_strides, y, y_strides, sizes, count); \
    }
COPY(1, uint8)
COPY(2, uint16)
COPY(4, uint32)
COPY(8, uint64)
COPY(16, uint4)

// Elements of any types.
extern "C" __global__ void __launch_bounds__(256) copy_converting(
    const void *x, int x_type, Axes x_strides, void *y, int y_type, Axes y_strides, Axes sizes, int64 count) {
    begin_launch();
    for (int64 i = thread_index(); i < count; i += thread_count()) {
        int64 in_x, in_y;
        find_unit(i, sizes, x_strides, y_strides, in_x, in_y);
        convert(x, x_type, in_x, y, y_type, in_y);
    }
}

// Floating-point numbers, four together in both arrays: strides are in fours, the addresses take them.
extern "C" __global__ void __launch_bounds__(256) copy_converting_fours(
    const void *x, int x_type, Axes x_strides, void *y, int y_type, Axes y_strides, Axes sizes, int64 count) {
    begin_launch();
    for (int64 start = (int64)blockIdx.x * blockDim.x * UNITS; start < count; start += (int64)gridDim.x * blockDim.x * UNITS) {
        uint4 read[UNITS];
        int64 in_y[UNITS];
#pragma unroll
        for (int k = 0; k < UNITS; k++) {
            const int64 i = start + k * blockDim.x + threadIdx.x;
            int64 in_x = 0;
            find_unit(i < count ? i : 0, sizes, x_strides, y_strides, in_x, in_y[k]);
            if (i < count) read[k] = load_four(x, x_type, 4 * in_x);
        }
#pragma unroll
        for (int k = 0; k < UNITS; k++)
            if (start + k * blockDim.x + threadIdx.x < count) store_four(y, y_type, 4 * in_y[k], widen_four(read[k], x_type));
    }
}

// MARK: Transposition

enum { TILE = 32, TILE_ROWS = 8 };

// The last axis lies together in y, the one before it in x: through tiles in shared memory, so that both are touched in stretches. Elements of the same type
// are copied as they are, others converted as they are written.
template <typename Element>
__device__ __forceinline__ void transpose_tile(
    const Element *x, int x_type, const Axes &x_strides, void *y, int y_type, const Axes &y_strides, const Axes &sizes) {
    __shared__ Element tile[TILE][TILE + 1];
    begin_launch();
    const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
    const int64 rows = sizes.of[AXES - 2], columns = sizes.of[AXES - 1];
    const int64 tiles_of_columns = (columns + TILE - 1) / TILE, tiles_of_rows = (rows + TILE - 1) / TILE;
    int64 number = blockIdx.x;
    const int64 first_column = number % tiles_of_columns * TILE;
    number /= tiles_of_columns;
    const int64 first_row = number % tiles_of_rows * TILE;
    number /= tiles_of_rows;
    int64 in_x = 0, in_y = 0;
#pragma unroll
    for (int axis = AXES - 3; axis >= 0; axis--) {
        const int64 place = take_axis(number, sizes.of[axis]);
        in_x += place * x_strides.of[axis];
        in_y += place * y_strides.of[axis];
    }

#pragma unroll
    for (int k = 0; k < TILE; k += TILE_ROWS) {
        const int64 column = first_column + k + warp, row = first_row + lane;
        if (column < columns && row < rows) tile[k + warp][lane] = x[in_x + row * x_strides.of[AXES - 2] + column * x_strides.of[AXES - 1]];
    }
    __syncthreads();
    const int64 column = first_column + lane;
    if (column >= columns) return;
    in_y += column * y_strides.of[AXES - 1];
    const int64 y_row = y_strides.of[AXES - 2];
    if (x_type == y_type) {
#pragma unroll
        for (int k = warp; k < TILE; k += TILE_ROWS)
            if (first_row + k < rows) ((Element *)y)[in_y + (first_row + k) * y_row] = tile[lane][k];
    } else {
#pragma unroll 1
        for (int k = warp; k < TILE; k += TILE_ROWS)
            if (first_row + k < rows) convert(&tile[lane][k], x_type, 0, y, y_type, in_y + (first_row + k) * y_row);
    }
}

#define TRANSPOSE(BYTES, ELEMENT) \
    extern "C" __global__ void __launch_bounds__(32 * TILE_ROWS) transpose_##BYTES( \
        const ELEMENT *x, int x_type, Axes x_strides, void *y, int y_type, Axes y_strides, Axes sizes) { \
        transpose_tile(x, x_type, x_strides, y, y_type, y_strides, sizes); \
    }
TRANSPOSE(1, uint8)
TRANSPOSE(2, uint16)
TRANSPOSE(4, uint32)
TRANSPOSE(8, uint64)
