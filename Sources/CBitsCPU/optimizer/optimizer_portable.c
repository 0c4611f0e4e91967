// Optimizer steps for any processor.
#include "base/private_base.h"

#define LEVEL_TARGET
#include "optimizer/optimizer_level.h"

static void read_codes(const bits_code_map *map, const uint8_t *codes, float absmax, float *moment, int64_t count) {
    for (int64_t i = 0; i < count; i++) moment[i] = map->values[codes[i]] * absmax;
}

const bits_optimizer_level bits_optimizer_portable = LEVEL_TABLE(NULL);
