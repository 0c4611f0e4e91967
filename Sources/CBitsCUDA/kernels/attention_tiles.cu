// Attention of many queries in 16 bits by matrix instructions (compute capability 8.0): tiles of 128 queries against tiles of 64 keys, whose scores stay in
// registers (FlashAttention 2: Dao 2023, arXiv:2307.08691). Probabilities are rounded to the operands' type before they weigh values; all sums are float32.
//
// A product of 0 and a number that is not finite would leak what a row does not see into it. So a tile whose result is not finite is noted in `flaws`, and
// is computed again by the kernels of attention.cu.

#include "attention.cuh"

// MARK: Instructions

#if __CUDA_ARCH__ >= 800

// Four blocks of 8 x 8 elements, of each of which the lane gives the address of a row; transposed on the way by the second.
template <typename T> __device__ __forceinline__ void load_blocks(uint32 (&x)[4], const T *row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(x[0]), "=r"(x[1]), "=r"(x[2]), "=r"(x[3])
                 : "r"(shared_address(row))
                 : "memory");
}
template <typename T> __device__ __forceinline__ void load_blocks_transposed(uint32 (&x)[4], const T *row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(x[0]), "=r"(x[1]), "=r"(x[2]), "=r"(x[3])
                 : "r"(shared_address(row))
                 : "memory");
}

// sums += a b, of 16 x 16 and 16 x 8 elements.
template <typename T> __device__ __forceinline__ void multiply(float (&sums)[4], const uint32 (&a)[4], uint32 b0, uint32 b1);
template <> __device__ __forceinline__ void multiply<bfloat16>(float (&sums)[4], const uint32 (&a)[4], uint32 b0, uint32 b1) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}
template <> __device__ __forceinline__ void multiply<float16>(float (&sums)[4], const uint32 (&a)[4], uint32 b0, uint32 b1) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

#endif

// MARK: Tiles

extern __shared__ uint4 tile_memory[];

enum { QUERIES = 128, KEYS = 64 };
using Ranges = TileRanges<QUERIES, KEYS>;
// Of the kernel of the gradients of keys.
enum { BACK_QUERIES = 64, BACK_KEYS = 128 };

// Rows of shared memory are 16 bytes longer than the vectors, so that eight rows lie in different banks.
template <int WIDTH> constexpr int STRIDE = WIDTH + 8;

#if __CUDA_ARCH__ >= 800

// Vectors `first` to `first + ROWS` of an array, `step` elements apart, as the rows of a tile; zeros outside `low` to `high`, which is no less, and beyond `width`.
template <int ROWS, int WIDTH, int THREADS, typename T>
__device__ __forceinline__ void fetch_tile(T *tile, const T *array, int64 step, int first, int low, int high, int width) {
    constexpr int CHUNKS = WIDTH / 8, ROWS_AT_ONCE = THREADS / CHUNKS;
    const int row = threadIdx.x / CHUNKS, h = threadIdx.x % CHUNKS * 8;
    if (row >= ROWS_AT_ONCE) return;
    const T *from = array + (first + row) * step + h;
    T *to = tile + row * STRIDE<WIDTH> + h;
    const uint32 count = h < width ? high - low : 0;
#pragma unroll
    for (int r = 0; r < ROWS; r += ROWS_AT_ONCE) {
        if (ROWS % ROWS_AT_ONCE != 0 && row + r >= ROWS) break;
        const bool counts = (uint32)(first + row + r - low) < count;
        fetch(shared_address(to + r * STRIDE<WIDTH>), counts ? from : array, counts);
        from += ROWS_AT_ONCE * step;
    }
}

// MARK: Forward

// A warp has BLOCKS blocks of 16 queries. A row's exponentials are taken from a score that is at most LAG powers of 2 below its largest so far: sums are
// rescaled only where that is exceeded.
#define LAG 8.0f

