// Attention of many queries in float32, and its gradients, for vectors of any type and up to 256 elements: tiles of 64 queries against tiles of 64 keys in
// shared memory, 4 x 4 scores a thread.
//
// A product of 0 and a number that is not finite would leak what a row does not see into it. So a tile whose result is not finite is noted in `flaws`, and
// is computed again by the kernels of attention.cu.

#include "attention.cuh"

enum { TILE = 64, SIDE = 16, THREADS = SIDE * SIDE, EACH = TILE / SIDE };

// MARK: What rows see

// What is added to a score, in powers of 2; of a row whose keys end at `end`.
__device__ __forceinline__ float bias_of(const Inputs &x, int64 batch, int head, int query, int end, int key) {
    if (x.slopes) return x.slopes[head] * (float)(key - (end - 1)) * LOG2_E;
    if (!x.buckets) return 0;
    const int bucket = x.buckets[(int64)query - key + x.keys - 1];
    if (bucket < 0 || bucket >= x.bucket_count) return 0;
    const int64 entry = batch * x.heads + head;
    const float a = x.by_query ? x.by_query[(entry * x.queries + query) * x.bucket_count + bucket] : 0;
    const float b = x.by_key ? x.by_key[(entry * x.keys + key) * x.bucket_count + bucket] : 0;
    return (a + b) * LOG2_E;
}

// Scores before the bias, in powers of 2, of the products of queries and keys: scaled, and bounded.
__device__ __forceinline__ void make_scores(const Inputs &x, float (&products)[EACH][EACH]) {
    if (x.cap > 0) {
        const float share = x.scale / x.cap;
#pragma unroll
        for (int i = 0; i < EACH; i++)
#pragma unroll
            for (int j = 0; j < EACH; j++) products[i][j] = short_tanh(products[i][j] * share);
    }
    const float unit = (x.cap > 0 ? x.cap : x.scale) * LOG2_E;
#pragma unroll
    for (int i = 0; i < EACH; i++)
#pragma unroll
        for (int j = 0; j < EACH; j++) products[i][j] *= unit;
}

// Of a score as a share of the bound: what it passes on of its gradient to the scaled product that it was made of.
__device__ __forceinline__ float slope_of(float share) { return __fmaf_rn(-share, share, 1); }

// MARK: Products

extern __shared__ float4 tile_memory[];

// Rows are 16 bytes longer than what they hold, so that rows in turn lie in different banks. COLUMNS is what a thread has of a vector's sums.
template <int COLUMNS> constexpr int ROW = SIDE * COLUMNS + 4;
enum { WEIGHTS_ROW = TILE + 4 };

// Vectors first * step, (first + 1) * step, ... from `origin` on as the rows of a tile; zeros outside `low` to `high`, and beyond `width`.
template <int COLUMNS>
__device__ __forceinline__ void load_tile(float *tile, const void *array, int type, int64 origin, int64 step, int first, int low, int high, int width) {
    constexpr int FOURS = SIDE * COLUMNS / 4;
    const bool fours = width % 4 == 0 && takes_fours(array, type);
#pragma unroll 4
    for (int i = threadIdx.x; i < TILE * FOURS; i += THREADS) {
        const int row = i / FOURS, h = i % FOURS * 4, vector = first + row;
        float4 x = make_float4(0, 0, 0, 0);
        if (low <= vector && vector < high && h < width) {
            const int64 start = (origin + vector * step) * width + h;
            if (fours) {
                x = widen_four(load_four(array, type, start), type);
            } else {
                x.x = load_float(array, type, start);
                if (h + 1 < width) x.y = load_float(array, type, start + 1);
                if (h + 2 < width) x.z = load_float(array, type, start + 2);
                if (h + 3 < width) x.w = load_float(array, type, start + 3);
            }
        }
        *(float4 *)(tile + row * ROW<COLUMNS> + h) = x;
    }
}

__device__ __forceinline__ float dot(float4 a, float4 b, float sum) {
    return __fmaf_rn(a.w, b.w, __fmaf_rn(a.z, b.z, __fmaf_rn(a.y, b.y, __fmaf_rn(a.x, b.x, sum))));
}

