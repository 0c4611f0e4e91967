// Attention of many queries in 16 bits, and its gradients, by the matrix instructions of compute capability 9.0, which read keys and values from shared memory and run beside
// the softmax (FlashAttention 3: Shah et al. 2024, arXiv:2407.08608): 128 queries against tiles of 128 keys. One group of four warps brings tiles, two have
// 64 queries each, and multiply the next scores and the last values while they compute exponentials.
//
// It computes what attention_tiles.cu computes, with the same operands and the same flaws, but for scores that are bounded.

#include "attention.cuh"
#include "hopper.cuh"

// See attention_tiles.cu.
#define LAG 8.0f

enum { QUERIES = 128, KEYS = 128, BACK_QUERIES = 64, STAGES = 2, GROUP = 128, THREADS = 3 * GROUP };

#ifdef __CUDA_ARCH_FEAT_SM90_ALL

// MARK: Instructions

// All but the newest LEFT groups of products have ended, so that `sums`, to which one added, can be looked at.
template <int LEFT, int COUNT> __device__ __forceinline__ void await_products(float (&sums)[COUNT][4]) {
    await_products<LEFT>();
#pragma unroll
    for (int n = 0; n < COUNT; n++) asm volatile("" : "+f"(sums[n][0]), "+f"(sums[n][1]), "+f"(sums[n][2]), "+f"(sums[n][3])::"memory");
}

#define FOUR(d, n) "+f"(d[n][0]), "+f"(d[n][1]), "+f"(d[n][2]), "+f"(d[n][3])
#define SIXTEEN(d, n) FOUR(d, n), FOUR(d, n + 1), FOUR(d, n + 2), FOUR(d, n + 3)
#define THIRTY_TWO(d, n) SIXTEEN(d, n), SIXTEEN(d, n + 4)

// sums = a b', of 64 x 16 and 128 or 64 x 16 elements in shared memory; sums += it where `adds`.
template <typename T> __device__ __forceinline__ void multiply_rows(float (&sums)[16][4], uint64 a, uint64 b, bool adds);
template <typename T> __device__ __forceinline__ void multiply_rows(float (&sums)[8][4], uint64 a, uint64 b, bool adds);
// sums += a b, of 64 x 16 elements in registers, and of 16 x 128 or 16 x 64 in shared memory.
template <typename T> __device__ __forceinline__ void multiply_vectors(float (&sums)[16][4], const uint32 (&a)[4], uint64 b);
template <typename T> __device__ __forceinline__ void multiply_vectors(float (&sums)[8][4], const uint32 (&a)[4], uint64 b);

#define PRODUCTS(T, TYPE)                                                                                                                              \
    template <> __device__ __forceinline__ void multiply_rows<T>(float (&sums)[16][4], uint64 a, uint64 b, bool adds) {                                \
        asm volatile(                                                                                                                                  \
            "{\n.reg .pred p;\nsetp.ne.b32 p, %66, 0;\n"                                                                                               \
            "wgmma.mma_async.sync.aligned.m64n128k16.f32." TYPE "." TYPE " {%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, %48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63}, %64, %65, p, 1, 1, 0, 0;\n}"                                      \
            : THIRTY_TWO(sums, 0), THIRTY_TWO(sums, 8)                                                                                                 \
            : "l"(a), "l"(b), "r"((int)adds));                                                                                                         \
    }                                                                                                                                                  \
    template <> __device__ __forceinline__ void multiply_rows<T>(float (&sums)[8][4], uint64 a, uint64 b, bool adds) {                                 \
        asm volatile(                                                                                                                                  \
            "{\n.reg .pred p;\nsetp.ne.b32 p, %34, 0;\n"                                                                                               \
            "wgmma.mma_async.sync.aligned.m64n64k16.f32." TYPE "." TYPE " {%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31}, %32, %33, p, 1, 1, 0, 0;\n}"\
            : THIRTY_TWO(sums, 0)                                                                                                                      \
            : "l"(a), "l"(b), "r"((int)adds));                                                                                                         \
    }                                                                                                                                                  \
    template <> __device__ __forceinline__ void multiply_vectors<T>(float (&sums)[16][4], const uint32 (&a)[4], uint64 b) {                            \
        asm volatile(                                                                                                                                  \
            "wgmma.mma_async.sync.aligned.m64n128k16.f32." TYPE "." TYPE " {%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, %48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63}, {%64, %65, %66, %67}, %68, 1, 1, 1, 1;"                           \
            : THIRTY_TWO(sums, 0), THIRTY_TWO(sums, 8)                                                                                                 \
            : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b));                                                                                     \
    }                                                                                                                                                  \
    template <> __device__ __forceinline__ void multiply_vectors<T>(float (&sums)[8][4], const uint32 (&a)[4], uint64 b) {                             \
        asm volatile(                                                                                                                                  \
            "wgmma.mma_async.sync.aligned.m64n64k16.f32." TYPE "." TYPE " {%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31}, {%32, %33, %34, %35}, %36, 1, 1, 1, 1;"                            \
            : THIRTY_TWO(sums, 0)                                                                                                                      \
            : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b));                                                                                     \
    }
PRODUCTS(float16, "f16")
PRODUCTS(bfloat16, "bf16")

// MARK: Tiles