template <typename T, int WIDTH, int BLOCKS> __device__ __forceinline__ void attend(const TileInputs &x, T *output, float *log_sum_exp, int *flaws) {
    constexpr int WARPS = QUERIES / 16 / BLOCKS, THREADS = 32 * WARPS, ROW = STRIDE<WIDTH>;
    T *query_tile = (T *)tile_memory, *key_tile = query_tile + QUERIES * ROW, *value_tile = key_tile + KEYS * ROW;
    Ranges &ranges = *(Ranges *)(value_tile + KEYS * ROW);
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;

    // Tiles with the most keys first, where queries see what is before them.
    const int64 tiles = (x.queries + QUERIES - 1) / QUERIES, entries = x.batch * x.heads, entry = blockIdx.x % entries;
    const int64 tile = tiles - 1 - blockIdx.x / entries, batch = entry / x.heads;
    const int head = (int)(entry % x.heads), group = head / (x.heads / x.groups), first_query = (int)tile * QUERIES;
    const int64 query_step = (int64)x.heads * x.width, key_step = (int64)x.groups * x.width, value_step = (int64)x.groups * x.value_width;
    const T *queries = (const T *)x.query + (batch * x.queries * x.heads + head) * x.width;
    const T *keys = (const T *)x.key + (batch * x.key_stride * x.groups + group) * x.width;
    const T *values = (const T *)x.value + (batch * x.key_stride * x.groups + group) * x.value_width;

    fetch_tile<QUERIES, WIDTH, THREADS>(query_tile, queries, query_step, first_query, 0, x.queries, x.width);
    ranges.fill(x, batch, first_query);
    const int high = ranges.last_end, low = min(ranges.least_first, high);
    int k = low / KEYS * KEYS;
    fetch_tile<KEYS, WIDTH, THREADS>(key_tile, keys, key_step, k, low, high, x.width);
    end_fetches();

    // A score is a multiple of `scale`.
    const float unit = x.scale * LOG2_E, lag = LAG / unit, slope = x.slopes ? x.slopes[head] / x.scale : 0, cap = x.cap / x.scale;
    float sums[BLOCKS][WIDTH / 8][4], tops[BLOCKS][2], totals[BLOCKS][2];
#pragma unroll
    for (int m = 0; m < BLOCKS; m++) {
        tops[m][0] = tops[m][1] = -INFINITE;
        totals[m][0] = totals[m][1] = 0;
#pragma unroll
        for (int n = 0; n < WIDTH / 8; n++) sums[m][n][0] = sums[m][n][1] = sums[m][n][2] = sums[m][n][3] = 0;
    }

    for (; k < high; k += KEYS) {
        await_fetches<0>();
        __syncthreads();
        fetch_tile<KEYS, WIDTH, THREADS>(value_tile, values, value_step, k, low, high, x.value_width);
        end_fetches();

        float scores[BLOCKS][KEYS / 8][4];
#pragma unroll
        for (int m = 0; m < BLOCKS; m++)
#pragma unroll
            for (int n = 0; n < KEYS / 8; n++) scores[m][n][0] = scores[m][n][1] = scores[m][n][2] = scores[m][n][3] = 0;
#pragma unroll
        for (int h = 0; h < WIDTH; h += 16) {
            uint32 a[BLOCKS][4];
#pragma unroll
            for (int m = 0; m < BLOCKS; m++) load_blocks(a[m], query_tile + ((warp * BLOCKS + m) * 16 + lane % 16) * ROW + h + lane / 16 * 8);
#pragma unroll
            for (int n = 0; n < KEYS / 16; n++) {
                uint32 b[4];
                load_blocks(b, key_tile + (n * 16 + lane % 8 + lane / 16 * 8) * ROW + h + lane / 8 % 2 * 8);
#pragma unroll
                for (int m = 0; m < BLOCKS; m++) {
                    multiply<T>(scores[m][2 * n], a[m], b[0], b[1]);
                    multiply<T>(scores[m][2 * n + 1], a[m], b[2], b[3]);
                }
            }
        }

        if (cap > 0) {
            const float share = 1 / cap;
#pragma unroll
            for (int m = 0; m < BLOCKS; m++)
#pragma unroll
                for (int n = 0; n < KEYS / 8; n++)
#pragma unroll
                    for (int i = 0; i < 4; i++) scores[m][n][i] = cap * short_tanh(scores[m][n][i] * share);
        }
        if (x.slopes || !ranges.covers(k)) {
            const int first_key = k + lane % 4 * 2;
#pragma unroll
            for (int m = 0; m < BLOCKS; m++) {
                const int row = (warp * BLOCKS + m) * 16 + lane / 4;
                const int firsts[2] = {ranges.firsts[row], ranges.firsts[row + 8]}, ends[2] = {ranges.ends[row], ranges.ends[row + 8]};
                if (x.slopes) lean(scores[m], slope, first_key, ends);
                if (!ranges.covers(k)) hide(scores[m], -INFINITE, first_key, firsts, ends);
            }
        }

        // From here on nobody reads this tile's keys, and everybody may read its values.
        await_fetches<0>();
        __syncthreads();
        if (k + KEYS < high) fetch_tile<KEYS, WIDTH, THREADS>(key_tile, keys, key_step, k + KEYS, low, high, x.width);
        end_fetches();

        bool exceeds = false;
        float highest[BLOCKS][2];
#pragma unroll
        for (int m = 0; m < BLOCKS; m++)
#pragma unroll
            for (int half = 0; half < 2; half++) {
                float top = -INFINITE;
#pragma unroll
                for (int n = 0; n < KEYS / 8; n++) top = fmaxf(top, fmaxf(scores[m][n][2 * half], scores[m][n][2 * half + 1]));
                top = fmaxf(top, __shfl_xor_sync(FULL_WARP, top, 1));
                top = fmaxf(top, __shfl_xor_sync(FULL_WARP, top, 2));
                highest[m][half] = top;
                exceeds |= top > tops[m][half] + lag;
            }
        if (__any_sync(FULL_WARP, exceeds)) {
#pragma unroll
            for (int m = 0; m < BLOCKS; m++)
#pragma unroll
                for (int half = 0; half < 2; half++) {
                    const float top = fmaxf(tops[m][half], highest[m][half]);
                    const float decay = top == -INFINITE ? 1 : exp2_of((tops[m][half] - top) * unit);
                    tops[m][half] = top;
                    totals[m][half] *= decay;
#pragma unroll
                    for (int n = 0; n < WIDTH / 8; n++) {
                        sums[m][n][2 * half] *= decay;
                        sums[m][n][2 * half + 1] *= decay;
                    }
                }
        }
#pragma unroll
        for (int m = 0; m < BLOCKS; m++)
#pragma unroll
            for (int half = 0; half < 2; half++) {
                const float base = tops[m][half] == -INFINITE ? 0 : tops[m][half] * unit;
#pragma unroll
                for (int n = 0; n < KEYS / 8; n++)
#pragma unroll
                    for (int i = 0; i < 2; i++) {
                        float &score = scores[m][n][2 * half + i];
                        score = exp2_of(__fmaf_rn(score, unit, -base));
                        totals[m][half] += score;
                    }
            }

#pragma unroll
        for (int n = 0; n < KEYS / 16; n++) {
            uint32 a[BLOCKS][4];
#pragma unroll
            for (int m = 0; m < BLOCKS; m++) {
                a[m][0] = pack<T>(scores[m][2 * n][0], scores[m][2 * n][1]);
                a[m][1] = pack<T>(scores[m][2 * n][2], scores[m][2 * n][3]);
                a[m][2] = pack<T>(scores[m][2 * n + 1][0], scores[m][2 * n + 1][1]);
                a[m][3] = pack<T>(scores[m][2 * n + 1][2], scores[m][2 * n + 1][3]);
            }
#pragma unroll
            for (int h = 0; h < WIDTH; h += 16) {
                uint32 b[4];
                load_blocks_transposed(b, value_tile + (n * 16 + lane % 16) * ROW + h + lane / 16 * 8);
#pragma unroll
                for (int m = 0; m < BLOCKS; m++) {
                    multiply<T>(sums[m][h / 8], a[m], b[0], b[1]);
                    multiply<T>(sums[m][h / 8 + 1], a[m], b[2], b[3]);
                }
            }
        }
    }
    await_fetches<0>();

    // Each warp's queries have been read by nobody else, so their rows take its results.
    bool flawed = false;
    __syncwarp();
#pragma unroll
    for (int m = 0; m < BLOCKS; m++)
#pragma unroll
        for (int half = 0; half < 2; half++) {
            float total = totals[m][half];
            total += __shfl_xor_sync(FULL_WARP, total, 1);
            total += __shfl_xor_sync(FULL_WARP, total, 2);
            const int row = (warp * BLOCKS + m) * 16 + half * 8 + lane / 4, query = first_query + row;
            const bool counts = query < x.queries, sees = counts && ranges.firsts[row] < ranges.ends[row];
            const float factor = sees ? 1 / total : 0, log_sum = __fmaf_rn(tops[m][half], x.scale, log2f(total) * LN_2);
            if (sees) flawed |= !(fabsf(log_sum) < INFINITE);
#pragma unroll
            for (int n = 0; n < WIDTH / 8; n++) {
                const float a = sums[m][n][2 * half] * factor, b = sums[m][n][2 * half + 1] * factor;
                if (counts) flawed |= !(fabsf(a) < INFINITE) | !(fabsf(b) < INFINITE);
                *(uint32 *)(query_tile + row * ROW + n * 8 + lane % 4 * 2) = pack<T>(a, b);
            }
            if (log_sum_exp && counts && lane % 4 == 0) log_sum_exp[entry * x.queries + query] = sees ? log_sum : -INFINITE;
        }
    __syncwarp();
    constexpr int CHUNKS = WIDTH / 8;
    for (int i = lane; i < 16 * BLOCKS * CHUNKS; i += 32) {
        const int row = warp * BLOCKS * 16 + i / CHUNKS, h = i % CHUNKS * 8, query = first_query + row;
        if (query < x.queries && h < x.value_width)
            *(uint4 *)(output + ((batch * x.queries + query) * x.heads + head) * x.value_width + h) = *(uint4 *)(query_tile + row * ROW + h);
    }
    const int any = __syncthreads_or(flawed);
    if (threadIdx.x == 0) flaws[entry * tiles + tile] = any;
}

