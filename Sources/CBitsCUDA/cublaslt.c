// Large products by cuBLASLt, where it is installed.
#include "include/bits_cuda.h"
#include "library.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

// MARK: The library's functions, as its documentation declares them

// What its heuristics answer.
typedef struct {
    uint64_t algorithm[8];
    size_t workspace_bytes;
    int status;
    float waves;
    int reserved[4];
} heuristic;

static struct {
    size_t (*cublasLtGetVersion)(void);
    int (*cublasLtCreate)(void **);
    int (*cublasLtMatmulDescCreate)(void **, int, int);
    int (*cublasLtMatmulDescDestroy)(void *);
    int (*cublasLtMatmulDescSetAttribute)(void *, int, const void *, size_t);
    int (*cublasLtMatrixLayoutCreate)(void **, int, uint64_t, uint64_t, int64_t);
    int (*cublasLtMatrixLayoutDestroy)(void *);
    int (*cublasLtMatmulPreferenceCreate)(void **);
    int (*cublasLtMatmulPreferenceDestroy)(void *);
    int (*cublasLtMatmulPreferenceSetAttribute)(void *, int, const void *, size_t);
    int (*cublasLtMatmulAlgoGetHeuristic)(void *, void *, void *, void *, void *, void *, void *, int, heuristic *, int *);
    int (*cublasLtMatmul)(
        void *, void *, const void *, const void *, void *, const void *, void *, const void *, const void *, void *, void *, void *,
        const uint64_t *, void *, size_t, void *);
} lt;

static const struct {
    const char *name;
    void **function;
} functions[] = {
#define FUNCTION(name) {#name, (void **)&lt.name}
    FUNCTION(cublasLtGetVersion),
    FUNCTION(cublasLtCreate),
    FUNCTION(cublasLtMatmulDescCreate),
    FUNCTION(cublasLtMatmulDescDestroy),
    FUNCTION(cublasLtMatmulDescSetAttribute),
    FUNCTION(cublasLtMatrixLayoutCreate),
    FUNCTION(cublasLtMatrixLayoutDestroy),
    FUNCTION(cublasLtMatmulPreferenceCreate),
    FUNCTION(cublasLtMatmulPreferenceDestroy),
    FUNCTION(cublasLtMatmulPreferenceSetAttribute),
    FUNCTION(cublasLtMatmulAlgoGetHeuristic),
    FUNCTION(cublasLtMatmul),
#undef FUNCTION
};

// Numbers of the library's enumerations.
enum {
    TYPE_FLOAT32 = 0,
    TYPE_FLOAT16 = 2,
    TYPE_INT8 = 3,
    TYPE_INT32 = 10,
    TYPE_BFLOAT16 = 14,
    COMPUTE_FLOAT32 = 68,
    COMPUTE_INT32 = 72,
    DESCRIPTION_TRANSPOSES_A = 3,
    DESCRIPTION_TRANSPOSES_B = 4,
    DESCRIPTION_EPILOGUE = 7,
    DESCRIPTION_BIAS = 8,
    DESCRIPTION_BIAS_TYPE = 26,
    PREFERENCE_WORKSPACE = 1,
    PREFERENCE_REDUCTION = 3,
    PREFERENCE_ALIGNMENT_OF_A = 5,
    EPILOGUE_BIAS = 4,
    // Partial sums in the type that is summed in, never in the output's.
    REDUCTION_IN_COMPUTE_TYPE = 2,
};

// MARK: Loading

static bits_cuda_library library;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void load(void) {
    static const char *const new_names[] = {"libcublasLt.so.13", "libcublasLt.so.12", NULL};
    static const char *const old_names[] = {"libcublasLt.so.12", "libcublasLt.so.13", NULL};
    int driver = bits_cuda_driver_version();
    library = bits_cuda_open("BNB_CUBLASLT", driver && driver < 13000 ? old_names : new_names, "cublasLtMatmul");
    if (!library.handle) return;
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        *functions[i].function = dlsym(library.handle, functions[i].name);
        if (!*functions[i].function) {
            snprintf(library.problem, sizeof library.problem, "it has no %s", functions[i].name);
            library.handle = NULL;
            return;
        }
    }
    bits_cuda_refuse_newer(&library, (int)(lt.cublasLtGetVersion() / 10000));
}

const bits_cuda_library *bits_cuda_products_library(void) {
    pthread_once(&once, load);
    return &library;
}

