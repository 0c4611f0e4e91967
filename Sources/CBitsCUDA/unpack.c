// What the LZMA coder of Python's `lzma` packed raw, with 4 bits of literal context and no position bits.
#include "include/bits_cuda.h"

#include <string.h>

enum { STATES = 12, LITERAL_CONTEXTS = 16, HALF = 1024 };

// How likely a bit is 0, in parts of 2048; each follows the bits that it was asked for.
typedef uint16_t chance;

// Lengths from 2: eight short ones, eight middle ones, 256 long ones.
typedef struct {
    chance is_not_short, is_long, shorts[8], middles[8], longs[256];
} lengths;

typedef struct {
    chance is_match[STATES], is_repeat[STATES], is_not_last[STATES], is_not_second[STATES], is_not_third[STATES], is_not_single[STATES];
    chance distance_slots[4][64], distance_ends[115], distance_low_bits[16];
    lengths match_lengths, repeat_lengths;
    chance literals[LITERAL_CONTEXTS][0x300];
} model;

typedef struct {
    const uint8_t *next, *end;
    uint32_t range, code;
    bool is_exhausted;
} source;

static void read_byte(source *s) {
    s->range <<= 8;
    s->code <<= 8;
    if (s->next < s->end) s->code |= *s->next++;
    else s->is_exhausted = true;
}

static uint32_t read_bit(source *s, chance *p) {
    if (s->range < 1u << 24) read_byte(s);
    uint32_t bound = (s->range >> 11) * *p;
    if (s->code < bound) {
        s->range = bound;
        *p += (2048 - *p) >> 5;
        return 0;
    }
    s->range -= bound;
    s->code -= bound;
    *p -= *p >> 5;
    return 1;
}

// Bits that are as likely 0 as 1.
static uint32_t read_even_bits(source *s, int count) {
    uint32_t value = 0;
    while (count-- > 0) {
        if (s->range < 1u << 24) read_byte(s);
        s->range >>= 1;
        uint32_t bit = s->code >= s->range;
        if (bit) s->code -= s->range;
        value = value << 1 | bit;
    }
    return value;
}

// A number of `count` bits whose chances depend on the bits before: the highest first.
static uint32_t read_number(source *s, chance *tree, int count) {
    uint32_t node = 1;
    for (int i = 0; i < count; i++) node = node << 1 | read_bit(s, &tree[node]);
    return node - (1u << count);
}

// The same, the lowest bit first.
static uint32_t read_reversed(source *s, chance *tree, int count) {
    uint32_t node = 1, value = 0;
    for (int i = 0; i < count; i++) {
        uint32_t bit = read_bit(s, &tree[node]);
        node = node << 1 | bit;
        value |= bit << i;
    }
    return value;
}

static uint32_t read_length(source *s, lengths *l) {
    if (!read_bit(s, &l->is_not_short)) return 2 + read_number(s, l->shorts, 3);
    if (!read_bit(s, &l->is_long)) return 10 + read_number(s, l->middles, 3);
    return 18 + read_number(s, l->longs, 8);
}

// How far back, less 1, a match of `length` begins.
static uint32_t read_distance(source *s, model *m, uint32_t length) {
    uint32_t slot = read_number(s, m->distance_slots[length < 5 ? length - 2 : 3], 6);
    if (slot < 4) return slot;
    int bits = (int)(slot >> 1) - 1;
    uint32_t distance = (2 | (slot & 1)) << bits;
    if (slot < 14) return distance + read_reversed(s, m->distance_ends + distance - slot, bits);
    distance += read_even_bits(s, bits - 4) << 4;
    return distance + read_reversed(s, m->distance_low_bits, 4);
}

// `match`: the byte where the last match would go on, or -1 behind a literal.
static uint8_t read_literal(source *s, chance *p, int match) {
    uint32_t symbol = 1;
    while (match >= 0 && symbol < 0x100) {
        uint32_t expected = (uint32_t)match >> 7 & 1;
        match = match << 1 & 0xff;
        uint32_t bit = read_bit(s, &p[((1 + expected) << 8) + symbol]);
        symbol = symbol << 1 | bit;
        if (bit != expected) break;
    }
    while (symbol < 0x100) symbol = symbol << 1 | read_bit(s, &p[symbol]);
    return (uint8_t)symbol;
}

// Puts `distance` before those before `place`.
static void move_to_front(uint32_t last[4], int place, uint32_t distance) {
    memmove(last + 1, last, (size_t)place * sizeof *last);
    last[0] = distance;
}

static bool unpack(source *s, model *m, uint8_t *text, size_t count) {
    // The last distances, each less 1; what the last symbols were.
    uint32_t last[4] = {0};
    uint32_t state = 0;
    for (size_t at = 0; at < count;) {
        if (s->is_exhausted) return false;
        if (!read_bit(s, &m->is_match[state])) {
            int match = state < 7 ? -1 : text[at - last[0] - 1];
            text[at] = read_literal(s, m->literals[at ? text[at - 1] >> 4 : 0], match);
            at++;
            state = state < 4 ? 0 : state < 10 ? state - 3 : state - 6;
            continue;
        }
        uint32_t length = 1;
        if (!read_bit(s, &m->is_repeat[state])) {
            length = read_length(s, &m->match_lengths);
            move_to_front(last, 3, read_distance(s, m, length));
            state = state < 7 ? 7 : 10;
        } else {
            bool is_last = !read_bit(s, &m->is_not_last[state]);
            if (is_last && !read_bit(s, &m->is_not_single[state])) {
                state = state < 7 ? 9 : 11;
            } else {
                if (!is_last) {
                    int place = !read_bit(s, &m->is_not_second[state]) ? 1 : !read_bit(s, &m->is_not_third[state]) ? 2 : 3;
                    move_to_front(last, place, last[place]);
                }
                length = read_length(s, &m->repeat_lengths);
                state = state < 7 ? 8 : 11;
            }
        }
        if (last[0] >= at || length > count - at) return false;
        for (; length; length--, at++) text[at] = text[at - last[0] - 1];
    }
    return true;
}

bool bits_cuda_unpack(const uint8_t *packed, size_t packed_bytes, uint8_t *text, size_t bytes) {
    model m;
    for (size_t i = 0; i < sizeof m / sizeof(chance); i++) ((chance *)&m)[i] = HALF;
    source s = {packed, packed + packed_bytes, UINT32_MAX, 0, false};
    // The first byte is always 0.
    for (int i = 0; i < 5; i++) {
        read_byte(&s);
        s.range = UINT32_MAX;
    }
    return unpack(&s, &m, text, bytes) && !s.is_exhausted;
}
