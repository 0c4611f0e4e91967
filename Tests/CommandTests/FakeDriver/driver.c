// A driver for tests without a GPU: memory is the host's, copies are done at once, and kernels do nothing. What is to go wrong the environment says:
//   FAKE_CUDA_VERSION     what CUDA it speaks (12000 if not said)
//   FAKE_CUDA_CAPABILITY  what its GPUs are of (90), with commas between what each is of
//   FAKE_CUDA_COUNT       how many there are (1)
//   FAKE_CUDA_BUSY        the number of one that another process has for itself
//   FAKE_CUDA_MEMORY      bytes that each has (1 GB)
//   FAKE_CUDA_PINNED      bytes of pinned memory that the host has (1 GB)
//   FAKE_CUDA_FAILS       the number of a launch, from 1, that ends the device's use
//   FAKE_CUDA_CLEAR       whether clearing memory does
//   FAKE_CUDA_REFUSES     whether PTX is refused
//   FAKE_CUDA_LAUNCHES    a file that gets a line for each launch: the function, whether it overlaps with what is before it, its last two numbers of 32 bits
//   FAKE_CUDA_UPLOADS     a file that gets a line for each copy from the host: its bytes
//   FAKE_CUDA_LOG         a file that every program appends the number of PTX files to that it had assembled
// All but the first four may change while it runs.
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { INVALID = 1, OUT_OF_MEMORY = 2, BUSY = 46, NO_CONTEXT = 201, BAD_PTX = 218, ILLEGAL_ADDRESS = 700 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static size_t used, pinned;
static _Thread_local void *current;
static long launches;
static int assembled;
static bool is_lost;

static size_t setting(const char *name, size_t otherwise) {
    const char *text = getenv(name);
    return text && *text ? strtoull(text, NULL, 10) : otherwise;
}

static void tell(void) {
    const char *path = getenv("FAKE_CUDA_LOG");
    FILE *file = path ? fopen(path, "a") : NULL;
    if (!file) return;
    fprintf(file, "%d\n", assembled);
    fclose(file);
}

// What every function says once the device is lost, and where no context is current.
#define ANSWER(status) return is_lost ? ILLEGAL_ADDRESS : !current ? NO_CONTEXT : (status)

// MARK: Devices

int cuInit(unsigned flags) {
    (void)flags;
    atexit(tell);
    return 0;
}
int cuDriverGetVersion(int *version) { return *version = (int)setting("FAKE_CUDA_VERSION", 12000), 0; }
int cuGetErrorName(int status, const char **name) {
    *name = status == OUT_OF_MEMORY     ? "CUDA_ERROR_OUT_OF_MEMORY"
            : status == BAD_PTX         ? "CUDA_ERROR_INVALID_PTX"
            : status == ILLEGAL_ADDRESS ? "CUDA_ERROR_ILLEGAL_ADDRESS"
                                        : "CUDA_ERROR";
    return 0;
}
int cuGetErrorString(int status, const char **text) {
    *text = status == OUT_OF_MEMORY     ? "out of memory"
            : status == BAD_PTX         ? "a PTX JIT compilation failed"
            : status == ILLEGAL_ADDRESS ? "an illegal memory access was encountered"
                                        : "error";
    return 0;
}
int cuDeviceGetCount(int *count) { return *count = (int)setting("FAKE_CUDA_COUNT", 1), 0; }
int cuDeviceGet(int *device, int ordinal) { return *device = ordinal, 0; }
int cuDeviceGetName(char *name, int length, int device) { return (void)device, snprintf(name, (size_t)length, "Fake GPU"), 0; }
int cuDeviceGetPCIBusId(char *bus, int length, int device) { return (void)device, snprintf(bus, (size_t)length, "0000:00:00.0"), 0; }
int cuDeviceGetAttribute(int *value, int attribute, int device) {
    int capability = (int)setting("FAKE_CUDA_CAPABILITY", 90);
    const char *rest = getenv("FAKE_CUDA_CAPABILITY");
    for (int i = 0; i < device && rest && (rest = strchr(rest, ',')); i++) capability = atoi(++rest);
    switch (attribute) {
    case 16: return *value = 132, 0; // multiprocessors
    case 38: return *value = 50 << 20, 0; // bytes of L2
    case 75: return *value = capability / 10, 0;
    case 76: return *value = capability % 10, 0;
    case 97: return *value = 232448, 0; // shared bytes of a block
    default: return *value = 0, 0;
    }
}
int cuDeviceTotalMem_v2(size_t *bytes, int device) { return (void)device, *bytes = setting("FAKE_CUDA_MEMORY", 1 << 30), 0; }
int cuDevicePrimaryCtxRetain(void **context, int device) {
    return *context = &lock, (size_t)device == setting("FAKE_CUDA_BUSY", SIZE_MAX) ? BUSY : 0;
}
int cuCtxGetCurrent(void **context) { return *context = current, 0; }
int cuCtxSetCurrent(void *context) { return current = context, 0; }
int cuMemGetInfo_v2(size_t *free_bytes, size_t *total) {
    cuDeviceTotalMem_v2(total, 0);
    *free_bytes = *total - used;
    return 0;
}

// MARK: Memory

int cuMemAlloc_v2(unsigned long long *address, size_t bytes) {
    pthread_mutex_lock(&lock);
    bool fits = used + bytes <= setting("FAKE_CUDA_MEMORY", 1 << 30);
    // Its size stands before it.
    size_t *block = fits && !is_lost ? calloc(1, bytes + 256) : NULL;
    if (block) used += *block = bytes;
    pthread_mutex_unlock(&lock);
    *address = block ? (unsigned long long)block + 256 : 0;
    ANSWER(block ? 0 : OUT_OF_MEMORY);
}
int cuMemFree_v2(unsigned long long address) {
    size_t *block = (size_t *)(address - 256);
    pthread_mutex_lock(&lock);
    used -= *block;
    pthread_mutex_unlock(&lock);
    free(block);
    ANSWER(0);
}
int cuMemHostAlloc(void **memory, size_t bytes, unsigned flags) {
    (void)flags;
    pthread_mutex_lock(&lock);
    bool fits = pinned + bytes <= setting("FAKE_CUDA_PINNED", 1 << 30);
    size_t *block = fits && !is_lost ? malloc(bytes + 256) : NULL;
    if (block) pinned += *block = bytes;
    pthread_mutex_unlock(&lock);
    *memory = block ? (char *)block + 256 : NULL;
    ANSWER(block ? 0 : OUT_OF_MEMORY);
}
int cuMemFreeHost(void *memory) {
    if (!memory) return INVALID;
    size_t *block = (size_t *)((char *)memory - 256);
    pthread_mutex_lock(&lock);
    pinned -= *block;
    pthread_mutex_unlock(&lock);
    free(block);
    ANSWER(0);
}

static int copy(void *destination, const void *source, size_t bytes) {
    if (!is_lost) memmove(destination, source, bytes);
    ANSWER(0);
}
int cuMemcpyHtoDAsync_v2(unsigned long long to, const void *from, size_t bytes, void *stream) {
    (void)stream;
    const char *path = getenv("FAKE_CUDA_UPLOADS");
    FILE *file = path ? fopen(path, "a") : NULL;
    if (file) {
        fprintf(file, "%zu\n", bytes);
        fclose(file);
    }
    return copy((void *)to, from, bytes);
}
int cuMemcpyDtoHAsync_v2(void *to, unsigned long long from, size_t bytes, void *stream) { return (void)stream, copy(to, (void *)from, bytes); }
int cuMemcpyDtoDAsync_v2(unsigned long long to, unsigned long long from, size_t bytes, void *stream) {
    return (void)stream, copy((void *)to, (void *)from, bytes);
}
int cuMemsetD8Async(unsigned long long address, unsigned char byte, size_t bytes, void *stream) {
    (void)stream;
    if (!is_lost) memset((void *)address, byte, bytes);
    if (!setting("FAKE_CUDA_CLEAR", 0)) ANSWER(0);
    is_lost = true;
    return 0;
}

// MARK: Order

int cuStreamCreate(void **stream, unsigned flags) { return (void)flags, *stream = &used, 0; }
int cuStreamDestroy_v2(void *stream) { return (void)stream, 0; }
int cuStreamSynchronize(void *stream) {
    (void)stream;
    ANSWER(0);
}
int cuStreamWaitEvent(void *stream, void *event, unsigned flags) {
    (void)stream, (void)event, (void)flags;
    ANSWER(0);
}
int cuEventCreate(void **event, unsigned flags) { return (void)flags, *event = &launches, 0; }
int cuEventDestroy_v2(void *event) { return (void)event, 0; }
int cuEventRecord(void *event, void *stream) {
    (void)event, (void)stream;
    ANSWER(0);
}
int cuEventSynchronize(void *event) {
    (void)event;
    ANSWER(0);
}

// MARK: Kernels

int cuModuleLoadData(void **module, const void *image) {
    *module = &assembled;
    bool is_known = strncmp(image, "made of PTX", 11) == 0 || (strncmp(image, "made for CUDA 13", 16) == 0 && setting("FAKE_CUDA_VERSION", 0) >= 13000);
    ANSWER(is_known ? 0 : INVALID);
}
int cuModuleGetFunction(void **function, void *module, const char *name) { return (void)module, *function = strdup(name), 0; }
int cuFuncGetAttribute(int *value, int attribute, void *function) { return (void)attribute, (void)function, *value = 0, 0; }
int cuFuncSetAttribute(void *function, int attribute, int value) { return (void)function, (void)attribute, (void)value, 0; }

int cuLinkCreate_v2(unsigned count, int *options, void **values, void **link) {
    if (setting("FAKE_CUDA_REFUSES", 0)) {
        for (unsigned i = 0; i < count; i++) {
            if (options[i] == 5) strcpy(values[i], "ptxas: Unsupported .version 8.0");
        }
    }
    return *link = &lock, 0;
}
int cuLinkAddData_v2(void *link, int kind, void *data, size_t bytes, const char *name, unsigned count, int *options, void **values) {
    (void)link, (void)name, (void)count, (void)options, (void)values;
    bool is_ptx = kind == 1 && bytes > 0 && ((char *)data)[bytes - 1] == 0 && strstr(data, ".visible .entry");
    ANSWER(is_ptx && !setting("FAKE_CUDA_REFUSES", 0) ? 0 : BAD_PTX);
}
int cuLinkComplete(void *link, void **code, size_t *bytes) {
    // Larger than a file may be where the smallest limit is set.
    static char image[4096] = "made of PTX";
    (void)link;
    pthread_mutex_lock(&lock);
    assembled++;
    pthread_mutex_unlock(&lock);
    *code = image;
    *bytes = sizeof image;
    return 0;
}
int cuLinkDestroy(void *link) { return (void)link, 0; }

// `arguments` are marks and values in turn, up to a mark of 0: 1 for the bytes of all parameters, 2 for their number.
static void note_launch(const char *name, bool overlaps, void **arguments) {
    const char *path = getenv("FAKE_CUDA_LAUNCHES");
    FILE *file = path ? fopen(path, "a") : NULL;
    if (!file) return;
    const int *end = (const int *)((char *)arguments[1] + *(size_t *)arguments[3]);
    fprintf(file, "%s %d %d %d\n", name, overlaps, end[-2], end[-1]);
    fclose(file);
}

static int launch(void) {
    pthread_mutex_lock(&lock);
    if (++launches == (long)setting("FAKE_CUDA_FAILS", 0)) is_lost = true;
    pthread_mutex_unlock(&lock);
    // What a kernel did wrong is found by whoever comes next.
    return 0;
}
int cuLaunchKernel(
    void *function, unsigned x, unsigned y, unsigned z, unsigned threads, unsigned b, unsigned c, unsigned shared, void *stream, void **arguments,
    void **extra) {
    (void)x, (void)y, (void)z, (void)threads, (void)b, (void)c, (void)shared, (void)stream, (void)arguments;
    note_launch(function, false, extra);
    return launch();
}

typedef struct {
    unsigned blocks[3], threads[3], shared;
    void *stream;
    struct {
        int id, padding;
        int value[16];
    } *attributes;
    unsigned attribute_count;
} configuration;

int cuLaunchKernelEx(const configuration *shape, void *function, void **arguments, void **extra) {
    (void)arguments;
    bool overlaps = false;
    for (unsigned i = 0; i < shape->attribute_count; i++) overlaps |= shape->attributes[i].id == 6 && shape->attributes[i].value[0];
    note_launch(function, overlaps, extra);
    return launch();
}

// MARK: Graphs

int cuStreamBeginCapture_v2(void *stream, int mode) {
    (void)stream, (void)mode;
    ANSWER(0);
}
int cuStreamEndCapture(void *stream, void **graph) {
    (void)stream;
    *graph = &launches;
    ANSWER(0);
}
int cuGraphInstantiateWithFlags(void **graph, void *drawing, unsigned long long flags) { return (void)flags, *graph = drawing, 0; }
int cuGraphDestroy(void *graph) { return (void)graph, 0; }
int cuGraphExecDestroy(void *graph) { return (void)graph, 0; }
int cuGraphLaunch(void *graph, void *stream) { return (void)graph, (void)stream, launch(); }
