// Attention of few queries against many keys, as in generation: the keys are split into chunks of one length, and a block computes what a chunk gives to
// the rows (queries and heads) of a group, so that keys and values are read once for all heads that share them. The chunks of a row are added up in their
// order: by the blocks of a cluster where they are one, else by a second kernel. Where chunks begin depends on the room for keys alone, so no result does on the sequences beside.
//
// Queries are computed in float32, whatever their type; keys and values have one type and lie at multiples of 16 bytes, and a vector is read by 8, 16 or
// 32 lanes, eight numbers each.

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
};

enum { WHOLE = 0, LAST = 1, AROUND = 2 };

#define LOG2_E 1.4426950408889634f
#define LN_2 0.69314718055994531f

struct KeyRange {
    int first, end;
};

__device__ __forceinline__ KeyRange range_of(const DecodeInputs &x, int64 batch, int query) {
    const int *range = x.ranges + 2 * (batch * x.queries + query);
    int64 first = max(range[0], 0), end = min(range[1], x.keys);
    if (x.window == LAST) first = max(first, end - x.window_size);
    if (x.window == AROUND) {
        first = max(first, query - x.window_size);
        end = min(end, query + x.window_size + 1);
    }
    return {(int)min(first, (int64)x.keys), (int)max(end, (int64)0)};
}

