#include "consensus/array.h"

#include <stdint.h>

#include "env/assert.h"
#include "env/memory.h"

void *array_reserve(void *items, size_t count, size_t *cap, size_t item_bytes)
{
    if (count < *cap)
        return items;
    size_t wanted = *cap == 0 ? 8 : *cap * 2;
    sf_assert(wanted <= SIZE_MAX / 2 / item_bytes);
    *cap = wanted;
    return sf_realloc(items, wanted * item_bytes);
}
