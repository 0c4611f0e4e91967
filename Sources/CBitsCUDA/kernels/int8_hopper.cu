// Products of many rows of int8 codes by the matrix instructions of compute capability 9.0: what a [M, K] · bᵀ [N, K] stands for, with outlier columns.
//
// A block has tiles of ROWS x WIDTH, one after the other. One thread has the copy engine bring both operands, DEPTH codes of k at a time; two groups of four
// warps multiply 64 rows each, and rescale and round what they have as they store it; three warps gather what that takes: scales, bias, outlier columns. Those
// lie a line or more apart in both matrices, so the first of them are collected for all tiles by a launch before.

#include "hopper.cuh"
#include "int8.cuh"

// Address, shape and boxes of an operand, as the driver encodes them for the copy engine.
struct alignas(64) tensor_map {
    uint64 words[16];
};

struct large_product {
    // Boxes of ROWS and of WIDTH rows of DEPTH codes.
    tensor_map a_map, b_map;
    const float *a_scales;
    // Rows of it and of the input begin at multiples of 4 bytes after the first.
    const int8 *b;
    int64 b_stride;
    const float *b_scales;
    const void *bias;
    // [M, K]
    const void *outlier_input;
    // NULL: none.
    const int *outlier_columns;
    // The first COLLECTED of them: [COLLECTED, n_padded] of the weight, decoded and as `place_of` has them, and [COLLECTED, m_padded] of the input.
    const float *weights, *inputs;
    void *output;
    int64 m, n, k;
    int bias_type, outlier_type, output_type;
};

// Outlier columns that are gathered at a time, and those that are collected.
enum { CHUNK = 8, COLLECTED = 32 * CHUNK };
enum { ROWS = 128, DEPTH = 128, GROUP = 128, THREADS = 3 * GROUP, GATHERERS = GROUP - 32 };

// Rows of a collected column, so that whole vectors are there.
__device__ __forceinline__ int64 padded(int64 rows) { return (rows + 15) / 16 * 16; }
// Where something of column `c` of a tile or of the weight stands among sixteen: a thread has the columns 2 i, 2 i + 1, 2 i + 8 and 2 i + 9.
__device__ __forceinline__ int64 place_of(int64 c) { return c / 16 * 16 + c % 8 / 2 * 4 + c / 8 % 2 * 2 + c % 2; }

// Blocks of COLLECTORS take as many rows of the weight, then of the input; along the y axis, every one CHUNK columns at a time. Every entry is a line of its
// own, so they are to be spread over all multiprocessors: a launch that overlapped the one before would begin on the few that are idle.
enum { COLLECTORS = 128 };
extern "C" __global__ void __launch_bounds__(COLLECTORS) int8_collect_outliers(
    const int8 *b, int64 b_stride, const float *b_scales, const void *input, int type, const int *columns, float *weights, float *inputs, int64 m, int64 n,
    int64 k) {
    const int64 of_weight = (padded(n) + COLLECTORS - 1) / COLLECTORS;
    const bool is_of_weight = blockIdx.x < of_weight;
    const int64 row = thread_index() - (is_of_weight ? 0 : of_weight * COLLECTORS), rows = is_of_weight ? n : m, own = min(row, rows - 1);
    begin_launch();
    if (row >= padded(rows)) return;
    const float scale = is_of_weight ? b_scales[own] : 0;
    float *const to = is_of_weight ? weights + place_of(row) : inputs + row;
    const int count = min(columns[0], (int)COLLECTED);
    for (int from = blockIdx.y * CHUNK; from < count; from += gridDim.y * CHUNK) {
        // Eight are on their way before the first is looked at.
        uint32 entries[CHUNK];
#pragma unroll
        for (int e = 0; e < CHUNK; e++) {
            const int column = columns[1 + min(from + e, count - 1)];
            entries[e] = is_of_weight ? (uint32)(uint8)b[own * b_stride + column] : load_bits(input, type, own * k + column);
        }
#pragma unroll
        for (int e = 0; e < CHUNK; e++)
            if (from + e < count)
                to[(from + e) * padded(rows)] = is_of_weight ? decoded((int8)entries[e], scale, type) : float_of(entries[e], type);
    }
}