__device__ __forceinline__ float exp2_of(float x) {
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

// Eight numbers of the queries, from a place that is a multiple of eight.
__device__ __forceinline__ void load_query(const DecodeInputs &x, int64 at, float *numbers) {
    const bool is_whole = is_aligned16(x.query);
    if (is_whole && x.query_type == BFLOAT16) {
        Eight<bfloat16> eight;
        eight.load_kept((const bfloat16 *)x.query + at);
#pragma unroll
        for (int i = 0; i < 8; i++) numbers[i] = eight[i];
    } else if (is_whole && x.query_type == FLOAT16) {
        Eight<float16> eight;
        eight.load_kept((const float16 *)x.query + at);
#pragma unroll
        for (int i = 0; i < 8; i++) numbers[i] = eight[i];
    } else {
#pragma unroll
        for (int i = 0; i < 8; i++) numbers[i] = load_float(x.query, x.query_type, at + i);
    }
}

// MARK: A chunk

enum { THREADS = 128, MOST_CHUNKS = 64 };

// The logarithm of a row's sum of exponentials; -inf of a row that sees nothing.
__device__ __forceinline__ float log_of(bool sees, float top, float total) {
    return !sees ? -INFINITE : top == -INFINITE ? NOT_A_NUMBER : (top + log2f(total)) * LN_2;
}

__device__ __forceinline__ float float_of(const float *own, int rank) { return __uint_as_float(load_of((const uint32 *)own, rank)); }

// LANES read a vector, so a warp works on 32 / LANES keys side by side, and on DEPTH of these at a time; ROWS rows of a group.
template <typename T, int LANES, int ROWS, int DEPTH>
__device__ __forceinline__ void decode(const DecodeInputs &x, void *output, int output_type, float *log_sum_exp) {
    begin_launch();
    constexpr int TEAMS = THREADS / LANES, STEP = TEAMS * DEPTH;
    const int lane = threadIdx.x % LANES, team = threadIdx.x / LANES;
    const int chunk = blockIdx.x % x.chunks;
    const int64 place = blockIdx.x / x.chunks;
    const int heads_per_group = x.heads / x.groups, rows = heads_per_group * x.queries, row_blocks = (rows + ROWS - 1) / ROWS;
    const int first_row = (int)(place % row_blocks) * ROWS, group = (int)(place / row_blocks % x.groups);
    const int64 batch = place / row_blocks / x.groups;

    // What the rows see, and what they see between them of this chunk.
    int firsts[ROWS], ends[ROWS], heads[ROWS], first = x.keys, end = 0;
    int64 vectors[ROWS];
#pragma unroll
    for (int r = 0; r < ROWS; r++) {
        const int row = first_row + r, query = row / heads_per_group;
        const KeyRange range = row < rows ? range_of(x, batch, query) : KeyRange{0, 0};
        firsts[r] = range.first;
        ends[r] = range.end;
        heads[r] = group * heads_per_group + row % heads_per_group;
        vectors[r] = (batch * x.queries + query) * x.heads + heads[r];
        if (range.first < range.end) {
            first = min(first, range.first);
            end = max(end, range.end);
        }
    }
    first = max(first, chunk * x.chunk);
    end = min(end, (int)min((int64)(chunk + 1) * x.chunk, (int64)x.keys));
    if (first >= end && !x.is_cluster) return;

    const int h = lane * 8;
    const bool in_key = h < x.width, in_value = h < x.value_width;
    float q[ROWS][8], slopes[ROWS], tops[ROWS], totals[ROWS], sums[ROWS][8];
#pragma unroll
    for (int r = 0; r < ROWS; r++) {
        const bool counts = first_row + r < rows;
        slopes[r] = x.slopes && counts ? x.slopes[heads[r]] * LOG2_E : 0;
        tops[r] = -INFINITE;
        totals[r] = 0;
        if (in_key && counts) load_query(x, vectors[r] * x.width + h, q[r]);
#pragma unroll
        for (int i = 0; i < 8; i++) {
            q[r][i] = in_key && counts ? q[r][i] * (x.scale * LOG2_E) : 0;
            sums[r][i] = 0;
        }
    }

    const T *keys = (const T *)x.key + (batch * x.key_stride * x.groups + group) * x.width + h;
    const T *values = (const T *)x.value + (batch * x.key_stride * x.groups + group) * x.value_width + h;
    const int64 key_step = (int64)x.groups * x.width, value_step = (int64)x.groups * x.value_width;
    for (int start = first - first % STEP; start < end; start += STEP) {
        Eight<T> key[DEPTH] = {}, value[DEPTH] = {};
#pragma unroll
        for (int d = 0; d < DEPTH; d++) {
            const int k = start + d * TEAMS + team;
            const bool seen = first <= k && k < end;
            if (seen && in_key) key[d].load(keys + k * key_step);
            if (seen && in_value) value[d].load(values + k * value_step);
        }
        float weights[DEPTH][ROWS];
#pragma unroll
        for (int d = 0; d < DEPTH; d++) {
#pragma unroll
            for (int r = 0; r < ROWS; r++) {
                float product = 0;
#pragma unroll
                for (int i = 0; i < 8; i++) product = __fmaf_rn(q[r][i], key[d][i], product);
#pragma unroll
                for (int step = LANES / 2; step > 0; step /= 2) product += __shfl_xor_sync(FULL_WARP, product, step);
                weights[d][r] = product;
            }
        }
        if (x.cap > 0) {
            const float unit = x.cap * LOG2_E, share = 1 / unit;
#pragma unroll
            for (int d = 0; d < DEPTH; d++)
#pragma unroll
                for (int r = 0; r < ROWS; r++) weights[d][r] = unit * short_tanh(weights[d][r] * share);
        }
        uint32 seen = 0;
#pragma unroll
        for (int d = 0; d < DEPTH; d++) {
            const int k = start + d * TEAMS + team;
#pragma unroll
            for (int r = 0; r < ROWS; r++) {
                const float score = __fmaf_rn(slopes[r], (float)(k - (ends[r] - 1)), weights[d][r]);
                const bool sees = firsts[r] <= k && k < min(ends[r], end);
                weights[d][r] = sees ? score : -INFINITE;
                if (sees) seen |= 1u << (d * ROWS + r);
            }
        }
#pragma unroll
        for (int r = 0; r < ROWS; r++) {
            float top = tops[r];
#pragma unroll
            for (int d = 0; d < DEPTH; d++) top = fmaxf(top, weights[d][r]);
            // Scores that are all -inf so far weigh nothing: another may follow.
            const float base = top == -INFINITE ? 0 : top, decay = exp2_of(tops[r] - base);
            tops[r] = top;
            totals[r] *= decay;
#pragma unroll
            for (int i = 0; i < 8; i++) sums[r][i] *= decay;
#pragma unroll
            for (int d = 0; d < DEPTH; d++) {
                weights[d][r] = exp2_of(weights[d][r] - base);
                totals[r] += weights[d][r];
            }
        }
#pragma unroll
        for (int d = 0; d < DEPTH; d++) {
#pragma unroll
            for (int r = 0; r < ROWS; r++) {
                // A row takes nothing from a value that it does not see, not even NaN.
                if (!(seen >> (d * ROWS + r) & 1)) continue;
#pragma unroll
                for (int i = 0; i < 8; i++) sums[r][i] = __fmaf_rn(weights[d][r], value[d][i], sums[r][i]);
            }
        }
    }

    __shared__ float team_tops[TEAMS][ROWS], team_totals[TEAMS][ROWS], team_sums[TEAMS][ROWS][LANES * 8];
    __shared__ float chunk_tops[ROWS], chunk_totals[ROWS], chunk_sums[ROWS][LANES * 8];
#pragma unroll
    for (int r = 0; r < ROWS; r++) {
        if (lane == 0) {
            team_tops[team][r] = tops[r];
            team_totals[team][r] = totals[r];
        }
#pragma unroll
        for (int i = 0; i < 8; i++) team_sums[team][r][h + i] = sums[r][i];
    }
    __syncthreads();
#pragma unroll
    for (int r = 0; r < ROWS; r++) {
        if (first_row + r >= rows) break;
        float top = -INFINITE, total = 0, factors[TEAMS];
#pragma unroll
        for (int t = 0; t < TEAMS; t++) top = fmaxf(top, team_tops[t][r]);
        const float base = top == -INFINITE ? 0 : top;
#pragma unroll
        for (int t = 0; t < TEAMS; t++) {
            factors[t] = exp2_of(team_tops[t][r] - base);
            total = __fmaf_rn(factors[t], team_totals[t][r], total);
        }
        const int64 part = vectors[r] * x.chunks + chunk;
        if (threadIdx.x == 0) {
            *(x.is_cluster ? chunk_tops + r : x.tops + part) = top;
            *(x.is_cluster ? chunk_totals + r : x.totals + part) = total;
        }
        for (int i = threadIdx.x; i < x.value_width; i += THREADS) {
            float sum = 0;
#pragma unroll
            for (int t = 0; t < TEAMS; t++) sum = __fmaf_rn(factors[t], team_sums[t][r][i], sum);
            *(x.is_cluster ? chunk_sums[r] + i : x.sums + part * x.value_width + i) = sum;
        }
    }
    if (!x.is_cluster) return;
    cluster_barrier();
    // A row of the group is the block's whose number it has, and so on.
#pragma unroll
    for (int r = 0; r < ROWS; r++) {
        if (r % cluster_size() != cluster_rank() || first_row + r >= rows) continue;
        float top = -INFINITE, total = 0;
        for (int c = 0; c < cluster_size(); c++) top = fmaxf(top, float_of(chunk_tops + r, c));
        const float base = top == -INFINITE ? 0 : top;
        float sum[2] = {};
        for (int c = 0; c < cluster_size(); c++) {
            const float factor = exp2_of(float_of(chunk_tops + r, c) - base);
            total = __fmaf_rn(factor, float_of(chunk_totals + r, c), total);
#pragma unroll
            for (int k = 0; k < 2; k++) {
                const int i = threadIdx.x + k * THREADS;
                if (i < x.value_width) sum[k] = __fmaf_rn(factor, float_of(chunk_sums[r] + i, c), sum[k]);
            }
        }
        const bool sees = firsts[r] < ends[r];
#pragma unroll
        for (int k = 0; k < 2; k++) {
            const int i = threadIdx.x + k * THREADS;
            if (i < x.value_width) store_float(output, output_type, vectors[r] * x.value_width + i, sees ? sum[k] / total : 0);
        }
        if (log_sum_exp && threadIdx.x == 0) {
            const int query = (first_row + r) / heads_per_group;
            log_sum_exp[(batch * x.heads + heads[r]) * x.queries + query] = log_of(sees, top, total);
        }
    }
    // Nobody goes while others read what it has.
    cluster_barrier();
}

#define DECODE(T, NAME, LANES, ROWS, DEPTH)                                                                                                            \
    extern "C" __global__ void __launch_bounds__(THREADS)                                                                                              \
        attention_decode_##LANES##x##ROWS##_##NAME(DecodeInputs x, void *output, int output_type, float *log_sum_exp) {                                \
        decode<T, LANES, ROWS, DEPTH>(x, output, output_type, log_sum_exp);                                                                            \
    }
