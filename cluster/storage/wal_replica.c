#include "storage/wal_replica.h"

#include <stdlib.h>
#include <string.h>

#include "env/memory.h"
#include "storage/wal_segment.h"

#define PLACES_MIN 16u

/* -- replicas ------------------------------------------------------------------------------ */

struct wal_replica *wal_replica_find(const struct wal *wal, uint64_t key)
{
    struct wal_replica *replica;
    HASH_FIND(hh, wal->replicas, &key, sizeof key, replica);
    return replica;
}

struct wal_replica *wal_replica_get(struct wal *wal, uint64_t key)
{
    struct wal_replica *replica = wal_replica_find(wal, key);
    if (replica == NULL) {
        replica = sf_calloc(1, sizeof *replica);
        replica->key = key;
        HASH_ADD(hh, wal->replicas, key, sizeof replica->key, replica);
    }
    return replica;
}

static void replica_free(struct wal *wal, struct wal_replica *replica)
{
    HASH_DEL(wal->replicas, replica);
    free(replica->places);
    free(replica);
}

void wal_replicas_free(struct wal *wal)
{
    struct wal_replica *replica, *next;
    HASH_ITER(hh, wal->replicas, replica, next)
    {
        replica_free(wal, replica);
    }
}

void wal_replica_remove(struct wal *wal, struct wal_replica *replica)
{
    wal_replica_truncate(wal, replica, replica->base_index + 1);
    replica_free(wal, replica);
}

/* -- places -------------------------------------------------------------------------------- */

uint64_t wal_replica_last(const struct wal_replica *replica)
{
    return replica->base_index + replica->count;
}

struct wal_place *wal_replica_place(const struct wal_replica *replica, uint64_t index)
{
    sf_assert(index > replica->base_index && index <= wal_replica_last(replica));
    return &replica->places[replica->first + (size_t)(index - replica->base_index - 1)];
}

static void place_add(struct wal *wal, struct wal_place place)
{
    wal_segment_at(wal, place.position)->live++;
    wal->live_bytes += place.bytes;
}

static void place_drop(struct wal *wal, struct wal_place place)
{
    if (place.position == 0)
        return;
    struct wal_segment *segment = wal_segment_at(wal, place.position);
    sf_assert(segment->live > 0 && wal->live_bytes >= place.bytes);
    segment->live--;
    wal->live_bytes -= place.bytes;
}

/* Makes room for `count` places from `first` on. */
static void places_reserve(struct wal_replica *replica, size_t count)
{
    if (replica->first + count <= replica->cap)
        return;
    if (replica->first > 0) {
        memmove(replica->places, replica->places + replica->first,
                replica->count * sizeof *replica->places);
        replica->first = 0;
    }
    size_t cap = replica->cap < PLACES_MIN ? PLACES_MIN : replica->cap;
    while (cap < count + count / 4) /* so that moving costs little for each entry */
        cap *= 2;
    if (cap > replica->cap)
        replica->places = sf_realloc(replica->places, cap * sizeof *replica->places);
    replica->cap = cap;
}

void wal_replica_put(struct wal *wal, struct wal_replica *replica, uint64_t index,
                     struct wal_place place)
{
    size_t at = (size_t)(index - replica->base_index - 1);
    if (at >= replica->count) {
        places_reserve(replica, at + 1);
        struct wal_place *added = replica->places + replica->first + replica->count;
        memset(added, 0, (at + 1 - replica->count) * sizeof *added);
        replica->count = at + 1;
    }
    struct wal_place *own = wal_replica_place(replica, index);
    place_drop(wal, *own);
    *own = place;
    place_add(wal, place);
}

void wal_replica_truncate(struct wal *wal, struct wal_replica *replica, uint64_t from)
{
    while (replica->count > 0 && wal_replica_last(replica) >= from) {
        place_drop(wal, replica->places[replica->first + replica->count - 1]);
        replica->count--;
    }
}

void wal_replica_reset(struct wal *wal, struct wal_replica *replica, uint64_t index, uint64_t term)
{
    wal_replica_truncate(wal, replica, replica->base_index + 1);
    replica->first = 0;
    replica->base_index = index;
    replica->base_term = term;
}

void wal_replica_cut(struct wal *wal, struct wal_replica *replica, uint64_t index, uint64_t term)
{
    while (replica->count > 0 && replica->base_index < index) {
        place_drop(wal, replica->places[replica->first]);
        replica->first++;
        replica->count--;
        replica->base_index++;
    }
    replica->base_index = index;
    replica->base_term = term;
}