// Vectors lie in blocks of 64 elements, 128 bytes a vector, whose 16-byte pieces change places by the vector's number: the layout that matrix instructions
// call 128-byte swizzle. Blocks begin at multiples of 1024 bytes.
enum { BLOCK = 64, VECTOR = 128 };

__device__ __forceinline__ int place_of(int vector, int h, int vectors) {
    return h / BLOCK * vectors * VECTOR + vector * VECTOR + ((h % BLOCK / 8) ^ (vector & 7)) * 16;
}

// By a group of warps: ROWS vectors of an array, `first` and on, `step` elements apart; zeros outside `low` to `high` and beyond `width`.
template <int WIDTH, int ROWS, typename T>
__device__ __forceinline__ void fetch_tile(uint8 *tile, const T *array, int64 step, int first, int low, int high, int width) {
    constexpr int PIECES = WIDTH / 8, AT_ONCE = GROUP / PIECES;
    const int thread = threadIdx.x % GROUP, row = thread / PIECES, h = thread % PIECES * 8;
    const T *from = array + (first + row) * step + h;
    uint8 *to = tile + place_of(row, h, ROWS);
    const uint32 count = h < width ? high - low : 0;
#pragma unroll 2
    for (int r = 0; r < ROWS; r += AT_ONCE) {
        const bool counts = (uint32)(first + row + r - low) < count;
        // AT_ONCE is a multiple of 8, so the pieces change places alike.
        fetch(shared_address(to + r * VECTOR), counts ? from : array, counts);
        from += AT_ONCE * step;
    }
}

// Writes a group's 64 rows of sums, times the thread's two factors, as vectors of an array, of a tile that begins with `first`; those that are below `end`.
// They go through the group's own half of a tile of 128 that nobody else reads any more. Returns whether a number is not finite.
template <typename T, int WIDTH>
__device__ __forceinline__ bool store_rows(T *array, int64 step, int first, int end, int width, const float (&sums)[WIDTH / 8][4],
                                           const float (&factors)[2], uint8 *tile) {
    const int lane = threadIdx.x % 32, half_tile = threadIdx.x / GROUP - 1, first_row = half_tile * 64 + threadIdx.x / 32 % 4 * 16;
    asm volatile("bar.sync %0, 128;" ::"r"(1 + half_tile) : "memory");
    bool flawed = false;
#pragma unroll
    for (int half = 0; half < 2; half++) {
        const int row = first_row + half * 8 + lane / 4;
#pragma unroll
        for (int n = 0; n < WIDTH / 8; n++) {
            const float a = sums[n][2 * half] * factors[half], b = sums[n][2 * half + 1] * factors[half];
            if (first + row < end) flawed |= !(fabsf(a) < INFINITE) | !(fabsf(b) < INFINITE);
            *(uint32 *)(tile + place_of(row, n * 8, 128) + lane % 4 * 4) = pack<T>(a, b);
        }
    }
    __syncwarp();
    for (int i = lane; i < 16 * WIDTH / 8; i += 32) {
        const int row = first_row + i / (WIDTH / 8), h = i % (WIDTH / 8) * 8;
        if (first + row < end && h < width) *(uint4 *)(array + (first + row) * step + h) = *(const uint4 *)(tile + place_of(row, h, 128));
    }
    return flawed;
}

// A thread's part of the rows of a matrix of float32, as the operand of products: 16 columns each.
template <typename T, int COLUMNS>
__device__ __forceinline__ void round_rows(uint32 (&rounded)[COLUMNS / 16][4], const float (&x)[COLUMNS / 8][4]) {
#pragma unroll
    for (int n = 0; n < COLUMNS / 16; n++) {
        rounded[n][0] = pack<T>(x[2 * n][0], x[2 * n][1]);
        rounded[n][1] = pack<T>(x[2 * n][2], x[2 * n][3]);
        rounded[n][2] = pack<T>(x[2 * n + 1][0], x[2 * n + 1][1]);
        rounded[n][3] = pack<T>(x[2 * n + 1][2], x[2 * n + 1][3]);
    }
}

// Begins to multiply a group's 64 rows of a tile of 128 with the COLUMNS rows of another.
template <typename T, int WIDTH, int COLUMNS>
__device__ __forceinline__ void begin_rows(float (&sums)[COLUMNS / 8][4], const uint8 *tile, const uint8 *other) {
    const uint64 a = description(tile + (threadIdx.x / GROUP - 1) * 64 * VECTOR, 0), b = description(other, 0);
    begin_products();
#pragma unroll
    for (int h = 0; h < WIDTH; h += 16) {
        // In units of 16 bytes.
        const int block = h / BLOCK * VECTOR / 16, inside = h % BLOCK / 8;
        multiply_rows<T>(sums, a + block * 128 + inside, b + block * COLUMNS + inside, h > 0);
    }
    end_products();
}

// Begins to add the vectors of a tile of ROWS, weighed by a group's rows of weights.
template <typename T, int WIDTH, int ROWS>
__device__ __forceinline__ void begin_vectors(float (&sums)[WIDTH / 8][4], const uint32 (&weights)[ROWS / 16][4], const uint8 *tile) {
    const uint64 b = description(tile, ROWS * VECTOR);
    begin_products();
#pragma unroll
    for (int n = 0; n < ROWS / 16; n++) multiply_vectors<T>(sums, weights[n], b + n * (16 * VECTOR / 16));
    end_products();
}

