// An NVRTC of CUDA 13 for tests without a GPU: it compiles whatever it is given to what `driver.c` loads where it speaks CUDA 13.
#include <stddef.h>
#include <string.h>

static const char image[] = "made for CUDA 13";

int nvrtcVersion(int *major, int *minor) { return *major = 13, *minor = 0, 0; }
int nvrtcGetNumSupportedArchs(int *count) { return *count = 1, 0; }
int nvrtcGetSupportedArchs(int *known) { return *known = 90, 0; }
int nvrtcCreateProgram(void **program, const char *source, const char *name, int count, const char *const *headers, const char *const *names) {
    return (void)source, (void)name, (void)count, (void)headers, (void)names, *program = (void *)image, 0;
}
int nvrtcCompileProgram(void *program, int count, const char *const *options) { return (void)program, (void)count, (void)options, 0; }
int nvrtcGetProgramLogSize(void *program, size_t *bytes) { return (void)program, *bytes = 0, 0; }
int nvrtcGetProgramLog(void *program, char *log) { return (void)program, (void)log, 0; }
int nvrtcGetCUBINSize(void *program, size_t *bytes) { return (void)program, *bytes = sizeof image, 0; }
int nvrtcGetCUBIN(void *program, char *code) { return memcpy(code, program, sizeof image), 0; }
int nvrtcGetPTXSize(void *program, size_t *bytes) { return (void)program, *bytes = 0, 0; }
int nvrtcGetPTX(void *program, char *text) { return (void)program, (void)text, 0; }
int nvrtcDestroyProgram(void **program) { return *program = NULL, 0; }
