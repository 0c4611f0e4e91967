// Products of up to 8 rows with 4-bit weights on Hopper: output [M, N] = x [M, K] · Wᵀ (+ bias), of one weight or of several that share x.
//
// A byte of a weight holds two neighbours in k, which is what a register of a tensor core's operand holds, and in what order k is summed does not
// matter. So a lane replaces each byte by both numbers of the code in the type of x, with one permutation of bytes and one access to shared memory
// (32 copies of the table: no two lanes meet in a bank), and the sum of each 64 elements is multiplied with their scale in float32.
//
// A block of threads has tiles of 16 rows. A warp takes CHUNK elements of k at a time, with as many of x in registers for all of its tiles, and has the
// bytes for its next turns on their way. Sums of warps are added in their order when a block's tiles are done, or when there is no more room for them.

#if __CUDA_ARCH__ >= 900

enum { MOST_WEIGHTS = 3 };

struct few_weight {
    const uint8 *packed;
    // Of each block of 2^block_shift elements; NULL where scales are nested.
    const float *absmax;
    const uint8 *absmax_codes;
    const float *nested_absmax, *nested_offset;
    const void *bias;
    void *output;
    int64 rows;
};

// The weights have one code, and one code of nested scales or none.
struct few_rows {
    const void *x;
    int64 columns;
    const float *code, *nested_code;
    // [M, N], silu(first output) * second output; NULL: none is wanted.
    void *gated;
    few_weight weights[MOST_WEIGHTS];
    int bias_types[MOST_WEIGHTS], output_types[MOST_WEIGHTS];
    // Of each weight, tiles of 16 rows of those before; then of all.
    int first_tiles[MOST_WEIGHTS + 1];
    int x_type, m, weight_count, block_shift, nested_shift, gated_type;
    // Warps that share the columns of a tile, tiles whose sums have room.
    int across, room;
    // Whether nothing that may still run writes the weights.
    int is_constant, reserved;
};

enum { WARPS = 16, THREADS = 32 * WARPS, MOST_TURNS = 256 };
// Elements of k that a warp takes at a time, in blocks of 64; turns that it has on their way.
enum { BLOCKS = 4, CHUNK = 64 * BLOCKS, AHEAD = 2 };
// The table begins at TABLE_ADDRESS of shared memory and has a row of 256 bytes for each byte of a weight, so that an address is a permutation of bytes;
// half of a row is room for sums.
enum { TABLE_ADDRESS = 256 * 256, NESTED_AT = 0, TURNS_AT = 1024, X_AT = TURNS_AT + 16 * MOST_TURNS };
extern __shared__ __align__(1024) uint8 memory[];

__device__ __forceinline__ uint8 *table() { return memory + (TABLE_ADDRESS - (uint32)__cvta_generic_to_shared(memory)); }
__device__ __forceinline__ float *sum_at(int i) { return (float *)(table() + i / 32 * 256 + 128 + i % 32 * 4); }

// MARK: Turns

// A tile's part of k that a group of warps takes at a time.
struct turn {
    // -1: there is none.
    int weight;
    // The tile's first row.
    int row;
    // Of its sums, in float32.
    int slot;
    // The part of k: 0 has the first `across` chunks.
    int wave;
};

__device__ __forceinline__ turn *turns() { return (turn *)(memory + TURNS_AT); }

// What a lane holds of a chunk of 16 rows: its bytes of rows r and r + 8, where r is its number by four, and what their scales are made of.
struct chunk_part {
    uint32 words[2][2 * BLOCKS];
    uint32 first[2];
    float second[2];

    __device__ __forceinline__ float scale(const few_rows &p, int r, float offset) const {
        return p.nested_code ? __fadd_rn(__fmul_rn(((const float *)(memory + NESTED_AT))[first[r]], second[r]), offset) : __uint_as_float(first[r]);
    }
};

