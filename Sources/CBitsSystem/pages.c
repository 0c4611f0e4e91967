#define _GNU_SOURCE
#include "include/bits_pages.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

int32_t bits_pages_open(const char *folder) {
    const int descriptor = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (descriptor < 0 && (errno == EISDIR || errno == EINVAL)) errno = EOPNOTSUPP;  // how older systems say it
    return descriptor;
}

void bits_pages_populate(void *address, int64_t count) {
    enum { POPULATE_WRITE = 23 };  // MADV_POPULATE_WRITE, Linux 5.14
    madvise(address, (size_t)count, POPULATE_WRITE);
}

void bits_pages_start_writing(int32_t descriptor, int64_t offset, int64_t count) {
    sync_file_range(descriptor, offset, count, SYNC_FILE_RANGE_WRITE);
}

void bits_pages_finish_writing(int32_t descriptor, int64_t offset, int64_t count) {
    sync_file_range(descriptor, offset, count, SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
}

void bits_pages_discard(int32_t descriptor, int64_t offset, int64_t count) {
    (void)!fallocate(descriptor, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, count);
}
