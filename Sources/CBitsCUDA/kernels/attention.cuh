// What the kernels of attention share: their operands, and which keys a query sees.
//
// The kernels of attention.cu compute every shape, type, range and bias; the others compute most of them faster, and leave to it what they do not.

// MARK: Operands

// What the kernels for every shape and for float32 take first, in this order.
struct Inputs {
    const void *query, *key, *value;
    const int *ranges;
    const float *slopes, *by_query, *by_key;
    const int *buckets;
    int64 batch, key_stride, window_size;
    int query_type, key_type, value_type, queries, keys, heads, groups, width, value_width, window, bucket_count;
    // `cap`: what a score cannot pass, either way; 0 where nothing bounds it.
    float scale, cap;
};

// What the kernels of matrix instructions take first, in this order. All arrays have one type; vectors are as wide as `width` or `value_width` says and lie
// at multiples of 16 bytes. A scale above 0. `cap`: what a score cannot pass before the bias, either way, 0 where nothing bounds it; gradients take none.
struct TileInputs {
    const void *query, *key, *value;
    const int *ranges;
    const float *slopes;
    int64 batch, key_stride, window_size;
    int queries, keys, heads, groups, width, value_width, window;
    float scale, cap;
};

// MARK: What rows see

// `window` of the inputs.
enum { WHOLE = 0, LAST = 1, AROUND = 2 };

// The keys that a query sees.
struct KeyRange {
    int first, end;
};

template <typename Operands> __device__ __forceinline__ KeyRange range_of(const Operands &x, int64 batch, int query) {
    const int *range = x.ranges + 2 * (batch * x.queries + query);
    int64 first = max(range[0], 0), end = min(range[1], x.keys);
    if (x.window == LAST) first = max(first, end - x.window_size);
    if (x.window == AROUND) {
        first = max(first, query - x.window_size);
        end = min(end, query + x.window_size + 1);
    }
    return {(int)min(first, (int64)x.keys), (int)max(end, (int64)0)};
}

// Waits for as many threads at one of the block's 16 barriers.
__device__ __forceinline__ void meet(int barrier, int threads) { asm volatile("bar.sync %0, %1;" ::"r"(barrier), "r"(threads) : "memory"); }

// What the rows of a tile of queries see, in shared memory.
template <int QUERIES, int KEYS> struct TileRanges {
    int firsts[QUERIES], ends[QUERIES];
    // The least first key and the last end of rows that see anything; the last first key and the least end of all.
    int least_first, last_end, last_first, least_end;

    // By the first threads of a block, at least as many as queries, which meet at a barrier of their own where they are not all.
    template <typename Operands> __device__ __forceinline__ void fill(const Operands &x, int64 batch, int first_query) {
        fill(x, batch, first_query, 0, blockDim.x);
    }
    template <typename Operands> __device__ __forceinline__ void fill(const Operands &x, int64 batch, int first_query, int barrier, int threads) {
        if (threadIdx.x == 0) {
            least_first = least_end = 0x7fffffff;
            last_end = last_first = 0;
        }
        meet(barrier, threads);
        if (threadIdx.x < QUERIES) {
            const int query = first_query + threadIdx.x;
            KeyRange range = {0, 0};
            if (query < x.queries) {
                range = range_of(x, batch, query);
                const bool sees = range.first < range.end;
                if (sees) {
                    atomicMin(&least_first, range.first);
                    atomicMax(&last_end, range.end);
                }
                atomicMax(&last_first, sees ? range.first : 0x7fffffff);
                atomicMin(&least_end, sees ? range.end : 0);
            }
            firsts[threadIdx.x] = range.first;
            ends[threadIdx.x] = range.end;
        }
        meet(barrier, threads);
    }

    // Whether every row sees all keys of a tile.
    __device__ __forceinline__ bool covers(int first_key) const { return last_first <= first_key && first_key + KEYS <= least_end; }
};

// The same of a tile in memory, without its rows.
struct TileBounds {
    int least_first, last_end, last_first, least_end;

    __device__ __forceinline__ bool meets(int first, int end) const { return least_first < end && first < last_end; }
    // Whether every query sees all these keys.
    __device__ __forceinline__ bool covers(int first, int end) const { return last_first <= first && end <= least_end; }
};

// MARK: Scores

// A thread's scores as matrix instructions lay them out: of two rows, eight apart, and of every eight keys from `first_key` on the first two. Each gets a
// slope times how far its key is from the last that the row sees.
template <int EIGHTS> __device__ __forceinline__ void lean(float (&scores)[EIGHTS][4], float slope, int first_key, const int (&ends)[2]) {
    const float distances[2] = {(float)(first_key - (ends[0] - 1)), (float)(first_key - (ends[1] - 1))};
#pragma unroll
    for (int n = 0; n < EIGHTS; n++)
#pragma unroll
        for (int i = 0; i < 4; i++) scores[n][i] = __fmaf_rn(slope, distances[i / 2] + (float)(n * 8 + i % 2), scores[n][i]);
}
// `hidden` takes the place of those of keys that a row does not see.
template <int EIGHTS>
__device__ __forceinline__ void hide(float (&scores)[EIGHTS][4], float hidden, int first_key, const int (&firsts)[2], const int (&ends)[2]) {
    const int first[2] = {firsts[0] - first_key, firsts[1] - first_key}, end[2] = {ends[0] - first_key, ends[1] - first_key};
#pragma unroll
    for (int n = 0; n < EIGHTS; n++)
#pragma unroll
        for (int i = 0; i < 4; i++)
            if ((n * 8 + i % 2 < first[i / 2]) | (end[i / 2] <= n * 8 + i % 2)) scores[n][i] = hidden;
}
// The same where rows are keys: `firsts` and `ends` of the queries from the thread's first on.
template <int EIGHTS> __device__ __forceinline__ void lean_keys(float (&scores)[EIGHTS][4], float slope, int first_key, const int *ends) {
#pragma unroll
    for (int n = 0; n < EIGHTS; n++)
#pragma unroll
        for (int i = 0; i < 4; i++) {
            const int distance = first_key + i / 2 * 8 - (ends[n * 8 + i % 2] - 1);
            scores[n][i] = __fmaf_rn(slope, (float)distance, scores[n][i]);
        }
}
template <int EIGHTS> __device__ __forceinline__ void hide_keys(float (&scores)[EIGHTS][4], int first_key, const int *firsts, const int *ends) {
#pragma unroll
    for (int n = 0; n < EIGHTS; n++)
#pragma unroll
        for (int i = 0; i < 4; i++) {
            const int query = n * 8 + i % 2, key = first_key + i / 2 * 8;
            if ((key < firsts[query]) | (ends[query] <= key)) scores[n][i] = 0;
        }
}

// MARK: Exponentials

// Scores are kept in powers of 2.
#define LOG2_E 1.4426950408889634f
#define LN_2 0.69314718055994531f

__device__ __forceinline__ float exp2_of(float x) {
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}
