/* stage: a group of replicas of some machine in the simulator, with checkers.
 *
 * After every event: at most one leader a term. At every applied entry: the same payload, on Raft of
 * the same term, as any other replica applied at that index, and the same content of the replica's space, also after
 * an installed snapshot.
 */
#ifndef TESTS_REPLICA_STAGE_H
#define TESTS_REPLICA_STAGE_H

#include "replica/replica.h"
#include "sim/faulty_store.h"
#include "sim/mix.h"

#define STAGE_NODES_MAX 5u

struct stage;

struct stage_node {
    struct stage *stage;
    struct sim_node *node;
    size_t position;
    char address[SF_ADDRESS_BYTES_MAX];
    struct env *env; /* these four: NULL while it is down */
    struct store *store;
    struct host *host;
    struct replica *replica;
    struct machine *machine;    /* the host's */
    char *refusal;              /* why the last boot failed, or NULL */
    bool create;                /* from its first boot on, until it served */
    struct space space;         /* its replica's as last seen: another one after an install */
    struct faulty_store faulty; /* what its store does wrong */
    void *extra;                /* the test's own, made by `booted`, freed by `halting` */
};

struct stage_options {
    size_t count; /* of replicas */
    struct machine *(*make)(struct stage_node *node);
    void (*booted)(struct stage_node *node);  /* may be NULL: after host_start */
    void (*halting)(struct stage_node *node); /* may be NULL: before host_free, env may be dead */
    void (*before_start)(struct stage_node *node); /* may be NULL: before host_start */
    uint64_t flush_ms, slack_bytes, chunk_bytes, log_bytes_max;
    uint64_t lag_bytes; /* 0: six slacks, so that who is away for long needs a snapshot */
    uint32_t shard_count;
    uint64_t reserve_bytes;
    uint32_t busy; /* per mille of writes to the store answer SF_BUSY */
};

/* What some replica applied at an index, for all others to match. */
struct stage_mark {
    bool entry_is_known, state_is_known;
    uint64_t term, payload_hash, state_hash;
};

struct stage {
    struct sim *sim;
    struct stage_options options;
    struct stage_node nodes[STAGE_NODES_MAX];
    struct group group;
    struct stage_mark *marks; /* by index */
    size_t mark_cap;
    uint64_t applied_max;  /* by any replica, ever */
    uint64_t acknowledged; /* highest index whose proposer was told; no later read may see less */
    replica_id *leaders;   /* by term; 0: none seen */
    size_t leader_cap;
    uint64_t entries, installs; /* applied and installed in all */
    bool mixed;                 /* its storms do what is in the mix */
    struct sim_mix mix;
    struct stage_node *rotting; /* whose disk rots, and which may refuse to serve for it; or NULL */
};

struct stage *stage_new(uint64_t seed, const struct stage_options *options);
void stage_free(struct stage *stage);
void stage_start_all(struct stage *stage);
/* For a machine's `restored`: checks the state that it begins with. */
void stage_restored(struct stage_node *node, const struct space *space, uint64_t applied);

struct stage_node *stage_leader(struct stage *stage); /* which says so and has applied its no-op */
struct stage_node *stage_wait_leader(struct stage *stage, uint64_t limit_ms);
/* Every replica that is up has applied what the leader has, and that is at least `index`. */
bool stage_wait_settled(struct stage *stage, uint64_t index, uint64_t limit_ms);
/* For a main: runs each seed that command line or environment name, else 1 to `count` (seeds.h).
 * `run` returns the hash of its run. A failed assertion names the seed and how to run it again. */
void stage_run_seeds(int argc, char **argv, uint64_t count, uint64_t (*run)(uint64_t seed));

/* From now on storms consist of a mix of faults that is drawn now, beside those of the stage. */
void stage_mix(struct stage *stage);
/* One fault: a crash or a start, a cut, spoilt messages, or a transfer of the lead. */
void stage_storm_once(struct stage *stage);
void stage_calm(struct stage *stage); /* everything is healed and up */
/* Faults for so long, in half of all runs those of a mix; then calm. */
void stage_storm(struct stage *stage, uint64_t ms);

#endif
