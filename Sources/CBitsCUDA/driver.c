// The driver: devices, memory, queues, kernels, graphs.
#include "include/bits_cuda.h"
#include "library.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// MARK: The driver's functions, as its documentation declares them

typedef int CUdevice;
typedef unsigned long long CUdeviceptr;

// One attribute of a launch.
typedef struct {
    int id;
    char pad[8 - sizeof(int)];
    union {
        char size[64];
        struct {
            unsigned x, y, z;
        } cluster;
        int overlaps;
    } value;
} launch_attribute;

typedef struct {
    unsigned grid[3], block[3];
    unsigned shared_bytes;
    void *stream;
    launch_attribute *attributes;
    unsigned attribute_count;
} launch_configuration;

static struct {
    int (*cuInit)(unsigned);
    int (*cuDriverGetVersion)(int *);
    int (*cuGetErrorName)(int, const char **);
    int (*cuGetErrorString)(int, const char **);
    int (*cuDeviceGetCount)(int *);
    int (*cuDeviceGet)(CUdevice *, int);
    int (*cuDeviceGetName)(char *, int, CUdevice);
    int (*cuDeviceGetPCIBusId)(char *, int, CUdevice);
    int (*cuDeviceGetAttribute)(int *, int, CUdevice);
    int (*cuDeviceTotalMem)(size_t *, CUdevice);
    int (*cuDevicePrimaryCtxRetain)(void **, CUdevice);
    int (*cuCtxGetCurrent)(void **);
    int (*cuCtxSetCurrent)(void *);
    int (*cuMemGetInfo)(size_t *, size_t *);
    int (*cuMemAlloc)(CUdeviceptr *, size_t);
    int (*cuMemFree)(CUdeviceptr);
    int (*cuMemHostAlloc)(void **, size_t, unsigned);
    int (*cuMemFreeHost)(void *);
    int (*cuMemcpyHtoDAsync)(CUdeviceptr, const void *, size_t, void *);
    int (*cuMemcpyDtoHAsync)(void *, CUdeviceptr, size_t, void *);
    int (*cuMemcpyDtoDAsync)(CUdeviceptr, CUdeviceptr, size_t, void *);
    int (*cuMemsetD8Async)(CUdeviceptr, unsigned char, size_t, void *);
    int (*cuStreamCreate)(void **, unsigned);
    int (*cuStreamDestroy)(void *);
    int (*cuStreamSynchronize)(void *);
    int (*cuStreamWaitEvent)(void *, void *, unsigned);
    int (*cuEventCreate)(void **, unsigned);
    int (*cuEventDestroy)(void *);
    int (*cuEventRecord)(void *, void *);
    int (*cuEventSynchronize)(void *);
    int (*cuModuleLoadData)(void **, const void *);
    int (*cuLinkCreate)(unsigned, int *, void **, void **);
    int (*cuLinkAddData)(void *, int, void *, size_t, const char *, unsigned, int *, void **);
    int (*cuLinkComplete)(void *, void **, size_t *);
    int (*cuLinkDestroy)(void *);
    int (*cuModuleGetFunction)(void **, void *, const char *);
    int (*cuFuncGetAttribute)(int *, int, void *);
    int (*cuFuncSetAttribute)(void *, int, int);
    int (*cuLaunchKernel)(
        void *, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, void *, void **, void **);
    int (*cuLaunchKernelEx)(const launch_configuration *, void *, void **, void **);
    int (*cuStreamBeginCapture)(void *, int);
    int (*cuStreamEndCapture)(void *, void **);
    int (*cuGraphInstantiateWithFlags)(void **, void *, unsigned long long);
    int (*cuGraphDestroy)(void *);
    int (*cuGraphExecDestroy)(void *);
    int (*cuGraphLaunch)(void *, void *);
} cu;

