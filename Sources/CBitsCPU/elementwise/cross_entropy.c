// Cross-entropy: rows shared between threads.
#include "bits_transformer.h"
#include "elementwise/private_rows.h"
#include <math.h>
#include <string.h>

typedef struct {
    const bits_rows *loops;
    const void *logits, *targets;
    void *dlogits;
    float *losses, scale;
    int32_t logits_dtype, targets_dtype, dlogits_dtype;
    int64_t ignore_index, vocabulary;
} cross_entropy_work;

static void cross_entropy_part(void *context, int64_t row) {
    const cross_entropy_work *w = context;
    const int64_t target = bits_index_at(w->targets, w->targets_dtype, row);
    void *gradient = bits_at_mutable(w->dlogits, w->dlogits_dtype, row * w->vocabulary);
    if (target < 0 || target >= w->vocabulary) {
        w->losses[row] = target == w->ignore_index ? 0 : NAN;
        if (gradient) memset(gradient, 0, (size_t)(w->vocabulary * bits_element_size(w->dlogits_dtype)));
        return;
    }
    w->losses[row] = w->loops->cross_entropy(bits_at(w->logits, w->logits_dtype, row * w->vocabulary), w->logits_dtype, target, gradient,
                                             w->dlogits_dtype, w->scale, w->vocabulary);
}

int32_t bits_cpu_cross_entropy(const void *logits, int32_t logits_dtype, const void *targets, int32_t targets_dtype, int64_t ignore_index,
                               float *losses, void *dlogits, int32_t dlogits_dtype, float scale, int64_t rows, int64_t vocabulary) {
    if (!bits_is_float(logits_dtype) || !bits_is_index(targets_dtype) || (dlogits && !bits_is_float(dlogits_dtype)))
        return BITS_BAD_DTYPE;
    if (rows < 0 || vocabulary < 0) return BITS_BAD_SIZE;
    cross_entropy_work work = {.loops = bits_rows_now(), .logits = logits, .logits_dtype = logits_dtype, .targets = targets,
                               .targets_dtype = targets_dtype, .ignore_index = ignore_index, .losses = losses, .dlogits = dlogits,
                               .dlogits_dtype = dlogits_dtype, .scale = scale, .vocabulary = vocabulary};
    bits_share(rows, rows * vocabulary / 2, cross_entropy_part, &work);
    return BITS_OK;
}
