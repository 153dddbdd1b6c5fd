/* The orphans of this tree (T7): each is looked at from time to time, and then renewed, removed if
 * nobody has it open any more, or forgotten if it is none. What was looked at is changed in the
 * version that was read. */
#include <stdlib.h>
#include <utlist.h>

#include "client/lock.h"
#include "env/memory.h"
#include "tree/op.h"

#define RETRY_MS 1000u

struct orphan {
    struct tree *tree;
    struct orphan *prev, *next;
    uint64_t ino;
    struct key key;
    struct kv_op kv;
    struct client_call call;
    struct env_timer timer; /* the next look; armed unless something is asked for */
    bool is_asking;
    bool is_closed; /* nobody has it open: it is to go */
    bool had_name;  /* when it was looked at last: who took that away may still be at it */
};

static uint64_t renew_ms(const struct tree *tree)
{
    return tree->options.renew_ms != 0 ? tree->options.renew_ms : TREE_RENEW_MS;
}

static void look_in_ms(struct orphan *orphan, uint64_t delay_ms)
{
    env_timer_start_ms(&orphan->timer, delay_ms);
}

/* NULL: it is not kept. */
static struct orphan *find(const struct tree *tree, uint64_t ino)
{
    struct orphan *orphan = tree->orphans;
    while (orphan && orphan->ino != ino)
        orphan = orphan->next;
    return orphan;
}

static void forget(struct orphan *orphan)
{
    DL_DELETE(orphan->tree->orphans, orphan);
    if (orphan->is_asking)
        client_cancel(&orphan->call);
    env_timer_stop(&orphan->timer);
    free(orphan);
}

/* -- looking ------------------------------------------------------------------------------------ */

/* It has no time limit: what cannot be reached is asked for until it can be. */
static void ask(struct orphan *orphan, enum kv_kind kind, const struct kv_pre *pre,
                void (*then)(struct client_call *call, int status, const struct kv_reply *reply))
{
    op_kv(&orphan->kv, kind, &orphan->key);
    orphan->kv.pre = *pre;
    orphan->kv.flags = kind == KV_STAT ? 0 : KV_OWNED;
    orphan->call = (struct client_call){.on_done = then, .op = &orphan->kv};
    orphan->is_asking = true;
    client_submit(orphan->tree->client, &orphan->call);
}

static void on_changed(struct client_call *call, int status, const struct kv_reply *reply)
{
    struct orphan *orphan = container_of(call, struct orphan, call);
    bool is_gone = status == SF_NOT_FOUND || (status == SF_OK && orphan->kv.kind == KV_DELETE);
    bool looks_again = status == SF_PRECONDITION || (status == SF_OK && orphan->is_closed);
    (void)reply;
    orphan->is_asking = false;
    if (is_gone)
        forget(orphan);
    else if (looks_again)
        look_in_ms(orphan, 0);
    else
        look_in_ms(orphan, status == SF_OK ? renew_ms(orphan->tree) : RETRY_MS);
}

/* Is it a file without a name? Of damaged attributes nobody can tell. */
static bool is_nameless(const struct tree *tree, const struct kv_stat *stat)
{
    struct attr attr;
    return stat->kind == RECORD_VALUE &&
           attr_of_file(stat, tree->options.uid, tree->options.gid, &attr) == SF_OK &&
           attr.links == 0;
}

static void on_named(struct orphan *orphan)
{
    if (orphan->had_name) {
        forget(orphan);
        return;
    }
    orphan->had_name = true;
    look_in_ms(orphan, renew_ms(orphan->tree));
}

static void on_looked(struct client_call *call, int status, const struct kv_reply *reply)
{
    struct orphan *orphan = container_of(call, struct orphan, call);
    orphan->is_asking = false;
    if (status == SF_NOT_FOUND || (status == SF_OK && !is_nameless(orphan->tree, &reply->stat))) {
        on_named(orphan); /* one with a single name need not have this record */
    } else if (status != SF_OK) {
        look_in_ms(orphan, RETRY_MS);
    } else {
        const struct kv_pre pre = {KV_PRE_VERSION, reply->stat.version};
        orphan->had_name = false;
        ask(orphan, orphan->is_closed ? KV_DELETE : KV_SET_ATTR, &pre, on_changed);
    }
}

static void on_timer(struct env_timer *timer)
{
    const struct kv_pre pre = {0};
    ask(container_of(timer, struct orphan, timer), KV_STAT, &pre, on_looked);
}

/* -- which there are ---------------------------------------------------------------------------- */

void orphan_keep(struct tree *tree, uint64_t ino)
{
    struct orphan *orphan = find(tree, ino);
    if (orphan) {
        orphan->is_closed = orphan->had_name = false;
        return;
    }
    orphan = sf_calloc(1, sizeof *orphan);
    orphan->tree = tree;
    orphan->ino = ino;
    key_of_inode(ino, &orphan->key);
    DL_APPEND(tree->orphans, orphan);
    env_timer_init(tree->env, &orphan->timer, on_timer);
    look_in_ms(orphan, renew_ms(tree));
}

void tree_closed(struct tree *tree, uint64_t ino)
{
    struct orphan *orphan = find(tree, ino);
    if (!orphan)
        return;
    orphan->is_closed = true;
    if (!orphan->is_asking)
        look_in_ms(orphan, 0);
}

size_t tree_orphan_count(const struct tree *tree)
{
    const struct orphan *orphan;
    size_t count;
    DL_COUNT(tree->orphans, orphan, count);
    return count;
}

/* The sessions that own them are gone: a tick of their shards will delete them. */
static void on_fenced(void *ctx)
{
    struct tree *tree = ctx;
    if (tree->on_lost)
        tree->on_lost(tree->lost_ctx);
    for (struct orphan *orphan = tree->orphans; orphan; orphan = orphan->next)
        if (!orphan->is_asking)
            look_in_ms(orphan, 0);
}

void orphans_init(struct tree *tree)
{
    client_watch_fence(tree->client, on_fenced, tree);
}

void orphans_deinit(struct tree *tree)
{
    client_watch_fence(tree->client, NULL, NULL);
    while (tree->orphans)
        forget(tree->orphans);
}
