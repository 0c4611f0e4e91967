// Cross-entropy over a vocabulary, softmax and its gradient: rows of any length.

#include "rows.cuh"

#define LOWEST -3.402823466e38f

// exp(x) for x that are not above 0, by the hardware's estimate of 2^x: within 4 units in the last place near 0, where the terms of a sum that count are,
// and a few more for each power of ten below.
__device__ __forceinline__ float exponential(float x) {
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x * 1.44269504f));
    return y;
}

// The terms of a sum of exponentials, by the largest number so far: total * exp(top) is their sum. The top starts at the lowest finite number, so that
// -inf beside it gives 0 and never NaN.
struct ExponentialSum {
    float top = LOWEST, total = 0;

    // Several fours at once: the total is scaled once for all.
    template <int FOURS> __device__ __forceinline__ void add(const float4 (&x)[FOURS]) {
        float largest = top;
#pragma unroll
        for (int k = 0; k < FOURS; k++) largest = fmaxf(largest, max_of_four(x[k]));
        if (largest > top) {
            total *= exponential(top - largest);
            top = largest;
        }
        float part = 0;
#pragma unroll
        for (int k = 0; k < FOURS; k++)
            part += sum_of_four(make_float4(exponential(x[k].x - top), exponential(x[k].y - top), exponential(x[k].z - top), exponential(x[k].w - top)));
        total += part;
    }

    template <int EIGHTS, typename T> __device__ __forceinline__ void add(const Eight<T> (&x)[EIGHTS]) {
        float4 fours[2 * EIGHTS];
#pragma unroll
        for (int k = 0; k < 2 * EIGHTS; k++)
            fours[k] = make_float4(x[k / 2][4 * (k % 2)], x[k / 2][4 * (k % 2) + 1], x[k / 2][4 * (k % 2) + 2], x[k / 2][4 * (k % 2) + 3]);
        add(fours);
    }

    // Of all threads of the row, in each of them.
    __device__ void join(const Group &group, float *tops, float *totals) {
        const float largest = group.max(top, tops);
        total = group.sum(total * exponential(top - largest), totals);
        top = largest;
    }
};

// Four fours of the thread at a time, so that their loads are under way together: body(x, i, all), where x[k] holds the elements from i[k] on, -inf outside
// the row; `all`: whether the group's fours are whole here, for every thread alike.
enum { FOURS = 4 };
template <typename Body> __device__ __forceinline__ void for_many(const Group &group, const Row &row, Body body) {
    const int64 step = 4 * FOURS * group.lanes;
    for (int64 start = -row.lead; start < row.width; start += step) {
        const bool all = row.fours && start >= 0 && start + step <= row.width;
        uint4 read[FOURS];
        int64 i[FOURS];
#pragma unroll
        for (int k = 0; k < FOURS; k++) i[k] = start + 4 * (group.lane + k * group.lanes);
        if (all) {
#pragma unroll
            for (int k = 0; k < FOURS; k++) read[k] = load_four(row.start, row.type, i[k]);
        } else {
#pragma unroll
            for (int k = 0; k < FOURS; k++) read[k] = row.read(i[k]);
        }
        float4 x[FOURS];
#pragma unroll
        for (int k = 0; k < FOURS; k++) x[k] = all ? widen_four(read[k], row.type) : row.widened(read[k], i[k], -INFINITE);
        body(x, i, all);
    }
}

__device__ __forceinline__ float4 scaled_exponentials(float4 x, float top, float factor) {
    return make_float4(
        factor * exponential(x.x - top), factor * exponential(x.y - top), factor * exponential(x.z - top), factor * exponential(x.w - top));
}