// Newer forms of old functions carry a suffix.
static const struct {
    const char *name;
    void **function;
} functions[] = {
#define FUNCTION(name, suffix) {#name suffix, (void **)&cu.name}
    FUNCTION(cuInit, ""),
    FUNCTION(cuDriverGetVersion, ""),
    FUNCTION(cuGetErrorName, ""),
    FUNCTION(cuGetErrorString, ""),
    FUNCTION(cuDeviceGetCount, ""),
    FUNCTION(cuDeviceGet, ""),
    FUNCTION(cuDeviceGetName, ""),
    FUNCTION(cuDeviceGetPCIBusId, ""),
    FUNCTION(cuDeviceGetAttribute, ""),
    FUNCTION(cuDeviceTotalMem, "_v2"),
    FUNCTION(cuDevicePrimaryCtxRetain, ""),
    FUNCTION(cuCtxGetCurrent, ""),
    FUNCTION(cuCtxSetCurrent, ""),
    FUNCTION(cuMemGetInfo, "_v2"),
    FUNCTION(cuMemAlloc, "_v2"),
    FUNCTION(cuMemFree, "_v2"),
    FUNCTION(cuMemHostAlloc, ""),
    FUNCTION(cuMemFreeHost, ""),
    FUNCTION(cuMemcpyHtoDAsync, "_v2"),
    FUNCTION(cuMemcpyDtoHAsync, "_v2"),
    FUNCTION(cuMemcpyDtoDAsync, "_v2"),
    FUNCTION(cuMemsetD8Async, ""),
    FUNCTION(cuStreamCreate, ""),
    FUNCTION(cuStreamDestroy, "_v2"),
    FUNCTION(cuStreamSynchronize, ""),
    FUNCTION(cuStreamWaitEvent, ""),
    FUNCTION(cuEventCreate, ""),
    FUNCTION(cuEventDestroy, "_v2"),
    FUNCTION(cuEventRecord, ""),
    FUNCTION(cuEventSynchronize, ""),
    FUNCTION(cuModuleLoadData, ""),
    FUNCTION(cuLinkCreate, "_v2"),
    FUNCTION(cuLinkAddData, "_v2"),
    FUNCTION(cuLinkComplete, ""),
    FUNCTION(cuLinkDestroy, ""),
    FUNCTION(cuModuleGetFunction, ""),
    FUNCTION(cuFuncGetAttribute, ""),
    FUNCTION(cuFuncSetAttribute, ""),
    FUNCTION(cuLaunchKernel, ""),
    FUNCTION(cuLaunchKernelEx, ""),
    FUNCTION(cuStreamBeginCapture, "_v2"),
    FUNCTION(cuStreamEndCapture, ""),
    FUNCTION(cuGraphInstantiateWithFlags, ""),
    FUNCTION(cuGraphDestroy, ""),
    FUNCTION(cuGraphExecDestroy, ""),
    FUNCTION(cuGraphLaunch, ""),
#undef FUNCTION
};

// Numbers of the driver's enumerations.
enum {
    ATTRIBUTE_MULTIPROCESSORS = 16,
    ATTRIBUTE_L2_BYTES = 38,
    ATTRIBUTE_MAJOR = 75,
    ATTRIBUTE_MINOR = 76,
    ATTRIBUTE_SHARED_PER_BLOCK = 97,
    FUNCTION_OWN_SHARED = 1,
    FUNCTION_DYNAMIC_SHARED = 8,
    STREAM_NON_BLOCKING = 1,
    EVENT_WITHOUT_TIMES = 2,
    HOST_PORTABLE = 1,
    CAPTURE_RELAXED = 2,
    LAUNCH_CLUSTER = 4,
    LAUNCH_OVERLAPS = 6,
    LINK_ERROR_LOG = 5,
    LINK_ERROR_LOG_BYTES = 6,
    LINK_PTX = 1,
    OLDEST_VERSION = 12000,
};

// MARK: Loading

static bits_cuda_library library;
static int load_status;
static int version;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void load(void) {
    static const char *const names[] = {"libcuda.so.1", NULL};
    library = bits_cuda_open("BNB_CUDA_DRIVER", names, "cuInit");
    load_status = BITS_CUDA_NO_DRIVER;
    if (!library.handle) return;
    int (*ask)(int *) = (int (*)(int *))dlsym(library.handle, "cuDriverGetVersion");
    if (!ask || ask(&version) != 0 || version == 0) {
        snprintf(library.problem, sizeof library.problem, "it is no driver of NVIDIA's that tells its version");
        library.handle = NULL;
        return;
    }
    load_status = BITS_CUDA_OLD_DRIVER;
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        *functions[i].function = dlsym(library.handle, functions[i].name);
        if (!*functions[i].function) {
            snprintf(library.problem, sizeof library.problem, "it has no %s", functions[i].name);
            return;
        }
    }
    if (version < OLDEST_VERSION) return;
    load_status = cu.cuInit(0);
}

int bits_cuda_load_driver(void) {
    pthread_once(&once, load);
    return load_status;
}

const bits_cuda_library *bits_cuda_driver_library(void) {
    pthread_once(&once, load);
    return &library;
}

int bits_cuda_driver_version(void) {
    pthread_once(&once, load);
    return version;
}

const char *bits_cuda_error_name(int status) {
    const char *name = NULL;
    if (cu.cuGetErrorName && cu.cuGetErrorName(status, &name) == 0 && name) return name;
    return "unknown error";
}

const char *bits_cuda_error_text(int status) {
    const char *text = NULL;
    if (cu.cuGetErrorString && cu.cuGetErrorString(status, &text) == 0 && text) return text;
    return "no description";
}

// MARK: Devices

int bits_cuda_device_count(int *count) { return cu.cuDeviceGetCount(count); }

