// Products of few rows with a 4-bit weight that is read once, as it lies: output [M, N] = x [M, K] · Wᵀ (+ bias).
//
// `W[n, k] = rn(fl(code[c] * scale))`, rounded to the type of x, is a matter of one access to shared memory for two numbers: a byte of the weight is
// replaced by both numbers of the code, from a table that 16 lanes have copies of. A byte holds two neighbours in k, which is what a register of a
// tensor core's operand holds; in what order k is summed does not matter, so a lane takes 16 bytes of a row at a time, and the same 32 elements of x.

#if __CUDA_ARCH__ >= 800

struct four_bit_weight {
    const uint8 *packed;
    const float *code;
    // Of each block of 2^block_shift elements; NULL where scales are nested.
    const float *absmax;
    const uint8 *absmax_codes;
    const float *nested_code, *nested_absmax, *nested_offset;
    int block_shift, nested_shift;
    int64 rows, columns;
};

// UNIT elements of k of 16 rows are what a warp takes at a time. The table has a row of 256 bytes for each byte of the weight, so that an address is
// a permutation of bytes: half of it pairs of numbers, the other half room for sums.
enum { WARPS = 8, UNIT = 256, TABLE_BYTES = 256 * 256, X_OFFSET = TABLE_BYTES + 1024, SUMS = 256 * 32 };
extern __shared__ __align__(1024) uint8 memory[];

__device__ __forceinline__ float *sum_at(int i) { return (float *)(memory + i / 32 * 256 + 128 + i % 32 * 4); }

// How scales are found: one for 64 elements, plain or nested, so that a row's four of a unit lie together; or any others.
enum scale_form { PLAIN_64, NESTED_64, OTHER };

__device__ __forceinline__ uint4 load_once(const void *address) {
    uint4 x;
    asm volatile("ld.global.nc.L1::no_allocate.v4.u32 {%0, %1, %2, %3}, [%4];" : "=r"(x.x), "=r"(x.y), "=r"(x.z), "=r"(x.w) : "l"(address));
    return x;
}

// What a lane holds of a unit: of each of two rows 16 bytes in either half, and what their scales are made of.
struct unit_part {
    uint4 bytes[2][2];
    // Plain: the scales of either half. Nested: the codes, four together or one for each half; and the absmax that belongs to them.
    uint32 scales[2][2];
    float outer[2];
};

// Where a lane reads: its two rows of a tile.
struct lane_rows {
    const uint8 *packed[2];
    int64 element[2];

    __device__ __forceinline__ lane_rows(const four_bit_weight &w, int64 tile) {
#pragma unroll
        for (int r = 0; r < 2; r++) {
            // Rows beyond the end are read again, and what comes of them is dropped.
            element[r] = min(tile * 16 + threadIdx.x % 32 / 4 + 8 * r, w.rows - 1) * w.columns;
            packed[r] = w.packed + element[r] / 2 + threadIdx.x % 4 * 16;
        }
    }

    template <scale_form FORM> __device__ __forceinline__ unit_part load(const four_bit_weight &w, int unit) const {
        unit_part part;
        int quarter = threadIdx.x % 4;
#pragma unroll
        for (int r = 0; r < 2; r++) {
            part.bytes[r][0] = load_once(packed[r] + unit * (int64)(UNIT / 2));
            part.bytes[r][1] = load_once(packed[r] + unit * (int64)(UNIT / 2) + UNIT / 4);
            int64 from = element[r] + unit * (int64)UNIT;
            if (FORM == PLAIN_64) {
                const float *scales = w.absmax + from / 64 + quarter / 2;
                part.scales[r][0] = __float_as_uint(scales[0]);
                part.scales[r][1] = __float_as_uint(scales[2]);
            } else if (FORM == NESTED_64) {
                part.scales[r][0] = *(const uint32 *)(w.absmax_codes + from / 64);
                part.outer[r] = w.nested_absmax[(from / 64) >> w.nested_shift];
            } else {
#pragma unroll
                for (int h = 0; h < 2; h++) {
                    int64 block = (from + 128 * h + quarter * 32) >> w.block_shift;
                    part.scales[r][h] = w.absmax ? __float_as_uint(w.absmax[block]) : w.absmax_codes[block];
                }
                if (!w.absmax) part.outer[r] = w.nested_absmax[from >> w.block_shift >> w.nested_shift];
            }
        }
        return part;
    }
};

