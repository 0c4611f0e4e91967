// Norms of many arrays in one launch, what clips gradients by them, and scaling in place.

// One array, as the host writes it.
struct Array {
    void *values;
    int64 count;
    int64 first;  // of its chunks of 4096 elements, among those of all arrays
    int64 type;
};
enum { CHUNK = 4096 };

// The array of a chunk: the last whose first chunk is not beyond it.
__device__ __forceinline__ const Array &array_of(const Array *arrays, int count, int64 chunk) {
    int low = 0, high = count;
    while (high - low > 1) {
        const int middle = (low + high) / 2;
        if (arrays[middle].first <= chunk) low = middle;
        else high = middle;
    }
    return arrays[low];
}

// MARK: Norms

// The squares of what is finite in each chunk, added in the order of `VectorNorm` by 16 lanes, and how many elements are not.
extern "C" __global__ void __launch_bounds__(256) norm_chunks(const Array *arrays, int count, int64 chunks, double *squares, int *others) {
    const int lane = threadIdx.x & 15;
    // Both chunks of a warp take part in its exchanges, also where only one is there.
    for (int64 i = thread_index() / 16; i < (chunks + 1) / 2 * 2; i += thread_count() / 16) {
        double sum = 0;
        int skipped = 0;
        if (i < chunks) {
            const Array &array = array_of(arrays, count, i);
            const int64 begin = (i - array.first) * CHUNK;
            const int size = (int)min((int64)CHUNK, array.count - begin), type = (int)array.type;
#pragma unroll 8
            for (int at = lane; at < size; at += 16) {
                const float x = load_float(array.values, type, begin + at);
                if (fabsf(x) < INFINITE) sum += (double)x * (double)x;
                else skipped++;
            }
        }
        for (int h = 8; h > 0; h >>= 1) {
            sum += __shfl_xor_sync(FULL_WARP, sum, h);
            skipped += __shfl_xor_sync(FULL_WARP, skipped, h);
        }
        if (lane == 0 && i < chunks) {
            squares[i] = sum;
            others[i] = skipped;
        }
    }
}

// The norm of each array and how many of its elements are not finite; a warp per array.
extern "C" __global__ void __launch_bounds__(32) norm_results(const Array *arrays, const double *squares, const int *others, float *result) {
    const Array &array = arrays[blockIdx.x];
    const int64 chunks = (array.count + CHUNK - 1) / CHUNK;
    const double sum = sum_in_order<1>(squares + array.first, chunks);
    int64 skipped = 0;
    for (int64 i = threadIdx.x; i < chunks; i += 32) skipped += others[array.first + i];
    for (int h = 16; h > 0; h >>= 1) skipped += __shfl_xor_sync(FULL_WARP, skipped, h);
    if (threadIdx.x == 0) {
        result[2 * blockIdx.x] = __double2float_rn(__dsqrt_rn(sum));
        result[2 * blockIdx.x + 1] = (float)skipped;
    }
}

// MARK: Clipping

// One thread: the sums are short, and their order is part of the rule.
extern "C" __global__ void clip_to_norm(const float *norms, int64 count, float scale, float limit, float *result) {
    double squares = 0;
    float others = 0;
    for (int64 i = 0; i < count; i++) {
        squares += (double)norms[2 * i] * (double)norms[2 * i];
        others += norms[2 * i + 1];
    }
    const float total = __double2float_rn((double)scale * __dsqrt_rn(squares)), quotient = limit / (total + 1e-6f);
    result[0] = scale * (quotient < 1 ? quotient : 1);
    result[1] = total;
    result[2] = others;
}

// What is known of one gradient, as the host writes it.
struct History {
    float *squares;  // of the last hundred norms
    int place;       // where the new one goes
    int percentile;
    int is_first;    // whether it goes everywhere
    int padding;
};

// A block of 128 threads per gradient.
extern "C" __global__ void __launch_bounds__(128) clip_to_percentile(const History *histories, const float *norms, float scale, float *factors) {
    const History history = histories[blockIdx.x];
    const int i = threadIdx.x;
    __shared__ float squares[100];
    __shared__ float chosen;
    const float norm = scale * norms[2 * blockIdx.x];
    if (i < 100) {
        squares[i] = history.is_first || i == history.place ? norm * norm : history.squares[i];
        history.squares[i] = squares[i];
    }
    __syncthreads();
    if (i < 100) {
        // The place among the sorted ones.
        int below = 0;
        for (int j = 0; j < 100; j++) below += squares[j] < squares[i] || (squares[j] == squares[i] && j < i);
        if (below == history.percentile) chosen = squares[i];
    }
    __syncthreads();
    if (i == 0) {
        const float current = __fsqrt_rn(squares[history.place]), clip = __fsqrt_rn(chosen);
        factors[blockIdx.x] = (current > clip ? clip / current : 1) * scale;
    }
}

// MARK: Scaling

__device__ __forceinline__ float scaled(float x, float scale, float limit) {
    const float product = scale * x;
    return product > limit ? limit : product < -limit ? -limit : product;
}

template <typename T> __device__ __forceinline__ void scale_chunk(T *values, int size, float scale, float limit) {
    int done = 0;
    if (is_aligned16(values)) {
        done = size & ~7;
        for (int i = 8 * threadIdx.x; i < done; i += 8 * blockDim.x) {
            Eight<T> x;
            x.load(values + i);
#pragma unroll
            for (int j = 0; j < 4; j++) x.set(j, scaled(x[2 * j], scale, limit), scaled(x[2 * j + 1], scale, limit));
            x.store(values + i);
        }
    }
    for (int i = done + threadIdx.x; i < size; i += blockDim.x) values[i] = narrow<T>(scaled(widen(values[i]), scale, limit));
}

// A block of threads per chunk.
extern "C" __global__ void __launch_bounds__(256) scale_in_place(const Array *arrays, int count, int64 chunks, const float *factor, float limit) {
    const float scale = factor != nullptr ? *factor : 1;
    for (int64 i = blockIdx.x; i < chunks; i += gridDim.x) {
        const Array &array = array_of(arrays, count, i);
        const int64 begin = (i - array.first) * CHUNK;
        const int size = (int)min((int64)CHUNK, array.count - begin);
        if (array.type == FLOAT32) scale_chunk((float *)array.values + begin, size, scale, limit);
        else if (array.type == FLOAT16) scale_chunk((float16 *)array.values + begin, size, scale, limit);
        else scale_chunk((bfloat16 *)array.values + begin, size, scale, limit);
    }
}
