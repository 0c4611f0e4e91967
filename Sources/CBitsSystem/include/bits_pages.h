// What Swift's view of the C library leaves out for files that memory is paged to.
#ifndef BITS_PAGES_H
#define BITS_PAGES_H
#include <stdint.h>

// Opens a file without a name in `folder` for reading and writing; -1 with errno set where that fails. EOPNOTSUPP: the file system has no such files.
int32_t bits_pages_open(const char *folder);
// Brings the pages of mapped memory in, ready to be written; a system that cannot leaves them to come one by one.
void bits_pages_populate(void *address, int64_t count);
// Starts writing changed pages of a part of the file, without waiting.
void bits_pages_start_writing(int32_t descriptor, int64_t offset, int64_t count);
// Writes changed pages of a part of the file and waits until they are written.
void bits_pages_finish_writing(int32_t descriptor, int64_t offset, int64_t count);
// Gives the disk space of a part of the file back.
void bits_pages_discard(int32_t descriptor, int64_t offset, int64_t count);

#endif
