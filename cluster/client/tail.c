#include "client/tail.h"

#include <string.h>

struct tail tail_of(const struct kv_stat *stat)
{
    struct tail tail = {.count = stat->tail_count};
    sf_assert(stat->tail_count <= SF_TAIL_MAX);
    memcpy(tail.entries, stat->tail, stat->tail_count * sizeof *stat->tail);
    return tail;
}

bool tail_equal(const struct tail *a, const struct tail *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++) {
        if (a->entries[i].first_extent != b->entries[i].first_extent ||
            a->entries[i].data_id != b->entries[i].data_id)
            return false;
    }
    return true;
}

uint64_t tail_id(const struct tail *tail, uint64_t extent)
{
    uint64_t id = 0;
    for (size_t i = 0; i < tail->count && tail->entries[i].first_extent <= extent; i++)
        id = tail->entries[i].data_id;
    return id;
}

/* The first extent after `extent` at which an entry of the tail begins; UINT64_MAX: none. */
static uint64_t next_boundary(const struct tail *tail, uint64_t extent)
{
    for (size_t i = 0; i < tail->count; i++) {
        if (tail->entries[i].first_extent > extent)
            return tail->entries[i].first_extent;
    }
    return UINT64_MAX;
}

/* The first extent in first .. last whose id differs; last + 1: none. */
static uint64_t find_difference(const struct tail *a, const struct tail *b, uint64_t first,
                                uint64_t last)
{
    uint64_t extent = first;
    while (extent <= last && tail_id(a, extent) == tail_id(b, extent)) {
        uint64_t next_a = next_boundary(a, extent), next_b = next_boundary(b, extent);
        extent = next_a < next_b ? next_a : next_b;
    }
    return extent <= last ? extent : last + 1;
}

bool tail_same_ids(const struct tail *a, const struct tail *b, uint64_t first, uint64_t last)
{
    return find_difference(a, b, first, last) == last + 1;
}

uint64_t tail_first_difference(const struct tail *a, const struct tail *b, uint64_t last)
{
    return find_difference(a, b, 1, last);
}

bool tail_has_gap(const struct tail *tail)
{
    return tail->count == 0 || tail->entries[0].first_extent > 1;
}

bool tail_fill_gap(struct tail *tail, uint64_t id)
{
    sf_assert(tail_has_gap(tail));
    if (tail->count >= SF_TAIL_MAX)
        return false;
    memmove(tail->entries + 1, tail->entries, tail->count * sizeof *tail->entries);
    tail->entries[0] = (struct kv_tail){.first_extent = 1, .data_id = id};
    tail->count++;
    return true;
}

void tail_cut(struct tail *tail, uint64_t extent, uint64_t id)
{
    sf_assert(extent >= 1);
    if (tail->count == 0)
        return;
    while (tail->count > 0 && tail->entries[tail->count - 1].first_extent >= extent)
        tail->count--;
    sf_assert(tail->count <= SF_TAIL_MAX);
    tail->entries[tail->count++] = (struct kv_tail){.first_extent = extent, .data_id = id};
}

bool tail_find_pair(const struct tail *tail, uint64_t limit, uint64_t *first, uint64_t *end)
{
    bool found = false;
    for (size_t i = 0; i + 2 < tail->count && tail->entries[i + 2].first_extent <= limit; i++) {
        uint64_t from = tail->entries[i].first_extent, to = tail->entries[i + 2].first_extent;
        if (found && to - from >= *end - *first)
            continue;
        found = true;
        *first = from;
        *end = to;
    }
    return found;
}

static void add(struct tail *tail, uint64_t extent, uint64_t id)
{
    tail->entries[tail->count++] = (struct kv_tail){.first_extent = extent, .data_id = id};
}

bool tail_set(struct tail *tail, uint64_t first, uint64_t end, uint64_t id)
{
    struct tail was = *tail;
    uint64_t after = tail_id(&was, end);
    size_t i = 0;
    sf_assert(first < end && end <= was.entries[was.count - 1].first_extent);
    while (was.entries[i].first_extent < first)
        i++;
    tail->count = i;
    if (i == 0 || tail->entries[i - 1].data_id != id)
        add(tail, first, id);
    while (was.entries[i].first_extent < end)
        i++;
    if (was.entries[i].first_extent > end)
        add(tail, end, after);
    for (; i < was.count; i++) {
        if (tail->count > SF_TAIL_MAX - 1)
            return false;
        tail->entries[tail->count++] = was.entries[i];
    }
    return true;
}
