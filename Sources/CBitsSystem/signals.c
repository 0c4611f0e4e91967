#define _GNU_SOURCE
#include "include/bits_signals.h"
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

static atomic_int noted, holders;
static const char *lost_file_line;
static int32_t lost_file_status;

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
}

void bits_signals_hold(int32_t change) { atomic_fetch_add(&holders, change); }

int32_t bits_signals_noted(void) { return atomic_load(&noted); }

static void explain_lost_file(int number, siginfo_t *information, void *context) {
    (void)context;
    if (information->si_code == BUS_ADRERR) {
        (void)!write(STDERR_FILENO, lost_file_line, strlen(lost_file_line));
        _exit(lost_file_status);
    }
    signal(number, SIG_DFL);  // anything else is a mistake in the program: it happens again, and ends the process
}

void bits_signals_explain_lost_file(const char *line, int32_t status) {
    lost_file_line = line;
    lost_file_status = status;
    struct sigaction action = {.sa_sigaction = explain_lost_file, .sa_flags = SA_SIGINFO};
    sigemptyset(&action.sa_mask);
    sigaction(SIGBUS, &action, 0);
}
