// A persistent pool of threads for parallel loops.
//
// A region is published by one 64-bit word: its number above, the next unclaimed part below. Threads claim parts by compare-and-swap on that word,
// so a thread that wakes late can neither take a part of a region that is over nor mistake the next region for this one. The caller claims parts
// too and is done when every part is, so a thread that the operating system holds back costs one part, not the region.
#define _GNU_SOURCE
#include "base/private_base.h"
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { MAX_THREADS = 1024, SPIN_NANOSECONDS = 50000, STACK_BYTES = 4 << 20 };

// What all threads read and few write, apart from what every claim writes.
static struct {
    _Alignas(64) _Atomic uint64_t claim;  // region number << 32 | next part
    _Alignas(64) _Atomic uint32_t remaining;  // parts not finished yet; a futex
    _Atomic uint32_t caller_sleeps;
    _Alignas(64) _Atomic uint32_t region;  // the number again, for workers to sleep on
    _Atomic uint32_t sleepers;
    _Atomic uint32_t parts;
    _Atomic int64_t first;
    _Atomic(bits_part_fn) function;
    _Atomic(void *) context;
    _Alignas(64) _Atomic uint32_t limit;  // workers in use; a futex for those beyond it
    _Alignas(64) atomic_flag busy;  // held by the thread whose region it is
    uint32_t workers;  // started so far; guarded by busy
} pool = {.busy = ATOMIC_FLAG_INIT};

static _Atomic int32_t wanted_threads;  // 0: not decided yet
static _Thread_local int inside_part;

static void relax(void) {
#if BITS_X86
    _mm_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static int64_t nanoseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void futex_wait(_Atomic uint32_t *word, uint32_t value) { syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0); }

static void futex_wake(_Atomic uint32_t *word, int count) { syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0); }

// Spins until *word differs from `value`, or for a short while; true if it differs.
static int spin_while(_Atomic uint32_t *word, uint32_t value) {
    const int64_t end = nanoseconds() + SPIN_NANOSECONDS;
    do {
        for (int i = 0; i < 32; i++) {
            if (atomic_load_explicit(word, memory_order_acquire) != value) return 1;
            relax();
        }
    } while (nanoseconds() < end);
    return 0;
}

// Claims and runs parts of `region` until none is left.
static void take_parts(uint32_t region, uint32_t worker) {
    uint32_t finished = 0;
    uint64_t claim = atomic_load_explicit(&pool.claim, memory_order_acquire);
    while ((uint32_t)(claim >> 32) == region) {
        const uint32_t part = (uint32_t)claim;
        // These belong to the region if the exchange below succeeds: they change only after the word has been closed to it.
        const uint32_t parts = atomic_load_explicit(&pool.parts, memory_order_relaxed);
        const uint32_t limit = atomic_load_explicit(&pool.limit, memory_order_relaxed);
        const bits_part_fn function = atomic_load_explicit(&pool.function, memory_order_relaxed);
        void *const context = atomic_load_explicit(&pool.context, memory_order_relaxed);
        const int64_t first = atomic_load_explicit(&pool.first, memory_order_relaxed);
        if (part >= parts || worker > limit) break;
        atomic_thread_fence(memory_order_acquire);
        if (!atomic_compare_exchange_weak_explicit(&pool.claim, &claim, claim + 1, memory_order_acq_rel, memory_order_acquire)) continue;
        function(context, first + part);
        finished++;
        claim = atomic_load_explicit(&pool.claim, memory_order_acquire);
    }
    if (finished == 0) return;
    // The flag is the caller's to clear: by now it may be waiting in a later region. A wake that comes too late only makes it look again.
    if (atomic_fetch_sub(&pool.remaining, finished) == finished && atomic_load(&pool.caller_sleeps)) futex_wake(&pool.remaining, 1);
}

static void *work(void *argument) {
    const uint32_t worker = (uint32_t)(uintptr_t)argument;
    inside_part = 1;
    uint32_t seen = 0;
    for (;;) {
        uint32_t limit;
        while (worker > (limit = atomic_load(&pool.limit))) futex_wait(&pool.limit, limit);
        if (!spin_while(&pool.region, seen)) {
            atomic_fetch_add(&pool.sleepers, 1);
            while (atomic_load(&pool.region) == seen) futex_wait(&pool.region, seen);
            atomic_fetch_sub(&pool.sleepers, 1);
        }
        seen = atomic_load_explicit(&pool.region, memory_order_acquire);
        take_parts(seen, worker);
    }
    return NULL;
}

