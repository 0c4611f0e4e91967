// Products of up to 8 rows with 4-bit weights on Hopper: output [M, N] = x [M, K] · Wᵀ (+ bias), of one weight or of several that share x.
//
// A byte of a weight holds two neighbours in k, which is what a register of a tensor core's operand holds, and in what order k is summed does not
// matter. So a lane replaces each byte by both numbers of the code in the type of x, with one permutation of bytes and one access to shared memory
// (32 copies of the table: no two lanes meet in a bank), and the sum of each 64 elements is multiplied with their scale in float32.
//
// A block of threads has tiles of 16 rows. A warp takes CHUNK elements of k at a time, with as many of x in registers for all of its tiles, and has the
// bytes for its next turns on their way to shared memory. Sums of warps are added in their order when a block's tiles are done, or when there is no more
// room for them. A step of decoding runs through this code once for each few weights, so it is to be short: what is not unrolled is fetched sooner.

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
    // Warps that share the columns of a tile, a power of 2; tiles whose sums have room.
    int across, room;
    // Tiles, or pairs of them, that every block has, and how many blocks have one more.
    int items, blocks_with_more;
    // Whether nothing that may still run writes the weights.
    int is_constant, reserved;
};

enum { WARPS = 16, THREADS = 32 * WARPS, MOST_TURNS = 256 };
// Elements of k that a warp takes at a time, in blocks of 64, and the bytes of 16 rows of so many; turns that it has on their way, and the places for them
// and for the one that it works on.
enum { BLOCKS = 4, CHUNK = 64 * BLOCKS, CHUNK_BYTES = 16 * CHUNK / 2, AHEAD = 2, STAGES = AHEAD + 1 };
// The table begins at TABLE_ADDRESS of shared memory and has a row of 256 bytes for each byte of a weight, so that an address is a permutation of bytes;
// half of a row is room for sums. In front of it are codes of nested scales, what warps have of a row of x, and the scales that are on their way; behind
// it the bytes that are, and the turns. A block's own memory begins at 1024.
enum { TABLE_ADDRESS = 256 * 256, STAGES_ADDRESS = 2 * TABLE_ADDRESS, TURNS_ADDRESS = STAGES_ADDRESS + WARPS * STAGES * CHUNK_BYTES };
enum { NESTED_AT = 0, X_AT = 1024 };
extern __shared__ __align__(1024) uint8 memory[];

__device__ __forceinline__ uint8 *at_address(uint32 address) { return memory + (address - shared_address(memory)); }
__device__ __forceinline__ uint8 *table() { return at_address(TABLE_ADDRESS); }
// The sum of number i.
__device__ __forceinline__ uint32 sum_offset(uint32 i) { return i / 32 * 256 + i % 32 * 4; }
__device__ __forceinline__ float *sum_at(uint32 i) { return (float *)(table() + 128 + sum_offset(i)); }

// MARK: Turns

// A tile's part of k that a group of warps takes at a time.
struct turn {
    // Of the weight's bytes, in the tile's first row.
    const uint8 *from;
    // The same as a block of 64 elements of the weight.
    uint32 block;
    // The part of k (0 has the first `across` chunks), the weight, and where the tile's sums are.
    uint8 wave, weight;
    uint16 slot;
};
// The wave of a turn that is none.
enum { NO_WAVE = 255 };

__device__ __forceinline__ turn *turns() { return (turn *)at_address(TURNS_ADDRESS); }

