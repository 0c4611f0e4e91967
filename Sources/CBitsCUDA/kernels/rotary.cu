// Rotary position embedding: every thread turns the pairs (i, i + h) of one or four places i side by side.

// Numbers that are read and written at once where their address allows it.
template <typename T, int COUNT> struct alignas(sizeof(T) * COUNT) Run {
    T x[COUNT];
};

template <typename In, typename Out, int COUNT>
__device__ __forceinline__ void rotate(const In *input, const float *cosine, const float *sine, const int *positions, int64 rows, int64 tokens,
                                       int heads, int half, int inverse, Out *output) {
    begin_launch();
    const int per_head = half / COUNT;
    const int64 per_token = (int64)heads * per_head;
    for (int64 index = thread_index(); index < tokens * per_token; index += thread_count()) {
        const int64 token = index / per_token, rest = index % per_token, row = positions ? positions[token] : token;
        const int i = (int)(rest % per_head) * COUNT;
        const int64 start = (token * heads + rest / per_head) * 2 * half + i;
        Run<Out, COUNT> first, second;
        if (row >= 0 && row < rows) {
            const Run<In, COUNT> a = *(const Run<In, COUNT> *)(input + start), b = *(const Run<In, COUNT> *)(input + start + half);
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
        *(Run<Out, COUNT> *)(output + start) = first;
        *(Run<Out, COUNT> *)(output + start + half) = second;
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
