// Between the step's driver and the processor levels.
#ifndef BITS_OPTIMIZER_PRIVATE_H
#define BITS_OPTIMIZER_PRIVATE_H
#include "base/element_types.h"
#include "bits_optimizer.h"
#include "quantize/nearest_code.h"

enum {
    BITS_LANES = 16,          // elements that the rules take at a time
    BITS_GROUP = 64,          // codes that are read and written at a time; scratch arrays are padded to it
    BITS_CHUNK = 1024,        // elements taken through scratch at a time where there are no blocks
    BITS_MAX_BLOCK = 16384,
    BITS_NORM_CHUNK = 4096,   // elements whose squares are added up before they join the others
    BITS_NORM_CHUNKS = 16,
    BITS_PART = BITS_NORM_CHUNKS * BITS_NORM_CHUNK,  // elements per part of the pool: whole blocks and whole norm chunks
    BITS_MAX_MOMENTS = 3,
};

// What one rule works on: whole lanes. Parameter and gradient are both of one type, usually float32.
typedef struct {
    void *parameter;
    const void *gradient;
    int32_t dtype;
    float *moments[BITS_MAX_MOMENTS];
    int32_t moment_count;
    float scale, step;
    int32_t parameter_dtype;  // what the parameter is rounded to between decay and step
    float *direction;  // not NULL: only the direction is wanted, and nothing else is written
} bits_lanes;

// A codebook prepared for reading and, where it is one of the dynamic maps, for the fast search.
typedef struct {
    float values[256];
    // Of a dynamic map: the number of thresholds strictly below a magnitude is its place among the map's magnitudes from zero up.
    float thresholds[256];
    _Alignas(64) uint8_t value_planes[4][256], threshold_planes[4][256];  // the same, byte by byte
    // The least of these lines, its fraction dropped, is that place or one less. Two octaves together meet two lines at most: their slopes and
    // offsets, by the upper seven bits of the exponent.
    float slopes[8], offsets[8];
    _Alignas(64) float octaves[4][16];
    int32_t kind;
    const struct bits_code_table *table;  // the search for any codebook
} bits_code_map;

enum { BITS_MAP_SIGNED = 0, BITS_MAP_UNSIGNED = 1, BITS_MAP_OTHER = 2 };

// Prepares `codebook`: `scratch` filled, or a map that is kept; NULL if it is not ascending or there is no memory. Release what was prepared.
const bits_code_map *bits_prepare_code_map(const float *codebook, bits_code_map *scratch);
void bits_release_code_map(const bits_code_map *map);

// One block with any codebook and any content; what the levels' fast versions agree with.
void bits_write_codes(const bits_code_map *map, int32_t is_signed, const float *moment, uint8_t *codes, float *absmax, int64_t count);

// One processor level. Counts are multiples of BITS_LANES (rules, conversions) or BITS_GROUP (codes).
typedef struct {
    void (*rules[BITS_RULE_COUNT])(const bits_update *update, const bits_lanes *lanes, int64_t count);
    void (*widen)(int32_t dtype, const void *values, float *result, int64_t count);
    void (*narrow)(int32_t dtype, const float *values, void *result, int64_t count);
    // Adds the squares of the finite elements, element i to sum i % BITS_LANES; returns how many are not finite.
    int64_t (*add_squares)(const float *values, int64_t count, double sums[BITS_LANES]);
    void (*scale)(float *values, int64_t count, float scale, float limit);
    void (*read_codes)(const bits_code_map *map, const uint8_t *codes, float absmax, float *moment, int64_t count);
    // Codes of moment * inverse, which lies between -1 and 1. The map is one of the dynamic ones, the moment finite. NULL: there is nothing faster.
    void (*write_codes)(const bits_code_map *map, const float *moment, uint8_t *codes, float inverse, int64_t count);
    // The largest magnitude as a bit pattern, so that anything that is not finite shows.
    uint32_t (*largest_bits)(const float *moment, int64_t count);
    int32_t takes_halves;  // whether the rules take 16-bit types as they lie
} bits_optimizer_level;

extern const bits_optimizer_level bits_optimizer_portable;
#if BITS_X86
extern const bits_optimizer_level bits_optimizer_avx2, bits_optimizer_avx512, bits_optimizer_avx512_vbmi;
#endif

const bits_optimizer_level *bits_optimizer_current_level(void);

// Elements in float32 and padded with zeros to whole lanes: in place where they are so already, else in `scratch`.
float *bits_widened(const bits_optimizer_level *level, int32_t dtype, const char *values, float *scratch, int64_t count);

// Elements that bits_widened gave, back to where they came from.
void bits_write_back(const bits_optimizer_level *level, int32_t dtype, const float *values, char *result, int64_t count);

// The sum of the lanes' sums.
double bits_folded(double sums[BITS_LANES]);

// What a block of moments is multiplied by before its codes are looked up; finite also where the block is zero or nearly.
static inline float bits_inverse_scale(float absmax) { return 1 / (absmax > 0x1p-126f ? absmax : 0x1p-126f); }

static inline int64_t bits_rounded_up(int64_t count, int64_t unit) { return (count + unit - 1) / unit * unit; }

static inline int64_t bits_parts(int64_t count) { return (count + BITS_PART - 1) / BITS_PART; }

// The array that a part belongs to, where the parts of `count` arrays are numbered one array after the other and first[i] is the first of array i.
static inline int64_t bits_owner(const int64_t *first, int64_t count, int64_t part) {
    int64_t low = 0, high = count;  // the owner is the last array in low ..< high whose first part is not beyond
    while (high - low > 1) {
        const int64_t middle = low + (high - low) / 2;
        if (first[middle] <= part) low = middle;
        else high = middle;
    }
    return low;
}

#endif
