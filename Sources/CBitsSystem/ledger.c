#define _GNU_SOURCE
#include "include/bits_ledger.h"
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { NOTES = 256, FREE = 0, IN_WORK, MAPPED, UNFINISHED };

// Pages of it that no note has used take no memory.
static struct {
    atomic_int kind;
    uintptr_t start, end;
    char path[PATH_MAX];
} notes[NOTES];

static int32_t add(int kind, uintptr_t start, uintptr_t end, const char *path) {
    const size_t length = strlen(path);
    if (length >= PATH_MAX) return -1;
    for (int32_t note = 0; note < NOTES; note++) {
        int expected = FREE;
        if (!atomic_compare_exchange_strong(&notes[note].kind, &expected, IN_WORK)) continue;
        notes[note].start = start;
        notes[note].end = end;
        memcpy(notes[note].path, path, length + 1);
        atomic_store(&notes[note].kind, kind);
        return note;
    }
    return -1;
}

int32_t bits_ledger_note_mapped(uintptr_t address, int64_t count, const char *path) { return add(MAPPED, address, address + (uintptr_t)count, path); }

int32_t bits_ledger_note_unfinished(const char *path) { return add(UNFINISHED, 0, 0, path); }

void bits_ledger_forget(int32_t note) {
    if (note >= 0) atomic_store(&notes[note].kind, FREE);
}

const char *bits_ledger_path(uintptr_t address) {
    for (int note = 0; note < NOTES; note++)
        if (atomic_load(&notes[note].kind) == MAPPED && address >= notes[note].start && address < notes[note].end) return notes[note].path;
    return 0;
}

// What the system calls linux_dirent64.
typedef struct {
    uint64_t inode;
    int64_t next;
    uint16_t length;
    uint8_t type;
    char name[];
} folder_entry;

// A folder with the files in it; the C library's way of listing one allocates.
static void remove_folder(const char *path) {
    const int folder = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (folder < 0) return;
    _Alignas(8) char buffer[4096];
    long count;
    while ((count = syscall(SYS_getdents64, folder, buffer, sizeof buffer)) > 0)
        for (long offset = 0; offset < count;) {
            const folder_entry *entry = (const folder_entry *)(buffer + offset);
            unlinkat(folder, entry->name, 0);
            offset += entry->length;
        }
    close(folder);
    rmdir(path);
}

void bits_ledger_remove_unfinished(void) {
    for (int note = 0; note < NOTES; note++)
        if (atomic_load(&notes[note].kind) == UNFINISHED && unlink(notes[note].path) != 0) remove_folder(notes[note].path);
}
