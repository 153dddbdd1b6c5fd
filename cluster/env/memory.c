#include "env/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *checked(void *p, size_t bytes)
{
    if (p != NULL)
        return p;
    fprintf(stderr, "out of memory: %zu bytes\n", bytes);
    abort();
}

void *sf_malloc(size_t bytes)
{
    return checked(malloc(bytes == 0 ? 1 : bytes), bytes);
}

void *sf_calloc(size_t count, size_t bytes)
{
    if (count == 0 || bytes == 0)
        count = bytes = 1;
    return checked(calloc(count, bytes), bytes);
}

void *sf_realloc(void *old, size_t bytes)
{
    return checked(realloc(old, bytes == 0 ? 1 : bytes), bytes);
}

void *sf_memdup(const void *from, size_t bytes)
{
    void *copy = sf_malloc(bytes);
    if (bytes > 0)
        memcpy(copy, from, bytes);
    return copy;
}

char *sf_strdup(const char *from)
{
    return sf_memdup(from, strlen(from) + 1);
}
