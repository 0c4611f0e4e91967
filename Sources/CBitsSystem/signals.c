#define _GNU_SOURCE
#include "include/bits_signals.h"
#include "include/bits_ledger.h"
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static atomic_int noted, holders, patient;

// What a handler says before it ends the process.
static struct {
    const char *before, *after;
    int32_t status;
} lost_file, no_memory;

static void note(int number) {
    int none = 0;
    if (atomic_load(&holders) > 0 && atomic_compare_exchange_strong(&noted, &none, number)) return;
    signal(number, SIG_DFL);
    raise(number);  // is delivered when this handler returns
}

void bits_signals_note_interruptions(void) {
    static const int numbers[] = {SIGHUP, SIGINT, SIGTERM};
    for (int i = 0; i < 3; i++) {
        struct sigaction current;
        if (sigaction(numbers[i], 0, &current) != 0 || current.sa_handler == SIG_IGN) continue;
        struct sigaction action = {.sa_handler = note, .sa_flags = SA_RESTART};
        sigemptyset(&action.sa_mask);
        sigaction(numbers[i], &action, 0);
    }
    signal(SIGXFSZ, SIG_IGN);
}

void bits_signals_hold(int32_t change) { atomic_fetch_add(&holders, change); }

int32_t bits_signals_noted(void) { return atomic_load(&noted); }

void bits_signals_let_writes_finish(int32_t change) { atomic_fetch_add(&patient, change); }

int32_t bits_signals_ends_writes(void) { return atomic_load(&noted) != 0 && atomic_load(&patient) == 0; }

void bits_signals_forget(int32_t number) {
    int expected = number;
    atomic_compare_exchange_strong(&noted, &expected, 0);
}

static void say(const char *text) { (void)!write(STDERR_FILENO, text, strlen(text)); }

static void explain_lost_file(int number, siginfo_t *information, void *context) {
    (void)context;
    if (information->si_code == BUS_ADRERR) {
        bits_ledger_remove_unfinished();
        const char *path = bits_ledger_path((uintptr_t)information->si_addr);
        say(lost_file.before);
        say(path ? path : "a file");
        say(lost_file.after);
        _exit(lost_file.status);
    }
    signal(number, SIG_DFL);  // anything else is a mistake in the program: it happens again, and ends the process
}

static void handle(int number, void (*handler)(int, siginfo_t *, void *)) {
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
    sigemptyset(&action.sa_mask);
    sigaction(number, &action, 0);
}

void bits_signals_explain_lost_file(const char *before, const char *after, int32_t status) {
    lost_file.before = before;
    lost_file.after = after;
    lost_file.status = status;
    handle(SIGBUS, explain_lost_file);
}

// How a program ends that has been refused memory it cannot do without: by abort(), a trap, or the use of a null pointer.
enum { CRASHES = 4 };
static const int crashes[CRASHES] = {SIGABRT, SIGILL, SIGTRAP, SIGSEGV};
static struct sigaction otherwise[CRASHES];

static int is_memory_missing(void) {
    if (errno == ENOMEM) return 1;
    enum { ENOUGH = 256 << 20 };
    void *probe = mmap(0, ENOUGH, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (probe == MAP_FAILED) return 1;
    munmap(probe, ENOUGH);
    return 0;
}

static void explain_lack_of_memory(int number, siginfo_t *information, void *context) {
    (void)information;
    (void)context;
    if (is_memory_missing()) {
        bits_ledger_remove_unfinished();
        say(no_memory.before);
        _exit(no_memory.status);
    }
    for (int i = 0; i < CRASHES; i++)
        if (crashes[i] == number) sigaction(number, &otherwise[i], 0);
    raise(number);  // is delivered when this handler returns
}

void bits_signals_explain_lack_of_memory(const char *line, int32_t status) {
    no_memory.before = line;
    no_memory.status = status;
    for (int i = 0; i < CRASHES; i++)
        if (sigaction(crashes[i], 0, &otherwise[i]) == 0) handle(crashes[i], explain_lack_of_memory);
}