// MARK: Gradients

// Products with the 16 rows of a warp: sums[n] += rows of `a` times the rows of `b`, of which there are COLUMNS.
template <typename T, int WIDTH, int COLUMNS>
__device__ __forceinline__ void multiply_rows(float (&sums)[COLUMNS / 8][4], const T *a, const T *b, int lane) {
    constexpr int ROW = STRIDE<WIDTH>;
#pragma unroll
    for (int h = 0; h < WIDTH; h += 16) {
        uint32 x[4];
        load_blocks(x, a + lane % 16 * ROW + h + lane / 16 * 8);
#pragma unroll
        for (int n = 0; n < COLUMNS / 16; n++) {
            uint32 y[4];
            load_blocks(y, b + (n * 16 + lane % 8 + lane / 16 * 8) * ROW + h + lane / 8 % 2 * 8);
            multiply<T>(sums[2 * n], x, y[0], y[1]);
            multiply<T>(sums[2 * n + 1], x, y[2], y[3]);
        }
    }
}

// sums[h] += `a`, rounded to the operands' type, times the vectors that are the rows of `b`, of which there are ROWS.
template <typename T, int WIDTH, int ROWS>
__device__ __forceinline__ void multiply_vectors(float (&sums)[WIDTH / 8][4], const float (&a)[ROWS / 8][4], const T *b, int lane) {
#pragma unroll
    for (int n = 0; n < ROWS / 16; n++) {
        const uint32 x[4] = {pack<T>(a[2 * n][0], a[2 * n][1]), pack<T>(a[2 * n][2], a[2 * n][3]), pack<T>(a[2 * n + 1][0], a[2 * n + 1][1]),
                             pack<T>(a[2 * n + 1][2], a[2 * n + 1][3])};
#pragma unroll
        for (int h = 0; h < WIDTH; h += 16) {
            uint32 y[4];
            load_blocks_transposed(y, b + (n * 16 + lane % 16) * STRIDE<WIDTH> + h + lane / 16 * 8);
            multiply<T>(sums[h / 8], x, y[0], y[1]);
            multiply<T>(sums[h / 8 + 1], x, y[2], y[3]);
        }
    }
}

