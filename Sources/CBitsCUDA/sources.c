// The files of kernels, compiled in as text.
#include "include/bits_cuda.h"

#include <string.h>

static const char prelude[] = {
#embed "kernels/prelude.cuh" suffix(, 0)
};
static const char attention_header[] = {
#embed "kernels/attention.cuh" suffix(, 0)
};
static const char clusters_header[] = {
#embed "kernels/clusters.cuh" suffix(, 0)
};
static const char hopper_header[] = {
#embed "kernels/hopper.cuh" suffix(, 0)
};
static const char int8_header[] = {
#embed "kernels/int8.cuh" suffix(, 0)
};
static const char codes_header[] = {
#embed "kernels/codes.cuh" suffix(, 0)
};
static const char rows_header[] = {
#embed "kernels/rows.cuh" suffix(, 0)
};
static const char copy[] = {
#embed "kernels/copy.cu" suffix(, 0)
};
static const char elementwise[] = {
#embed "kernels/elementwise.cu" suffix(, 0)
};
static const char norm[] = {
#embed "kernels/norm.cu" suffix(, 0)
};
static const char reduce[] = {
#embed "kernels/reduce.cu" suffix(, 0)
};
static const char loss[] = {
#embed "kernels/loss.cu" suffix(, 0)
};
static const char embedding[] = {
#embed "kernels/embedding.cu" suffix(, 0)
};
static const char rotary[] = {
#embed "kernels/rotary.cu" suffix(, 0)
};
static const char attention[] = {
#embed "kernels/attention.cu" suffix(, 0)
};
static const char attention_floats[] = {
#embed "kernels/attention_floats.cu" suffix(, 0)
};
static const char attention_hopper[] = {
#embed "kernels/attention_hopper.cu" suffix(, 0)
};
static const char attention_decode[] = {
#embed "kernels/attention_decode.cu" suffix(, 0)
};
static const char decoding[] = {
#embed "kernels/decoding.cu" suffix(, 0)
};
static const char sampling[] = {
#embed "kernels/sampling.cu" suffix(, 0)
};
static const char matrix[] = {
#embed "kernels/matrix.cu" suffix(, 0)
};
static const char four_bit_linear[] = {
#embed "kernels/four_bit_linear.cu" suffix(, 0)
};
static const char four_bit_hopper[] = {
#embed "kernels/four_bit_hopper.cu" suffix(, 0)
};
static const char four_bit_wide[] = {
#embed "kernels/four_bit_wide.cu" suffix(, 0)
};
static const char int8_linear[] = {
#embed "kernels/int8_linear.cu" suffix(, 0)
};
static const char int8_hopper[] = {
#embed "kernels/int8_hopper.cu" suffix(, 0)
};
static const char code_tables[] = {
#embed "kernels/code_tables.cu" suffix(, 0)
};
static const char blockwise[] = {
#embed "kernels/blockwise.cu" suffix(, 0)
};
static const char four_bit[] = {
#embed "kernels/four_bit.cu" suffix(, 0)
};
static const char int8[] = {
#embed "kernels/int8.cu" suffix(, 0)
};
static const char optimizer[] = {
#embed "kernels/optimizer.cu" suffix(, 0)
};
static const char clipping[] = {
#embed "kernels/clipping.cu" suffix(, 0)
};
static const char random[] = {
#embed "kernels/random.cu" suffix(, 0)
};
static const char attention_tiles[] = {
#embed "kernels/attention_tiles.cu" suffix(, 0)
};
static const char rms_norm[] = {
#embed "kernels/rms_norm.cu" suffix(, 0)
};

static const struct {
    const char *name, *text;
} sources[] = {
#define SOURCE(name) {#name, name}
    SOURCE(copy), SOURCE(elementwise), SOURCE(norm), SOURCE(reduce), SOURCE(loss),
    SOURCE(embedding), SOURCE(rotary), SOURCE(attention), SOURCE(attention_floats),
    SOURCE(attention_decode), SOURCE(attention_hopper), SOURCE(decoding), SOURCE(sampling),
    SOURCE(matrix), SOURCE(four_bit_linear), SOURCE(four_bit_hopper), SOURCE(four_bit_wide), SOURCE(int8_linear),
    SOURCE(int8_hopper),
    SOURCE(code_tables), SOURCE(blockwise), SOURCE(four_bit), SOURCE(int8), SOURCE(optimizer), SOURCE(clipping),
    SOURCE(random), SOURCE(attention_tiles), SOURCE(rms_norm),
#undef SOURCE
};
enum { COUNT = sizeof sources / sizeof *sources };

static const struct {
    const char *name, *text;
} headers[] = {
    {"attention.cuh", attention_header}, {"clusters.cuh", clusters_header}, {"codes.cuh", codes_header},
    {"hopper.cuh", hopper_header},       {"int8.cuh", int8_header},         {"rows.cuh", rows_header},
};
enum { HEADER_COUNT = sizeof headers / sizeof *headers };

const char *bits_cuda_prelude(void) { return prelude; }
const char *bits_cuda_header_text(const char *name) {
    for (int i = 0; i < HEADER_COUNT; i++)
        if (strcmp(name, headers[i].name) == 0) return headers[i].text;
    return NULL;
}
const char *bits_cuda_source_name(int index) { return index < COUNT ? sources[index].name : NULL; }
const char *bits_cuda_source_text(int index) { return sources[index].text; }
