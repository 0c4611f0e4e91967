// Attention of few queries against many keys, as in generation: the keys are split into chunks of one length, and a block computes what a chunk gives to
// some rows (queries and heads) of a group, so that keys and values are read once for heads that share them. The chunks of a row are added up in their
// order: by the blocks of a cluster where they are one, else by a second kernel. Where chunks begin depends on the room for keys alone, and how many rows
// a block has changes none of their sums, so no result depends on the sequences beside.
//
// Queries are computed in float32, whatever their type; keys and values have one type and lie at multiples of 16 bytes, and a vector is read by 8, 16 or
// 32 lanes, eight numbers each. A step of decoding runs through this code once for each layer, so it is to be short: what is not unrolled is fetched sooner.

#include "attention.cuh"
#include "clusters.cuh"

// MARK: Operands

// What the kernels take first, in this order. Keys and values of `key_stride` tokens a batch entry; a row is a query of a head, in the order of outputs.
struct DecodeInputs {
    const void *query, *key, *value;
    const int *ranges;
    const float *slopes;
    // For each row and chunk: the largest score, in powers of 2, the sum of the exponentials, and that of the values they weigh.
    float *tops, *totals, *sums;
    int64 batch, key_stride, window_size;
    int query_type, queries, keys, heads, groups, width, value_width, window, chunk, chunks;
    float scale;
    // Whether the blocks that have a row's chunks are a cluster.
    int is_cluster;
    // What a score cannot pass, either way; 0 where nothing bounds it.
    float cap;
    // So that addresses lie at multiples of 8, as the host lays them out.
    int padding;
    // For the functions that turn and keep alone: of a batch entry's one token, the key and value that are still to be kept, where its query and key are
    // still to be turned as rotary.cu does; all of the type of keys.
    const void *new_key, *new_value;
    const float *cosine, *sine;
    const int *positions;
    void *turned_query, *turned_key;
    // Rows of angles.
    int64 angles;
};

// Brings a line into the L2 cache: allowed before the launches before are waited for, as what they write goes there too.
template <typename T> __device__ __forceinline__ void prefetch(const T *address) { asm volatile("prefetch.global.L2 [%0];" : : "l"(address)); }

// MARK: A chunk

enum { THREADS = 256, ROW_THREADS = 128, MOST_CHUNKS = 64 };

// The logarithm of a row's sum of exponentials; -inf of a row that sees nothing.
__device__ __forceinline__ float log_of(bool sees, float top, float total) {
    return !sees ? -INFINITE : top == -INFINITE ? NOT_A_NUMBER : (top + log2f(total)) * LN_2;
}

__device__ __forceinline__ float float_of(const float *own, int rank) { return __uint_as_float(load_of((const uint32 *)own, rank)); }

// Over the lanes whose numbers differ in the bits from FIRST up to END.
template <int FIRST, int END> __device__ __forceinline__ float lanes_max(float x) {
    for (int step = FIRST; step < END; step *= 2) x = fmaxf(x, __shfl_xor_sync(FULL_WARP, x, step));
    return x;
}
template <int FIRST, int END> __device__ __forceinline__ float lanes_sum(float x) {
    for (int step = FIRST; step < END; step *= 2) x += __shfl_xor_sync(FULL_WARP, x, step);
    return x;
}

// Sums of COUNT numbers over LANES lanes: of these, each ends with the sum whose number is its own by LANES / COUNT.
template <int LANES, int COUNT> __device__ __forceinline__ float spread_sums(float *x) {
    const int lane = threadIdx.x % LANES;
#pragma unroll
    for (int step = LANES / 2; step > 0; step /= 2) {
        const int half = COUNT * step / LANES;
        const bool is_upper = lane & step;
        if (half == 0) x[0] += __shfl_xor_sync(FULL_WARP, x[0], step);
#pragma unroll
        for (int i = 0; i < COUNT / 2; i++) {
            if (i >= half) break;
            const float away = is_upper ? x[i] : x[i + half], kept = is_upper ? x[i + half] : x[i];
            x[i] = kept + __shfl_xor_sync(FULL_WARP, away, step);
        }
    }
    return x[0];
}

