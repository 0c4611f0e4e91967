// Attention and its gradients for every shape, type, range and bias: a warp for a query of a head, and for a key of a group. The scores of 32 keys (or
// queries) are computed at a time, the lanes side by side along a vector; sums are float32, each in one order.
//
// The kernels of attention_tiles.cu leave to these the tiles of `length` tokens whose results are not finite: here a row touches nothing but its own keys.
// `flaws`, where it is given, says which those are, and a block has a tile.

#include "attention.cuh"

// A query of a head.
struct QueryRow {
    int64 batch;
    int query, head;
    // Its vector in query and output, and its element in what there is one of for each row.
    int64 vector, statistics;
};

// In the order of the query's vectors.
__device__ __forceinline__ QueryRow row_at(const Inputs &x, int64 index) {
    const int64 token = index / x.heads;
    QueryRow row = {token / x.queries, (int)(token % x.queries), (int)(index % x.heads), index, 0};
    row.statistics = (row.batch * x.heads + row.head) * x.queries + row.query;
    return row;
}

// The bucket of the distance of a query and a key; -1 where there is none.
__device__ __forceinline__ int bucket_of(const Inputs &x, int query, int key) {
    if (!x.buckets) return -1;
    const int bucket = x.buckets[(int64)query - key + x.keys - 1];
    return bucket < x.bucket_count ? max(bucket, -1) : -1;
}

// What a row whose keys end at `end` adds to the score of a key.
__device__ __forceinline__ float bias_of(const Inputs &x, const QueryRow &row, int end, int key) {
    if (x.slopes) return x.slopes[row.head] * (float)(key - (end - 1));
    const int bucket = bucket_of(x, row.query, key);
    if (bucket < 0) return 0;
    const int64 key_row = (row.batch * x.heads + row.head) * x.keys + key;
    return (x.by_query ? x.by_query[row.statistics * x.bucket_count + bucket] : 0) + (x.by_key ? x.by_key[key_row * x.bucket_count + bucket] : 0);
}

// A score before the bias: the product of a query and a key, scaled, and bounded.
__device__ __forceinline__ float score_of(const Inputs &x, float product) {
    const float score = product * x.scale;
    return x.cap > 0 ? x.cap * tanhf(score / x.cap) : score;
}

// What a score passes on of its gradient to the scaled product that it was made of.
__device__ __forceinline__ float slope_of(const Inputs &x, float score) { return x.cap > 0 ? 1 - score / x.cap * (score / x.cap) : 1; }

// The product of a vector in shared memory with one of an array, in every lane.
__device__ __forceinline__ float dot(const float *shared, const void *array, int type, int64 vector, int width) {
    float sum = 0;
    for (int h = threadIdx.x % 32; h < width; h += 32) sum = __fmaf_rn(shared[h], load_float(array, type, vector * width + h), sum);
    return warp_sum(sum);
}

// Each lane of a warp reads and writes the same elements of its shared vectors everywhere, so these need no barrier.
__device__ __forceinline__ void load_vector(float *shared, const void *array, int type, int64 vector, int width) {
    for (int h = threadIdx.x % 32; h < width; h += 32) shared[h] = load_float(array, type, vector * width + h);
}
__device__ __forceinline__ void clear_vector(float *shared, int width) {
    for (int h = threadIdx.x % 32; h < width; h += 32) shared[h] = 0;
}
__device__ __forceinline__ void add_vector(float *shared, float factor, const void *array, int type, int64 vector, int width) {
    for (int h = threadIdx.x % 32; h < width; h += 32)
        shared[h] = __fmaf_rn(factor, load_float(array, type, vector * width + h), shared[h]);
}
__device__ __forceinline__ void store_vector(void *array, int type, int64 vector, const float *shared, float factor, int width) {
    for (int h = threadIdx.x % 32; h < width; h += 32) store_float(array, type, vector * width + h, shared[h] * factor);
}

// Adds each lane's number to the bin of its bucket, those of one bucket in the order of their lanes; none where the bucket is -1.
__device__ __forceinline__ void add_to_bins(float *bins, int bucket, float x) {
    const int lane = threadIdx.x % 32;
    const uint32 equals = __match_any_sync(FULL_WARP, bucket);
    float sum = 0;
    for (int j = 0; j < 32; j++) {
        const float other = __shfl_sync(FULL_WARP, x, j);
        if (equals >> j & 1) sum += other;
    }
    if (bucket >= 0 && lane == __ffs(equals) - 1) bins[bucket] += sum;
    __syncwarp();
}

