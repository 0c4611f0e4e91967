// Products of matrices: output [M, N] = op(a) · op(b) (+ bias) (+ output), float32 sums.
//
// Precisions: 0 float32, 1 bfloat16, 2 float16: what operands are rounded to, whatever type they lie in.

// MARK: Operands

// A matrix as `MatrixProduct` names it: element (r, c) of the stored rows at r * stride + c.
struct stored_matrix {
    const void *data;
    int type;
    int64 stride;
};

__device__ __forceinline__ float rounded(float x, int precision) {
    if (precision == 1) return widen(narrow<bfloat16>(x));
    if (precision == 2) return widen(narrow<float16>(x));
    return x;
}

// A branch on what never changes is to stay inside its loop: the compiler would make a copy of the loop for every combination of types.
__device__ __forceinline__ void keep_in_loop(int &choice) { asm volatile("" : "+r"(choice)); }

// Adds what the output holds, and the bias, and stores.
struct product_output {
    void *data;
    int type;
    const void *bias;
    int bias_type;
    int accumulates;
    int64 m, n;

    __device__ __forceinline__ void store(int64 i, int64 j, float sum) const {
        if (i >= m || j >= n) return;
        if (bias) sum += load_float(bias, bias_type, j);
        if (accumulates) sum += load_float(data, type, i * n + j);
        store_float(data, type, i * n + j, sum);
    }
};

// MARK: Any types, layouts and sizes

// 256 threads compute a tile of 64 x 64, 4 x 4 each; blocks walk along N first.
enum { PLAIN_TILE = 64, PLAIN_DEPTH = 16, PLAIN_PITCH = PLAIN_TILE + 4 };

// 4 of the 16 x 64 elements at (k, from) of an operand whose rows are its M or N where `by_rows`, else its K.
__device__ __forceinline__ void load_plain(
    float *piece, stored_matrix x, bool by_rows, int64 from, int64 count, int64 k, int64 depth, int precision) {
#pragma unroll
    for (int i = 0; i < 4; i++) {
        int e = threadIdx.x + 256 * i;
        int64 row = from + (by_rows ? e / PLAIN_DEPTH : e % PLAIN_TILE);
        int64 t = k + (by_rows ? e % PLAIN_DEPTH : e / PLAIN_TILE);
        bool inside = row < count && t < depth;
        piece[i] = inside ? rounded(load_float(x.data, x.type, by_rows ? row * x.stride + t : t * x.stride + row), precision) : 0.0f;
    }
}
__device__ __forceinline__ void store_plain(float (*tile)[PLAIN_PITCH], const float *piece, bool by_rows) {
#pragma unroll
    for (int i = 0; i < 4; i++) {
        int e = threadIdx.x + 256 * i;
        tile[by_rows ? e % PLAIN_DEPTH : e / PLAIN_TILE][by_rows ? e / PLAIN_DEPTH : e % PLAIN_TILE] = piece[i];
    }
}

extern "C" __global__ void __launch_bounds__(256) matrix_product(
    const void *a, int a_type, int64 a_stride, int a_transposed, const void *b, int b_type, int64 b_stride, int b_transposed, const void *bias,
    int bias_type, void *output, int output_type, int64 m, int64 n, int64 k, int accumulates, int precision) {
    __shared__ float a_tile[PLAIN_DEPTH][PLAIN_PITCH], b_tile[PLAIN_DEPTH][PLAIN_PITCH];
    begin_launch();
    stored_matrix left = {a, a_type, a_stride}, right = {b, b_type, b_stride};
    int64 across = (n + PLAIN_TILE - 1) / PLAIN_TILE;
    int64 row = blockIdx.x / across * PLAIN_TILE, column = blockIdx.x % across * PLAIN_TILE;
    int y = threadIdx.x / 16 * 4, x = threadIdx.x % 16 * 4;
    float sums[4][4] = {};
    float a_piece[4], b_piece[4];
    load_plain(a_piece, left, !a_transposed, row, m, 0, k, precision);
    load_plain(b_piece, right, b_transposed, column, n, 0, k, precision);
    for (int64 t = 0; t < k; t += PLAIN_DEPTH) {
        keep_in_loop(left.type);
        keep_in_loop(right.type);
        keep_in_loop(precision);
        __syncthreads();
        store_plain(a_tile, a_piece, !a_transposed);
        store_plain(b_tile, b_piece, b_transposed);
        __syncthreads();
        if (t + PLAIN_DEPTH < k) {
            load_plain(a_piece, left, !a_transposed, row, m, t + PLAIN_DEPTH, k, precision);
            load_plain(b_piece, right, b_transposed, column, n, t + PLAIN_DEPTH, k, precision);
        }
#pragma unroll 4
        for (int s = 0; s < PLAIN_DEPTH; s++) {
            float4 u = *(const float4 *)&a_tile[s][y], v = *(const float4 *)&b_tile[s][x];
            float p[4] = {u.x, u.y, u.z, u.w}, q[4] = {v.x, v.y, v.z, v.w};
#pragma unroll
            for (int i = 0; i < 4; i++)
#pragma unroll
                for (int j = 0; j < 4; j++) sums[i][j] = __fmaf_rn(p[i], q[j], sums[i][j]);
        }
    }
    product_output result = {output, output_type, bias, bias_type, accumulates, m, n};
#pragma unroll
    for (int i = 0; i < 4; i++)
#pragma unroll
        for (int j = 0; j < 4; j++) result.store(row + y + i, column + x + j, sums[i][j]);
}

