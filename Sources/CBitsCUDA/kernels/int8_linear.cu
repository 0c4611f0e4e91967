// Products of int8 matrices, exact in int32, and what they stand for; the preparation of layers' operands.
//
// Shapes: a [M, K], b [N, K]; a row of either begins `stride` codes after the one before.

#include "int8.cuh"

// Columns that are multiplied as they are: how many, then which, in ascending order.
struct outlier_list {
    const void *input;
    int type;
    // NULL: none.
    const int *columns;

    // Adds those of a row of the input and of the weight from number `first` on, with the numbers of 8 on their way at a time.
    __device__ __forceinline__ float add(float value, int64 input_row, const int8 *weight_row, float scale, int64 k, int first) const {
        int count = columns ? columns[0] : 0;
        for (int from = first; from < count; from += 8) {
            uint32 x[8];
            int8 codes[8];
#pragma unroll
            for (int e = 0; e < 8; e++) {
                int64 t = columns[1 + min(from + e, count - 1)];
                x[e] = load_bits(input, type, input_row * k + t);
                codes[e] = weight_row[t];
            }
#pragma unroll
            for (int e = 0; e < 8; e++)
                if (from + e < count) value = __fmaf_rn(float_of(x[e], type), decoded(codes[e], scale, type), value);
        }
        return value;
    }
};

// MARK: Tiles

// 256 threads compute a tile of 128 x 128; 8 warps, 2 by 4, each 64 x 32. A row of a tile is 64 codes.
enum { TILE = 128, DEPTH = 64, PITCH = DEPTH + 16, OUTPUT_PITCH = 36, CHUNK = 16 };

struct code_matrix {
    const int8 *codes;
    int64 stride, rows;
};

struct half_row {
    uint4 low, high;
};

// 32 codes of a row of a tile, which a thread brings; zeros beyond the ends.
__device__ __forceinline__ half_row load_part(code_matrix x, int64 from, int64 k, int64 depth, bool in_vectors) {
    int64 row = from + threadIdx.x / 2, column = k + threadIdx.x % 2 * 32;
    int64 width = row < x.rows ? depth - column : 0;
    const uint8 *at = (const uint8 *)x.codes + row * x.stride + column;
    half_row part;
    if (in_vectors && width >= 32) {
        part.low = ((const uint4 *)at)[0];
        part.high = ((const uint4 *)at)[1];
        return part;
    }
    uint32 words[8];
#pragma unroll
    for (int i = 0; i < 8; i++) {
        words[i] = 0;
#pragma unroll
        for (int e = 0; e < 4; e++) words[i] |= (4 * i + e < width ? (uint32)at[4 * i + e] : 0) << (8 * e);
    }
    part.low = make_uint4(words[0], words[1], words[2], words[3]);
    part.high = make_uint4(words[4], words[5], words[6], words[7]);
    return part;
}
__device__ __forceinline__ void store_part(uint8 *tile, half_row part) {
    uint4 *at = (uint4 *)(tile + threadIdx.x / 2 * PITCH + threadIdx.x % 2 * 32);
    at[0] = part.low;
    at[1] = part.high;
}

// Four blocks of 8 rows of 16 codes at (row, depth) (0, 0), (8, 0), (0, 16), (8, 16) from `row` and `k` on.
__device__ __forceinline__ void load_blocks(uint32 *blocks, const uint8 *tile, int row, int k) {
    int lane = threadIdx.x % 32;
    uint32 address = shared_address(tile + (row + lane % 16) * PITCH + k + lane / 16 * 16);
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(blocks[0]), "=r"(blocks[1]), "=r"(blocks[2]), "=r"(blocks[3]) : "r"(address));
}

