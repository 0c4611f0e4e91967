#define _DEFAULT_SOURCE // strsep
// The compiler of kernels, NVRTC.
#include "include/bits_cuda.h"
#include "library.h"

#include <dlfcn.h>
#include <glob.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct {
    int (*nvrtcVersion)(int *, int *);
    int (*nvrtcGetNumSupportedArchs)(int *);
    int (*nvrtcGetSupportedArchs)(int *);
    int (*nvrtcCreateProgram)(void **, const char *, const char *, int, const char *const *, const char *const *);
    int (*nvrtcCompileProgram)(void *, int, const char *const *);
    int (*nvrtcGetProgramLogSize)(void *, size_t *);
    int (*nvrtcGetProgramLog)(void *, char *);
    int (*nvrtcGetCUBINSize)(void *, size_t *);
    int (*nvrtcGetCUBIN)(void *, char *);
    int (*nvrtcGetPTXSize)(void *, size_t *);
    int (*nvrtcGetPTX)(void *, char *);
    int (*nvrtcDestroyProgram)(void **);
} nvrtc;

static const struct {
    const char *name;
    void **function;
} functions[] = {
#define FUNCTION(name) {#name, (void **)&nvrtc.name}
    FUNCTION(nvrtcVersion),           FUNCTION(nvrtcGetNumSupportedArchs), FUNCTION(nvrtcGetSupportedArchs), FUNCTION(nvrtcCreateProgram),
    FUNCTION(nvrtcCompileProgram),    FUNCTION(nvrtcGetProgramLogSize),    FUNCTION(nvrtcGetProgramLog),     FUNCTION(nvrtcGetCUBINSize),
    FUNCTION(nvrtcGetCUBIN),          FUNCTION(nvrtcGetPTXSize),           FUNCTION(nvrtcGetPTX),            FUNCTION(nvrtcDestroyProgram),
#undef FUNCTION
};

static bits_cuda_library library;
static int version;
static pthread_once_t once = PTHREAD_ONCE_INIT;

// What NVRTC opens by itself lies beside it, where the loader does not always look (in a Python environment): it is found when it is there before.
static void load_builtins(void) {
    const char *end = strrchr(library.path, '/');
    char pattern[sizeof library.path + 32];
    glob_t found;
    if (!end) return;
    snprintf(pattern, sizeof pattern, "%.*s/libnvrtc-builtins.so.*", (int)(end - library.path), library.path);
    if (glob(pattern, 0, NULL, &found) != 0) return;
    for (size_t i = 0; i < found.gl_pathc; i++) dlopen(found.gl_pathv[i], RTLD_NOW | RTLD_LOCAL);
    globfree(&found);
}

static void load(void) {
    static const char *const new_names[] = {"libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so", NULL};
    static const char *const old_names[] = {"libnvrtc.so.12", "libnvrtc.so", "libnvrtc.so.13", NULL};
    int driver = bits_cuda_driver_version();
    library = bits_cuda_open("BNB_NVRTC", driver && driver < 13000 ? old_names : new_names, "nvrtcVersion");
    if (!library.handle) return;
    load_builtins();
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        *functions[i].function = dlsym(library.handle, functions[i].name);
        if (!*functions[i].function) {
            snprintf(library.problem, sizeof library.problem, "it has no %s", functions[i].name);
            library.handle = NULL;
            return;
        }
    }
    int major = 0, minor = 0;
    if (nvrtc.nvrtcVersion(&major, &minor) != 0) return;
    bits_cuda_refuse_newer(&library, major);
    if (library.handle) version = 1000 * major + 10 * minor;
}

const bits_cuda_library *bits_cuda_compiler_library(void) {
    pthread_once(&once, load);
    return &library;
}

int bits_cuda_compiler_version(void) {
    pthread_once(&once, load);
    return version;
}

bool bits_cuda_compiler_knows(int compute_capability) {
    int count = 0, known[256];
    if (!bits_cuda_compiler_library()->handle) return false;
    if (nvrtc.nvrtcGetNumSupportedArchs(&count) != 0 || count > 256 || nvrtc.nvrtcGetSupportedArchs(known) != 0) return false;
    for (int i = 0; i < count; i++) {
        if (known[i] == compute_capability) return true;
    }
    return false;
}

// What `size` and `get` give of a program, ended by 0; NULL without memory.
static char *result(void *program, int (*size)(void *, size_t *), int (*get)(void *, char *), size_t *bytes) {
    if (size(program, bytes) != 0) *bytes = 0;
    char *text = calloc(*bytes + 1, 1);
    if (text && *bytes && get(program, text) != 0) *bytes = 0;
    return text;
}

// Compilations that are going on, NVRTC's and the driver's. The process ends after them: NVRTC takes itself apart then, and what it made last it takes
// apart first, so that each compilation that has ended asks again to be waited for.
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t all_done = PTHREAD_COND_INITIALIZER;
static int running;
static bool ends;

static void wait_for_all(void) {
    pthread_mutex_lock(&lock);
    ends = true;
    while (running) pthread_cond_wait(&all_done, &lock);
    pthread_mutex_unlock(&lock);
}

bool bits_cuda_begin_compiling(void) {
    pthread_mutex_lock(&lock);
    bool may_begin = !ends;
    running += may_begin;
    pthread_mutex_unlock(&lock);
    return may_begin;
}

void bits_cuda_end_compiling(void) {
    pthread_mutex_lock(&lock);
    if (--running == 0) pthread_cond_broadcast(&all_done);
    bool goes_on = !ends;
    pthread_mutex_unlock(&lock);
    if (goes_on) atexit(wait_for_all);
}

int bits_cuda_compile(
    const char *source, const char *name, const char *architecture, const char *options, bool is_text, char **image, size_t *bytes) {
    *image = NULL;
    *bytes = 0;
    if (!bits_cuda_compiler_library()->handle) return BITS_CUDA_NO_COMPILER;
    if (!bits_cuda_begin_compiling()) return BITS_CUDA_ENDING;
    void *program = NULL;
    int status = nvrtc.nvrtcCreateProgram(&program, source, name, 0, NULL, NULL);
    if (status) {
        bits_cuda_end_compiling();
        return status;
    }
    char target[64];
    snprintf(target, sizeof target, "--gpu-architecture=%s", architecture);
    char words[256], *rest = words;
    snprintf(words, sizeof words, "%s", options);
    const char *all[16] = {target};
    int count = 1;
    for (char *word; count < 16 && (word = strsep(&rest, " "));) all[count++] = word;
    status = nvrtc.nvrtcCompileProgram(program, count, all);
    if (status) *image = result(program, nvrtc.nvrtcGetProgramLogSize, nvrtc.nvrtcGetProgramLog, bytes);
    else if (is_text) *image = result(program, nvrtc.nvrtcGetPTXSize, nvrtc.nvrtcGetPTX, bytes);
    else *image = result(program, nvrtc.nvrtcGetCUBINSize, nvrtc.nvrtcGetCUBIN, bytes);
    nvrtc.nvrtcDestroyProgram(&program);
    bits_cuda_end_compiling();
    return status;
}
