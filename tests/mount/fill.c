/* mount_fill ID COUNT: makes COUNT empty files, "entry 000000" and so on, in the directory below the
 * root that has this inode number, and counts them in it. Many a minitransaction, and many of those
 * in flight, since through a mount the kernel makes one after the other.
 * The masters are in SHARDFS_MASTERS. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "env/uv_env.h"
#include "tree/op.h"

#define INFLIGHT 16u
#define FILES_AT_ONCE (SF_MINI_OPS_MAX - 1) /* and the count */

struct fill;

struct slot {
    struct fill *fill;
    struct client_call call;
    struct kv_op mini, ops[SF_MINI_OPS_MAX];
    struct key keys[FILES_AT_ONCE];
};

struct fill {
    struct env *env;
    struct client *client;
    uint64_t directory;
    struct key own;
    struct buffer attr;
    unsigned made, count;
    unsigned waiting; /* slots under way */
    int status;       /* the first failure */
    struct slot slots[INFLIGHT];
};

static void add_file(struct fill *fill, struct kv_op *op, struct key *key)
{
    char name[32];
    snprintf(name, sizeof name, "entry %06u", fill->made++);
    if (key_of_entry(fill->directory, slice_str(name), key) != SF_OK)
        fill->status = SF_INVALID;
    *op = (struct kv_op){.kind = KV_PUT,
                         .space = key->space,
                         .flags = KV_HAS_ATTR,
                         .key = key_slice(key),
                         .pre.kind = KV_PRE_ABSENT,
                         .attr = buffer_slice(&fill->attr)};
}

static void send_next(struct slot *slot)
{
    struct fill *fill = slot->fill;
    unsigned files = 0;
    if (fill->made >= fill->count || fill->status != SF_OK) {
        if (fill->waiting == 0)
            uv_env_stop(fill->env);
        return;
    }
    for (; files < FILES_AT_ONCE && fill->made < fill->count; files++)
        add_file(fill, &slot->ops[files], &slot->keys[files]);
    op_count(&slot->ops[files], &fill->own, (int)files, 0);
    slot->mini = (struct kv_op){.kind = KV_MINI, .ops = slot->ops, .op_count = files + 1};
    fill->waiting++;
    client_submit(fill->client, &slot->call);
}

static void on_done(struct client_call *call, int status, const struct kv_reply *reply)
{
    struct slot *slot = container_of(call, struct slot, call);
    (void)reply;
    slot->fill->waiting--;
    if (slot->fill->status == SF_OK)
        slot->fill->status = status;
    send_next(slot);
}

static void run(struct fill *fill, char **masters, size_t count)
{
    struct rpc_options options = {.role = "client"};
    struct rpc *rpc = rpc_new(fill->env, &options);
    struct router *router = router_new(fill->env, rpc, (const char *const *)masters, count);
    fill->client = client_new(fill->env, router);
    for (unsigned i = 0; i < INFLIGHT; i++) {
        struct slot *slot = &fill->slots[i];
        slot->fill = fill;
        slot->call =
            (struct client_call){.on_done = on_done, .op = &slot->mini, .timeout_ms = 10000};
        send_next(slot);
    }
    uv_env_run(fill->env);
    client_free(fill->client);
    router_free(router);
    rpc_free(rpc);
}

int main(int argc, char **argv)
{
    static struct fill fill = {.status = SF_OK};
    const struct attr attr = {.mode = S_IFREG | 0644, .links = 1};
    const char *list = getenv("SHARDFS_MASTERS");
    char **masters;
    size_t count;
    if (argc != 3 || atoi(argv[2]) < 1 || !list ||
        router_parse_addresses(list, &masters, &count, NULL) != SF_OK) {
        fputs("usage: SHARDFS_MASTERS=... mount_fill ID COUNT\n", stderr);
        return 2;
    }
    fill.directory = strtoull(argv[1], NULL, 10);
    fill.count = (unsigned)strtoul(argv[2], NULL, 10);
    key_of_directory(fill.directory, &fill.own);
    if (attr_encode(&attr, &fill.attr) != SF_OK || uv_env_new(&fill.env) != SF_OK)
        return 1;
    run(&fill, masters, count);
    uv_env_free(fill.env);
    buffer_deinit(&fill.attr);
    for (size_t i = 0; i < count; i++)
        free(masters[i]);
    free(masters);
    if (fill.status != SF_OK)
        fprintf(stderr, "mount_fill: %s\n", sf_error_text(fill.status));
    return fill.status == SF_OK ? 0 : 1;
}