// What the teams of a block have of a chunk: the rows' largest scores, or what their sums are to be multiplied with, the sums of exponentials, and those
// of the values; then the same of the chunk.
template <typename T, int TEAMS, int ROWS, int WIDTH> struct Shares {
    int64 vectors[ROWS];
    bool sees[ROWS];
    alignas(16) float query[ROWS][WIDTH];
    float tops[TEAMS][ROWS], totals[TEAMS][ROWS];
    alignas(16) float sums[TEAMS][ROWS][WIDTH];
    float chunk_tops[ROWS], chunk_totals[ROWS], chunk_sums[ROWS][WIDTH];
    // The token's own key, turned, and value, where they belong to the chunk.
    alignas(16) T key[WIDTH], value[WIDTH];
};

// Where a block is: its chunk, and its rows of a group of one batch entry. Blocks are fewer than 2^31.
struct Place {
    int chunk, group, first_row, rows, heads_per_group;
    int64 batch;

    __device__ __forceinline__ Place(const DecodeInputs &x, int most_rows) {
        heads_per_group = x.heads / x.groups;
        const int all_rows = heads_per_group * x.queries, row_blocks = (all_rows + most_rows - 1) / most_rows;
        int rest = blockIdx.x;
        chunk = rest % x.chunks, rest /= x.chunks;
        first_row = rest % row_blocks * most_rows, rest /= row_blocks;
        group = rest % x.groups, batch = rest / x.groups;
        rows = min(most_rows, all_rows - first_row);
    }
};

// A row of a block: its query and head, and its place among the vectors of all queries and heads.
struct BlockRow {
    int query, head;
    int64 vector;

    __device__ __forceinline__ BlockRow(const DecodeInputs &x, const Place &place, int row) {
        query = (place.first_row + row) / place.heads_per_group;
        head = place.group * place.heads_per_group + (place.first_row + row) % place.heads_per_group;
        vector = (place.batch * x.queries + query) * x.heads + head;
    }
};

// Element e of a head, turned by the angles of a position; 0 where there are none.
template <typename T> __device__ __forceinline__ T turned(const DecodeInputs &x, const T *head, int64 position, int e) {
    const int half = x.width / 2, i = e < half ? e : e - half;
    if (position < 0 || position >= x.angles) return narrow<T>(0.0f);
    const float u = widen(head[i]), v = widen(head[i + half]), c = x.cosine[position * half + i], s = x.sine[position * half + i];
    return narrow<T>(e < half ? u * c - v * s : v * c + u * s);
}

// Turns and keeps an element of the token's key, and keeps that of its value. Blocks with other rows of the group write the same.
template <typename T, typename Room>
__device__ __forceinline__ void keep_element(const DecodeInputs &x, const Place &place, int64 position, int e, Room &shared) {
    const int64 vector = place.batch * x.groups + place.group;
    const int64 cached = (place.batch * x.key_stride + position) * x.groups + place.group;
    const bool is_kept = position >= 0 && position < x.key_stride;
    if (e < x.width) {
        shared.key[e] = turned(x, (const T *)x.new_key + vector * x.width, position, e);
        ((T *)x.turned_key)[vector * x.width + e] = shared.key[e];
        if (is_kept) ((T *)x.key)[cached * x.width + e] = shared.key[e];
    }
    if (e < x.value_width) {
        shared.value[e] = ((const T *)x.new_value)[vector * x.value_width + e];
        if (is_kept) ((T *)x.value)[cached * x.value_width + e] = shared.value[e];
    }
}