// Past the first cache: nobody else wants it.
__device__ __forceinline__ uint4 load_once(const uint4 *address) {
    uint4 x;
    asm volatile("ld.global.nc.L1::no_allocate.v4.u32 {%0, %1, %2, %3}, [%4];" : "=r"(x.x), "=r"(x.y), "=r"(x.z), "=r"(x.w) : "l"(address));
    return x;
}
__device__ __forceinline__ uint2 load_once(const uint2 *address) {
    uint2 x;
    asm volatile("ld.global.nc.L1::no_allocate.v2.u32 {%0, %1}, [%2];" : "=r"(x.x), "=r"(x.y) : "l"(address));
    return x;
}

// MARK: A chunk

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

template <int I> __device__ __forceinline__ uint32 decoded(uint32 word, uint32 copy) {
    uint32 pair;
    asm("ld.shared.u32 %0, [%1];" : "=r"(pair) : "r"(__byte_perm(word, copy, 0x6504 | I << 4)));
    return pair;
}

// A tensor core's first operand: bytes 2 i and 2 i + 1 of a lane's words of rows r and r + 8.
__device__ __forceinline__ void decode(uint32 *a, uint32 upper, uint32 lower, int i, uint32 copy) {
    if (i % 2 == 0) a[0] = decoded<0>(upper, copy), a[1] = decoded<0>(lower, copy), a[2] = decoded<1>(upper, copy), a[3] = decoded<1>(lower, copy);
    else a[0] = decoded<2>(upper, copy), a[1] = decoded<2>(lower, copy), a[2] = decoded<3>(upper, copy), a[3] = decoded<3>(lower, copy);
}

__device__ __forceinline__ uint32 word_of(const uint4 &x, int i) { return i == 0 ? x.x : i == 1 ? x.y : i == 2 ? x.z : x.w; }

// A chunk of up to 8 rows of x as the second operand, in registers for as long as a warp has tiles for it. Of each 64 elements a lane has 16 of its row.
template <typename T> struct eight_rows {
    enum { ROWS = 8, IS_STAGED = 0 };
    uint32 words[BLOCKS][8];

    __device__ __forceinline__ void load(const few_rows &p, int chunk) {
        const int row = threadIdx.x % 32 / 4;
        const uint4 *at = (const uint4 *)((const uint16 *)p.x + row * p.columns + chunk * CHUNK + threadIdx.x % 4 * 16);
#pragma unroll
        for (int i = 0; i < 2 * BLOCKS; i++) {
            const uint4 eight = row < p.m ? at[i / 2 * 8 + i % 2] : make_uint4(0, 0, 0, 0);
#pragma unroll
            for (int k = 0; k < 4; k++) words[i / 2][i % 2 * 4 + k] = word_of(eight, k);
        }
    }

    static __device__ __forceinline__ void load_words(uint32 *words, const uint8 *from) {
#pragma unroll
        for (int b = 0; b < BLOCKS; b++) {
            const uint2 eight = load_once((const uint2 *)(from + 32 * b) + threadIdx.x % 4);
            words[2 * b] = eight.x, words[2 * b + 1] = eight.y;
        }
    }

    // The sums of 16 rows of the weight. Of four lanes each has the scales of one block.
    __device__ __forceinline__ void multiply_rows(const chunk_part &w, const float *scale, uint32 copy, int slot, bool adds) const {
        float sums[4] = {};
#pragma unroll
        for (int b = 0; b < BLOCKS; b++) {
            float parts[4] = {};
#pragma unroll
            for (int i = 0; i < 4; i++) {
                uint32 a[4];
                decode(a, w.words[0][2 * b + i / 2], w.words[1][2 * b + i / 2], i, copy);
                multiply<T>(parts, a, words[b][2 * i], words[b][2 * i + 1]);
            }
            const float first = __shfl_sync(FULL_WARP, scale[0], b, 4), second = __shfl_sync(FULL_WARP, scale[1], b, 4);
#pragma unroll
            for (int c = 0; c < 4; c++) sums[c] = __fmaf_rn(parts[c], c < 2 ? first : second, sums[c]);
        }
#pragma unroll
        for (int r = 0; r < 2; r++) {
            float2 *to = (float2 *)sum_at(slot + (threadIdx.x % 32 / 4 + 8 * r) * ROWS + threadIdx.x % 4 * 2);
            float2 sum = make_float2(sums[2 * r], sums[2 * r + 1]);
            if (adds) sum.x += to->x, sum.y += to->y;
            *to = sum;
        }
    }
};