// MARK: Operands of one type

// 8 elements that lie at a multiple of 16 bytes, as they lie.
template <typename T> struct eight;
template <> struct eight<float> {
    uint4 low, high;
    __device__ __forceinline__ void widen_to(float *x) const {
        uint32 words[8] = {low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w};
#pragma unroll
        for (int e = 0; e < 8; e++) x[e] = __uint_as_float(words[e]);
    }
};
template <typename T> struct eight {
    uint4 bits;
    __device__ __forceinline__ void widen_to(float *x) const {
        uint32 words[4] = {bits.x, bits.y, bits.z, bits.w};
#pragma unroll
        for (int e = 0; e < 4; e++) {
            x[2 * e] = widen(T{(uint16)words[e]});
            x[2 * e + 1] = widen(T{(uint16)(words[e] >> 16)});
        }
    }
};

__device__ __forceinline__ void load_eight(float *x, const void *array, int type, int64 i) {
    if (type == FLOAT32) (*(const eight<float> *)((const float *)array + i)).widen_to(x);
    else if (type == FLOAT16) (*(const eight<float16> *)((const float16 *)array + i)).widen_to(x);
    else (*(const eight<bfloat16> *)((const bfloat16 *)array + i)).widen_to(x);
}

// What is read once does not stay in the cache.
__device__ __forceinline__ uint4 load_once(const void *address) {
    uint4 x;
    asm volatile("ld.global.nc.L1::no_allocate.v4.u32 {%0, %1, %2, %3}, [%4];" : "=r"(x.x), "=r"(x.y), "=r"(x.z), "=r"(x.w) : "l"(address));
    return x;
}
__device__ __forceinline__ void load_once(eight<float> &x, const float *at) {
    x.low = load_once((const void *)at);
    x.high = load_once((const void *)(at + 4));
}
template <typename T> __device__ __forceinline__ void load_once(eight<T> &x, const T *at) { x.bits = load_once((const void *)at); }

// Rows of any type and stride as rows of T without gaps, rounded. Blocks along y take rows, those along x parts of them.
template <typename T> __device__ __forceinline__ void convert_rows(const void *rows, int type, int64 stride, T *output, int64 count, int64 width) {
    bool in_vectors = is_aligned16(rows) && is_aligned16(output) && (count == 1 || (stride % 8 == 0 && width % 8 == 0));
    begin_launch();
    for (int64 row = blockIdx.y; row < count; row += gridDim.y) {
        for (int64 i = 8 * thread_index(); i < width; i += 8 * thread_count()) {
            if (in_vectors && i + 8 <= width) {
                float x[8];
                Eight<T> rounded;
                load_eight(x, rows, type, row * stride + i);
#pragma unroll
                for (int e = 0; e < 4; e++) rounded.set(e, x[2 * e], x[2 * e + 1]);
                rounded.store_kept(output + row * width + i);
            } else {
                for (int64 e = i; e < min(i + 8, width); e++) output[row * width + e] = narrow<T>(load_float(rows, type, row * stride + e));
            }
        }
    }
}
#define CONVERT_ROWS(SUFFIX, T) \
    extern "C" __global__ void convert_rows_##SUFFIX(const void *rows, int type, int64 stride, T *output, int64 count, int64 width) { \
        convert_rows<T>(rows, type, stride, output, count, width); \
    }
