// HTTP by libcurl, which is looked for when something is first fetched: a build needs no header of it, and a program that fetches nothing never loads it.
#ifndef BITS_HTTP_H
#define BITS_HTTP_H
#include <stdint.h>

typedef struct bits_http_request {
    const char *url;
    // Lines like "Range: bytes=5-", `header_count` of them.
    const char *const *headers;
    int64_t header_count;
    // Nonzero: headers alone are asked for (HEAD).
    int32_t wants_no_body;
    // Nonzero: goes where it is sent on to, over HTTP and HTTPS alone, and takes a token to no other host.
    int32_t follows;
    // Seconds for a connection, and without as much as a byte a second.
    int32_t patience;
    // Take a header line, or a part of the body; anything but 0 ends the transfer.
    int32_t (*take_header)(void *context, const uint8_t *bytes, int64_t count);
    int32_t (*take_body)(void *context, const uint8_t *bytes, int64_t count);
    void *context;
} bits_http_request;

enum {
    BITS_HTTP_OK, BITS_HTTP_NO_LIBRARY, BITS_HTTP_NO_HOST, BITS_HTTP_NO_CONNECTION, BITS_HTTP_CUT, BITS_HTTP_STOPPED, BITS_HTTP_NOT_TRUSTED,
    BITS_HTTP_NO_PROXY, BITS_HTTP_FAILED,
};

// Carries a request out and waits for its end. `status` becomes the answer's (404), `message`, of `capacity` bytes, what libcurl says of a failure.
int32_t bits_http_perform(const bits_http_request *request, int32_t *status, char *message, int64_t capacity);

#endif