// 16 x 8 sums of 32 products, which wrap around.
__device__ __forceinline__ void multiply(int *sums, const uint32 *a, uint32 b0, uint32 b1) {
#if __CUDA_ARCH__ >= 800
    asm volatile("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+r"(sums[0]), "+r"(sums[1]), "+r"(sums[2]), "+r"(sums[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
#else
#pragma unroll
    for (int part = 0; part < 4; part++) {
        int *half = sums + part % 2 * 2;
        asm volatile("mma.sync.aligned.m8n8k16.row.col.s32.s8.s8.s32 {%0, %1}, {%2}, {%3}, {%0, %1};"
                     : "+r"(half[0]), "+r"(half[1]) : "r"(a[part]), "r"(part / 2 ? b1 : b0));
    }
#endif
}

union tile_memory {
    uint8 operands[2][2][TILE * PITCH];
    float staged[8][16 * OUTPUT_PITCH];
    // Outlier columns of the rows of the input and of the weight.
    float outliers[2][CHUNK][TILE];
};

// Leaves sums (16 i + 8 (c / 2) + lane / 4, 8 j + 2 (lane % 4) + c % 2) of a warp's part in sums[i][j][c].
__device__ __forceinline__ void multiply_tile(
    int (*sums)[4][4], code_matrix a, code_matrix b, int64 row, int64 column, int64 k, tile_memory &memory) {
    int warp = threadIdx.x / 32;
    int y = warp / 4 * 64, x = warp % 4 * 32;
    bool a_vectors = is_aligned16(a.codes) && a.stride % 16 == 0, b_vectors = is_aligned16(b.codes) && b.stride % 16 == 0;
    half_row a_part = load_part(a, row, 0, k, a_vectors), b_part = load_part(b, column, 0, k, b_vectors);
    int half = 0;
    for (int64 t = 0; t < k; t += DEPTH, half ^= 1) {
        store_part(memory.operands[half][0], a_part);
        store_part(memory.operands[half][1], b_part);
        // One barrier a step: whoever writes this half again has passed the next one, and so has everybody who reads it now.
        __syncthreads();
        if (t + DEPTH < k) {
            a_part = load_part(a, row, t + DEPTH, k, a_vectors);
            b_part = load_part(b, column, t + DEPTH, k, b_vectors);
        }
#pragma unroll
        for (int d = 0; d < DEPTH; d += 32) {
            uint32 a_blocks[4][4], b_blocks[2][4];
#pragma unroll
            for (int i = 0; i < 4; i++) load_blocks(a_blocks[i], memory.operands[half][0], y + 16 * i, d);
#pragma unroll
            for (int j = 0; j < 2; j++) load_blocks(b_blocks[j], memory.operands[half][1], x + 16 * j, d);
#pragma unroll
            for (int i = 0; i < 4; i++)
#pragma unroll
                for (int j = 0; j < 4; j++) multiply(sums[i][j], a_blocks[i], b_blocks[j / 2][j % 2], b_blocks[j / 2][j % 2 + 2]);
        }
    }
    __syncthreads();
}

extern "C" __global__ void __launch_bounds__(256)
int8_product(const int8 *a, int64 a_stride, const int8 *b, int64 b_stride, int *output, int64 m, int64 n, int64 k) {
    __shared__ __align__(16) tile_memory memory;
    int64 across = (n + TILE - 1) / TILE;
    int64 row = blockIdx.x / across * TILE, column = blockIdx.x % across * TILE;
    int sums[4][4][4] = {};
    begin_launch();
    multiply_tile(sums, code_matrix{a, a_stride, m}, code_matrix{b, b_stride, n}, row, column, k, memory);
    int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
#pragma unroll
    for (int i = 0; i < 4; i++)
#pragma unroll
        for (int j = 0; j < 4; j++)
#pragma unroll
            for (int c = 0; c < 4; c++) {
                int64 r = row + warp / 4 * 64 + 16 * i + lane / 4 + c / 2 * 8, s = column + warp % 4 * 32 + 8 * j + lane % 4 * 2 + c % 2;
                if (r < m && s < n) output[r * n + s] = sums[i][j][c];
            }
}

// Adds the outlier columns to a tile, CHUNK of them at a time.
__device__ __forceinline__ void add_outliers(
    float (*values)[4][4], outlier_list outliers, code_matrix weight, const float *weight_scales, int64 row, int64 column, int64 m, int64 n, int64 k,
    tile_memory &memory) {
    int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    int y = warp / 4 * 64 + lane / 4, x = warp % 4 * 32 + lane % 4 * 2;
    int count = outliers.columns[0];
    for (int from = 0; from < count; from += CHUNK) {
        int width = min((int)CHUNK, count - from);
        for (int e = threadIdx.x; e < width * TILE; e += 256) {
            int64 t = outliers.columns[1 + from + e / TILE];
            int64 r = row + e % TILE, s = column + e % TILE;
            memory.outliers[0][e / TILE][e % TILE] = r < m ? load_float(outliers.input, outliers.type, r * k + t) : 0.0f;
            memory.outliers[1][e / TILE][e % TILE] = s < n ? decoded(weight.codes[s * weight.stride + t], weight_scales[s], outliers.type) : 0.0f;
        }
        __syncthreads();
        for (int o = 0; o < width; o++) {
            float u[8], v[8];
#pragma unroll
            for (int e = 0; e < 8; e++) {
                u[e] = memory.outliers[0][o][y + 8 * e];
                v[e] = memory.outliers[1][o][x + e / 2 * 8 + e % 2];
            }
#pragma unroll
            for (int i = 0; i < 4; i++)
#pragma unroll
                for (int j = 0; j < 4; j++)
#pragma unroll
                    for (int c = 0; c < 4; c++) values[i][j][c] = __fmaf_rn(u[2 * i + c / 2], v[2 * j + c % 2], values[i][j][c]);
        }
        __syncthreads();
    }
}

extern "C" __global__ void __launch_bounds__(256) int8_scaled_product(
    const int8 *a, int64 a_stride, const float *a_scales, const int8 *b, int64 b_stride, const float *b_scales, const void *bias, int bias_type,
    const void *outlier_input, int outlier_type, const int *outlier_columns, void *output, int output_type, int64 m, int64 n, int64 k) {
    __shared__ __align__(16) tile_memory memory;
    int64 across = (n + TILE - 1) / TILE;
    int64 row = blockIdx.x / across * TILE, column = blockIdx.x % across * TILE;
    int sums[4][4][4] = {};
    begin_launch();
    code_matrix left = {a, a_stride, m}, right = {b, b_stride, n};
    multiply_tile(sums, left, right, row, column, k, memory);
    int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    int64 first_row = row + warp / 4 * 64, first_column = column + warp % 4 * 32;
    float values[4][4][4];
#pragma unroll
    for (int j = 0; j < 4; j++)
#pragma unroll
        for (int h = 0; h < 2; h++) {
            int64 s = min(first_column + 8 * j + lane % 4 * 2 + h, n - 1);
            float column_scale = b_scales[s], shift = bias ? load_float(bias, bias_type, s) : 0.0f;
#pragma unroll
            for (int i = 0; i < 4; i++)
#pragma unroll
                for (int c = h; c < 4; c += 2) {
                    int64 r = min(first_row + 16 * i + lane / 4 + c / 2 * 8, m - 1);
                    values[i][j][c] = rescaled(sums[i][j][c], a_scales[r], column_scale, shift);
                }
        }
    if (outlier_columns)
        add_outliers(values, outlier_list{outlier_input, outlier_type, outlier_columns}, right, b_scales, row, column, m, n, k, memory);
    // 16 x 32 of a warp at a time go through shared memory, so that a row's elements are stored together.
    float *staged = memory.staged[warp];
#pragma unroll
    for (int i = 0; i < 4; i++) {
#pragma unroll
        for (int j = 0; j < 4; j++)
#pragma unroll
            for (int c = 0; c < 4; c++) staged[(lane / 4 + c / 2 * 8) * OUTPUT_PITCH + 8 * j + lane % 4 * 2 + c % 2] = values[i][j][c];
        __syncwarp();
#pragma unroll 1
        for (int r = 0; r < 16; r++) {
            int64 i_row = first_row + 16 * i + r;
            if (i_row < m && first_column + lane < n)
                store_float(output, output_type, i_row * n + first_column + lane, staged[r * OUTPUT_PITCH + lane]);
        }
        __syncwarp();
    }
}

// MARK: Products that are there

// What products of codes [M, N] stand for, with the columns of a list. A block takes `block_rows` rows of 256 columns, two warps four of its rows at a
// time, a thread four columns, and has the next products on their way. Outlier columns of the input and of the weight are gathered once, CHUNK at a time;
// where there are more, sums wait in the place of the products.
enum { RESCALED_COLUMNS = 256, RESCALED_ROWS = 4, TEAMS = 4 };
extern "C" __global__ void __launch_bounds__(256, 3) int8_rescale_products(
    int *products, const float *a_scales, const int8 *b, int64 b_stride, const float *b_scales, const void *bias, int bias_type,
    const void *outlier_input, int outlier_type, const int *outlier_columns, void *output, int output_type, int64 m, int64 n, int64 k, int block_rows) {
    // Of the weight [CHUNK, RESCALED_COLUMNS], and of the input [CHUNK, block_rows].
    extern __shared__ __align__(16) float outliers[];
    float *inputs = outliers + CHUNK * RESCALED_COLUMNS;
    const int64 across = (n + RESCALED_COLUMNS - 1) / RESCALED_COLUMNS;
    const int64 first_row = blockIdx.x / across * block_rows, first_column = blockIdx.x % across * RESCALED_COLUMNS;
    const int64 column = first_column + threadIdx.x % 64 * 4, own_column = first_column + threadIdx.x;
    const int64 own_at = min(own_column, n - 1) * b_stride;
    const int rows = (int)min((int64)block_rows, m - first_row), first = threadIdx.x / 64 * RESCALED_ROWS;
    const bool fours = n % 4 == 0 && takes_fours(output, output_type);
    begin_launch();
    float scales[4], shifts[4];
#pragma unroll
    for (int c = 0; c < 4; c++) {
        const int64 at = min(column + c, n - 1);
        scales[c] = b_scales[at], shifts[c] = bias ? load_float(bias, bias_type, at) : 0.0f;
    }
    const auto load = [&](uint4 (&ahead)[RESCALED_ROWS], float (&row_scales)[RESCALED_ROWS], int row) {
#pragma unroll
        for (int r = 0; r < RESCALED_ROWS; r++) {
            const int64 own_row = first_row + min(row + r, rows - 1), at = own_row * n;
            row_scales[r] = a_scales[own_row];
            ahead[r] = fours && column < n ? *(const uint4 *)(products + at + column) : load_up_to_four(products, FLOAT32, at + column, at + n);
        }
    };
    const float own_scale = b_scales[min(own_column, n - 1)];
    const int count = outlier_columns ? outlier_columns[0] : 0;
    for (int from = 0; from == 0 || from < count; from += CHUNK) {
        const int width = min((int)CHUNK, count - from);
        uint4 ahead[RESCALED_ROWS];
        float row_scales[RESCALED_ROWS];
        __syncthreads();
        if (first < rows) load(ahead, row_scales, first);
        // Eight at a time are on their way before the first is stored: a load cannot move up past a store.
        for (int e = 0; e < width; e += 8) {
            int8 codes[8];
#pragma unroll
            for (int i = 0; i < 8; i++) codes[i] = b[own_at + outlier_columns[1 + from + min(e + i, width - 1)]];
#pragma unroll
            for (int i = 0; i < 8; i++) outliers[(e + i) * RESCALED_COLUMNS + threadIdx.x] = own_column < n ? decoded(codes[i], own_scale, outlier_type) : 0.0f;
        }
        const int e = threadIdx.x % CHUNK;
        if (e < width) {
            const int64 at = first_row * k + outlier_columns[1 + from + e];
            for (int row = threadIdx.x / CHUNK; row < rows; row += 8 * (256 / CHUNK)) {
                uint32 x[8];
#pragma unroll
                for (int i = 0; i < 8; i++) x[i] = load_bits(outlier_input, outlier_type, at + min(row + i * (256 / CHUNK), rows - 1) * k);
#pragma unroll
                for (int i = 0; i < 8; i++)
                    if (row + i * (256 / CHUNK) < rows) inputs[e * block_rows + row + i * (256 / CHUNK)] = float_of(x[i], outlier_type);
            }
        }
        __syncthreads();
        for (int row = first; row < rows; row += TEAMS * RESCALED_ROWS) {
            float values[RESCALED_ROWS][4];
#pragma unroll
            for (int r = 0; r < RESCALED_ROWS; r++) {
                const uint32 words[4] = {ahead[r].x, ahead[r].y, ahead[r].z, ahead[r].w};
#pragma unroll
                for (int c = 0; c < 4; c++)
                    values[r][c] = from > 0 ? __uint_as_float(words[c]) : rescaled((int)words[c], row_scales[r], scales[c], shifts[c]);
            }
            if (row + TEAMS * RESCALED_ROWS < rows) load(ahead, row_scales, row + TEAMS * RESCALED_ROWS);
#pragma unroll 2
            for (int e = 0; e < width; e++) {
                const float4 weights = *(const float4 *)(outliers + e * RESCALED_COLUMNS + threadIdx.x % 64 * 4);
                const float4 of_input = *(const float4 *)(inputs + e * block_rows + row);
                const float of_rows[RESCALED_ROWS] = {of_input.x, of_input.y, of_input.z, of_input.w};
#pragma unroll
                for (int r = 0; r < RESCALED_ROWS; r++) {
                    values[r][0] = __fmaf_rn(of_rows[r], weights.x, values[r][0]);
                    values[r][1] = __fmaf_rn(of_rows[r], weights.y, values[r][1]);
                    values[r][2] = __fmaf_rn(of_rows[r], weights.z, values[r][2]);
                    values[r][3] = __fmaf_rn(of_rows[r], weights.w, values[r][3]);
                }
            }
            const bool is_last = from + CHUNK >= count;
            void *to = is_last ? output : products;
            const int type = is_last ? output_type : FLOAT32;
#pragma unroll
            for (int r = 0; r < RESCALED_ROWS; r++) {
                if (row + r >= rows) break;
                const int64 at = (first_row + row + r) * n;
                const float4 x = make_float4(values[r][0], values[r][1], values[r][2], values[r][3]);
                if (fours && column < n) store_four(to, type, at + column, x);
                else store_up_to_four(to, type, at + column, at + n, x);
            }
        }
    }
}

// MARK: Quantizing few rows

// The sum of the counts of all threads before this one; `shared` holds 33 numbers, the last of which becomes the sum of all.
__device__ __forceinline__ int count_before(int count, int *shared) {
    int lane = threadIdx.x % 32, warp = threadIdx.x / 32, sum = count;
    for (int d = 1; d < 32; d *= 2) {
        int before = __shfl_up_sync(FULL_WARP, sum, d);
        if (lane >= d) sum += before;
    }
    if (lane == 31) shared[warp] = sum;
    __syncthreads();
    int earlier = 0, all = 0;
    for (int w = 0; w < blockDim.x / 32; w++) {
        if (w == warp) earlier = all;
        all += shared[w];
    }
    if (threadIdx.x == 0) shared[32] = all;
    __syncthreads();
    return earlier + sum - count;
}

// What the layer needs of one of few rows, by a block: codes and scale as `QuantizeInt8Rows` has them, but NaN for the scale where the row holds NaN,
// and the list of the columns with an outlier in any row, unless `columns` is NULL. `marks` holds a bit for each column. Rows lie at multiples of 16
// bytes and are read by eights. Ends without a barrier.
template <typename T>
__device__ __forceinline__ void prepare_row(
    const T *input, int row, int rows, int width, float threshold, int8 *codes, float *scale, int *columns, uint8 *marks) {
    __shared__ float shared[33];
    __shared__ int counts[33];
    const T *own = input + (int64)row * width;
    const int eights = width / 8;
    float largest = 0;
    bool found = false;
    for (int t = threadIdx.x; t < eights; t += blockDim.x) {
        Eight<T> x;
        x.load_kept(own + 8 * t);
#pragma unroll
        for (int e = 0; e < 8; e++) {
            found |= x[e] != x[e];
            if (threshold == 0 || !(fabsf(x[e]) >= threshold)) largest = fmaxf(largest, fabsf(x[e]));
        }
    }
    const bool is_lost = __syncthreads_or(found);
    largest = block_max(largest, shared);
    if (threadIdx.x == 0) *scale = is_lost ? NOT_A_NUMBER : largest;
    const float inverse = 127.0f / largest;
    for (int t = threadIdx.x; t < eights; t += blockDim.x) {
        uint32 outliers = 0;
        if (threshold > 0) {
#pragma unroll 8
            for (int r = 0; r < rows; r++) {
                Eight<T> x;
                x.load_kept(input + (int64)r * width + 8 * t);
#pragma unroll
                for (int e = 0; e < 8; e++) outliers |= (fabsf(x[e]) >= threshold ? 1u : 0u) << e;
            }
        }
        marks[t] = (uint8)outliers;
        Eight<T> x;
        x.load_kept(own + 8 * t);
        uint32 words[2] = {0, 0};
#pragma unroll
        for (int e = 0; e < 8; e++) {
            const float y = __fmul_rn(x[e], inverse);
            words[e / 4] |= (outliers >> e & 1 ? 0 : (uint32)(uint8)nearest_code(y)) << e % 4 * 8;
        }
        ((uint2 *)codes)[t] = make_uint2(words[0], words[1]);
    }
    if (!columns) return;
    __syncthreads();
    // Threads take runs of marks.
    const int run = (eights + (int)blockDim.x - 1) / (int)blockDim.x, from = min((int)threadIdx.x * run, eights), to = min(from + run, eights);
    int count = 0;
    for (int t = from; t < to; t++) count += __popc(marks[t]);
    int place = 1 + count_before(count, counts);
    if (threadIdx.x == 0) columns[0] = counts[32];
    for (int t = from; t < to; t++)
        for (uint32 left = marks[t]; left; left &= left - 1) columns[place++] = t * 8 + __ffs(left) - 1;
}

extern __shared__ __align__(128) uint8 dynamic[];

// A block of 1024 for each row. Every one looks for outliers in all rows; the first lists them.
#define PREPARE_ROWS(SUFFIX, T) \
    extern "C" __global__ void __launch_bounds__(1024) int8_prepare_rows_##SUFFIX( \
        const T *input, float threshold, int8 *codes, float *scales, int *columns, int rows, int width) { \
        begin_launch(); \
        prepare_row( \
            input, blockIdx.x, rows, width, threshold, codes + blockIdx.x * (int64)width, scales + blockIdx.x, blockIdx.x == 0 ? columns : NULL, \
            dynamic); \
    }
PREPARE_ROWS(f32, float)
PREPARE_ROWS(f16, float16)
PREPARE_ROWS(bf16, bfloat16)

// MARK: Few rows

#if __CUDA_ARCH__ >= 800

// The weight is read once, by the tensor cores' own layout: what order k is summed in does not matter, so a lane takes 16 bytes of a row at a time
// and the same 16 codes of a. A warp takes UNIT codes of 16 rows of the weight at a time, with as many of a in registers for all tiles of its block, and has
// the bytes for its next ones on their way to shared memory. The warps that share the columns of a tile add their sums, which are whole numbers, to those
// of the tile; a block has room for ROOM of them, and goes through its tiles in as many turns as that takes.
enum { UNIT = 256, UNIT_BYTES = 16 * UNIT, AHEAD = 1, STAGES = AHEAD + 1, ROOM = 8 };
// Of a block's memory: sums, then each warp's units that are on their way, then what it has of one row.
enum { UNITS_AT = ROOM * 16 * 16 * 4, WARP_BYTES = STAGES * UNIT_BYTES };

// A warp's place in the order in which units come: tiles of a room by turns of its group, for each part of k, and then the next room.
struct unit_order {
    int own, along, group, waves;
    int first, wave, local;

    __device__ __forceinline__ unit_order(int own, int along, int group, int waves)
        : own(own), along(along), group(group), waves(waves), first(0), wave(0), local(group) { end_if_idle(); }

    __device__ __forceinline__ int in_room() const { return min(own - first, (int)ROOM); }
    __device__ __forceinline__ bool is_over() const { return first >= own; }
    // The last room may have no tile for the group.
    __device__ __forceinline__ void end_if_idle() {
        if (group >= in_room()) first = own;
    }
    __device__ __forceinline__ void advance() {
        if ((local += along) < in_room()) return;
        local = group;
        if (++wave < waves) return;
        wave = 0;
        first += ROOM;
        end_if_idle();
    }
};

// Asks for the first units of a block's warps, a line to a lane: the cache may have them while the launch before ends.
__device__ __forceinline__ void prefetch_units(code_matrix b, int64 k) {
    const int64 row = min(blockIdx.x * 16ll + threadIdx.x % 16, b.rows - 1), column = threadIdx.x / 32 * UNIT + threadIdx.x % 32 / 16 * 128;
    if (column < k) asm volatile("prefetch.global.L2 [%0];" : : "l"(b.codes + row * b.stride + column));
}

// Of a room, what the first outlier columns are made of: their entries in a, and in the rows of the weight.
enum { MOST_OUTLIERS = 16 };
struct room_outliers {
    float inputs[16][MOST_OUTLIERS];
    int8 codes[ROOM * 16][MOST_OUTLIERS];
};

// `prepare` makes what is to be multiplied, while the first units come.
template <int TILES, typename Prepare>
__device__ __forceinline__ void multiply_rows(
    code_matrix a, const float *a_scales, code_matrix b, const float *b_scales, const void *bias, int bias_type, outlier_list outliers, void *output,
    int output_type, int64 k, Prepare prepare) {
    enum { COLUMNS = 8 * TILES };
    __shared__ room_outliers gathered;
    const int warps = blockDim.x / 32, warp = threadIdx.x / 32, lane = threadIdx.x % 32, units = (int)(k / UNIT);
    // Warps that share the columns of a tile, a power of 2, and groups of them.
    const int across_shift = 31 - __clz(min(units, warps)), along = warps >> across_shift, group = warp >> across_shift;
    const int member = warp & ((1 << across_shift) - 1), waves = (units + (1 << across_shift) - 1) >> across_shift;
    const int tiles = (int)((b.rows + 15) / 16), own = (tiles - 1 - (int)blockIdx.x) / (int)gridDim.x + 1;
    const uint32 stages = shared_address(dynamic) + UNITS_AT + warp * WARP_BYTES;
    int *const sums = (int *)dynamic;
    // A lane brings 16 bytes of every second row. Pieces of rows with odd numbers change places, so that lanes that read together meet in no bank.
    unit_order coming(own, along, group, waves);
    const auto bring = [&](int stage) {
        const int unit = (coming.wave << across_shift) + member;
        if (!coming.is_over() && unit < units) {
            const int64 tile = blockIdx.x + (int64)(coming.first + coming.local) * gridDim.x;
#pragma unroll
            for (int i = 0; i < 8; i++) {
                const int row = lane / 16 + 2 * i;
                // Rows beyond the end are the last again, and what comes of them is dropped.
                fetch(stages + stage * UNIT_BYTES + row * UNIT + (lane % 16 ^ row % 2 * 4) * 16,
                      b.codes + min(tile * 16 + row, b.rows - 1) * b.stride + unit * UNIT + lane % 16 * 16);
            }
        }
        end_fetches();
        coming.advance();
    };
#pragma unroll 1
    for (int i = 0; i < AHEAD; i++) bring(i);
    for (int i = threadIdx.x; i < ROOM * 16 * COLUMNS; i += blockDim.x) sums[i] = 0;
    // What is read at the end may be in the cache by then.
    for (int i = threadIdx.x; i < own; i += blockDim.x)
        asm volatile("prefetch.global.L2 [%0];" : : "l"(b_scales + (blockIdx.x + i * (int64)gridDim.x) * 16));
    prepare();
    __syncthreads();
    const int count = outliers.columns ? min(outliers.columns[0], (int)MOST_OUTLIERS) : 0;
    for (int i = threadIdx.x; i < a.rows * MOST_OUTLIERS; i += blockDim.x) {
        const int row = i / MOST_OUTLIERS, o = i % MOST_OUTLIERS;
        if (o < count) gathered.inputs[row][o] = load_float(outliers.input, outliers.type, row * k + outliers.columns[1 + o]);
    }

    int stage = 0;
#pragma unroll 1
    for (int first = 0; first < own; first += ROOM) {
        const int in_room = min(own - first, (int)ROOM);
        for (int i = threadIdx.x; count > 0 && i < in_room * 16 * MOST_OUTLIERS; i += blockDim.x) {
            const int place = i / MOST_OUTLIERS, o = i % MOST_OUTLIERS;
            const int64 row = min((blockIdx.x + (first + place / 16) * (int64)gridDim.x) * 16 + place % 16, b.rows - 1);
            if (o < count) gathered.codes[place][o] = b.codes[row * b.stride + outliers.columns[1 + o]];
        }
#pragma unroll 1
        for (int wave = 0; wave < waves; wave++) {
            const int unit = (wave << across_shift) + member;
            uint4 x[TILES][4];
#pragma unroll
            for (int j = 0; j < TILES; j++)
#pragma unroll
                for (int i = 0; i < 4; i++) {
                    const int row = 8 * j + lane / 4;
                    const bool is_there = row < a.rows && unit < units;
                    x[j][i] = is_there ? ((const uint4 *)(a.codes + row * a.stride + unit * UNIT))[lane % 4 + 4 * i] : make_uint4(0, 0, 0, 0);
                }
#pragma unroll 1
            for (int local = group; local < in_room; local += along) {
                bring(stage == 0 ? STAGES - 1 : stage - 1);
                await_fetches<AHEAD>();
                __syncwarp();
                int parts[TILES][4] = {};
                const uint32 from = stages + stage * UNIT_BYTES + lane / 4 * UNIT;
#pragma unroll
                for (int i = 0; i < 4; i++) {
                    const uint32 piece = (lane % 4 + 4 * i ^ lane / 4 % 2 * 4) * 16;
                    const uint4 u = load_four(from + piece), v = load_four(from + piece + 8 * UNIT);
                    const uint32 low[4] = {u.x, v.x, u.y, v.y}, high[4] = {u.z, v.z, u.w, v.w};
#pragma unroll
                    for (int j = 0; j < TILES; j++) {
                        multiply(parts[j], low, x[j][i].x, x[j][i].y);
                        multiply(parts[j], high, x[j][i].z, x[j][i].w);
                    }
                }
                // Everybody has read what the next copies go over.
                __syncwarp();
                stage = stage == STAGES - 1 ? 0 : stage + 1;
                if (unit >= units) continue;
#pragma unroll
                for (int j = 0; j < TILES; j++)
#pragma unroll
                    for (int c = 0; c < 4; c++) {
                        const int row = lane / 4 + c / 2 * 8, column = 8 * j + lane % 4 * 2 + c % 2;
                        if (column < a.rows) atomicAdd(&sums[(local * 16 + row) * COLUMNS + column], parts[j][c]);
                    }
            }
        }
        __syncthreads();
        for (int i = threadIdx.x; i < in_room * 16 * COLUMNS; i += blockDim.x) {
            const int place = i / (16 * COLUMNS) * 16 + i % 16, column = i / 16 % COLUMNS;
            const int64 row = (blockIdx.x + (first + place / 16) * (int64)gridDim.x) * 16 + place % 16;
            const int sum = sums[place * COLUMNS + column];
            sums[place * COLUMNS + column] = 0;
            if (row >= b.rows || column >= a.rows) continue;
            const float scale = b_scales[row];
            float value = rescaled(sum, a_scales[column], scale, bias ? load_float(bias, bias_type, row) : 0.0f);
            for (int o = 0; o < count; o++)
                value = __fmaf_rn(gathered.inputs[column][o], decoded(gathered.codes[place][o], scale, outliers.type), value);
            if (count == MOST_OUTLIERS) value = outliers.add(value, column, b.codes + row * b.stride, scale, k, count);
            store_float(output, output_type, column * b.rows + row, value);
        }
        __syncthreads();
    }
}

#define FEW_ROWS(NAME, TILES) \
    extern "C" __global__ void __launch_bounds__(512, 1) NAME( \
        const int8 *a, const float *a_scales, const int8 *b, const float *b_scales, const void *bias, int bias_type, const void *outlier_input, \
        int outlier_type, const int *outlier_columns, void *output, int output_type, int64 m, int64 n, int64 k) { \
        code_matrix weight = {b, k, n}; \
        prefetch_units(weight, k); \
        begin_launch(); \
        multiply_rows<TILES>( \
            code_matrix{a, k, m}, a_scales, weight, b_scales, bias, bias_type, outlier_list{outlier_input, outlier_type, outlier_columns}, output, \
            output_type, k, [] {}); \
    }
FEW_ROWS(int8_rows_8, 1)
FEW_ROWS(int8_rows_16, 2)

// One row, which every block quantizes for itself: shared memory holds its codes, the list of its outliers, and the marks.
#define ONE_ROW(SUFFIX, T, CODE) \
    extern "C" __global__ void __launch_bounds__(512, 1) int8_row_##SUFFIX( \
        const T *input, float threshold, const int8 *b, const float *b_scales, const void *bias, int bias_type, void *output, int output_type, \
        int64 n, int64 k) { \
        __shared__ float scale; \
        code_matrix weight = {b, k, n}; \
        uint8 *own = dynamic + UNITS_AT + blockDim.x / 32 * WARP_BYTES; \
        int *columns = threshold > 0 ? (int *)(own + k) : NULL; \
        prefetch_units(weight, k); \
        begin_launch(); \
        multiply_rows<1>( \
            code_matrix{(const int8 *)own, k, 1}, &scale, weight, b_scales, bias, bias_type, outlier_list{input, CODE, columns}, output, output_type, \
            k, [&] { prepare_row(input, 0, 1, (int)k, threshold, (int8 *)own, &scale, columns, own + 5 * k + 16); }); \
    }
ONE_ROW(f32, float, FLOAT32)
ONE_ROW(f16, float16, FLOAT16)
ONE_ROW(bf16, bfloat16, BFLOAT16)

#endif

// MARK: Preparation

// Four elements of a row of `width` as they lie there, zeros beyond its end; `fours`: whether they always lie where they can be loaded together.
__device__ __forceinline__ uint4 load_of_row(const void *input, int type, int64 row, int64 t, int64 width, bool fours) {
    const int64 at = row * width + t;
    if (t >= width) return make_uint4(0, 0, 0, 0);
    return fours ? load_four(input, type, at) : load_up_to_four(input, type, at, (row + 1) * width);
}

// What `QuantizeInt8Rows` finds first, by blocks of 256. Where there are `marks`, the first ones mark MARKED_COLUMNS columns each that hold an outlier, and
// leave 0 for the others. Then there is one for each row: its scale, NaN where it holds NaN.
enum { MARKED_COLUMNS = 16, MARKED_ROWS = 256 / (MARKED_COLUMNS / 4) };
extern "C" __global__ void __launch_bounds__(256)
int8_find_scales(const void *input, int type, float threshold, float *scales, uint8 *marks, int64 rows, int64 width) {
    __shared__ uint32 shared[8];
    const bool fours = width % 4 == 0 && takes_fours(input, type);
    const int64 marking = marks ? (width + MARKED_COLUMNS - 1) / MARKED_COLUMNS : 0;
    if (threadIdx.x < 8) shared[threadIdx.x] = 0;
    __syncthreads();
    begin_launch();
    if (blockIdx.x < marking) {
        const int across = threadIdx.x % (MARKED_COLUMNS / 4);
        const int64 first = (int64)blockIdx.x * MARKED_COLUMNS, column = first + 4 * across;
        uint32 found = 0;
        for (int64 row = threadIdx.x / (MARKED_COLUMNS / 4); row < rows; row += 8 * MARKED_ROWS) {
            uint4 ahead[8];
#pragma unroll
            for (int i = 0; i < 8; i++) ahead[i] = load_of_row(input, type, min(row + i * MARKED_ROWS, rows - 1), column, width, fours);
#pragma unroll
            for (int i = 0; i < 8; i++) {
                const float4 x = widen_four(ahead[i], type);
                found |= (fabsf(x.x) >= threshold ? 1u : 0u) | (fabsf(x.y) >= threshold ? 1u << 8 : 0u) | (fabsf(x.z) >= threshold ? 1u << 16 : 0u)
                    | (fabsf(x.w) >= threshold ? 1u << 24 : 0u);
            }
        }
        if (found) atomicOr(&shared[across], found);
        __syncthreads();
        if (threadIdx.x < MARKED_COLUMNS && first + threadIdx.x < width) marks[first + threadIdx.x] = (uint8)(shared[threadIdx.x / 4] >> threadIdx.x % 4 * 8);
        return;
    }
    const int64 row = blockIdx.x - marking;
    float largest = 0;
    for (int64 from = 4 * threadIdx.x; from < width; from += 4 * 4 * 256) {
        uint4 ahead[4];
#pragma unroll
        for (int i = 0; i < 4; i++) ahead[i] = load_of_row(input, type, row, from + i * 4 * 256, width, fours);
#pragma unroll
        for (int i = 0; i < 4; i++) {
            const float4 four = widen_four(ahead[i], type);
            const float values[4] = {four.x, four.y, four.z, four.w};
#pragma unroll
            for (int e = 0; e < 4; e++)
                if (!(threshold > 0 && fabsf(values[e]) >= threshold)) largest = larger_magnitude(largest, values[e]);
        }
    }
    // Numbers from 0 on have the order of their bits, and NaN comes after all.
    const uint32 of_warp = warp_max(__float_as_uint(largest));
    if (threadIdx.x % 32 == 0) shared[threadIdx.x / 32] = of_warp;
    __syncthreads();
    if (threadIdx.x > 0) return;
    uint32 bits = 0;
    for (int warp = 0; warp < 8; warp++) bits = max(bits, shared[warp]);
    const float scale = __uint_as_float(bits);
    scales[row] = scale == scale ? scale : NOT_A_NUMBER;
}

// Lists the columns that are marked, by a block of 256: threads take runs of columns.
__device__ __forceinline__ void list_columns(const uint8 *marks, int *columns, int64 width) {
    __shared__ int counts[33];
    const bool fours = width % 4 == 0 && (uint64)marks % 4 == 0;
    const int64 run = (width + 4 * 256 - 1) / (4 * 256) * 4, from = min(threadIdx.x * run, width), to = min(from + run, width);
    // A bit of each byte that is not 0.
    const auto marked = [&](int64 t) {
        uint32 word = 0;
        if (fours) word = *(const uint32 *)(marks + t);
        else
            for (int e = 0; e < 4 && t + e < width; e++) word |= (uint32)marks[t + e] << 8 * e;
        return __vsetne4(word, 0);
    };
    int count = 0;
#pragma unroll 4
    for (int64 t = from; t < to; t += 4) count += __popc(marked(t));
    int place = 1 + count_before(count, counts);
    if (threadIdx.x == 0) columns[0] = counts[32];
#pragma unroll 4
    for (int64 t = from; t < to; t += 4)
        for (uint32 left = marked(t); left; left &= left - 1) columns[place++] = (int)t + __ffs(left) / 8;
}
extern "C" __global__ void __launch_bounds__(256) int8_list_columns(const uint8 *marks, int *columns, int64 width) {
    begin_launch();
    list_columns(marks, columns, width);
}

// The codes of rows whose scales are there, zeros in marked columns: a block for each row, after one that lists those where there are `marks`.
extern "C" __global__ void __launch_bounds__(256)
int8_find_codes(const void *input, int type, const float *scales, const uint8 *marks, int8 *codes, int *columns, int64 rows, int64 width) {
    const bool fours = width % 4 == 0 && takes_fours(input, type);
    begin_launch();
    if (marks && blockIdx.x == 0) {
        list_columns(marks, columns, width);
        return;
    }
    const int64 row = blockIdx.x - (marks ? 1 : 0);
    const float inverse = 127.0f / scales[row];
    int8 *const own = codes + row * width;
    for (int64 from = 4 * threadIdx.x; from < width; from += 4 * 4 * 256) {
        uint4 ahead[4];
        uint32 marked[4] = {};
#pragma unroll
        for (int i = 0; i < 4; i++) {
            const int64 t = from + i * 4 * 256;
            ahead[i] = load_of_row(input, type, row, t, width, fours);
            if (!marks || t >= width) continue;
            if (fours) marked[i] = *(const uint32 *)(marks + t);
            else
                for (int e = 0; e < 4 && t + e < width; e++) marked[i] |= (uint32)marks[t + e] << 8 * e;
        }
#pragma unroll
        for (int i = 0; i < 4; i++) {
            const int64 t = from + i * 4 * 256;
            const float4 x = widen_four(ahead[i], type);
            const float values[4] = {x.x, x.y, x.z, x.w};
            uint32 word = 0;
#pragma unroll
            for (int e = 0; e < 4; e++) word |= (marked[i] >> 8 * e & 255 ? 0 : (uint32)(uint8)nearest_code(values[e] * inverse)) << 8 * e;
            if (t >= width) break;
            if (fours) *(uint32 *)(own + t) = word;
            else
                for (int e = 0; e < 4 && t + e < width; e++) own[t + e] = (int8)(word >> 8 * e);
        }
    }
}

// A block of 1024 takes 32 columns: the scale of one that holds NaN becomes NaN; marks one with an entry of at least `threshold`, where that is
// above 0.
extern "C" __global__ void __launch_bounds__(1024)
int8_finish_columns(const void *input, int type, float *scales, uint8 *marks, float threshold, int64 rows, int64 width) {
    __shared__ uint32 found[32];
    if (threadIdx.x < 32) found[threadIdx.x] = 0;
    begin_launch();
    __syncthreads();
    int64 column = blockIdx.x * 32ll + threadIdx.x % 32;
    uint32 flags = 0;
    if (column < width) {
        for (int64 r = threadIdx.x / 32; r < rows; r += 32) {
            float x = load_float(input, type, r * width + column);
            flags |= (x != x ? 1 : 0) | (fabsf(x) >= threshold ? 2 : 0);
        }
    }
    if (flags) atomicOr(&found[threadIdx.x % 32], flags);
    __syncthreads();
    if (threadIdx.x < 32 && column < width) {
        if (found[threadIdx.x] & 1) scales[column] = NOT_A_NUMBER;
        if (marks) marks[column] = threshold > 0 && (found[threadIdx.x] & 2) ? 1 : 0;
    }
}

// Codes [rows, width] as [width, stride], zeros behind the rows. Blocks of 256 take 64 x 64.
extern "C" __global__ void __launch_bounds__(256) int8_transpose(const int8 *codes, int8 *output, int64 rows, int64 width, int64 stride) {
    __shared__ int8 tile[64][65];
    begin_launch();
    int64 across = (width + 63) / 64;
    int64 row = blockIdx.x / across * 64, column = blockIdx.x % across * 64;
    for (int e = threadIdx.x; e < 64 * 64; e += 256) {
        int64 r = row + e / 64, t = column + e % 64;
        tile[e / 64][e % 64] = r < rows && t < width ? codes[r * width + t] : 0;
    }
    __syncthreads();
    for (int e = threadIdx.x; e < 64 * 64; e += 256) {
        int64 t = column + e / 64, r = row + e % 64;
        if (t < width && r < stride) output[t * stride + r] = tile[e % 64][e / 64];
    }
}

// Columns t of the list: output[j, t] = Σ gradient[i, j] * input[i, t]. A thread takes one j, and 8 columns at a time.
extern "C" __global__ void __launch_bounds__(256) int8_outlier_gradient(
    const void *gradient, int gradient_type, const void *input, int input_type, const int *columns, void *output, int output_type, int64 m, int64 n,
    int64 k) {
    int64 j = thread_index();
    begin_launch();
    int count = columns[0];
    if (j >= n) return;
    for (int from = blockIdx.y * 8; from < count; from += gridDim.y * 8) {
        int64 t[8];
        float sums[8] = {};
#pragma unroll
        for (int e = 0; e < 8; e++) t[e] = columns[1 + min(from + e, count - 1)];
        for (int64 i = 0; i < m; i++) {
            float g = load_float(gradient, gradient_type, i * n + j);
#pragma unroll
            for (int e = 0; e < 8; e++) sums[e] = __fmaf_rn(g, load_float(input, input_type, i * k + t[e]), sums[e]);
        }
#pragma unroll
        for (int e = 0; e < 8; e++)
            if (from + e < count) store_float(output, output_type, j * k + t[e], sums[e]);
    }
}
