// Quantization to int8 by rows and by columns, its inverse, and what products of codes stand for.

#include "int8.cuh"

__device__ __forceinline__ bool is_finite(float x) { return fabsf(x) < INFINITE; }

// MARK: By rows

// The largest magnitude of each row, outliers and NaN left out; marks the columns of outliers. A block of threads per row.
template <typename T>
__device__ __forceinline__ void row_scales(
    const T *input, int64 rows, int64 columns, float threshold, float *scales, uint8 *outliers, uint64 *non_finite) {
    __shared__ float partial[33];
    const bool in_eights = is_aligned16(input) && columns % 8 == 0;
    int others = 0;
    for (int64 r = blockIdx.x; r < rows; r += gridDim.x) {
        const T *row = input + r * columns;
        float largest = 0;
        const auto note = [&](float x, int64 k) {
            const float magnitude = fabsf(x);
            others += !is_finite(x);
            if (threshold > 0 && magnitude >= threshold) outliers[k] = 1;
            else largest = fmaxf(largest, magnitude);
        };
        if (in_eights) {
#pragma unroll 2
            for (int64 k = 8 * threadIdx.x; k < columns; k += 8 * blockDim.x) {
                Eight<T> x;
                x.load_kept(row + k);
#pragma unroll
                for (int j = 0; j < 8; j++) note(x[j], k + j);
            }
        } else {
            for (int64 k = threadIdx.x; k < columns; k += blockDim.x) note(widen(row[k]), k);
        }
        largest = block_max(largest, partial);
        if (threadIdx.x == 0) scales[r] = largest;
    }
    if (others > 0 && non_finite != nullptr) atomicAdd(non_finite, (uint64)others);
}

template <typename T>
__device__ __forceinline__ void row_codes(
    const T *input, int64 rows, int64 columns, const float *scales, const uint8 *outliers, int8 *codes) {
    const bool in_eights = is_aligned16(input) && is_aligned16(codes) && is_aligned16(outliers) && columns % 16 == 0;
    for (int64 r = blockIdx.x; r < rows; r += gridDim.x) {
        const float inverse = 127.0f / scales[r];
        if (in_eights) {
#pragma unroll 2
            for (int64 k = 8 * threadIdx.x; k < columns; k += 8 * blockDim.x) {
                Eight<T> x;
                x.load_kept(input + r * columns + k);
                const uint2 marks = outliers != nullptr ? *(const uint2 *)(outliers + k) : make_uint2(0, 0);
                uint32 words[2] = {0, 0};
#pragma unroll
                for (int j = 0; j < 8; j++) {
                    const bool is_outlier = (j < 4 ? marks.x : marks.y) >> (8 * (j % 4)) & 255;
                    words[j / 4] |= (is_outlier ? 0 : (uint32)(uint8)nearest_code(x[j] * inverse)) << (8 * (j % 4));
                }
                *(uint2 *)(codes + r * columns + k) = make_uint2(words[0], words[1]);
            }
            continue;
        }
        for (int64 k = threadIdx.x; k < columns; k += blockDim.x) {
            const int8 code = nearest_code(widen(input[r * columns + k]) * inverse);
            codes[r * columns + k] = outliers != nullptr && outliers[k] ? 0 : code;
        }
    }
}

// MARK: By columns

__device__ __forceinline__ float without_outlier(float x, float threshold) { return threshold > 0 && fabsf(x) >= threshold ? 0 : x; }

// The largest magnitude of each column; `scales` begin at 0. Columns along the x axis of the grid, runs of rows along the y axis.
template <typename T>
__device__ __forceinline__ void column_scales(const T *input, int64 rows, int64 columns, float threshold, float *scales) {
    const int64 share = (rows + gridDim.y - 1) / gridDim.y, begin = blockIdx.y * share, end = min(begin + share, rows);
    for (int64 k = thread_index(); k < columns; k += thread_count()) {
        float largest = 0;
        for (int64 r = begin; r < end; r++) largest = fmaxf(largest, fabsf(without_outlier(widen(input[r * columns + k]), threshold)));
        // Numbers from 0 on have the order of their bits.
        atomicMax((uint32 *)scales + k, __float_as_uint(largest));
    }
}

