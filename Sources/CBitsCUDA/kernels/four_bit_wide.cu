// Products of 9 to 64 rows with a 4-bit weight on Hopper: output [M, N] = x [M, K] · Wᵀ (+ bias), the weight read once, as it lies.
//
// A group of four warps multiplies 64 rows of the weight with all of x, by matrix instructions that take one operand from registers and one from shared
// memory. Registers hold the weight: a lane replaces a byte by the two codes that it stands for, by one access to a table of which each lane has a copy
// (see four_bit_hopper.cu), and the sums of 64 elements are multiplied with their scale in float32. x comes in the order and layout that
// `four_bit_arrange_tokens` gives it, a chunk of k at a time, which one thread asks for. A warp copies its rows' bytes to shared memory two units ahead: of
// loads to registers it would have to wait for the latest. Blocks along x take parts of k; where they are a cluster, they add up what they have themselves.
// Where `is_constant`, nothing that may still run writes the weight.

#include "clusters.cuh"

#ifdef __CUDA_ARCH_FEAT_SM90_ALL

enum { GROUPS = 4, GROUP = 128, BLOCK_ROWS = 64 * GROUPS, THREADS = GROUPS * GROUP };
// Elements of k: that have one scale, that are a chunk of x, whose scales four lanes have together. Chunks that there is room for, and that are on their
// way before they are needed.
enum { RUN = 64, CHUNK = 128, UNIT = 256, STAGES = 6, AHEAD = STAGES - 2 };
// Addresses in shared memory. The table has a row of 256 bytes for each byte of a weight, so that an address is a permutation of bytes; half of a row is
// used for that. Barriers lie at the beginning.
enum { TABLE_ADDRESS = 256 * 256, NESTED_AT = TABLE_ADDRESS - 1024, STAGES_AT = 2 * TABLE_ADDRESS, SUM_PITCH = BLOCK_ROWS + 4 };
// Of a unit, what a row of the weight has; bytes of units by turns between the barriers and the table, and in the other halves of the table's rows; what
// scales are made of: of a warp's 16 rows a word with the codes of a unit and a number to multiply them with, or four numbers each.
enum { ROW_BYTES = UNIT / 2, BYTES_AT = 16 * 1024, SCALES_AT = BYTES_AT + BLOCK_ROWS * ROW_BYTES, SCALE_BYTES = 256 };
extern __shared__ __align__(1024) uint8 memory[];

struct four_bit_weight {
    const uint8 *packed;
    const float *code;
    // Of each block of 2^block_shift elements, at least 64; NULL where scales are nested.
    const float *absmax;
    const uint8 *absmax_codes;
    const float *nested_code, *nested_absmax, *nested_offset;
    int block_shift, nested_shift;
    int64 rows, columns;
};

// Addresses of a block in a cluster have its number in their highest byte.
__device__ __forceinline__ uint32 own_window() { return shared_address(memory) & 0xff000000; }
__device__ __forceinline__ uint8 *at_address(uint32 address) { return memory + (own_window() + address - shared_address(memory)); }

// MARK: Instructions

__device__ __forceinline__ void begin_barrier(uint32 barrier, int arrivals) {
    asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(barrier), "r"(arrivals) : "memory");
}
__device__ __forceinline__ void arrive(uint32 barrier) {
    asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(barrier) : "memory");
}
__device__ __forceinline__ void await_phase(uint32 barrier, int phase) {
    asm volatile("{\n.reg .pred p;\nAGAIN:\nmbarrier.try_wait.parity.shared::cta.b64 p, [%0], %1;\n@!p bra AGAIN;\n}" ::"r"(barrier),
                 "r"(phase & 1)
                 : "memory");
}
// Bytes that lie together on their way to shared memory, whose coming ends the barrier's phase.
__device__ __forceinline__ void fetch_run(uint32 to, const uint8 *from, int bytes, uint32 barrier) {
    asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(barrier), "r"(bytes) : "memory");
    asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::"r"(to), "l"(from),
                 "r"(bytes), "r"(barrier)
                 : "memory");
}

#define FOUR(d, n) "+f"(d[n][0]), "+f"(d[n][1]), "+f"(d[n][2]), "+f"(d[n][3])