// The tables of a block of 256 threads: the pairs of numbers, and behind them the code of nested scales. They are built while the launch before ends,
// and again where that has just written the codes.
struct code_tables {
    float2 pair;
    float nested;

    // From memory, not from a cache that may be older than what another launch writes.
    __device__ __forceinline__ code_tables(const four_bit_weight &w) {
        pair = make_float2(__ldcg(w.code + (threadIdx.x >> 4)), __ldcg(w.code + (threadIdx.x & 15)));
        nested = w.absmax ? 0.0f : __ldcg(w.nested_code + threadIdx.x);
    }

    __device__ __forceinline__ void build() const {
        // A thread has one byte's pair to copy; threads begin at different copies, so that they do not meet in a bank.
#pragma unroll
        for (int i = 0; i < 16; i++) *(float2 *)(memory + threadIdx.x * 256 + (i + threadIdx.x) % 16 * 8) = pair;
        ((float *)(memory + TABLE_BYTES))[threadIdx.x] = nested;
    }

    // Ends with a barrier: the tables are there.
    __device__ __forceinline__ void build_again_if_changed(const four_bit_weight &w) const {
        code_tables now(w);
        bool differs = __float_as_uint(now.pair.x) != __float_as_uint(pair.x) || __float_as_uint(now.pair.y) != __float_as_uint(pair.y)
            || __float_as_uint(now.nested) != __float_as_uint(nested);
        if (!__syncthreads_or(differs)) return;
        now.build();
        __syncthreads();
    }
};

__device__ __forceinline__ void let_next_launch_begin() {
#if __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}

__device__ __forceinline__ float nested_scale(uint32 code, float absmax, float offset) {
    return __fadd_rn(__fmul_rn(((const float *)(memory + TABLE_BYTES))[code], absmax), offset);
}

// The scale of a lane's half h of row r.
template <scale_form FORM> __device__ __forceinline__ float scale_of(const unit_part &part, int r, int h, bool is_plain, float offset) {
    if (FORM == PLAIN_64 || (FORM == OTHER && is_plain)) return __uint_as_float(part.scales[r][h]);
    uint32 code = FORM == NESTED_64 ? part.scales[r][0] >> (16 * h + threadIdx.x % 4 / 2 * 8) & 255 : part.scales[r][h];
    return nested_scale(code, part.outer[r], offset);
}

template <typename T> __device__ uint32 packed(float even, float odd);
template <> __device__ __forceinline__ uint32 packed<bfloat16>(float even, float odd) {
    uint32 x;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(x) : "f"(odd), "f"(even));
    return x;
}
template <> __device__ __forceinline__ uint32 packed<float16>(float even, float odd) {
    uint32 x;
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(x) : "f"(odd), "f"(even));
    return x;
}

