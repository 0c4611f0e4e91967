// The registry of files compiled into the binary; filled by constructors before main, read-only afterwards.
#include "include/bits_embedded.h"
#include <stddef.h>
#include <string.h>

enum { CAPACITY = 64 };
static struct { const char *path; const uint8_t *bytes; int64_t count; } files[CAPACITY];
static int file_count;

void bits_embedded_register(const char *path, const uint8_t *bytes, int64_t count) {
    if (file_count == CAPACITY) return;
    files[file_count].path = path;
    files[file_count].bytes = bytes;
    files[file_count].count = count;
    file_count++;
}

const uint8_t *bits_embedded_find(const char *path, int64_t *count) {
    for (int i = 0; i < file_count; i++)
        if (strcmp(files[i].path, path) == 0) {
            *count = files[i].count;
            return files[i].bytes;
        }
    return NULL;
}
