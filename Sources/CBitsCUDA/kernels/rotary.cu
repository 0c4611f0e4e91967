// Rotary position embedding: every thread turns the pairs (i, i + h) of one or four places i side by side.

// Numbers that are read and written at once where their address allows it.
template <typename T, int COUNT> struct alignas(sizeof(T) * COUNT) Run {
    T x[COUNT];
};

// Elements i to i + COUNT - 1 of either half of a head by row `row` of the angles; zeros where there is no such row.
template <typename In, typename Out, int COUNT>
__device__ __forceinline__ void rotate_pairs(const In *input, const float *cosine, const float *sine, int64 row, int64 rows, int i, int half,
                                             int inverse, Run<Out, COUNT> &first, Run<Out, COUNT> &second) {
    if (row >= 0 && row < rows) {
        const Run<In, COUNT> a = *(const Run<In, COUNT> *)(input + i), b = *(const Run<In, COUNT> *)(input + half + i);
        const Run<float, COUNT> c = *(const Run<float, COUNT> *)(cosine + row * half + i), s = *(const Run<float, COUNT> *)(sine + row * half + i);
#pragma unroll
        for (int k = 0; k < COUNT; k++) {
            const float u = widen(a.x[k]), v = widen(b.x[k]), turn = inverse ? -s.x[k] : s.x[k];
            first.x[k] = narrow<Out>(u * c.x[k] - v * turn);
            second.x[k] = narrow<Out>(v * c.x[k] + u * turn);
        }
    } else {
#pragma unroll
        for (int k = 0; k < COUNT; k++) first.x[k] = second.x[k] = narrow<Out>(0.0f);
    }
}

template <typename In, typename Out, int COUNT>
__device__ __forceinline__ void rotate(const In *input, const float *cosine, const float *sine, const int *positions, int64 rows, int64 tokens,
                                       int heads, int half, int inverse, Out *output) {
    begin_launch();
    const int per_head = half / COUNT;
    const int64 per_token = (int64)heads * per_head;
    for (int64 index = thread_index(); index < tokens * per_token; index += thread_count()) {
        const int64 token = index / per_token, rest = index % per_token, row = positions ? positions[token] : token;
        const int i = (int)(rest % per_head) * COUNT;
        const int64 start = (token * heads + rest / per_head) * 2 * half;
        Run<Out, COUNT> first, second;
        rotate_pairs<In, Out, COUNT>(input + start, cosine, sine, row, rows, i, half, inverse, first, second);
        *(Run<Out, COUNT> *)(output + start + i) = first;
        *(Run<Out, COUNT> *)(output + start + i + half) = second;
    }
}

#define ROTARY(IN, OUT, NAME)                                                                                                                          \
    extern "C" __global__ void rotary_##NAME(const IN *input, const float *cosine, const float *sine, const int *positions, int64 rows,                \
                                             int64 tokens, int heads, int half, int inverse, OUT *output) {                                           \
        const uint64 addresses = (uint64)input | (uint64)output | (uint64)cosine | (uint64)sine;                                                       \
        if (half % 4 == 0 && (addresses & 15) == 0)                                                                                                    \
            rotate<IN, OUT, 4>(input, cosine, sine, positions, rows, tokens, heads, half, inverse, output);                                            \
        else rotate<IN, OUT, 1>(input, cosine, sine, positions, rows, tokens, heads, half, inverse, output);                                           \
    }

ROTARY(float, float, f32_f32)
ROTARY(float, float16, f32_f16)
ROTARY(float, bfloat16, f32_bf16)
ROTARY(float16, float, f16_f32)
ROTARY(float16, float16, f16_f16)
ROTARY(float16, bfloat16, f16_bf16)
ROTARY(bfloat16, float, bf16_f32)
ROTARY(bfloat16, float16, bf16_f16)
ROTARY(bfloat16, bfloat16, bf16_bf16)

// MARK: Into the cache

// What a decoder does between projections and attention, of one type: queries [tokens, heads, 2 half] and keys [tokens, groups, 2 half] are rotated, and
// keys and values written to the caches at their tokens' positions. A thread has four numbers of each half of a head, or four of a value.
template <typename T>
__device__ __forceinline__ void rotate_into_cache(
    const T *query, const T *key, const T *value, const float *cosine, const float *sine, const int *positions, T *rotated_query, T *rotated_key,
    T *key_cache, T *value_cache, int64 rows, int64 tokens, int64 per_sequence, int64 capacity, int heads, int groups, int half) {
    // Where a thread works is known before what it works on.
    const int quarter = half / 4, rotated = (heads + groups) * quarter, per_token = rotated + groups * 2 * quarter;
    const uint32 index = blockIdx.x * blockDim.x + threadIdx.x;
    const int64 token = index / per_token, sequence = (uint32)token / (uint32)per_sequence;
    const int place = index % per_token;
    begin_launch();
    if (token >= tokens) return;
    const int64 position = positions[token], cached = (sequence * capacity + position) * groups * 2 * half;
    const bool is_kept = position >= 0 && position < capacity;
    if (place >= rotated) {
        const int i = (place - rotated) * 4;
        if (is_kept) *(Run<T, 4> *)(value_cache + cached + i) = *(const Run<T, 4> *)(value + token * groups * 2 * half + i);
        return;
    }
    const int head = place / quarter, i = place % quarter * 4;
    const bool is_key = head >= heads;
    const int64 start = is_key ? (token * groups + head - heads) * 2 * half : (token * heads + head) * 2 * half;
    Run<T, 4> first, second;
    rotate_pairs<T, T, 4>((is_key ? key : query) + start, cosine, sine, position, rows, i, half, 0, first, second);
    T *to = (is_key ? rotated_key : rotated_query) + start + i;
    *(Run<T, 4> *)to = first;
    *(Run<T, 4> *)(to + half) = second;
    if (!is_key || !is_kept) return;
    to = key_cache + cached + (head - heads) * 2 * half + i;
    *(Run<T, 4> *)to = first;
    *(Run<T, 4> *)(to + half) = second;
}

#define ROTARY_INTO_CACHE(T, NAME)                                                                                                                     \
    extern "C" __global__ void rotary_into_cache_##NAME(                                                                                               \
        const T *query, const T *key, const T *value, const float *cosine, const float *sine, const int *positions, T *rotated_query, T *rotated_key,  \
        T *key_cache, T *value_cache, int64 rows, int64 tokens, int64 per_sequence, int64 capacity, int heads, int groups, int half) {                  \
        rotate_into_cache(query, key, value, cosine, sine, positions, rotated_query, rotated_key, key_cache, value_cache, rows, tokens, per_sequence,  \
                          capacity, heads, groups, half);                                                                                              \
    }

ROTARY_INTO_CACHE(float, f32)
ROTARY_INTO_CACHE(float16, f16)
ROTARY_INTO_CACHE(bfloat16, bf16)