#ifdef __CUDA_ARCH_FEAT_SM90_ALL

// MARK: Instructions

// The barrier's phase is to wait for so many bytes of the copy engine's as well.
__device__ __forceinline__ void arrive_expecting(uint64 *barrier, int bytes) {
    asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(shared_address(barrier)), "r"(bytes) : "memory");
}
// Barriers that have begun are there for the copy engine.
__device__ __forceinline__ void show_barriers() { asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory"); }

// A box from column `k` of row `row` on, zeros beyond the ends; the barrier hears of it.
__device__ __forceinline__ void bring_box(uint8 *to, const tensor_map &map, int64 k, int64 row, uint64 *barrier) {
    asm volatile("cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%2, %3}], [%4];" ::"r"(shared_address(to)),
                 "l"(&map), "r"((int)k), "r"((int)row), "r"(shared_address(barrier))
                 : "memory");
}

#define FOUR(d, n) "+r"(d[n][0]), "+r"(d[n][1]), "+r"(d[n][2]), "+r"(d[n][3])
#define SIXTEEN(d, n) FOUR(d, n), FOUR(d, n + 1), FOUR(d, n + 2), FOUR(d, n + 3)
#define SIXTY_FOUR(d, n) SIXTEEN(d, n), SIXTEEN(d, n + 4), SIXTEEN(d, n + 8), SIXTEEN(d, n + 12)
#define R0 "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15"
#define R16 "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31"
#define R32 "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47"
#define R48 "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63"
#define R64 "%64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79"
#define R80 "%80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95"
#define R96 "%96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111"
#define R112 "%112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, %127"

// sums += a b', of 64 x 32 and WIDTH x 32 codes in shared memory. They wrap around.
#define PRODUCTS(WIDTH, REGISTERS, A, B, ...)                                                                                          \
    __device__ __forceinline__ void multiply(int (&sums)[WIDTH / 8][4], uint64 a, uint64 b) {                                          \
        asm volatile("wgmma.mma_async.sync.aligned.m64n" #WIDTH "k32.s32.s8.s8 {" REGISTERS "}, " A ", " B ", 1;"                      \
                     : __VA_ARGS__                                                                                                     \
                     : "l"(a), "l"(b));                                                                                                 \
    }
PRODUCTS(128, R0 ", " R16 ", " R32 ", " R48, "%64", "%65", SIXTY_FOUR(sums, 0))
PRODUCTS(224, R0 ", " R16 ", " R32 ", " R48 ", " R64 ", " R80 ", " R96, "%112", "%113", SIXTY_FOUR(sums, 0), SIXTEEN(sums, 16), SIXTEEN(sums, 20),
         SIXTEEN(sums, 24))
PRODUCTS(256, R0 ", " R16 ", " R32 ", " R48 ", " R64 ", " R80 ", " R96 ", " R112, "%128", "%129", SIXTY_FOUR(sums, 0), SIXTY_FOUR(sums, 16))

// All products have ended, so that the sums can be looked at.
template <int COUNT> __device__ __forceinline__ void await_all(int (&sums)[COUNT][4]) {
    await_products<0>();
#pragma unroll
    for (int n = 0; n < COUNT; n++) asm volatile("" : FOUR(sums, n)::"memory");
}

// MARK: Tiles

// What a tile takes beside the operands: scales and bias, with the first of its outlier columns of the weight and of the input, CHUNK of them at a time. What
// is of the tile's columns stands as `place_of` has it.
template <int WIDTH> struct Extras {
    float weights[CHUNK][WIDTH], inputs[CHUNK][ROWS], scales[WIDTH], shifts[WIDTH];
};

template <int WIDTH> struct Shared {
    enum { STAGES = WIDTH > 128 ? 4 : 6 };
    uint8 a[STAGES][ROWS * DEPTH], b[STAGES][WIDTH * DEPTH];
    Extras<WIDTH> extras[2];
    // Parts of the operands that have come, and that nobody reads any more; the same of extras.
    uint64 came[STAGES], left[STAGES], extras_came[2], extras_left[2];
};

// A place in a ring: which of its rooms, and how often it has come round.
template <int COUNT> struct Place {
    int room = 0, round = 0;
    __device__ __forceinline__ void advance() {
        if (++room < COUNT) return;
        room = 0;
        round++;
    }
};

// The tiles of a block, one after the other. Those that are computed at the same time are to share operands, so of BAND tiles of rows all that take the same
// columns come first.
struct Tiles {
    enum { BAND = 16 };
    int64 item = blockIdx.x, row, column;

    template <int WIDTH> __device__ __forceinline__ bool next(const large_product &p) {
        const int64 down = (p.m + ROWS - 1) / ROWS, across = (p.n + WIDTH - 1) / WIDTH;
        if (item >= down * across) return false;
        const int64 band = item / (BAND * across), inside = item % (BAND * across), height = min((int64)BAND, down - BAND * band);
        row = (BAND * band + inside % height) * ROWS;
        column = inside / height * WIDTH;
        item += gridDim.x;
        return true;
    }
};

// MARK: Bringing and gathering

template <int WIDTH> __device__ __forceinline__ void bring(const large_product &p, Shared<WIDTH> &shared) {
    Place<Shared<WIDTH>::STAGES> place;
    for (Tiles tile; tile.next<WIDTH>(p);)
        for (int64 k = 0; k < p.k; k += DEPTH, place.advance()) {
            uint64 *const came = &shared.came[place.room];
            if (place.round > 0) await_phase(&shared.left[place.room], place.round - 1);
            arrive_expecting(came, (ROWS + WIDTH) * DEPTH);
            bring_box(shared.a[place.room], p.a_map, k, tile.row, came);
            bring_box(shared.b[place.room], p.b_map, k, tile.column, came);
        }
}

// By the warps that gather: `width` outlier columns from number `from` on, which have been collected.
template <int WIDTH>
__device__ __forceinline__ void fetch_collected(Extras<WIDTH> &extras, const large_product &p, const Tiles &tile, int from, int width, int own) {
    enum { VECTORS = (WIDTH + ROWS) / 4 };
    for (int i = own; i < width * VECTORS; i += GATHERERS) {
        const int e = i / VECTORS, place = i % VECTORS * 4;
        if (place < WIDTH) {
            const int64 at = tile.column + place;
            if (at < padded(p.n)) fetch(shared_address(&extras.weights[e][place]), p.weights + (from + e) * padded(p.n) + at);
        } else {
            const int64 at = tile.row + place - WIDTH;
            if (at < padded(p.m)) fetch(shared_address(&extras.inputs[e][place - WIDTH]), p.inputs + (from + e) * padded(p.m) + at);
        }
    }
}

// The others. All are on their way at once: an entry comes as the four bytes around it, and `decode_others` takes it from there when they have come.
template <int WIDTH>
__device__ __forceinline__ void fetch_others(Extras<WIDTH> &extras, const large_product &p, const Tiles &tile, int from, int width, int own) {
    const uint32 element = p.outlier_type == FLOAT32 ? 4 : 2;
    for (int e = 0; e < width; e++) {
        const uint64 column = p.outlier_columns[1 + from + e];
        for (int c = own; c < WIDTH; c += GATHERERS)
            fetch_number(shared_address(&extras.weights[e][place_of(c)]),
                         (const void *)((uint64)(p.b + min(tile.column + c, p.n - 1) * p.b_stride + column) & ~3ull));
        for (int r = own; r < ROWS; r += GATHERERS)
            fetch_number(shared_address(&extras.inputs[e][r]),
                         (const void *)((uint64)p.outlier_input + (min(tile.row + r, p.m - 1) * p.k + column) * element & ~3ull));
    }
}
template <int WIDTH> __device__ __forceinline__ void decode_others(Extras<WIDTH> &extras, const large_product &p, int from, int width, int own) {
    const uint32 element = p.outlier_type == FLOAT32 ? 4 : 2;
    for (int e = 0; e < width; e++) {
        const uint64 column = p.outlier_columns[1 + from + e];
        // Where in the four bytes that is, is the same in all rows.
        const int of_weight = ((uint64)p.b + column) % 4 * 8, of_input = ((uint64)p.outlier_input + column * element) % 4 * 8;
        for (int c = own; c < WIDTH; c += GATHERERS) {
            float &weight = extras.weights[e][place_of(c)];
            weight = decoded((int8)(__float_as_uint(weight) >> of_weight), extras.scales[place_of(c)], p.outlier_type);
        }
        for (int r = own; r < ROWS; r += GATHERERS) extras.inputs[e][r] = float_of(__float_as_uint(extras.inputs[e][r]) >> of_input, p.outlier_type);
    }
}

template <int WIDTH> __device__ __forceinline__ void gather(const large_product &p, Shared<WIDTH> &shared) {
    const int own = threadIdx.x - (GROUP - GATHERERS), count = p.outlier_columns ? p.outlier_columns[0] : 0;
    Place<2> place;
    for (Tiles tile; tile.next<WIDTH>(p);)
        for (int from = 0; from == 0 || from < count; from += CHUNK, place.advance()) {
            Extras<WIDTH> &extras = shared.extras[place.room];
            if (place.round > 0) await_phase(&shared.extras_left[place.room], place.round - 1);
            const int width = min((int)CHUNK, count - from);
            for (int c = own; (from == 0 || from >= COLLECTED) && c < WIDTH; c += GATHERERS) {
                const int64 column = min(tile.column + c, p.n - 1);
                fetch_number(shared_address(&extras.scales[place_of(c)]), p.b_scales + column);
                if (from == 0) extras.shifts[place_of(c)] = p.bias ? load_float(p.bias, p.bias_type, column) : 0.0f;
            }
            if (from < COLLECTED) fetch_collected(extras, p, tile, from, width, own);
            else fetch_others(extras, p, tile, from, width, own);
            end_fetches();
            await_fetches<0>();
            if (from >= COLLECTED) decode_others(extras, p, from, width, own);
            arrive(&shared.extras_came[place.room]);
        }
}

// MARK: Multiplying and storing

// Where a thread's sums are: of every eight columns two, of rows `row` and `row` + 8 of the tile.
struct Own {
    int row, column;
    __device__ __forceinline__ Own() : row(threadIdx.x / 32 % 4 * 16 + (threadIdx.x / GROUP - 1) * 64 + threadIdx.x % 32 / 4), column(threadIdx.x % 4 * 2) {}
};

// Makes of sums what they stand for, with outlier columns in their order.
template <int WIDTH>
__device__ __forceinline__ void rescale(
    float (&values)[WIDTH / 8][4], const int (&sums)[WIDTH / 8][4], const large_product &p, const float (&row_scales)[2], Shared<WIDTH> &shared,
    Place<2> &place) {
    const Own own;
    const int count = p.outlier_columns ? p.outlier_columns[0] : 0;
    Extras<WIDTH> *extras = &shared.extras[place.room];
    await_phase(&shared.extras_came[place.room], place.round);
    // Of sixteen columns a thread has four.
#pragma unroll
    for (int j = 0; j < WIDTH / 16; j++) {
        const float4 scale = *(const float4 *)(extras->scales + 16 * j + 2 * own.column), shift = *(const float4 *)(extras->shifts + 16 * j + 2 * own.column);
        const float scales[4] = {scale.x, scale.y, scale.z, scale.w}, shifts[4] = {shift.x, shift.y, shift.z, shift.w};
#pragma unroll
        for (int c = 0; c < 8; c++)
            values[2 * j + c / 4][c % 4] = rescaled(sums[2 * j + c / 4][c % 4], row_scales[c % 4 / 2], scales[c / 4 * 2 + c % 2], shifts[c / 4 * 2 + c % 2]);
    }
    for (int left = count;;) {
        const int width = min(left, (int)CHUNK);
#pragma unroll 2
        for (int e = 0; e < width; e++) {
            const float inputs[2] = {extras->inputs[e][own.row], extras->inputs[e][own.row + 8]};
#pragma unroll
            for (int j = 0; j < WIDTH / 16; j++) {
                const float4 weight = *(const float4 *)(extras->weights[e] + 16 * j + 2 * own.column);
                const float weights[4] = {weight.x, weight.y, weight.z, weight.w};
#pragma unroll
                for (int c = 0; c < 8; c++) {
                    float &value = values[2 * j + c / 4][c % 4];
                    value = __fmaf_rn(inputs[c % 4 / 2], weights[c / 4 * 2 + c % 2], value);
                }
            }
        }
        __syncwarp();
        if (threadIdx.x % 32 == 0) arrive(&shared.extras_left[place.room]);
        place.advance();
        if ((left -= CHUNK) <= 0) return;
        extras = &shared.extras[place.room];
        await_phase(&shared.extras_came[place.room], place.round);
    }
}

// Words [4] of four lanes in a row change places: lane i gets what was number i.
__device__ __forceinline__ void transpose(uint32 (&words)[4]) {
#pragma unroll
    for (int step = 1; step < 4; step *= 2) {
        const bool is_upper = threadIdx.x & step;
#pragma unroll
        for (int i = 0; i < 4; i++) {
            if (i & step) continue;
            const uint32 other = __shfl_xor_sync(FULL_WARP, is_upper ? words[i] : words[i + step], step);
            if (is_upper) words[i] = other;
            else words[i + step] = other;
        }
    }
}

// Where a row of a thread's sums goes, and how many columns are there from the tile's first on; none below the last row.
struct Line {
    int64 start;
    int count;
    __device__ __forceinline__ Line(const large_product &p, int64 row, int64 column)
        : start(row * p.n + column), count(row < p.m ? (int)(p.n - column) : 0) {}
};

// Stores what a thread has of a tile, rounded to 16 bits; 16 bytes at a time where that is how the output lies.
template <typename T, int WIDTH>
__device__ __forceinline__ void store_rounded(const large_product &p, const float (&values)[WIDTH / 8][4], int64 row, int64 column) {
    const Own own;
    const bool in_eights = p.n % 8 == 0 && is_aligned16(p.output);
#pragma unroll
    for (int half = 0; half < 2; half++) {
        const Line line(p, row + own.row + 8 * half, column);
        T *const to = (T *)p.output + line.start;
#pragma unroll
        for (int j = 0; j < WIDTH / 8; j += 4) {
            uint32 words[4];
#pragma unroll
            for (int i = 0; i < 4; i++) words[i] = pack<T>(values[j + i][2 * half], values[j + i][2 * half + 1]);
            if (in_eights) {
                transpose(words);
                const int place = 8 * j + 4 * own.column;
                if (place < line.count) *(uint4 *)(to + place) = make_uint4(words[0], words[1], words[2], words[3]);
                continue;
            }
#pragma unroll
            for (int i = 0; i < 4; i++) {
                const int place = 8 * (j + i) + own.column;
                if (place < line.count) to[place].bits = (uint16)words[i];
                if (place + 1 < line.count) to[place + 1].bits = (uint16)(words[i] >> 16);
            }
        }
    }
}
// The same of float32.
template <int WIDTH> __device__ __forceinline__ void store_floats(const large_product &p, const float (&values)[WIDTH / 8][4], int64 row, int64 column) {
    const Own own;
    const bool in_pairs = p.n % 2 == 0 && ((uint64)p.output & 7) == 0;
#pragma unroll
    for (int half = 0; half < 2; half++) {
        const Line line(p, row + own.row + 8 * half, column);
        float *const to = (float *)p.output + line.start + own.column;
#pragma unroll
        for (int j = 0; j < WIDTH / 8; j++) {
            const int left = line.count - own.column - 8 * j;
            const float low = values[j][2 * half], high = values[j][2 * half + 1];
            if (in_pairs) {
                if (left > 0) *(float2 *)(to + 8 * j) = make_float2(low, high);
                continue;
            }
            if (left > 0) to[8 * j] = low;
            if (left > 1) to[8 * j + 1] = high;
        }
    }
}

template <int WIDTH> __device__ __forceinline__ void multiply_tiles(const large_product &p, Shared<WIDTH> &shared) {
    const Own own;
    const auto leave = [](uint64 *barrier) {
        if (barrier && threadIdx.x % 32 == 0) arrive(barrier);
    };
    Place<Shared<WIDTH>::STAGES> place;
    Place<2> extras;
    for (Tiles tile; tile.next<WIDTH>(p);) {
        const int64 own_row = tile.row + own.row;
        const float row_scales[2] = {p.a_scales[min(own_row, p.m - 1)], p.a_scales[min(own_row + 8, p.m - 1)]};
        int sums[WIDTH / 8][4] = {};
        uint64 *before = nullptr;
        for (int64 k = 0; k < p.k; k += DEPTH, place.advance()) {
            await_phase(&shared.came[place.room], place.round);
            // In units of 16 bytes.
            const uint64 a = description(shared.a[place.room] + (threadIdx.x / GROUP - 1) * 64 * DEPTH, 0), b = description(shared.b[place.room], 0);
            begin_products();
#pragma unroll
            for (int d = 0; d < DEPTH / 32; d++) multiply(sums, a + 2 * d, b + 2 * d);
            end_products();
            await_products<1>();
            leave(before);
            before = &shared.left[place.room];
        }
        await_all(sums);
        leave(before);
        float values[WIDTH / 8][4];
        rescale<WIDTH>(values, sums, p, row_scales, shared, extras);
        if (p.output_type == FLOAT32) store_floats<WIDTH>(p, values, tile.row, tile.column);
        else if (p.output_type == FLOAT16) store_rounded<float16, WIDTH>(p, values, tile.row, tile.column);
        else store_rounded<bfloat16, WIDTH>(p, values, tile.row, tile.column);
    }
}

extern __shared__ uint8 block_memory[];

template <int WIDTH> __device__ __forceinline__ void product(const large_product &p) {
    Shared<WIDTH> &shared = *(Shared<WIDTH> *)(block_memory + (1024 - shared_address(block_memory) % 1024) % 1024);
    if (threadIdx.x == 0) {
        for (int i = 0; i < Shared<WIDTH>::STAGES; i++) {
            begin_barrier(&shared.came[i], 1);
            begin_barrier(&shared.left[i], 2 * GROUP / 32);
        }
        for (int i = 0; i < 2; i++) {
            begin_barrier(&shared.extras_came[i], GATHERERS);
            begin_barrier(&shared.extras_left[i], 2 * GROUP / 32);
        }
        show_barriers();
    }
    __syncthreads();
    begin_launch();
    if (threadIdx.x < GROUP) {
        give_registers<56>();
        if (threadIdx.x == 0) bring<WIDTH>(p, shared);
        else if (threadIdx.x >= GROUP - GATHERERS) gather<WIDTH>(p, shared);
    } else {
        take_registers<224>();
        multiply_tiles<WIDTH>(p, shared);
    }
}

#define CALL(...) __VA_ARGS__
#else
#define CALL(...)
#endif

#define LARGE_PRODUCT(WIDTH) \
    extern "C" __global__ void __launch_bounds__(THREADS, 1) int8_large_product_##WIDTH(const __grid_constant__ large_product p) { CALL(product<WIDTH>(p)); }

LARGE_PRODUCT(128)
LARGE_PRODUCT(224)
LARGE_PRODUCT(256)
