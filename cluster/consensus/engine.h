/* engine: what an engine offers to consensus.c, which dispatches consensus_* to it.
 *
 * Each function means what the function consensus_<name> of consensus.h says. An engine's own
 * struct embeds a struct consensus as its base and finds itself again with container_of. */
#ifndef CONSENSUS_ENGINE_H
#define CONSENSUS_ENGINE_H

#include "consensus/consensus.h"

struct consensus_ops {
    void (*free)(struct consensus *c);
    int (*propose)(struct consensus *c, struct payload *payload, uint64_t *index, uint64_t *term);
    void (*read)(struct consensus *c, uint64_t id);
    void (*step)(struct consensus *c, const struct consensus_msg *msg);
    void (*tick)(struct consensus *c);
    void (*persisted)(struct consensus *c, uint64_t persist_mark);
    void (*compact)(struct consensus *c, uint64_t index);
    void (*unload)(struct consensus *c, uint64_t index);
    void (*connection_lost)(struct consensus *c, replica_id peer);
    int (*snapshot_msg)(const struct consensus *c, replica_id peer, uint64_t index, uint64_t term,
                        struct consensus_msg *msg);
    void (*snapshot_ended)(struct consensus *c, replica_id peer, uint64_t index, bool ok);
    bool (*snapshot_begin)(struct consensus *c, uint64_t index, uint64_t term);
    void (*snapshot_installed)(struct consensus *c, uint64_t index, uint64_t term);
    int (*transfer)(struct consensus *c, replica_id peer);
    bool (*has_update)(const struct consensus *c);
    void (*take)(struct consensus *c, struct consensus_update *update);
    void (*status)(const struct consensus *c, struct consensus_status *out);
    bool (*term_at)(const struct consensus *c, uint64_t index, uint64_t *term);
};

struct consensus {
    const struct consensus_ops *ops;
};

/* consensus_new for CONSENSUS_RAFT. */
struct consensus *raft_new(const struct consensus_config *config,
                           const struct consensus_restore *restore);
/* consensus_new for CONSENSUS_PAXOS. */
struct consensus *paxos_new(const struct consensus_config *config,
                            const struct consensus_restore *restore);

#endif
