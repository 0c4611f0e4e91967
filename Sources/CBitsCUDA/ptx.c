// PTX of the files of kernels, as `Tools/ptx` packed it.
#include "include/bits_cuda.h"

#include <string.h>

static const uint8_t copy[] = {
#embed "ptx/copy.ptx.lzma"
};
static const uint8_t elementwise[] = {
#embed "ptx/elementwise.ptx.lzma"
};
static const uint8_t norm[] = {
#embed "ptx/norm.ptx.lzma"
};
static const uint8_t reduce[] = {
#embed "ptx/reduce.ptx.lzma"
};
static const uint8_t loss[] = {
#embed "ptx/loss.ptx.lzma"
};
static const uint8_t embedding[] = {
#embed "ptx/embedding.ptx.lzma"
};
static const uint8_t rotary[] = {
#embed "ptx/rotary.ptx.lzma"
};
static const uint8_t attention[] = {
#embed "ptx/attention.ptx.lzma"
};
static const uint8_t attention_floats[] = {
#embed "ptx/attention_floats.ptx.lzma"
};
static const uint8_t attention_hopper[] = {
#embed "ptx/attention_hopper.ptx.lzma"
};
static const uint8_t attention_decode[] = {
#embed "ptx/attention_decode.ptx.lzma"
};
static const uint8_t decoding[] = {
#embed "ptx/decoding.ptx.lzma"
};
static const uint8_t sampling[] = {
#embed "ptx/sampling.ptx.lzma"
};
static const uint8_t matrix[] = {
#embed "ptx/matrix.ptx.lzma"
};
static const uint8_t four_bit_linear[] = {
#embed "ptx/four_bit_linear.ptx.lzma"
};
static const uint8_t four_bit_hopper[] = {
#embed "ptx/four_bit_hopper.ptx.lzma"
};
static const uint8_t four_bit_wide[] = {
#embed "ptx/four_bit_wide.ptx.lzma"
};
static const uint8_t int8_linear[] = {
#embed "ptx/int8_linear.ptx.lzma"
};
static const uint8_t int8_hopper[] = {
#embed "ptx/int8_hopper.ptx.lzma"
};
static const uint8_t code_tables[] = {
#embed "ptx/code_tables.ptx.lzma"
};
static const uint8_t blockwise[] = {
#embed "ptx/blockwise.ptx.lzma"
};
static const uint8_t four_bit[] = {
#embed "ptx/four_bit.ptx.lzma"
};
static const uint8_t int8[] = {
#embed "ptx/int8.ptx.lzma"
};
static const uint8_t optimizer[] = {
#embed "ptx/optimizer.ptx.lzma"
};
static const uint8_t clipping[] = {
#embed "ptx/clipping.ptx.lzma"
};
static const uint8_t random[] = {
#embed "ptx/random.ptx.lzma"
};
static const uint8_t attention_tiles[] = {
#embed "ptx/attention_tiles.ptx.lzma"
};
static const uint8_t rms_norm[] = {
#embed "ptx/rms_norm.ptx.lzma"
};

static const struct {
    const char *name;
    const uint8_t *bytes;
    size_t count;
} files[] = {
#define FILE(name) {#name, name, sizeof name}
    FILE(copy), FILE(elementwise), FILE(norm), FILE(reduce), FILE(loss), FILE(embedding),
    FILE(rotary), FILE(attention), FILE(attention_floats), FILE(attention_decode), FILE(attention_hopper), FILE(decoding),
    FILE(sampling), FILE(matrix), FILE(four_bit_linear), FILE(four_bit_hopper), FILE(four_bit_wide), FILE(int8_linear), FILE(int8_hopper),
    FILE(code_tables),
    FILE(blockwise), FILE(four_bit), FILE(int8), FILE(optimizer), FILE(clipping), FILE(random),
    FILE(attention_tiles), FILE(rms_norm),
#undef FILE
};

const uint8_t *bits_cuda_source_ptx(const char *name, size_t *bytes) {
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        if (strcmp(files[i].name, name) != 0) continue;
        *bytes = files[i].count;
        return files[i].bytes;
    }
    *bytes = 0;
    return NULL;
}