// What a lane keeps of a turn that is on its way.
struct coming_turn {
    // NO_WAVE: the warp has nothing to do.
    uint32 wave;
    // Where its sums go, of all sums.
    uint32 sums;
    // Whose nested scales' offset is to be taken.
    uint32 weight;
    // Of four lanes each has the scales of one block, of rows r and r + 8, where r is its number by four: where they, or their codes, will be.
    uint32 scales[2];
};

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
    // Bytes of row r lie with their 16 of number p at p ^ SWIZZLE * r % 8, so that lanes that read together meet in no bank.
    enum { ROWS = 8, IS_STAGED = 0, SWIZZLE = 2 };
    uint32 words[BLOCKS][8];

    static __device__ __forceinline__ void stage(const few_rows &, int, int, uint32) {}

    __device__ __forceinline__ void load(const few_rows &p, int chunk, int, int, uint32 lane) {
        const int row = lane / 4;
        const uint4 *at = (const uint4 *)((const uint16 *)p.x + row * p.columns + chunk * CHUNK + lane % 4 * 16);
#pragma unroll
        for (int i = 0; i < 2 * BLOCKS; i++) {
            const uint4 eight = row < p.m ? at[i / 2 * 8 + i % 2] : make_uint4(0, 0, 0, 0);
#pragma unroll
            for (int k = 0; k < 4; k++) words[i / 2][i % 2 * 4 + k] = word_of(eight, k);
        }
    }

    // Of the sums of a tile, where the first of a lane's is.
    static __device__ __forceinline__ uint32 own_sum(uint32 lane) { return sum_offset(lane / 4 * ROWS + lane % 4 * 2); }
    // Where a lane reads of a stage, and what it reads there of rows r and r + 8.
    static __device__ __forceinline__ uint32 place() { return threadIdx.x % 32 / 4 * (CHUNK / 2) + threadIdx.x / 4 % 4 * 32 + threadIdx.x % 4 * 8; }
    static __device__ __forceinline__ void read(uint32 (*words)[2 * BLOCKS], uint32 at) {
#pragma unroll
        for (int b = 0; b < 2 * BLOCKS; b++) {
            const uint2 eight = load_two((at ^ b % BLOCKS * 32) + b / BLOCKS * (CHUNK_BYTES / 2));
            words[b / BLOCKS][b % BLOCKS * 2] = eight.x, words[b / BLOCKS][b % BLOCKS * 2 + 1] = eight.y;
        }
    }

    // The sums of 16 rows of the weight. Of four lanes each has the scales of one block.
    __device__ __forceinline__ void multiply_rows(const uint32 (*w)[2 * BLOCKS], const float *scale, uint32 copy, float *to, bool adds, uint32 lane) const {
        float sums[4] = {};
#pragma unroll
        for (int b = 0; b < BLOCKS; b++) {
            float parts[4] = {};
#pragma unroll
            for (int i = 0; i < 4; i++) {
                uint32 a[4];
                decode(a, w[0][2 * b + i / 2], w[1][2 * b + i / 2], i, copy);
                multiply<T>(parts, a, words[b][2 * i], words[b][2 * i + 1]);
            }
            const float first = __shfl_sync(FULL_WARP, scale[0], b, 4), second = __shfl_sync(FULL_WARP, scale[1], b, 4);
#pragma unroll
            for (int c = 0; c < 4; c++) sums[c] = __fmaf_rn(parts[c], c < 2 ? first : second, sums[c]);
        }
#pragma unroll
        for (int r = 0; r < 2; r++) {
            float2 *at = (float2 *)(to + r * (8 * ROWS / 32 * 64));
            float2 sum = make_float2(sums[2 * r], sums[2 * r + 1]);
            if (adds) sum.x += at->x, sum.y += at->y;
            *at = sum;
        }
    }
};

