// Drawing the next token of each sequence, whose vocabulary the blocks of a cluster share (compute capability 9.0), or one block has. What top-k and top-p keep is found by radix selection on the bits of the
// weights, which are not negative, so that their bits are in their order. Sums of weights are sums of integers, 2^-`scale` each: exact in any order.

#include "clusters.cuh"

enum { THREADS = 1024, WARPS = 32, DIGITS = 1024, DIGIT_BITS = 10, LEVELS = 3 };

// SampleTokens.none and .notANumber
enum { NONE = -1, NO_NUMBER = -2 };

struct Rule {
    float temperature, top_p, min_p, repetition_penalty;
    int64 top_k;
};

// MARK: Clusters

__device__ __forceinline__ uint64 load_of(const uint64 *own, int rank) {
    return (uint64)load_of((const uint32 *)own + 1, rank) << 32 | load_of((const uint32 *)own, rank);
}

// The part of the tokens that this block has.
struct Part {
    int begin, count;

    __device__ __forceinline__ explicit Part(int tokens) {
        const int length = ((tokens + cluster_size() - 1) / cluster_size() + 7) / 8 * 8;
        begin = min(cluster_rank() * length, tokens);
        count = min(length, tokens - begin);
    }
};

// MARK: Elements

template <typename T> struct alignas(16) Run {
    T x[16 / sizeof(T)];
};

// Calls `body(token, x)` for each token of the block's part, in their order within a thread.
template <typename T, typename Body> __device__ __forceinline__ void each(const T *row, Part part, Body body) {
    constexpr int LENGTH = 16 / sizeof(T), AHEAD = 2;
    const int count = part.count;
    row += part.begin;
    const int runs = is_aligned16(row) ? count / LENGTH : 0;
    for (int start = threadIdx.x; start < runs; start += AHEAD * THREADS) {
        Run<T> ahead[AHEAD];
#pragma unroll
        for (int a = 0; a < AHEAD; a++)
            if (start + a * THREADS < runs) ahead[a] = ((const Run<T> *)row)[start + a * THREADS];
#pragma unroll
        for (int a = 0; a < AHEAD; a++) {
            if (start + a * THREADS >= runs) continue;
#pragma unroll
            for (int i = 0; i < LENGTH; i++) body(part.begin + (start + a * THREADS) * LENGTH + i, ahead[a].x[i]);
        }
    }
#pragma unroll 8
    for (int i = runs * LENGTH + threadIdx.x; i < count; i += THREADS) body(part.begin + i, row[i]);
}

__device__ __forceinline__ float penalized(float logit, const uint8 *seen, int token, float penalty) {
    if (!seen || !seen[token]) return logit;
    return logit > 0 ? logit / penalty : logit * penalty;
}

// MARK: The largest

struct Peak {
    float logit;
    int token;
};

// Of equals the lower token; NaN is never larger.
__device__ __forceinline__ void raise(Peak &peak, Peak other) {
    if (other.logit > peak.logit || (other.logit == peak.logit && other.token < peak.token)) peak = other;
}

__device__ __forceinline__ void raise_in_warp(Peak &peak) {
    for (int step = 16; step > 0; step /= 2)
        raise(peak, Peak{__shfl_xor_sync(FULL_WARP, peak.logit, step), __shfl_xor_sync(FULL_WARP, peak.token, step)});
}

template <typename T> __device__ __forceinline__ Peak peak_of(const T *logits, const uint8 *seen, float penalty, Part part) {
    __shared__ Peak peaks[WARPS];
    __shared__ uint32 logit_of_part, token_of_part;
    Peak peak = {-INFINITE, 0x7fffffff};
    each(logits, part, [&](int token, T logit) {
        const float x = penalized(widen(logit), seen, token, penalty);
        if (x > peak.logit) peak = {x, token};
    });
    raise_in_warp(peak);
    if (threadIdx.x % 32 == 0) peaks[threadIdx.x / 32] = peak;
    __syncthreads();
    peak = peaks[threadIdx.x % 32];
    raise_in_warp(peak);
    if (threadIdx.x == 0) {
        logit_of_part = __float_as_uint(peak.logit);
        token_of_part = (uint32)peak.token;
    }
    cluster_barrier();
    for (int rank = 0; rank < cluster_size(); rank++)
        raise(peak, Peak{__uint_as_float(load_of(&logit_of_part, rank)), (int)load_of(&token_of_part, rank)});
    return peak;
}

// MARK: What is kept

// The tokens that may be drawn: those whose weight has bits above `least`, and those with these bits up to token `last`.
struct Kept {
    uint32 least;
    int last;

    __device__ __forceinline__ bool holds(int token, uint32 bits) const { return bits > least || (bits == least && token <= last); }
};

__device__ __forceinline__ uint64 warp_sum(uint64 x) {
    for (int step = 16; step > 0; step /= 2) x += __shfl_xor_sync(FULL_WARP, x, step);
    return x;
}