extern __shared__ float shared_vectors[];

// The vectors that a warp computes: `origin + i * stride` for i from `begin` to `end`, in steps.
struct Share {
    int64 origin, stride, begin, end, step;
};

__device__ __forceinline__ Share share_of(int64 batch, int tokens, int heads, const int *flaws, int length) {
    const int warp = threadIdx.x / 32, warps = blockDim.x / 32;
    if (!flaws) return {0, 1, (int64)blockIdx.x * warps + warp, batch * tokens * heads, (int64)gridDim.x * warps};
    const int tiles = (tokens + length - 1) / length;
    const int64 entry = blockIdx.x / tiles, first = blockIdx.x % tiles * length;
    const int64 end = flaws[blockIdx.x] ? min((int64)length, tokens - first) : 0;
    return {(entry / heads * tokens + first) * heads + entry % heads, heads, warp, end, warps};
}

// MARK: Forward

extern "C" __global__ void attention(Inputs x, void *output, int output_type, float *log_sum_exp, const int *flaws, int length) {
    begin_launch();
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    float *q = shared_vectors + warp * (x.width + x.value_width), *sums = q + x.width;
    const Share share = share_of(x.batch, x.queries, x.heads, flaws, length);
    for (int64 i = share.begin; i < share.end; i += share.step) {
        const QueryRow row = row_at(x, share.origin + i * share.stride);
        const KeyRange range = range_of(x, row.batch, row.query);
        const int group = row.head / (x.heads / x.groups);
        load_vector(q, x.query, x.query_type, row.vector, x.width);
        clear_vector(sums, x.value_width);
        float top = -INFINITE, total = 0;
        for (int k = range.first; k < range.end; k += 32) {
            const int count = min(32, range.end - k);
            const int64 first = (row.batch * x.key_stride + k) * x.groups + group;
            float score = -INFINITE;
            for (int j = 0; j < count; j++) {
                const float product = dot(q, x.key, x.key_type, first + (int64)j * x.groups, x.width);
                if (lane == j) score = score_of(x, product) + bias_of(x, row, range.end, k + j);
            }
            const float next = fmaxf(top, warp_max(score));
            // Scores that are all -inf so far weigh nothing: another may follow.
            const float base = next == -INFINITE ? 0 : next;
            const float weight = lane < count ? expf(score - base) : 0, decay = expf(top - base);
            total = total * decay + warp_sum(weight);
            for (int h = lane; h < x.value_width; h += 32) sums[h] *= decay;
            for (int j = 0; j < count; j++)
                add_vector(sums, __shfl_sync(FULL_WARP, weight, j), x.value, x.value_type, first + (int64)j * x.groups, x.value_width);
            top = next;
        }
        const bool sees = range.first < range.end;
        for (int h = lane; h < x.value_width; h += 32)
            store_float(output, output_type, row.vector * x.value_width + h, sees ? sums[h] / total : 0);
        if (log_sum_exp && lane == 0)
            log_sum_exp[row.statistics] = !sees ? -INFINITE : top == -INFINITE ? NOT_A_NUMBER : top + logf(total);
    }
}

// MARK: Gradients

#define GRADIENT_PARAMETERS                                                                                                                            \
    Inputs x, const void *output, int output_type, const float *log_sum_exp, const void *output_gradient, int output_gradient_type, float *means