// sums = a b' (+ sums where `adds`), of 64 x 16 elements in registers, and of the rows of x by 16 in shared memory.
template <typename T> __device__ __forceinline__ void multiply(float (&sums)[2][4], const uint32 (&a)[4], uint64 b, int adds);
template <typename T> __device__ __forceinline__ void multiply(float (&sums)[4][4], const uint32 (&a)[4], uint64 b, int adds);
template <typename T> __device__ __forceinline__ void multiply(float (&sums)[8][4], const uint32 (&a)[4], uint64 b, int adds);
#define PRODUCTS(T, TYPE) \
    template <> __device__ __forceinline__ void multiply<T>(float (&sums)[2][4], const uint32 (&a)[4], uint64 b, int adds) { \
        asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %13, 0;\n" \
                     "wgmma.mma_async.sync.aligned.m64n16k16.f32." TYPE "." TYPE " {%0, %1, %2, %3, %4, %5, %6, %7}, {%8, %9, %10, %11}, %12, p, 1, 1, 0;\n}" \
                     : FOUR(sums, 0), FOUR(sums, 1) \
                     : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(adds)); \
    } \
    template <> __device__ __forceinline__ void multiply<T>(float (&sums)[4][4], const uint32 (&a)[4], uint64 b, int adds) { \
        asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %21, 0;\n" \
                     "wgmma.mma_async.sync.aligned.m64n32k16.f32." TYPE "." TYPE " {%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15}, {%16, %17, %18, %19}, %20, p, 1, 1, 0;\n}" \
                     : FOUR(sums, 0), FOUR(sums, 1), FOUR(sums, 2), FOUR(sums, 3) \
                     : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(adds)); \
    } \
    template <> __device__ __forceinline__ void multiply<T>(float (&sums)[8][4], const uint32 (&a)[4], uint64 b, int adds) { \
        asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %37, 0;\n" \
                     "wgmma.mma_async.sync.aligned.m64n64k16.f32." TYPE "." TYPE " {%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31}, {%32, %33, %34, %35}, %36, p, 1, 1, 0;\n}" \
                     : FOUR(sums, 0), FOUR(sums, 1), FOUR(sums, 2), FOUR(sums, 3), FOUR(sums, 4), FOUR(sums, 5), FOUR(sums, 6), FOUR(sums, 7) \
                     : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(adds)); \
    }
PRODUCTS(float16, "f16")
PRODUCTS(bfloat16, "bf16")

// How matrix instructions find 16 elements of a run of x: rows of 128 bytes, groups of eight rows 1024 bytes apart.
__device__ __forceinline__ uint64 description(uint32 address) {
    return (uint64)((address & 0x3ffff) >> 4) | (uint64)1 << 16 | (uint64)(1024 >> 4) << 32 | (uint64)1 << 62;
}

// MARK: The weight

template <int I> __device__ __forceinline__ uint32 decoded(uint32 word, uint32 copy) {
    uint32 pair;
    asm("ld.shared.u32 %0, [%1];" : "=r"(pair) : "r"(__byte_perm(word, copy, 0x6504 | I << 4)));
    return pair;
}

// The first operand of four products: the runs of 8 bytes that a lane has of rows r and r + 8, where r is its number by four.
__device__ __forceinline__ void decode(uint32 (&a)[4][4], uint2 upper, uint2 lower, uint32 copy) {
#pragma unroll
    for (int i = 0; i < 4; i++) {
        const uint32 u = i < 2 ? upper.x : upper.y, v = i < 2 ? lower.x : lower.y;
        a[i][0] = i % 2 ? decoded<2>(u, copy) : decoded<0>(u, copy);
        a[i][1] = i % 2 ? decoded<2>(v, copy) : decoded<0>(v, copy);
        a[i][2] = i % 2 ? decoded<3>(u, copy) : decoded<1>(u, copy);
        a[i][3] = i % 2 ? decoded<3>(v, copy) : decoded<1>(v, copy);
    }
}

// Units of k of a warp's 16 rows, one after the other. A lane copies 16 bytes of every fourth row, and a word or two of the scales; it reads of rows r and
// r + 8, where r is its number by four, 8 bytes of each run, and the scales of one run. Bytes of row r lie with their 16 of number p at p ^ 2 r % 8, so that
// lanes that read together meet in no bank.
struct weight_units {
    const uint8 *from;
    // The blocks of 64 elements in a row of the weight, and those at which the next unit begins that is to be copied, and to be read.
    uint32 per_row, copied, read;
    // The last of the 16 rows that there is: those beyond are this one again, and what comes of them is dropped.
    uint32 last, lane, warp;

