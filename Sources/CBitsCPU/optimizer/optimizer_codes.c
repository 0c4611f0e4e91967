// Codebooks of the optimizer's 8-bit moments: prepared for reading by byte planes and, for the two dynamic maps, for a search without a search.
//
// A dynamic map is linear within a decade and has half as many codes in each decade below, so the number of the code is a piecewise linear function
// of the magnitude, with slopes that fall from decade to decade: the least of seven lines. Rounding leaves it unsure by one; one comparison with the
// exact threshold decides.
#include "optimizer/optimizer_private.h"
#include <math.h>
#include <pthread.h>
#include <string.h>

enum { DECADES = 7 };

static const float decade_ends[DECADES] = {1e-6f, 1e-5f, 1e-4f, 1e-3f, 1e-2f, 1e-1f, 1.0f};

// Element `index` of `count` values from 0.1 to 1.
static float evenly_spaced(int index, int count) {
    const float first = 0.1f, last = 1.0f, gap = (last - first) / (float)(count - 1);
    return index < count / 2 ? fmaf(gap, (float)index, first) : fmaf(-gap, (float)(count - 1 - index), last);
}

// The magnitudes of a dynamic map, ascending, from 0 to 1; returns how many: 129 signed, 256 unsigned.
static int dynamic_magnitudes(int is_signed, float *magnitudes) {
    int count = 0;
    magnitudes[count++] = 0;
    for (int decade = 0; decade < DECADES; decade++) {
        const int values = 1 << (decade + !is_signed);
        for (int j = 0; j < values; j++)
            magnitudes[count++] = (evenly_spaced(j, values + 1) + evenly_spaced(j + 1, values + 1)) / 2 * decade_ends[decade];
    }
    magnitudes[count++] = 1;
    return count;
}

// The largest value that goes to the code below the one at `above`: a value exactly between two codes goes to the even one, which is the upper one
// where `tie_rises`.
static float last_below(float below, float above, int tie_rises) {
    const float middle = 0.5f * (below + above);
    return tie_rises ? nextafterf(middle, 0) : middle;
}

static void split_into_planes(const float *values, uint8_t planes[4][256]) {
    for (int i = 0; i < 256; i++) {
        uint32_t bits;
        memcpy(&bits, values + i, 4);
        for (int plane = 0; plane < 4; plane++) planes[plane][i] = (uint8_t)(bits >> 8 * plane);
    }
}

static bits_code_map signed_map, unsigned_map;

static void prepare_dynamic(int is_signed, bits_code_map *map) {
    float magnitudes[256];
    const int count = dynamic_magnitudes(is_signed, magnitudes);
    for (int i = 0; i < 256; i++) map->values[i] = is_signed ? (i < 127 ? -magnitudes[127 - i] : magnitudes[i - 127]) : magnitudes[i];
    for (int k = 0; k < 256; k++) map->thresholds[k] = INFINITY;
    for (int k = 0; k + 1 < count; k++) {
        const int upper_code = is_signed ? 127 + k + 1 : k + 1;  // even where the lower half's is
        map->thresholds[k] = last_below(magnitudes[k], magnitudes[k + 1], upper_code % 2 == 0);
    }
    for (int decade = 0; decade < DECADES; decade++) {
        const int values = 1 << (decade + !is_signed), below = is_signed ? values - 1 : values - 2;
        const double width = 0.9 * pow(10, decade - 6) / values;  // of one code
        map->slopes[decade] = (float)(1 / width);
        map->offsets[decade] = (float)(below + 0.5 - values / 9.0);
    }
    map->slopes[DECADES] = map->slopes[DECADES - 1];
    map->offsets[DECADES] = map->offsets[DECADES - 1];
    for (int pair = 0; pair < 16; pair++) {
        int decade = 0;
        while (decade < DECADES - 1 && decade_ends[decade] <= ldexpf(1, 2 * (pair - 16) + 1)) decade++;
        for (int line = 0; line < 2; line++) {
            const int which = decade + line < DECADES ? decade + line : decade;
            map->octaves[2 * line][pair] = map->slopes[which];
            map->octaves[2 * line + 1][pair] = map->offsets[which];
        }
    }
    split_into_planes(map->values, map->value_planes);
    split_into_planes(map->thresholds, map->threshold_planes);
    map->kind = is_signed ? BITS_MAP_SIGNED : BITS_MAP_UNSIGNED;
    map->table = bits_code_table_acquire(map->values);
}

static void prepare_both(void) {
    prepare_dynamic(1, &signed_map);
    prepare_dynamic(0, &unsigned_map);
}

const bits_code_map *bits_prepare_code_map(const float *codebook, bits_code_map *scratch) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, prepare_both);
    const bits_code_map *map = scratch;
    if (memcmp(codebook, signed_map.values, sizeof signed_map.values) == 0) {
        map = &signed_map;
    } else if (memcmp(codebook, unsigned_map.values, sizeof unsigned_map.values) == 0) {
        map = &unsigned_map;
    } else {
        memcpy(scratch->values, codebook, sizeof scratch->values);
        split_into_planes(scratch->values, scratch->value_planes);
        scratch->kind = BITS_MAP_OTHER;
        scratch->table = bits_code_table_acquire(codebook);
    }
    return map->table ? map : NULL;
}

void bits_release_code_map(const bits_code_map *map) {
    if (map && map->kind == BITS_MAP_OTHER) bits_code_table_release(map->table);
}

void bits_write_codes(const bits_code_map *map, int32_t is_signed, const float *moment, uint8_t *codes, float *absmax, int64_t count) {
    float largest = 0;
    for (int64_t i = 0; i < count; i++)
        if (fabsf(moment[i]) > largest) largest = fabsf(moment[i]);
    *absmax = largest;
    const float inverse = bits_inverse_scale(largest);
    for (int64_t i = 0; i < count; i++) {
        const float s = moment[i], y = s * inverse;
        uint32_t code = bits_nearest_code(map->table, y);
        if (is_signed && y == y && s != 0 && !signbit(map->values[code]) != !signbit(s)) {
            if (s > 0 && code < 255) code++;
            if (s < 0 && code > 0) code--;
        }
        codes[i] = (uint8_t)code;
    }
}
