// Sums, means, maxima and sums of squares along an axis, and the place of the largest element of a row.
//
// Long axes are cut into pieces whose results are reduced again by the same functions: which pieces there are depends on the sizes and the device alone.

#include "rows.cuh"

// What is reduced so far, by a rule that says where to begin, what an element adds and how two such values become one.
template <typename Rule> struct Total {
    float value = Rule::start();

    __device__ void add(float x) { value = Rule::join(value, Rule::term(x)); }
    __device__ void join(float other) { value = Rule::join(value, other); }
    __device__ void join_warp() {
        for (int h = 16; h > 0; h >>= 1) join(__shfl_xor_sync(FULL_WARP, value, h));
    }

    // Of all threads of the group, in each of them.
    __device__ void join(const Group &group, float *shared) {
        join_warp();
        if (group.is_warp) return;
        if ((threadIdx.x & 31) == 0) shared[threadIdx.x >> 5] = value;
        __syncthreads();
        value = (threadIdx.x & 31) < blockDim.x >> 5 ? shared[threadIdx.x & 31] : Rule::start();
        join_warp();
    }
};

struct Sum {
    __device__ static float start() { return 0.0f; }
    __device__ static float term(float x) { return x; }
    __device__ static float join(float a, float b) { return a + b; }
};

struct SumOfSquares : Sum {
    __device__ static float term(float x) { return x * x; }
};

// NaN where an element is.
struct Maximum {
    __device__ static float start() { return -INFINITE; }
    __device__ static float term(float x) { return x; }
    __device__ static float join(float a, float b) { return b > a || isnan(b) ? b : a; }
};

// Fours of a thread whose loads are under way together.
enum { FOURS = 4 };

// Each row of [rows, axis] in pieces, into y[row, piece]; divided by `divisor` for a mean.
template <typename Rule>
__device__ __forceinline__ void reduce_rows(
    const void *x, int x_type, int64 rows, int64 axis, int64 piece, int64 pieces, float divisor, void *y, int y_type, int is_warp) {
    __shared__ float totals[32];
    begin_launch();
    const Group group(is_warp);
    const int64 row = group.row / pieces, first_element = group.row % pieces * piece;
    if (row >= rows) return;
    const int64 width = first_element + piece < axis ? piece : axis - first_element, start = row * axis + first_element;
    const Row part(x, x_type, start, width, Row::lead_of(x, x_type, start));

    // Four totals, for short chains of additions.
    Total<Rule> own[4];
    for (int64 first = 4 * group.lane - part.lead; first < width; first += (int64)4 * FOURS * group.lanes) {
        uint4 read[FOURS];
#pragma unroll
        for (int k = 0; k < FOURS; k++) {
            const int64 i = first + 4 * k * group.lanes;
            read[k] = i < width ? part.read(i) : make_uint4(0, 0, 0, 0);
        }
#pragma unroll
        for (int k = 0; k < FOURS; k++) {
            const float4 v = part.widened(read[k], first + 4 * k * group.lanes, Rule::start());
            own[0].add(v.x);
            own[1].add(v.y);
            own[2].add(v.z);
            own[3].add(v.w);
        }
    }
    own[0].join(own[1].value);
    own[2].join(own[3].value);
    own[0].join(own[2].value);
    own[0].join(group, totals);
    if (group.lane == 0) store_float(y, y_type, group.row, own[0].value / divisor);
}

enum { WARPS = 8, COLUMNS = 128 };

// The middle axis of [outer, axis, inner] in pieces, into y[outer, piece, inner]. A block has one piece of COLUMNS columns, a warp every eighth element of
// the axis, a lane four columns.
template <typename Rule>
__device__ __forceinline__ void reduce_columns(
    const void *x, int x_type, int64 axis, int64 inner, int64 piece, int64 pieces, float divisor, void *y, int y_type) {
    __shared__ float totals[WARPS][COLUMNS];
    begin_launch();
    const int warp = threadIdx.x >> 5, lane = threadIdx.x & 31;
    const int64 blocks = (inner + COLUMNS - 1) / COLUMNS, first_column = blockIdx.x % blocks * COLUMNS, column = first_column + 4 * lane;
    // Number of [outer, piece].
    const int64 part = blockIdx.x / blocks;
    const int64 outer = part / pieces, first = part % pieces * piece, end = first + piece < axis ? first + piece : axis;

    Total<Rule> own[4];
    if (column < inner) {
#pragma unroll 4
        for (int64 a = first + warp; a < end; a += WARPS) {
            const Row row(x, x_type, (outer * axis + a) * inner, inner);
            const float4 v = row.widened(row.read(column), column);
            own[0].add(v.x);
            own[1].add(v.y);
            own[2].add(v.z);
            own[3].add(v.w);
        }
    }
#pragma unroll
    for (int j = 0; j < 4; j++) totals[warp][4 * lane + j] = own[j].value;
    __syncthreads();
    const int64 target = first_column + threadIdx.x;
    if (threadIdx.x >= COLUMNS || target >= inner) return;
    Total<Rule> total;
#pragma unroll
    for (int k = 0; k < WARPS; k++) total.join(totals[k][threadIdx.x]);
    store_float(y, y_type, part * inner + target, total.value / divisor);
}