// The products of the thread's rows of a, 4 y to 4 y + 3, with those of b, x, x + 16, ...
template <int COLUMNS> __device__ __forceinline__ void multiply_rows(float (&sums)[EACH][EACH], const float *a, const float *b, int width) {
    a += threadIdx.x / SIDE * EACH * ROW<COLUMNS>;
    b += threadIdx.x % SIDE * ROW<COLUMNS>;
#pragma unroll
    for (int i = 0; i < EACH; i++)
#pragma unroll
        for (int j = 0; j < EACH; j++) sums[i][j] = 0;
#pragma unroll 2
    for (int h = 0; h < width; h += 4) {
        float4 u[EACH], v[EACH];
#pragma unroll
        for (int i = 0; i < EACH; i++) u[i] = *(const float4 *)(a + i * ROW<COLUMNS> + h);
#pragma unroll
        for (int j = 0; j < EACH; j++) v[j] = *(const float4 *)(b + j * SIDE * ROW<COLUMNS> + h);
#pragma unroll
        for (int i = 0; i < EACH; i++)
#pragma unroll
            for (int j = 0; j < EACH; j++) sums[i][j] = dot(u[i], v[j], sums[i][j]);
    }
}

// Adds the rows of b, weighed by the thread's rows of `weights`, to its columns 4 x to 4 x + 3 of every 64.
template <int COLUMNS> __device__ __forceinline__ void add_rows(float (&sums)[EACH][COLUMNS], const float *weights, const float *b) {
    weights += threadIdx.x / SIDE * EACH * WEIGHTS_ROW;
    b += threadIdx.x % SIDE * 4;
#pragma unroll 2
    for (int k = 0; k < TILE; k += 4) {
        float4 w[EACH];
#pragma unroll
        for (int i = 0; i < EACH; i++) w[i] = *(const float4 *)(weights + i * WEIGHTS_ROW + k);
#pragma unroll
        for (int c = 0; c < COLUMNS; c += 4) {
            float4 v[4];
#pragma unroll
            for (int j = 0; j < 4; j++) v[j] = *(const float4 *)(b + (k + j) * ROW<COLUMNS> + c * SIDE);
#pragma unroll
            for (int i = 0; i < EACH; i++) {
                sums[i][c] = __fmaf_rn(w[i].w, v[3].x, __fmaf_rn(w[i].z, v[2].x, __fmaf_rn(w[i].y, v[1].x, __fmaf_rn(w[i].x, v[0].x, sums[i][c]))));
                sums[i][c + 1] =
                    __fmaf_rn(w[i].w, v[3].y, __fmaf_rn(w[i].z, v[2].y, __fmaf_rn(w[i].y, v[1].y, __fmaf_rn(w[i].x, v[0].y, sums[i][c + 1]))));
                sums[i][c + 2] =
                    __fmaf_rn(w[i].w, v[3].z, __fmaf_rn(w[i].z, v[2].z, __fmaf_rn(w[i].y, v[1].z, __fmaf_rn(w[i].x, v[0].z, sums[i][c + 2]))));
                sums[i][c + 3] =
                    __fmaf_rn(w[i].w, v[3].w, __fmaf_rn(w[i].z, v[2].w, __fmaf_rn(w[i].y, v[1].w, __fmaf_rn(w[i].x, v[0].w, sums[i][c + 3]))));
            }
        }
    }
}

template <int COLUMNS> __device__ __forceinline__ void clear(float (&sums)[EACH][COLUMNS]) {
#pragma unroll
    for (int i = 0; i < EACH; i++)
#pragma unroll
        for (int c = 0; c < COLUMNS; c++) sums[i][c] = 0;
}

__device__ __forceinline__ void store_weights(float *weights, const float (&x)[EACH][EACH]) {
#pragma unroll
    for (int i = 0; i < EACH; i++)
#pragma unroll
        for (int j = 0; j < EACH; j++) weights[(threadIdx.x / SIDE * EACH + i) * WEIGHTS_ROW + threadIdx.x % SIDE + j * SIDE] = x[i][j];
}