template <int COUNT> __device__ __forceinline__ void clear(float (&sums)[COUNT][4]) {
#pragma unroll
    for (int n = 0; n < COUNT; n++) sums[n][0] = sums[n][1] = sums[n][2] = sums[n][3] = 0;
}

// Writes a warp's 16 rows of sums, times `factor`, as vectors `first` and on of an array, those that are below `end`; through the warp's own rows of a tile.
// Returns whether a number is not finite.
template <typename T, int WIDTH>
__device__ __forceinline__ bool store_rows(T *array, int64 step, int first, int end, int width, const float (&sums)[WIDTH / 8][4], float factor, T *tile,
                                           int lane) {
    constexpr int ROW = STRIDE<WIDTH>, CHUNKS = WIDTH / 8;
    bool flawed = false;
    __syncwarp();
#pragma unroll
    for (int half = 0; half < 2; half++) {
        const int row = half * 8 + lane / 4;
#pragma unroll
        for (int n = 0; n < WIDTH / 8; n++) {
            const float a = sums[n][2 * half] * factor, b = sums[n][2 * half + 1] * factor;
            if (first + row < end) flawed |= !(fabsf(a) < INFINITE) | !(fabsf(b) < INFINITE);
            *(uint32 *)(tile + row * ROW + n * 8 + lane % 4 * 2) = pack<T>(a, b);
        }
    }
    __syncwarp();
    for (int i = lane; i < 16 * CHUNKS; i += 32) {
        const int row = i / CHUNKS, h = i % CHUNKS * 8;
        if (first + row < end && h < width) *(uint4 *)(array + (first + row) * step + h) = *(const uint4 *)(tile + row * ROW + h);
    }
    return flawed;
}

