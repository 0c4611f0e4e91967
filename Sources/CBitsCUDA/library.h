// Finding NVIDIA's libraries.
#pragma once
#include "include/bits_cuda.h"

// Loads the first of `names` (ended by NULL) that is found. If the variable `setting` of the environment is set, only the file that it names; else
// by the loader's own search, then under $CUDA_HOME, $CUDA_PATH, /usr/local, and in the Python environment at $VIRTUAL_ENV. `symbol`: any function in it.
bits_cuda_library bits_cuda_open(const char *setting, const char *const *names, const char *symbol);

// Takes a library of CUDA `major` as not loaded where the driver is of an earlier one: it would load nothing that the library makes.
void bits_cuda_refuse_newer(bits_cuda_library *library, int major);

// Called around every compilation: the process does not end in the middle of one. False: it is ending, so that none may begin.
bool bits_cuda_begin_compiling(void);
void bits_cuda_end_compiling(void);
