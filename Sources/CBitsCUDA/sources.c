// The files of kernels, compiled in as text.
#include "include/bits_cuda.h"

static const char prelude[] = {
#embed "kernels/prelude.cuh" suffix(, 0)
};
#if __has_embed("kernels/blockwise.cu")
static const char blockwise[] = {
#embed "kernels/blockwise.cu" suffix(, 0)
};
#else
static const char blockwise[] = "";
#endif
#if __has_embed("kernels/four_bit.cu")
static const char four_bit[] = {
#embed "kernels/four_bit.cu" suffix(, 0)
};
#else
static const char four_bit[] = "";
#endif
#if __has_embed("kernels/int8.cu")
static const char int8[] = {
#embed "kernels/int8.cu" suffix(, 0)
};
#else
static const char int8[] = "";
#endif
#if __has_embed("kernels/optimizer.cu")
static const char optimizer[] = {
#embed "kernels/optimizer.cu" suffix(, 0)
};
#else
static const char optimizer[] = "";
#endif
#if __has_embed("kernels/clipping.cu")
static const char clipping[] = {
#embed "kernels/clipping.cu" suffix(, 0)
};
#else
static const char clipping[] = "";
#endif
#if __has_embed("kernels/random.cu")
static const char random[] = {
#embed "kernels/random.cu" suffix(, 0)
};
#else
static const char random[] = "";
#endif
#if __has_embed("kernels/matrix.cu")
static const char matrix[] = {
#embed "kernels/matrix.cu" suffix(, 0)
};
#else
static const char matrix[] = "";
#endif
#if __has_embed("kernels/four_bit_linear.cu")
static const char four_bit_linear[] = {
#embed "kernels/four_bit_linear.cu" suffix(, 0)
};
#else
static const char four_bit_linear[] = "";
#endif
#if __has_embed("kernels/int8_linear.cu")
static const char int8_linear[] = {
#embed "kernels/int8_linear.cu" suffix(, 0)
};
#else
static const char int8_linear[] = "";
#endif
#if __has_embed("kernels/attention.cu")
static const char attention[] = {
#embed "kernels/attention.cu" suffix(, 0)
};
#else
static const char attention[] = "";
#endif
#if __has_embed("kernels/attention_decode.cu")
static const char attention_decode[] = {
#embed "kernels/attention_decode.cu" suffix(, 0)
};
#else
static const char attention_decode[] = "";
#endif
#if __has_embed("kernels/attention_tiles.cu")
static const char attention_tiles[] = {
#embed "kernels/attention_tiles.cu" suffix(, 0)
};
#else
static const char attention_tiles[] = "";
#endif
#if __has_embed("kernels/rotary.cu")
static const char rotary[] = {
#embed "kernels/rotary.cu" suffix(, 0)
};
#else
static const char rotary[] = "";
#endif
#if __has_embed("kernels/decoding.cu")
static const char decoding[] = {
#embed "kernels/decoding.cu" suffix(, 0)
};
#else
static const char decoding[] = "";
#endif
#if __has_embed("kernels/sampling.cu")
static const char sampling[] = {
#embed "kernels/sampling.cu" suffix(, 0)
};
#else
static const char sampling[] = "";
#endif
#if __has_embed("kernels/elementwise.cu")
static const char elementwise[] = {
#embed "kernels/elementwise.cu" suffix(, 0)
};
#else
static const char elementwise[] = "";
#endif
#if __has_embed("kernels/copy.cu")
static const char copy[] = {
#embed "kernels/copy.cu" suffix(, 0)
};
#else
static const char copy[] = "";
#endif
#if __has_embed("kernels/norm.cu")
static const char norm[] = {
#embed "kernels/norm.cu" suffix(, 0)
};
#else
static const char norm[] = "";
#endif
#if __has_embed("kernels/rms_norm.cu")
static const char rms_norm[] = {
#embed "kernels/rms_norm.cu" suffix(, 0)
};
#else
static const char rms_norm[] = "";
#endif
#if __has_embed("kernels/loss.cu")
static const char loss[] = {
#embed "kernels/loss.cu" suffix(, 0)
};
#else
static const char loss[] = "";
#endif
#if __has_embed("kernels/reduce.cu")
static const char reduce[] = {
#embed "kernels/reduce.cu" suffix(, 0)
};
#else
static const char reduce[] = "";
#endif
#if __has_embed("kernels/embedding.cu")
static const char embedding[] = {
#embed "kernels/embedding.cu" suffix(, 0)
};
#else
static const char embedding[] = "";
#endif

static const struct {
    const char *name, *text;
} sources[] = {
#define SOURCE(name) {#name, name}
    SOURCE(blockwise),
    SOURCE(four_bit),
    SOURCE(int8),
    SOURCE(optimizer),
    SOURCE(clipping),
    SOURCE(random),
    SOURCE(matrix),
    SOURCE(four_bit_linear),
    SOURCE(int8_linear),
    SOURCE(attention),
    SOURCE(attention_decode),
    SOURCE(attention_tiles),
    SOURCE(rotary),
    SOURCE(decoding),
    SOURCE(sampling),
    SOURCE(elementwise),
    SOURCE(copy),
    SOURCE(norm),
    SOURCE(rms_norm),
    SOURCE(loss),
    SOURCE(reduce),
    SOURCE(embedding),
#undef SOURCE
};
enum { COUNT = sizeof sources / sizeof *sources };

const char *bits_cuda_prelude(void) { return prelude; }
const char *bits_cuda_source_name(int index) { return index < COUNT ? sources[index].name : NULL; }
const char *bits_cuda_source_text(int index) { return sources[index].text; }