// Those of queries, a warp with 16 of them; and `means`, for each row the product of the output and its gradient.
template <typename T, int WIDTH>
__device__ __forceinline__ void attend_queries_back(const TileInputs &x, const T *output, const float *log_sum_exp, const T *output_gradient, float *means,
                                                    T *query_gradient, int *flaws) {
    constexpr int THREADS = 256, ROW = STRIDE<WIDTH>, STAGE = 2 * KEYS * ROW;
    T *query_tile = (T *)tile_memory, *gradient_tile = query_tile + QUERIES * ROW, *stages = gradient_tile + QUERIES * ROW;
    Ranges &ranges = *(Ranges *)(stages + 2 * STAGE);
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    const int64 tiles = (x.queries + QUERIES - 1) / QUERIES, entries = x.batch * x.heads, entry = blockIdx.x % entries;
    const int64 tile = tiles - 1 - blockIdx.x / entries, batch = entry / x.heads;
    const int head = (int)(entry % x.heads), group = head / (x.heads / x.groups), first_query = (int)tile * QUERIES;
    const int64 query_step = (int64)x.heads * x.width, output_step = (int64)x.heads * x.value_width;
    const int64 key_step = (int64)x.groups * x.width, value_step = (int64)x.groups * x.value_width;
    const int64 first_vector = batch * x.queries * x.heads + head, first_key_vector = batch * x.key_stride * x.groups + group;
    const T *keys = (const T *)x.key + first_key_vector * x.width, *values = (const T *)x.value + first_key_vector * x.value_width;

    fetch_tile<QUERIES, WIDTH, THREADS>(query_tile, (const T *)x.query + first_vector * x.width, query_step, first_query, 0, x.queries, x.width);
    fetch_tile<QUERIES, WIDTH, THREADS>(
        gradient_tile, output_gradient + first_vector * x.value_width, output_step, first_query, 0, x.queries, x.value_width);
    ranges.fill(x, batch, first_query);
    const int high = ranges.last_end, low = min(ranges.least_first, high);
    int k = low / KEYS * KEYS;
    fetch_tile<KEYS, WIDTH, THREADS>(stages, keys, key_step, k, low, high, x.width);
    fetch_tile<KEYS, WIDTH, THREADS>(stages + KEYS * ROW, values, value_step, k, low, high, x.value_width);
    end_fetches();

    // Four lanes a row, as they have its sums.
    float row_means[2], log_sums[2], sums[WIDTH / 8][4];
#pragma unroll
    for (int half = 0; half < 2; half++) {
        const int row = warp * 16 + half * 8 + lane / 4, query = first_query + row;
        float mean = 0;
        if (query < x.queries) {
            const int64 vector = (first_vector + (int64)query * x.heads) * x.value_width;
            for (int h = lane % 4 * 8; h < x.value_width; h += 32) {
                Eight<T> y, dy;
                y.load(output + vector + h);
                dy.load(output_gradient + vector + h);
#pragma unroll
                for (int i = 0; i < 8; i++) mean = __fmaf_rn(y[i], dy[i], mean);
            }
        }
        mean += __shfl_xor_sync(FULL_WARP, mean, 1);
        mean += __shfl_xor_sync(FULL_WARP, mean, 2);
        row_means[half] = mean;
        if (query < x.queries && lane % 4 == 0) means[entry * x.queries + query] = mean;
        log_sums[half] = query < x.queries ? log_sum_exp[entry * x.queries + query] * LOG2_E : 0;
    }
    clear(sums);
    const float unit = x.scale * LOG2_E, slope = x.slopes ? x.slopes[head] / x.scale : 0;

    int stage = 0;
    for (; k < high; k += KEYS, stage ^= 1) {
        const T *key_tile = stages + stage * STAGE, *value_tile = key_tile + KEYS * ROW;
        T *next = stages + (stage ^ 1) * STAGE;
        if (k + KEYS < high) {
            fetch_tile<KEYS, WIDTH, THREADS>(next, keys, key_step, k + KEYS, low, high, x.width);
            fetch_tile<KEYS, WIDTH, THREADS>(next + KEYS * ROW, values, value_step, k + KEYS, low, high, x.value_width);
        }
        end_fetches();
        await_fetches<1>();
        __syncthreads();

        float scores[KEYS / 8][4], changes[KEYS / 8][4];
        clear(scores);
        clear(changes);
        multiply_rows<T, WIDTH, KEYS>(scores, query_tile + warp * 16 * ROW, key_tile, lane);
        multiply_rows<T, WIDTH, KEYS>(changes, gradient_tile + warp * 16 * ROW, value_tile, lane);
        const int row = warp * 16 + lane / 4, first_key = k + lane % 4 * 2;
        const int firsts[2] = {ranges.firsts[row], ranges.firsts[row + 8]}, ends[2] = {ranges.ends[row], ranges.ends[row + 8]};
        if (x.slopes) lean(scores, slope, first_key, ends);
#pragma unroll
        for (int n = 0; n < KEYS / 8; n++)
#pragma unroll
            for (int i = 0; i < 4; i++) scores[n][i] = exp2_of(__fmaf_rn(scores[n][i], unit, -log_sums[i / 2]));
        if (!ranges.covers(k)) hide(scores, 0, first_key, firsts, ends);
#pragma unroll
        for (int n = 0; n < KEYS / 8; n++)
#pragma unroll
            for (int i = 0; i < 4; i++) scores[n][i] *= changes[n][i] - row_means[i / 2];
        multiply_vectors<T, WIDTH, KEYS>(sums, scores, key_tile, lane);
        // Nobody reads this stage any more.
        __syncthreads();
    }
    await_fetches<0>();
    __syncthreads();
    const bool flawed = store_rows<T, WIDTH>(
        query_gradient + first_vector * x.width, query_step, first_query + warp * 16, x.queries, x.width, sums, x.scale,
        query_tile + warp * 16 * ROW, lane);
    const int any = __syncthreads_or(flawed);
    if (threadIdx.x == 0) flaws[entry * tiles + tile] = any;
}

