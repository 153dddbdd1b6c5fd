/* mount_record KEY HEX: gives the plain key's record these bytes as attributes, whatever they mean;
 * where there is no such key it is made, empty.
 * mount_record --directory ID HEX: the same of a directory's own record.
 * mount_record --entry ID/NAME HEX: of a name in the directory ID.
 * mount_record --inode INO HEX: of the own record of a file that has had several names.
 * mount_record --delete KEY: deletes the record, whatever it is and leads to.
 * The masters are in SHARDFS_MASTERS. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "env/uv_env.h"
#include "tree/op.h"

struct program {
    struct env *env;
    struct client *client;
    struct client_call call;
    struct kv_op op;
    int status;
};

static void on_done(struct client_call *call, int status, const struct kv_reply *reply)
{
    struct program *p = container_of(call, struct program, call);
    p->status = status;
    if (status == SF_OK && p->op.kind == KV_STAT) {
        p->op.kind = KV_DELETE;
        p->op.flags = KV_ANY_KIND;
        p->op.pre = (struct kv_pre){KV_PRE_VERSION, reply->stat.version};
        client_submit(p->client, &p->call);
        return;
    }
    if (status == SF_NOT_FOUND && p->op.kind == KV_SET_ATTR) {
        p->op.kind = KV_PUT;
        client_submit(p->client, &p->call);
        return;
    }
    uv_env_stop(p->env);
}

static size_t decode(const char *hex, uint8_t *to, size_t room)
{
    size_t n = 0;
    unsigned byte;
    for (; n < room && sscanf(hex + 2 * n, "%2x", &byte) == 1; n++)
        to[n] = (uint8_t)byte;
    return n;
}

static void run(struct program *p, char **masters, size_t count)
{
    struct rpc_options options = {.role = "client"};
    struct rpc *rpc = rpc_new(p->env, &options);
    struct router *router = router_new(p->env, rpc, (const char *const *)masters, count);
    p->client = client_new(p->env, router);
    p->call = (struct client_call){.on_done = on_done, .op = &p->op, .timeout_ms = 10000};
    client_submit(p->client, &p->call);
    uv_env_run(p->env);
    client_free(p->client);
    router_free(router);
    rpc_free(rpc);
}

/* Of one that is no plain key. False: these are no arguments. */
static bool take_internal(struct kv_op *op, const char *what, const char *which)
{
    static struct key key;
    char *rest;
    uint64_t id = strtoull(which, &rest, 10);
    if (strcmp(what, "--directory") == 0)
        key_of_directory(id, &key);
    else if (strcmp(what, "--inode") == 0)
        key_of_inode(id, &key);
    else if (strcmp(what, "--entry") != 0 || *rest != '/' ||
             key_of_entry(id, slice_str(rest + 1), &key) != SF_OK)
        return false;
    op->space = key.space;
    op->key = key_slice(&key);
    return true;
}

/* False: these are no arguments. The rest of the operation is set. */
static bool take_arguments(struct kv_op *op, int argc, char **argv)
{
    static uint8_t attr[SF_ATTR_BYTES_MAX];
    bool deletes = argc == 3 && strcmp(argv[1], "--delete") == 0;
    *op = (struct kv_op){.kind = deletes ? KV_STAT : KV_SET_ATTR};
    if (argc == 3)
        op->key = slice_str(argv[deletes ? 2 : 1]);
    else if (argc != 4 || !take_internal(op, argv[1], argv[2]))
        return false;
    if (deletes)
        return true;
    op->flags = KV_HAS_ATTR;
    op->attr = slice_of(attr, decode(argv[argc - 1], attr, sizeof attr));
    return true;
}

int main(int argc, char **argv)
{
    struct program p = {.status = SF_OK};
    const char *list = getenv("SHARDFS_MASTERS");
    char **masters;
    size_t count;
    if (!take_arguments(&p.op, argc, argv) || !list ||
        router_parse_addresses(list, &masters, &count, NULL) != SF_OK) {
        fputs("usage: SHARDFS_MASTERS=... "
              "mount_record KEY HEX | --directory ID HEX | --entry ID/NAME HEX | --inode INO HEX | "
              "--delete KEY\n",
              stderr);
        return 2;
    }
    if (uv_env_new(&p.env) != SF_OK)
        return 1;
    run(&p, masters, count);
    uv_env_free(p.env);
    for (size_t i = 0; i < count; i++)
        free(masters[i]);
    free(masters);
    if (p.status != SF_OK)
        fprintf(stderr, "mount_record: %s: %s\n", argv[1], sf_error_text(p.status));
    return p.status == SF_OK ? 0 : 1;
}