// Writes the thread's sums as its part of vectors `first` and on, those that are below `end`. Returns whether one is not finite.
template <int COLUMNS>
__device__ __forceinline__ bool store_vectors(void *array, int type, int64 origin, int64 step, int first, int end, int width, const float (&sums)[EACH][COLUMNS],
                                              const float (&factors)[EACH]) {
    bool flawed = false;
#pragma unroll
    for (int i = 0; i < EACH; i++) {
        const int vector = first + threadIdx.x / SIDE * EACH + i;
        if (vector >= end) continue;
#pragma unroll
        for (int c = 0; c < COLUMNS; c++) {
            const int h = c / 4 * 4 * SIDE + threadIdx.x % SIDE * 4 + c % 4;
            const float x = sums[i][c] * factors[i];
            flawed |= !(fabsf(x) < INFINITE);
            if (h < width) store_float(array, type, (origin + vector * step) * width + h, x);
        }
    }
    return flawed;
}

// Over the 16 threads that share rows.
__device__ __forceinline__ float row_sum(float x) {
#pragma unroll
    for (int step = SIDE / 2; step > 0; step /= 2) x += __shfl_xor_sync(FULL_WARP, x, step);
    return x;
}
__device__ __forceinline__ float row_max(float x) {
#pragma unroll
    for (int step = SIDE / 2; step > 0; step /= 2) x = fmaxf(x, __shfl_xor_sync(FULL_WARP, x, step));
    return x;
}

// The tile that a block has of tokens of `heads` heads, those with the most to do first; and where its entry's vectors begin.
struct Place {
    int64 entry, tile, tiles, batch;
    int head, first;

    __device__ __forceinline__ Place(int64 batches, int tokens, int heads, bool last_first) {
        tiles = (tokens + TILE - 1) / TILE;
        entry = blockIdx.x % (batches * heads);
        tile = blockIdx.x / (batches * heads);
        if (last_first) tile = tiles - 1 - tile;
        batch = entry / heads;
        head = (int)(entry % heads);
        first = (int)tile * TILE;
    }
};

// MARK: Forward

template <int COLUMNS> __device__ __forceinline__ void attend(const Inputs &x, void *output, int output_type, float *log_sum_exp, int *flaws) {
    __shared__ TileRanges<TILE, TILE> ranges;
    float *query_tile = (float *)tile_memory, *key_tile = query_tile + TILE * ROW<COLUMNS>, *weights = key_tile + TILE * ROW<COLUMNS>;
    const Place place(x.batch, x.queries, x.heads, true);
    const int group = place.head / (x.heads / x.groups), row = threadIdx.x / SIDE * EACH;
    const int64 first_vector = place.batch * x.queries * x.heads + place.head, first_key_vector = place.batch * x.key_stride * x.groups + group;
    load_tile<COLUMNS>(query_tile, x.query, x.query_type, first_vector, x.heads, place.first, 0, x.queries, x.width);
    ranges.fill(x, place.batch, place.first);
    const int high = ranges.last_end, low = min(ranges.least_first, high);
    const bool biased = x.slopes || x.buckets;
    float sums[EACH][COLUMNS], tops[EACH], totals[EACH];
    clear(sums);
#pragma unroll
    for (int i = 0; i < EACH; i++) tops[i] = -INFINITE, totals[i] = 0;

    for (int k = low / TILE * TILE; k < high; k += TILE) {
        load_tile<COLUMNS>(key_tile, x.key, x.key_type, first_key_vector, x.groups, k, low, high, x.width);
        __syncthreads();
        float scores[EACH][EACH];
        multiply_rows<COLUMNS>(scores, query_tile, key_tile, x.width);
        make_scores(x, scores);
        // The values take the keys' place.
        __syncthreads();
        load_tile<COLUMNS>(key_tile, x.value, x.value_type, first_key_vector, x.groups, k, low, high, x.value_width);
#pragma unroll
        for (int i = 0; i < EACH; i++) {
            const int first = ranges.firsts[row + i], end = ranges.ends[row + i], query = place.first + row + i;
            float top = tops[i];
#pragma unroll
            for (int j = 0; j < EACH; j++) {
                const int key = k + threadIdx.x % SIDE + j * SIDE;
                const bool sees = first <= key && key < end;
                scores[i][j] += biased && sees ? bias_of(x, place.batch, place.head, query, end, key) : 0;
                if (!sees) scores[i][j] = -INFINITE;
                top = fmaxf(top, scores[i][j]);
            }
            top = row_max(top);
            const float base = top == -INFINITE ? 0 : top, decay = exp2_of(tops[i] - base);
            tops[i] = top;
            totals[i] *= decay;
#pragma unroll
            for (int c = 0; c < COLUMNS; c++) sums[i][c] *= decay;
#pragma unroll
            for (int j = 0; j < EACH; j++) {
                scores[i][j] = exp2_of(scores[i][j] - base);
                totals[i] += scores[i][j];
            }
        }
        store_weights(weights, scores);
        __syncthreads();
        add_rows<COLUMNS>(sums, weights, key_tile);
        __syncthreads();
    }

    bool flawed = false;
    float factors[EACH];
#pragma unroll
    for (int i = 0; i < EACH; i++) {
        const float total = row_sum(totals[i]), log_sum = (tops[i] + log2f(total)) * LN_2;
        const int query = place.first + row + i;
        const bool sees = ranges.firsts[row + i] < ranges.ends[row + i];
        factors[i] = sees ? 1 / total : 0;
        flawed |= sees && !(fabsf(log_sum) < INFINITE);
        if (log_sum_exp && query < x.queries && threadIdx.x % SIDE == 0) log_sum_exp[place.entry * x.queries + query] = sees ? log_sum : -INFINITE;
    }
    flawed |= store_vectors<COLUMNS>(output, output_type, first_vector, x.heads, place.first, x.queries, x.value_width, sums, factors);
    const int any = __syncthreads_or(flawed);
    if (threadIdx.x == 0) flaws[place.entry * place.tiles + place.tile] = any;
}

