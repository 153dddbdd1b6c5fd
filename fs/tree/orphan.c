/* The orphans of this tree (T7), and how they are kept. */
#include <stdlib.h>

#include "env/memory.h"
#include "tree/op.h"

struct orphan {
    struct tree *tree;
    struct orphan *next;
    uint64_t ino;
    struct key key;
    struct kv_op kv;
    struct client_call call;
    bool is_asking;
};

static uint64_t renew_ms(const struct tree *tree)
{
    return tree->options.renew_ms != 0 ? tree->options.renew_ms : TREE_RENEW_MS;
}

int orphan_judge(const struct tree *tree, const struct kv_stat *stat, bool *is_orphan)
{
    struct attr attr;
    *is_orphan = false;
    if (stat->kind != RECORD_VALUE)
        return SF_OK; /* it says at which name the file lives */
    int status = attr_of_file(stat, tree->options.uid, tree->options.gid, &attr);
    *is_orphan = status == SF_OK && attr.links == 0;
    return status;
}

/* It has no time limit: what cannot be reached is asked for until it can be. */
static void ask(struct orphan *orphan, enum kv_kind kind,
                void (*then)(struct client_call *call, int status, const struct kv_reply *reply))
{
    op_kv(&orphan->kv, kind, &orphan->key);
    orphan->call = (struct client_call){.on_done = then, .op = &orphan->kv};
    orphan->is_asking = true;
}

static void renew(struct orphan *orphan);

static void on_renewed(struct client_call *call, int status, const struct kv_reply *reply)
{
    struct orphan *orphan = container_of(call, struct orphan, call);
    (void)reply;
    orphan->is_asking = false;
    if (status == SF_NOT_FOUND)
        orphan_forget(orphan->tree, orphan->ino);
    else if (status == SF_PRECONDITION)
        renew(orphan);
}

/* What has a name must not go with this mount's session. */
static void on_found(struct client_call *call, int status, const struct kv_reply *reply)
{
    struct orphan *orphan = container_of(call, struct orphan, call);
    bool is_orphan = false;
    bool is_gone = status == SF_NOT_FOUND;
    orphan->is_asking = false;
    if (status == SF_OK)
        is_gone = orphan_judge(orphan->tree, &reply->stat, &is_orphan) == SF_OK && !is_orphan;
    if (is_gone)
        orphan_forget(orphan->tree, orphan->ino);
    if (!is_orphan)
        return;
    ask(orphan, KV_SET_ATTR, on_renewed);
    orphan->kv.pre = (struct kv_pre){KV_PRE_VERSION, reply->stat.version};
    orphan->kv.flags = KV_OWNED;
    client_submit(orphan->tree->client, &orphan->call);
}

static void renew(struct orphan *orphan)
{
    if (orphan->is_asking)
        return;
    ask(orphan, KV_STAT, on_found);
    client_submit(orphan->tree->client, &orphan->call);
}

static void on_timer(struct env_timer *timer)
{
    struct tree *tree = container_of(timer, struct tree, renewal);
    for (struct orphan *orphan = tree->orphans; orphan; orphan = orphan->next)
        renew(orphan);
    if (tree->orphans)
        env_timer_start_ms(timer, renew_ms(tree));
}

void orphan_keep(struct tree *tree, uint64_t ino)
{
    struct orphan *orphan = sf_calloc(1, sizeof *orphan);
    orphan->tree = tree;
    orphan->ino = ino;
    key_of_inode(ino, &orphan->key);
    orphan->next = tree->orphans;
    tree->orphans = orphan;
    if (!env_timer_is_armed(&tree->renewal))
        env_timer_start_ms(&tree->renewal, renew_ms(tree));
}

static void orphan_free(struct orphan *orphan)
{
    if (orphan->is_asking)
        client_cancel(&orphan->call);
    free(orphan);
}

void orphan_forget(struct tree *tree, uint64_t ino)
{
    struct orphan **at = &tree->orphans;
    while (*at && (*at)->ino != ino)
        at = &(*at)->next;
    struct orphan *found = *at;
    if (!found)
        return;
    *at = found->next;
    orphan_free(found);
}

void orphans_init(struct tree *tree)
{
    env_timer_init(tree->env, &tree->renewal, on_timer);
}

void orphans_deinit(struct tree *tree)
{
    env_timer_stop(&tree->renewal);
    while (tree->orphans)
        orphan_forget(tree, tree->orphans->ino);
}
