// NVIDIA's libraries, found when the program runs: the driver, the compiler of kernels (NVRTC), products of matrices (cuBLASLt). No header and no
// library of CUDA is needed for a build.
//
// Functions that return int give the library's own status, 0 for success; `bits_cuda_error_name` and `bits_cuda_error_text` say what a driver's
// status means. Addresses of the device are numbers, handles are pointers that only these functions follow.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// MARK: Libraries

typedef struct {
    // NULL where the library was not found.
    void *handle;
    // The file that it was loaded from.
    char path[1024];
    // Why it was not loaded, in the system's words; of the last place that was tried.
    char problem[512];
} bits_cuda_library;

// MARK: Driver

enum {
    // What `bits_cuda_load_driver` returns beside the driver's own status.
    BITS_CUDA_NO_DRIVER = -1,
    BITS_CUDA_OLD_DRIVER = -2,
    // What functions return that this driver does not have.
    BITS_CUDA_NO_FUNCTION = -3,
};

// Loads and initializes the driver, once for the process; the first answer is kept.
int bits_cuda_load_driver(void);
// Where the driver was found or was not.
const bits_cuda_library *bits_cuda_driver_library(void);
// 1000 * major + 10 * minor of the CUDA version that the driver speaks.
int bits_cuda_driver_version(void);
const char *bits_cuda_error_name(int status);
const char *bits_cuda_error_text(int status);

typedef struct {
    char name[128];
    // For instance "0000:3b:00.0".
    char bus[32];
    // 90 for compute capability 9.0.
    int compute_capability;
    int multiprocessors;
    // The most shared memory that one block may ask for.
    int shared_bytes_per_block;
    size_t l2_bytes;
    size_t memory_bytes;
    // Shared with libraries that use CUDA's runtime; NULL until the device is opened.
    void *context;
} bits_cuda_device;

int bits_cuda_device_count(int *count);
// What is known of device `ordinal`, without using it.
int bits_cuda_device_describe(int ordinal, bits_cuda_device *device);
// Keeps the device's primary context.
int bits_cuda_device_open(int ordinal, bits_cuda_device *device);
// Makes the context current in this thread, as every function does that takes one.
int bits_cuda_use(void *context);
int bits_cuda_memory_info(void *context, size_t *free_bytes, size_t *total_bytes);

// MARK: Memory

int bits_cuda_allocate(void *context, size_t bytes, uint64_t *address);
int bits_cuda_free(void *context, uint64_t address);
// Host memory that the device copies from and to by itself.
int bits_cuda_allocate_host(void *context, size_t bytes, void **memory);
int bits_cuda_free_host(void *context, void *memory);
// Queued. From memory that is not pinned the bytes are the caller's again on return.
int bits_cuda_copy_in(void *context, void *stream, uint64_t destination, const void *source, size_t bytes);
int bits_cuda_copy_out(void *context, void *stream, void *destination, uint64_t source, size_t bytes);
int bits_cuda_copy(void *context, void *stream, uint64_t destination, uint64_t source, size_t bytes);
int bits_cuda_clear(void *context, void *stream, uint64_t address, size_t bytes);

// MARK: Order

int bits_cuda_stream_create(void *context, void **stream);
int bits_cuda_stream_destroy(void *context, void *stream);
int bits_cuda_stream_wait(void *context, void *stream);
// Work that is queued from now on waits for the event.
int bits_cuda_stream_wait_event(void *context, void *stream, void *event);
int bits_cuda_event_create(void *context, void **event);
int bits_cuda_event_destroy(void *context, void *event);
int bits_cuda_event_record(void *context, void *event, void *stream);
int bits_cuda_event_wait(void *context, void *event);

// MARK: Kernels

int bits_cuda_module_load(void *context, const void *image, void **module);
// Makes machine code for the context's device of the PTX `text`, ended by 0. On success *image is the code, else what the driver says, and *bytes
// counts it; it is to be freed.
int bits_cuda_assemble(void *context, const char *text, const char *name, char **image, size_t *bytes);
// Allows the function all shared memory that a block may have.
int bits_cuda_function_find(void *context, void *module, const char *name, int shared_bytes_per_block, void **function);