// The first token with which the sum of `amount(token, bits)` is above `bound(sum of all)`, which is less than all; the same in all blocks.
template <typename Amount, typename Bound> __device__ __forceinline__ int first_above(const float *weights, Part whole, Amount amount, Bound bound) {
    __shared__ uint64 sums[WARPS], sum_of_part;
    __shared__ uint32 found;
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    int begin = whole.begin, length = whole.count;
    uint64 target = 0;
    bool begins = true, has = true;
    while (begins || (has && length > 1)) {
        // A warp has a part of what is left.
        const int part = (length + WARPS - 1) / WARPS, start = begin + warp * part, end = min(start + part, begin + length);
        uint64 sum = 0;
#pragma unroll 4
        for (int i = start + lane; i < end; i += 32) sum += amount(i, __float_as_uint(weights[i]));
        sum = warp_sum(sum);
        __syncthreads();
        if (lane == 0) sums[warp] = sum;
        __syncthreads();
        if (begins) {
            if (threadIdx.x == 0) {
                sum_of_part = 0;
                for (int w = 0; w < WARPS; w++) sum_of_part += sums[w];
            }
            cluster_barrier();
            for (int rank = 0; rank < cluster_size(); rank++) target += load_of(&sum_of_part, rank);
            target = bound(target);
            int owner = 0;
            for (uint64 here; target >= (here = load_of(&sum_of_part, owner)); owner++) target -= here;
            has = owner == cluster_rank();
            begins = false;
            if (!has) break;
        }
        int chosen = 0;
        while (chosen < WARPS - 1 && target >= sums[chosen]) target -= sums[chosen++];
        const int over = begin + length;
        begin += chosen * part;
        length = min(part, over - begin);
    }
    // One of the blocks has found it, and counts from 1.
    if (threadIdx.x == 0) found = has ? begin + 1 : 0;
    cluster_barrier();
    uint32 token = 0;
    for (int rank = 0; rank < cluster_size(); rank++) token += load_of(&found, rank);
    return (int)token - 1;
}

struct Histogram {
    uint32 low[DIGITS], high[DIGITS];  // of 64-bit sums, or counts in `low`
    uint64 sums[WARPS];
    uint64 above, here;
    uint32 digit;
};

// Sums up to and with this thread's, of all threads in their order.
__device__ __forceinline__ uint64 running_sum(uint64 x, uint64 *sums) {
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    for (int step = 1; step < 32; step *= 2) {
        const uint64 before = __shfl_up_sync(FULL_WARP, x, step);
        if (lane >= step) x += before;
    }
    if (lane == 31) sums[warp] = x;
    __syncthreads();
    for (int w = 0; w < warp; w++) x += sums[w];
    return x;
}

// Keeps the fewest of the largest whose amounts reach `enough(sum of all)`; all where they do not. Equal weights have equal amounts.
template <typename Amount, typename Enough>
__device__ __forceinline__ void keep_largest(Kept &kept, const float *weights, Part part, int count, Histogram &histogram, Amount amount, Enough enough) {
    uint32 prefix = 0;
    uint64 above = 0, needed = 0, here = 0;
    for (int level = 0; level < LEVELS; level++) {
        const int shift = DIGIT_BITS * (LEVELS - 1 - level);
        histogram.low[threadIdx.x] = histogram.high[threadIdx.x] = 0;
        __syncthreads();
        each(weights, part, [&](int token, float weight) {
            const uint32 bits = __float_as_uint(weight);
            if (bits >> shift >> DIGIT_BITS != prefix || !kept.holds(token, bits)) return;
            const uint32 digit = bits >> shift & (DIGITS - 1);
            const uint64 x = amount(weight);
            const uint32 low = (uint32)x, high = (uint32)(x >> 32) + (atomicAdd(&histogram.low[digit], low) > ~low ? 1 : 0);
            if (high) atomicAdd(&histogram.high[digit], high);
        });
        cluster_barrier();
        // From the highest digit on.
        const uint32 digit = DIGITS - 1 - threadIdx.x;
        uint64 own = 0;
        for (int rank = 0; rank < cluster_size(); rank++)
            own += (uint64)load_of(&histogram.high[digit], rank) << 32 | load_of(&histogram.low[digit], rank);
        const uint64 reached = above + running_sum(own, histogram.sums);
        if (level == 0) {
            uint64 all = 0;
            for (int w = 0; w < WARPS; w++) all += histogram.sums[w];
            needed = enough(all);
            if (needed > all) {
                cluster_barrier();
                return;
            }
        }
        if (reached - own < needed && needed <= reached) {
            histogram.digit = digit;
            histogram.above = reached - own;
            histogram.here = own;
        }
        __syncthreads();
        prefix = prefix << DIGIT_BITS | histogram.digit;
        above = histogram.above;
        here = histogram.here;
        // Everybody has read everybody's sums.
        cluster_barrier();
    }
    // Weights of these bits that are needed, and that there are.
    const uint64 one = amount(__uint_as_float(prefix)), needed_here = (needed - above + one - 1) / one;
    const Kept before = kept;
    kept.last = prefix == before.least ? before.last : count - 1;
    kept.least = prefix;
    if (needed_here < here / one)
        kept.last = first_above(
            weights, part, [&](int token, uint32 bits) -> uint64 { return bits == prefix && before.holds(token, bits) ? 1 : 0; },
            [&](uint64) { return needed_here - 1; });
}

