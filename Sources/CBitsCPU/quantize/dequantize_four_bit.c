#include "base/element_types.h"
#include "base/half.h"
#include "quantize/four_bit_scales.h"
#include "bits_quantize.h"

// Results above STREAMED_BYTES go past the caches, which they would not fit. Smaller ones are faster through them, up to three times on a processor
// whose last level holds them, and no slower on others.
enum { PART_ELEMENTS = 1 << 16, STREAMED_BYTES = 96 << 20 };

// The sixteen values of one block in the output's type.
union table {
    _Alignas(64) float floats[16];
    uint16_t halves[32];  // twice, for a lookup by five bits
};

static inline __attribute__((always_inline)) void fill_table(union table *table, const float *code, float scale, int32_t dtype) {
    float values[16];
    for (int i = 0; i < 16; i++) values[i] = code[i] * scale;
    if (dtype == BITS_F32) memcpy(table->floats, values, sizeof values);
    if (dtype == BITS_F16)
        for (int i = 0; i < 16; i++) table->halves[i] = bits_f32_to_f16(values[i]);
    if (dtype == BITS_BF16)
        for (int i = 0; i < 16; i++) table->halves[i] = bits_f32_to_bf16(values[i]);
    if (dtype != BITS_F32) memcpy(table->halves + 16, table->halves, 16 * sizeof(uint16_t));
}

// Where the elements of a run go and how they are looked up.
struct run {
    const uint8_t *packed;
    void *output;
    int64_t n;  // elements, from the start of a byte
    int32_t dtype, streams;
};

static inline __attribute__((always_inline)) void lookup(const struct run *run, const union table *table, int64_t start) {
    float *floats = run->output;
    uint16_t *halves = run->output;
    for (int64_t i = start; i < run->n; i++) {
        const int code = i % 2 == 0 ? run->packed[i / 2] >> 4 : run->packed[i / 2] & 15;
        if (run->dtype == BITS_F32) floats[i] = table->floats[code];
        else halves[i] = table->halves[code];
    }
}

static inline __attribute__((always_inline)) void run_portable(const struct run *run, const union table *table) { lookup(run, table, 0); }

#if BITS_X86
#define AVX2 BITS_TARGET_AVX2 static inline __attribute__((always_inline))
#define AVX512 BITS_TARGET_AVX512 static inline __attribute__((always_inline))

// Byte j of the sixteen values in planes[j].
AVX2 void split_bytes(const union table *table, int32_t dtype, __m128i *planes) {
    const __m128i *words = (const __m128i *)table;
    if (dtype != BITS_F32) {
        const __m128i even_odd = _mm_setr_epi8(0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15);
        const __m128i a = _mm_shuffle_epi8(words[0], even_odd), b = _mm_shuffle_epi8(words[1], even_odd);
        planes[0] = _mm_unpacklo_epi64(a, b);
        planes[1] = _mm_unpackhi_epi64(a, b);
        return;
    }
    const __m128i by_byte = _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    __m128i v[4];
    for (int i = 0; i < 4; i++) v[i] = _mm_shuffle_epi8(words[i], by_byte);
    const __m128i low01 = _mm_unpacklo_epi32(v[0], v[1]), low23 = _mm_unpacklo_epi32(v[2], v[3]);
    const __m128i high01 = _mm_unpackhi_epi32(v[0], v[1]), high23 = _mm_unpackhi_epi32(v[2], v[3]);
    planes[0] = _mm_unpacklo_epi64(low01, low23);
    planes[1] = _mm_unpackhi_epi64(low01, low23);
    planes[2] = _mm_unpacklo_epi64(high01, high23);
    planes[3] = _mm_unpackhi_epi64(high01, high23);
}

AVX2 void store_16(__m128i *target, __m128i value, int streams) {
    if (streams) _mm_stream_si128(target, value);
    else _mm_storeu_si128(target, value);
}

