#include "consensus/entry_log.h"

#include <stdlib.h>
#include <string.h>

#include "consensus/array.h"
#include "env/memory.h"

#define RING_CAP_MIN 64u

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* What it takes in memory. */
static size_t held_bytes(const struct payload *payload)
{
    return payload->is_unloaded ? 0 : payload->bytes;
}

static struct entry *slot(const struct entry_log *log, size_t position)
{
    return &log->ring[(log->start + position) & (log->ring_cap - 1)];
}

void entry_log_init(struct entry_log *log, const struct consensus_restore *restore)
{
    *log = (struct entry_log){0};
    if (restore == NULL)
        return;
    log->base_index = restore->base_index;
    log->base_term = restore->base_term;
    for (size_t i = 0; i < restore->entry_count; i++) {
        const struct entry *entry = &restore->entries[i];
        sf_assert(entry->index == entry_log_last(log) + 1);
        entry_log_append(log, entry->term, payload_ref(entry->payload));
        if (entry->payload->is_unloaded)
            log->unloaded = entry->index;
    }
    sf_assert(log->unloaded <= restore->applied);
    sf_assert(restore->applied >= log->base_index);
    sf_assert(restore->applied <= entry_log_last(log));
    log->listed = restore->applied;
    log->commit = restore->applied;
    log->persisted = entry_log_last(log);
    log->taken = entry_log_last(log);
    log->changed = log->taken;
}

void entry_log_deinit(struct entry_log *log)
{
    for (size_t i = 0; i < log->count; i++)
        payload_unref(slot(log, i)->payload);
    free(log->ring);
    free(log->marks);
    *log = (struct entry_log){0};
}

uint64_t entry_log_last(const struct entry_log *log)
{
    return log->base_index + log->count;
}

const struct entry *entry_log_at(const struct entry_log *log, uint64_t index)
{
    sf_assert(index > log->base_index && index <= entry_log_last(log));
    return slot(log, (size_t)(index - log->base_index - 1));
}

bool entry_log_term_at(const struct entry_log *log, uint64_t index, uint64_t *term)
{
    if (index < log->base_index || index > entry_log_last(log))
        return false;
    *term = index == log->base_index ? log->base_term : entry_log_at(log, index)->term;
    return true;
}

uint64_t entry_log_last_term(const struct entry_log *log)
{
    return log->count == 0 ? log->base_term : slot(log, log->count - 1)->term;
}

bool entry_log_matches(const struct entry_log *log, uint64_t index, uint64_t term)
{
    uint64_t held;
    return entry_log_term_at(log, index, &held) && held == term;
}

/* -- changes of the entries ------------------------------------------------------------------ */

static void resize_ring(struct entry_log *log, size_t cap)
{
    struct entry *ring = sf_malloc(cap * sizeof(*ring));
    for (size_t i = 0; i < log->count; i++)
        ring[i] = *slot(log, i);
    free(log->ring);
    log->ring = ring;
    log->ring_cap = cap;
    log->start = 0;
}

void entry_log_append(struct entry_log *log, uint64_t term, struct payload *payload)
{
    if (log->count == log->ring_cap)
        resize_ring(log, log->ring_cap == 0 ? RING_CAP_MIN : log->ring_cap * 2);
    uint64_t index = entry_log_last(log) + 1;
    log->count++;
    *slot(log, log->count - 1) = (struct entry){index, term, payload};
    log->bytes += held_bytes(payload);
    log->changed = index;
}

/* Drops entries from the newest down to `from`. */
static void drop_newest(struct entry_log *log, uint64_t from)
{
    while (entry_log_last(log) >= from && log->count > 0) {
        struct payload *payload = slot(log, log->count - 1)->payload;
        log->bytes -= held_bytes(payload);
        payload_unref(payload);
        log->count--;
    }
}

/* Drops entries from the oldest up to `to`, which becomes the base. */
static void drop_oldest(struct entry_log *log, uint64_t to)
{
    while (log->base_index < to) {
        struct entry *entry = slot(log, 0);
        log->base_index = entry->index;
        log->base_term = entry->term;
        log->bytes -= held_bytes(entry->payload);
        payload_unref(entry->payload);
        log->start = (log->start + 1) & (log->ring_cap - 1);
        log->count--;
    }
    size_t cap = log->ring_cap;
    while (cap > RING_CAP_MIN && log->count < cap / 4)
        cap /= 2;
    if (cap < log->ring_cap)
        resize_ring(log, cap);
}

/* The WAL does not have what is at `from` now, and no mark vouches for it. */
static void take_back(struct entry_log *log, uint64_t from)
{
    log->taken = smaller(log->taken, from - 1);
    log->persisted = smaller(log->persisted, from - 1);
    for (size_t i = 0; i < log->mark_count; i++)
        log->marks[i].last = smaller(log->marks[i].last, from - 1);
}

void entry_log_truncate(struct entry_log *log, uint64_t from)
{
    sf_assert(from > log->commit);
    drop_newest(log, from);
    log->changed = smaller(log->changed, from - 1);
    if (from > log->taken)
        return;
    if (log->truncate_from == 0 || from < log->truncate_from)
        log->truncate_from = from;
    take_back(log, from);
}

void entry_log_replace(struct entry_log *log, uint64_t index, uint64_t term,
                       struct payload *payload)
{
    sf_assert(index > log->commit && index <= entry_log_last(log));
    struct entry *entry = slot(log, (size_t)(index - log->base_index - 1));
    log->bytes = log->bytes - entry->payload->bytes + payload->bytes;
    payload_unref(entry->payload);
    *entry = (struct entry){index, term, payload};
    bool all_was_taken = log->taken == log->changed;
    take_back(log, index);
    if (all_was_taken || log->changed < index)
        log->changed = index;
}