// Says which tiles have come. A tile is announced while the next is on its way, or before its bringer waits for room.
struct Herald {
    // The barrier of the tile that is on its way.
    uint64 *coming = nullptr;

    __device__ __forceinline__ void announce() {
        if (coming) {
            show_to_products();
            arrive(coming);
        }
        coming = nullptr;
    }
    // `left`: the barrier of those who read what was there, in `use` uses of the room so far.
    __device__ __forceinline__ void await_room(uint64 *left, int use) {
        if (use == 0 || has_ended(left, use - 1)) return;
        end();
        await_phase(left, use - 1);
    }
    // What has been fetched last is announced at this barrier.
    __device__ __forceinline__ void follow(uint64 *barrier) {
        end_fetches();
        if (coming) {
            await_fetches<1>();
            announce();
        }
        coming = barrier;
    }
    __device__ __forceinline__ void end() {
        await_fetches<0>();
        announce();
    }
};

// The keys that a tile of queries sees: tiles of them from `start` to `high`.
struct Keys {
    int start, low, high;

    template <typename Ranges> __device__ __forceinline__ explicit Keys(const Ranges &ranges) {
        high = ranges.last_end;
        low = min(ranges.least_first, high);
        start = low / KEYS * KEYS;
    }
};

// A tile of queries of a head, as all threads of a block find it in shared memory.
struct Job {
    // -1 after the last one.
    int entry;
    int batch, head, first_query, tile, flawed;
    TileRanges<QUERIES, KEYS> ranges;

    __device__ __forceinline__ int64 first_vector(const TileInputs &x) const { return (int64)batch * x.queries * x.heads + head; }
    __device__ __forceinline__ int64 first_key_vector(const TileInputs &x) const { return batch * x.key_stride * x.groups + head / (x.heads / x.groups); }
};

// The jobs of a block, in turns: those with the most keys first, where queries see what is before them, and to and fro, so that all blocks have as much
// to do. While one is computed, the next is found, and its first tiles come.
struct Jobs {
    Job two[2];
    uint64 found[2], done[2];

    __device__ __forceinline__ void begin() {
        for (int i = 0; i < 2; i++) {
            begin_barrier(&found[i], GROUP);
            begin_barrier(&done[i], 2 * GROUP / 32);
        }
    }
    // By the group that brings tiles; null after the last, when all are done. Of each that is done it is written down whether it is flawed.
    __device__ __forceinline__ const Job *find(const TileInputs &x, int turn, Herald &herald, int *flaws) {
        const int entries = (int)x.batch * x.heads, tiles = (x.queries + QUERIES - 1) / QUERIES, blocks = gridDim.x, side = turn % 2;
        const int place = turn * blocks + (side ? blocks - 1 - (int)blockIdx.x : (int)blockIdx.x);
        const int entry = place % entries, tile = tiles - 1 - place / entries;
        Job &job = two[side], &before = two[1 - side];
        herald.await_room(&done[side], turn / 2);
        if (threadIdx.x == 0) {
            if (turn >= 2) flaws[job.tile] = job.flawed;
            job.entry = tile >= 0 ? entry : -1;
            job.batch = entry / x.heads;
            job.head = entry % x.heads;
            job.first_query = tile * QUERIES;
            job.tile = entry * tiles + tile;
            job.flawed = 0;
        }
        if (tile >= 0) job.ranges.fill(x, entry / x.heads, tile * QUERIES, 3, GROUP);
        arrive(&found[side]);
        if (tile >= 0) return &job;
        herald.await_room(&done[1 - side], (turn + 1) / 2);
        if (threadIdx.x == 0) flaws[before.tile] = before.flawed;
        return nullptr;
    }

    // By the others; null after the last.
    __device__ __forceinline__ Job *await(int turn) {
        await_phase(&found[turn % 2], turn / 2);
        Job &job = two[turn % 2];
        return job.entry < 0 ? nullptr : &job;
    }
    __device__ __forceinline__ void finish(int turn, Job &job, bool is_flawed) {
        if (is_flawed) atomicOr(&job.flawed, 1);
        __syncwarp();
        if (threadIdx.x % 32 == 0) arrive(&done[turn % 2]);
    }
};

template <int WIDTH> struct Shared {
    uint8 query[QUERIES * WIDTH * 2], output[QUERIES * WIDTH * 2], key[STAGES][KEYS * WIDTH * 2], value[STAGES][KEYS * WIDTH * 2];
    // Tiles that have come, and that nobody reads any more.
    uint64 keys_came[STAGES], keys_left[STAGES], values_came[STAGES], values_left[STAGES], queries_left;
    Jobs jobs;
};

