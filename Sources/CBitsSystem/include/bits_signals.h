// What the process does when the system interrupts it. Nothing changes until one of the functions that take a signal over is called.
#ifndef BITS_SIGNALS_H
#define BITS_SIGNALS_H
#include <stdint.h>

// From now on SIGHUP, SIGINT and SIGTERM only leave a note while someone holds the process; a second one, or one at another time, ends it as ever.
// A signal that the process was started to ignore stays ignored.
void bits_signals_note_interruptions(void);
// One holder more (1) or less (-1).
void bits_signals_hold(int32_t change);
// The signal that was noted; 0 when there was none.
int32_t bits_signals_noted(void);
// From now on reading a mapped file that is no longer there ends the process with `status`, after `line` on standard error. `line` stays the caller's.
void bits_signals_explain_lost_file(const char *line, int32_t status);

#endif