// The two numbers of byte i of `word`.
template <typename T, int I> __device__ __forceinline__ uint32 decoded(uint32 word, float scale, uint32 copy) {
    uint32 address = __byte_perm(word, copy, 0x5504 | I << 4);
    float2 pair = *(const float2 *)(memory + address);
    return packed<T>(__fmul_rn(pair.x, scale), __fmul_rn(pair.y, scale));
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

__device__ __forceinline__ uint32 word_of(const uint4 &x, int i) { return i == 0 ? x.x : i == 1 ? x.y : i == 2 ? x.z : x.w; }

// One row of x, of T or float32, which the block brings into shared memory; the other columns of the tensor cores' tile are zeros.
template <typename T> struct one_row {
    const void *x;
    bool is_float;

    __device__ __forceinline__ one_row(const void *x, int type) : x(x), is_float(type == FLOAT32) {}

    // Ends without a barrier.
    __device__ __forceinline__ void stage(int64 k) const {
        for (int place = threadIdx.x; place < k / 8; place += 256) {
            uint4 &to = ((uint4 *)(memory + X_OFFSET))[place];
            if (is_float) {
                float4 low = ((const float4 *)x)[2 * place], high = ((const float4 *)x)[2 * place + 1];
                to = make_uint4(packed<T>(low.x, low.y), packed<T>(low.z, low.w), packed<T>(high.x, high.y), packed<T>(high.z, high.w));
            } else {
                to = ((const uint4 *)x)[place];
            }
        }
    }

    // 8 of a lane's 32 elements in half h of a unit.
    __device__ __forceinline__ uint4 load(int unit, int h, int e) const {
        if (threadIdx.x % 32 >= 4) return make_uint4(0, 0, 0, 0);
        return ((const uint4 *)(memory + X_OFFSET))[(unit * 2 + h) * 16 + threadIdx.x % 4 * 4 + e];
    }
};

// Up to 8 rows of x as `four_bit_arrange_rows` leaves them: what a warp loads together lies together.
struct arranged_rows {
    const uint4 *at;

    __device__ __forceinline__ arranged_rows(const void *x, int) { at = (const uint4 *)x + threadIdx.x % 32; }

    __device__ __forceinline__ void stage(int64) const {}

    __device__ __forceinline__ uint4 load(int unit, int h, int e) const { return at[((unit * 2 + h) * 4 + e) * 32]; }
};

// Adds a unit to the sums of 16 rows and 8 columns.
template <typename T, scale_form FORM, typename Rows>
__device__ __forceinline__ void multiply_unit(
    float *sums, const unit_part &part, const Rows &x, int unit, bool is_plain, float offset, uint32 copy) {
#pragma unroll
    for (int h = 0; h < 2; h++) {
        uint4 b[4];
#pragma unroll
        for (int e = 0; e < 4; e++) b[e] = x.load(unit, h, e);
        float upper = scale_of<FORM>(part, 0, h, is_plain, offset), lower = scale_of<FORM>(part, 1, h, is_plain, offset);
#pragma unroll
        for (int i = 0; i < 4; i++) {
            uint32 u = word_of(part.bytes[0][h], i), v = word_of(part.bytes[1][h], i);
            uint32 first[4] = {
                decoded<T, 0>(u, upper, copy), decoded<T, 0>(v, lower, copy), decoded<T, 1>(u, upper, copy), decoded<T, 1>(v, lower, copy)};
            uint32 second[4] = {
                decoded<T, 2>(u, upper, copy), decoded<T, 2>(v, lower, copy), decoded<T, 3>(u, upper, copy), decoded<T, 3>(v, lower, copy)};
            multiply<T>(sums, first, b[i].x, b[i].y);
            multiply<T>(sums, second, b[i].z, b[i].w);
        }
    }
}

// Asks for a warp's first two units, a line of a row to a lane.
__device__ __forceinline__ void prefetch_units(const four_bit_weight &w, int64 tile, int units) {
    int unit = threadIdx.x / 32 + threadIdx.x % 32 / 16 * WARPS;
    int64 row = min(tile * 16 + threadIdx.x % 16, w.rows - 1);
    if (unit < units) asm volatile("prefetch.global.L2 [%0];" : : "l"(w.packed + (row * w.columns + unit * UNIT) / 2));
}

template <typename T, scale_form FORM, typename Rows>
__device__ __forceinline__ void multiply_rows(
    const Rows &x, const four_bit_weight &w, const void *bias, int bias_type, void *output, int output_type, int m) {
    int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    uint32 copy = lane % 16 * 8;
    int64 tiles = (w.rows + 15) / 16;
    int units = (int)(w.columns / UNIT);
    // A warp takes units warp, warp + 8, ... of each tile of its block, and has one loaded ahead.
    unit_part ahead;
    int64 next_tile = blockIdx.x;
    int next_unit = warp;
    lane_rows rows(w, next_tile);
    // The cache may have the weight's first units while the launch before ends.
    prefetch_units(w, next_tile, units);
    let_next_launch_begin();
    code_tables tables(w);
    tables.build();
    wait_for_launches_before();
    if (warp < units) ahead = rows.load<FORM>(w, next_unit);
    x.stage(w.columns);
    bool is_plain = w.absmax;
    float offset = is_plain ? 0.0f : w.nested_offset[0];
    tables.build_again_if_changed(w);
    int kept = 0, room = SUMS / (16 * WARPS * m);
    int64 first_kept = blockIdx.x;
    for (int64 tile = blockIdx.x; tile < tiles; tile += gridDim.x) {
        float sums[4] = {};
        for (int unit = warp; unit < units; unit += WARPS) {
            unit_part part = ahead;
            if ((next_unit += WARPS) >= units) {
                next_unit = warp;
                next_tile += gridDim.x;
                rows = lane_rows(w, next_tile);
            }
            if (next_tile < tiles) ahead = rows.load<FORM>(w, next_unit);
            multiply_unit<T, FORM>(sums, part, x, unit, is_plain, offset, copy);
        }
#pragma unroll
        for (int c = 0; c < 4; c++) {
            int row = lane / 4 + c / 2 * 8, column = lane % 4 * 2 + c % 2;
            if (column < m) *sum_at(((kept * 16 + row) * m + column) * WARPS + warp) = sums[c];
        }
        if (++kept < room && tile + gridDim.x < tiles) continue;
        // The sums of all warps are added when the room for them is used up, or at the end.
        __syncthreads();
        for (int i = threadIdx.x; i < kept * 16 * m; i += 32 * WARPS) {
            int64 row = (first_kept + i / (16 * m) * (int64)gridDim.x) * 16 + i / m % 16;
            if (row >= w.rows) continue;
            float sum = bias ? load_float(bias, bias_type, row) : 0.0f;
#pragma unroll
            for (int s = 0; s < WARPS; s++) sum += *sum_at(i * WARPS + s);
            store_float(output, output_type, i % m * w.rows + row, sum);
        }
        __syncthreads();
        kept = 0;
        first_kept = tile + gridDim.x;
    }
}

#define FEW_ROWS(NAME, T, FORM, ROWS) \
    extern "C" __global__ void __launch_bounds__(256, 2) NAME( \
        const void *x, int x_type, const uint8 *packed, const float *code, const float *absmax, const uint8 *absmax_codes, const float *nested_code, \
        const float *nested_absmax, const float *nested_offset, int block_shift, int nested_shift, const void *bias, int bias_type, void *output, \
        int output_type, int m, int64 n, int64 k) { \
        four_bit_weight w = {packed, code, absmax, absmax_codes, nested_code, nested_absmax, nested_offset, block_shift, nested_shift, n, k}; \
        multiply_rows<T, FORM>(ROWS(x, x_type), w, bias, bias_type, output, output_type, m); \
    }
#define FEW_ROWS_OF(FORM_NAME, SUFFIX, T, FORM) \
    FEW_ROWS(four_bit_rows_1_##FORM_NAME##_##SUFFIX, T, FORM, one_row<T>) \
    FEW_ROWS(four_bit_rows_8_##FORM_NAME##_##SUFFIX, T, FORM, arranged_rows)
FEW_ROWS_OF(plain, f16, float16, PLAIN_64)
FEW_ROWS_OF(nested, f16, float16, NESTED_64)
FEW_ROWS_OF(other, f16, float16, OTHER)
FEW_ROWS_OF(plain, bf16, bfloat16, PLAIN_64)
FEW_ROWS_OF(nested, bf16, bfloat16, NESTED_64)
FEW_ROWS_OF(other, bf16, bfloat16, OTHER)

// x [M, K], zeros behind its rows, in groups of 128 elements of k: of each, lane 4 r + t has elements 32 t + 8 e to + 7 of row r at place 32 e + 4 r + t of
// 16 bytes.
template <typename T> __device__ __forceinline__ void arrange_rows(const void *x, int type, uint4 *output, int m, int64 k) {
    begin_launch();
    int64 place = thread_index();
    if (place >= k) return;
    int lane = (int)(place % 32), e = (int)(place / 32 % 4), row = lane / 4;
    int64 from = row * k + place / 128 * 128 + lane % 4 * 32 + e * 8;
    float values[8];
#pragma unroll
    for (int i = 0; i < 8; i++) values[i] = row < m ? load_float(x, type, from + i) : 0.0f;
    output[place] = make_uint4(
        packed<T>(values[0], values[1]), packed<T>(values[2], values[3]), packed<T>(values[4], values[5]), packed<T>(values[6], values[7]));
}
extern "C" __global__ void four_bit_arrange_rows_f16(const void *x, int type, uint4 *output, int m, int64 k) {
    arrange_rows<float16>(x, type, output, m, k);
}
extern "C" __global__ void four_bit_arrange_rows_bf16(const void *x, int type, uint4 *output, int m, int64 k) {
    arrange_rows<bfloat16>(x, type, output, m, k);
}

// MARK: Some rows

// Of several rows of x the sums of one weight row fill more of a tensor core's tile than the decoding costs, and x does not fit a warp's registers: a
// block of 16 warps takes 128 rows of the weight, and x goes through shared memory, a unit of k at a time. Warps share a block by 8 groups of 16 rows and
// by the halves of a unit. Blocks along y take parts of k. Bytes are replaced by codes in the type of x, and the sums of 64 elements, whose scale is one,
// are multiplied with it in float32.
enum { BLOCK_ROWS = 128, BLOCK_THREADS = 512, X_PITCH = 2 * UNIT + 16, SUM_PITCH = BLOCK_ROWS + 4 };

// What a lane holds of its half of a unit: of either row and block 8 bytes, and what its scales are made of: lanes 0 and 2 of four have those of the first
// block, lanes 1 and 3 of the second.
struct half_part {
    uint2 bytes[2][2];
    uint32 scales[2];
    float outer[2];

    __device__ __forceinline__ float scale(int r, bool is_plain, float offset) const {
        return is_plain ? __uint_as_float(scales[r]) : nested_scale(scales[r] & 255, outer[r], offset);
    }
};

// Where a lane reads the weight: the first elements of its half in two rows.
struct half_rows {
    int64 element[2];

    __device__ __forceinline__ half_rows(const four_bit_weight &w, int64 first_row, int half) {
#pragma unroll
        for (int r = 0; r < 2; r++) {
            // Rows beyond the end are read again, and what comes of them is dropped.
            int64 row = min(first_row + threadIdx.x % 32 / 4 + 8 * r, w.rows - 1);
            element[r] = row * w.columns + half * (UNIT / 2);
        }
    }

    __device__ __forceinline__ half_part load(const four_bit_weight &w, int unit) const {
        half_part part;
#pragma unroll
        for (int r = 0; r < 2; r++) {
            int64 from = element[r] + unit * (int64)UNIT;
#pragma unroll
            for (int b = 0; b < 2; b++) {
                const uint8 *at = w.packed + from / 2 + 32 * b + threadIdx.x % 4 * 8;
                asm volatile("ld.global.nc.L1::no_allocate.v2.u32 {%0, %1}, [%2];" : "=r"(part.bytes[r][b].x), "=r"(part.bytes[r][b].y) : "l"(at));
            }
            int64 block = (from + threadIdx.x % 2 * 64) >> w.block_shift;
            part.scales[r] = w.absmax ? __float_as_uint(w.absmax[block]) : w.absmax_codes[block];
            part.outer[r] = w.absmax ? 0.0f : w.nested_absmax[block >> w.nested_shift];
        }
        return part;
    }
};

// Copies units of 8 * TILES rows of x, zeros for those beyond the end.
template <int TILES> struct x_stage {
    const uint16 *source;
    int64 stride;
    uint32 target;
    int rows;

    __device__ __forceinline__ x_stage(const uint16 *x, int m, int64 k) : stride(16 * k), rows(m - (int)threadIdx.x / 32) {
        source = x + threadIdx.x / 32 * k + 8 * (threadIdx.x % 32);
        target = shared_address(memory + X_OFFSET) + threadIdx.x / 32 * X_PITCH + threadIdx.x % 32 * 16;
    }

    // Into one of two places in turn.
    __device__ __forceinline__ void copy(int unit, int turn) const {
        const uint16 *from = source + unit * (int64)UNIT;
        uint32 to = target + turn % 2 * (8 * TILES * X_PITCH);
#pragma unroll
        for (int i = 0; i < TILES / 2; i++) {
            bool is_there = 16 * i < rows;
            const uint16 *at = is_there ? from + i * stride : source;
            fetch(to + i * (16 * X_PITCH), at, is_there);
        }
        end_fetches();
    }
};

// The pairs of codes in the type of x, 32 copies: a row of 256 bytes for each byte of a weight. See `code_tables`.
template <typename T> struct pair_tables {
    uint32 pair;
    float nested;

    __device__ __forceinline__ pair_tables(const four_bit_weight &w) {
        const int byte = threadIdx.x % 256;
        pair = packed<T>(__ldcg(w.code + (byte >> 4)), __ldcg(w.code + (byte & 15)));
        nested = w.absmax ? 0.0f : __ldcg(w.nested_code + byte);
    }

    __device__ __forceinline__ void build() const {
        const int byte = threadIdx.x % 256;
#pragma unroll
        for (int i = 0; i < 4; i++)
            ((uint4 *)(memory + byte * 256))[(threadIdx.x / 256 * 4 + i + byte) % 8] = make_uint4(pair, pair, pair, pair);
        ((float *)(memory + TABLE_BYTES))[byte] = nested;
    }

    // Ends with a barrier: the tables are there.
    __device__ __forceinline__ void build_again_if_changed(const four_bit_weight &w) const {
        pair_tables now(w);
        if (!__syncthreads_or(now.pair != pair || __float_as_uint(now.nested) != __float_as_uint(nested))) return;
        now.build();
        __syncthreads();
    }
};

template <int I> __device__ __forceinline__ uint32 decoded_pair(uint32 word, uint32 copy) {
    return *(const uint32 *)(memory + __byte_perm(word, copy, 0x5504 | I << 4));
}

template <typename T, int TILES>
__device__ __forceinline__ void multiply_block(
    const uint16 *x, const four_bit_weight &w, const void *bias, int bias_type, void *output, int output_type, int m) {
    int warp = threadIdx.x / 32, lane = threadIdx.x % 32, group = warp % 8, half = warp / 8;
    uint32 copy = lane * 4;
    half_rows rows(w, blockIdx.x * (int64)BLOCK_ROWS + group * 16, half);
    x_stage<TILES> stage(x, m, w.columns);
    int units = (int)(w.columns / UNIT), from = (int)((int64)units * blockIdx.y / gridDim.y), to = (int)((int64)units * (blockIdx.y + 1) / gridDim.y);
    uint8 *staged = memory + X_OFFSET;
    const uint8 *x_lane = staged + lane / 4 * X_PITCH + half * 256 + lane % 4 * 32;
    float sums[TILES][4] = {};
    half_part ahead;
    let_next_launch_begin();
    pair_tables<T> tables(w);
    tables.build();
    wait_for_launches_before();
    if (from < to) {
        stage.copy(from, 0);
        ahead = rows.load(w, from);
    }
    bool is_plain = w.absmax;
    float offset = is_plain ? 0.0f : w.nested_offset[0];
    tables.build_again_if_changed(w);
    for (int unit = from; unit < to; unit++) {
        asm volatile("cp.async.wait_all;" : : : "memory");
        // All have what they staged for this unit, and nobody reads the one before any more.
        __syncthreads();
        half_part part = ahead;
        if (unit + 1 < to) {
            stage.copy(unit + 1, unit + 1 - from);
            ahead = rows.load(w, unit + 1);
        }
        float scales[2] = {part.scale(0, is_plain, offset), part.scale(1, is_plain, offset)};
        const uint8 *b_from = x_lane + (unit - from) % 2 * (8 * TILES * X_PITCH);
#pragma unroll
        for (int b = 0; b < 2; b++) {
            float upper = __shfl_sync(FULL_WARP, scales[0], b, 4), lower = __shfl_sync(FULL_WARP, scales[1], b, 4);
            uint32 a[4][4];
#pragma unroll
            for (int i = 0; i < 4; i++) {
                uint32 u = i < 2 ? part.bytes[0][b].x : part.bytes[0][b].y, v = i < 2 ? part.bytes[1][b].x : part.bytes[1][b].y;
                a[i][0] = i % 2 ? decoded_pair<2>(u, copy) : decoded_pair<0>(u, copy);
                a[i][1] = i % 2 ? decoded_pair<2>(v, copy) : decoded_pair<0>(v, copy);
                a[i][2] = i % 2 ? decoded_pair<3>(u, copy) : decoded_pair<1>(u, copy);
                a[i][3] = i % 2 ? decoded_pair<3>(v, copy) : decoded_pair<1>(v, copy);
            }
#pragma unroll
            for (int j = 0; j < TILES; j++) {
                uint4 low = *(const uint4 *)(b_from + 8 * j * X_PITCH + b * 128), high = *(const uint4 *)(b_from + 8 * j * X_PITCH + b * 128 + 16);
                float parts[4] = {};
                multiply<T>(parts, a[0], low.x, low.y);
                multiply<T>(parts, a[1], low.z, low.w);
                multiply<T>(parts, a[2], high.x, high.y);
                multiply<T>(parts, a[3], high.z, high.w);
#pragma unroll
                for (int c = 0; c < 4; c++) sums[j][c] = __fmaf_rn(parts[c], c < 2 ? upper : lower, sums[j][c]);
            }
        }
    }
    // The sums of both halves are added in shared memory, and stored from there by rows of the output.
    float *total = (float *)staged;
#pragma unroll
    for (int turn = 1; turn >= 0; turn--) {
        __syncthreads();
        if (half != turn) continue;
#pragma unroll
        for (int j = 0; j < TILES; j++)
#pragma unroll
            for (int c = 0; c < 4; c++) {
                int row = group * 16 + lane / 4 + c / 2 * 8, column = 8 * j + lane % 4 * 2 + c % 2;
                float *sum = total + column * SUM_PITCH + row;
                *sum = turn == 1 ? sums[j][c] : *sum + sums[j][c];
            }
    }
    __syncthreads();
#pragma unroll 1
    for (int e = threadIdx.x; e < m * BLOCK_ROWS; e += BLOCK_THREADS) {
        int64 row = blockIdx.x * (int64)BLOCK_ROWS + e % BLOCK_ROWS, column = e / BLOCK_ROWS;
        if (row >= w.rows) continue;
        float sum = total[column * SUM_PITCH + e % BLOCK_ROWS];
        if (gridDim.y > 1) ((float *)output)[(blockIdx.y * (int64)m + column) * w.rows + row] = sum;
        else store_float(output, output_type, column * w.rows + row, bias ? sum + load_float(bias, bias_type, row) : sum);
    }
}

#define SOME_ROWS(NAME, T, TILES) \
    extern "C" __global__ void __launch_bounds__(BLOCK_THREADS, 1) NAME( \
        const uint16 *x, int x_type, const uint8 *packed, const float *code, const float *absmax, const uint8 *absmax_codes, \
        const float *nested_code, const float *nested_absmax, const float *nested_offset, int block_shift, int nested_shift, const void *bias, \
        int bias_type, void *output, int output_type, int m, int64 n, int64 k) { \
        four_bit_weight w = {packed, code, absmax, absmax_codes, nested_code, nested_absmax, nested_offset, block_shift, nested_shift, n, k}; \
        multiply_block<T, TILES>(x, w, bias, bias_type, output, output_type, m); \
    }
SOME_ROWS(four_bit_block_16_f16, float16, 2)
SOME_ROWS(four_bit_block_32_f16, float16, 4)
SOME_ROWS(four_bit_block_64_f16, float16, 8)
SOME_ROWS(four_bit_block_16_bf16, bfloat16, 2)
SOME_ROWS(four_bit_block_32_bf16, bfloat16, 4)
SOME_ROWS(four_bit_block_64_bf16, bfloat16, 8)

#endif

// The sums of parts [parts, M, N], and the bias [N].
extern "C" __global__ void __launch_bounds__(256) four_bit_add_parts(
    const float *sums, int parts, const void *bias, int bias_type, void *output, int output_type, int64 m, int64 n) {
    begin_launch();
    for (int64 i = thread_index(); i < m * n; i += thread_count()) {
        float sum = bias ? load_float(bias, bias_type, i % n) : 0.0f;
        for (int p = 0; p < parts; p++) sum += sums[p * m * n + i];
        store_float(output, output_type, i, sum);
    }
}