#define REDUCTIONS(RULE, NAME) \
    extern "C" __global__ void __launch_bounds__(1024) reduce_rows_##NAME( \
        const void *x, int x_type, int64 rows, int64 axis, int64 piece, int64 pieces, float divisor, void *y, int y_type, int is_warp) { \
        reduce_rows<RULE>(x, x_type, rows, axis, piece, pieces, divisor, y, y_type, is_warp); \
    } \
    extern "C" __global__ void __launch_bounds__(32 * WARPS) reduce_columns_##NAME( \
        const void *x, int x_type, int64 axis, int64 inner, int64 piece, int64 pieces, float divisor, void *y, int y_type) { \
        reduce_columns<RULE>(x, x_type, axis, inner, piece, pieces, divisor, y, y_type); \
    }
REDUCTIONS(Sum, sum)
REDUCTIONS(SumOfSquares, squares)
REDUCTIONS(Maximum, maximum)

// MARK: The largest element

// An element and its place; NaN counts as smallest, the first of equals as largest.
struct Largest {
    float value;
    int64 place;

    __device__ void consider(float x, int64 at) {
        const bool is_larger = x > value || (isnan(value) && !isnan(x));
        const bool is_equal = x == value || (isnan(value) && isnan(x));
        if (is_larger || (is_equal && at < place)) {
            value = x;
            place = at;
        }
    }

    __device__ void join_warp() {
        for (int h = 16; h > 0; h >>= 1) {
            const float x = __shfl_xor_sync(FULL_WARP, value, h);
            const int64 at = __shfl_xor_sync(FULL_WARP, place, h);
            consider(x, at);
        }
    }
};

extern "C" __global__ void __launch_bounds__(1024) argmax(const void *x, int x_type, void *y, int y_type, int64 rows, int64 width, int is_warp) {
    begin_launch();
    __shared__ float values[32];
    __shared__ int64 places[32];
    const Group group(is_warp);
    if (group.row >= rows) return;
    const int64 start = group.row * width;
    const Row row(x, x_type, start, width, Row::lead_of(x, x_type, start));

    Largest largest = {NOT_A_NUMBER, width};
    for (int64 first = 4 * group.lane - row.lead; first < width; first += (int64)4 * FOURS * group.lanes) {
        uint4 read[FOURS];
#pragma unroll
        for (int k = 0; k < FOURS; k++) {
            const int64 i = first + 4 * k * group.lanes;
            read[k] = i < width ? row.read(i) : make_uint4(0, 0, 0, 0);
        }
#pragma unroll
        for (int k = 0; k < FOURS; k++) {
            const int64 i = first + 4 * k * group.lanes;
            const float4 v = row.widened(read[k], i, NOT_A_NUMBER);
            // Outside the row there are only numbers that lose to all others, behind them; before it they must not count as first.
            if (i >= 0) largest.consider(v.x, i);
            if (i + 1 >= 0) largest.consider(v.y, i + 1);
            if (i + 2 >= 0) largest.consider(v.z, i + 2);
            largest.consider(v.w, i + 3);
        }
    }
    largest.join_warp();
    if (!group.is_warp) {
        if ((threadIdx.x & 31) == 0) {
            values[threadIdx.x >> 5] = largest.value;
            places[threadIdx.x >> 5] = largest.place;
        }
        __syncthreads();
        const bool exists = (threadIdx.x & 31) < blockDim.x >> 5;
        largest = {exists ? values[threadIdx.x & 31] : NOT_A_NUMBER, exists ? places[threadIdx.x & 31] : width};
        largest.join_warp();
    }
    if (group.lane != 0) return;
    if (y_type == INT32) ((int *)y)[group.row] = (int)largest.place;
    else ((int64 *)y)[group.row] = largest.place;
}