AVX2 void run_avx2(const struct run *run, const union table *table) {
    __m128i planes[4];
    split_bytes(table, run->dtype, planes);
    const __m128i low = _mm_set1_epi8(15);
    int64_t i = 0;
    for (; i + 32 <= run->n; i += 32) {
        const __m128i bytes = _mm_loadu_si128((const __m128i *)(run->packed + i / 2));
        const __m128i first = _mm_and_si128(_mm_srli_epi16(bytes, 4), low), second = _mm_and_si128(bytes, low);
        const __m128i codes[2] = {_mm_unpacklo_epi8(first, second), _mm_unpackhi_epi8(first, second)};
        for (int j = 0; j < 2; j++) {
            const __m128i b0 = _mm_shuffle_epi8(planes[0], codes[j]), b1 = _mm_shuffle_epi8(planes[1], codes[j]);
            const __m128i low01 = _mm_unpacklo_epi8(b0, b1), high01 = _mm_unpackhi_epi8(b0, b1);
            if (run->dtype != BITS_F32) {
                __m128i *target = (__m128i *)((uint16_t *)run->output + i + 16 * j);
                store_16(target, low01, run->streams);
                store_16(target + 1, high01, run->streams);
                continue;
            }
            const __m128i b2 = _mm_shuffle_epi8(planes[2], codes[j]), b3 = _mm_shuffle_epi8(planes[3], codes[j]);
            const __m128i low23 = _mm_unpacklo_epi8(b2, b3), high23 = _mm_unpackhi_epi8(b2, b3);
            __m128i *target = (__m128i *)((float *)run->output + i + 16 * j);
            store_16(target, _mm_unpacklo_epi16(low01, low23), run->streams);
            store_16(target + 1, _mm_unpackhi_epi16(low01, low23), run->streams);
            store_16(target + 2, _mm_unpacklo_epi16(high01, high23), run->streams);
            store_16(target + 3, _mm_unpackhi_epi16(high01, high23), run->streams);
        }
    }
    lookup(run, table, i);
}

AVX512 void store_64(void *target, __m512i value, int streams) {
    if (streams) _mm512_stream_si512(target, value);
    else _mm512_storeu_si512(target, value);
}

AVX512 void run_avx512(const struct run *run, const union table *table) {
    const __m512i values = _mm512_load_si512(table);
    int64_t i = 0;
    if (run->dtype == BITS_F32) {
        // Every lane gets the four bytes it lies in and shifts them so that its code comes lowest; the lookup reads four bits.
        const __m512i shift = _mm512_setr_epi32(4, 0, 12, 8, 20, 16, 28, 24, 4, 0, 12, 8, 20, 16, 28, 24);
        for (; i + 32 <= run->n; i += 32) {
            const __m512i bytes = _mm512_castsi128_si512(_mm_loadu_si128((const __m128i *)(run->packed + i / 2)));
            for (int j = 0; j < 2; j++) {
                const int k = 2 * j;
                const __m512i lane = _mm512_setr_epi32(k, k, k, k, k, k, k, k, k + 1, k + 1, k + 1, k + 1, k + 1, k + 1, k + 1, k + 1);
                const __m512i codes = _mm512_srlv_epi32(_mm512_permutexvar_epi32(lane, bytes), shift);
                store_64((float *)run->output + i + 16 * j, _mm512_permutexvar_epi32(codes, values), run->streams);
            }
        }
    } else {
        // The same with the two bytes of four codes; the lookup reads five bits of a table that repeats.
        const __m512i shift = _mm512_set1_epi64(0x0008000c00000004);
        const __m512i lane = _mm512_set_epi16(
            7, 7, 7, 7, 6, 6, 6, 6, 5, 5, 5, 5, 4, 4, 4, 4, 3, 3, 3, 3, 2, 2, 2, 2, 1, 1, 1, 1, 0, 0, 0, 0);
        for (; i + 32 <= run->n; i += 32) {
            const __m512i bytes = _mm512_castsi128_si512(_mm_loadu_si128((const __m128i *)(run->packed + i / 2)));
            const __m512i codes = _mm512_srlv_epi16(_mm512_permutexvar_epi16(lane, bytes), shift);
            store_64((uint16_t *)run->output + i, _mm512_permutexvar_epi16(codes, values), run->streams);
        }
    }
    lookup(run, table, i);
}
#endif

struct job {
    const bits_four_bit_matrix *weight;
    int64_t count;
    void *output;
    int32_t dtype, streams;
    // Gathering of rows:
    const void *indices;
    int32_t index_dtype;
};

typedef void (*run_fn)(const struct run *, const union table *);

