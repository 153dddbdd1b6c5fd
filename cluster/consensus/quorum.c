#include "consensus/quorum.h"

#include <string.h>

#include "env/assert.h"

size_t quorum_size(size_t members)
{
    return members / 2 + 1;
}

static void sort_falling(uint64_t *values, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        uint64_t value = values[i];
        size_t j = i;
        for (; j > 0 && values[j - 1] < value; j--)
            values[j] = values[j - 1];
        values[j] = value;
    }
}

uint64_t quorum_reached(const uint64_t *values, size_t count)
{
    uint64_t sorted[SF_REPLICAS_MAX];
    sf_assert(count >= 1 && count <= SF_REPLICAS_MAX);
    memcpy(sorted, values, count * sizeof(*values));
    sort_falling(sorted, count);
    return sorted[quorum_size(count) - 1];
}