void entry_log_commit(struct entry_log *log, uint64_t index)
{
    index = smaller(index, entry_log_last(log));
    if (index > log->commit)
        log->commit = index;
}

void entry_log_compact(struct entry_log *log, uint64_t index)
{
    sf_assert(index <= log->listed);
    if (index > log->base_index)
        drop_oldest(log, index);
}

void entry_log_unload(struct entry_log *log, uint64_t index)
{
    sf_assert(index <= log->listed);
    uint64_t first = log->unloaded > log->base_index ? log->unloaded : log->base_index;
    for (uint64_t i = first + 1; i <= index; i++) {
        struct entry *entry = slot(log, (size_t)(i - log->base_index - 1));
        struct payload *payload = entry->payload;
        log->bytes -= payload->bytes;
        entry->payload = payload_new_unloaded(payload->bytes);
        payload_unref(payload);
        log->unloaded = i;
    }
}

void entry_log_restart(struct entry_log *log, uint64_t index, uint64_t term, bool keeps)
{
    sf_assert(index >= log->listed);
    if (keeps && index <= entry_log_last(log))
        drop_oldest(log, index);
    else
        drop_newest(log, log->base_index + 1);
    log->base_index = index;
    log->base_term = term;
    log->listed = index;
    log->persisted = index;
    log->taken = index;
    log->changed = entry_log_last(log);
    log->truncate_from = 0;
    if (log->commit < index)
        log->commit = index;
    for (size_t i = 0; i < log->mark_count; i++)
        log->marks[i].last = index;
}

/* -- copies ---------------------------------------------------------------------------------- */

struct entry *entry_log_copy(const struct entry_log *log, uint64_t first, size_t count)
{
    if (count == 0)
        return NULL;
    struct entry *entries = sf_malloc(count * sizeof(*entries));
    for (size_t i = 0; i < count; i++) {
        entries[i] = *entry_log_at(log, first + i);
        payload_ref(entries[i].payload);
    }
    return entries;
}

size_t entry_log_batch(const struct entry_log *log, uint64_t first, size_t bytes_max, size_t *bytes)
{
    uint64_t last = entry_log_last(log);
    size_t count = 0, sum = 0, beyond_first = 0;
    while (first + count <= last && count < CONSENSUS_BATCH_MAX) {
        size_t size = entry_log_at(log, first + count)->payload->bytes;
        if (count > 0 && (beyond_first += size) > bytes_max)
            break;
        sum += size;
        count++;
    }
    *bytes = sum;
    return count;
}

/* -- what the caller is given ---------------------------------------------------------------- */

bool entry_log_has_untaken(const struct entry_log *log)
{
    return log->truncate_from != 0 || log->taken < log->changed;
}

void entry_log_take_untaken(struct entry_log *log, struct consensus_update *update)
{
    size_t count = (size_t)(log->changed - log->taken);
    update->truncate_from = log->truncate_from;
    update->entries = entry_log_copy(log, log->taken + 1, count);
    update->entry_count = count;
    log->truncate_from = 0;
    log->taken = entry_log_last(log);
    log->changed = log->taken;
}

uint64_t entry_log_mark(struct entry_log *log)
{
    log->marks = array_reserve(log->marks, log->mark_count, &log->mark_cap, sizeof(*log->marks));
    log->mark_newest++;
    log->marks[log->mark_count++] = (struct log_mark){log->mark_newest, log->taken};
    return log->mark_newest;
}

void entry_log_persisted(struct entry_log *log, uint64_t mark)
{
    sf_assert(mark <= log->mark_newest);
    size_t done = 0;
    for (; done < log->mark_count && log->marks[done].number <= mark; done++) {
        log->mark_persisted = log->marks[done].number;
        if (log->marks[done].last > log->persisted)
            log->persisted = log->marks[done].last;
    }
    log->mark_count -= done;
    if (done > 0)
        memmove(log->marks, log->marks + done, log->mark_count * sizeof(*log->marks));
}

uint64_t entry_log_listable(const struct entry_log *log)
{
    return smaller(log->commit, log->persisted);
}

void entry_log_list_committed(struct entry_log *log, struct consensus_update *update)
{
    size_t count = (size_t)(entry_log_listable(log) - log->listed);
    update->committed = entry_log_copy(log, log->listed + 1, count);
    update->committed_count = count;
    log->listed += count;
}

uint64_t entry_log_open(const struct entry_log *log)
{
    return (log->commit > log->base_index ? log->commit : log->base_index) + 1;
}

bool entry_log_is_valid(const struct entry_log *log)
{
    uint64_t last = entry_log_last(log);
    if (log->base_index > log->listed || log->listed > entry_log_listable(log))
        return false;
    if (log->unloaded > log->listed)
        return false;
    if (log->commit > last || log->persisted > log->taken)
        return false;
    if (log->taken > log->changed || log->changed > last)
        return false;
    /* Those at or below commit do not change (L3): they were right when they came. */
    for (uint64_t index = entry_log_open(log); index <= last; index++) {
        if (entry_log_at(log, index)->index != index)
            return false;
    }
    uint64_t number = log->mark_persisted;
    for (size_t i = 0; i < log->mark_count; i++) {
        if (log->marks[i].number <= number || log->marks[i].last > log->taken)
            return false;
        number = log->marks[i].number;
    }
    return number <= log->mark_newest;
}
