#include "bits_quantize.h"
#include "base/private_base.h"

// Element i goes into running sum i mod STRANDS; the sums are then added in halves. The order is part of the contract.
enum { STRANDS = 1024 };

int32_t bits_cpu_mean_in_double(const float *input, int64_t count, float *mean) {
    double sums[STRANDS] = {0};
    int64_t i = 0;
    for (; i + STRANDS <= count; i += STRANDS)
        for (int j = 0; j < STRANDS; j++) sums[j] += (double)input[i + j];
    for (int j = 0; i + j < count; j++) sums[j] += (double)input[i + j];
    for (int half = STRANDS / 2; half > 0; half /= 2)
        for (int j = 0; j < half; j++) sums[j] += sums[j + half];
    *mean = count == 0 ? 0 : (float)(sums[0] / (double)count);
    return BITS_OK;
}