#define DECODE_ROWS(T, NAME, LANES, DEPTH)                                                                                                             \
    DECODE(T, NAME, LANES, 1, DEPTH)                                                                                                                   \
    DECODE(T, NAME, LANES, 2, DEPTH)                                                                                                                   \
    DECODE(T, NAME, LANES, 4, DEPTH)
#define DECODE_LANES(T, NAME, DEPTH)                                                                                                                   \
    DECODE_ROWS(T, NAME, 8, 4)                                                                                                                         \
    DECODE_ROWS(T, NAME, 16, DEPTH)                                                                                                                    \
    DECODE_ROWS(T, NAME, 32, DEPTH)

DECODE_LANES(float, f32, 4)
DECODE_LANES(float16, f16, 8)
DECODE_LANES(bfloat16, bf16, 8)

// MARK: A row

// Adds up a row's chunks, a block a row.
extern "C" __global__ void __launch_bounds__(THREADS) attention_decode_rows(DecodeInputs x, void *output, int output_type, float *log_sum_exp) {
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
    for (int h = threadIdx.x; h < x.value_width; h += THREADS) {
        float sum = 0;
#pragma unroll 16
        for (int c = 0; c < end - first; c++) sum = __fmaf_rn(factors[c], x.sums[(part + first + c) * x.value_width + h], sum);
        store_float(output, output_type, vector * x.value_width + h, sees ? sum / total : 0);
    }
    if (log_sum_exp && threadIdx.x == 0)
        log_sum_exp[(batch * x.heads + head) * x.queries + query] = log_of(sees, top, total);
}
