// Maps, by which the copy engine of compute capability 9.0 finds boxes of a matrix.
#include "include/bits_cuda.h"

#include <dlfcn.h>
#include <pthread.h>

// Numbers of the driver's enumerations.
enum { MAP_BYTES = 0, MAP_NOT_INTERLEAVED = 0, MAP_SWIZZLE_128 = 3, MAP_PROMOTES_TO_128 = 2, MAP_FILLS_WITH_ZEROS = 0 };

static int (*encode)(
    void *, int, uint32_t, void *, const uint64_t *, const uint64_t *, const uint32_t *, const uint32_t *, int, int, int, int);
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void load(void) {
    void *driver = bits_cuda_driver_library()->handle;
    if (driver) *(void **)&encode = dlsym(driver, "cuTensorMapEncodeTiled");
}

int bits_cuda_describe_matrix(
    void *context, uint64_t address, int64_t rows, int64_t columns, int64_t stride, int box_rows, bits_cuda_tensor_map *map) {
    pthread_once(&once, load);
    if (!encode) return BITS_CUDA_NO_FUNCTION;
    int status = bits_cuda_use(context);
    if (status) return status;
    _Alignas(64) bits_cuda_tensor_map encoded;
    uint64_t sizes[] = {(uint64_t)columns, (uint64_t)rows}, strides[] = {(uint64_t)stride};
    uint32_t box[] = {128, (uint32_t)box_rows}, steps[] = {1, 1};
    status = encode(
        &encoded, MAP_BYTES, 2, (void *)(uintptr_t)address, sizes, strides, box, steps, MAP_NOT_INTERLEAVED, MAP_SWIZZLE_128, MAP_PROMOTES_TO_128,
        MAP_FILLS_WITH_ZEROS);
    if (!status) *map = encoded;
    return status;
}