// Those of keys and values, a warp with 16 of them: 128 keys of a group against 64 queries of a head at a time, one head after the other.
template <typename T, int WIDTH>
__device__ __forceinline__ void attend_keys_back(const TileInputs &x, const float *log_sum_exp, const T *output_gradient, const float *means,
                                                 const TileBounds *bounds, T *key_gradient, T *value_gradient, int *flaws) {
    constexpr int THREADS = 256, ROW = STRIDE<WIDTH>, STAGE = 2 * BACK_QUERIES * ROW;
    T *key_tile = (T *)tile_memory, *value_tile = key_tile + BACK_KEYS * ROW, *stages = value_tile + BACK_KEYS * ROW;
    float *numbers = (float *)(stages + 2 * STAGE);  // of each stage: log sums, means
    int *firsts = (int *)(numbers + 4 * BACK_QUERIES), *ends = firsts + BACK_QUERIES;
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    const int64 entries = x.batch * x.groups, entry = blockIdx.x % entries, tile = blockIdx.x / entries, batch = entry / x.groups;
    const int group = (int)(entry % x.groups), heads_per_group = x.heads / x.groups, first_key = (int)tile * BACK_KEYS;
    const int key_end = min(first_key + BACK_KEYS, x.keys);
    const int64 query_step = (int64)x.heads * x.width, output_step = (int64)x.heads * x.value_width;
    const int64 key_step = (int64)x.groups * x.width, value_step = (int64)x.groups * x.value_width;
    const int64 first_key_vector = batch * x.key_stride * x.groups + group;
    const int query_tiles = (x.queries + BACK_QUERIES - 1) / BACK_QUERIES, places = heads_per_group * query_tiles;
    bounds += batch * query_tiles;

    // The next place from `place` on whose queries see a key of the tile: a head of the group and a tile of queries.
    const auto next_place = [&](int place) {
        while (place < places && !bounds[place % query_tiles].meets(first_key, key_end)) place++;
        return place;
    };
    const auto fetch_place = [&](int place, int stage) {
        const int head = group * heads_per_group + place / query_tiles, first_query = place % query_tiles * BACK_QUERIES;
        const int64 vector = batch * x.queries * x.heads + head, row = (batch * x.heads + head) * x.queries + first_query;
        T *query_tile = stages + stage * STAGE;
        fetch_tile<BACK_QUERIES, WIDTH, THREADS>(
            query_tile, (const T *)x.query + vector * x.width, query_step, first_query, 0, x.queries, x.width);
        fetch_tile<BACK_QUERIES, WIDTH, THREADS>(
            query_tile + BACK_QUERIES * ROW, output_gradient + vector * x.value_width, output_step, first_query, 0, x.queries, x.value_width);
        if (threadIdx.x < 2 * BACK_QUERIES) {
            const int query = threadIdx.x % BACK_QUERIES;
            const float *from = threadIdx.x < BACK_QUERIES ? log_sum_exp : means;
            const bool counts = first_query + query < x.queries;
            fetch_number(shared_address(numbers + stage * 2 * BACK_QUERIES + threadIdx.x), counts ? from + row + query : from, counts);
        }
    };

    fetch_tile<BACK_KEYS, WIDTH, THREADS>(
        key_tile, (const T *)x.key + first_key_vector * x.width, key_step, first_key, 0, x.keys, x.width);
    fetch_tile<BACK_KEYS, WIDTH, THREADS>(
        value_tile, (const T *)x.value + first_key_vector * x.value_width, value_step, first_key, 0, x.keys, x.value_width);
    int place = next_place(0), stage = 0;
    if (place < places) fetch_place(place, 0);
    end_fetches();
    const float unit = x.scale * LOG2_E;
    float key_sums[WIDTH / 8][4], value_sums[WIDTH / 8][4];
    clear(key_sums);
    clear(value_sums);

    while (place < places) {
        const int following = next_place(place + 1);
        if (following < places) fetch_place(following, stage ^ 1);
        end_fetches();
        const int head = group * heads_per_group + place / query_tiles, query_tile_index = place % query_tiles;
        const bool whole = !x.slopes && bounds[query_tile_index].covers(first_key, key_end);
        if (!whole && threadIdx.x < BACK_QUERIES) {
            const int query = query_tile_index * BACK_QUERIES + threadIdx.x;
            const KeyRange range = query < x.queries ? range_of(x, batch, query) : KeyRange{0, 0};
            firsts[threadIdx.x] = range.first;
            ends[threadIdx.x] = range.end;
        }
        await_fetches<1>();
        __syncthreads();

        const T *query_tile = stages + stage * STAGE, *gradient_tile = query_tile + BACK_QUERIES * ROW;
        const float *log_sums = numbers + stage * 2 * BACK_QUERIES, *row_means = log_sums + BACK_QUERIES;
        const float slope = x.slopes ? x.slopes[head] / x.scale : 0;
        float scores[BACK_QUERIES / 8][4], changes[BACK_QUERIES / 8][4];
        clear(scores);
        multiply_rows<T, WIDTH, BACK_QUERIES>(scores, key_tile + warp * 16 * ROW, query_tile, lane);
        const int own_query = lane % 4 * 2, own_key = first_key + warp * 16 + lane / 4;
        if (x.slopes) lean_keys(scores, slope, own_key, ends + own_query);
#pragma unroll
        for (int n = 0; n < BACK_QUERIES / 8; n++)
#pragma unroll
            for (int i = 0; i < 4; i++) scores[n][i] = exp2_of(__fmaf_rn(scores[n][i], unit, -(log_sums[n * 8 + own_query + i % 2] * LOG2_E)));
        if (!whole) hide_keys(scores, own_key, firsts + own_query, ends + own_query);
        multiply_vectors<T, WIDTH, BACK_QUERIES>(value_sums, scores, gradient_tile, lane);
        clear(changes);
        multiply_rows<T, WIDTH, BACK_QUERIES>(changes, value_tile + warp * 16 * ROW, gradient_tile, lane);
#pragma unroll
        for (int n = 0; n < BACK_QUERIES / 8; n++)
#pragma unroll
            for (int i = 0; i < 4; i++) changes[n][i] = scores[n][i] * (changes[n][i] - row_means[n * 8 + lane % 4 * 2 + i % 2]);
        multiply_vectors<T, WIDTH, BACK_QUERIES>(key_sums, changes, query_tile, lane);
        // Nobody reads this stage, or the ranges, any more.
        __syncthreads();
        place = following;
        stage ^= 1;
    }
    await_fetches<0>();
    __syncthreads();
    const int key = first_key + warp * 16;
    bool flawed = store_rows<T, WIDTH>(
        key_gradient + first_key_vector * x.width, key_step, key, x.keys, x.width, key_sums, x.scale, key_tile + warp * 16 * ROW, lane);
    flawed |= store_rows<T, WIDTH>(
        value_gradient + first_key_vector * x.value_width, value_step, key, x.keys, x.value_width, value_sums, 1, value_tile + warp * 16 * ROW, lane);
    const int any = __syncthreads_or(flawed);
    if (threadIdx.x == 0) flaws[entry * ((x.keys + BACK_KEYS - 1) / BACK_KEYS) + tile] = any;
}

