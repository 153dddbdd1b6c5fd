/* Small allocations: they abort when memory is out (a crash is a fault that the cluster tolerates,
 * a half-applied step is not). Sizes that came from a network or a disk are checked against a limit
 * before they reach these functions. What they return is freed with free(). */
#ifndef ENV_MEMORY_H
#define ENV_MEMORY_H

#include <stddef.h>

void *sf_malloc(size_t bytes);               /* never NULL, also for 0 bytes */
void *sf_calloc(size_t count, size_t bytes); /* zeroed; the product is checked */
void *sf_realloc(void *old, size_t bytes);
void *sf_memdup(const void *from, size_t bytes);
char *sf_strdup(const char *from);

#endif