int bits_cuda_device_describe(int ordinal, bits_cuda_device *device) {
    memset(device, 0, sizeof *device);
    CUdevice id;
    int status = cu.cuDeviceGet(&id, ordinal);
    if (status) return status;
    int major = 0, minor = 0, l2 = 0;
    status = cu.cuDeviceGetName(device->name, sizeof device->name, id);
    if (!status) status = cu.cuDeviceGetPCIBusId(device->bus, sizeof device->bus, id);
    if (!status) status = cu.cuDeviceGetAttribute(&major, ATTRIBUTE_MAJOR, id);
    if (!status) status = cu.cuDeviceGetAttribute(&minor, ATTRIBUTE_MINOR, id);
    if (!status) status = cu.cuDeviceGetAttribute(&device->multiprocessors, ATTRIBUTE_MULTIPROCESSORS, id);
    if (!status) status = cu.cuDeviceGetAttribute(&device->shared_bytes_per_block, ATTRIBUTE_SHARED_PER_BLOCK, id);
    if (!status) status = cu.cuDeviceGetAttribute(&l2, ATTRIBUTE_L2_BYTES, id);
    if (!status) status = cu.cuDeviceTotalMem(&device->memory_bytes, id);
    device->compute_capability = 10 * major + minor;
    device->l2_bytes = (size_t)l2;
    return status;
}

int bits_cuda_device_open(int ordinal, bits_cuda_device *device) {
    int status = bits_cuda_device_describe(ordinal, device);
    CUdevice id;
    if (!status) status = cu.cuDeviceGet(&id, ordinal);
    if (!status) status = cu.cuDevicePrimaryCtxRetain(&device->context, id);
    return status;
}

// A context is a thread's own setting, and libraries that share it change it too.
static int use(void *context) {
    void *current = NULL;
    if (cu.cuCtxGetCurrent(&current) == 0 && current == context) return 0;
    return cu.cuCtxSetCurrent(context);
}

// Makes `context` current, then returns the status of `call`.
#define IN_CONTEXT(call) \
    do { \
        int status = use(context); \
        return status ? status : (call); \
    } while (0)

int bits_cuda_use(void *context) { return use(context); }

int bits_cuda_memory_info(void *context, size_t *free_bytes, size_t *total_bytes) { IN_CONTEXT(cu.cuMemGetInfo(free_bytes, total_bytes)); }

// MARK: Memory

int bits_cuda_allocate(void *context, size_t bytes, uint64_t *address) { IN_CONTEXT(cu.cuMemAlloc((CUdeviceptr *)address, bytes)); }
int bits_cuda_free(void *context, uint64_t address) { IN_CONTEXT(cu.cuMemFree(address)); }
int bits_cuda_allocate_host(void *context, size_t bytes, void **memory) { IN_CONTEXT(cu.cuMemHostAlloc(memory, bytes, HOST_PORTABLE)); }
int bits_cuda_free_host(void *context, void *memory) { IN_CONTEXT(cu.cuMemFreeHost(memory)); }

int bits_cuda_copy_in(void *context, void *stream, uint64_t destination, const void *source, size_t bytes) {
    IN_CONTEXT(cu.cuMemcpyHtoDAsync(destination, source, bytes, stream));
}
int bits_cuda_copy_out(void *context, void *stream, void *destination, uint64_t source, size_t bytes) {
    IN_CONTEXT(cu.cuMemcpyDtoHAsync(destination, source, bytes, stream));
}
int bits_cuda_copy(void *context, void *stream, uint64_t destination, uint64_t source, size_t bytes) {
    IN_CONTEXT(cu.cuMemcpyDtoDAsync(destination, source, bytes, stream));
}
int bits_cuda_clear(void *context, void *stream, uint64_t address, size_t bytes) { IN_CONTEXT(cu.cuMemsetD8Async(address, 0, bytes, stream)); }

// MARK: Order

int bits_cuda_stream_create(void *context, void **stream) { IN_CONTEXT(cu.cuStreamCreate(stream, STREAM_NON_BLOCKING)); }
int bits_cuda_stream_destroy(void *context, void *stream) { IN_CONTEXT(cu.cuStreamDestroy(stream)); }
int bits_cuda_stream_wait(void *context, void *stream) { IN_CONTEXT(cu.cuStreamSynchronize(stream)); }
int bits_cuda_stream_wait_event(void *context, void *stream, void *event) { IN_CONTEXT(cu.cuStreamWaitEvent(stream, event, 0)); }
int bits_cuda_event_create(void *context, void **event) { IN_CONTEXT(cu.cuEventCreate(event, EVENT_WITHOUT_TIMES)); }
int bits_cuda_event_destroy(void *context, void *event) { IN_CONTEXT(cu.cuEventDestroy(event)); }
int bits_cuda_event_record(void *context, void *event, void *stream) { IN_CONTEXT(cu.cuEventRecord(event, stream)); }
int bits_cuda_event_wait(void *context, void *event) { IN_CONTEXT(cu.cuEventSynchronize(event)); }