int bits_cuda_products_version(void) {
    pthread_once(&once, load);
    return library.handle ? (int)lt.cublasLtGetVersion() : 0;
}

// MARK: Plans

// All that a plan depends on: addresses count by what they are multiples of.
typedef struct {
    void *context;
    int64_t m, n, k, a_stride, b_stride;
    int32_t type, output_type;
    bool a_transposed, b_transposed, accumulates, has_bias;
    uint8_t alignments[4];
} plan_key;

// How a product of one shape is computed.
typedef struct {
    plan_key key;
    void *handle, *description, *a, *b, *output;
    heuristic choice;
    // Whether the library can compute it at all.
    bool works;
} plan;

enum { PLANS = 1024, CONTEXTS = 64, LARGEST_WORKSPACE = 32 << 20 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
// Each key has one place; a plan that comes to a place drops the one before.
static plan plans[PLANS];
static struct {
    void *context, *handle;
} handles[CONTEXTS];

static void *handle_of(void *context) {
    for (int i = 0; i < CONTEXTS; i++) {
        if (handles[i].context == context) return handles[i].handle;
        if (handles[i].context) continue;
        if (bits_cuda_use(context) || lt.cublasLtCreate(&handles[i].handle)) return NULL;
        handles[i].context = context;
        return handles[i].handle;
    }
    return NULL;
}

static uint8_t alignment(uint64_t address) {
    int shift = address ? __builtin_ctzll(address) : 8;
    return (uint8_t)(shift < 8 ? shift : 8);
}

static plan_key key_of(void *context, const bits_cuda_product *product) {
    plan_key key;
    memset(&key, 0, sizeof key); // compared byte by byte
    key.context = context;
    key.m = product->m, key.n = product->n, key.k = product->k;
    key.a_stride = product->a_stride, key.b_stride = product->b_stride;
    key.type = product->type, key.output_type = product->output_type;
    key.a_transposed = product->a_transposed, key.b_transposed = product->b_transposed;
    key.accumulates = product->accumulates, key.has_bias = product->bias != 0;
    key.alignments[0] = alignment(product->a), key.alignments[1] = alignment(product->b);
    key.alignments[2] = alignment(product->output), key.alignments[3] = alignment(product->bias);
    return key;
}

static int library_type(int type) {
    static const int types[] = {TYPE_FLOAT32, TYPE_FLOAT16, TYPE_BFLOAT16, TYPE_INT8, -1, TYPE_INT32};
    return types[type];
}

// The library's matrices lie by columns, so it is told the transposed product: output [N, M] = b [N, K] · a [K, M], each as it lies.
static int describe(plan *plan, const bits_cuda_product *product) {
    int type = library_type(product->type), output_type = library_type(product->output_type);
    bool whole = type == TYPE_INT8;
    int64_t m = product->m, n = product->n, k = product->k;
    int status = lt.cublasLtMatmulDescCreate(&plan->description, whole ? COMPUTE_INT32 : COMPUTE_FLOAT32, whole ? TYPE_INT32 : TYPE_FLOAT32);
    int first = product->b_transposed, second = product->a_transposed;
    if (!status) status = lt.cublasLtMatmulDescSetAttribute(plan->description, DESCRIPTION_TRANSPOSES_A, &first, sizeof first);
    if (!status) status = lt.cublasLtMatmulDescSetAttribute(plan->description, DESCRIPTION_TRANSPOSES_B, &second, sizeof second);
    if (!status && product->bias) {
        uint32_t epilogue = EPILOGUE_BIAS;
        status = lt.cublasLtMatmulDescSetAttribute(plan->description, DESCRIPTION_EPILOGUE, &epilogue, sizeof epilogue);
        if (!status) status = lt.cublasLtMatmulDescSetAttribute(plan->description, DESCRIPTION_BIAS_TYPE, &output_type, sizeof output_type);
        if (!status) status = lt.cublasLtMatmulDescSetAttribute(plan->description, DESCRIPTION_BIAS, &product->bias, sizeof product->bias);
    }
    if (!status) status = lt.cublasLtMatrixLayoutCreate(&plan->a, type, (uint64_t)(first ? k : n), (uint64_t)(first ? n : k), product->b_stride);
    if (!status) status = lt.cublasLtMatrixLayoutCreate(&plan->b, type, (uint64_t)(second ? m : k), (uint64_t)(second ? k : m), product->a_stride);
    if (!status) status = lt.cublasLtMatrixLayoutCreate(&plan->output, output_type, (uint64_t)n, (uint64_t)m, n);
    return status;
}

static int choose(plan *plan) {
    void *preference = NULL;
    int status = lt.cublasLtMatmulPreferenceCreate(&preference);
    uint64_t workspace = LARGEST_WORKSPACE;
    uint32_t reduction = REDUCTION_IN_COMPUTE_TYPE;
    if (!status) status = lt.cublasLtMatmulPreferenceSetAttribute(preference, PREFERENCE_WORKSPACE, &workspace, sizeof workspace);
    if (!status) status = lt.cublasLtMatmulPreferenceSetAttribute(preference, PREFERENCE_REDUCTION, &reduction, sizeof reduction);
    // Of its first operand, which is b here, its second, what it adds to, and the output.
    const uint8_t *of = plan->key.alignments;
    uint32_t bytes[4] = {1u << of[1], 1u << of[0], 1u << of[2], 1u << of[2]};
    for (int i = 0; i < 4 && !status; i++)
        status = lt.cublasLtMatmulPreferenceSetAttribute(preference, PREFERENCE_ALIGNMENT_OF_A + i, &bytes[i], sizeof bytes[i]);
    int found = 0;
    if (!status) {
        status = lt.cublasLtMatmulAlgoGetHeuristic(
            plan->handle, plan->description, plan->a, plan->b, plan->output, plan->output, preference, 1, &plan->choice, &found);
    }
    if (preference) lt.cublasLtMatmulPreferenceDestroy(preference);
    return status ? status : found == 0 || plan->choice.status ? 1 : 0;
}

static void drop(plan *plan) {
    if (plan->description) lt.cublasLtMatmulDescDestroy(plan->description);
    if (plan->a) lt.cublasLtMatrixLayoutDestroy(plan->a);
    if (plan->b) lt.cublasLtMatrixLayoutDestroy(plan->b);
    if (plan->output) lt.cublasLtMatrixLayoutDestroy(plan->output);
    memset(plan, 0, sizeof *plan);
}

// The plan of a product, found or made; NULL where the library does not compute such a one. Called with the lock held.
static plan *find(void *context, const bits_cuda_product *product) {
    plan_key key = key_of(context, product);
    uint64_t sum = 0xcbf29ce484222325;
    for (size_t i = 0; i < sizeof key; i++) sum = (sum ^ ((const uint8_t *)&key)[i]) * 0x100000001b3;
    plan *place = &plans[sum >> 32 & (PLANS - 1)];
    if (memcmp(&place->key, &key, sizeof key) != 0) {
        drop(place);
        place->key = key;
        place->handle = handle_of(context);
        place->works = place->handle && !describe(place, product) && !choose(place);
    }
    return place->works ? place : NULL;
}

bool bits_cuda_product_workspace(void *context, const bits_cuda_product *product, size_t *bytes) {
    pthread_once(&once, load);
    if (!library.handle || bits_cuda_use(context)) return false;
    pthread_mutex_lock(&lock);
    plan *plan = find(context, product);
    if (plan) *bytes = plan->choice.workspace_bytes;
    pthread_mutex_unlock(&lock);
    return plan != NULL;
}

int bits_cuda_product_launch(void *context, void *stream, const bits_cuda_product *product, uint64_t workspace, size_t bytes) {
    static const float zero = 0, one = 1;
    static const int32_t whole_zero = 0, whole_one = 1;
    int status = bits_cuda_use(context);
    if (status) return status;
    pthread_mutex_lock(&lock);
    plan *plan = find(context, product);
    status = -1;
    if (plan) {
        bool whole = library_type(product->type) == TYPE_INT8;
        const void *scale = whole ? (const void *)&whole_one : &one, *none = whole ? (const void *)&whole_zero : &zero;
        void *output = (void *)(uintptr_t)product->output;
        status = 0;
        if (product->bias) {
            status = lt.cublasLtMatmulDescSetAttribute(plan->description, DESCRIPTION_BIAS, &product->bias, sizeof product->bias);
        }
        if (!status) {
            status = lt.cublasLtMatmul(
                plan->handle, plan->description, scale, (const void *)(uintptr_t)product->b, plan->a, (const void *)(uintptr_t)product->a, plan->b,
                product->accumulates ? scale : none, output, plan->output, output, plan->output, plan->choice.algorithm,
                (void *)(uintptr_t)workspace, bytes, stream);
        }
    }
    pthread_mutex_unlock(&lock);
    return status;
}