// Those of queries, and of a bias by query; and for the keys' kernels the mean of a row's `output gradient · value`, which is `output gradient · output`.
extern "C" __global__ void attention_query_gradient(GRADIENT_PARAMETERS, void *query_gradient, int query_gradient_type, float *by_query_gradient,
                                                    const int *flaws, int length) {
    begin_launch();
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    float *q = shared_vectors + warp * (2 * x.width + x.value_width), *sums = q + x.width, *dy = sums + x.width;
    const Share share = share_of(x.batch, x.queries, x.heads, flaws, length);
    for (int64 i = share.begin; i < share.end; i += share.step) {
        const QueryRow row = row_at(x, share.origin + i * share.stride);
        const KeyRange range = range_of(x, row.batch, row.query);
        const int group = row.head / (x.heads / x.groups);
        load_vector(q, x.query, x.query_type, row.vector, x.width);
        load_vector(dy, output_gradient, output_gradient_type, row.vector, x.value_width);
        clear_vector(sums, x.width);
        const float log_sum = log_sum_exp[row.statistics], mean = dot(dy, output, output_type, row.vector, x.value_width);
        if (lane == 0) means[row.statistics] = mean;
        float *bins = by_query_gradient ? by_query_gradient + row.statistics * x.bucket_count : nullptr;
        if (bins) {
            for (int c = lane; c < x.bucket_count; c += 32) bins[c] = 0;
            __syncwarp();
        }
        for (int k = range.first; k < range.end; k += 32) {
            const int count = min(32, range.end - k);
            const int64 first = (row.batch * x.key_stride + k) * x.groups + group;
            float score = 0, slope = 0, change = 0;
            for (int j = 0; j < count; j++) {
                const float product = dot(q, x.key, x.key_type, first + (int64)j * x.groups, x.width);
                const float rise = dot(dy, x.value, x.value_type, first + (int64)j * x.groups, x.value_width);
                if (lane == j) {
                    score = score_of(x, product);
                    slope = slope_of(x, score);
                    score += bias_of(x, row, range.end, k + j);
                    change = rise - mean;
                }
            }
            const float ds = lane < count ? expf(score - log_sum) * change : 0;
            for (int j = 0; j < count; j++)
                add_vector(sums, __shfl_sync(FULL_WARP, ds * slope, j), x.key, x.key_type, first + (int64)j * x.groups, x.width);
            if (bins) add_to_bins(bins, lane < count ? bucket_of(x, row.query, k + lane) : -1, ds);
        }
        store_vector(query_gradient, query_gradient_type, row.vector, sums, x.scale, x.width);
    }
}

// Those of keys and values, and of a bias by key: the queries of a group's heads one after the other.
extern "C" __global__ void attention_key_gradient(GRADIENT_PARAMETERS, void *key_gradient, int key_gradient_type, void *value_gradient,
                                                  int value_gradient_type, float *by_key_gradient, const int *flaws, int length) {
    begin_launch();
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, heads_per_group = x.heads / x.groups;
    float *k_vector = shared_vectors + warp * 2 * (x.width + x.value_width), *v_vector = k_vector + x.width, *k_sums = v_vector + x.value_width;
    float *v_sums = k_sums + x.width;
    const Share share = share_of(x.batch, x.keys, x.groups, flaws, length);
    for (int64 i = share.begin; i < share.end; i += share.step) {
        const int64 index = share.origin + i * share.stride, token = index / x.groups, b = token / x.keys;
        const int group = (int)(index % x.groups), k = (int)(token % x.keys);
        const int64 vector = (b * x.key_stride + k) * x.groups + group;
        load_vector(k_vector, x.key, x.key_type, vector, x.width);
        load_vector(v_vector, x.value, x.value_type, vector, x.value_width);
        clear_vector(k_sums, x.width);
        clear_vector(v_sums, x.value_width);
        for (int head = group * heads_per_group; head < (group + 1) * heads_per_group; head++) {
            float *bins = by_key_gradient ? by_key_gradient + ((b * x.heads + head) * x.keys + k) * x.bucket_count : nullptr;
            if (bins) {
                for (int c = lane; c < x.bucket_count; c += 32) bins[c] = 0;
                __syncwarp();
            }
            for (int q = 0; q < x.queries; q += 32) {
                const KeyRange range = q + lane < x.queries ? range_of(x, b, q + lane) : KeyRange{0, 0};
                const uint32 seeing = __ballot_sync(FULL_WARP, range.first <= k && k < range.end);
                float ds = 0;
                for (uint32 rest = seeing; rest; rest &= rest - 1) {
                    const int j = __ffs(rest) - 1, end = __shfl_sync(FULL_WARP, range.end, j);
                    const QueryRow row = row_at(x, (b * x.queries + q + j) * x.heads + head);
                    const float product = dot(k_vector, x.query, x.query_type, row.vector, x.width);
                    const float rise = dot(v_vector, output_gradient, output_gradient_type, row.vector, x.value_width), score = score_of(x, product);
                    const float p = expf(score + bias_of(x, row, end, k) - log_sum_exp[row.statistics]);
                    const float change = p * (rise - means[row.statistics]);
                    if (lane == j) ds = change;
                    add_vector(v_sums, p, output_gradient, output_gradient_type, row.vector, x.value_width);
                    add_vector(k_sums, change * slope_of(x, score), x.query, x.query_type, row.vector, x.width);
                }
                if (bins && seeing) add_to_bins(bins, seeing >> lane & 1 ? bucket_of(x, q + lane, k) : -1, ds);
            }
        }
        store_vector(key_gradient, key_gradient_type, vector, k_sums, x.scale, x.width);
        store_vector(value_gradient, value_gradient_type, vector, v_sums, 1, x.value_width);
    }
}
