#include "consensus/raft_log.h"

#include <stdlib.h>
#include <string.h>

#include "consensus/array.h"
#include "env/memory.h"

#define RING_CAP_MIN 64u

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static struct entry *slot(const struct raft_log *log, size_t position)
{
    return &log->ring[(log->start + position) & (log->ring_cap - 1)];
}

void raft_log_init(struct raft_log *log, const struct consensus_restore *restore)
{
    *log = (struct raft_log){0};
    if (restore == NULL)
        return;
    log->base_index = restore->base_index;
    log->base_term = restore->base_term;
    for (size_t i = 0; i < restore->entry_count; i++) {
        const struct entry *entry = &restore->entries[i];
        sf_assert(entry->index == raft_log_last(log) + 1);
        raft_log_append(log, entry->term, payload_ref(entry->payload));
    }
    sf_assert(restore->applied >= log->base_index);
    sf_assert(restore->applied <= raft_log_last(log));
    log->listed = restore->applied;
    log->commit = restore->applied;
    log->persisted = raft_log_last(log);
    log->taken = raft_log_last(log);
}

void raft_log_deinit(struct raft_log *log)
{
    for (size_t i = 0; i < log->count; i++)
        payload_unref(slot(log, i)->payload);
    free(log->ring);
    free(log->marks);
    *log = (struct raft_log){0};
}

uint64_t raft_log_last(const struct raft_log *log)
{
    return log->base_index + log->count;
}

const struct entry *raft_log_at(const struct raft_log *log, uint64_t index)
{
    sf_assert(index > log->base_index && index <= raft_log_last(log));
    return slot(log, (size_t)(index - log->base_index - 1));
}

bool raft_log_term_at(const struct raft_log *log, uint64_t index, uint64_t *term)
{
    if (index < log->base_index || index > raft_log_last(log))
        return false;
    *term = index == log->base_index ? log->base_term : raft_log_at(log, index)->term;
    return true;
}

uint64_t raft_log_last_term(const struct raft_log *log)
{
    return log->count == 0 ? log->base_term : slot(log, log->count - 1)->term;
}

bool raft_log_matches(const struct raft_log *log, uint64_t index, uint64_t term)
{
    uint64_t held;
    return raft_log_term_at(log, index, &held) && held == term;
}

bool raft_log_admits(const struct raft_log *log, uint64_t index, uint64_t term)
{
    uint64_t last_term = raft_log_last_term(log);
    return term > last_term || (term == last_term && index >= raft_log_last(log));
}

uint64_t raft_log_match_hint(const struct raft_log *log, uint64_t index, uint64_t term)
{
    index = smaller(index, raft_log_last(log));
    while (index > log->base_index && raft_log_at(log, index)->term > term)
        index--;
    return index;
}

/* -- changes of the entries ------------------------------------------------------------------ */

static void resize_ring(struct raft_log *log, size_t cap)
{
    struct entry *ring = sf_malloc(cap * sizeof(*ring));
    for (size_t i = 0; i < log->count; i++)
        ring[i] = *slot(log, i);
    free(log->ring);
    log->ring = ring;
    log->ring_cap = cap;
    log->start = 0;
}

void raft_log_append(struct raft_log *log, uint64_t term, struct payload *payload)
{
    if (log->count == log->ring_cap)
        resize_ring(log, log->ring_cap == 0 ? RING_CAP_MIN : log->ring_cap * 2);
    uint64_t index = raft_log_last(log) + 1;
    log->count++;
    *slot(log, log->count - 1) = (struct entry){index, term, payload};
    log->bytes += payload->bytes;
}

/* Drops entries from the newest down to `from`. */
static void drop_newest(struct raft_log *log, uint64_t from)
{
    while (raft_log_last(log) >= from && log->count > 0) {
        struct payload *payload = slot(log, log->count - 1)->payload;
        log->bytes -= payload->bytes;
        payload_unref(payload);
        log->count--;
    }
}

