// Files compiled into the binary: a C target registers each at start under its path.
#ifndef BITS_EMBEDDED_H
#define BITS_EMBEDDED_H
#include <stdint.h>

void bits_embedded_register(const char *path, const uint8_t *bytes, int64_t count);
// The bytes of an embedded file, NULL if there is none of that path.
const uint8_t *bits_embedded_find(const char *path, int64_t *count);

#endif
