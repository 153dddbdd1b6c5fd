/* The bytes of a log entry, shared by reference. */
#include <stdlib.h>
#include <string.h>

#include "consensus/consensus.h"
#include "env/memory.h"

struct payload *payload_alloc(size_t bytes)
{
    sf_assert(bytes <= UINT32_MAX);
    struct payload *payload = sf_malloc(sizeof(*payload) + bytes);
    payload->references = 1;
    payload->bytes = (uint32_t)bytes;
    payload->is_unloaded = false;
    return payload;
}

struct payload *payload_new_unloaded(size_t bytes)
{
    struct payload *payload = payload_alloc(0);
    sf_assert(bytes <= UINT32_MAX);
    payload->bytes = (uint32_t)bytes;
    payload->is_unloaded = true;
    return payload;
}

struct payload *payload_new(struct slice bytes)
{
    struct payload *payload = payload_alloc(bytes.n);
    if (bytes.n > 0)
        memcpy(payload->data, bytes.p, bytes.n);
    return payload;
}

struct payload *payload_ref(struct payload *payload)
{
    sf_assert(payload->references > 0 && payload->references < UINT32_MAX);
    payload->references++;
    return payload;
}

void payload_unref(struct payload *payload)
{
    if (payload == NULL)
        return;
    sf_assert(payload->references > 0);
    if (--payload->references == 0)
        sf_free(payload);
}

struct slice payload_slice(const struct payload *payload)
{
    sf_assert(!payload->is_unloaded);
    return (struct slice){payload->data, payload->bytes};
}
