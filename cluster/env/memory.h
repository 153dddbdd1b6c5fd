/* Small allocations: they abort when memory is out (a crash is a fault that the cluster tolerates,
 * a half-applied step is not). Sizes that came from a network or a disk are checked against a limit
 * before they reach these functions. What they return is freed with free(). */
#ifndef ENV_MEMORY_H
#define ENV_MEMORY_H

#include <stddef.h>

void *sf_malloc(size_t bytes);               /* never NULL, also for 0 bytes */
void *sf_calloc(size_t count, size_t bytes); /* zeroed; the product is checked */
void *sf_realloc(void *old, size_t bytes);
/* As free(). A block of 64 KiB or more that this thread may keep (below) is used again. */
void sf_free(void *p);
/* This thread keeps so many bytes of large blocks (0, as it begins: none): what the system takes back
 * and gives again costs a page fault for each 4 KiB, more than the copy of what it is filled with. */
void sf_keep_large(size_t bytes_max);
void *sf_memdup(const void *from, size_t bytes);
char *sf_strdup(const char *from);

#endif