// MARK: Gradients

// Those of queries; and `means`, for each row the product of the output and its gradient.
template <int COLUMNS>
__device__ __forceinline__ void attend_queries_back(const Inputs &x, const void *output, int output_type, const float *log_sum_exp, const void *output_gradient,
                                                    int output_gradient_type, float *means, void *query_gradient, int query_gradient_type, int *flaws) {
    __shared__ TileRanges<TILE, TILE> ranges;
    float *query_tile = (float *)tile_memory, *gradient_tile = query_tile + TILE * ROW<COLUMNS>, *key_tile = gradient_tile + TILE * ROW<COLUMNS>;
    float *weights = key_tile + TILE * ROW<COLUMNS>;
    const Place place(x.batch, x.queries, x.heads, true);
    const int group = place.head / (x.heads / x.groups), row = threadIdx.x / SIDE * EACH;
    const int64 first_vector = place.batch * x.queries * x.heads + place.head, first_key_vector = place.batch * x.key_stride * x.groups + group;
    load_tile<COLUMNS>(query_tile, x.query, x.query_type, first_vector, x.heads, place.first, 0, x.queries, x.width);
    load_tile<COLUMNS>(
        gradient_tile, output_gradient, output_gradient_type, first_vector, x.heads, place.first, 0, x.queries, x.value_width);
    load_tile<COLUMNS>(key_tile, output, output_type, first_vector, x.heads, place.first, 0, x.queries, x.value_width);
    ranges.fill(x, place.batch, place.first);
    const int high = ranges.last_end, low = min(ranges.least_first, high);
    const bool biased = x.slopes || x.buckets;
    const float share = x.cap > 0 ? 1 / (x.cap * LOG2_E) : 0;
    float sums[EACH][COLUMNS], row_means[EACH], log_sums[EACH];
    clear(sums);
#pragma unroll
    for (int i = 0; i < EACH; i++) {
        const int query = place.first + row + i;
        float mean = 0;
        for (int h = threadIdx.x % SIDE; h < x.value_width; h += SIDE)
            mean = __fmaf_rn(gradient_tile[(row + i) * ROW<COLUMNS> + h], key_tile[(row + i) * ROW<COLUMNS> + h], mean);
        row_means[i] = row_sum(mean);
        log_sums[i] = query < x.queries ? log_sum_exp[place.entry * x.queries + query] * LOG2_E : 0;
        if (query < x.queries && threadIdx.x % SIDE == 0) means[place.entry * x.queries + query] = row_means[i];
    }

    for (int k = low / TILE * TILE; k < high; k += TILE) {
        __syncthreads();
        load_tile<COLUMNS>(key_tile, x.value, x.value_type, first_key_vector, x.groups, k, low, high, x.value_width);
        __syncthreads();
        float changes[EACH][EACH], scores[EACH][EACH];
        multiply_rows<COLUMNS>(changes, gradient_tile, key_tile, x.value_width);
        // The keys take the values' place.
        __syncthreads();
        load_tile<COLUMNS>(key_tile, x.key, x.key_type, first_key_vector, x.groups, k, low, high, x.width);
        __syncthreads();
        multiply_rows<COLUMNS>(scores, query_tile, key_tile, x.width);
        make_scores(x, scores);
#pragma unroll
        for (int i = 0; i < EACH; i++) {
            const int first = ranges.firsts[row + i], end = ranges.ends[row + i], query = place.first + row + i;
#pragma unroll
            for (int j = 0; j < EACH; j++) {
                const int key = k + threadIdx.x % SIDE + j * SIDE;
                const bool sees = first <= key && key < end;
                const float score = scores[i][j] + (biased && sees ? bias_of(x, place.batch, place.head, query, end, key) : 0);
                scores[i][j] = sees ? exp2_of(score - log_sums[i]) * (changes[i][j] - row_means[i]) * slope_of(scores[i][j] * share) : 0;
            }
        }
        store_weights(weights, scores);
        __syncthreads();
        add_rows<COLUMNS>(sums, weights, key_tile);
    }
    const float factors[EACH] = {x.scale, x.scale, x.scale, x.scale};
    const bool flawed =
        store_vectors<COLUMNS>(query_gradient, query_gradient_type, first_vector, x.heads, place.first, x.queries, x.width, sums, factors);
    const int any = __syncthreads_or(flawed);
    if (threadIdx.x == 0) flaws[place.entry * place.tiles + place.tile] = any;
}

