// SHA-1 and SHA-256 (FIPS 180-4), by which a file is known to be the one that was asked for.
#ifndef BITS_DIGEST_H
#define BITS_DIGEST_H
#include <stdint.h>

typedef struct bits_digest {
    uint32_t state[8];
    uint64_t count;
    uint8_t block[64];
    int32_t is_sha256;
} bits_digest;

void bits_digest_begin(bits_digest *digest, int32_t is_sha256);
void bits_digest_add(bits_digest *digest, const uint8_t *bytes, int64_t count);
// Ends the digest, and writes its 20 or 32 bytes to `result`.
void bits_digest_end(bits_digest *digest, uint8_t *result);

#endif