// One row of x. Its four blocks of 64 elements stand in four columns of the second operand, the rest of which is zeros, so that their sums stay apart; of
// either half of the chunk a lane has 32 elements.
template <typename T> struct one_row {
    enum { ROWS = 1, IS_STAGED = 1, SWIZZLE = 4 };
    uint32 words[2][16];

    __device__ __forceinline__ one_row() {
#pragma unroll
        for (int i = 0; i < 32; i++) words[i / 16][i % 16] = 0;
    }

    // Brings a warp's chunks of x into shared memory, for its own use: a lane 16 bytes of each, with four on their way at a time.
    static __device__ __forceinline__ void stage(const few_rows &p, int member, int waves, uint32 lane) {
        uint4 *const to = own_chunks(waves) + lane;
        for (int from = 0; from < waves; from += 4) {
            uint4 eights[4] = {};
#pragma unroll
            for (int w = 0; w < 4; w++) {
                const int64 at = ((from + w) * p.across + member) * CHUNK + 8 * lane;
                if (from + w < waves && at < p.columns) eights[w] = load_eight(p, at);
            }
#pragma unroll
            for (int w = 0; w < 4; w++)
                if (from + w < waves) to[(from + w) * (CHUNK / 8)] = eights[w];
        }
        __syncwarp();
    }
    static __device__ __forceinline__ uint4 load_eight(const few_rows &p, int64 at) {
        if (p.x_type != FLOAT32) return __ldcg((const uint4 *)((const uint16 *)p.x + at));
        const float4 low = __ldcg((const float4 *)((const float *)p.x + at)), high = __ldcg((const float4 *)((const float *)p.x + at + 4));
        return make_uint4(pack<T>(low.x, low.y), pack<T>(low.z, low.w), pack<T>(high.x, high.y), pack<T>(high.z, high.w));
    }
    static __device__ __forceinline__ uint4 *own_chunks(int waves) { return (uint4 *)(memory + X_AT) + threadIdx.x / 32 * waves * (CHUNK / 8); }

    // From there.
    __device__ __forceinline__ void load(const few_rows &, int, int wave, int waves, uint32 lane) {
#pragma unroll
        for (int h = 0; h < 2; h++) {
            const uint4 *at = own_chunks(waves) + wave * (CHUNK / 8) + 16 * h + lane % 4 * 4;
            if (lane / 4 != 4 * h + lane % 4 / 2 * 2) continue;
#pragma unroll
            for (int e = 0; e < 4; e++)
#pragma unroll
                for (int k = 0; k < 4; k++) words[h][4 * e + k] = word_of(at[e], k);
        }
    }

    static __device__ __forceinline__ uint32 own_sum(uint32 lane) { return sum_offset(lane / 4 + lane / 2 % 2 * 8); }
    static __device__ __forceinline__ uint32 place() { return threadIdx.x % 32 / 4 * (CHUNK / 2) + threadIdx.x / 4 % 2 * 64 + threadIdx.x % 4 * 16; }
    static __device__ __forceinline__ void read(uint32 (*words)[2 * BLOCKS], uint32 at) {
#pragma unroll
        for (int h = 0; h < 4; h++) {
            const uint4 sixteen = load_four((at ^ h % 2 * 64) + h / 2 * (CHUNK_BYTES / 2));
#pragma unroll
            for (int k = 0; k < 4; k++) words[h / 2][h % 2 * 4 + k] = word_of(sixteen, k);
        }
    }

    __device__ __forceinline__ void multiply_rows(const uint32 (*w)[2 * BLOCKS], const float *scale, uint32 copy, float *to, bool adds, uint32 lane) const {
        float parts[2][4] = {};
#pragma unroll
        for (int i = 0; i < 8; i++)
#pragma unroll
            for (int h = 0; h < 2; h++) {
                uint32 a[4];
                decode(a, w[0][4 * h + i / 2], w[1][4 * h + i / 2], i, copy);
                multiply<T>(parts[h], a, words[h][2 * i], words[h][2 * i + 1]);
            }
        // Lane t of four has the sums of block t.
        float first = (parts[0][0] + parts[1][0]) * scale[0], second = (parts[0][2] + parts[1][2]) * scale[1];
        // Lanes 0 and 1 go on with the first row, lanes 2 and 3 with the second.
        const bool is_second = lane & 2;
        float sum = is_second ? second : first;
        sum += __shfl_xor_sync(FULL_WARP, is_second ? first : second, 2);
        sum += __shfl_xor_sync(FULL_WARP, sum, 1);
        if (lane % 2 == 0) *to = adds ? *to + sum : sum;
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

// The first row of a tile. What is left behind whole tiles is the end of one more, whose other rows are computed twice, to the same bits.
__device__ __forceinline__ uint32 first_row(const few_weight &w, int tile) { return min(16 * tile, (int)w.rows - 16); }

// Adds up what the warps have of `count` tiles from `first` on.
template <typename T, int ROWS> __device__ __forceinline__ void finish(const few_rows &p, int first, int count, int parts) {
    const int step = p.gated ? 2 : 1;
    for (int i = threadIdx.x; i < (count >> step / 2) * 16 * ROWS; i += THREADS) {
        int weight, tile;
        const int row = i % 16, column = i / 16 % ROWS, local = step * (i / 16 / ROWS);
        if (column >= p.m) continue;
        find_tile(p, first + local, weight, tile);
        const int64 at = first_row(p.weights[weight], tile) + row;
        // Of two weights the first one's sum is the gate.
        float before = 0, sum = 0;
#pragma unroll 1
        for (int k = 0; k < step; k++) {
            const few_weight &w = p.weights[weight + k];
            before = sum;
            sum = w.bias ? load_float(w.bias, p.bias_types[weight + k], at) : 0.0f;
#pragma unroll 8
            for (int s = 0; s < parts; s++) sum += *sum_at(((local + k) * p.across + s) * (16 * ROWS) + row * ROWS + column);
            store_float(w.output, p.output_types[weight + k], column * w.rows + at, sum);
        }
        if (p.gated) {
            const float gate = widen(narrow<T>(before)), up = widen(narrow<T>(sum));
            store_float(p.gated, p.gated_type, column * p.weights[0].rows + at, silu(gate) * up);
        }
    }
}

// A value that is to stay in its register: it would be computed again in every turn.
__device__ __forceinline__ uint32 kept(uint32 x) {
    asm volatile("" : "+r"(x));
    return x;
}

template <typename T, template <typename> class Rows, bool IS_NESTED> __device__ __forceinline__ void multiply_few(const few_rows &p) {
    enum { SUMS = 16 * Rows<T>::ROWS, SCALE_BYTES = 4 * 16 * (IS_NESTED ? 2 : BLOCKS) };
    const int warp = threadIdx.x / 32;
    const uint32 lane = kept(threadIdx.x % 32);
    const int own = (p.items + (blockIdx.x < p.blocks_with_more ? 1 : 0)) * (p.gated ? 2 : 1);
    // Everything waits for these numbers: nothing is divided that can be shifted.
    const int across_shift = __ffs(p.across) - 1, along = WARPS >> across_shift, along_shift = __ffs(along) - 1;
    const int chunks = (int)(p.columns / CHUNK), waves = (chunks + p.across - 1) >> across_shift;
    const int group = warp >> across_shift, member = warp & (p.across - 1);
    const uint32 per_row = (uint32)(p.columns / 64), row_bytes = (uint32)(p.columns / 2);
    asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
    if (!p.is_constant) wait_for_launches_before();
    // What tables are made of is on its way first.
    const int byte = threadIdx.x % 256;
    const float even = p.code[byte >> 4], odd = p.code[byte & 15], nested = IS_NESTED ? p.nested_code[byte] : 0.0f;
    float offsets[MOST_WEIGHTS];
#pragma unroll
    for (int i = 0; i < MOST_WEIGHTS; i++) offsets[i] = IS_NESTED && i < p.weight_count ? *p.weights[i].nested_offset : 0.0f;

    // Tiles in rooms, of each room one part of k after the other.
    const int per_room = ((p.room + along - 1) >> along_shift) * waves, rooms = own <= p.room ? 1 : (own + p.room - 1) / p.room;
    const int in_last = own - (rooms - 1) * p.room, count = (rooms - 1) * per_room + ((in_last + along - 1) >> along_shift) * waves;
#pragma unroll 1
    for (int i = threadIdx.x; i < (count + AHEAD) * along; i += THREADS) {
        int index = i >> along_shift, room = 0, wave = 0;
        for (; room < rooms - 1 && index >= per_room; room++) index -= per_room;
        const int in_room = room == rooms - 1 ? in_last : p.room, per_wave = (in_room + along - 1) >> along_shift;
        for (; index >= per_wave; wave++) index -= per_wave;
        const int local = (index << along_shift) + (i & (along - 1));
        turn t = {NULL, 0, NO_WAVE, 0, 0};
        if (wave < waves && local < in_room) {
            int weight, tile;
            find_tile(p, room * p.room + local, weight, tile);
            const uint32 row = first_row(p.weights[weight], tile);
            t.from = p.weights[weight].packed + (uint64)row * row_bytes + wave * p.across * (CHUNK / 2);
            t.block = row * per_row + wave * p.across * BLOCKS;
            t.wave = (uint8)wave;
            t.weight = (uint8)weight;
            t.slot = (uint16)(local * p.across * SUMS);
        }
        turns()[i] = t;
    }
    __syncthreads();

    // A lane brings 16 bytes of every fourth row, and a word or two of the scales: where they are nested, those are the codes of 16 rows' blocks, a word a
    // row, and what these are to be multiplied with; else a number of each block.
    const uint32 quarter = lane % BLOCKS, shift = p.block_shift - 6, own_from = kept(member * (CHUNK / 2) + lane / 8 * row_bytes + lane % 8 * 16);
    const uint32 stages = STAGES_ADDRESS + warp * (STAGES * CHUNK_BYTES);
    const uint32 to = kept(stages + lane / 8 * (CHUNK / 2) + (lane ^ Rows<T>::SWIZZLE * (lane / 8)) % 8 * 16);
    const uint32 own_block = kept(member * BLOCKS + lane / 4 * per_row + quarter), word_block = kept(member * BLOCKS + lane % 16 * per_row);
    const uint32 in_front = shared_address(memory) + X_AT, x_bytes = Rows<T>::IS_STAGED ? WARPS * waves * (2 * CHUNK) : 0;
    const uint32 scales = in_front + x_bytes + warp * (STAGES * SCALE_BYTES);
    const uint32 own_scales = kept(scales + lane / 4 * (IS_NESTED ? 4 : 16)), word_scales = kept(scales + 4 * lane);
    const auto bring = [&](uint32 turn_at, uint32 stage) {
        coming_turn coming = {NO_WAVE};
        const turn t = *(const turn *)at_address(turn_at);
        if (t.wave * p.across + member < chunks) {
            const few_weight &w = p.weights[t.weight];
            const uint8 *from = t.from + own_from;
#pragma unroll
            for (int i = 0; i < 4; i++, from += 4 * row_bytes) fetch(to + stage * CHUNK_BYTES + i * (CHUNK_BYTES / 4), from);
            if (IS_NESTED) {
                const uint32 place = (t.block + word_block) >> shift;
                const void *codes = w.absmax_codes + (place & ~3), *absmax = w.nested_absmax + (place >> p.nested_shift);
                fetch_number(word_scales + stage * SCALE_BYTES, lane < 16 ? codes : absmax);
            }
#pragma unroll
            for (int r = 0; r < 2; r++) {
                const uint32 place = (t.block + own_block + 8 * r * per_row) >> shift, at = own_scales + stage * SCALE_BYTES;
                coming.scales[r] = IS_NESTED ? at + 32 * r + place % 4 : at + 128 * r + 4 * quarter;
                if (!IS_NESTED) fetch_number(coming.scales[r], w.absmax + place);
            }
            coming.wave = t.wave;
            coming.sums = sum_offset(t.slot + member * SUMS);
            coming.weight = t.weight;
        }
        end_fetches();
        return coming;
    };
    uint32 turn_at = TURNS_ADDRESS + 16 * group;
    coming_turn ahead[AHEAD];
#pragma unroll
    for (int i = 0; i < AHEAD; i++) ahead[i] = bring(turn_at + 16 * along * i, i);

    const uint32 pair = pack<T>(even, odd);
#pragma unroll
    for (int i = threadIdx.x / 256; i < 8; i += THREADS / 256) ((uint4 *)(table() + byte * 256))[(i + byte) & 7] = make_uint4(pair, pair, pair, pair);
    if (IS_NESTED && threadIdx.x < 256) ((float *)(memory + NESTED_AT))[byte] = nested;
    __syncthreads();
    if (p.is_constant) wait_for_launches_before();
    Rows<T>::stage(p, member, waves, lane);
    Rows<T> x;
    uint32 wave = NO_WAVE;
    // Of the table's address and a lane's place in its rows; known from here on, so that nothing is looked up before it is there.
    uint32 copy;
    asm volatile("mov.u32 %0, %1;" : "=r"(copy) : "r"(lane * 4 | TABLE_ADDRESS >> 8));

    uint8 *const own_sums = table() + 128 + kept(Rows<T>::own_sum(lane));
    const uint32 own_bytes = kept(stages + Rows<T>::place());
    int index = 0;
    uint32 stage = 0;
#pragma unroll 1
    for (int room = 0; room < rooms; room++) {
        if (room > 0) __syncthreads();
        const int end = room == rooms - 1 ? count : index + per_room;
#pragma unroll 1
        for (; index < end; index++) {
            const coming_turn here = ahead[0];
#pragma unroll
            for (int i = 1; i < AHEAD; i++) ahead[i - 1] = ahead[i];
            ahead[AHEAD - 1] = bring(turn_at + 16 * along * AHEAD, stage == 0 ? STAGES - 1 : stage - 1);
            turn_at += 16 * along;
            await_fetches<AHEAD>();
            __syncwarp();
            if (here.wave != NO_WAVE) {
                if (wave != here.wave) x.load(p, here.wave * p.across + member, here.wave, waves, lane);
                wave = here.wave;
                const float offset = here.weight == 0 ? offsets[0] : here.weight == 1 ? offsets[1] : offsets[2];
                float scale[2];
#pragma unroll
                for (int r = 0; r < 2; r++) {
                    if (IS_NESTED) {
                        const float code = ((const float *)(memory + NESTED_AT))[load_byte(here.scales[r])];
                        scale[r] = __fadd_rn(__fmul_rn(code, load_number((here.scales[r] & ~3) + 64)), offset);
                    } else {
                        scale[r] = load_number(here.scales[r]);
                    }
                }
                uint32 words[2][2 * BLOCKS];
                Rows<T>::read(words, own_bytes + stage * CHUNK_BYTES);
                x.multiply_rows(words, scale, copy, (float *)(own_sums + here.sums), wave > 0, lane);
            }
            // Everybody has read what the next copies go over.
            __syncwarp();
            stage = stage == STAGES - 1 ? 0 : stage + 1;
        }
        __syncthreads();
        finish<T, Rows<T>::ROWS>(p, room * p.room, min(p.room, own - room * p.room), min(p.across, chunks));
    }
}

#define FEW_ROWS(NAME, T) \
    extern "C" __global__ void __launch_bounds__(THREADS, 1) four_bit_few_1_##NAME(few_rows p) { multiply_few<T, one_row, false>(p); } \
    extern "C" __global__ void __launch_bounds__(THREADS, 1) four_bit_few_8_##NAME(few_rows p) { multiply_few<T, eight_rows, false>(p); } \
    extern "C" __global__ void __launch_bounds__(THREADS, 1) four_bit_few_nested_1_##NAME(few_rows p) { multiply_few<T, one_row, true>(p); } \
    extern "C" __global__ void __launch_bounds__(THREADS, 1) four_bit_few_nested_8_##NAME(few_rows p) { multiply_few<T, eight_rows, true>(p); }
FEW_ROWS(f16, float16)
FEW_ROWS(bf16, bfloat16)

#endif