// Those of keys and values, of a group's heads one after the other.
template <int COLUMNS>
__device__ __forceinline__ void attend_keys_back(const Inputs &x, const float *log_sum_exp, const void *output_gradient, int output_gradient_type,
                                                 const float *means, void *key_gradient, int key_gradient_type, void *value_gradient,
                                                 int value_gradient_type, int *flaws) {
    __shared__ TileRanges<TILE, TILE> ranges;
    __shared__ float log_sums[TILE], row_means[TILE];
    float *key_tile = (float *)tile_memory, *value_tile = key_tile + TILE * ROW<COLUMNS>, *query_tile = value_tile + TILE * ROW<COLUMNS>;
    float *gradient_tile = query_tile + TILE * ROW<COLUMNS>, *weights = gradient_tile + TILE * ROW<COLUMNS>;
    const Place place(x.batch, x.keys, x.groups, false);
    const int heads_per_group = x.heads / x.groups, key_end = min(place.first + TILE, x.keys), row = threadIdx.x / SIDE * EACH;
    const int64 first_key_vector = place.batch * x.key_stride * x.groups + place.head;
    load_tile<COLUMNS>(key_tile, x.key, x.key_type, first_key_vector, x.groups, place.first, 0, x.keys, x.width);
    load_tile<COLUMNS>(value_tile, x.value, x.value_type, first_key_vector, x.groups, place.first, 0, x.keys, x.value_width);
    const bool biased = x.slopes || x.buckets;
    const float share = x.cap > 0 ? 1 / (x.cap * LOG2_E) : 0;
    float key_sums[EACH][COLUMNS], value_sums[EACH][COLUMNS];
    clear(key_sums);
    clear(value_sums);

    for (int q = 0; q < x.queries; q += TILE) {
        // Also: nobody reads the tile before any more.
        ranges.fill(x, place.batch, q);
        const bool meets = ranges.least_first < key_end && place.first < ranges.last_end;
        for (int head = place.head * heads_per_group; meets && head < (place.head + 1) * heads_per_group; head++) {
            const int64 first_vector = place.batch * x.queries * x.heads + head, entry = place.batch * x.heads + head;
            load_tile<COLUMNS>(query_tile, x.query, x.query_type, first_vector, x.heads, q, 0, x.queries, x.width);
            load_tile<COLUMNS>(gradient_tile, output_gradient, output_gradient_type, first_vector, x.heads, q, 0, x.queries, x.value_width);
            if (threadIdx.x < TILE) {
                const int query = q + threadIdx.x;
                log_sums[threadIdx.x] = query < x.queries ? log_sum_exp[entry * x.queries + query] * LOG2_E : 0;
                row_means[threadIdx.x] = query < x.queries ? means[entry * x.queries + query] : 0;
            }
            __syncthreads();
            float changes[EACH][EACH], scores[EACH][EACH];
            multiply_rows<COLUMNS>(scores, key_tile, query_tile, x.width);
            make_scores(x, scores);
            multiply_rows<COLUMNS>(changes, value_tile, gradient_tile, x.value_width);
#pragma unroll
            for (int j = 0; j < EACH; j++) {
                const int place_of_query = threadIdx.x % SIDE + j * SIDE, first = ranges.firsts[place_of_query], end = ranges.ends[place_of_query];
#pragma unroll
                for (int i = 0; i < EACH; i++) {
                    const int key = place.first + row + i;
                    const bool sees = first <= key && key < end;
                    const float score = scores[i][j] + (biased && sees ? bias_of(x, place.batch, head, q + place_of_query, end, key) : 0);
                    const float slope = slope_of(scores[i][j] * share);
                    scores[i][j] = sees ? exp2_of(score - log_sums[place_of_query]) : 0;
                    changes[i][j] = sees ? scores[i][j] * (changes[i][j] - row_means[place_of_query]) * slope : 0;
                }
            }
            store_weights(weights, scores);
            __syncthreads();
            add_rows<COLUMNS>(value_sums, weights, gradient_tile);
            __syncthreads();
            store_weights(weights, changes);
            __syncthreads();
            add_rows<COLUMNS>(key_sums, weights, query_tile);
            __syncthreads();
        }
    }
    const float scales[EACH] = {x.scale, x.scale, x.scale, x.scale}, ones[EACH] = {1, 1, 1, 1};
    bool flawed =
        store_vectors<COLUMNS>(key_gradient, key_gradient_type, first_key_vector, x.groups, place.first, x.keys, x.width, key_sums, scales);
    flawed |= store_vectors<COLUMNS>(
        value_gradient, value_gradient_type, first_key_vector, x.groups, place.first, x.keys, x.value_width, value_sums, ones);
    const int any = __syncthreads_or(flawed);
    if (threadIdx.x == 0) flaws[place.entry * place.tiles + place.tile] = any;
}