// One row of x. Its four blocks of 64 elements stand in four columns of the second operand, the rest of which is zeros, so that their sums stay apart; of
// either half of the chunk a lane has 32 elements.
template <typename T> struct one_row {
    enum { ROWS = 1, IS_STAGED = 1 };
    uint32 words[2][16];

    __device__ __forceinline__ one_row() {
#pragma unroll
        for (int i = 0; i < 32; i++) words[i / 16][i % 16] = 0;
    }

    // From shared memory.
    __device__ __forceinline__ void load(const few_rows &, int chunk) {
        const int lane = threadIdx.x % 32;
#pragma unroll
        for (int h = 0; h < 2; h++) {
            const uint4 *at = (const uint4 *)(memory + X_AT) + chunk * 32 + 16 * h + lane % 4 * 4;
            if (lane / 4 != 4 * h + lane % 4 / 2 * 2) continue;
#pragma unroll
            for (int e = 0; e < 4; e++)
#pragma unroll
                for (int k = 0; k < 4; k++) words[h][4 * e + k] = word_of(at[e], k);
        }
    }

    static __device__ __forceinline__ void load_words(uint32 *words, const uint8 *from) {
#pragma unroll
        for (int h = 0; h < 2; h++) {
            const uint4 sixteen = load_once((const uint4 *)(from + 64 * h) + threadIdx.x % 4);
#pragma unroll
            for (int k = 0; k < 4; k++) words[4 * h + k] = word_of(sixteen, k);
        }
    }

    __device__ __forceinline__ void multiply_rows(const chunk_part &w, const float *scale, uint32 copy, int slot, bool adds) const {
        const int lane = threadIdx.x % 32;
        float parts[2][4] = {};
#pragma unroll
        for (int i = 0; i < 8; i++)
#pragma unroll
            for (int h = 0; h < 2; h++) {
                uint32 a[4];
                decode(a, w.words[0][4 * h + i / 2], w.words[1][4 * h + i / 2], i, copy);
                multiply<T>(parts[h], a, words[h][2 * i], words[h][2 * i + 1]);
            }
        // Lane t of four has the sums of block t.
        float first = (parts[0][0] + parts[1][0]) * scale[0], second = (parts[0][2] + parts[1][2]) * scale[1];
        // Lanes 0 and 1 go on with the first row, lanes 2 and 3 with the second.
        const bool is_second = lane & 2;
        float sum = is_second ? second : first;
        sum += __shfl_xor_sync(FULL_WARP, is_second ? first : second, 2);
        sum += __shfl_xor_sync(FULL_WARP, sum, 1);
        if (lane % 2 == 0) {
            float *to = sum_at(slot + lane / 4 + (is_second ? 8 : 0));
            *to = adds ? *to + sum : sum;
        }
    }
};

// MARK: Products

// Which tile of which weight a block's tile `local` is.
__device__ __forceinline__ void find_tile(const few_rows &p, int local, int &weight, int &tile) {
    if (p.gated) {
        weight = local & 1, tile = blockIdx.x + (local >> 1) * gridDim.x;
        return;
    }
    tile = blockIdx.x + local * gridDim.x;
    weight = 0;
#pragma unroll
    for (int i = 1; i < MOST_WEIGHTS; i++)
        if (i < p.weight_count && tile >= p.first_tiles[i]) weight = i;
    tile -= p.first_tiles[weight];
}

__device__ __forceinline__ float silu(float x) { return __fdividef(x, 1.0f + expf(-x)); }