// Elements first ... first + count - 1 to `output`.
static inline __attribute__((always_inline)) void dequantize_range(
    const struct job *job, int64_t first, int64_t count, uint8_t *output, run_fn run, int32_t dtype) {
    const bits_four_bit_matrix *const w = job->weight;
    const int64_t end = first + count, width = bits_element_size(dtype);
    int64_t block = bits_quotient(first, w->block_size);
    for (int64_t i = first; i < end; block++) {
        const int64_t block_end = (block + 1) * w->block_size < end ? (block + 1) * w->block_size : end;
        union table table;
        fill_table(&table, w->code, bits_four_bit_scale(w, block), dtype);
        if (i % 2 == 1) {
            const uint8_t code = w->packed[i / 2] & 15;
            memcpy(output + (i - first) * width, dtype == BITS_F32 ? (void *)&table.floats[code] : (void *)&table.halves[code], (size_t)width);
            i++;
        }
        const struct run piece = {w->packed + i / 2, output + (i - first) * width, block_end - i, dtype, job->streams};
        run(&piece, &table);
        i = block_end;
    }
}

static inline __attribute__((always_inline)) void dequantize_typed(const struct job *job, int64_t first, int64_t count, uint8_t *output, run_fn run) {
    BITS_FOR_FLOAT_TYPE(job->dtype, dequantize_range, job, first, count, output, run)
}

// One part of an array, or one row of a gathering.
static inline __attribute__((always_inline)) void run_part(const struct job *job, int64_t part, run_fn run) {
    const int64_t width = bits_element_size(job->dtype);
    if (job->indices == NULL) {
        const int64_t first = part * PART_ELEMENTS;
        const int64_t count = job->count - first < PART_ELEMENTS ? job->count - first : PART_ELEMENTS;
        return dequantize_typed(job, first, count, (uint8_t *)job->output + first * width, run);
    }
    const int64_t row = bits_index_at(job->indices, job->index_dtype, part);
    uint8_t *output = (uint8_t *)job->output + part * job->weight->columns * width;
    if (row < 0 || row >= job->weight->rows) memset(output, 0, (size_t)(job->weight->columns * width));
    else dequantize_typed(job, row * job->weight->columns, job->weight->columns, output, run);
}

static void part_portable(void *context, int64_t part) { run_part(context, part, run_portable); }
#if BITS_X86
BITS_TARGET_AVX2 static void part_avx2(void *context, int64_t part) {
    run_part(context, part, run_avx2);
    _mm_sfence();
}
BITS_TARGET_AVX512 static void part_avx512(void *context, int64_t part) {
    run_part(context, part, run_avx512);
    _mm_sfence();
}
#endif

static int32_t check(const struct job *job) {
    if (!bits_is_float(job->dtype)) return BITS_BAD_DTYPE;
    if (job->indices != NULL && !bits_is_index(job->index_dtype)) return BITS_BAD_DTYPE;
    if (job->count < 0 || job->weight->block_size < 2 || job->weight->block_size % 2 != 0) return BITS_BAD_SIZE;
    return BITS_OK;
}

static int32_t run_parts(struct job *job, int64_t parts) {
    bits_pool_run(parts, BITS_OF_LEVEL(part_portable, part_avx2, part_avx512), job);
    return BITS_OK;
}

int32_t bits_cpu_dequantize_four_bit(const bits_four_bit_matrix *w, void *output, int32_t dtype) {
    struct job job = {.weight = w, .count = w->rows * w->columns, .output = output, .dtype = dtype};
    const int32_t status = check(&job);
    if (status != BITS_OK) return status;
    job.streams = job.count * bits_element_size(dtype) >= STREAMED_BYTES && (uintptr_t)output % 64 == 0 && w->block_size % 32 == 0;
    return run_parts(&job, (job.count + PART_ELEMENTS - 1) / PART_ELEMENTS);
}

int32_t bits_cpu_gather_four_bit(
    const bits_four_bit_matrix *w, const void *indices, int32_t index_dtype, int64_t count, void *output, int32_t dtype) {
    struct job job = {.weight = w, .count = count, .output = output, .dtype = dtype, .indices = indices, .index_dtype = index_dtype};
    const int32_t status = check(&job);
    return status != BITS_OK ? status : run_parts(&job, count);
}
