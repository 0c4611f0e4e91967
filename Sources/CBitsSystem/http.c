#include "include/bits_http.h"
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Numbers of libcurl's interface, which has kept them since version 7.
enum {
    WRITE_DATA = 10001, URL = 10002, ERROR_BUFFER = 10010, USER_AGENT = 10018, HTTP_HEADER = 10023, HEADER_DATA = 10029, NO_BODY = 44, FOLLOW = 52,
    MAX_REDIRECTS = 68, LOW_SPEED_LIMIT = 19, LOW_SPEED_TIME = 20, CONNECT_TIMEOUT = 78, NO_SIGNAL = 99, PROTOCOLS = 181, REDIRECT_PROTOCOLS = 182,
    WRITE_FUNCTION = 20011, HEADER_FUNCTION = 20079, RESPONSE_CODE = 0x200002, PROXY_CODE = 0x200016, HTTP_AND_HTTPS = 3, GLOBAL_ALL = 3, ERROR_SIZE = 256,
};

static struct {
    void *(*open)(void);
    int (*set)(void *, int, ...);
    int (*perform)(void *);
    int (*ask)(void *, int, ...);
    void (*close)(void *);
    void *(*append)(void *, const char *);
    void (*free_list)(void *);
} curl;
static int is_loaded;

static void load(void) {
    const char *named = getenv("BNB_LIBCURL");
    const char *names[] = {named ? named : "libcurl.so.4", "libcurl-gnutls.so.4", "libcurl.so", "libcurl.4.dylib"};
    void *library = 0;
    for (int i = 0; i < (named ? 1 : 4) && !library; i++) library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
    if (!library) return;
    int (*start)(long) = (int (*)(long))dlsym(library, "curl_global_init");
    curl.open = (void *(*)(void))dlsym(library, "curl_easy_init");
    curl.set = (int (*)(void *, int, ...))dlsym(library, "curl_easy_setopt");
    curl.perform = (int (*)(void *))dlsym(library, "curl_easy_perform");
    curl.ask = (int (*)(void *, int, ...))dlsym(library, "curl_easy_getinfo");
    curl.close = (void (*)(void *))dlsym(library, "curl_easy_cleanup");
    curl.append = (void *(*)(void *, const char *))dlsym(library, "curl_slist_append");
    curl.free_list = (void (*)(void *))dlsym(library, "curl_slist_free_all");
    is_loaded = start && curl.open && curl.set && curl.perform && curl.ask && curl.close && curl.append && curl.free_list && start(GLOBAL_ALL) == 0;
}

static size_t take_header(char *bytes, size_t size, size_t count, void *request) {
    const bits_http_request *to = request;
    return to->take_header(to->context, (const uint8_t *)bytes, (int64_t)(size * count)) ? 0 : size * count;
}

static size_t take_body(char *bytes, size_t size, size_t count, void *request) {
    const bits_http_request *to = request;
    return to->take_body(to->context, (const uint8_t *)bytes, (int64_t)(size * count)) ? 0 : size * count;
}

static int32_t kind(int result) {
    switch (result) {
    case 0: return BITS_HTTP_OK;
    case 5: case 6: return BITS_HTTP_NO_HOST;
    case 7: return BITS_HTTP_NO_CONNECTION;
    case 18: case 28: case 52: case 55: case 56: case 92: return BITS_HTTP_CUT;
    case 23: case 42: return BITS_HTTP_STOPPED;
    case 35: case 51: case 58: case 60: case 77: return BITS_HTTP_NOT_TRUSTED;
    default: return BITS_HTTP_FAILED;
    }
}

int32_t bits_http_perform(const bits_http_request *request, int32_t *status, char *message, int64_t capacity) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, load);
    *status = 0;
    message[0] = 0;
    if (!is_loaded) return BITS_HTTP_NO_LIBRARY;
    void *handle = curl.open();
    if (!handle) return BITS_HTTP_FAILED;
    char error[ERROR_SIZE] = "";
    void *headers = 0;
    for (int64_t i = 0; i < request->header_count; i++) {
        void *longer = curl.append(headers, request->headers[i]);
        if (longer) headers = longer;
    }
    curl.set(handle, URL, request->url);
    curl.set(handle, HTTP_HEADER, headers);
    curl.set(handle, USER_AGENT, "swift-bitsandbytes");
    curl.set(handle, NO_BODY, (long)request->wants_no_body);
    curl.set(handle, FOLLOW, (long)request->follows);
    curl.set(handle, MAX_REDIRECTS, 10L);
    curl.set(handle, PROTOCOLS, (long)HTTP_AND_HTTPS);
    curl.set(handle, REDIRECT_PROTOCOLS, (long)HTTP_AND_HTTPS);
    curl.set(handle, CONNECT_TIMEOUT, (long)request->patience);
    curl.set(handle, LOW_SPEED_LIMIT, 1L);
    curl.set(handle, LOW_SPEED_TIME, (long)request->patience);
    curl.set(handle, NO_SIGNAL, 1L);
    curl.set(handle, ERROR_BUFFER, error);
    curl.set(handle, HEADER_FUNCTION, take_header);
    curl.set(handle, HEADER_DATA, request);
    curl.set(handle, WRITE_FUNCTION, take_body);
    curl.set(handle, WRITE_DATA, request);
    int result = curl.perform(handle);
    long code = 0, proxy = 0;
    curl.ask(handle, RESPONSE_CODE, &code);
    curl.ask(handle, PROXY_CODE, &proxy);
    *status = (int32_t)code;
    snprintf(message, (size_t)capacity, "%s", error);
    curl.close(handle);
    curl.free_list(headers);
    // A proxy that opens no way to a server over HTTPS.
    return result && proxy >= 400 ? BITS_HTTP_NO_PROXY : kind(result);
}
