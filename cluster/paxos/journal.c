#include "paxos/journal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "env/memory.h"

#define KEY 1u               /* of the one replica that the log knows */
#define TERM 1u              /* of all its entries */
#define DEAD_ENTRIES_MAX 64u /* beside as many as are alive */

struct journal {
    struct env *env;
    struct env_lock *lock;
    struct wal *wal;
    struct env_hook hook;
    struct journal_events events;
    struct journal_place *places; /* by index, rising */
    size_t place_count;
    uint64_t last;      /* index of the newest record */
    uint64_t committed; /* of the newest one when a turn ended last */
    uint64_t cut;       /* the log begins after this */
    uint64_t committed_position;
};

/* -- places -------------------------------------------------------------------------------- */

void journal_keep(struct journal *journal, struct journal_place *place, uint64_t index)
{
    journal_drop(journal, place);
    place->index = index;
    DL_APPEND(journal->places, place);
    journal->place_count++;
}

void journal_drop(struct journal *journal, struct journal_place *place)
{
    if (place->index == 0)
        return;
    DL_DELETE(journal->places, place);
    journal->place_count--;
    place->index = 0;
}

void journal_write(struct journal *journal, struct journal_place *place, struct slice bytes)
{
    struct entry entry = {journal->last + 1, TERM, payload_new(bytes)};
    wal_append(journal->wal, KEY, &entry);
    payload_unref(entry.payload);
    journal->last = entry.index;
    journal_keep(journal, place, entry.index);
}

/* -- the end of a turn --------------------------------------------------------------------- */

static bool is_sparse(const struct journal *journal)
{
    uint64_t entries_max = 2 * journal->place_count + DEAD_ENTRIES_MAX;
    return journal->places != NULL && journal->last - journal->places->index > entries_max;
}

static void rewrite_oldest(struct journal *journal)
{
    for (uint64_t left = journal->last - journal->committed; left > 0 && is_sparse(journal); left--)
        journal->events.on_rewrite(journal->events.ctx, journal->places);
}

static void cut_dead(struct journal *journal)
{
    uint64_t below = journal->places != NULL ? journal->places->index - 1 : journal->last;
    if (below <= journal->cut)
        return;
    wal_cut(journal->wal, KEY, below, TERM);
    journal->cut = below;
}

static void on_turn(struct env_hook *hook)
{
    struct journal *journal = container_of(hook, struct journal, hook);
    if (wal_position(journal->wal) == journal->committed_position)
        return;
    rewrite_oldest(journal);
    cut_dead(journal);
    journal->committed = journal->last;
    journal->committed_position = wal_position(journal->wal);
    wal_commit(journal->wal);
}

static void on_synced(void *ctx, uint64_t position)
{
    struct journal *journal = ctx;
    journal->events.on_synced(journal->events.ctx, position);
}

uint64_t journal_position(const struct journal *journal)
{
    return wal_position(journal->wal);
}

uint64_t journal_synced(const struct journal *journal)
{
    return wal_synced(journal->wal);
}

/* -- life ---------------------------------------------------------------------------------- */

/* What there is in a directory. */
struct look {
    bool log, others;
};

static bool has_prefix(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* A spare and "new" may be left of a creation that never came to its end. */
static void look_at(void *ctx, const char *name)
{
    struct look *look = ctx;
    if (has_prefix(name, "wal-"))
        look->log = true;
    else if (!has_prefix(name, "spare-") && strcmp(name, "new") != 0)
        look->others = true;
}

static int refuse(const char *dir, int status, const char *text, char **why)
{
    char line[512];
    snprintf(line, sizeof line, "%s %s", dir, text);
    *why = sf_strdup(line);
    return status;
}

/* Whoever has lost its log has forgotten its promises, and must not take part as if it were new. */
static int claim(struct env *env, const struct journal_options *o, char **why)
{
    struct look look = {0};
    int status = env_dir_list(env, o->dir, look_at, &look);
    if (status != SF_OK || look.log)
        return status;
    if (look.others)
        return refuse(o->dir, SF_MISMATCH, "holds other files: give an empty directory", why);
    if (!o->create)
        return refuse(o->dir, SF_NOT_FOUND, "is empty: nothing was ever kept there", why);
    return SF_OK;
}

static int open_log(struct journal *journal, const struct journal_options *o, char **why)
{
    const struct wal_options options = {.cluster_hash = o->owner_hash,
                                        .segment_bytes = o->segment_bytes};
    int status = o->create ? env_dir_create(journal->env, o->dir) : SF_OK;
    if (status == SF_OK)
        status = env_dir_lock(journal->env, o->dir, &journal->lock);
    if (status == SF_OK)
        status = claim(journal->env, o, why);
    if (status == SF_OK)
        status = wal_open(journal->env, o->dir, &options, &journal->wal, why);
    return status;
}

int journal_open(struct env *env, const struct journal_options *options, struct journal **out,
                 char **why)
{
    struct journal *journal = sf_calloc(1, sizeof *journal);
    journal->env = env;
    journal->events = options->events;
    int status = open_log(journal, options, why);
    if (status != SF_OK) {
        journal_close(journal);
        return status;
    }
    journal->committed_position = wal_position(journal->wal);
    journal->hook.run = on_turn;
    env_hook_add(env, &journal->hook);
    wal_on_synced(journal->wal, on_synced, journal);
    *out = journal;
    return SF_OK;
}

void journal_read(struct journal *journal,
                  void (*visit)(void *ctx, uint64_t index, struct slice bytes), void *ctx)
{
    const struct wal_restored *found = wal_restored(journal->wal, KEY);
    if (found != NULL) {
        journal->cut = found->base_index;
        journal->last = found->base_index + found->entry_count;
    }
    journal->committed = journal->last;
    for (size_t i = 0; found != NULL && i < found->entry_count; i++)
        visit(ctx, found->entries[i].index, payload_slice(found->entries[i].payload));
    wal_restored_free(journal->wal);
}

void journal_close(struct journal *journal)
{
    if (journal == NULL)
        return;
    if (journal->hook.run != NULL)
        env_hook_remove(journal->env, &journal->hook);
    if (journal->wal != NULL)
        wal_close(journal->wal);
    if (journal->lock != NULL)
        env_dir_unlock(journal->lock);
    free(journal);
}
