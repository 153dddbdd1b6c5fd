/* fake_value: a stage of three groups of the fake cluster, two clients, and one value, in virtual time.
 */
#ifndef TESTS_CLIENT_FAKE_VALUE_H
#define TESTS_CLIENT_FAKE_VALUE_H

#include "client/fake_cluster.h"
#include "client/value_model.h"

struct stage {
    struct fake_cluster *cluster;
    struct fake_client *fakes[2];
    struct model model;
};

struct stage stage_new(uint64_t seed);
void stage_free(struct stage *stage);
void stage_pass_ms(struct stage *stage, uint64_t ms);
size_t stage_extent_count(const struct stage *stage); /* of all values */
uint32_t stage_shard_of(const struct stage *stage, enum kv_space space, struct slice key);

/* One call by client 0, its answer's data dropped. */
struct model_answer stage_ask(struct stage *stage, struct value_call call);

/* A call that nobody waits for; on_done is counted_on_done. */
struct counted {
    struct value_call call;
    unsigned answers;
    int status;
    size_t bytes;  /* of the answer's data */
    uint64_t hash; /* of them */
};

void counted_on_done(struct value_call *call, int status, const struct kv_stat *stat,
                     struct slice data);
bool counted_is_done(void *counted); /* for sim_run_until */

#endif
