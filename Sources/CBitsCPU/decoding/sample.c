// Drawing the next token of each sequence. The tokens that count are found by radix selection: a large vocabulary is never sorted.
#include "bits_decoding.h"
#include "base/scratch.h"
#include "elementwise/private_rows.h"
#include <math.h>
#include <stdatomic.h>
#include <string.h>

enum { BLOCK = 256 };

// Tokens that may be drawn, in the order of their ids.
typedef struct {
    const bits_rows *loops;
    float *weights;
    int32_t *ids;  // not set while the candidates are the whole vocabulary
    int is_whole;
    float *maxima;  // room for one of every BLOCK candidates
    int64_t count;
} candidates;

static int32_t id_of(const candidates *c, int64_t i) { return c->is_whole ? (int32_t)i : c->ids[i]; }

// Weights are not negative, so that their bits are in their order.
static uint32_t bits_of(float weight) {
    uint32_t bits;
    memcpy(&bits, &weight, sizeof bits);
    return bits;
}

// Of numbers between 0 and 1 exact enough for any order; four sums, because one would wait for itself.
static double sum_of(const float *weights, int64_t count) {
    double sums[4] = {0};
    int64_t i = 0;
    for (; i + 4 <= count; i += 4)
        for (int k = 0; k < 4; k++) sums[k] += (double)weights[i + k];
    for (; i < count; i++) sums[0] += (double)weights[i];
    return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

// Where the largest weights end: those whose bits are above `least` belong to them, and the first `equals` of those with these bits.
typedef struct {
    uint32_t least;
    int64_t equals;
} cut;

// The fewest largest weights that are `most` in number or reach `sum`: digit by digit of their bits, from the highest on.
static cut cut_of(const float *weights, int64_t count, int64_t most, double sum) {
    static const int shifts[] = {20, 9, 0}, widths[] = {11, 11, 9};
    int64_t counts[1 << 11], above = 0;
    double sums[1 << 11], sum_above = 0;
    cut result = {0, 0};
    for (int level = 0; level < 3; level++) {
        const uint32_t mask = (1u << widths[level]) - 1;
        memset(counts, 0, (mask + 1) * sizeof counts[0]);
        memset(sums, 0, (mask + 1) * sizeof sums[0]);
        for (int64_t i = 0; i < count; i++) {
            const uint32_t bits = bits_of(weights[i]);
            if (bits >> shifts[level] >> widths[level] != result.least) continue;
            const uint32_t digit = bits >> shifts[level] & mask;
            counts[digit]++;
            sums[digit] += (double)weights[i];
        }
        uint32_t digit = mask;
        while (digit > 0 && above + counts[digit] < most && sum_above + sums[digit] < sum) {
            above += counts[digit];
            sum_above += sums[digit];
            digit--;
        }
        result.least = result.least << widths[level] | digit;
        result.equals = counts[digit];
    }
    float weight;
    memcpy(&weight, &result.least, sizeof weight);
    const int64_t equals = result.equals;
    for (result.equals = 0; result.equals < equals && above < most && sum_above < sum; result.equals++) {
        above++;
        sum_above += (double)weight;
    }
    return result;
}

static void keep_from(candidates *c, float least) {
    int64_t kept = 0;
    for (int64_t i = 0; i < c->count; i++) {
        if (!(c->weights[i] >= least)) continue;
        c->ids[kept] = id_of(c, i);
        c->weights[kept++] = c->weights[i];
    }
    c->count = kept;
    c->is_whole = 0;
}

static void keep_above(candidates *c, cut cut) {
    int64_t kept = 0;
    for (int64_t i = 0; i < c->count; i++) {
        const uint32_t bits = bits_of(c->weights[i]);
        if (bits < cut.least || (bits == cut.least && cut.equals-- <= 0)) continue;
        c->ids[kept] = id_of(c, i);
        c->weights[kept++] = c->weights[i];
    }
    c->count = kept;
    c->is_whole = 0;
}

static void keep_largest(candidates *c, int64_t most) {
    const int64_t blocks = c->count / BLOCK;
    if (most <= blocks) {
        // As many weights as are asked for are at least as large as the last of so many blocks' largest: the others need not be looked at again.
        for (int64_t block = 0; block < blocks; block++) c->maxima[block] = c->loops->maximum(c->weights + block * BLOCK, BITS_F32, BLOCK);
        const uint32_t least = cut_of(c->maxima, blocks, most, INFINITY).least;
        float bound;
        memcpy(&bound, &least, sizeof bound);
        keep_from(c, bound);
    }
    if (most < c->count) keep_above(c, cut_of(c->weights, c->count, most, INFINITY));
}

static void keep_share(candidates *c, double share) {
    const double total = sum_of(c->weights, c->count);
    // Weights below this add up to less than what may be left out; a little lower, for rounding.
    keep_from(c, (float)(0.999 * total * (1 - share) / (double)c->count));
    keep_above(c, cut_of(c->weights, c->count, INT64_MAX, total * share));
}

// The first candidate with which the sum of the weights passes this share of the whole.
static int32_t candidate_at(const candidates *c, double share) {
    double left = share * sum_of(c->weights, c->count);
    int64_t last = 0;
    for (int64_t start = 0; start < c->count; start += BLOCK) {
        const int64_t end = start + BLOCK < c->count ? start + BLOCK : c->count;
        const double sum = sum_of(c->weights + start, end - start);
        if (left >= sum && end < c->count) {
            left -= sum;
            continue;
        }
        for (int64_t i = start; i < end; i++) {
            if (c->weights[i] == 0) continue;
            left -= (double)c->weights[i];
            last = i;
            if (left < 0) return id_of(c, i);
        }
    }
    return id_of(c, last);
}

// A number from [0, 1), of the first two words at this position of the seed's stream.
static double uniform_at(const bits_rows *loops, int64_t seed, int32_t position) {
    const bits_random_stream stream = {.seed = (uint64_t)seed, .position = (uint64_t)position};
    uint32_t words[4];
    loops->random_block(&stream, words);
    return (double)(((uint64_t)words[1] << 32 | words[0]) >> 11) * 0x1p-53;
}

typedef struct {
    const bits_rows *loops;
    bits_sampling options;
    const void *logits;
    int32_t logits_dtype;
    const int32_t *positions;
    const int64_t *seeds;
    uint8_t *seen;
    int32_t *tokens;
    int64_t vocabulary;
    _Atomic int32_t status;
} sample_work;

static void penalize(float *logits, const uint8_t *seen, float penalty, int64_t count) {
    for (int64_t i = 0; i < count; i++)
        if (seen[i]) logits[i] = logits[i] > 0 ? logits[i] / penalty : logits[i] * penalty;
}

static int32_t token_of(const sample_work *w, int64_t sequence, candidates *c) {
    const bits_sampling *options = &w->options;
    const void *logits = bits_at(w->logits, w->logits_dtype, sequence * w->vocabulary);
    int32_t dtype = w->logits_dtype;
    if (w->seen) {
        w->loops->convert(logits, dtype, c->weights, BITS_F32, c->count);
        penalize(c->weights, w->seen + sequence * w->vocabulary, options->repetition_penalty, c->count);
        logits = c->weights;
        dtype = BITS_F32;
    }
    const int64_t likeliest = w->loops->largest_index(logits, dtype, c->count);
    float peak;
    w->loops->convert(bits_at(logits, dtype, likeliest), dtype, &peak, BITS_F32, 1);
    if (!(peak > -INFINITY)) return BITS_TOKEN_NOT_A_NUMBER;
    if (options->temperature == 0 || peak == INFINITY) return (int32_t)likeliest;
    w->loops->sampling_weights(logits, dtype, peak, options->temperature, c->weights, c->count);
    if (options->top_k > 0 && options->top_k < c->count) keep_largest(c, options->top_k);
    if (options->top_p < 1) keep_share(c, (double)options->top_p);
    if (options->min_p > 0) keep_from(c, options->min_p);
    return candidate_at(c, uniform_at(w->loops, w->seeds[sequence], w->positions[sequence]));
}

static void sample_part(void *context, int64_t sequence) {
    sample_work *w = context;
    if (w->positions[sequence] < 0) {
        w->tokens[sequence] = BITS_TOKEN_NONE;
        return;
    }
    const int64_t padded = (w->vocabulary + 15) / 16 * 16;
    float *memory = bits_scratch(BITS_SCRATCH_LOCAL, (size_t)(2 * padded + w->vocabulary / BLOCK) * sizeof(float));
    if (!memory) {
        atomic_store(&w->status, BITS_NO_MEMORY);
        return;
    }
    candidates all = {.loops = w->loops, .weights = memory, .ids = (int32_t *)(void *)(memory + padded), .is_whole = 1,
                      .maxima = memory + 2 * padded, .count = w->vocabulary};
    const int32_t token = token_of(w, sequence, &all);
    w->tokens[sequence] = token;
    if (w->seen && token >= 0) w->seen[sequence * w->vocabulary + token] = 1;
}

int32_t bits_cpu_sample_tokens(const bits_sampling *options, const void *logits, int32_t logits_dtype, const int32_t *positions, const int64_t *seeds,
                               uint8_t *seen, int32_t *tokens, int64_t sequences, int64_t vocabulary) {
    if (!bits_is_float(logits_dtype)) return BITS_BAD_DTYPE;
    if (sequences < 0 || vocabulary <= 0 || vocabulary > INT32_MAX) return BITS_BAD_SIZE;
    if (!seeds && options->temperature > 0) return BITS_BAD_OPTION;
    sample_work work = {.loops = bits_rows_now(), .options = *options, .logits = logits, .logits_dtype = logits_dtype, .positions = positions,
                        .seeds = seeds, .seen = seen, .tokens = tokens, .vocabulary = vocabulary};
    bits_share(sequences, sequences * vocabulary, sample_part, &work);
    return atomic_load(&work.status);
}