// Adds up what the warps have of `count` tiles from `first` on.
template <typename T, int ROWS> __device__ __forceinline__ void finish(const few_rows &p, int first, int count, int parts) {
    const int step = p.gated ? 2 : 1;
    for (int i = threadIdx.x; i < count / step * 16 * p.m; i += THREADS) {
        int weight, tile;
        const int row = i % 16, column = i / 16 % p.m, local = step * (i / 16 / p.m);
        find_tile(p, first + local, weight, tile);
        const int64 at = (int64)tile * 16 + row;
        if (at >= p.weights[weight].rows) continue;
        float values[2];
#pragma unroll
        for (int k = 0; k < 2; k++) {
            if (k == step) break;
            const few_weight &w = p.weights[weight + k];
            float sum = w.bias ? load_float(w.bias, p.bias_types[weight + k], at) : 0.0f;
#pragma unroll 8
            for (int s = 0; s < parts; s++) sum += *sum_at(((local + k) * p.across + s) * (16 * ROWS) + row * ROWS + column);
            store_float(w.output, p.output_types[weight + k], column * w.rows + at, sum);
            values[k] = sum;
        }
        if (p.gated) {
            const float gate = widen(narrow<T>(values[0])), up = widen(narrow<T>(values[1]));
            store_float(p.gated, p.gated_type, column * p.weights[0].rows + at, silu(gate) * up);
        }
    }
}

