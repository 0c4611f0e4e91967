// Loops of random numbers. Each works on a run of elements that begins with a block of the stream.
#ifndef BITS_RANDOM_ROWS_H
#define BITS_RANDOM_ROWS_H

typedef uint64_t vw __attribute__((vector_size(8 * BITS_WIDTH)));

// Every fma here is part of the rule.
INLINE vf exact_fma(vf a, vf b, vf c) { return __builtin_elementwise_fma(a, b, c); }
HORNER(exact_polynomial, exact_fma)

// The upper half of each lane's product.
INLINE vu upper_half(vu x, uint64_t multiplier) {
    const vw product = __builtin_convertvector(x, vw) * multiplier;
    return __builtin_convertvector(product >> 32, vu);
}

// The words of `block` + the lane's step, in every lane.
INLINE void philox(const bits_random_stream *stream, uint64_t block, vu step, vu words[4]) {
    const vu low = (uint32_t)block + step;
    vu a = low, b = (uint32_t)(block >> 32) - (vu)(low < step);  // a lane that is all ones adds the carry
    vu c = (uint32_t)stream->stream + (vu){}, d = (uint32_t)(stream->stream >> 32) + (vu){};
    uint32_t key = (uint32_t)stream->seed, other_key = (uint32_t)(stream->seed >> 32);
#pragma clang loop unroll(full)
    for (int round = 0; round < 10; round++) {
        const vu first = a * 0xd2511f53u, second = c * 0xcd9e8d57u, first_upper = upper_half(a, 0xd2511f53), second_upper = upper_half(c, 0xcd9e8d57);
        a = second_upper ^ b ^ key;
        b = second;
        c = first_upper ^ d ^ other_key;
        d = first;
        key += 0x9e3779b9;
        other_key += 0xbb67ae85;
    }
    words[0] = a;
    words[1] = b;
    words[2] = c;
    words[3] = d;
}

static void random_block(const bits_random_stream *stream, uint32_t words[4]) {
    vu lanes[4];
    philox(stream, stream->position, (vu){}, lanes);
    for (int k = 0; k < 4; k++) words[k] = lanes[k][0];
}

enum { RANDOM_BLOCKS = BITS_WIDTH / 4, RANDOM_UNIT = BITS_WIDTH * BITS_WIDTH };

// The bits of words: lane r of vector 4 g + j is that of element WIDTH r + 4 g + j, a transposition away from memory order.
INLINE void random_words(const bits_random_stream *stream, int64_t block, vf words[BITS_WIDTH]) {
    vu step;
    for (int lane = 0; lane < WIDTH; lane++) step[lane] = (uint32_t)(lane * RANDOM_BLOCKS);
#pragma clang loop unroll(full)
    for (int group = 0; group < RANDOM_BLOCKS; group++) {
        vu four[4];
        philox(stream, stream->position + (uint64_t)(block + group), step, four);
        for (int j = 0; j < 4; j++) words[4 * group + j] = (vf)four[j];
    }
}

// ln of u from 2^-32 to 1.
INLINE vf random_log(vf u) {
    const vi bits = (vi)u - 0x3f3504f3;
    const vf exponent = __builtin_convertvector(bits >> 23, vf), f = (vf)((bits & 0x7fffff) + 0x3f3504f3) - 1.0f, square = f * f;
    const vf p = exact_polynomial(f, LOG_COEFFICIENTS);
    const vf tail = exact_fma(square, splat(-0.5f), exact_fma(p, square * f, exponent * -2.12194440e-4f));
    return exact_fma(exponent, splat(0.693359375f), f + tail);
}

// Two standard normal numbers of two words, in their place.
INLINE void normal_pair(vf *a, vf *b) {
    const vf u = exact_fma(__builtin_convertvector((vi)((vu)*a >> 1), vf), splat(0x1p-31f), splat(0x1p-32f));
    const vf radius = square_root(-2.0f * random_log(u));
    const vu turns = (vu)*b, quarter = (turns + (1u << 29)) >> 30;
    const vf y = __builtin_convertvector((vi)(turns - (quarter << 30)), vf) * 0x1.921fb6p-30f, square = y * y;
    const vf p = exact_polynomial(square, COEFFICIENTS(-1.9515295891e-4f, 8.3321608736e-3f, -1.6666654611e-1f));
    const vf q = exact_polynomial(square, COEFFICIENTS(2.443315711809948e-5f, -1.388731625493765e-3f, 4.166664568298827e-2f));
    const vf sine = exact_fma(p * square, y, y);
    const vf cosine = exact_fma(q, square * square, exact_fma(square, splat(-0.5f), splat(1.0f)));
    const vi swaps = (vi)(quarter & 1) != 0;
    const vf x = (vf)((vu)pick(swaps, sine, cosine) ^ (((quarter + 1) & 2) << 30));
    const vf z = (vf)((vu)pick(swaps, cosine, sine) ^ ((quarter & 2) << 30));
    *a = radius * x;
    *b = radius * z;
}

static void random_row(int32_t distribution, const bits_random_stream *stream, int64_t block, float center, float spread, void *y, int32_t dtype,
                       int64_t count) {
    for (int64_t start = 0; start < count; start += RANDOM_UNIT, block += RANDOM_UNIT / 4) {
        vf words[BITS_WIDTH];
        random_words(stream, block, words);
        if (distribution == BITS_NORMAL)
            for (int k = 0; k < WIDTH; k += 2) normal_pair(words + k, words + k + 1);
        transpose(words);
        for (int r = 0; r < WIDTH && start + r * WIDTH < count; r++) {
            const vf unit = __builtin_convertvector((vi)((vu)words[r] >> 8), vf) * 0x1p-24f;
            const vf value = distribution == BITS_NORMAL ? exact_fma(splat(spread), words[r], splat(center)) : center + spread * unit;
            store(y, dtype, start + r * WIDTH, count, value);
        }
    }
}

static void dropout_row(const bits_random_stream *stream, int64_t block, uint32_t threshold, float gain, const void *x, int32_t x_dtype, void *y,
                        int32_t y_dtype, int64_t count) {
    for (int64_t start = 0; start < count; start += RANDOM_UNIT, block += RANDOM_UNIT / 4) {
        vf words[BITS_WIDTH];
        random_words(stream, block, words);
        transpose(words);
        for (int r = 0; r < WIDTH && start + r * WIDTH < count; r++) {
            const int64_t i = start + r * WIDTH;
            const vf factor = pick((vi)((vu)words[r] < threshold), zero(), splat(gain));
            store(y, y_dtype, i, count, load(x, x_dtype, i, count) * factor);
        }
    }
}

#endif