#endif

// MARK: Kernels

#if __CUDA_ARCH__ >= 800
#define CALL(...) __VA_ARGS__
#else
#define CALL(...)
#endif

#define FORWARD(T, NAME, WIDTH, BLOCKS)                                                                                                                \
    extern "C" __global__ void __launch_bounds__(QUERIES / 16 / BLOCKS * 32, 1)                                                                        \
        attention_tiles_##WIDTH##_##NAME(TileInputs x, T *output, float *log_sum_exp, int *flaws) {                                                    \
        CALL(attend<T, WIDTH, BLOCKS>(x, output, log_sum_exp, flaws));                                                                                                                    \
    }
#define FORWARD_WIDTHS(T, NAME)                                                                                                                        \
    FORWARD(T, NAME, 64, 2)                                                                                                                            \
    FORWARD(T, NAME, 96, 2)                                                                                                                            \
    FORWARD(T, NAME, 128, 2)                                                                                                                           \
    FORWARD(T, NAME, 256, 1)

FORWARD_WIDTHS(float16, f16)
FORWARD_WIDTHS(bfloat16, bf16)

// Bounds of each tile of BACK_QUERIES queries, a warp a tile.
extern "C" __global__ void attention_tile_bounds(TileInputs x, TileBounds *bounds) {
    const int lane = threadIdx.x % 32, tiles = (x.queries + BACK_QUERIES - 1) / BACK_QUERIES;
    const int64 index = thread_index() / 32;
    if (index >= x.batch * tiles) return;
    int least_first = 0x7fffffff, last_end = 0, last_first = 0, least_end = 0x7fffffff;
    const int start = (int)(index % tiles) * BACK_QUERIES;
    for (int query = start + lane; query < min(start + BACK_QUERIES, x.queries); query += 32) {
        const KeyRange range = range_of(x, index / tiles, query);
        const bool sees = range.first < range.end;
        if (sees) {
            least_first = min(least_first, range.first);
            last_end = max(last_end, range.end);
        }
        last_first = sees ? max(last_first, range.first) : 0x7fffffff;
        least_end = sees ? min(least_end, range.end) : 0;
    }
    for (int step = 16; step > 0; step /= 2) {
        least_first = min(least_first, __shfl_xor_sync(FULL_WARP, least_first, step));
        last_end = max(last_end, __shfl_xor_sync(FULL_WARP, last_end, step));
        last_first = max(last_first, __shfl_xor_sync(FULL_WARP, last_first, step));
        least_end = min(least_end, __shfl_xor_sync(FULL_WARP, least_end, step));
    }
    if (lane == 0) bounds[index] = {least_first, last_end, last_first, least_end};
}

