/* replica_restore: what a replica begins with: the applied record of the store beside the log.
 *
 *   the log holds (applied index, term)     the usual case: apply what follows
 *   the log begins above applied + 1        the store lost what it had: nothing is applied, and a
 *                                           snapshot is asked for (`needs`); damage in a group of
 *                                           one, where nobody has it
 *   it does not hold it, and an install     the install ended between its flip and the reset of
 *   wrote the applied record                the log: the log is made to begin after it
 *   anything else                           damage
 */
#include <inttypes.h>

#include "env/log.h"
#include "env/mark.h"
#include "replica/envelope.h"
#include "replica/inside.h"

static bool log_holds(const struct consensus_restore *log, uint64_t index, uint64_t term)
{
    if (index < log->base_index || index > log->base_index + log->entry_count)
        return false;
    if (index == log->base_index)
        return term == log->base_term;
    return term == log->entries[index - log->base_index - 1].term;
}

static int read_applied(struct replica *r, char **why)
{
    struct store *store = r->host->options.store;
    int status = applied_read(store, r->identity.key, false, &r->applied);
    if (status == SF_NOT_FOUND) {
        r->applied = (struct applied){.generation = 1};
        status = SF_OK;
    }
    if (status != SF_OK)
        *why = host_text("the store of %s cannot be read: %s", r->host->options.dir,
                         sf_error_text(status));
    r->space = applied_space(store, r->identity.key, r->applied.generation);
    return status;
}

static void read_log(struct replica *r, struct consensus_restore *log)
{
    const struct wal_restored *found = wal_restored(r->host->wal, r->identity.key);
    if (found == NULL)
        return;
    log->hard_state = found->hard_state;
    log->base_index = found->base_index;
    log->base_term = found->base_term;
    log->entries = found->entries;
    log->entry_count = found->entry_count;
}

bool restore_begin_log(struct replica *r, uint64_t last)
{
    const struct applied *a = &r->applied;
    bool keeps = consensus_engine_keeps_tail(r->identity.engine) && last > a->index;
    if (keeps)
        wal_cut(r->host->wal, r->identity.key, a->index, a->term);
    else
        wal_reset(r->host->wal, r->identity.key, a->index, a->term);
    return keeps;
}

static void begin_log_after(struct replica *r, struct consensus_restore *log)
{
    size_t gone = log->entry_count;
    SF_MARK("replica: install ended by the start");
    if (restore_begin_log(r, log->base_index + log->entry_count))
        gone = (size_t)(r->applied.index - log->base_index);
    log->base_index = r->applied.index;
    log->base_term = r->applied.term;
    log->entry_count -= gone;
    log->entries = log->entry_count > 0 ? log->entries + gone : NULL;
}

static int refuse_damage(const struct replica *r, const struct consensus_restore *log, char **why)
{
    *why = host_text("%s is damaged: its store is at entry %" PRIu64 " of term %" PRIu64
                     ", its log holds %" PRIu64 " to %" PRIu64 " and not that entry",
                     r->host->options.dir, r->applied.index, r->applied.term, log->base_index + 1,
                     log->base_index + log->entry_count);
    return SF_CORRUPT;
}

static void note_log_time(struct replica *r, const struct consensus_restore *log)
{
    r->log_time_ns = r->applied.time_ns;
    for (size_t i = 0; i < log->entry_count; i++)
        if (!log->entries[i].payload->is_unloaded)
            leader_note_time(r, log->entries[i].payload);
}

int restore_read(struct replica *r, struct consensus_restore *log, char **why)
{
    int status = read_applied(r, why);
    if (status != SF_OK)
        return status;
    read_log(r, log);
    if (!log_holds(log, r->applied.index, r->applied.term)) {
        if (r->applied.index < log->base_index && r->peer_count > 0)
            r->needs = log->base_index;
        else if (r->applied.index >= log->base_index && r->applied.installed)
            begin_log_after(r, log);
        else
            return refuse_damage(r, log, why);
    }
    log->applied = r->needs != 0 ? r->needs : r->applied.index;
    r->durable = r->applied.index;
    r->compacted = r->cut = log->base_index;
    r->unloaded = r->needs != 0 ? log->base_index : r->applied.index;
    note_log_time(r, log);
    if (r->needs != 0)
        log_warn("replica",
                 "group %" PRIu64 ": the log begins after entry %" PRIu64
                 " and the store is at %" PRIu64 ": asking for a snapshot",
                 r->identity.group.gid, r->needs, r->applied.index);
    return SF_OK;
}

static bool holds_anything(const struct space *space)
{
    struct store_iter *iter = store_iter_new(space, NULL, slice_of(NULL, 0), slice_of(NULL, 0));
    bool valid = store_iter_valid(iter);
    store_iter_free(iter);
    return valid;
}

static void drop_generation(struct replica *r, uint32_t generation)
{
    struct store *store = r->host->options.store;
    struct space space = applied_space(store, r->identity.key, generation);
    if (!holds_anything(&space))
        return;
    SF_MARK("replica: unfinished snapshot dropped by the start");
    struct store_batch *batch = store_batch_new(&space);
    applied_drop_generation(batch, r->identity.key, generation);
    int status = store_write(store, batch);
    store_batch_free(batch);
    if (status == SF_OK)
        store_reclaim(&space, slice_of(NULL, 0), slice_of(NULL, 0));
    else /* harmless: the next install empties it first */
        log_warn("replica", "an unfinished snapshot stays in the store: %s", sf_error_text(status));
}

void restore_drop_leftovers(struct replica *r)
{
    if (r->applied.generation > 1)
        drop_generation(r, r->applied.generation - 1);
    drop_generation(r, r->applied.generation + 1);
}
