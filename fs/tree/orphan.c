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

static void on_renewed(struct client_call *call, int status, const struct kv_reply *reply)
{
    struct orphan *orphan = container_of(call, struct orphan, call);
    bool is_gone = status == SF_NOT_FOUND || status == SF_PRECONDITION;
    (void)reply;
    orphan->is_asking = false;
    if (is_gone)
        orphan_forget(orphan->tree, orphan->ino);
}

/* It has no time limit: what cannot be reached is asked for until it can be. */
static void renew(struct orphan *orphan)
{
    if (orphan->is_asking)
        return;
    op_kv(&orphan->kv, KV_SET_ATTR, &orphan->key);
    orphan->kv.pre = (struct kv_pre){KV_PRE_CREATED, orphan->ino};
    orphan->kv.flags = KV_OWNED;
    orphan->call = (struct client_call){.on_done = on_renewed, .op = &orphan->kv};
    orphan->is_asking = true;
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