// MARK: Kernels

#define FORWARD(WIDTH)                                                                                                                                 \
    extern "C" __global__ void __launch_bounds__(THREADS)                                                                                              \
        attention_floats_##WIDTH(Inputs x, void *output, int output_type, float *log_sum_exp, int *flaws) {                                            \
        attend<WIDTH / SIDE>(x, output, output_type, log_sum_exp, flaws);                                                                              \
    }
#define BACKWARD(WIDTH)                                                                                                                                \
    extern "C" __global__ void __launch_bounds__(THREADS) attention_floats_query_gradient_##WIDTH(                                                     \
        Inputs x, const void *output, int output_type, const float *log_sum_exp, const void *output_gradient, int output_gradient_type, float *means,  \
        void *query_gradient, int query_gradient_type, int *flaws) {                                                                                   \
        attend_queries_back<WIDTH / SIDE>(                                                                                                             \
            x, output, output_type, log_sum_exp, output_gradient, output_gradient_type, means, query_gradient, query_gradient_type, flaws);            \
    }                                                                                                                                                  \
    extern "C" __global__ void __launch_bounds__(THREADS) attention_floats_key_gradient_##WIDTH(                                                       \
        Inputs x, const float *log_sum_exp, const void *output_gradient, int output_gradient_type, const float *means, void *key_gradient,             \
        int key_gradient_type, void *value_gradient, int value_gradient_type, int *flaws) {                                                            \
        attend_keys_back<WIDTH / SIDE>(                                                                                                                \
            x, log_sum_exp, output_gradient, output_gradient_type, means, key_gradient, key_gradient_type, value_gradient, value_gradient_type,        \
            flaws);                                                                                                                                    \
    }

FORWARD(64)
FORWARD(128)
FORWARD(256)
BACKWARD(64)
BACKWARD(128)
