/* group: a replica group in memory, for tests of the engines: replicas with disks, and a network
 * whose messages lie still until a test delivers or drops them.
 *
 * A replica carries out updates as consensus.h says. Its store is modelled by two numbers: what it
 * has applied, and how much of that is flushed, which alone outlives a crash. */
#ifndef TESTS_CONSENSUS_GROUP_H
#define TESTS_CONSENSUS_GROUP_H

#include "consensus/consensus.h"
#include "disk.h"

struct group;

/* A snapshot on its way to a peer, or into the own store. */
struct snapshot {
    uint64_t index, term; /* index 0: none */
};

struct node {
    struct group *group;
    replica_id id;
    struct consensus *engine; /* NULL while down */
    struct disk disk;
    uint64_t applied, applied_term; /* of the store */
    uint64_t flushed, flushed_term; /* what of it a crash leaves */
    uint64_t boots;
    struct snapshot sending[SF_REPLICAS_MAX + 1]; /* by peer: what the engine asked for */
    struct snapshot offered;                      /* last MSG_SNAPSHOT that was news */
    struct snapshot installing; /* begun, not yet in the store or not in the log */
    bool installing_stored;     /* it is in the store */
};

/* What a test may watch. Each may be NULL. Everything is borrowed until return. */
struct group_events {
    void (*on_update)(void *ctx, struct node *node, const struct consensus_update *update);
    void (*on_send)(void *ctx, struct node *node, const struct consensus_msg *msg);
    void (*on_apply)(void *ctx, struct node *node, const struct entry *entry);
    void (*on_read)(void *ctx, struct node *node, const struct consensus_read *read);
};

struct group_options {
    enum consensus_engine engine;
    size_t size;
    uint64_t seed;
    uint32_t election_ticks, heartbeat_ticks;
    size_t inflight_max, inflight_bytes_max;
    bool leader_proposes; /* a new leader proposes an empty entry, as a replica does */
};

struct group {
    struct group_options options;
    struct group_events events;
    void *ctx;                          /* for the events */
    struct node nodes[SF_REPLICAS_MAX]; /* replica i + 1 is at [i] */
    struct consensus_msg *flights;      /* under way; owned, in the order in which they were sent */
    size_t flight_count, flight_cap;
    bool cut[SF_REPLICAS_MAX + 1][SF_REPLICAS_MAX + 1]; /* [from][to]: what is sent is lost */
};

/* The replicas are down; start them with node_start. */
void group_init(struct group *group, const struct group_options *options);
void group_deinit(struct group *group);
struct node *group_node(struct group *group, replica_id id);
/* Steps message `position` at its receiver, if that is up, and removes it. */
void group_deliver(struct group *group, size_t position);
void group_drop(struct group *group, size_t position);
void group_duplicate(struct group *group, size_t position);

void node_start(struct node *node);                   /* from what is durable */
void node_crash(struct node *node, uint64_t flushed); /* the store falls back to flushed..applied */
bool node_is_up(const struct node *node);
/* Takes one update and carries it out, but for the sync. False: there is none. */
bool node_take(struct node *node);
/* Takes all updates there are. */
void node_settle(struct node *node);
/* Syncs the oldest waiting record. False: none waits. */
bool node_sync(struct node *node);
/* Proposes bytes; the engine's answer. *index is set on SF_OK. */
int node_propose(struct node *node, const char *text, uint64_t *index);
void node_flush(struct node *node);                   /* flushed = applied */
void node_compact(struct node *node, uint64_t index); /* capped at flushed */
void node_unload(struct node *node, uint64_t index);  /* capped at applied */
/* Sends the snapshot that the engine asked for to `peer`, as of what is applied now. False: it did
 * not ask, or does not lead. */
bool node_send_snapshot(struct node *node, replica_id peer);
void node_end_snapshot(struct node *node, replica_id peer, bool ok);
/* Installs the snapshot offered, in three steps. Each is false where it is not its turn. */
bool node_install_begin(struct node *node);
bool node_install_store(struct node *node);
bool node_install_finish(struct node *node);

#endif