// The group that brings tiles: queries and the first keys together, then values and keys in turn.
template <typename T, int WIDTH> __device__ __forceinline__ void bring(const TileInputs &x, Shared<WIDTH> &shared, int *flaws) {
    const int64 query_step = (int64)x.heads * x.width, key_step = (int64)x.groups * x.width, value_step = (int64)x.groups * x.value_width;
    Herald herald;
    for (int turn = 0, tile = 0;; turn++) {
        const Job *job = shared.jobs.find(x, turn, herald, flaws);
        if (!job) break;
        const Keys seen(job->ranges);
        const int64 first_key_vector = job->first_key_vector(x);
        const T *keys = (const T *)x.key + first_key_vector * x.width, *values = (const T *)x.value + first_key_vector * x.value_width;
        herald.await_room(&shared.queries_left, turn);
        if (seen.start < seen.high) {
            const T *queries = (const T *)x.query + job->first_vector(x) * x.width;
            fetch_tile<WIDTH, QUERIES>(shared.query, queries, query_step, job->first_query, 0, x.queries, x.width);
        }
        for (int k = seen.start; k < seen.high; k += KEYS, tile++) {
            const int stage = tile % STAGES, use = tile / STAGES;
            herald.await_room(&shared.keys_left[stage], use);
            fetch_tile<WIDTH, KEYS>(shared.key[stage], keys, key_step, k, seen.low, seen.high, x.width);
            herald.follow(&shared.keys_came[stage]);
            herald.await_room(&shared.values_left[stage], use);
            fetch_tile<WIDTH, KEYS>(shared.value[stage], values, value_step, k, seen.low, seen.high, x.value_width);
            herald.follow(&shared.values_came[stage]);
        }
    }
}

// Until the other group has begun its products.
__device__ __forceinline__ void await_turn() { asm volatile("bar.sync %0, 256;" ::"r"(3 + threadIdx.x / GROUP) : "memory"); }
__device__ __forceinline__ void give_turn() { asm volatile("bar.arrive %0, 256;" ::"r"(6 - threadIdx.x / GROUP) : "memory"); }

// A group with 64 queries.
//
// The two groups multiply in turns, so that one computes exponentials while the other multiplies.
template <typename T, int WIDTH>
__device__ __forceinline__ bool attend(const TileInputs &x, Shared<WIDTH> &shared, const Job &job, int &tile, T *output, float *log_sum_exp) {
    const TileRanges<QUERIES, KEYS> &ranges = job.ranges;
    const Keys seen(ranges);
    const int lane = threadIdx.x % 32, half_tile = threadIdx.x / GROUP - 1, warp = threadIdx.x / 32 % 4;
    const int first_row = half_tile * 64 + warp * 16 + lane / 4;
    const float unit = x.scale * LOG2_E, lag = LAG / unit, slope = x.slopes ? x.slopes[job.head] / x.scale : 0;
    float sums[WIDTH / 8][4], scores[KEYS / 8][4], tops[2] = {-INFINITE, -INFINITE}, totals[4] = {0, 0, 0, 0};
#pragma unroll
    for (int n = 0; n < WIDTH / 8; n++) sums[n][0] = sums[n][1] = sums[n][2] = sums[n][3] = 0;
    uint32 weights[KEYS / 16][4];

    // Makes the scores of a tile weights. Returns the factors of all sums before it, if any is not 1.
    float decays[2];
    const auto weigh = [&](int k) {
        const int first_key = k + lane % 4 * 2, firsts[2] = {ranges.firsts[first_row], ranges.firsts[first_row + 8]};
        const int ends[2] = {ranges.ends[first_row], ranges.ends[first_row + 8]};
        if (x.slopes) lean(scores, slope, first_key, ends);
        if (!ranges.covers(k)) hide(scores, -INFINITE, first_key, firsts, ends);
        float highest[2] = {-INFINITE, -INFINITE};
        bool exceeds = false;
#pragma unroll
        for (int n = 0; n < KEYS / 8; n++)
#pragma unroll
            for (int half = 0; half < 2; half++) highest[half] = fmaxf(highest[half], fmaxf(scores[n][2 * half], scores[n][2 * half + 1]));
#pragma unroll
        for (int half = 0; half < 2; half++) {
            float top = highest[half];
            top = fmaxf(top, __shfl_xor_sync(FULL_WARP, top, 1));
            top = fmaxf(top, __shfl_xor_sync(FULL_WARP, top, 2));
            highest[half] = top;
            exceeds |= top > tops[half] + lag;
        }
        exceeds = __any_sync(FULL_WARP, exceeds);
        if (exceeds) {
#pragma unroll
            for (int half = 0; half < 2; half++) {
                const float top = fmaxf(tops[half], highest[half]);
                decays[half] = top == -INFINITE ? 1 : exp2_of((tops[half] - top) * unit);
                tops[half] = top;
                totals[2 * half] *= decays[half];
                totals[2 * half + 1] *= decays[half];
            }
        }
        float base[2];
#pragma unroll
        for (int half = 0; half < 2; half++) base[half] = tops[half] == -INFINITE ? 0 : tops[half] * unit;
#pragma unroll
        for (int n = 0; n < KEYS / 8; n++)
#pragma unroll
            for (int i = 0; i < 4; i++) {
                scores[n][i] = exp2_of(__fmaf_rn(scores[n][i], unit, -base[i / 2]));
                totals[i] += scores[n][i];
            }
        return exceeds;
    };
    if (seen.start < seen.high) {
        int stage = tile % STAGES;
        await_phase(&shared.keys_came[stage], tile / STAGES);
        begin_rows<T, WIDTH, KEYS>(scores, shared.query, shared.key[stage]);
        await_products<0>(scores);
        if (lane == 0) arrive(&shared.keys_left[stage]);
        weigh(seen.start);
        round_rows<T, KEYS>(weights, scores);
        tile++;
        for (int k = seen.start + KEYS; k < seen.high; k += KEYS, tile++) {
            const int stage = tile % STAGES, last = (tile - 1) % STAGES;
            await_phase(&shared.keys_came[stage], tile / STAGES);
            await_turn();
            begin_rows<T, WIDTH, KEYS>(scores, shared.query, shared.key[stage]);
            await_phase(&shared.values_came[last], (tile - 1) / STAGES);
            begin_vectors<T, WIDTH, KEYS>(sums, weights, shared.value[last]);
            give_turn();
            await_products<1>(scores);
            if (lane == 0) arrive(&shared.keys_left[stage]);
            const bool decayed = weigh(k);
            await_products<0>(sums);
            if (lane == 0) arrive(&shared.values_left[last]);
            if (decayed) {
#pragma unroll
                for (int n = 0; n < WIDTH / 8; n++) {
                    sums[n][0] *= decays[0];
                    sums[n][1] *= decays[0];
                    sums[n][2] *= decays[1];
                    sums[n][3] *= decays[1];
                }
            }
            round_rows<T, KEYS>(weights, scores);
        }
        if (lane == 0) arrive(&shared.queries_left);
        stage = (tile - 1) % STAGES;
        await_phase(&shared.values_came[stage], (tile - 1) / STAGES);
        begin_vectors<T, WIDTH, KEYS>(sums, weights, shared.value[stage]);
        await_products<0>(sums);
        if (lane == 0) arrive(&shared.values_left[stage]);
    } else if (lane == 0) {
        arrive(&shared.queries_left);
    }

    bool flawed = false;
    float factors[2];
#pragma unroll
    for (int half = 0; half < 2; half++) {
        float total = totals[2 * half] + totals[2 * half + 1];
        total += __shfl_xor_sync(FULL_WARP, total, 1);
        total += __shfl_xor_sync(FULL_WARP, total, 2);
        const int row = first_row + half * 8, query = job.first_query + row;
        const bool counts = query < x.queries, sees = counts && ranges.firsts[row] < ranges.ends[row];
        const float log_sum = __fmaf_rn(tops[half], x.scale, log2f(total) * LN_2);
        factors[half] = sees ? 1 / total : 0;
        flawed |= sees && !(fabsf(log_sum) < INFINITE);
        if (log_sum_exp && counts && lane % 4 == 0) log_sum_exp[(int64)job.entry * x.queries + query] = sees ? log_sum : -INFINITE;
    }
    flawed |= store_rows<T, WIDTH>(
        output + job.first_vector(x) * x.value_width, (int64)x.heads * x.value_width, job.first_query, x.queries, x.value_width, sums, factors,
        shared.output);
    return flawed;
}

