#define _GNU_SOURCE // dladdr
// Finding NVIDIA's libraries.
#include "library.h"

#include <dlfcn.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool try_path(bits_cuda_library *library, const char *path) {
    dlerror();
    library->handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library->handle) {
        const char *problem = dlerror();
        snprintf(library->problem, sizeof library->problem, "%s", problem ? problem : "not found");
        return false;
    }
    snprintf(library->path, sizeof library->path, "%s", path);
    library->problem[0] = 0;
    return true;
}

// Tries every file that `pattern` matches, the last in the order of the alphabet first: the newest version of several.
static bool try_pattern(bits_cuda_library *library, const char *pattern) {
    glob_t found;
    bool done = false;
    if (glob(pattern, 0, NULL, &found) == 0) {
        for (size_t i = found.gl_pathc; i-- > 0 && !done;) done = try_path(library, found.gl_pathv[i]);
        globfree(&found);
    }
    return done;
}

static bool try_folders(bits_cuda_library *library, const char *name) {
    // Each a folder of the environment, or none, and where libraries lie in it.
    static const struct {
        const char *variable, *pattern;
    } places[] = {
        {"CUDA_HOME", "lib64"},
        {"CUDA_PATH", "lib64"},
        {NULL, "/usr/local/cuda*/targets/*-linux/lib"},
        {NULL, "/usr/local/cuda*/lib64"},
        {NULL, "/usr/local/nvidia/lib64"},
        {NULL, "/usr/lib/wsl/lib"},
        {"VIRTUAL_ENV", "lib/python3*/site-packages/nvidia/cu13/lib"},
        {"VIRTUAL_ENV", "lib/python3*/site-packages/nvidia/*/lib"},
    };
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        const char *folder = places[i].variable ? getenv(places[i].variable) : "";
        if (!folder || (places[i].variable && !*folder)) continue;
        char pattern[1024];
        int length = snprintf(pattern, sizeof pattern, "%s%s%s/%s", folder, *folder ? "/" : "", places[i].pattern, name);
        if (length > 0 && (size_t)length < sizeof pattern && try_pattern(library, pattern)) return true;
    }
    return false;
}

// The loader's own search gives a name; people want to know which file it was.
static void note_path(bits_cuda_library *library, const char *symbol) {
    Dl_info info;
    void *address = symbol ? dlsym(library->handle, symbol) : NULL;
    if (address && dladdr(address, &info) && info.dli_fname) snprintf(library->path, sizeof library->path, "%s", info.dli_fname);
}

bits_cuda_library bits_cuda_open(const char *setting, const char *const *names, const char *symbol) {
    bits_cuda_library library = {0};
    const char *wanted = getenv(setting);
    if (wanted && *wanted) {
        try_path(&library, wanted);
        return library;
    }
    for (int i = 0; names[i]; i++) {
        if (try_path(&library, names[i]) || try_folders(&library, names[i])) {
            note_path(&library, symbol);
            return library;
        }
    }
    return library;
}

void bits_cuda_refuse_newer(bits_cuda_library *library, int major) {
    int driver = bits_cuda_driver_version();
    if (driver == 0 || major <= driver / 1000) return;
    snprintf(
        library->problem, sizeof library->problem, "it is of CUDA %d, and the driver speaks CUDA %d.%d", major, driver / 1000, driver % 1000 / 10);
    library->handle = NULL;
}
