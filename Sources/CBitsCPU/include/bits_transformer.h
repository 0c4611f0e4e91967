// Norms, rotary embedding, attention, cross-entropy and embedding tables.
//
// Arrays of numbers are float32, float16 or bfloat16, each with its own type code, unless a comment says otherwise; arithmetic is float32, stores
// round once to nearest even. Results do not depend on the number of threads.
#ifndef BITS_TRANSFORMER_H
#define BITS_TRANSFORMER_H
#include "bits_base.h"

// output[r, i] = input[r, i] * reciprocal[r] * weight[i], reciprocal[r] = 1 / sqrt(mean_i input[r, i]^2 + epsilon); reciprocal may be NULL.
int32_t bits_cpu_rms_norm(const void *input, int32_t input_dtype, const void *weight, int32_t weight_dtype, float epsilon, void *output,
                          int32_t output_dtype, float *reciprocal, int64_t rows, int64_t width);
// dinput, dweight may be NULL.
int32_t bits_cpu_rms_norm_gradient(const void *input, int32_t input_dtype, const void *weight, int32_t weight_dtype, const float *reciprocal,
                                   const void *doutput, int32_t doutput_dtype, void *dinput, int32_t dinput_dtype, void *dweight,
                                   int32_t dweight_dtype, int64_t rows, int64_t width);
// output = (input - mean) * reciprocal * weight + bias; weight, bias, mean and reciprocal may be NULL.
int32_t bits_cpu_layer_norm(const void *input, int32_t input_dtype, const void *weight, int32_t weight_dtype, const void *bias, int32_t bias_dtype,
                            float epsilon, void *output, int32_t output_dtype, float *mean, float *reciprocal, int64_t rows, int64_t width);
// weight, dinput, dweight, dbias may be NULL.
int32_t bits_cpu_layer_norm_gradient(const void *input, int32_t input_dtype, const void *weight, int32_t weight_dtype, const float *mean,
                                     const float *reciprocal, const void *doutput, int32_t doutput_dtype, void *dinput, int32_t dinput_dtype,
                                     void *dweight, int32_t dweight_dtype, void *dbias, int32_t dbias_dtype, int64_t rows, int64_t width);

// Half-split rotary embedding of [tokens, heads, width] by cosine and sine [rows, width / 2]: token t by row positions[t], or t where positions is NULL;
// zeros for a row that is not there. `inverse` rotates back. output may be input.
int32_t bits_cpu_rotary(const void *input, int32_t input_dtype, const float *cosine, const float *sine, int64_t rows, const int32_t *positions,
                        int32_t inverse, void *output, int32_t output_dtype, int64_t tokens, int64_t heads, int64_t width);

enum { BITS_MAX_HEAD_WIDTH = 256 };

// What narrows the keys that a query sees: nothing, the last `window_size` keys of its range, those no farther than that from the query's own index.
enum { BITS_WINDOW_NONE = 0, BITS_WINDOW_LAST = 1, BITS_WINDOW_AROUND = 2 };

// Widths are at most BITS_MAX_HEAD_WIDTH. cap: what scaled products cannot pass, either way, 0 where nothing bounds them.
typedef struct {
    int64_t batch, queries, keys, key_stride, heads, groups, width, value_width;
    float scale, cap;
    int32_t window;
    int64_t window_size;
} bits_attention_shape;

// query [batch, queries, heads, width]; key and value [batch, key_stride, groups, width and value_width], of which `keys` tokens count; ranges
// [batch, queries, 2].
//
// The bias, NULL for what is not added: slopes [heads] times the distance of a key to the last of the row's range; by_query [batch, heads, queries,
// bucket_count] and by_key [batch, heads, keys, bucket_count] at bucket buckets[q - k + keys - 1] of buckets [queries + keys - 1], nothing for a bucket
// that does not exist. by_query and by_key are NULL where buckets is.
typedef struct {
    const void *query, *key, *value;
    int32_t query_dtype, key_dtype, value_dtype;
    const int32_t *ranges;
    const float *slopes, *by_query, *by_key;
    const int32_t *buckets;
    int64_t bucket_count;
} bits_attention_inputs;

// Row (b, q, n) of output [batch, queries, heads, value_width] = softmax over the keys that it sees of bounded(scale * query . key) + bias, times value, with
// bounded(x) = cap * tanh(x / cap); 0 where it sees none. log_sum_exp [batch, heads, queries] may be NULL.
int32_t bits_cpu_attention(const bits_attention_shape *shape, const bits_attention_inputs *inputs, void *output, int32_t output_dtype,
                           float *log_sum_exp);

// What the gradient reads besides, and what it writes. dby_query and dby_key may be NULL.
typedef struct {
    const void *output, *doutput;
    const float *log_sum_exp;
    void *dquery, *dkey, *dvalue;
    float *dby_query, *dby_key;
    int32_t output_dtype, doutput_dtype, dquery_dtype, dkey_dtype, dvalue_dtype;
} bits_attention_gradients;

// The gradients, recomputing the probabilities; key_stride must be `keys`.
int32_t bits_cpu_attention_gradient(const bits_attention_shape *shape, const bits_attention_inputs *inputs, const bits_attention_gradients *gradients);

// losses[r] = log sum_v exp(logits[r, v]) - logits[r, targets[r]]; targets int32 or int64. With dlogits (which may be logits):
// dlogits[r, v] = scale * (softmax(logits[r])[v] - [v == targets[r]]). Rows of target `ignore_index` give 0, of one outside the vocabulary NaN.
int32_t bits_cpu_cross_entropy(const void *logits, int32_t logits_dtype, const void *targets, int32_t targets_dtype, int64_t ignore_index,
                               float *losses, void *dlogits, int32_t dlogits_dtype, float scale, int64_t rows, int64_t vocabulary);

// output[i] = table[indices[i]], rows of `width`; zeros for an index outside the table. Indices int32 or int64.
int32_t bits_cpu_embedding_gather(const void *table, int32_t table_dtype, int64_t vocabulary, int64_t width, const void *indices,
                                  int32_t indices_dtype, int64_t count, void *output, int32_t output_dtype);
// dtable[indices[i]] += doutput[i] in the order of i, indices outside left out; a table of 16 bits is rounded once per row.
int32_t bits_cpu_embedding_scatter_add(const void *doutput, int32_t doutput_dtype, const void *indices, int32_t indices_dtype, int64_t count,
                                       int64_t width, void *dtable, int32_t dtable_dtype, int64_t vocabulary);
#endif