extern __shared__ uint8 block_memory[];

template <typename T, int WIDTH> __device__ __forceinline__ void attend_tiles(const TileInputs &x, T *output, float *log_sum_exp, int *flaws) {
    Shared<WIDTH> &shared = *(Shared<WIDTH> *)(block_memory + (1024 - shared_address(block_memory) % 1024) % 1024);
    if (threadIdx.x == 0) {
        for (int i = 0; i < STAGES; i++) {
            begin_barrier(&shared.keys_came[i], GROUP);
            begin_barrier(&shared.values_came[i], GROUP);
            begin_barrier(&shared.keys_left[i], 2 * GROUP / 32);
            begin_barrier(&shared.values_left[i], 2 * GROUP / 32);
        }
        begin_barrier(&shared.queries_left, 2 * GROUP / 32);
        shared.jobs.begin();
        show_to_products();
    }
    __syncthreads();
    if (threadIdx.x < GROUP) {
        give_registers<40>();
        bring<T, WIDTH>(x, shared, flaws);
    } else {
        take_registers<232>();
        if (threadIdx.x >= 2 * GROUP) give_turn();
        for (int turn = 0, tile = 0;; turn++) {
            Job *job = shared.jobs.await(turn);
            if (!job) break;
            const bool is_flawed = attend<T, WIDTH>(x, shared, *job, tile, output, log_sum_exp);
            shared.jobs.finish(turn, *job, is_flawed);
        }
    }
}

// MARK: Gradients of queries

template <int WIDTH> struct SharedOfQueries {
    uint8 query[QUERIES * WIDTH * 2], gradient[QUERIES * WIDTH * 2], key[STAGES][KEYS * WIDTH * 2], value[STAGES][KEYS * WIDTH * 2];
    // Tiles of keys and values that have come, and that nobody reads any more.
    uint64 came[STAGES], left[STAGES];
    TileRanges<QUERIES, KEYS> ranges;
    int flawed;
};

