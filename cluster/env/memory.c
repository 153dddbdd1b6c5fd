#include "env/memory.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LARGE_BYTES 65536u
#define KEPT_MAX 64u

/* Large blocks that were given back, the one kept longest first. */
struct kept {
    size_t bytes_max, bytes, count;
    struct {
        void *p;
        size_t bytes;
    } blocks[KEPT_MAX];
};

static _Thread_local struct kept kept;

static void *checked(void *p, size_t bytes)
{
    if (p != NULL)
        return p;
    fprintf(stderr, "out of memory: %zu bytes\n", bytes);
    abort();
}

/* -- large blocks -------------------------------------------------------------------------- */

static void *kept_remove(size_t i)
{
    void *p = kept.blocks[i].p;
    kept.bytes -= kept.blocks[i].bytes;
    kept.count--;
    memmove(&kept.blocks[i], &kept.blocks[i + 1], (kept.count - i) * sizeof kept.blocks[0]);
    return p;
}

/* The smallest one in which `bytes` find room, and that is not much too large; NULL: none. */
static void *kept_take(size_t bytes)
{
    size_t best = kept.count;
    for (size_t i = 0; i < kept.count; i++) {
        size_t size = kept.blocks[i].bytes;
        if (size >= bytes && size / 2 <= bytes &&
            (best == kept.count || size < kept.blocks[best].bytes))
            best = i;
    }
    return best < kept.count ? kept_remove(best) : NULL;
}

static void kept_shrink(size_t bytes_max, size_t count_max)
{
    while (kept.bytes > bytes_max || kept.count > count_max)
        free(kept_remove(0));
}

void sf_keep_large(size_t bytes_max)
{
    kept.bytes_max = bytes_max;
    kept_shrink(bytes_max, KEPT_MAX);
}

void sf_free(void *p)
{
    size_t bytes = p == NULL || kept.bytes_max == 0 ? 0 : malloc_usable_size(p);
    if (bytes < LARGE_BYTES || bytes > kept.bytes_max) {
        free(p);
        return;
    }
    kept_shrink(kept.bytes_max - bytes, KEPT_MAX - 1);
    kept.blocks[kept.count].p = p;
    kept.blocks[kept.count++].bytes = bytes;
    kept.bytes += bytes;
}

/* ------------------------------------------------------------------------------------------ */

void *sf_malloc(size_t bytes)
{
    void *p = bytes >= LARGE_BYTES ? kept_take(bytes) : NULL;
    if (p != NULL)
        return p;
    return checked(malloc(bytes == 0 ? 1 : bytes), bytes);
}

void *sf_calloc(size_t count, size_t bytes)
{
    if (count == 0 || bytes == 0)
        count = bytes = 1;
    return checked(calloc(count, bytes), bytes);
}

/* What becomes large may be one that was kept. */
static void *realloc_to_large(void *old, size_t bytes)
{
    size_t n = old == NULL ? 0 : malloc_usable_size(old);
    void *p = n < LARGE_BYTES ? kept_take(bytes) : NULL;
    if (p != NULL && n > 0)
        memcpy(p, old, n);
    if (p != NULL)
        free(old);
    return p;
}

void *sf_realloc(void *old, size_t bytes)
{
    void *p = bytes >= LARGE_BYTES && kept.count > 0 ? realloc_to_large(old, bytes) : NULL;
    if (p != NULL)
        return p;
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
