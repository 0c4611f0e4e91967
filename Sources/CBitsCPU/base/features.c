// Which instructions the processor and the operating system allow, and the cap that BNB_CPU or a test puts on them.
#include "base/private_base.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#if BITS_X86
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

static pthread_once_t detected = PTHREAD_ONCE_INIT;
static int32_t best_level = BITS_PORTABLE;
static int32_t best_features;
static atomic_int cap = BITS_AMX, features_cap = ~0;

#if BITS_X86
static int bit(unsigned word, int position) { return word >> position & 1; }

// The register sets that the operating system saves (XCR0).
static uint64_t saved_state(void) {
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

// Linux gives tile registers only to processes that ask.
static int tiles_permitted(void) {
    enum { REQUEST_PERMISSION = 0x1023, TILE_DATA = 18 };
    return syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0;
}

static void detect_x86(void) {
    unsigned a, b, c, d, b7, c7, d7, a71;
    if (!__get_cpuid(1, &a, &b, &c, &d)) return;
    const int fma = bit(c, 12), osxsave = bit(c, 27), f16c = bit(c, 29);
    if (!osxsave || !__get_cpuid_count(7, 0, &a, &b7, &c7, &d7)) return;
    a71 = 0;
    if (a >= 1) __get_cpuid_count(7, 1, &a71, &b, &c, &d);

    const uint64_t saved = saved_state();
    const int bmi = bit(b7, 3), avx2 = bit(b7, 5), bmi2 = bit(b7, 8);
    if ((saved & 0x6) != 0x6 || !avx2 || !fma || !f16c || !bmi || !bmi2) return;
    best_level = BITS_AVX2;

    const int avx512 = bit(b7, 16) && bit(b7, 17) && bit(b7, 28) && bit(b7, 30) && bit(b7, 31);  // F, DQ, CD, BW, VL
    if ((saved & 0xe6) != 0xe6 || !avx512) return;
    best_level = BITS_AVX512;
    if (bit(a71, 5)) best_features |= BITS_HAS_AVX512_BF16;
    if (bit(c7, 11)) best_features |= BITS_HAS_AVX512_VNNI;
    if (bit(c7, 1)) best_features |= BITS_HAS_AVX512_VBMI;

    const int amx = bit(d7, 22) && bit(d7, 24) && bit(d7, 25);  // BF16, TILE, INT8
    const int base = BITS_HAS_AVX512_BF16 | BITS_HAS_AVX512_VNNI;
    if ((saved & 0x60000) != 0x60000 || !amx || (best_features & base) != base || !tiles_permitted()) return;
    best_level = BITS_AMX;
    best_features |= BITS_HAS_AMX_BF16 | BITS_HAS_AMX_INT8;
}
#endif

static void detect(void) {
#if BITS_X86
    detect_x86();
#endif
    static const char *const names[] = {"portable", "avx2", "avx512", "amx"};
    const char *wanted = getenv("BNB_CPU");
    for (int level = 0; wanted && level <= BITS_AMX; level++)
        if (strcmp(wanted, names[level]) == 0) atomic_store(&cap, level);
}

int32_t bits_cpu_best_level(void) {
    pthread_once(&detected, detect);
    return best_level;
}

int32_t bits_cpu_level(void) {
    const int32_t best = bits_cpu_best_level(), allowed = atomic_load_explicit(&cap, memory_order_relaxed);
    return best < allowed ? best : allowed;
}

int32_t bits_cpu_features(void) {
    const int32_t amx = BITS_HAS_AMX_BF16 | BITS_HAS_AMX_INT8, allowed = atomic_load_explicit(&features_cap, memory_order_relaxed);
    switch (bits_cpu_level()) {
    case BITS_AMX: return best_features & allowed;
    case BITS_AVX512: return best_features & allowed & ~amx;
    default: return 0;
    }
}

int32_t bits_cpu_cap(int32_t level, int32_t features) {
    bits_cpu_best_level();  // so that BNB_CPU does not arrive later
    atomic_store(&cap, level < BITS_PORTABLE ? BITS_PORTABLE : level > BITS_AMX ? BITS_AMX : level);
    atomic_store(&features_cap, features);
    return bits_cpu_level();
}
