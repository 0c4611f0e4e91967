// What the process has mapped and what it has half-written, for the handler of a signal that ends it: reading this neither locks nor allocates.
#ifndef BITS_LEDGER_H
#define BITS_LEDGER_H
#include <stdint.h>

// Notes that `count` bytes at `address` are those of the file at `path`; the number of the note, -1 when there is no room for one.
int32_t bits_ledger_note_mapped(uintptr_t address, int64_t count, const char *path);
// Notes that the file or the folder of files at `path` is to be removed should the process end now.
int32_t bits_ledger_note_unfinished(const char *path);
// Takes a note back; -1 is none.
void bits_ledger_forget(int32_t note);

// The path of the file that is mapped around `address`; NULL when there is no note of it. May be called in a signal's handler.
const char *bits_ledger_path(uintptr_t address);
// Removes all that is noted as unfinished. May be called in a signal's handler.
void bits_ledger_remove_unfinished(void);

#endif