    __device__ __forceinline__ weight_units(const four_bit_weight &w, int unit) {
        lane = threadIdx.x % 32, warp = threadIdx.x / 32;
        const int64 first = min(blockIdx.y * (int64)BLOCK_ROWS + 16 * warp, w.rows - 1);
        per_row = (uint32)(w.columns / RUN);
        last = (uint32)min(w.rows - 1 - first, (int64)15);
        copied = read = (uint32)(first * per_row) + 4 * unit;
        from = w.packed + (first * per_row + 4 * unit) * (RUN / 2) + lane % 8 * 16;
    }

    // Where a row lies, and a word of the scales.
    __device__ __forceinline__ uint32 row_at(uint32 row, int turn) const {
        return own_window() + (turn ? TABLE_ADDRESS + 128 + (warp * 16 + row) * 256 : BYTES_AT + (warp * 16 + row) * ROW_BYTES);
    }
    __device__ __forceinline__ uint32 word_at(uint32 word, int turn) const {
        return own_window() + SCALES_AT + (warp * 2 + turn) * SCALE_BYTES + 4 * word;
    }
    __device__ __forceinline__ uint32 block_of(uint32 row) const { return min(row, last) * per_row; }

    __device__ __forceinline__ void copy(const four_bit_weight &w, int turn) {
        const int shift = w.block_shift - 6;
#pragma unroll
        for (uint32 i = 0; i < 4; i++) {
            const uint32 row = lane / 8 + 4 * i;
            fetch(row_at(row, turn) + (lane ^ 2 * row) % 8 * 16, from + (uint64)block_of(row) * (RUN / 2));
        }
        if (w.absmax) {
#pragma unroll
            for (uint32 r = 0; r < 2; r++)
                fetch_number(word_at(lane + 32 * r, turn), w.absmax + ((copied + block_of(lane / 4 + 8 * r) + lane % 4) >> shift));
        } else {
            const uint32 block = (copied + block_of(lane % 16)) >> shift;
            const void *codes = w.absmax_codes + (block & ~3), *numbers = w.nested_absmax + (block >> w.nested_shift);
            fetch_number(word_at(lane, turn), lane < 16 ? codes : numbers);
        }
        from += ROW_BYTES;
        copied += 4;
    }

    __device__ __forceinline__ void take(const four_bit_weight &w, float offset, int turn, uint2 (&words)[4][2], float (&scales)[2]) {
#pragma unroll
        for (uint32 r = 0; r < 2; r++) {
            const uint32 row = lane / 4 + 8 * r, at = row_at(row, turn) + lane % 4 * 8 + row % 4 * 32;
#pragma unroll
            for (int b = 0; b < 4; b++) words[b][r] = load_two(at ^ b * 32);
            if (w.absmax) {
                scales[r] = load_number(word_at(lane + 32 * r, turn));
            } else {
                const uint32 block = (read + block_of(row) + lane % 4) >> (w.block_shift - 6), code = load_byte(word_at(row, turn) + block % 4);
                scales[r] = __fadd_rn(__fmul_rn(load_number(own_window() + NESTED_AT + 4 * code), load_number(word_at(16 + row, turn))), offset);
            }
        }
        read += 4;
    }
};

// MARK: Products