CONVERT_ROWS(f32, float)
CONVERT_ROWS(f16, float16)
CONVERT_ROWS(bf16, bfloat16)

// MARK: Few rows

// Whether numbers of `type` change when they are rounded to `precision`.
__device__ __forceinline__ bool changes(int type, int precision) { return precision == 1 ? type != BFLOAT16 : precision == 2 && type != FLOAT16; }

__device__ __forceinline__ void round_eight(float *x, int precision) {
    if (precision == 1) {
#pragma unroll
        for (int e = 0; e < 8; e++) x[e] = widen(narrow<bfloat16>(x[e]));
    } else {
#pragma unroll
        for (int e = 0; e < 8; e++) x[e] = widen(narrow<float16>(x[e]));
    }
}

// a [M <= COUNT, K], b [N, K], which is not rounded: what is read is b, once. A warp takes ROWS rows of b, or `parts` warps of a block share them,
// each a part of K; lanes take 8 elements of each row at a time, and have the next ones loaded.
template <typename T, int ROWS, int COUNT>
__device__ __forceinline__ void multiply_rows(stored_matrix a, const T *b, int64 b_stride, product_output output, int64 k, int precision, int parts) {
    __shared__ float shared[8][ROWS * COUNT];
    int warp = threadIdx.x / 32, lane = threadIdx.x % 32, part = warp % parts;
    int64 first = ((int64)blockIdx.x * (8 / parts) + warp / parts) * ROWS;
    bool in_vectors = is_aligned16(a.data) && a.stride % 8 == 0 && is_aligned16(b) && b_stride % 8 == 0;
    // Beyond the ends rows are read again, and what comes of them is dropped.
    int64 row[ROWS];
    float sums[ROWS][COUNT] = {};
#pragma unroll
    for (int r = 0; r < ROWS; r++) row[r] = min(first + r, output.n - 1) * b_stride;
    int64 whole = in_vectors ? k / 8 * 8 : 0, step = parts * 256, t = (part * 32 + lane) * 8;
    begin_launch();
    eight<T> ahead[ROWS];
    if (t < whole) {
#pragma unroll
        for (int r = 0; r < ROWS; r++) load_once(ahead[r], b + row[r] + t);
    }
    for (; t < whole; t += step) {
        keep_in_loop(a.type);
        keep_in_loop(precision);
        float y[ROWS][8];
#pragma unroll
        for (int r = 0; r < ROWS; r++) ahead[r].widen_to(y[r]);
        if (t + step < whole) {
#pragma unroll
            for (int r = 0; r < ROWS; r++) load_once(ahead[r], b + row[r] + t + step);
        }
#pragma unroll
        for (int i = 0; i < COUNT; i++) {
            float x[8];
            load_eight(x, a.data, a.type, min((int64)i, output.m - 1) * a.stride + t);
            if (changes(a.type, precision)) round_eight(x, precision);
#pragma unroll
            for (int r = 0; r < ROWS; r++)
#pragma unroll
                for (int e = 0; e < 8; e++) sums[r][i] = __fmaf_rn(x[e], y[r][e], sums[r][i]);
        }
    }
#pragma unroll 1
    for (t = whole + part * 32 + lane; t < k; t += parts * 32) {
        keep_in_loop(a.type);
        keep_in_loop(precision);
#pragma unroll
        for (int i = 0; i < COUNT; i++) {
            float x = rounded(load_float(a.data, a.type, min((int64)i, output.m - 1) * a.stride + t), precision);
#pragma unroll
            for (int r = 0; r < ROWS; r++) sums[r][i] = __fmaf_rn(x, widen(b[row[r] + t]), sums[r][i]);
        }
    }
#pragma unroll
    for (int r = 0; r < ROWS; r++)
#pragma unroll
        for (int i = 0; i < COUNT; i++) {
            float sum = warp_sum(sums[r][i]);
            if (lane == 0) shared[warp][r * COUNT + i] = sum;
        }
    __syncthreads();
    if (part == 0 && lane < ROWS * COUNT) {
        float sum = 0;
        for (int p = 0; p < parts; p++) sum += shared[warp + p][lane];
        output.store(lane % COUNT, first + lane / COUNT, sum);
    }
}

