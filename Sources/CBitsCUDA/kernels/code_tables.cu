// Tables for finding the nearest entries of codebooks, made from the codebooks at hand.

#include "codes.cuh"

// A codebook, and what its table is for.
struct CodeTableRequest {
    const float *codebook;  // 256 entries, ascending
    int keeps_sign;         // whether a number that is not zero never gets the code of one with the other sign
    int sides;              // 2: for both signs; 1: for numbers from 0 on
};

// The code of a magnitude on one side of zero, where the second counts codes downward: on both it grows with the magnitude.
__device__ int side_code(const float *thresholds, const float *codebook, bool keeps_sign, int side, uint32 magnitude) {
    int code = nearest_code(thresholds, __uint_as_float(magnitude | (uint32)side << 31));
    const int sign = __float_as_uint(codebook[code]) >> 31;
    if (keeps_sign && sign != side) code = side ? max(code - 1, 0) : min(code + 1, 255);
    return side ? 255 - code : code;
}

// Four blocks of threads per table, each for a quarter of its entries.
extern "C" __global__ void __launch_bounds__(512) code_tables(const CodeTableRequest *requests, CodeTable *tables) {
    const CodeTableRequest request = requests[blockIdx.x];
    CodeTable *table = tables + blockIdx.x;
    __shared__ float thresholds[256], codebook[256];
    __shared__ int is_exact;
    if (threadIdx.x == 0) is_exact = 1;
    if (threadIdx.x < 256) codebook[threadIdx.x] = request.codebook[threadIdx.x];
    __syncthreads();
    if (threadIdx.x < 256) {
        const int j = threadIdx.x;
        float threshold = NOT_A_NUMBER;
        if (j < 255) {
            threshold = (codebook[j] + codebook[j + 1]) * 0.5f;
            // On a midpoint the even neighbour wins; of equal midpoints only the first can have its odd neighbour below.
            const bool rises_on_it = j % 2 == 1 && threshold != (codebook[j - 1] + codebook[j]) * 0.5f;
            if (!rises_on_it) {
                const uint32 bits = __float_as_uint(threshold);
                threshold = __uint_as_float(threshold == 0 ? 1 : threshold > 0 ? bits + 1 : bits - 1);
            }
        }
        thresholds[j] = threshold;
        table->thresholds[j] = threshold;
        table->codebook[j] = codebook[j];
    }
    __syncthreads();
    const bool keeps_sign = request.keeps_sign;
    const int quarter = (CODE_BUCKETS * request.sides + 3) / 4, end = min((int)(blockIdx.y + 1) * quarter, CODE_BUCKETS * request.sides);
    for (int i = blockIdx.y * quarter + threadIdx.x; i < end; i += blockDim.x) {
        const int side = i % request.sides;
        const uint32 bucket = 0x3400 + i / request.sides;
        uint32 low = bucket << 16, high = low | 0xffff;
        const int code = side_code(thresholds, codebook, keeps_sign, side, low);
        const int steps = side_code(thresholds, codebook, keeps_sign, side, high) - code;
        uint32 entry = ((uint32)code << 16) - low;
        if (steps == 1) {
            while (high - low > 1) {
                const uint32 middle = low + (high - low) / 2;
                if (side_code(thresholds, codebook, keeps_sign, side, middle) == code) low = middle;
                else high = middle;
            }
            entry += 0x10000 - (high & 0xffff);
        }
        bool is_bad = steps < 0 || steps > 1;
        // The first bucket stands for all magnitudes below it, and zero is a positive number.
        if (bucket == 0x3400)
            is_bad |= code != side_code(thresholds, codebook, keeps_sign, side, 0) || code != side_code(thresholds, codebook, keeps_sign, side, 1)
                || (side == 0 && code != (int)nearest_code(thresholds, 0.0f));
        if (is_bad) is_exact = 0;
        table->entries[i] = entry;
    }
    __syncthreads();
    if (threadIdx.x == 0) table->parts_are_exact[blockIdx.y] = is_exact;
}