// LANES read a vector; a team of so many works on DEPTH keys at a time, and has a score of each of these and of ROWS rows of a group in a lane. Where it
// KEEPS, the token's query and key are still to be turned, and its key and value to be kept; that takes registers, which others do without.
template <typename T, int LANES, int ROWS, bool KEEPS>
__device__ __forceinline__ void decode(const DecodeInputs &x, void *output, int output_type, float *log_sum_exp) {
    constexpr int TEAMS = THREADS / LANES, DEPTH = LANES / 4, STEP = TEAMS * DEPTH, COUNT = ROWS * DEPTH, SAME = LANES / COUNT, WIDTH = 8 * LANES;
    __shared__ Shares<T, TEAMS, ROWS, WIDTH> shared;
    const Place place(x, ROWS);
    const int lane = threadIdx.x % LANES, team = threadIdx.x / LANES, h = lane * 8;
    const bool in_key = h < x.width, in_value = h < x.value_width;
    const uint32 key_step = x.groups * x.width, value_step = x.groups * x.value_width;
    const int64 row_start = place.batch * x.key_stride * x.groups + place.group;
    const T *keys = (const T *)x.key + row_start * x.width + h, *values = (const T *)x.value + row_start * x.value_width + h;
    // The score that a lane has.
    const int row = lane / SAME / DEPTH, depth = lane / SAME % DEPTH;
    const bool counts = row < place.rows;
    const BlockRow own(x, place, counts ? row : 0);
    shared.vectors[row] = own.vector;
    const int begin = place.chunk * x.chunk, stop = min(begin + x.chunk, x.keys);

    // Keys of the chunk's beginning are asked for before it is known which of them count: most do that did a step before.
    const int likely_end = min(min(stop, begin + STEP), __ldcg(x.ranges + 2 * (place.batch * x.queries + own.query) + 1));
#pragma unroll 1
    for (int k = begin + team; k < likely_end; k += TEAMS) {
        if (h * sizeof(T) % 128 != 0) continue;
        if (in_key) prefetch(keys + (int64)k * key_step);
        if (in_value) prefetch(values + (int64)k * value_step);
    }
    __syncthreads();
    begin_launch();

    // What the row sees, and what all rows see between them of this chunk.
    const KeyRange range = counts ? range_of(x, place.batch, own.query) : KeyRange{x.keys, 0};
    const bool sees = range.first < range.end;
    int first = sees ? range.first : x.keys, end = sees ? range.end : 0;
    for (int step = 16; step > 0; step /= 2) {
        first = min(first, __shfl_xor_sync(FULL_WARP, first, step));
        end = max(end, __shfl_xor_sync(FULL_WARP, end, step));
    }
    first = max(first, begin);
    end = min(end, stop);
    // The chunk that the token's key belongs to, or the nearest to where it would.
    const int position = KEEPS ? x.positions[place.batch] : -1;
    const bool keeps = KEEPS && place.chunk == min(max(position, 0) / x.chunk, x.chunks - 1);
    const int kept_key = keeps ? position : -1;
    if (first >= end && !x.is_cluster && !keeps && !(KEEPS && place.chunk == 0)) return;

#pragma unroll 1
    for (int i = threadIdx.x; i < (keeps ? ROWS + 1 : ROWS) * WIDTH; i += THREADS) {
        const int r = i / WIDTH, e = i % WIDTH;
        if (KEEPS && r == ROWS) {
            keep_element<T>(x, place, position, e, shared);
            continue;
        }
        const bool is_there = r < place.rows && e < x.width;
        const int64 at = is_there ? shared.vectors[r] * x.width : 0;
        float query = 0;
        if (KEEPS && is_there) {
            const T element = turned(x, (const T *)x.query + at, position, e);
            if (place.chunk == 0) ((T *)x.turned_query)[at + e] = element;
            query = widen(element);
        } else if (is_there) {
            query = load_float(x.query, x.query_type, at + e);
        }
        shared.query[r][e] = query * (x.scale * LOG2_E);
    }
    const float slope = x.slopes && counts ? x.slopes[own.head] * LOG2_E : 0, unit = x.cap * LOG2_E, share = 1 / unit;
    float top = -INFINITE, total = 0, sums[ROWS][8] = {};
#pragma unroll 1
    for (int start = first - first % STEP; start < end; start += STEP) {
        Eight<T> key[DEPTH] = {}, value[DEPTH] = {};
#pragma unroll
        for (int d = 0; d < DEPTH; d++) {
            const int k = start + d * TEAMS + team;
            const bool seen = first <= k && k < end && !(KEEPS && k == kept_key);
            if (seen && in_key) key[d].load(keys + (int64)k * key_step);
            if (seen && in_value) value[d].load(values + (int64)k * value_step);
        }
        __syncthreads();
#pragma unroll
        for (int d = 0; d < DEPTH; d++) {
            if (!KEEPS || start + d * TEAMS + team != kept_key) continue;
            if (in_key) key[d].load_kept(shared.key + h);
            if (in_value) value[d].load_kept(shared.value + h);
        }
        float products[COUNT];
#pragma unroll
        for (int r = 0; r < ROWS; r++) {
            Eight<float> part;
            part.load_kept(&shared.query[r][h]);
#pragma unroll
            for (int d = 0; d < DEPTH; d++) {
                products[r * DEPTH + d] = 0;
#pragma unroll
                for (int i = 0; i < 8; i++) products[r * DEPTH + d] = __fmaf_rn(part[i], key[d][i], products[r * DEPTH + d]);
            }
        }
        float score = spread_sums<LANES, COUNT>(products);
        if (x.cap > 0) score = unit * short_tanh(score * share);
        const int k = start + depth * TEAMS + team;
        const bool seen = range.first <= k && k < min(range.end, end);
        score = seen ? __fmaf_rn(slope, (float)(k - (range.end - 1)), score) : -INFINITE;
        const float before = top;
        top = fmaxf(top, lanes_max<SAME, SAME * DEPTH>(score));
        // Scores that are all -inf so far weigh nothing: another may follow.
        const float base = top == -INFINITE ? 0 : top, decay = exp2_of(before - base), weight = exp2_of(score - base);
        total = __fmaf_rn(total, decay, lanes_sum<SAME, SAME * DEPTH>(weight));
        // A row takes nothing from a value that it does not see, not even NaN.
        const uint32 all_seen = __ballot_sync(FULL_WARP, seen) >> (threadIdx.x % 32 - lane);
#pragma unroll
        for (int r = 0; r < ROWS; r++) {
            const float row_decay = __shfl_sync(FULL_WARP, decay, r * DEPTH * SAME, LANES);
#pragma unroll
            for (int i = 0; i < 8; i++) sums[r][i] *= row_decay;
        }
#pragma unroll
        for (int d = 0; d < DEPTH; d++) {
#pragma unroll
            for (int r = 0; r < ROWS; r++) {
                const int from = (r * DEPTH + d) * SAME;
                const float row_weight = __shfl_sync(FULL_WARP, weight, from, LANES);
                if (all_seen >> from & 1)
#pragma unroll
                    for (int i = 0; i < 8; i++) sums[r][i] = __fmaf_rn(row_weight, value[d][i], sums[r][i]);
            }
        }
    }

    if (lane % (SAME * DEPTH) == 0) {
        shared.sees[row] = sees;
        shared.tops[team][row] = top;
        shared.totals[team][row] = total;
    }
#pragma unroll
    for (int r = 0; r < ROWS; r++) {
        Eight<float> part;
#pragma unroll
        for (int i = 0; i < 4; i++) part.set(i, sums[r][2 * i], sums[r][2 * i + 1]);
        part.store_kept(&shared.sums[team][r][h]);
    }
    __syncthreads();
    // A warp has a row, a lane a team.
    if (threadIdx.x / 32 < place.rows) {
        const int r = threadIdx.x / 32, t = threadIdx.x % 32;
        const float team_top = t < TEAMS ? shared.tops[t][r] : -INFINITE, chunk_top = warp_max(team_top);
        const float factor = exp2_of(team_top - (chunk_top == -INFINITE ? 0 : chunk_top));
        const float chunk_total = warp_sum(t < TEAMS ? factor * shared.totals[t][r] : 0);
        if (t < TEAMS) shared.tops[t][r] = factor;
        if (t == 0) {
            const int64 part = shared.vectors[r] * x.chunks + place.chunk;
            *(x.is_cluster ? shared.chunk_tops + r : x.tops + part) = chunk_top;
            *(x.is_cluster ? shared.chunk_totals + r : x.totals + part) = chunk_total;
        }
    }
    __syncthreads();
#pragma unroll 1
    for (int i = threadIdx.x; i < place.rows * WIDTH; i += THREADS) {
        const int r = i / WIDTH, e = i % WIDTH;
        float sum = 0;
#pragma unroll
        for (int t = 0; t < TEAMS; t++) sum = __fmaf_rn(shared.tops[t][r], shared.sums[t][r][e], sum);
        if (x.is_cluster) shared.chunk_sums[r][e] = sum;
        else if (e < x.value_width) x.sums[(shared.vectors[r] * x.chunks + place.chunk) * x.value_width + e] = sum;
    }
    if (!x.is_cluster) return;
    cluster_barrier();
    // Blocks share the rows' numbers.
    const int size = cluster_size(), count = place.rows * WIDTH, of_block = (count + size - 1) / size, from = cluster_rank() * of_block;
#pragma unroll 1
    for (int i = from + threadIdx.x; i < min(from + of_block, count); i += THREADS) {
        const int r = i / WIDTH, e = i % WIDTH;
        float top = -INFINITE, total = 0, sum = 0;
#pragma unroll 2
        for (int c = 0; c < size; c++) {
            const float chunk_top = float_of(shared.chunk_tops + r, c), before = top;
            top = fmaxf(top, chunk_top);
            const float base = top == -INFINITE ? 0 : top, decay = exp2_of(before - base), factor = exp2_of(chunk_top - base);
            total = __fmaf_rn(factor, float_of(shared.chunk_totals + r, c), total * decay);
            sum = __fmaf_rn(factor, float_of(&shared.chunk_sums[r][e], c), sum * decay);
        }
        const bool row_sees = shared.sees[r];
        if (e < x.value_width) store_float(output, output_type, shared.vectors[r] * x.value_width + e, row_sees ? sum / total : 0);
        if (log_sum_exp && e == 0) {
            const BlockRow that(x, place, r);
            log_sum_exp[(place.batch * x.heads + that.head) * x.queries + that.query] = log_of(row_sees, top, total);
        }
    }
    // Nobody goes while others read what it has.
    cluster_barrier();
}

