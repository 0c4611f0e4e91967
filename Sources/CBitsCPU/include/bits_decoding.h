// Continuing sequences token by token: where new tokens go, the cache of keys and values, and drawing the next token.
//
// Results do not depend on the number of threads.
#ifndef BITS_DECODING_H
#define BITS_DECODING_H
#include "bits_base.h"

// positions[b, t] = lengths[b] + t, ranges[b, t] = {0, positions[b, t] + 1} for t < tokens, then lengths[b] += tokens. A negative length stays, and
// gives positions of -1 and empty ranges.
int32_t bits_cpu_advance_positions(int32_t *lengths, int64_t sequences, int64_t tokens, int32_t *positions, int32_t *ranges);

// Row positions[b, t] of sequence b in each cache [sequences, capacity, width] = row (b, t) of key and of value [sequences, tokens, width], rounded once
// to the caches' type. Positions outside the capacity are left out; those of one sequence differ.
int32_t bits_cpu_cache_write(const void *key, int32_t key_dtype, const void *value, int32_t value_dtype, const int32_t *positions, void *key_cache,
                             void *value_cache, int32_t cache_dtype, int64_t sequences, int64_t tokens, int64_t capacity, int64_t width);

typedef struct {
    float temperature;         // 0: the most likely token
    int64_t top_k;             // 0: all
    float top_p;               // 1: all
    float min_p;               // 0: all
    float repetition_penalty;  // of tokens that `seen` marks
} bits_sampling;

enum { BITS_TOKEN_NONE = -1, BITS_TOKEN_NOT_A_NUMBER = -2 };

// tokens[b] = a token drawn from logits [sequences, vocabulary] by Philox 4x32-10 with seeds[b] as key and positions[b] as counter; BITS_TOKEN_NONE for a
// negative position, BITS_TOKEN_NOT_A_NUMBER where all logits are NaN or -inf. seen [sequences, vocabulary] may be NULL; it is marked.
// seeds may be NULL at temperature 0.
int32_t bits_cpu_sample_tokens(const bits_sampling *options, const void *logits, int32_t logits_dtype, const int32_t *positions, const int64_t *seeds,
                               uint8_t *seen, int32_t *tokens, int64_t sequences, int64_t vocabulary);
#endif
