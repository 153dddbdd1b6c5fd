#include "client/value_stage.h"

#include <stdio.h>

static void user_boot(void *ctx, struct sim_node *node, struct env *env)
{
    static const struct rpc_options options = {.role = "client"};
    struct value_user *user = ctx;
    const char *masters[CLUSTER_MASTERS];
    (void)node;
    for (unsigned i = 0; i < CLUSTER_MASTERS; i++)
        masters[i] = user->cluster->master_addresses[i];
    user->rpc = rpc_new(env, &options);
    user->router = router_new(env, user->rpc, masters, CLUSTER_MASTERS);
    user->client = client_new(env, user->router);
}

static void user_halt(void *ctx, struct sim_node *node)
{
    struct value_user *user = ctx;
    (void)node;
    client_free(user->client);
    router_free(user->router);
    rpc_free(user->rpc);
    user->client = NULL;
}

void value_users_start(struct cluster *cluster, struct value_user *users, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct sim_program program = {.boot = user_boot, .halt = user_halt, .ctx = &users[i]};
        char name[16];
        snprintf(name, sizeof name, "u%u", i);
        users[i] = (struct value_user){.cluster = cluster};
        users[i].node = sim_node_new(cluster->sim, name, &program);
        sim_node_start(users[i].node);
    }
}