template <typename T, template <typename> class Rows> __device__ __forceinline__ void multiply_few(const few_rows &p) {
    enum { SUMS = 16 * Rows<T>::ROWS };
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    const int tiles = p.gated ? p.first_tiles[1] : p.first_tiles[p.weight_count];
    const int own = (tiles - 1 - (int)blockIdx.x) / (int)gridDim.x * (p.gated ? 2 : 1) + (p.gated ? 2 : 1);
    const int chunks = (int)(p.columns / CHUNK), waves = (chunks + p.across - 1) / p.across;
    const int along = WARPS / p.across, group = warp / p.across, member = warp % p.across;
    // In blocks of 64 elements.
    const uint32 per_row = (uint32)(p.columns / 64), own_block = member * BLOCKS;
    asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
    if (!p.is_constant) wait_for_launches_before();
    // What tables are made of is on its way first.
    const int byte = threadIdx.x % 256;
    const float even = p.code[byte >> 4], odd = p.code[byte & 15], nested = p.nested_code ? p.nested_code[byte] : 0.0f;
    float offsets[MOST_WEIGHTS];
#pragma unroll
    for (int i = 0; i < MOST_WEIGHTS; i++) offsets[i] = i < p.weight_count && p.nested_code ? *p.weights[i].nested_offset : 0.0f;

    // Tiles in rooms, of each room one part of k after the other.
    const int per_room = (p.room + along - 1) / along * waves, rooms = (own + p.room - 1) / p.room;
    const int in_last = own - (rooms - 1) * p.room, count = (rooms - 1) * per_room + (in_last + along - 1) / along * waves;
    for (int i = threadIdx.x; i < count * along; i += THREADS) {
        const int index = i / along, room = index / per_room, in_room = room == rooms - 1 ? in_last : p.room, per_wave = (in_room + along - 1) / along;
        const int wave = (index - room * per_room) / per_wave, local = (index - room * per_room) % per_wave * along + i % along;
        turn t = {-1, 0, local * p.across * SUMS, wave};
        if (local < in_room) {
            find_tile(p, room * p.room + local, t.weight, t.row);
            t.row *= 16;
        }
        turns()[i] = t;
    }
    __syncthreads();

    auto load = [&](chunk_part &part, int index) {
        if (index >= count) return;
        const turn t = turns()[index * along + group];
        if (t.weight < 0 || t.wave * p.across + member >= chunks) return;
        const few_weight &w = p.weights[t.weight];
#pragma unroll
        for (int r = 0; r < 2; r++) {
            // Rows beyond the end are the last one again, and what comes of them is dropped.
            const uint32 row = min(t.row + lane / 4 + 8 * r, (int)w.rows - 1), block = row * per_row + t.wave * p.across * BLOCKS + own_block;
            Rows<T>::load_words(part.words[r], w.packed + (uint64)block * 32);
            const uint32 place = (block + lane % BLOCKS) >> (p.block_shift - 6);
            if (p.nested_code) {
                part.first[r] = w.absmax_codes[place];
                part.second[r] = w.nested_absmax[place >> p.nested_shift];
            } else {
                part.first[r] = __float_as_uint(w.absmax[place]);
            }
        }
    };
    chunk_part ahead[AHEAD];
#pragma unroll
    for (int d = 0; d < AHEAD; d++) load(ahead[d], d);
    const uint32 pair = pack<T>(even, odd);
#pragma unroll
    for (int i = threadIdx.x / 256; i < 8; i += THREADS / 256) ((uint4 *)(table() + byte * 256))[(i + byte) & 7] = make_uint4(pair, pair, pair, pair);
    if (threadIdx.x < 256) ((float *)(memory + NESTED_AT))[byte] = nested;
    if (p.is_constant) wait_for_launches_before();
    if (Rows<T>::IS_STAGED) {
        for (int i = threadIdx.x; i < p.columns / 8; i += THREADS) {
            uint4 &to = ((uint4 *)(memory + X_AT))[i];
            if (p.x_type == FLOAT32) {
                const float4 low = ((const float4 *)p.x)[2 * i], high = ((const float4 *)p.x)[2 * i + 1];
                to = make_uint4(pack<T>(low.x, low.y), pack<T>(low.z, low.w), pack<T>(high.x, high.y), pack<T>(high.z, high.w));
            } else {
                to = ((const uint4 *)p.x)[i];
            }
        }
    }
    __syncthreads();
    // Of the table's address and a lane's place in its rows; known from here on, so that nothing is looked up before it is there.
    uint32 copy;
    asm volatile("mov.u32 %0, %1;" : "=r"(copy) : "r"(lane * 4 | TABLE_ADDRESS >> 8));

    Rows<T> x;
    int room = 0, wave = -1, room_end = rooms == 1 ? count : per_room;
    for (int index = 0; index < count; index += AHEAD) {
#pragma unroll
        for (int d = 0; d < AHEAD; d++) {
            if (index + d >= count) break;
            const turn here = turns()[(index + d) * along + group];
            const int chunk = here.wave * p.across + member;
            if (here.weight >= 0 && chunk < chunks) {
                if (wave != here.wave) x.load(p, chunk);
                wave = here.wave;
                const float offset = here.weight == 0 ? offsets[0] : here.weight == 1 ? offsets[1] : offsets[2];
                const float scale[2] = {ahead[d].scale(p, 0, offset), ahead[d].scale(p, 1, offset)};
                x.multiply_rows(ahead[d], scale, copy, here.slot + member * SUMS, here.wave > 0);
            }
            load(ahead[d], index + d + AHEAD);
            if (index + d + 1 == room_end) {
                __syncthreads();
                finish<T, Rows<T>::ROWS>(p, room * p.room, min(p.room, own - room * p.room), min(p.across, chunks));
                room++;
                room_end = room == rooms - 1 ? count : room_end + per_room;
                if (room < rooms) __syncthreads();
            }
        }
    }
}

#define FEW_ROWS(NAME, T) \
    extern "C" __global__ void __launch_bounds__(THREADS, 1) four_bit_few_1_##NAME(few_rows p) { multiply_few<T, one_row>(p); } \
    extern "C" __global__ void __launch_bounds__(THREADS, 1) four_bit_few_8_##NAME(few_rows p) { multiply_few<T, eight_rows>(p); }
FEW_ROWS(f16, float16)
FEW_ROWS(bf16, bfloat16)

#endif
