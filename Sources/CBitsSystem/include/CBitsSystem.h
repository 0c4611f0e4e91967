// What is asked of the system in C: paged files, signals and what their handlers have to know, files compiled in, HTTP, checksums.
#ifndef CBITSSYSTEM_H
#define CBITSSYSTEM_H
#include "bits_digest.h"
#include "bits_embedded.h"
#include "bits_http.h"
#include "bits_ledger.h"
#include "bits_memory.h"
#include "bits_pages.h"
#include "bits_signals.h"
#endif