template <typename T, int TOKENS>
__device__ __forceinline__ void multiply_wide(
    const uint8 *x, const four_bit_weight &w, const void *bias, int bias_type, void *output, int output_type, int m, bool is_constant) {
    enum { DECODES_AHEAD = TOKENS < 64, RUN_BYTES = TOKENS * RUN * 2, STAGE_BYTES = TOKENS * CHUNK * 2 };
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, units = (int)(w.columns / UNIT);
    const int from = (int)((int64)units * blockIdx.x / gridDim.x), to = (int)((int64)units * (blockIdx.x + 1) / gridDim.x);
    // Barriers for chunks of x that have come, and that nobody reads any more. The address is to stay in a register.
    uint32 came;
    asm volatile("mov.u32 %0, %1;" : "=r"(came) : "r"(shared_address(memory)));
    const uint32 left = came + 8 * STAGES;
    if (threadIdx.x == 0) {
        for (int stage = 0; stage < STAGES; stage++) {
            begin_barrier(came + 8 * stage, 1);
            begin_barrier(left + 8 * stage, GROUPS * GROUP / 32);
        }
        asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
    }
    asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
    if (!is_constant) wait_for_launches_before();
    // By one thread: a chunk of x on its way, where there is one.
    const auto fetch_chunk = [&](int number) {
        const int stage = number % STAGES, use = number / STAGES;
        if (number >= 2 * (to - from)) return;
        if (use > 0) await_phase(left + 8 * stage, use - 1);
        fetch_run(own_window() + STAGES_AT + stage * STAGE_BYTES, x + (from * 2 + number) * (int64)STAGE_BYTES, STAGE_BYTES, came + 8 * stage);
    };
    weight_units own_units(w, from);
#pragma unroll 1
    for (int unit = 0; unit < 2; unit++) {
        if (from + unit < to) own_units.copy(w, unit);
        end_fetches();
    }
    const int byte = threadIdx.x % 256;
    const uint32 pair = pack<T>(w.code[byte >> 4], w.code[byte & 15]);
    uint4 *row = (uint4 *)at_address(TABLE_ADDRESS + byte * 256);
#pragma unroll
    for (int i = 0; i < 4; i++) row[(threadIdx.x / 256 * 4 + i + byte) % 8] = make_uint4(pair, pair, pair, pair);
    if (threadIdx.x < 256) *(float *)at_address(NESTED_AT + 4 * byte) = w.absmax ? 0.0f : w.nested_code[byte];
    const float offset = w.absmax ? 0.0f : *w.nested_offset;
    if (is_constant) wait_for_launches_before();
    if (threadIdx.x == 0)
        for (int number = 0; number < AHEAD; number++) fetch_chunk(number);
    __syncthreads();
    const int local_row = warp * 16 + lane / 4;
    // Of the table's address and a lane's place in its rows; known from here on, so that nothing is looked up before it is there.
    uint32 copy;
    asm volatile("mov.u32 %0, %1;" : "=r"(copy) : "r"(lane * 4 | TABLE_ADDRESS >> 8 | own_window() >> 8));
    uint2 words[4][2];
    float scales[2];
    // Takes a unit, and asks for the one after the next in its place.
    const auto take = [&](int unit) {
        await_fetches<1>();
        __syncwarp();
        own_units.take(w, offset, (unit - from) % 2, words, scales);
        __syncwarp();
        if (unit + 2 < to) own_units.copy(w, (unit - from) % 2);
        end_fetches();
    };
    if (from < to) take(from);
    float sums[TOKENS / 8][4] = {};
    uint32 a[2][4][4];
    if (DECODES_AHEAD && from < to) decode(a[0], words[0][0], words[0][1], copy);
    int stage = 0, phase = 0;
    for (int unit = from; unit < to; unit++) {
        const float now[2] = {scales[0], scales[1]};
#pragma unroll
        for (int b = 0; b < 4; b++) {
            uint32(&own)[4][4] = a[DECODES_AHEAD ? b % 2 : 0];
            if (!DECODES_AHEAD) decode(own, words[b][0], words[b][1], copy);
            if (b % 2 == 0) {
                if (threadIdx.x == 0) fetch_chunk((unit - from) * 2 + b / 2 + AHEAD);
                await_phase(came + 8 * stage, phase);
            }
            const uint64 run = description(STAGES_AT + stage * STAGE_BYTES + b % 2 * RUN_BYTES);
            float products[TOKENS / 8][4];
            asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
#pragma unroll
            for (int i = 0; i < 4; i++) multiply<T>(products, own[i], run + i * 2, i > 0);
            asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
            if (b == 3 && unit + 1 < to) take(unit + 1);
            if (DECODES_AHEAD) decode(a[(b + 1) % 2], words[(b + 1) % 4][0], words[(b + 1) % 4][1], copy);
            const float upper = __shfl_sync(FULL_WARP, now[0], b, 4), lower = __shfl_sync(FULL_WARP, now[1], b, 4);
            asm volatile("wgmma.wait_group.sync.aligned 0;" ::: "memory");
#pragma unroll
            for (int n = 0; n < TOKENS / 8; n++)
                asm volatile("" : "+f"(products[n][0]), "+f"(products[n][1]), "+f"(products[n][2]), "+f"(products[n][3])::"memory");
            if (b % 2 == 1) {
                if (lane == 0) arrive(left + 8 * stage);
                if (++stage == STAGES) stage = 0, phase ^= 1;
            }
#pragma unroll
            for (int n = 0; n < TOKENS / 8; n++)
#pragma unroll
                for (int c = 0; c < 4; c++) sums[n][c] = __fmaf_rn(products[n][c], c < 2 ? upper : lower, sums[n][c]);
        }
    }
    // Stored by rows of the output, from shared memory, of which the blocks of a cluster take a share each.
    float *total = (float *)at_address(STAGES_AT);
    __syncthreads();
#pragma unroll
    for (int n = 0; n < TOKENS / 8; n++)
#pragma unroll
        for (int c = 0; c < 4; c++) total[(n * 8 + lane % 4 * 2 + c % 2) * SUM_PITCH + local_row + c / 2 * 8] = sums[n][c];
    cluster_barrier();
    const int size = cluster_size(), fours = BLOCK_ROWS / 4 / size, own = cluster_rank() * fours;
    const bool in_fours = w.rows % 4 == 0 && takes_fours(output, output_type);
#pragma unroll 1
    for (int e = threadIdx.x; e < m * fours; e += THREADS) {
        const int local = 4 * (own + e % fours), token = e / fours;
        const int64 row = blockIdx.y * (int64)BLOCK_ROWS + local, start = (blockIdx.x / size * (int64)m + token) * w.rows;
        if (row >= w.rows) continue;
        float4 sum = load_four_of(total + token * SUM_PITCH + local, 0);
#pragma unroll 1
        for (int rank = 1; rank < size; rank++) {
            const float4 more = load_four_of(total + token * SUM_PITCH + local, rank);
            sum.x += more.x, sum.y += more.y, sum.z += more.z, sum.w += more.w;
        }
        if (bias) {
            const float4 shift = widen_four(load_up_to_four(bias, bias_type, row, w.rows), bias_type);
            sum.x += shift.x, sum.y += shift.y, sum.z += shift.z, sum.w += shift.w;
        }
        if (in_fours) store_four(output, output_type, start + row, sum);
        else store_up_to_four(output, output_type, start + row, start + w.rows, sum);
    }
    // Nobody goes while others read its sums.
    cluster_barrier();
}