typedef struct {
    uint32_t blocks[3];
    uint32_t threads;
    uint32_t shared_bytes;
    // Blocks of one cluster; 0 or 1: none.
    uint32_t cluster;
    // Whether the kernel may begin while the one before ends; it has to wait for it by `griddepcontrol.wait`.
    bool overlaps;
    // Whether the arguments are one struct that the driver is to find the place of: parameters begin where not everything is aligned that could be.
    bool takes_struct;
} bits_cuda_shape;

// Queues a launch. `arguments` holds the parameters as the kernel's own struct would.
int bits_cuda_launch(void *context, void *function, void *stream, bits_cuda_shape shape, const void *arguments, size_t bytes);

// How the copy engine of compute capability 9.0 finds boxes of a matrix of bytes.
typedef struct {
    uint64_t words[16];
} bits_cuda_tensor_map;

// Describes a matrix of bytes whose rows begin `stride` bytes apart, for boxes of `box_rows` rows of 128 bytes: beyond its ends they have zeros, and in
// shared memory 16-byte pieces change places (128-byte swizzle). Address and stride are multiples of 16.
int bits_cuda_describe_matrix(
    void *context, uint64_t address, int64_t rows, int64_t columns, int64_t stride, int box_rows, bits_cuda_tensor_map *map);

// MARK: Graphs

int bits_cuda_capture_begin(void *context, void *stream);
// Ends the capture; `graph` can be launched again and again.
int bits_cuda_capture_end(void *context, void *stream, void **graph);
int bits_cuda_graph_launch(void *context, void *graph, void *stream);
int bits_cuda_graph_destroy(void *context, void *graph);

// MARK: Compiler

// Where NVRTC was found or was not; loaded once for the process.
const bits_cuda_library *bits_cuda_compiler_library(void);
// 1000 * major + 10 * minor; 0 without NVRTC.
int bits_cuda_compiler_version(void);
// Whether it makes code for GPUs of a compute capability, 90 for 9.0.
bool bits_cuda_compiler_knows(int compute_capability);
enum {
    BITS_CUDA_NO_COMPILER = -1,
    // The process is ending.
    BITS_CUDA_ENDING = -2,
};
// Compiles `source` for `architecture`, "sm_90a", or "compute_90a" with `is_text` for PTX; `options` are set apart by
// spaces. On success *image is the machine code or text, else the compiler's log; *bytes counts it, and it is to be freed.
int bits_cuda_compile(
    const char *source, const char *name, const char *architecture, const char *options, bool is_text, char **image, size_t *bytes);

// MARK: Products

// Where cuBLASLt was found or was not; loaded once for the process.
const bits_cuda_library *bits_cuda_products_library(void);
// 10000 * major + 100 * minor + patch; 0 without the library.
int bits_cuda_products_version(void);

// output [M, N] = op(a) · op(b) (+ bias) (+ output) of matrices that lie by rows; bias [N] of the output's type, 0 for none.
// Types by their codes: float32, float16 or bfloat16 with float32 sums, int8 into int32.
typedef struct {
    uint64_t a, b, bias, output;
    int64_t m, n, k, a_stride, b_stride;
    int32_t type, output_type;
    bool a_transposed, b_transposed, accumulates;
} bits_cuda_product;

// Whether the library can compute the product, and the memory that it needs for it.
bool bits_cuda_product_workspace(void *context, const bits_cuda_product *product, size_t *bytes);
// Queues the product; the status is the library's own, -1 where it cannot compute it.
int bits_cuda_product_launch(void *context, void *stream, const bits_cuda_product *product, uint64_t workspace, size_t bytes);

// MARK: Sources

// Text that stands before every file.
const char *bits_cuda_prelude(void);
// A file that others include, by its name with its ending; NULL where there is none of that name.
const char *bits_cuda_header_text(const char *name);
// The name of file `index` of kernels, without its ending; NULL after the last.
const char *bits_cuda_source_name(int index);
const char *bits_cuda_source_text(int index);
// What `Tools/ptx` made of the file of that name: a line that tells what follows, then packed PTX. NULL where there is none.
const uint8_t *bits_cuda_source_ptx(const char *name, size_t *bytes);
// Unpacks raw LZMA (4 bits of literal context, no position bits) of exactly `bytes` bytes; false where that is not what it is.
bool bits_cuda_unpack(const uint8_t *packed, size_t packed_bytes, uint8_t *text, size_t bytes);