// Starts threads until there are `count` workers; fewer where the system refuses. Signals stay with the program's own threads, but for those that a
// thread brings on itself: they cannot wait, and blocked they would end the process without a word.
static void start_workers(uint32_t count) {
    sigset_t others, before;
    sigfillset(&others);
    static const int own[] = {SIGBUS, SIGSEGV, SIGFPE, SIGILL, SIGTRAP, SIGABRT};
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) sigdelset(&others, own[i]);
    pthread_attr_t attributes;
    if (pthread_attr_init(&attributes) != 0) return;
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    pthread_sigmask(SIG_SETMASK, &others, &before);
    while (pool.workers < count) {
        pthread_t thread;
        if (pthread_create(&thread, &attributes, work, (void *)(uintptr_t)(pool.workers + 1)) != 0) break;
        pool.workers++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
}

// Has workers take part up to the number `limit`; the caller holds `busy`. Those beyond it sleep through all regions until there is another limit.
static void set_limit(uint32_t limit) {
    if (atomic_load_explicit(&pool.limit, memory_order_relaxed) == limit) return;
    atomic_store(&pool.limit, limit);
    futex_wake(&pool.limit, INT_MAX);
}

// One region of at most 2^31 parts; the caller holds `busy`.
static void run_region(int64_t first, uint32_t parts, uint32_t limit, bits_part_fn function, void *context) {
    const uint32_t region = atomic_load_explicit(&pool.region, memory_order_relaxed) + 1;
    atomic_store(&pool.claim, (uint64_t)region << 32 | UINT32_MAX);  // closed: nothing can be claimed while the rest is written
    atomic_thread_fence(memory_order_release);
    atomic_store_explicit(&pool.first, first, memory_order_relaxed);
    atomic_store_explicit(&pool.function, function, memory_order_relaxed);
    atomic_store_explicit(&pool.context, context, memory_order_relaxed);
    atomic_store_explicit(&pool.parts, parts, memory_order_relaxed);
    atomic_store_explicit(&pool.remaining, parts, memory_order_relaxed);
    const uint32_t helpers = limit < parts ? limit : parts - 1;
    if (pool.workers < helpers) start_workers(helpers);
    set_limit(limit);
    atomic_store(&pool.claim, (uint64_t)region << 32);
    atomic_store(&pool.region, region);
    if (atomic_load(&pool.sleepers) > 0) futex_wake(&pool.region, (int)helpers);

    inside_part = 1;
    take_parts(region, 0);
    inside_part = 0;

    uint32_t left;
    while ((left = atomic_load_explicit(&pool.remaining, memory_order_acquire)) != 0) {
        if (spin_while(&pool.remaining, left)) continue;
        atomic_store(&pool.caller_sleeps, 1);
        if (atomic_load(&pool.remaining) == left) futex_wait(&pool.remaining, left);
        atomic_store(&pool.caller_sleeps, 0);
    }
}

void bits_pool_run(int64_t parts, bits_part_fn function, void *context) {
    if (parts <= 0) return;
    const int64_t threads = parts == 1 || inside_part ? 1 : bits_pool_threads();
    if (threads == 1 || atomic_flag_test_and_set_explicit(&pool.busy, memory_order_acquire)) {
        for (int64_t part = 0; part < parts; part++) function(context, part);
        return;
    }
    for (int64_t first = 0; first < parts; first += INT32_MAX) {
        const int64_t left = parts - first;
        run_region(first, (uint32_t)(left < INT32_MAX ? left : INT32_MAX), (uint32_t)threads - 1, function, context);
    }
    atomic_flag_clear_explicit(&pool.busy, memory_order_release);
}

static int32_t default_threads(void) {
    const char *text = getenv("BNB_NUM_THREADS");
    if (text) {
        char *end;
        const long count = strtol(text, &end, 10);
        if (end != text && *end == 0 && count >= 1) return (int32_t)(count < MAX_THREADS ? count : MAX_THREADS);
    }
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof allowed, &allowed) == 0 && CPU_COUNT(&allowed) > 0) return CPU_COUNT(&allowed);
    const long online = sysconf(_SC_NPROCESSORS_ONLN);  // more processors than the set can name
    return (int32_t)(online < 1 ? 1 : online < MAX_THREADS ? online : MAX_THREADS);
}

int32_t bits_pool_threads(void) {
    int32_t threads = atomic_load_explicit(&wanted_threads, memory_order_relaxed);
    if (threads == 0) {
        threads = default_threads();
        int32_t undecided = 0;
        if (!atomic_compare_exchange_strong(&wanted_threads, &undecided, threads)) threads = undecided;
    }
    return threads;
}

void bits_pool_set_threads(int32_t threads) {
    atomic_store(&wanted_threads, threads < 1 ? 1 : threads < MAX_THREADS ? threads : MAX_THREADS);
}