#define WIDE(NAME, T, TOKENS) \
    extern "C" __global__ void __launch_bounds__(THREADS, 1) four_bit_wide_##TOKENS##_##NAME( \
        const uint8 *x, const uint8 *packed, const float *code, const float *absmax, const uint8 *absmax_codes, const float *nested_code, \
        const float *nested_absmax, const float *nested_offset, int block_shift, int nested_shift, const void *bias, int bias_type, void *output, \
        int output_type, int m, int64 n, int64 k, int is_constant) { \
        const four_bit_weight w = { \
            packed, code, absmax, absmax_codes, nested_code, nested_absmax, nested_offset, block_shift, nested_shift, n, k}; \
        multiply_wide<T, TOKENS>(x, w, bias, bias_type, output, output_type, m, is_constant); \
    }
WIDE(f16, float16, 16)
WIDE(f16, float16, 32)
WIDE(f16, float16, 64)
WIDE(bf16, bfloat16, 16)
WIDE(bf16, bfloat16, 32)
WIDE(bf16, bfloat16, 64)

// x [M, K] as chunks of `tokens` rows, zeros behind its own: runs of 64 elements of k, each row of a run 128 bytes whose pieces of 16 change places by the
// row's number. Piece p of a run has the pairs of elements at 16 t + 2 p for t = 0, 1, 2, 3: those that four lanes have of a weight's row.
template <typename T> __device__ __forceinline__ void arrange_tokens(const void *x, int type, uint4 *output, int tokens, int m, int64 k) {
    begin_launch();
    const int64 place = thread_index();
    if (place >= tokens * k / 8) return;
    const int piece = (int)(place % 8), token = (int)(place / 8 % tokens);
    const int64 run = place / 8 / tokens, from = token * k + run * 64 + 2 * piece;
    uint32 pairs[4] = {0, 0, 0, 0};
    if (token < m) {
#pragma unroll
        for (int t = 0; t < 4; t++) pairs[t] = pack<T>(load_float(x, type, from + 16 * t), load_float(x, type, from + 16 * t + 1));
    }
    output[(run * tokens + token) * 8 + (piece ^ (token & 7))] = make_uint4(pairs[0], pairs[1], pairs[2], pairs[3]);
}
extern "C" __global__ void __launch_bounds__(256) four_bit_arrange_tokens_f16(const void *x, int type, uint4 *output, int tokens, int m, int64 k) {
    arrange_tokens<float16>(x, type, output, tokens, m, k);
}
extern "C" __global__ void __launch_bounds__(256) four_bit_arrange_tokens_bf16(const void *x, int type, uint4 *output, int tokens, int m, int64 k) {
    arrange_tokens<bfloat16>(x, type, output, tokens, m, k);
}

#endif