// MARK: Drawing

// Word 0 and 1 of a block of Philox 4x32-10, low word first.
__device__ __forceinline__ uint64 random_words(uint64 seed, uint64 position) {
    uint32 words[4] = {(uint32)position, (uint32)(position >> 32), 0, 0}, keys[2] = {(uint32)seed, (uint32)(seed >> 32)};
    for (int round = 0; round < 10; round++) {
        const uint64 first = (uint64)words[0] * 0xd2511f53u, second = (uint64)words[2] * 0xcd9e8d57u;
        const uint32 next[4] = {(uint32)(second >> 32) ^ words[1] ^ keys[0], (uint32)second, (uint32)(first >> 32) ^ words[3] ^ keys[1],
                                (uint32)first};
        for (int i = 0; i < 4; i++) words[i] = next[i];
        keys[0] += 0x9e3779b9u;
        keys[1] += 0xbb67ae85u;
    }
    return (uint64)words[1] << 32 | words[0];
}

template <typename T>
__device__ __forceinline__ int draw(const T *logits, const uint8 *seen, const Rule &rule, int count, uint64 seed, int position, float *weights,
                                    int scale) {
    const Part part(count);
    const Peak peak = peak_of(logits, seen, rule.repetition_penalty, part);
    if (peak.logit == -INFINITE) return NO_NUMBER;
    if (rule.temperature == 0 || peak.logit == INFINITE) return peak.token;
    each(logits, part, [&](int token, T logit) {
        const float x = penalized(widen(logit), seen, token, rule.repetition_penalty);
        weights[token] = x != x ? 0 : expf((x - peak.logit) / rule.temperature);
    });
    __syncthreads();

    __shared__ Histogram histogram;
    const float unit = __uint_as_float((uint32)(127 + scale) << 23);
    const auto amount = [&](float weight) { return __float2ull_rn(weight * unit); };
    // Weights of 0 are never drawn.
    Kept kept = {1, count - 1};
    if (rule.top_k > 0 && rule.top_k < count)
        keep_largest(kept, weights, part, count, histogram, [](float) -> uint64 { return 1; }, [&](uint64) { return (uint64)rule.top_k; });
    if (rule.top_p < 1)
        keep_largest(kept, weights, part, count, histogram, amount, [&](uint64 all) { return (uint64)ceil((double)all * (double)rule.top_p); });
    if (rule.min_p > 0 && __float_as_uint(rule.min_p) > kept.least) kept = {__float_as_uint(rule.min_p), count - 1};
    const double share = (double)(random_words(seed, (uint64)position) >> 11) * 0x1p-53;
    return first_above(
        weights, part, [&](int token, uint32 bits) { return kept.holds(token, bits) ? amount(__uint_as_float(bits)) : (uint64)0; },
        [&](uint64 all) { return min((uint64)(share * (double)all), all - 1); });
}

// `weights` has room for `stride` numbers a sequence, a multiple of 4.
template <typename T>
__device__ __forceinline__ void sample(const T *logits, const int *positions, const int64 *seeds, uint8 *seen, int *tokens, int vocabulary,
                                       const Rule &rule, float *weights, int64 stride, int scale) {
    begin_launch();
    const int64 sequence = blockIdx.x / cluster_size();
    const int position = positions[sequence];
    int token = NONE;
    if (position >= 0) {
        if (seen) seen += sequence * vocabulary;
        token = draw(logits + sequence * vocabulary, seen, rule, vocabulary, seeds ? (uint64)seeds[sequence] : 0, position, weights + sequence * stride,
                     scale);
    }
    // Everybody has read `seen`, and each other's shared memory.
    cluster_barrier();
    if (cluster_rank() != 0 || threadIdx.x != 0) return;
    tokens[sequence] = token;
    if (seen && token >= 0) seen[token] = 1;
}

#define SAMPLE_TOKENS(T, NAME)                                                                                                                         \
    extern "C" __global__ void __launch_bounds__(THREADS)                                                                                              \
        sample_tokens_##NAME(const T *logits, const int *positions, const int64 *seeds, uint8 *seen, int *tokens, int vocabulary, float temperature,   \
                             int64 top_k, float top_p, float min_p, float repetition_penalty, float *weights, int64 stride, int scale) {               \
        sample(logits, positions, seeds, seen, tokens, vocabulary, Rule{temperature, top_p, min_p, repetition_penalty, top_k}, weights, stride,        \
               scale);                                                                                                                                 \
    }

SAMPLE_TOKENS(float, f32)
SAMPLE_TOKENS(float16, f16)
SAMPLE_TOKENS(bfloat16, bf16)
