/* asker: a cluster of two groups, and a process that sends requests of its own making straight to
 * the leaders: no sessions kept, nothing sent again. So a test says what comes when.
 *
 * Groups 0 and 1 share the shards; key "k" lies in shard k % CLUSTER_SHARDS.
 */
#ifndef TESTS_TXN_ASKER_H
#define TESTS_TXN_ASKER_H

#include "rpc/rpc.h"
#include "storm/cluster.h"

struct question {
    struct rpc_call call;
    bool answered;
    uint64_t asked_ns, answered_ns;
    int status; /* of the reply, or the code of an error reply */
    enum kv_fate fate;
    uint64_t session;
    uint64_t version; /* of its stat */
    char text[64];    /* data */
};

struct asker {
    struct cluster *cluster;
    struct sim_node *node;
    struct rpc *rpc;
};

/* The stage of a test: both groups serve. */
extern struct asker asker;
int asker_setup(void **state);
int asker_teardown(void **state);
#define ASKER_TEST(test) cmocka_unit_test_setup_teardown(test, asker_setup, asker_teardown)

/* Another process that asks. */
void asker_more(struct asker *more, const char *name);

uint32_t asker_shard(const char *key);
struct cluster_group *asker_owner(uint32_t shard); /* that serves it */
/* A shard that the same (or the other) group owns; not `shard` itself. */
uint32_t asker_shard_beside(uint32_t shard, bool same_group);

/* Sends to the leader of the group that serves the shard. q: all-zero. */
void ask(struct asker *from, struct question *q, uint32_t shard, const struct kv_session *session,
         const struct kv_op *op);
void ask_wait(const struct question *q); /* until it is answered */
void ask_all(const struct question *q, size_t count);

/* The same, waited for; the answer's status. */
int ask_now(uint32_t shard, const struct kv_session *session, const struct kv_op *op,
            struct question *q);
uint64_t ask_session(uint32_t shard, unsigned client); /* opens one */

/* A transaction that puts into each key, each in a shard of its own, in ascending order. */
struct plan {
    const char *keys[4];
    size_t count;
    struct kv_number numbers[4];
};
void plan_make(struct plan *plan, unsigned client, const char *const *keys, size_t count);
/* Sends the Prepare of one participant: a Put of `value`, unless op is given. */
void plan_prepare(const struct plan *plan, size_t i, unsigned flags, const struct kv_op *op,
                  struct question *q);
/* The fate that is answered. */
enum kv_fate plan_prepare_now(const struct plan *plan, size_t i, unsigned flags);
enum kv_fate plan_outcome(const struct plan *plan, size_t i, bool commits);
enum kv_fate plan_ask(const struct plan *plan, size_t i);

struct kv_op ask_op(enum kv_kind kind, const char *key, const char *data);
/* A plain read, waited for. */
void ask_expect(const char *key, const char *value); /* NULL: there is none */

#endif
