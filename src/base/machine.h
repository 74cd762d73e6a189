/* What this machine is and has to give: processor, memory, disk, where caches go. */
#ifndef BASE_MACHINE_H
#define BASE_MACHINE_H

#include "base/mem.h"

/* "AMD EPYC 9B45", or what uname says: "aarch64". Returns text. */
char *machine_processor(char *text, size_t size);

/* Bytes that may still be taken without swapping: the kernel's MemAvailable or what the control
 * group leaves, whichever is less. 0 = unknown. */
uint64_t machine_memory_free(void);
uint64_t machine_memory(void); /* installed */

/* Bytes free to this user where path lies, or in its nearest folder that exists; 0 = unknown. */
uint64_t machine_disk_free(const char *path);

/* LINNET_CACHE, else XDG_CACHE_HOME/linnet, else ~/.cache/linnet; not created. In the arena. */
MUST_CHECK const char *machine_cache_folder(struct arena *a, struct err *e);

#endif