// And `means`, for each row the product of the output and its gradient.
template <typename T, int WIDTH>
__device__ __forceinline__ void attend_queries_back(const TileInputs &x, const T *output, const float *log_sum_exp, const T *output_gradient, float *means,
                                                    T *query_gradient, int *flaws) {
    SharedOfQueries<WIDTH> &shared = *(SharedOfQueries<WIDTH> *)(block_memory + (1024 - shared_address(block_memory) % 1024) % 1024);
    const int64 tiles = (x.queries + QUERIES - 1) / QUERIES, entries = x.batch * x.heads, entry = blockIdx.x % entries;
    const int64 tile = tiles - 1 - blockIdx.x / entries, batch = entry / x.heads;
    const int head = (int)(entry % x.heads), group = head / (x.heads / x.groups), first_query = (int)tile * QUERIES;
    const int64 first_vector = batch * x.queries * x.heads + head;
    if (threadIdx.x == 0) {
        for (int stage = 0; stage < STAGES; stage++) {
            begin_barrier(&shared.came[stage], GROUP);
            begin_barrier(&shared.left[stage], 2 * GROUP / 32);
        }
        show_to_products();
        shared.flawed = 0;
    }
    shared.ranges.fill(x, batch, first_query);
    const int high = shared.ranges.last_end, low = min(shared.ranges.least_first, high), start = low / KEYS * KEYS;
    if (threadIdx.x < GROUP) {
        give_registers<40>();
        const int64 first_key_vector = batch * x.key_stride * x.groups + group;
        Herald herald;
        for (int k = start, number = 0; k < high; k += KEYS, number++) {
            const int stage = number % STAGES;
            herald.await_room(&shared.left[stage], number / STAGES);
            if (number == 0) {
                fetch_tile<WIDTH, QUERIES>(
                    shared.query, (const T *)x.query + first_vector * x.width, (int64)x.heads * x.width, first_query, 0, x.queries, x.width);
                fetch_tile<WIDTH, QUERIES>(
                    shared.gradient, output_gradient + first_vector * x.value_width, (int64)x.heads * x.value_width, first_query, 0, x.queries,
                    x.value_width);
            }
            fetch_tile<WIDTH, KEYS>(
                shared.key[stage], (const T *)x.key + first_key_vector * x.width, (int64)x.groups * x.width, k, low, high, x.width);
            fetch_tile<WIDTH, KEYS>(
                shared.value[stage], (const T *)x.value + first_key_vector * x.value_width, (int64)x.groups * x.value_width, k, low, high,
                x.value_width);
            herald.follow(&shared.came[stage]);
        }
        herald.end();
    } else {
        take_registers<232>();
        const int lane = threadIdx.x % 32, first_row = (threadIdx.x / GROUP - 1) * 64 + threadIdx.x / 32 % 4 * 16 + lane / 4;
        const float unit = x.scale * LOG2_E, slope = x.slopes ? x.slopes[head] / x.scale : 0;
        // Four lanes a row, as they have its sums.
        float row_means[2], log_sums[2], sums[WIDTH / 8][4];
#pragma unroll
        for (int half = 0; half < 2; half++) {
            const int query = first_query + first_row + half * 8;
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
#pragma unroll
        for (int n = 0; n < WIDTH / 8; n++) sums[n][0] = sums[n][1] = sums[n][2] = sums[n][3] = 0;

        for (int k = start, number = 0; k < high; k += KEYS, number++) {
            const int stage = number % STAGES;
            float scores[KEYS / 8][4], changes[KEYS / 8][4];
            uint32 weights[KEYS / 16][4];
            await_phase(&shared.came[stage], number / STAGES);
            begin_rows<T, WIDTH, KEYS>(scores, shared.query, shared.key[stage]);
            begin_rows<T, WIDTH, KEYS>(changes, shared.gradient, shared.value[stage]);
            await_products<1>(scores);
            const TileRanges<QUERIES, KEYS> &ranges = shared.ranges;
            const int first_key = k + lane % 4 * 2, firsts[2] = {ranges.firsts[first_row], ranges.firsts[first_row + 8]};
            const int ends[2] = {ranges.ends[first_row], ranges.ends[first_row + 8]};
            if (x.slopes) lean(scores, slope, first_key, ends);
#pragma unroll
            for (int n = 0; n < KEYS / 8; n++)
#pragma unroll
                for (int i = 0; i < 4; i++) scores[n][i] = exp2_of(__fmaf_rn(scores[n][i], unit, -log_sums[i / 2]));
            if (!ranges.covers(k)) hide(scores, 0, first_key, firsts, ends);
            await_products<0>(changes);
#pragma unroll
            for (int n = 0; n < KEYS / 8; n++)
#pragma unroll
                for (int i = 0; i < 4; i++) scores[n][i] *= changes[n][i] - row_means[i / 2];
            round_rows<T, KEYS>(weights, scores);
            begin_vectors<T, WIDTH, KEYS>(sums, weights, shared.key[stage]);
            await_products<0>(sums);
            if (lane == 0) arrive(&shared.left[stage]);
        }
        const float factors[2] = {x.scale, x.scale};
        const bool flawed = store_rows<T, WIDTH>(
            query_gradient + first_vector * x.width, (int64)x.heads * x.width, first_query, x.queries, x.width, sums, factors, shared.query);
        if (flawed) atomicOr(&shared.flawed, 1);
    }
    __syncthreads();
    if (threadIdx.x == 0) flaws[entry * tiles + tile] = shared.flawed;
}

// MARK: Gradients of keys and values

template <int WIDTH> struct SharedOfKeys {
    uint8 key[KEYS * WIDTH * 2], value[KEYS * WIDTH * 2], query[STAGES][BACK_QUERIES * WIDTH * 2], gradient[STAGES][BACK_QUERIES * WIDTH * 2];
    alignas(8) float log_sums[STAGES][BACK_QUERIES], means[STAGES][BACK_QUERIES];
    int firsts[STAGES][BACK_QUERIES], ends[STAGES][BACK_QUERIES];
    // Whose queries they are, -1 after the last; and whether all of them see all keys.
    int head[STAGES];
    bool covers[STAGES];
    // Tiles of queries and gradients that have come, and that nobody reads any more.
    uint64 came[STAGES], left[STAGES];
    // From the first tile of queries that sees a key to the one after the last.
    int first_tile, end_tile;
    int flawed;
};

// A group of warps has 64 keys, and goes through tiles of 64 queries of a head, one head after the other.
template <typename T, int WIDTH>
__device__ __forceinline__ void attend_keys_back(const TileInputs &x, const float *log_sum_exp, const T *output_gradient, const float *means,
                                                 const TileBounds *bounds, T *key_gradient, T *value_gradient, int *flaws) {
    SharedOfKeys<WIDTH> &shared = *(SharedOfKeys<WIDTH> *)(block_memory + (1024 - shared_address(block_memory) % 1024) % 1024);
    const int64 entries = x.batch * x.groups, entry = blockIdx.x % entries, tile = blockIdx.x / entries, batch = entry / x.groups;
    const int group = (int)(entry % x.groups), heads_per_group = x.heads / x.groups, first_key = (int)tile * KEYS, key_end = min(first_key + KEYS, x.keys);
    const int64 key_step = (int64)x.groups * x.width, value_step = (int64)x.groups * x.value_width;
    const int64 first_key_vector = batch * x.key_stride * x.groups + group;
    const int all_tiles = (x.queries + BACK_QUERIES - 1) / BACK_QUERIES;
    bounds += batch * all_tiles;
    if (threadIdx.x == 0) {
        shared.first_tile = all_tiles;
        shared.end_tile = 0;
        for (int stage = 0; stage < STAGES; stage++) {
            begin_barrier(&shared.came[stage], GROUP);
            begin_barrier(&shared.left[stage], 2 * GROUP / 32);
        }
        show_to_products();
        shared.flawed = 0;
    }
    __syncthreads();
    for (int i = threadIdx.x; i < all_tiles; i += THREADS) {
        if (!bounds[i].meets(first_key, key_end)) continue;
        atomicMin(&shared.first_tile, i);
        atomicMax(&shared.end_tile, i + 1);
    }
    __syncthreads();
    if (threadIdx.x < GROUP) {
        give_registers<56>();
        Herald herald;
        int number = 0;
        const int first_tile = shared.first_tile, end_tile = shared.end_tile;
        for (int head = group * heads_per_group; head < (group + 1) * heads_per_group; head++)
            for (int tile = first_tile; tile < end_tile; tile++) {
                if (!bounds[tile].meets(first_key, key_end)) continue;
                const int stage = number % STAGES, first_query = tile * BACK_QUERIES;
                const int64 vector = batch * x.queries * x.heads + head, row = (batch * x.heads + head) * x.queries + first_query;
                herald.await_room(&shared.left[stage], number / STAGES);
                if (number == 0) {
                    fetch_tile<WIDTH, KEYS>(
                        shared.key, (const T *)x.key + first_key_vector * x.width, key_step, first_key, 0, x.keys, x.width);
                    fetch_tile<WIDTH, KEYS>(
                        shared.value, (const T *)x.value + first_key_vector * x.value_width, value_step, first_key, 0, x.keys, x.value_width);
                }
                fetch_tile<WIDTH, BACK_QUERIES>(
                    shared.query[stage], (const T *)x.query + vector * x.width, (int64)x.heads * x.width, first_query, 0, x.queries, x.width);
                fetch_tile<WIDTH, BACK_QUERIES>(
                    shared.gradient[stage], output_gradient + vector * x.value_width, (int64)x.heads * x.value_width, first_query, 0, x.queries,
                    x.value_width);
                const int own = threadIdx.x % BACK_QUERIES;
                const bool counts = first_query + own < x.queries;
                if (threadIdx.x < BACK_QUERIES) {
                    fetch_number(shared_address(&shared.log_sums[stage][own]), counts ? log_sum_exp + row + own : log_sum_exp, counts);
                    const KeyRange range = counts ? range_of(x, batch, first_query + own) : KeyRange{0, 0};
                    shared.firsts[stage][own] = range.first;
                    shared.ends[stage][own] = range.end;
                } else {
                    fetch_number(shared_address(&shared.means[stage][own]), counts ? means + row + own : means, counts);
                }
                if (threadIdx.x == 0) {
                    shared.head[stage] = head;
                    // A slope may make anything of a score beyond the last query.
                    shared.covers[stage] = !x.slopes && bounds[tile].covers(first_key, key_end);
                }
                herald.follow(&shared.came[stage]);
                number++;
            }
        herald.await_room(&shared.left[number % STAGES], number / STAGES);
        if (threadIdx.x == 0) shared.head[number % STAGES] = -1;
        herald.end();
        arrive(&shared.came[number % STAGES]);
    } else {
        take_registers<224>();
        const int lane = threadIdx.x % 32, first_row = (threadIdx.x / GROUP - 1) * 64 + threadIdx.x / 32 % 4 * 16 + lane / 4;
        const float unit = x.scale * LOG2_E;
        float key_sums[WIDTH / 8][4], value_sums[WIDTH / 8][4];
#pragma unroll
        for (int n = 0; n < WIDTH / 8; n++)
#pragma unroll
            for (int i = 0; i < 4; i++) key_sums[n][i] = value_sums[n][i] = 0;
        for (int number = 0;; number++) {
            const int stage = number % STAGES;
            await_phase(&shared.came[stage], number / STAGES);
            const int head = shared.head[stage];
            if (head < 0) break;
            const float slope = x.slopes ? x.slopes[head] / x.scale : 0;
            float scores[BACK_QUERIES / 8][4], changes[BACK_QUERIES / 8][4];
            uint32 weights[BACK_QUERIES / 16][4], rounded_changes[BACK_QUERIES / 16][4];
            begin_rows<T, WIDTH, BACK_QUERIES>(scores, shared.key, shared.query[stage]);
            begin_rows<T, WIDTH, BACK_QUERIES>(changes, shared.value, shared.gradient[stage]);
            await_products<1>(scores);
            const int own_query = lane % 4 * 2, own_key = first_key + first_row;
            const int *firsts = shared.firsts[stage] + own_query, *ends = shared.ends[stage] + own_query;
            if (x.slopes) lean_keys(scores, slope, own_key, ends);
#pragma unroll
            for (int n = 0; n < BACK_QUERIES / 8; n++) {
                const float2 two = *(const float2 *)&shared.log_sums[stage][n * 8 + own_query];
                const float log_sums[2] = {two.x * LOG2_E, two.y * LOG2_E};
#pragma unroll
                for (int i = 0; i < 4; i++) scores[n][i] = exp2_of(__fmaf_rn(scores[n][i], unit, -log_sums[i % 2]));
            }
            if (!shared.covers[stage]) hide_keys(scores, own_key, firsts, ends);
            round_rows<T, BACK_QUERIES>(weights, scores);
            begin_vectors<T, WIDTH, BACK_QUERIES>(value_sums, weights, shared.gradient[stage]);
            await_products<1>(changes);
            // Of the rounded weights: there are no registers for both.
#pragma unroll
            for (int n = 0; n < BACK_QUERIES / 8; n++) {
                const float2 two = *(const float2 *)&shared.means[stage][n * 8 + own_query];
#pragma unroll
                for (int half = 0; half < 2; half++) {
                    const uint32 pair = weights[n / 2][n % 2 * 2 + half];
                    changes[n][2 * half] = unpack_low<T>(pair) * (changes[n][2 * half] - two.x);
                    changes[n][2 * half + 1] = unpack_high<T>(pair) * (changes[n][2 * half + 1] - two.y);
                }
            }
            round_rows<T, BACK_QUERIES>(rounded_changes, changes);
            begin_vectors<T, WIDTH, BACK_QUERIES>(key_sums, rounded_changes, shared.query[stage]);
            await_products<0>(value_sums);
            await_products<0>(key_sums);
            if (lane == 0) arrive(&shared.left[stage]);
        }
        const float scales[2] = {x.scale, x.scale}, ones[2] = {1, 1};
        bool flawed = store_rows<T, WIDTH>(
            key_gradient + first_key_vector * x.width, key_step, first_key, x.keys, x.width, key_sums, scales, shared.key);
        flawed |= store_rows<T, WIDTH>(
            value_gradient + first_key_vector * x.value_width, value_step, first_key, x.keys, x.value_width, value_sums, ones, shared.value);
        if (flawed) atomicOr(&shared.flawed, 1);
    }
    __syncthreads();
    if (threadIdx.x == 0) flaws[entry * ((x.keys + KEYS - 1) / KEYS) + tile] = shared.flawed;
}

#define CALL(...) __VA_ARGS__
#else
#define CALL(...)
#endif

#define FORWARD(T, NAME, WIDTH)                                                                                                                        \
    extern "C" __global__ void __launch_bounds__(THREADS, 1)                                                                                           \
        attention_hopper_##WIDTH##_##NAME(TileInputs x, T *output, float *log_sum_exp, int *flaws) {                                                   \
        CALL((attend_tiles<T, WIDTH>(x, output, log_sum_exp, flaws)));                                                                                  \
    }