template <typename T>
__device__ __forceinline__ void column_codes(const T *input, int64 rows, int64 columns, float threshold, const float *scales, int8 *codes) {
    for (int64 r = blockIdx.y; r < rows; r += gridDim.y)
        for (int64 k = thread_index(); k < columns; k += thread_count())
            codes[r * columns + k] = nearest_code(without_outlier(widen(input[r * columns + k]), threshold) * 127.0f / scales[k]);
}

// MARK: What codes stand for

__device__ __forceinline__ float element_of(int code, float scale) { return (float)code * scale * (1.0f / 127); }

// All rows in their order, or those whose numbers are given; a number outside gives zeros.
template <typename T>
__device__ __forceinline__ void rows_of_codes(
    const int8 *codes, const float *scales, int64 rows, int64 columns, const void *indices, int index_type, int64 count, T *output) {
    for (int64 r = blockIdx.y; r < count; r += gridDim.y) {
        const int64 row = indices != nullptr ? load_index(indices, index_type, r) : r;
        const bool is_inside = row >= 0 && row < rows;
        const float scale = is_inside ? scales[row] : 0;
        for (int64 k = thread_index(); k < columns; k += thread_count())
            output[r * columns + k] = narrow<T>(is_inside ? element_of(codes[row * columns + k], scale) : 0);
    }
}

template <typename T>
__device__ __forceinline__ void rescale(
    const int *products, int64 rows, int64 columns, const float *row_scales, const float *column_scales, const void *bias, int bias_type, T *output) {
    for (int64 i = blockIdx.y; i < rows; i += gridDim.y)
        for (int64 j = thread_index(); j < columns; j += thread_count()) {
            const float value = (float)products[i * columns + j] * row_scales[i] * column_scales[j];
            output[i * columns + j] = narrow<T>(__fmaf_rn(value, 1.0f / 16129, bias != nullptr ? load_float(bias, bias_type, j) : 0.0f));
        }
}

#define INT8_KERNELS(suffix, T)                                                                                                                  \
    extern "C" __global__ void __launch_bounds__(256) int8_row_scales_##suffix(                                                                  \
        const T *input, int64 rows, int64 columns, float threshold, float *scales, uint8 *outliers, uint64 *non_finite) {                        \
        row_scales(input, rows, columns, threshold, scales, outliers, non_finite);                                                               \
    }                                                                                                                                            \
    extern "C" __global__ void __launch_bounds__(256) int8_row_codes_##suffix(                                                                   \
        const T *input, int64 rows, int64 columns, const float *scales, const uint8 *outliers, int8 *codes) {                                    \
        row_codes(input, rows, columns, scales, outliers, codes);                                                                                \
    }                                                                                                                                            \
    extern "C" __global__ void __launch_bounds__(256) int8_column_scales_##suffix(                                                               \
        const T *input, int64 rows, int64 columns, float threshold, float *scales) {                                                             \
        column_scales(input, rows, columns, threshold, scales);                                                                                  \
    }                                                                                                                                            \
    extern "C" __global__ void __launch_bounds__(256) int8_column_codes_##suffix(                                                                \
        const T *input, int64 rows, int64 columns, float threshold, const float *scales, int8 *codes) {                                          \
        column_codes(input, rows, columns, threshold, scales, codes);                                                                            \
    }                                                                                                                                            \
    extern "C" __global__ void __launch_bounds__(256) int8_rows_##suffix(                                                                        \
        const int8 *codes, const float *scales, int64 rows, int64 columns, const void *indices, int index_type, int64 count, T *output) {        \
        rows_of_codes(codes, scales, rows, columns, indices, index_type, count, output);                                                         \
    }                                                                                                                                            \
    extern "C" __global__ void __launch_bounds__(256) int8_rescale_##suffix(                                                                     \
        const int *products, int64 rows, int64 columns, const float *row_scales, const float *column_scales, const void *bias, int bias_type,    \
        T *output) {                                                                                                                             \
        rescale(products, rows, columns, row_scales, column_scales, bias, bias_type, output);                                                    \
    }
INT8_KERNELS(f32, float)
INT8_KERNELS(f16, float16)
INT8_KERNELS(bf16, bfloat16)
