/* The interface of consensus.h, handed on to the engine that was chosen. */
#include "consensus/consensus.h"

#include <stdlib.h>
#include <string.h>

#include "consensus/engine.h"
#include "consensus/message.h"

const char *consensus_engine_name(enum consensus_engine engine)
{
    return engine == CONSENSUS_PAXOS ? "paxos" : "raft";
}

bool consensus_engine_parse(const char *name, enum consensus_engine *out)
{
    for (enum consensus_engine engine = CONSENSUS_RAFT; engine <= CONSENSUS_PAXOS; engine++) {
        if (strcmp(name, consensus_engine_name(engine)) == 0) {
            *out = engine;
            return true;
        }
    }
    return false;
}

bool consensus_engine_is_built(enum consensus_engine engine)
{
    return engine == CONSENSUS_RAFT || engine == CONSENSUS_PAXOS;
}

bool consensus_engine_keeps_tail(enum consensus_engine engine)
{
    return engine == CONSENSUS_PAXOS;
}

struct consensus *consensus_new(const struct consensus_config *config,
                                const struct consensus_restore *restore)
{
    sf_assert(consensus_engine_is_built(config->engine));
    return config->engine == CONSENSUS_PAXOS ? paxos_new(config, restore)
                                             : raft_new(config, restore);
}

void consensus_free(struct consensus *c)
{
    if (c != NULL)
        c->ops->free(c);
}

int consensus_propose(struct consensus *c, struct payload *payload, uint64_t *index, uint64_t *term)
{
    return c->ops->propose(c, payload, index, term);
}

void consensus_read(struct consensus *c, uint64_t id)
{
    c->ops->read(c, id);
}

void consensus_step(struct consensus *c, const struct consensus_msg *msg)
{
    c->ops->step(c, msg);
}

void consensus_tick(struct consensus *c)
{
    c->ops->tick(c);
}

void consensus_persisted(struct consensus *c, uint64_t persist_mark)
{
    c->ops->persisted(c, persist_mark);
}

void consensus_compact(struct consensus *c, uint64_t index)
{
    c->ops->compact(c, index);
}

void consensus_unload(struct consensus *c, uint64_t index)
{
    c->ops->unload(c, index);
}

void consensus_connection_lost(struct consensus *c, replica_id peer)
{
    c->ops->connection_lost(c, peer);
}

int consensus_snapshot_msg(const struct consensus *c, replica_id peer, uint64_t index,
                           uint64_t term, struct consensus_msg *msg)
{
    return c->ops->snapshot_msg(c, peer, index, term, msg);
}

void consensus_snapshot_ended(struct consensus *c, replica_id peer, uint64_t index, bool ok)
{
    c->ops->snapshot_ended(c, peer, index, ok);
}

bool consensus_snapshot_begin(struct consensus *c, uint64_t index, uint64_t term)
{
    return c->ops->snapshot_begin(c, index, term);
}

void consensus_snapshot_installed(struct consensus *c, uint64_t index, uint64_t term)
{
    c->ops->snapshot_installed(c, index, term);
}

int consensus_transfer(struct consensus *c, replica_id peer)
{
    return c->ops->transfer(c, peer);
}

bool consensus_has_update(const struct consensus *c)
{
    return c->ops->has_update(c);
}

void consensus_take(struct consensus *c, struct consensus_update *update)
{
    c->ops->take(c, update);
}

void consensus_status(const struct consensus *c, struct consensus_status *out)
{
    c->ops->status(c, out);
}

bool consensus_term_at(const struct consensus *c, uint64_t index, uint64_t *term)
{
    return c->ops->term_at(c, index, term);
}

void consensus_update_deinit(struct consensus_update *update)
{
    entries_free(update->entries, update->entry_count);
    entries_free(update->committed, update->committed_count);
    for (size_t i = 0; i < update->message_count; i++)
        consensus_msg_deinit(&update->messages[i]);
    free(update->messages);
    free(update->reads);
    free(update->snapshot_wanted);
    *update = (struct consensus_update){0};
}