// A block a row, which it reads once for the loss and a second time for the gradient.
extern "C" __global__ void __launch_bounds__(1024) cross_entropy(
    const void *logits, int logits_type, const void *targets, int targets_type, int64 ignored, float *losses, void *gradient, int gradient_type,
    float scale, int64 vocabulary) {
    begin_launch();
    __shared__ float tops[32], totals[32];
    const Group group(false);
    const int64 target = load_index(targets, targets_type, group.row), start = group.row * vocabulary;
    const int lead = Row::lead_of(logits, logits_type, start);
    const Row row(logits, logits_type, start, vocabulary, lead), slopes(gradient, gradient_type, start, vocabulary, lead);

    if (target < 0 || target >= vocabulary) {
        if (group.lane == 0) losses[group.row] = target == ignored ? 0.0f : NOT_A_NUMBER;
        if (gradient)
            for (int64 i = 4 * group.lane - lead; i < vocabulary; i += 4 * group.lanes) slopes.write(i, make_float4(0, 0, 0, 0));
        return;
    }

    // Read before the barriers: the gradient may take its place.
    const float chosen = load_float(logits, logits_type, start + target);
    ExponentialSum sum;
    for_many(group, row, [&](const float4 (&x)[FOURS], const int64 (&)[FOURS], bool) { sum.add(x); });
    sum.join(group, tops, totals);
    if (group.lane == 0) losses[group.row] = logf(sum.total) + (sum.top - chosen);
    if (!gradient) return;

    const float factor = scale / sum.total;
    for_many(group, row, [&](const float4 (&x)[FOURS], const int64 (&i)[FOURS], bool all) {
#pragma unroll
        for (int k = 0; k < FOURS; k++) {
            float4 g = scaled_exponentials(x[k], sum.top, factor);
            const int64 place = target - i[k];
            if (place >= 0 && place < 4) {
                if (place == 0) g.x -= scale;
                if (place == 1) g.y -= scale;
                if (place == 2) g.z -= scale;
                if (place == 3) g.w -= scale;
            }
            if (all && slopes.fours) store_four(gradient, gradient_type, start + i[k], g);
            else slopes.write(i[k], g);
        }
    });
}

// MARK: Cross-entropy of aligned rows

// One type for logits and gradient, rows in multiples of 8 at multiples of 16 bytes. The first `held` logits of a row stay in shared memory between the two
// times that they are needed; the others are read again from the last on, as those are the likeliest to be in the cache still.
template <typename T>
__device__ __forceinline__ void cross_entropy_aligned(
    const T *logits, const void *targets, int targets_type, int64 ignored, float *losses, T *gradient, float scale, int vocabulary, int held) {
    extern __shared__ uint4 memory[];
    __shared__ float tops[32], totals[32];
    begin_launch();
    const Group group(false);
    T *const shared = (T *)memory;
    const int64 target = load_index(targets, targets_type, group.row), start = group.row * vocabulary;
    const int lanes = 8 * blockDim.x, first = 8 * threadIdx.x;

    if (target < 0 || target >= vocabulary) {
        if (threadIdx.x == 0) losses[group.row] = target == ignored ? 0.0f : NOT_A_NUMBER;
        if (gradient) {
            Eight<T> zeros;
#pragma unroll
            for (int j = 0; j < 4; j++) zeros.set(j, 0.0f, 0.0f);
            for (int i = first; i < vocabulary; i += lanes) zeros.store_kept(gradient + start + i);
        }
        return;
    }

    // Read before the barriers: the gradient may take its place.
    const float chosen = widen(logits[start + target]);
    ExponentialSum sum;
    Eight<T> next[2];
#pragma unroll
    for (int r = 0; r < 2; r++)
        if (first + r * lanes < vocabulary) next[r].load_kept(logits + start + first + r * lanes);
    for (int i = first; i < vocabulary; i += 2 * lanes) {
        const Eight<T> x[2] = {next[0], next[1]};
#pragma unroll
        for (int r = 0; r < 2; r++) {
            const int ahead = i + (2 + r) * lanes;
            if (ahead < vocabulary) next[r].load_kept(logits + start + ahead);
        }
#pragma unroll
        for (int r = 0; r < 2; r++)
            if (i + r * lanes < held) x[r].store_kept(shared + i + r * lanes);
        if (i + lanes < vocabulary) {
            sum.add(x);
        } else {
            const Eight<T> last[1] = {x[0]};
            sum.add(last);
        }
    }
    sum.join(group, tops, totals);
    if (threadIdx.x == 0) losses[group.row] = logf(sum.total) + (sum.top - chosen);
    if (!gradient) return;

    enum { AT_ONCE = 4 };
    const float factor = scale / sum.total;
    for (int k = (vocabulary - first + lanes - 1) / lanes - 1; k >= 0; k -= AT_ONCE) {
        Eight<T> x[AT_ONCE];
#pragma unroll
        for (int r = 0; r < AT_ONCE; r++) {
            const int i = first + (k - r) * lanes;
            if (k < r) break;
            if (i < held) x[r].load_kept(shared + i);
            else x[r].load_kept(logits + start + i);
        }
#pragma unroll
        for (int r = 0; r < AT_ONCE; r++) {
            if (k < r) break;
            const int i = first + (k - r) * lanes;
            float g[8];
#pragma unroll
            for (int j = 0; j < 8; j++) g[j] = factor * exponential(x[r][j] - sum.top);
            const int place = (int)target - i;
            if (place >= 0 && place < 8) {
#pragma unroll
                for (int j = 0; j < 8; j++)
                    if (j == place) g[j] -= scale;
            }
            Eight<T> result;
#pragma unroll
            for (int j = 0; j < 4; j++) result.set(j, g[2 * j], g[2 * j + 1]);
            result.store_kept(gradient + start + i);
        }
    }
}

