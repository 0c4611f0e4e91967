// Root-mean-square norm and its input's gradient for rows as models have them: one type, aligned, a block each. The names are those of norm.cu.

#include "rows.cuh"

// What a thread of a block that has a row keeps of it: runs of eight elements.
enum { RUNS = 2 };

// Brings eight numbers into the L2 cache: allowed before the launches before are waited for, as what they write goes there too.
template <typename T> __device__ __forceinline__ void prefetch(const T *address) { asm volatile("prefetch.global.L2 [%0];" : : "l"(address)); }

// One type for input and output, rows of at most RUNS * 8 * blockDim.x elements in multiples of 8 at multiples of 16 bytes. Where there is `added`, the
// input is x + added, rounded, which is kept in `sums`.
template <typename T, typename W>
__device__ __forceinline__ void rms_norm_aligned(
    const T *x, const T *added, T *sums, const W *w, float epsilon, T *y, float *reciprocals, int width) {
    __shared__ float squares[32];
#pragma unroll
    for (int r = 0; r < RUNS; r++)
        if (8 * (threadIdx.x + r * blockDim.x) < width) prefetch(w + 8 * (threadIdx.x + r * blockDim.x));
    begin_launch();
    const int64 start = (int64)blockIdx.x * width;
    x += start;
    y += start;
    Eight<T> input[RUNS];
    Eight<W> weight[RUNS];
#pragma unroll
    for (int r = 0; r < RUNS; r++) {
        const int i = 8 * (threadIdx.x + r * blockDim.x);
        if (i < width) {
            input[r].load_kept(x + i);
            weight[r].load_kept(w + i);
        }
        if (added && i < width) {
            Eight<T> other;
            other.load_kept(added + start + i);
#pragma unroll
            for (int j = 0; j < 4; j++) input[r].set(j, input[r][2 * j] + other[2 * j], input[r][2 * j + 1] + other[2 * j + 1]);
            input[r].store_kept(sums + start + i);
        }
    }
    float part = 0;
#pragma unroll
    for (int r = 0; r < RUNS; r++)
        if (8 * (threadIdx.x + r * blockDim.x) < width)
#pragma unroll
            for (int j = 0; j < 8; j++) part = __fmaf_rn(input[r][j], input[r][j], part);
    const float reciprocal = 1.0f / sqrtf(Group(false).sum(part, squares) / (float)width + epsilon);
#pragma unroll
    for (int r = 0; r < RUNS; r++) {
        const int i = 8 * (threadIdx.x + r * blockDim.x);
        if (i >= width) break;
        Eight<T> output;
#pragma unroll
        for (int j = 0; j < 4; j++)
            output.set(j, input[r][2 * j] * reciprocal * weight[r][2 * j], input[r][2 * j + 1] * reciprocal * weight[r][2 * j + 1]);
        output.store_kept(y + i);
    }
    if (reciprocals && threadIdx.x == 0) reciprocals[blockIdx.x] = reciprocal;
}

// dx of the same.
template <typename T, typename W>
__device__ __forceinline__ void rms_norm_gradient_aligned(const T *x, const W *w, const float *reciprocals, const T *dy, T *dx, int width) {
    __shared__ float products[32];
    begin_launch();
    const int64 start = (int64)blockIdx.x * width;
    const float reciprocal = reciprocals[blockIdx.x];
    Eight<T> input[RUNS], slope[RUNS];
#pragma unroll
    for (int r = 0; r < RUNS; r++) {
        const int i = 8 * (threadIdx.x + r * blockDim.x);
        if (i < width) {
            input[r].load_kept(x + start + i);
            slope[r].load_kept(dy + start + i);
        }
    }
    float part = 0;
#pragma unroll
    for (int r = 0; r < RUNS; r++) {
        const int i = 8 * (threadIdx.x + r * blockDim.x);
        if (i >= width) break;
        Eight<W> weight;
        weight.load_kept(w + i);
#pragma unroll
        for (int j = 0; j < 8; j++) part = __fmaf_rn(slope[r][j] * weight[j], input[r][j] * reciprocal, part);
    }
    const float mean = Group(false).sum(part, products) / (float)width;
#pragma unroll
    for (int r = 0; r < RUNS; r++) {
        const int i = 8 * (threadIdx.x + r * blockDim.x);
        if (i >= width) break;
        Eight<W> weight;
        weight.load_kept(w + i);
        float values[8];
#pragma unroll
        for (int j = 0; j < 8; j++) values[j] = reciprocal * (slope[r][j] * weight[j] - input[r][j] * reciprocal * mean);
        Eight<T> output;
#pragma unroll
        for (int j = 0; j < 4; j++) output.set(j, values[2 * j], values[2 * j + 1]);
        output.store_kept(dx + start + i);
    }
}

#define RMS_NORM(NAME, T, W) \
    extern "C" __global__ void __launch_bounds__(1024) rms_norm_##NAME( \
        const T *x, const W *w, float epsilon, T *y, float *reciprocals, int width) { \
        rms_norm_aligned<T, W>(x, NULL, NULL, w, epsilon, y, reciprocals, width); \
    } \
    extern "C" __global__ void __launch_bounds__(1024) add_rms_norm_##NAME( \
        const T *x, const T *added, T *sums, const W *w, float epsilon, T *y, float *reciprocals, int width) { \
        rms_norm_aligned(x, added, sums, w, epsilon, y, reciprocals, width); \
    } \
    extern "C" __global__ void __launch_bounds__(1024) rms_norm_gradient_##NAME( \
        const T *x, const W *w, const float *reciprocals, const T *dy, T *dx, int width) { \
        rms_norm_gradient_aligned(x, w, reciprocals, dy, dx, width); \
    }
RMS_NORM(f32_f32, float, float)
RMS_NORM(f16_f32, float16, float)
RMS_NORM(f16_f16, float16, float16)
RMS_NORM(bf16_f32, bfloat16, float)
RMS_NORM(bf16_bf16, bfloat16, bfloat16)
