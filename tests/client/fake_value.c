#include "client/fake_value.h"

struct stage stage_new(uint64_t seed)
{
    struct stage stage = {.cluster = fake_cluster_new(seed, 10)};
    for (group_id gid = 1; gid <= FAKE_GROUPS_MAX; gid++)
        fake_cluster_join(stage.cluster, gid);
    model_init(&stage.model, stage.cluster->sim, "v");
    stage.fakes[0] = fake_client_new(stage.cluster, "c0");
    stage.fakes[1] = fake_client_new(stage.cluster, "c1");
    for (unsigned i = 0; i < 2; i++)
        stage.model.clients[i] = stage.fakes[i]->client;
    return stage;
}

void stage_free(struct stage *stage)
{
    fake_client_free(stage->fakes[0]);
    fake_client_free(stage->fakes[1]);
    fake_cluster_free(stage->cluster);
    model_deinit(&stage->model);
}

void stage_pass_ms(struct stage *stage, uint64_t ms)
{
    sim_run_ns(stage->cluster->sim, ms * ENV_MS_NS);
}

size_t stage_extent_count(const struct stage *stage)
{
    return fake_store_record_count(stage->cluster->store, KV_INTERNAL);
}

struct model_answer stage_ask(struct stage *stage, struct value_call call)
{
    struct model_answer answer = {0};
    model_call(&stage->model, 0, &call, &answer);
    buffer_deinit(&answer.data);
    return answer;
}

void counted_on_done(struct value_call *call, int status, const struct kv_stat *stat,
                     struct slice data)
{
    struct counted *counted = container_of(call, struct counted, call);
    (void)stat;
    counted->status = status;
    counted->bytes = data.n;
    counted->hash = bytes_hash(data);
    counted->answers++;
}

bool counted_is_done(void *ctx)
{
    const struct counted *counted = ctx;
    return counted->answers > 0;
}

uint32_t stage_shard_of(const struct stage *stage, enum kv_space space, struct slice key)
{
    const struct config *config = stage->cluster->config;
    struct kv_op op = {.kind = KV_STAT, .space = space, .key = key};
    return kv_op_shard(&op, config->routing, config->shard_count);
}