#define CROSS_ENTROPY(NAME, T) \
    extern "C" __global__ void __launch_bounds__(512, 2) cross_entropy_##NAME( \
        const T *logits, const void *targets, int targets_type, int64 ignored, float *losses, T *gradient, float scale, int vocabulary, int held) { \
        cross_entropy_aligned(logits, targets, targets_type, ignored, losses, gradient, scale, vocabulary, held); \
    }
CROSS_ENTROPY(f32, float)
CROSS_ENTROPY(f16, float16)
CROSS_ENTROPY(bf16, bfloat16)

// MARK: Softmax

extern "C" __global__ void __launch_bounds__(1024) softmax(const void *x, int x_type, void *y, int y_type, int64 rows, int64 width, int is_warp) {
    begin_launch();
    __shared__ float tops[32], totals[32];
    const Group group(is_warp);
    if (group.row >= rows) return;
    const int64 start = group.row * width;
    const int lead = Row::lead_of(x, x_type, start);
    const Row row(x, x_type, start, width, lead), output(y, y_type, start, width, lead);

    ExponentialSum sum;
    for_many(group, row, [&](const float4 (&x)[FOURS], const int64 (&)[FOURS], bool) { sum.add(x); });
    sum.join(group, tops, totals);
    const float factor = 1.0f / sum.total;
    for_many(group, row, [&](const float4 (&x)[FOURS], const int64 (&i)[FOURS], bool) {
#pragma unroll
        for (int k = 0; k < FOURS; k++) output.write(i[k], scaled_exponentials(x[k], sum.top, factor));
    });
}

extern "C" __global__ void __launch_bounds__(1024) softmax_gradient(
    const void *y, int y_type, const void *dy, int dy_type, void *dx, int dx_type, int64 rows, int64 width, int is_warp) {
    begin_launch();
    __shared__ float products[32];
    const Group group(is_warp);
    if (group.row >= rows) return;
    const int64 start = group.row * width;
    const int lead = Row::lead_of(y, y_type, start);
    const KeptRow output(group, y, y_type, start, width, lead), slope(group, dy, dy_type, start, width, lead);
    const Row result(dx, dx_type, start, width, lead);

    float part = 0;
    for_fours(group, width, lead, [&](int64 i, int k) {
        const float4 p = output.four(i, k), g = slope.four(i, k);
        part += sum_of_four(make_float4(p.x * g.x, p.y * g.y, p.z * g.z, p.w * g.w));
    });
    const float dot = group.sum(part, products);
    for_fours(group, width, lead, [&](int64 i, int k) {
        const float4 p = output.four(i, k), g = slope.four(i, k);
        result.write(i, make_float4(p.x * (g.x - dot), p.y * (g.y - dot), p.z * (g.z - dot), p.w * (g.w - dot)));
    });
}