#define BACKWARD(T, NAME, WIDTH)                                                                                                                       \
    extern "C" __global__ void __launch_bounds__(256, 1) attention_tiles_query_gradient_##WIDTH##_##NAME(                                              \
        TileInputs x, const T *output, const float *log_sum_exp, const T *output_gradient, float *means, T *query_gradient, int *flaws) {              \
        CALL(attend_queries_back<T, WIDTH>(x, output, log_sum_exp, output_gradient, means, query_gradient, flaws));                                    \
    }                                                                                                                                                  \
    extern "C" __global__ void __launch_bounds__(256, 1) attention_tiles_key_gradient_##WIDTH##_##NAME(                                                \
        TileInputs x, const float *log_sum_exp, const T *output_gradient, const float *means, const TileBounds *bounds, T *key_gradient,               \
        T *value_gradient, int *flaws) {                                                                                                               \
        CALL(attend_keys_back<T, WIDTH>(x, log_sum_exp, output_gradient, means, bounds, key_gradient, value_gradient, flaws));                         \
    }
#define BACKWARD_WIDTHS(T, NAME)                                                                                                                       \
    BACKWARD(T, NAME, 64)                                                                                                                              \
    BACKWARD(T, NAME, 96)                                                                                                                              \
    BACKWARD(T, NAME, 128)

BACKWARD_WIDTHS(float16, f16)
BACKWARD_WIDTHS(bfloat16, bf16)
