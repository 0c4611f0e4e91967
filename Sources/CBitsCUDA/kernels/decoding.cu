// Continuing sequences token by token: where new tokens go, and the cache of keys and values. Nothing here depends on numbers that
// the host would have to know, so a step can be replayed as a graph.

// MARK: Places

// A block a sequence.
extern "C" __global__ void advance_positions(int *lengths, int64 tokens, int *positions, int *key_ranges) {
    begin_launch();
    const int64 sequence = blockIdx.x;
    const int length = lengths[sequence];
    for (int64 t = threadIdx.x; t < tokens; t += blockDim.x) {
        const int position = length < 0 ? -1 : length + (int)t;
        positions[sequence * tokens + t] = position;
        key_ranges[2 * (sequence * tokens + t)] = 0;
        key_ranges[2 * (sequence * tokens + t) + 1] = position + 1;
    }
    __syncthreads();
    if (threadIdx.x == 0 && length >= 0) lengths[sequence] = length + (int)tokens;
}

// MARK: Cache

// Eight numbers at a time where `runs` says that addresses and width allow it, in one access each way where they need no rounding.
template <typename T, int TYPE>
__device__ __forceinline__ void keep(const void *source, int type, T *cache, int64 from, int64 to, bool runs) {
    if (!runs) {
        cache[to] = narrow<T>(load_float(source, type, from));
    } else if (type == TYPE) {
        const int words = sizeof(T) / 2;
#pragma unroll
        for (int w = 0; w < words; w++) ((uint4 *)(cache + to))[w] = ((const uint4 *)((const T *)source + from))[w];
    } else {
#pragma unroll
        for (int i = 0; i < 8; i++) cache[to + i] = narrow<T>(load_float(source, type, from + i));
    }
}

template <typename T, int TYPE>
__device__ __forceinline__ void write_cache(const void *key, const void *value, int key_type, int value_type, const int *positions, T *key_cache, T *value_cache, int64 rows, int64 tokens, int64 capacity, int64 width) {
    begin_launch();
    const bool runs = width % 8 == 0 && is_aligned16(key) && is_aligned16(value) && is_aligned16(key_cache) && is_aligned16(value_cache);
    const int64 count = runs ? 8 : 1, per_row = width / count;
    for (int64 index = thread_index(); index < rows * per_row; index += thread_count()) {
        const int64 row = index / per_row, i = index % per_row * count, position = positions[row];
        if (position < 0 || position >= capacity) continue;
        const int64 to = (row / tokens * capacity + position) * width + i;
        keep<T, TYPE>(key, key_type, key_cache, row * width + i, to, runs);
        keep<T, TYPE>(value, value_type, value_cache, row * width + i, to, runs);
    }
}

#define CACHE_WRITE(T, NAME, TYPE)                                                                                                                     \
    extern "C" __global__ void cache_write_##NAME(const void *key, const void *value, int key_type, int value_type, const int *positions,             \
                                                  T *key_cache, T *value_cache, int64 rows, int64 tokens, int64 capacity, int64 width) {              \
        write_cache<T, TYPE>(key, value, key_type, value_type, positions, key_cache, value_cache, rows, tokens, capacity, width);                      \
    }

CACHE_WRITE(float, f32, FLOAT32)
CACHE_WRITE(float16, f16, FLOAT16)
CACHE_WRITE(bfloat16, bf16, BFLOAT16)
