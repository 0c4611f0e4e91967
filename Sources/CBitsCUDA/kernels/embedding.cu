// Rows of a table by their numbers, and the gradient of that.

#include "rows.cuh"

// A block copies 4 * blockDim.x elements of one row.
extern "C" __global__ void __launch_bounds__(256) embedding_gather(
    const void *table, int table_type, int64 vocabulary, int64 width, const void *indices, int indices_type, void *y, int y_type, int64 blocks_per_row) {
    begin_launch();
    const int64 position = blockIdx.x / blocks_per_row;
    const int64 i = 4 * (blockIdx.x % blocks_per_row * blockDim.x + threadIdx.x);
    if (i >= width) return;
    const int64 index = load_index(indices, indices_type, position);
    float4 x = make_float4(0, 0, 0, 0);
    if (index >= 0 && index < vocabulary) {
        const Row from(table, table_type, index * width, width);
        x = from.widened(from.read(i), i);
    }
    Row(y, y_type, position * width, width).write(i, x);
}

// MARK: Gradient

// For each row of the table how often it occurs, and `count` less where it does first; both are 0 before.
extern "C" __global__ void __launch_bounds__(256) embedding_find(
    const void *indices, int indices_type, int64 count, int64 vocabulary, uint32 *occurrences, uint32 *firsts) {
    begin_launch();
    const int64 i = thread_index();
    if (i >= count) return;
    const int64 index = load_index(indices, indices_type, i);
    if (index < 0 || index >= vocabulary) return;
    atomicAdd(occurrences + index, 1u);
    atomicMax(firsts + index, (uint32)(count - i));
}

enum { THREADS = 256, PER_THREAD = 4, COLUMNS = THREADS * 4 * PER_THREAD };

// Adds the gradients of one row of the table in the order of their positions, COLUMNS columns a block. The block of a position works where the row occurs
// there first; it looks for the other occurrences THREADS positions at a time.
extern "C" __global__ void __launch_bounds__(THREADS) embedding_add(
    const void *dy, int dy_type, const void *indices, int indices_type, int64 count, int64 width, int64 vocabulary, const uint32 *occurrences,
    const uint32 *firsts, void *table, int table_type) {
    begin_launch();
    __shared__ uint32 found[THREADS];
    __shared__ int found_by_warp[THREADS / 32];
    const int64 position = blockIdx.x;
    const int64 index = load_index(indices, indices_type, position);
    if (index < 0 || index >= vocabulary || firsts[index] != (uint32)(count - position)) return;

    const Row row(table, table_type, index * width, width);
    const int64 first_column = (int64)blockIdx.y * COLUMNS + 4 * threadIdx.x;
    float4 sums[PER_THREAD];
#pragma unroll
    for (int k = 0; k < PER_THREAD; k++) {
        const int64 i = first_column + 4 * THREADS * k;
        sums[k] = i < width ? row.widened(row.read(i), i) : make_float4(0, 0, 0, 0);
    }
    auto add = [&](int64 from) {
        const Row gradient(dy, dy_type, from * width, width);
#pragma unroll
        for (int k = 0; k < PER_THREAD; k++) {
            const int64 i = first_column + 4 * THREADS * k;
            if (i >= width) break;
            const float4 g = gradient.widened(gradient.read(i), i);
            sums[k].x += g.x;
            sums[k].y += g.y;
            sums[k].z += g.z;
            sums[k].w += g.w;
        }
    };

    add(position);
    uint32 left = occurrences[index] - 1;
    for (int64 start = position + 1; left > 0 && start < count; start += THREADS) {
        const int64 i = start + threadIdx.x;
        const bool is_here = i < count && load_index(indices, indices_type, i) == index;
        const uint32 in_warp = __ballot_sync(FULL_WARP, is_here);
        if ((threadIdx.x & 31) == 0) found_by_warp[threadIdx.x >> 5] = __popc(in_warp);
        __syncthreads();
        int before = __popc(in_warp & ((1u << (threadIdx.x & 31)) - 1)), here = 0;
#pragma unroll
        for (int k = 0; k < THREADS / 32; k++) {
            if (k < threadIdx.x >> 5) before += found_by_warp[k];
            here += found_by_warp[k];
        }
        if (is_here) found[before] = (uint32)threadIdx.x;
        __syncthreads();
#pragma unroll 2
        for (int k = 0; k < here; k++) add(start + found[k]);
        left -= here;
        __syncthreads();
    }
#pragma unroll
    for (int k = 0; k < PER_THREAD; k++) {
        const int64 i = first_column + 4 * THREADS * k;
        if (i < width) row.write(i, sums[k]);
    }
}