FORWARD(float16, f16, 64)
FORWARD(float16, f16, 128)
FORWARD(bfloat16, bf16, 64)
FORWARD(bfloat16, bf16, 128)

#define BACKWARD(T, NAME, WIDTH)                                                                                                                       \
    extern "C" __global__ void __launch_bounds__(THREADS, 1) attention_hopper_query_gradient_##WIDTH##_##NAME(                                         \
        TileInputs x, const T *output, const float *log_sum_exp, const T *output_gradient, float *means, T *query_gradient, int *flaws) {              \
        CALL((attend_queries_back<T, WIDTH>(x, output, log_sum_exp, output_gradient, means, query_gradient, flaws)));                                  \
    }                                                                                                                                                  \
    extern "C" __global__ void __launch_bounds__(THREADS, 1) attention_hopper_key_gradient_##WIDTH##_##NAME(                                           \
        TileInputs x, const float *log_sum_exp, const T *output_gradient, const float *means, const void *bounds, T *key_gradient,                     \
        T *value_gradient, int *flaws) {                                                                                                               \
        CALL((attend_keys_back<T, WIDTH>(                                                                                                              \
            x, log_sum_exp, output_gradient, means, (const TileBounds *)bounds, key_gradient, value_gradient, flaws)));                                \
    }

BACKWARD(float16, f16, 64)
BACKWARD(float16, f16, 128)
BACKWARD(bfloat16, bf16, 64)
BACKWARD(bfloat16, bf16, 128)
