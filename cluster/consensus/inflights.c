#include "consensus/inflights.h"

#include <stdlib.h>

#include "env/assert.h"
#include "env/memory.h"

static struct inflight *inflights_at(const struct inflights *in, size_t position)
{
    return &in->ring[(in->start + position) % in->ring_cap];
}

void inflights_init(struct inflights *in, size_t count_max, size_t bytes_max)
{
    sf_assert(count_max >= 1);
    sf_assert(bytes_max >= 1);
    *in = (struct inflights){.count_max = count_max, .bytes_max = bytes_max};
}

void inflights_deinit(struct inflights *in)
{
    free(in->ring);
    in->ring = NULL;
    in->ring_cap = 0;
    inflights_clear(in);
}

void inflights_clear(struct inflights *in)
{
    in->start = 0;
    in->count = 0;
    in->bytes = 0;
}

bool inflights_is_full(const struct inflights *in)
{
    return in->count >= in->count_max || in->bytes >= in->bytes_max;
}

static void inflights_grow(struct inflights *in)
{
    size_t cap = in->ring_cap == 0 ? 8 : in->ring_cap * 2;
    struct inflight *ring = sf_malloc(cap * sizeof(*ring));
    for (size_t i = 0; i < in->count; i++)
        ring[i] = *inflights_at(in, i);
    free(in->ring);
    in->ring = ring;
    in->ring_cap = cap;
    in->start = 0;
}

void inflights_add(struct inflights *in, uint64_t last, size_t bytes)
{
    sf_assert(!inflights_is_full(in));
    sf_assert(last > inflights_newest(in));
    if (in->count == in->ring_cap)
        inflights_grow(in);
    in->count++;
    *inflights_at(in, in->count - 1) = (struct inflight){last, bytes};
    in->bytes += bytes;
}

void inflights_free_to(struct inflights *in, uint64_t index)
{
    while (in->count > 0 && inflights_at(in, 0)->last <= index) {
        in->bytes -= inflights_at(in, 0)->bytes;
        in->start = (in->start + 1) % in->ring_cap;
        in->count--;
    }
}

uint64_t inflights_newest(const struct inflights *in)
{
    return in->count == 0 ? 0 : inflights_at(in, in->count - 1)->last;
}
