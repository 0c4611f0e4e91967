// Where new tokens go, and their keys and values written there.
#include "bits_decoding.h"
#include "elementwise/private_rows.h"

int32_t bits_cpu_advance_positions(int32_t *lengths, int64_t sequences, int64_t tokens, int32_t *positions, int32_t *ranges) {
    if (sequences < 0 || tokens < 0) return BITS_BAD_SIZE;
    for (int64_t b = 0; b < sequences; b++) {
        const int inert = lengths[b] < 0;
        for (int64_t t = 0; t < tokens; t++) {
            const int64_t i = b * tokens + t;
            positions[i] = inert ? -1 : lengths[b] + (int32_t)t;
            ranges[2 * i] = 0;
            ranges[2 * i + 1] = positions[i] + 1;
        }
        if (!inert) lengths[b] += (int32_t)tokens;
    }
    return BITS_OK;
}

typedef struct {
    const bits_rows *loops;
    const void *key, *value;
    void *key_cache, *value_cache;
    const int32_t *positions;
    int32_t key_dtype, value_dtype, cache_dtype;
    int64_t rows, tokens, capacity, width, per_part;
} cache_work;

static void cache_part(void *context, int64_t part) {
    const cache_work *w = context;
    const int64_t first = part * w->per_part, last = first + w->per_part < w->rows ? first + w->per_part : w->rows;
    for (int64_t row = first; row < last; row++) {
        const int64_t position = w->positions[row];
        if (position < 0 || position >= w->capacity) continue;
        const int64_t source = row * w->width, target = (row / w->tokens * w->capacity + position) * w->width;
        w->loops->convert(bits_at(w->key, w->key_dtype, source), w->key_dtype, bits_at_mutable(w->key_cache, w->cache_dtype, target), w->cache_dtype,
                          w->width);
        w->loops->convert(bits_at(w->value, w->value_dtype, source), w->value_dtype, bits_at_mutable(w->value_cache, w->cache_dtype, target),
                          w->cache_dtype, w->width);
    }
}

int32_t bits_cpu_cache_write(const void *key, int32_t key_dtype, const void *value, int32_t value_dtype, const int32_t *positions, void *key_cache,
                             void *value_cache, int32_t cache_dtype, int64_t sequences, int64_t tokens, int64_t capacity, int64_t width) {
    if (!bits_is_float(key_dtype) || !bits_is_float(value_dtype) || !bits_is_float(cache_dtype)) return BITS_BAD_DTYPE;
    if (sequences < 0 || tokens < 0 || capacity < 0 || width < 0) return BITS_BAD_SIZE;
    cache_work work = {.loops = bits_rows_now(), .key = key, .key_dtype = key_dtype, .value = value, .value_dtype = value_dtype,
                       .positions = positions, .key_cache = key_cache, .value_cache = value_cache, .cache_dtype = cache_dtype,
                       .rows = sequences * tokens, .tokens = tokens, .capacity = capacity, .width = width,
                       .per_part = width >= 8192 ? 1 : 8192 / (width + 1) + 1};
    bits_share((work.rows + work.per_part - 1) / work.per_part, work.rows * width / 4, cache_part, &work);
    return BITS_OK;
}