// MARK: Kernels

int bits_cuda_module_load(void *context, const void *image, void **module) { IN_CONTEXT(cu.cuModuleLoadData(module, image)); }

int bits_cuda_assemble(void *context, const char *text, const char *name, char **image, size_t *bytes) {
    *image = NULL;
    *bytes = 0;
    int status = use(context);
    if (status) return status;
    if (!bits_cuda_begin_compiling()) return BITS_CUDA_ENDING;
    char log[4096] = "";
    int options[] = {LINK_ERROR_LOG, LINK_ERROR_LOG_BYTES};
    void *values[] = {log, (void *)sizeof log};
    void *link = NULL, *code = NULL;
    status = cu.cuLinkCreate(2, options, values, &link);
    if (!status) status = cu.cuLinkAddData(link, LINK_PTX, (void *)text, strlen(text) + 1, name, 0, NULL, NULL);
    if (!status) status = cu.cuLinkComplete(link, &code, bytes);
    log[sizeof log - 1] = 0;
    // The code goes with the link.
    if (status) code = log, *bytes = strlen(log);
    *image = malloc(*bytes + 1);
    if (*image) memcpy(*image, code, *bytes);
    else *bytes = 0;
    if (link) cu.cuLinkDestroy(link);
    bits_cuda_end_compiling();
    return status;
}

int bits_cuda_function_find(void *context, void *module, const char *name, int shared_bytes_per_block, void **function) {
    int status = use(context);
    if (!status) status = cu.cuModuleGetFunction(function, module, name);
    // What the function has of its own counts too.
    int own = 0;
    if (!status) status = cu.cuFuncGetAttribute(&own, FUNCTION_OWN_SHARED, *function);
    if (!status && shared_bytes_per_block > 48 * 1024) status = cu.cuFuncSetAttribute(*function, FUNCTION_DYNAMIC_SHARED, shared_bytes_per_block - own);
    return status;
}

int bits_cuda_launch(void *context, void *function, void *stream, bits_cuda_shape shape, const void *arguments, size_t bytes) {
    // Marks of a list that ends with 0: the buffer of parameters, and its size.
    void *list[] = {(void *)1, (void *)arguments, (void *)2, &bytes, NULL}, *one[] = {(void *)arguments};
    int status = use(context);
    if (status) return status;
    void **addresses = shape.takes_struct ? one : NULL, **parameters = shape.takes_struct ? NULL : list;
    if (shape.cluster <= 1 && !shape.overlaps) {
        return cu.cuLaunchKernel(
            function, shape.blocks[0], shape.blocks[1], shape.blocks[2], shape.threads, 1, 1, shape.shared_bytes, stream, addresses, parameters);
    }
    launch_attribute attributes[2];
    memset(attributes, 0, sizeof attributes);
    unsigned count = 0;
    if (shape.cluster > 1) {
        attributes[count].id = LAUNCH_CLUSTER;
        attributes[count].value.cluster.x = shape.cluster;
        attributes[count].value.cluster.y = 1;
        attributes[count++].value.cluster.z = 1;
    }
    if (shape.overlaps) {
        attributes[count].id = LAUNCH_OVERLAPS;
        attributes[count++].value.overlaps = 1;
    }
    launch_configuration configuration = {
        .grid = {shape.blocks[0], shape.blocks[1], shape.blocks[2]},
        .block = {shape.threads, 1, 1},
        .shared_bytes = shape.shared_bytes,
        .stream = stream,
        .attributes = attributes,
        .attribute_count = count,
    };
    return cu.cuLaunchKernelEx(&configuration, function, addresses, parameters);
}

// MARK: Graphs

int bits_cuda_capture_begin(void *context, void *stream) { IN_CONTEXT(cu.cuStreamBeginCapture(stream, CAPTURE_RELAXED)); }

int bits_cuda_capture_end(void *context, void *stream, void **graph) {
    void *drawing = NULL;
    int status = use(context);
    if (!status) status = cu.cuStreamEndCapture(stream, &drawing);
    if (!status) status = cu.cuGraphInstantiateWithFlags(graph, drawing, 0);
    if (drawing) cu.cuGraphDestroy(drawing);
    return status;
}

int bits_cuda_graph_launch(void *context, void *graph, void *stream) { IN_CONTEXT(cu.cuGraphLaunch(graph, stream)); }
int bits_cuda_graph_destroy(void *context, void *graph) { IN_CONTEXT(cu.cuGraphExecDestroy(graph)); }