#define DECODE(T, NAME, LANES, ROWS)                                                                                                                   \
    extern "C" __global__ void __launch_bounds__(THREADS)                                                                                              \
        attention_decode_##LANES##x##ROWS##_##NAME(DecodeInputs x, void *output, int output_type, float *log_sum_exp) {                                \
        decode<T, LANES, ROWS, false>(x, output, output_type, log_sum_exp);                                                                            \
    }                                                                                                                                                  \
    extern "C" __global__ void __launch_bounds__(THREADS)                                                                                              \
        attention_decode_keeping_##LANES##x##ROWS##_##NAME(DecodeInputs x, void *output, int output_type, float *log_sum_exp) {                        \
        decode<T, LANES, ROWS, true>(x, output, output_type, log_sum_exp);                                                                             \
    }
#define DECODE_ROWS(T, NAME, LANES)                                                                                                                    \
    DECODE(T, NAME, LANES, 1)                                                                                                                          \
    DECODE(T, NAME, LANES, 2)                                                                                                                          \
    DECODE(T, NAME, LANES, 4)
#define DECODE_LANES(T, NAME)                                                                                                                          \
    DECODE_ROWS(T, NAME, 8)                                                                                                                            \
    DECODE_ROWS(T, NAME, 16)                                                                                                                           \
    DECODE_ROWS(T, NAME, 32)