/* Drops entries from the oldest up to `to`, which becomes the base. */
static void drop_oldest(struct raft_log *log, uint64_t to)
{
    while (log->base_index < to) {
        struct entry *entry = slot(log, 0);
        log->base_index = entry->index;
        log->base_term = entry->term;
        log->bytes -= entry->payload->bytes;
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

void raft_log_truncate(struct raft_log *log, uint64_t from)
{
    sf_assert(from > log->commit);
    drop_newest(log, from);
    if (from > log->taken)
        return;
    if (log->truncate_from == 0 || from < log->truncate_from)
        log->truncate_from = from;
    log->taken = from - 1;
    log->persisted = smaller(log->persisted, from - 1);
    for (size_t i = 0; i < log->mark_count; i++)
        log->marks[i].last = smaller(log->marks[i].last, from - 1);
}

void raft_log_commit(struct raft_log *log, uint64_t index)
{
    index = smaller(index, raft_log_last(log));
    if (index > log->commit)
        log->commit = index;
}

void raft_log_compact(struct raft_log *log, uint64_t index)
{
    sf_assert(index <= log->listed);
    if (index > log->base_index)
        drop_oldest(log, index);
}

void raft_log_restart(struct raft_log *log, uint64_t index, uint64_t term)
{
    sf_assert(index >= log->listed);
    if (raft_log_matches(log, index, term)) {
        drop_oldest(log, index);
    } else {
        drop_newest(log, log->base_index + 1);
        log->base_index = index;
        log->base_term = term;
    }
    log->listed = index;
    log->persisted = index;
    log->taken = index;
    log->truncate_from = 0;
    if (log->commit < index)
        log->commit = index;
    for (size_t i = 0; i < log->mark_count; i++)
        log->marks[i].last = index;
}

/* -- copies ---------------------------------------------------------------------------------- */

struct entry *raft_log_copy(const struct raft_log *log, uint64_t first, size_t count)
{
    if (count == 0)
        return NULL;
    struct entry *entries = sf_malloc(count * sizeof(*entries));
    for (size_t i = 0; i < count; i++) {
        entries[i] = *raft_log_at(log, first + i);
        payload_ref(entries[i].payload);
    }
    return entries;
}

size_t raft_log_batch(const struct raft_log *log, uint64_t first, size_t bytes_max, size_t *bytes)
{
    uint64_t last = raft_log_last(log);
    size_t count = 0, sum = 0, beyond_first = 0;
    while (first + count <= last && count < CONSENSUS_BATCH_MAX) {
        size_t size = raft_log_at(log, first + count)->payload->bytes;
        if (count > 0 && (beyond_first += size) > bytes_max)
            break;
        sum += size;
        count++;
    }
    *bytes = sum;
    return count;
}

/* -- what the caller is given ---------------------------------------------------------------- */

bool raft_log_has_untaken(const struct raft_log *log)
{
    return log->truncate_from != 0 || log->taken < raft_log_last(log);
}

void raft_log_take_untaken(struct raft_log *log, struct consensus_update *update)
{
    size_t count = (size_t)(raft_log_last(log) - log->taken);
    update->truncate_from = log->truncate_from;
    update->entries = raft_log_copy(log, log->taken + 1, count);
    update->entry_count = count;
    log->truncate_from = 0;
    log->taken += count;
}

uint64_t raft_log_mark(struct raft_log *log)
{
    log->marks = array_reserve(log->marks, log->mark_count, &log->mark_cap, sizeof(*log->marks));
    log->mark_newest++;
    log->marks[log->mark_count++] = (struct raft_mark){log->mark_newest, log->taken};
    return log->mark_newest;
}

void raft_log_persisted(struct raft_log *log, uint64_t mark)
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

uint64_t raft_log_listable(const struct raft_log *log)
{
    return smaller(log->commit, log->persisted);
}

void raft_log_list_committed(struct raft_log *log, struct consensus_update *update)
{
    size_t count = (size_t)(raft_log_listable(log) - log->listed);
    update->committed = raft_log_copy(log, log->listed + 1, count);
    update->committed_count = count;
    log->listed += count;
}

bool raft_log_is_valid(const struct raft_log *log)
{
    uint64_t last = raft_log_last(log);
    if (log->base_index > log->listed || log->listed > raft_log_listable(log))
        return false;
    if (log->commit > last || log->persisted > log->taken || log->taken > last)
        return false;
    uint64_t term = log->base_term;
    for (size_t i = 0; i < log->count; i++) {
        const struct entry *entry = slot(log, i);
        if (entry->index != log->base_index + 1 + i || entry->term < term)
            return false;
        term = entry->term;
    }
    uint64_t number = log->mark_persisted;
    for (size_t i = 0; i < log->mark_count; i++) {
        if (log->marks[i].number <= number || log->marks[i].last > log->taken)
            return false;
        number = log->marks[i].number;
    }
    return number <= log->mark_newest;
}