#define FEW_ROWS(NAME, T, ROWS, COUNT) \
    extern "C" __global__ void __launch_bounds__(256, 2) NAME( \
        const void *a, int a_type, int64 a_stride, const T *b, int64 b_stride, const void *bias, int bias_type, void *output, int output_type, \
        int64 m, int64 n, int64 k, int accumulates, int precision, int parts) { \
        multiply_rows<T, ROWS, COUNT>( \
            stored_matrix{a, a_type, a_stride}, b, b_stride, product_output{output, output_type, bias, bias_type, accumulates, m, n}, k, precision, \
            parts); \
    }
#define FEW_ROWS_OF(SUFFIX, T) \
    FEW_ROWS(row_product_1_##SUFFIX, T, 4, 1) \
    FEW_ROWS(row_product_2_##SUFFIX, T, 4, 2) \
    FEW_ROWS(row_product_4_##SUFFIX, T, 4, 4) \
    FEW_ROWS(row_product_8_##SUFFIX, T, 2, 8)
FEW_ROWS_OF(f32, float)
FEW_ROWS_OF(f16, float16)
FEW_ROWS_OF(bf16, bfloat16)

// MARK: Tensor cores

#if __CUDA_ARCH__ >= 800

// 256 threads compute a tile of 128 x 128; 8 warps, 2 by 4, each 64 x 32. Operands are of the type that is multiplied. A tile of one lies in shared
// memory as it does in the operand, so that both are accessed in vectors: 128 rows of 32 where its rows are M or N, else 32 rows of 128.
enum { TILE = 128, DEPTH = 32, ROW_PITCH = DEPTH + 8, COLUMN_PITCH = TILE + 8, TILE_ELEMENTS = TILE * ROW_PITCH, OUTPUT_PITCH = 36 };

// 16 elements of a row of an operand.
struct half_row {
    uint4 low, high;
};

// The part of a tile that a thread brings: from row or column `from` of `count`, at depth k of `depth`; zeros beyond.
template <bool BY_ROWS>
__device__ __forceinline__ half_row load_part(stored_matrix x, int64 from, int64 count, int64 k, int64 depth, bool in_vectors) {
    int64 row = BY_ROWS ? from + threadIdx.x / 2 : k + threadIdx.x / 8;
    int64 column = BY_ROWS ? k + threadIdx.x % 2 * 16 : from + threadIdx.x % 8 * 16;
    int64 width = row < (BY_ROWS ? count : depth) ? (BY_ROWS ? depth : count) - column : 0;
    const uint16 *at = (const uint16 *)x.data + row * x.stride + column;
    half_row part;
    if (in_vectors && width >= 16) {
        part.low = ((const uint4 *)at)[0];
        part.high = ((const uint4 *)at)[1];
        return part;
    }
    uint32 words[8];
#pragma unroll
    for (int i = 0; i < 8; i++) words[i] = (2 * i < width ? at[2 * i] : 0) | (uint32)(2 * i + 1 < width ? at[2 * i + 1] : 0) << 16;
    part.low = make_uint4(words[0], words[1], words[2], words[3]);
    part.high = make_uint4(words[4], words[5], words[6], words[7]);
    return part;
}
template <bool BY_ROWS> __device__ __forceinline__ void store_part(uint16 *tile, half_row part) {
    int offset = BY_ROWS ? threadIdx.x / 2 * ROW_PITCH + threadIdx.x % 2 * 16 : threadIdx.x / 8 * COLUMN_PITCH + threadIdx.x % 8 * 16;
    *(uint4 *)(tile + offset) = part.low;
    *(uint4 *)(tile + offset + 8) = part.high;
}

// Four blocks of 8 x 8 at (row, depth) (0, 0), (8, 0), (0, 8), (8, 8) from `row` and `k` on; blocks that lie by depth are transposed on the way.
template <bool BY_ROWS> __device__ __forceinline__ void load_blocks(uint32 *blocks, const uint16 *tile, int row, int k) {
    int lane = threadIdx.x % 32, within = lane % 8, second = lane / 8 % 2 * 8, third = lane / 16 * 8;
    const uint16 *at = BY_ROWS ? tile + (row + within + second) * ROW_PITCH + k + third : tile + (k + within + third) * COLUMN_PITCH + row + second;
    uint32 address = shared_address(at);
    if (BY_ROWS) {
        asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                     : "=r"(blocks[0]), "=r"(blocks[1]), "=r"(blocks[2]), "=r"(blocks[3]) : "r"(address));
    } else {
        asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                     : "=r"(blocks[0]), "=r"(blocks[1]), "=r"(blocks[2]), "=r"(blocks[3]) : "r"(address));
    }
}

template <typename T> __device__ void multiply(float *sums, const uint32 *a, uint32 b0, uint32 b1);
template <> __device__ __forceinline__ void multiply<float16>(float *sums, const uint32 *a, uint32 b0, uint32 b1) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}
template <> __device__ __forceinline__ void multiply<bfloat16>(float *sums, const uint32 *a, uint32 b0, uint32 b1) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

__device__ __forceinline__ bool in_vectors(stored_matrix x) { return is_aligned16(x.data) && x.stride % 8 == 0; }

template <typename T, bool A_BY_ROWS, bool B_BY_ROWS>
__device__ __forceinline__ void multiply_tile(stored_matrix a, stored_matrix b, product_output output, int64 k) {
    __shared__ __align__(16) uint16 tiles[2][2][TILE_ELEMENTS];
    begin_launch();
    int64 across = (output.n + TILE - 1) / TILE;
    int64 row = blockIdx.x / across * TILE, column = blockIdx.x % across * TILE;
    int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    int y = warp / 4 * 64, x = warp % 4 * 32;
    bool a_vectors = in_vectors(a), b_vectors = in_vectors(b);
    float sums[4][4][4] = {};
    half_row a_part = load_part<A_BY_ROWS>(a, row, output.m, 0, k, a_vectors);
    half_row b_part = load_part<B_BY_ROWS>(b, column, output.n, 0, k, b_vectors);
    int half = 0;
    for (int64 t = 0; t < k; t += DEPTH, half ^= 1) {
        store_part<A_BY_ROWS>(tiles[half][0], a_part);
        store_part<B_BY_ROWS>(tiles[half][1], b_part);
        // One barrier a step: whoever writes this half again has passed the next one, and so has everybody who reads it now.
        __syncthreads();
        if (t + DEPTH < k) {
            a_part = load_part<A_BY_ROWS>(a, row, output.m, t + DEPTH, k, a_vectors);
            b_part = load_part<B_BY_ROWS>(b, column, output.n, t + DEPTH, k, b_vectors);
        }
#pragma unroll
        for (int d = 0; d < DEPTH; d += 16) {
            uint32 a_blocks[4][4], b_blocks[2][4];
#pragma unroll
            for (int i = 0; i < 4; i++) load_blocks<A_BY_ROWS>(a_blocks[i], tiles[half][0], y + 16 * i, d);
#pragma unroll
            for (int j = 0; j < 2; j++) load_blocks<B_BY_ROWS>(b_blocks[j], tiles[half][1], x + 16 * j, d);
#pragma unroll
            for (int i = 0; i < 4; i++)
#pragma unroll
                for (int j = 0; j < 4; j++) multiply<T>(sums[i][j], a_blocks[i], b_blocks[j / 2][j % 2], b_blocks[j / 2][j % 2 + 2]);
        }
    }
    // 16 x 32 of a warp at a time go through shared memory, so that a row's elements are stored together.
    __syncthreads();
    float *staged = (float *)tiles + warp * 16 * OUTPUT_PITCH;
#pragma unroll
    for (int i = 0; i < 4; i++) {
#pragma unroll
        for (int j = 0; j < 4; j++)
#pragma unroll
            for (int c = 0; c < 4; c++) staged[(lane / 4 + c / 2 * 8) * OUTPUT_PITCH + 8 * j + lane % 4 * 2 + c % 2] = sums[i][j][c];
        __syncwarp();
#pragma unroll 1
        for (int r = 0; r < 16; r++) output.store(row + y + 16 * i + r, column + x + lane, staged[r * OUTPUT_PITCH + lane]);
        __syncwarp();
    }
}

#define TENSOR_PRODUCT(NAME, T, A_BY_ROWS, B_BY_ROWS) \
    extern "C" __global__ void __launch_bounds__(256) NAME( \
        const void *a, int64 a_stride, const void *b, int64 b_stride, const void *bias, int bias_type, void *output, int output_type, int64 m, \
        int64 n, int64 k, int accumulates) { \
        multiply_tile<T, A_BY_ROWS, B_BY_ROWS>( \
            stored_matrix{a, 0, a_stride}, stored_matrix{b, 0, b_stride}, \
            product_output{output, output_type, bias, bias_type, accumulates, m, n}, k); \
    }
// The letters say what is transposed: a, then b.
#define TENSOR_PRODUCTS(SUFFIX, T) \
    TENSOR_PRODUCT(tensor_product_nn_##SUFFIX, T, true, false) \
    TENSOR_PRODUCT(tensor_product_nt_##SUFFIX, T, true, true) \
    TENSOR_PRODUCT(tensor_product_tn_##SUFFIX, T, false, false) \
    TENSOR_PRODUCT(tensor_product_tt_##SUFFIX, T, false, true)
TENSOR_PRODUCTS(f16, float16)
TENSOR_PRODUCTS(bf16, bfloat16)

// MARK: Several rows

// a [M <= 8 * TILES, K], b [N, K]: b is read once, by the tensor cores' own layout. What order k is summed in does not matter, so a lane takes 16
// bytes of a row at a time, and the same 8 elements of a. UNIT elements of 16 rows of b are what a warp takes; the 8 warps of a block share the
// units of a row.
enum { WARPS = 8, UNIT = 128, SUMS = 8192 };

struct unit_part {
    uint4 elements[2][4];
};

__device__ __forceinline__ unit_part load_unit(const uint16 *b, int64 stride, int64 rows, int64 tile, int unit) {
    unit_part part;
#pragma unroll
    for (int r = 0; r < 2; r++) {
        // Rows beyond the end are read again, and what comes of them is dropped.
        int64 row = min(tile * 16 + threadIdx.x % 32 / 4 + 8 * r, rows - 1);
        const uint16 *from = b + row * stride + unit * (int64)UNIT + threadIdx.x % 4 * 8;
#pragma unroll
        for (int i = 0; i < 4; i++) part.elements[r][i] = load_once(from + 32 * i);
    }
    return part;
}

template <typename T, int TILES>
__device__ __forceinline__ void multiply_several_rows(
    const uint16 *a, int64 a_stride, const uint16 *b, int64 b_stride, product_output output, int64 k) {
    __shared__ float shared[SUMS];
    int warp = threadIdx.x / 32, lane = threadIdx.x % 32, m = (int)output.m;
    int64 tiles = (output.n + 15) / 16, next_tile = blockIdx.x;
    int units = (int)(k / UNIT), next_unit = warp;
    unit_part ahead;
    begin_launch();
    if (warp < units) ahead = load_unit(b, b_stride, output.n, next_tile, next_unit);
    int kept = 0, room = SUMS / (16 * WARPS * m);
    int64 first_kept = blockIdx.x;
    for (int64 tile = blockIdx.x; tile < tiles; tile += gridDim.x) {
        float sums[TILES][4] = {};
        for (int unit = warp; unit < units; unit += WARPS) {
            unit_part part = ahead;
            if ((next_unit += WARPS) >= units) next_unit = warp, next_tile += gridDim.x;
            if (next_tile < tiles) ahead = load_unit(b, b_stride, output.n, next_tile, next_unit);
#pragma unroll
            for (int j = 0; j < TILES; j++) {
                int row = 8 * j + lane / 4;
                const uint16 *from = a + row * a_stride + unit * (int64)UNIT + lane % 4 * 8;
#pragma unroll
                for (int i = 0; i < 4; i++) {
                    uint4 x = row < m ? *(const uint4 *)(from + 32 * i) : make_uint4(0, 0, 0, 0);
                    uint4 u = part.elements[0][i], v = part.elements[1][i];
                    uint32 low[4] = {u.x, v.x, u.y, v.y}, high[4] = {u.z, v.z, u.w, v.w};
                    multiply<T>(sums[j], low, x.x, x.y);
                    multiply<T>(sums[j], high, x.z, x.w);
                }
            }
        }
#pragma unroll
        for (int j = 0; j < TILES; j++)
#pragma unroll
            for (int c = 0; c < 4; c++) {
                int row = lane / 4 + c / 2 * 8, column = 8 * j + lane % 4 * 2 + c % 2;
                if (column < m) shared[((kept * 16 + row) * m + column) * WARPS + warp] = sums[j][c];
            }
        if (++kept < room && tile + gridDim.x < tiles) continue;
        // The sums of all warps are added when the room for them is used up, or at the end.
        __syncthreads();
        for (int i = threadIdx.x; i < kept * 16 * m; i += 32 * WARPS) {
            float sum = 0;
#pragma unroll
            for (int s = 0; s < WARPS; s++) sum += shared[i * WARPS + s];
            output.store(i % m, (first_kept + i / (16 * m) * (int64)gridDim.x) * 16 + i / m % 16, sum);
        }
        __syncthreads();
        kept = 0;
        first_kept = tile + gridDim.x;
    }
}

#define SEVERAL_ROWS(NAME, T, TILES) \
    extern "C" __global__ void __launch_bounds__(256, 2) NAME( \
        const uint16 *a, int64 a_stride, const uint16 *b, int64 b_stride, const void *bias, int bias_type, void *output, int output_type, int64 m, \
        int64 n, int64 k, int accumulates) { \
        multiply_several_rows<T, TILES>( \
            a, a_stride, b, b_stride, product_output{output, output_type, bias, bias_type, accumulates, m, n}, k); \
    }
SEVERAL_ROWS(tensor_rows_8_f16, float16, 1)
SEVERAL_ROWS(tensor_rows_16_f16, float16, 2)
SEVERAL_ROWS(tensor_rows_8_bf16, bfloat16, 1)
SEVERAL_ROWS(tensor_rows_16_bf16, bfloat16, 2)

// MARK: Few columns

// scale * a [M, K] · b [K, N], which has up to 8 * TILES columns: a is read once. A block takes NARROW_ROWS rows, of which its warps take turns at TURN
// elements, each some turns ahead, and adds up at the end. A lane takes 16 bytes of a row at a time, and the same 8 elements of TILES columns of b, which is
// rounded on the way: columns that lie together, one of each product.
enum { NARROW_WARPS = 16, NARROW_ROWS = 32, TURN = 32, TURNS_AHEAD = 2 };

// A lane's elements of four rows of a.
struct narrow_turn {
    uint4 rows[NARROW_ROWS / 8];

    template <typename T> __device__ __forceinline__ void load(const T *a, int64 first, int64 m, int64 k, int64 at) {
#pragma unroll
        for (int r = 0; r < NARROW_ROWS / 8; r++) {
            // Rows behind the last are the last again, and are not stored.
            const int64 row = min(first + threadIdx.x % 32 / 4 + 8 * r, m - 1);
            rows[r] = load_once((const void *)(a + row * k + at));
        }
    }
};

// Eight elements each of COUNT columns of b that lie together, rounded; zeros behind the last column. `IS_TRANSPOSED`: b lies as [N, K].
template <typename T, bool IS_TRANSPOSED, int COUNT>
__device__ __forceinline__ void load_columns(uint32 (&words)[COUNT][4], const float *b, int column, int n, int64 k, int64 at) {
    float x[COUNT][8] = {};
    if (IS_TRANSPOSED) {
#pragma unroll
        for (int j = 0; j < COUNT; j++) {
            if (column + j >= n) continue;
            const float4 *from = (const float4 *)(b + (column + j) * k + at);
            const float4 low = from[0], high = from[1];
            x[j][0] = low.x, x[j][1] = low.y, x[j][2] = low.z, x[j][3] = low.w, x[j][4] = high.x, x[j][5] = high.y, x[j][6] = high.z, x[j][7] = high.w;
        }
    } else if (n % COUNT == 0 && column < n) {
#pragma unroll
        for (int e = 0; e < 8; e++) {
#pragma unroll
            for (int j = 0; j < COUNT; j += 2) {
                const float2 two = *(const float2 *)(b + (at + e) * n + column + j);
                x[j][e] = two.x, x[j + 1][e] = two.y;
            }
        }
    } else {
#pragma unroll
        for (int e = 0; e < 8; e++)
#pragma unroll
            for (int j = 0; j < COUNT; j++)
                if (column + j < n) x[j][e] = b[(at + e) * n + column + j];
    }
#pragma unroll
    for (int j = 0; j < COUNT; j++)
#pragma unroll
        for (int e = 0; e < 4; e++) words[j][e] = pack<T>(x[j][2 * e], x[j][2 * e + 1]);
}

template <typename T, bool IS_TRANSPOSED, int TILES>
__device__ __forceinline__ void multiply_narrow(float scale, const T *a, const float *b, T *output, int64 m, int n, int64 k) {
    __shared__ float shared[NARROW_WARPS][NARROW_ROWS * 8];
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    const int64 first = blockIdx.x * (int64)NARROW_ROWS, step = NARROW_WARPS * TURN;
    float sums[TILES][NARROW_ROWS / 16][4] = {};
    narrow_turn ahead[TURNS_AHEAD];
    begin_launch();
    int64 at = warp * TURN + lane % 4 * 8;
#pragma unroll
    for (int i = 0; i < TURNS_AHEAD; i++)
        if (at + i * step < k) ahead[i].load(a, first, m, k, at + i * step);
    while (at < k) {
#pragma unroll
        for (int i = 0; i < TURNS_AHEAD; i++) {
            if (at >= k) break;
            const narrow_turn now = ahead[i];
            if (at + TURNS_AHEAD * step < k) ahead[i].load(a, first, m, k, at + TURNS_AHEAD * step);
            uint32 words[TILES][4];
            load_columns<T, IS_TRANSPOSED>(words, b, lane / 4 * TILES, n, k, at);
#pragma unroll
            for (int r = 0; r < NARROW_ROWS / 16; r++) {
                const uint4 u = now.rows[2 * r], v = now.rows[2 * r + 1];
                const uint32 low[4] = {u.x, v.x, u.y, v.y}, high[4] = {u.z, v.z, u.w, v.w};
#pragma unroll
                for (int j = 0; j < TILES; j++) {
                    multiply<T>(sums[j][r], low, words[j][0], words[j][1]);
                    multiply<T>(sums[j][r], high, words[j][2], words[j][3]);
                }
            }
            at += step;
        }
    }
#pragma unroll
    for (int j = 0; j < TILES; j++) {
        if (j > 0) __syncthreads();
#pragma unroll
        for (int r = 0; r < NARROW_ROWS / 16; r++)
#pragma unroll
            for (int c = 0; c < 4; c++) shared[warp][(16 * r + lane / 4 + c / 2 * 8) * 8 + lane % 4 * 2 + c % 2] = sums[j][r][c];
        __syncthreads();
        const int64 row = first + threadIdx.x / 8;
        const int column = threadIdx.x % 8 * TILES + j;
        if (threadIdx.x >= NARROW_ROWS * 8 || row >= m || column >= n) continue;
        float sum = 0;
#pragma unroll
        for (int w = 0; w < NARROW_WARPS; w++) sum += shared[w][threadIdx.x];
        output[row * n + column] = narrow<T>(scale * sum);
    }
}

#define NARROW(NAME, IS_TRANSPOSED, TILES, SUFFIX, T) \
    extern "C" __global__ void __launch_bounds__(32 * NARROW_WARPS, 1) narrow_##NAME##_##TILES##_##SUFFIX( \
        float scale, const T *a, const float *b, T *output, int64 m, int n, int64 k) { \
        multiply_narrow<T, IS_TRANSPOSED, TILES>(scale, a, b, output, m, n, k); \
    }
#define NARROW_TILES(TILES, SUFFIX, T) \
    NARROW(nn, false, TILES, SUFFIX, T) \
    NARROW(nt, true, TILES, SUFFIX, T)
#define NARROW_TYPE(SUFFIX, T) \
    NARROW_TILES(2, SUFFIX, T) \
    NARROW_TILES(4, SUFFIX, T)
NARROW_TYPE(f16, float16)
NARROW_TYPE(bf16, bfloat16)

#endif