DECODE_LANES(float, f32)
DECODE_LANES(float16, f16)
DECODE_LANES(bfloat16, bf16)

// MARK: A row

// Adds up a row's chunks, a block a row.
extern "C" __global__ void __launch_bounds__(ROW_THREADS) attention_decode_rows(DecodeInputs x, void *output, int output_type, float *log_sum_exp) {
    begin_launch();
    const int64 vector = blockIdx.x, token = vector / x.heads, batch = token / x.queries;
    const int head = (int)(vector % x.heads), query = (int)(token % x.queries);
    const KeyRange range = range_of(x, batch, query);
    const bool sees = range.first < range.end;
    const int first = sees ? range.first / x.chunk : 0, end = sees ? (range.end - 1) / x.chunk + 1 : 0;
    const int64 part = vector * x.chunks;
    // At most MOST_CHUNKS: a thread reads what there is of each.
    __shared__ float tops[MOST_CHUNKS], totals[MOST_CHUNKS], factors[MOST_CHUNKS];
    const int own = first + threadIdx.x;
    if (own < end) {
        tops[threadIdx.x] = x.tops[part + own];
        totals[threadIdx.x] = x.totals[part + own];
    }
    __syncthreads();
    float top = -INFINITE;
    for (int c = 0; c < end - first; c++) top = fmaxf(top, tops[c]);
    const float base = top == -INFINITE ? 0 : top;
    if (own < end) factors[threadIdx.x] = exp2_of(tops[threadIdx.x] - base);
    __syncthreads();
    float total = 0;
    for (int c = 0; c < end - first; c++) total = __fmaf_rn(factors[c], totals[c], total);
    for (int h = threadIdx.x; h < x.value_width; h += ROW_THREADS) {
        float sum = 0;
#pragma unroll 16
        for (int c = 0; c < end - first; c++) sum = __fmaf_rn(factors[c], x.sums[(part + first + c) * x.value_width + h], sum);
        store_float(output, output_type, vector * x.value_width + h, sees ? sum / total : 0);
    }
    if (log_sum_exp && threadIdx.x == 0)
        log_sum_exp[(batch * x.heads + head) * x.queries + query] = log_of(sees, top, total);
}
