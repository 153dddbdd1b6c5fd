/* tail: arithmetic on the tails of long values (pure).
 *
 * A tail says under which data id each extent stands: from each entry's first extent up to the next
 * entry's. Extents before the first entry do not exist: they are zeros. Byte offset o lies in
 * extent o / SF_EXTENT_BYTES; extent 0 is the head.
 */
#ifndef CLIENT_TAIL_H
#define CLIENT_TAIL_H

#include "proto/kv.h"

struct tail {
    struct kv_tail
        entries[SF_TAIL_MAX + 1]; /* sorted; one more than a record may have, see tail_cut */
    size_t count;
};

struct tail tail_of(const struct kv_stat *stat);
bool tail_equal(const struct tail *a, const struct tail *b);
/* The data id of an extent >= 1; 0: none. */
uint64_t tail_id(const struct tail *tail, uint64_t extent);
/* Do the extents first .. last stand under the same ids in both? */
bool tail_same_ids(const struct tail *a, const struct tail *b, uint64_t first, uint64_t last);
/* Does some extent >= 1 stand under no id? */
bool tail_has_gap(const struct tail *tail);
/* Gives the extents before the first entry the id. False: no room. */
bool tail_fill_gap(struct tail *tail, uint64_t id);
/* What lies at `extent` and beyond is from now on under `id`. A tail without entries stays so: it
 * has no extents that could show. The result may have SF_TAIL_MAX + 1 entries: then it is too long
 * for a record. */
void tail_cut(struct tail *tail, uint64_t extent, uint64_t id);
/* Two entries that stand next to each other, with the fewest extents between them, of those that end
 * at `limit` or before, become one: extents *first .. *end - 1. False: there are no two. */
bool tail_find_pair(const struct tail *tail, uint64_t limit, uint64_t *first, uint64_t *end);
/* Puts the extents first .. end - 1 under `id`. `first` is where an entry begins, or follows one of
 * that id; end > first lies at or before where the last entry begins. False: no room. */
bool tail_set(struct tail *tail, uint64_t first, uint64_t end, uint64_t id);
/* The first extent in 1 .. last whose id differs; last + 1: none. */
uint64_t tail_first_difference(const struct tail *a, const struct tail *b, uint64_t last);

#endif
