// What the process does when the system interrupts it. Nothing changes until one of the functions that take a signal over is called.
#ifndef BITS_SIGNALS_H
#define BITS_SIGNALS_H
#include <stdint.h>

// From now on SIGHUP, SIGINT and SIGTERM only leave a note while someone holds the process; a second one, or one at another time, ends it as ever.
// A signal that the process was started to ignore stays ignored. A file that grows beyond the limit set for it (SIGXFSZ) is a write that fails.
void bits_signals_note_interruptions(void);
// One holder more (1) or less (-1).
void bits_signals_hold(int32_t change);
// The signal that was noted; 0 when there was none.
int32_t bits_signals_noted(void);
// One more (1) or less (-1) who looks for interruptions and ends in order: until the last of them is gone, no write is to end for one.
void bits_signals_let_writes_finish(int32_t change);
// Whether there was an interruption that a write has to end for.
int32_t bits_signals_ends_writes(void);
// Takes the note back, if it is of `number`: what was interrupted has been stopped, and the process goes on.
void bits_signals_forget(int32_t number);
// From now on reading a mapped file that is no longer there ends the process with `status`, after a line on standard error that begins with `before`,
// names the file and ends with `after`; what is unfinished is removed. The texts stay the caller's.
void bits_signals_explain_lost_file(const char *before, const char *after, int32_t status);
// From now on a crash while there is no memory to be had ends the process with `status`, after `line` on standard error; what is unfinished is removed.
// Any other crash goes on as it would have. `line` stays the caller's.
void bits_signals_explain_lack_of_memory(const char *line, int32_t status);

#endif
