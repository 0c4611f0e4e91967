// What kernels share that go through rows: the threads of a row, and a row that stays in registers.

// The threads that have one row: a warp where rows are short, else a block.
struct Group {
    bool is_warp;
    // The thread's number among those of the row, and how many there are.
    int lane, lanes;
    int64 row;

    __device__ explicit Group(bool is_warp) : is_warp(is_warp) {
        lane = is_warp ? threadIdx.x & 31 : threadIdx.x;
        lanes = is_warp ? 32 : blockDim.x;
        row = is_warp ? blockIdx.x * (int64)(blockDim.x >> 5) + (threadIdx.x >> 5) : blockIdx.x;
    }

    // Over the row, the same in every thread. `shared` holds 32 numbers for this result alone, so that one barrier is enough.
    __device__ float sum(float x, float *shared) const {
        x = warp_sum(x);
        if (is_warp) return x;
        if ((threadIdx.x & 31) == 0) shared[threadIdx.x >> 5] = x;
        __syncthreads();
        return warp_sum((threadIdx.x & 31) < blockDim.x >> 5 ? shared[threadIdx.x & 31] : 0.0f);
    }
    // NaN left out.
    __device__ float max(float x, float *shared) const {
        x = warp_max(x);
        if (is_warp) return x;
        if ((threadIdx.x & 31) == 0) shared[threadIdx.x >> 5] = x;
        __syncthreads();
        return warp_max((threadIdx.x & 31) < blockDim.x >> 5 ? shared[threadIdx.x & 31] : -INFINITE);
    }
};

// A row of a floating-point array whose type is known at run time, read and written in fours. The first four begins `lead` elements before the row: 0, or
// what puts the fours where their addresses are multiples.
struct Row {
    char *start;
    int type, lead;
    int64 width;
    bool fours;

    __device__ Row(const void *array, int type, int64 first, int64 width, int lead = 0) : type(type), lead(lead), width(width) {
        start = (char *)array + first * (type == FLOAT32 ? 4 : 2);
        fours = takes_fours((const char *)start - lead * (type == FLOAT32 ? 4 : 2), type);
    }

    // The lead that suits an array's row.
    __device__ static int lead_of(const void *array, int type, int64 first) {
        return (int)(((uint64)array / (type == FLOAT32 ? 4 : 2) + first) & 3);
    }

    __device__ bool is_whole(int64 i) const { return fours && i >= 0 && i + 4 <= width; }

    // Elements i to i + 3, those outside the row `outside`; i + lead is a multiple of 4.
    __device__ uint4 read(int64 i) const {
        if (is_whole(i)) return load_four(start, type, i);
        uint32 words[4] = {0, 0, 0, 0};
#pragma unroll
        for (int j = 0; j < 4; j++) {
            if (i + j < 0 || i + j >= width) continue;
            if (type == FLOAT32) words[j] = ((const uint32 *)start)[i + j];
            else words[j / 2] |= (uint32)((const uint16 *)start)[i + j] << 16 * (j & 1);
        }
        return make_uint4(words[0], words[1], words[2], words[3]);
    }

    // What was read, in float32; elements outside the row are `outside`.
    __device__ float4 widened(uint4 read, int64 i, float outside = 0.0f) const {
        float4 x = widen_four(read, type);
        if (i < 0 || i + 4 > width) {
            if (i < 0 || i >= width) x.x = outside;
            if (i + 1 < 0 || i + 1 >= width) x.y = outside;
            if (i + 2 < 0 || i + 2 >= width) x.z = outside;
            if (i + 3 >= width) x.w = outside;
        }
        return x;
    }

    __device__ void write(int64 i, float4 x) const {
        if (is_whole(i)) {
            store_four(start, type, i, x);
            return;
        }
        const float values[4] = {x.x, x.y, x.z, x.w};
#pragma unroll
        for (int j = 0; j < 4; j++)
            if (i + j >= 0 && i + j < width) store_float(start, type, i + j, values[j]);
    }
};

// The first fours of each thread's part of a row, as they were read: only what lies beyond them is read again.
enum { KEPT = 2 };
struct KeptRow : Row {
    uint4 kept[KEPT];

    __device__ KeptRow(const Group &group, const void *array, int type, int64 first, int64 width, int lead = 0) : Row(array, type, first, width, lead) {
#pragma unroll
        for (int k = 0; k < KEPT; k++) {
            const int64 i = 4 * (group.lane + (int64)k * group.lanes) - lead;
            kept[k] = i < width ? read(i) : make_uint4(0, 0, 0, 0);
        }
    }

    // k: as `for_fours` gives it.
    __device__ float4 four(int64 i, int k, float outside = 0.0f) const { return widened(k < KEPT ? kept[k % KEPT] : read(i), i, outside); }
};

// body(i, k) for each four of the thread's part of a row; k, its place among those that are kept, is known where the body is compiled, and KEPT beyond.
template <typename Body> __device__ __forceinline__ void for_fours(const Group &group, int64 width, int lead, Body body) {
#pragma unroll
    for (int k = 0; k < KEPT; k++) {
        const int64 i = 4 * (group.lane + (int64)k * group.lanes) - lead;
        if (i < width) body(i, k);
    }
    for (int64 i = 4 * (group.lane + (int64)KEPT * group.lanes) - lead; i < width; i += 4 * group.lanes) body(i, KEPT);
}

__device__ __forceinline__ float sum_of_four(float4 x) { return (x.x + x.y) + (x.z + x.w); }
__device__ __forceinline__ float max_of_four(float4 x) { return fmaxf(fmaxf(x.x, x.y), fmaxf(x.z, x.w)); }
