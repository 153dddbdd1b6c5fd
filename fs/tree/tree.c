/* The life of a call: started by kind, carried from step to step, ended once. */
#include "tree/op.h"

#include <stdlib.h>
#include <string.h>

#include "env/memory.h"

struct tree *tree_new(struct env *env, struct client *client, const struct tree_options *options)
{
    struct tree *tree = sf_calloc(1, sizeof *tree);
    tree->env = env;
    tree->client = client;
    tree->options = *options;
    tree->recent = recent_new();
    tree->root = root_new(tree);
    orphans_init(tree);
    tree->space = space_poll_new(tree);
    return tree;
}

static void op_stop(struct op *op)
{
    switch (op->waits) {
    case OP_CLIENT:
        client_cancel(&op->client);
        break;
    case OP_VALUE:
        value_cancel(&op->value);
        break;
    case OP_ID:
        client_new_id_cancel(&op->id);
        break;
    case OP_TIMER:
        env_timer_stop(&op->timer);
        break;
    case OP_SCAN:
        scan_cancel(&op->scan);
        break;
    case OP_AHEAD:
    case OP_NOTHING:
        break;
    }
    op->waits = OP_NOTHING;
}

void op_drop(struct op *op)
{
    ahead_free(op->ahead);
    if (op->prev)
        op->prev->next = op->next;
    else
        op->tree->ops = op->next;
    if (op->next)
        op->next->prev = op->prev;
    buffer_deinit(&op->keep);
    buffer_deinit(&op->attr);
    buffer_deinit(&op->xattrs);
    buffer_deinit(&op->type);
    drop_deinit(&op->drop);
    rename_free(op->rename);
    free(op->mini);
    free(op);
}

void tree_free(struct tree *tree)
{
    while (tree->ops) {
        tree->ops->call->state = NULL;
        op_stop(tree->ops);
        op_drop(tree->ops);
    }
    orphans_deinit(tree);
    space_poll_free(tree->space);
    root_free(tree->root);
    recent_free(tree->recent);
    buffer_deinit(&tree->answer);
    free(tree);
}

/* It was taken away, or may be yet; and closed meanwhile, or not. */
static void keep_orphan(struct tree *tree, struct tree_call *call)
{
    if (call->orphan == 0)
        return;
    orphan_keep(tree, call->orphan);
    if (!call->is_open(call, call->orphan))
        tree_closed(tree, call->orphan);
}

void op_finish(struct op *op, int status)
{
    struct tree_call *call = op->call;
    sf_assert(op->waits == OP_NOTHING);
    if (status == SF_OK || status == SF_UNKNOWN)
        keep_orphan(op->tree, call);
    call->state = NULL;
    op_drop(op);
    call->on_done(call, status);
}

static void finish_now(struct op *op, int status, const struct kv_reply *reply)
{
    (void)status;
    (void)reply;
    op_finish(op, op->outcome);
}

static int start(struct op *op)
{
    switch (op->call->kind) {
    case TREE_LOOKUP:
        return lookup_start(op);
    case TREE_GETATTR:
        return getattr_start(op);
    case TREE_SETATTR:
        return setattr_start(op);
    case TREE_GETXATTR:
        return getxattr_start(op);
    case TREE_CREATE:
        return create_start(op);
    case TREE_MKDIR:
        return mkdir_start(op);
    case TREE_UNLINK:
        return unlink_start(op);
    case TREE_LINK:
        return link_start(op);
    case TREE_RMDIR:
        return rmdir_start(op);
    case TREE_RENAME:
        return rename_start(op);
    case TREE_READLINK:
        return readlink_start(op);
    case TREE_READ:
        return read_start(op);
    case TREE_WRITE:
        return write_start(op);
    case TREE_APPEND:
        return append_start(op);
    case TREE_ALLOCATE:
        return allocate_start(op);
    case TREE_SEEK:
        return seek_start(op);
    case TREE_FSYNC:
        return fsync_start(op);
    case TREE_READDIR:
        return readdir_start(op);
    case TREE_STATFS:
        return statfs_start(op);
    case TREE_KIND_LIMIT:
        break;
    }
    return SF_INVALID;
}

/* A kind's start function has sent something, or returned what to answer: SF_OK with nothing sent,
 * or an error. The answer never fires before this returns. */
void op_start(struct op *op)
{
    int status = start(op);
    if (op->waits != OP_NOTHING)
        return;
    op->outcome = status;
    op_later(op, 0, finish_now);
}

void tree_submit(struct tree *tree, struct tree_call *call)
{
    struct op *op = sf_calloc(1, sizeof *op);
    op->tree = tree;
    op->call = call;
    op->next = tree->ops;
    if (op->next)
        op->next->prev = op;
    tree->ops = op;
    call->state = op;
    call->created = call->end = call->has_moved = false;
    call->orphan = 0;
    if (tree->options.timeout_ms > 0)
        op->deadline_ms = env_now_ms(tree->env) + tree->options.timeout_ms;
    op_start(op);
}

void tree_cancel(struct tree_call *call)
{
    struct op *op = call->state;
    if (!op)
        return;
    if (tree_call_was_sent(call))
        keep_orphan(op->tree, call);
    call->state = NULL;
    op_stop(op);
    op_drop(op);
}

bool tree_call_was_sent(const struct tree_call *call)
{
    const struct op *op = call->state;
    if (!op)
        return false;
    return op->changed || (op->waits == OP_CLIENT && client_call_was_sent(&op->client)) ||
           (op->waits == OP_VALUE && value_call_was_sent(&op->value));
}

uint64_t op_left_ms(const struct op *op)
{
    if (op->deadline_ms == 0)
        return 0;
    uint64_t now = env_now_ms(op->tree->env);
    return op->deadline_ms > now ? op->deadline_ms - now : 1;
}

bool op_may_retry(struct op *op)
{
    op->call->orphan = 0; /* what was tried was not done, and may end otherwise now */
    if (++op->retries <= OP_RETRIES_MAX)
        return true;
    op_finish(op, SF_BUSY);
    return false;
}

uint64_t op_hold(struct op *op)
{
    if (op->hold == 0 && op->retries >= OP_HOLD_AFTER)
        op->hold = env_random(op->tree->env) | 1;
    return op->hold;
}

static bool is_again(uint64_t *seen, uint64_t version)
{
    bool again = *seen == version;
    *seen = version;
    return again;
}

bool op_dangles(struct op *op, uint64_t version)
{
    return is_again(&op->dangling, version);
}

bool op_stays_full(struct op *op, uint64_t version)
{
    return is_again(&op->full, version);
}

void op_kv(struct kv_op *kv, enum kv_kind kind, const struct key *key)
{
    memset(kv, 0, sizeof *kv);
    kv->kind = kind;
    kv->space = key->space;
    kv->key = key_slice(key);
}

/* What was read is noted; what was changed is not as it was. */
static void note_recent(struct op *op, const struct kv_reply *reply)
{
    struct recent *recent = op->tree->recent;
    const struct kv_op *kv = &op->kv;
    if (kv->kind == KV_STAT)
        recent_note(recent, kv->space, kv->key, &reply->stat, reply->data);
    for (size_t i = 0; kv->kind == KV_MINI && i < kv->op_count; i++)
        recent_forget(recent, kv->ops[i].space, kv->ops[i].key);
}

static void client_done(struct client_call *client, int status, const struct kv_reply *reply)
{
    struct op *op = container_of(client, struct op, client);
    op->waits = OP_NOTHING;
    if (status == SF_OK)
        note_recent(op, reply);
    if (!kv_is_read(op->kv.kind) && (status == SF_OK || status == SF_UNKNOWN))
        op->changed = true;
    op->then(op, status, reply);
}

void op_send(struct op *op, op_step *then)
{
    op->client =
        (struct client_call){.on_done = client_done, .op = &op->kv, .timeout_ms = op_left_ms(op)};
    if (!kv_is_read(op->kv.kind))
        op->kv.hold = op->hold;
    op->then = then;
    op->waits = OP_CLIENT;
    client_submit(op->tree->client, &op->client);
}

void op_mini_begin(struct op *op)
{
    if (!op->mini)
        op->mini = sf_malloc(sizeof *op->mini);
    op->mini->check_count = op->mini->op_count = 0;
}

struct kv_op *op_mini_check(struct op *op, const struct key *key)
{
    struct mini *mini = op->mini;
    sf_assert(mini->check_count < MINI_PARTS_MAX);
    struct kv_op *check = &mini->checks[mini->check_count++];
    op_kv(check, KV_STAT, key);
    return check;
}

struct kv_op *op_mini_add(struct op *op, enum kv_kind kind, const struct key *key)
{
    struct mini *mini = op->mini;
    sf_assert(mini->op_count < MINI_PARTS_MAX);
    struct kv_op *kv = &mini->ops[mini->op_count++];
    op_kv(kv, kind, key);
    return kv;
}

struct kv_op *op_mini_put_moved(struct op *op, const struct key *key, const struct kv_stat *stat,
                                struct slice head)
{
    struct kv_op *put = op_mini_add(op, KV_PUT, key);
    put->pre.kind = KV_PRE_ABSENT;
    put->record_kind = stat->kind;
    put->attr = stat->attr;
    put->data = head;
    put->created = stat->created;
    put->mtime_ns = stat->mtime_ns;
    put->after_ns = stat->ctime_ns;
    put->length = stat->length;
    put->tail_count = stat->tail_count;
    memcpy(put->tail, stat->tail, sizeof put->tail);
    put->flags = KV_HAS_ATTR | KV_HAS_CREATED | KV_HAS_MTIME | KV_HAS_LENGTH | KV_HAS_TAIL;
    return put;
}

void op_take_any_kind(struct kv_op *ops, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (ops[i].kind == KV_PUT || ops[i].kind == KV_DELETE)
            ops[i].flags |= KV_ANY_KIND;
}

void op_mini_send(struct op *op, op_step *then)
{
    struct mini *mini = op->mini;
    op_take_any_kind(mini->ops, mini->op_count);
    op_kv(&op->kv, KV_MINI, &(const struct key){0}); /* which is where its parts are */
    op->kv.checks = mini->checks;
    op->kv.check_count = mini->check_count;
    op->kv.ops = mini->ops;
    op->kv.op_count = mini->op_count;
    op_send(op, then);
}

const struct kv_op *op_mini_failed(const struct op *op, const struct kv_reply *reply)
{
    const struct mini *mini = op->mini;
    size_t at = reply->failed;
    return at < mini->check_count ? &mini->checks[at] : &mini->ops[at - mini->check_count];
}

static bool value_kind_changes(enum value_kind kind)
{
    return kind != VALUE_READ && kind != VALUE_STAT && kind != VALUE_SEEK_DATA &&
           kind != VALUE_SEEK_HOLE;
}

static void value_done(struct value_call *value, int status, const struct kv_stat *stat,
                       struct slice data)
{
    struct op *op = container_of(value, struct op, value);
    struct recent *recent = op->tree->recent;
    op->waits = OP_NOTHING;
    if (op->value.kind == VALUE_STAT && status == SF_OK)
        recent_note(recent, op->value.space, op->value.key, stat, data);
    else if (value_kind_changes(op->value.kind))
        recent_forget(recent, op->value.space, op->value.key);
    if (value_kind_changes(op->value.kind) && (status == SF_OK || status == SF_UNKNOWN))
        op->changed = true;
    op->then_value(op, status, stat, data);
}

void op_value(struct op *op, enum value_kind kind, const struct key *key, op_value_step *then)
{
    op->value.on_done = value_done;
    op->value.kind = kind;
    op->value.space = key->space;
    op->value.key = key_slice(key);
    op->value.timeout_ms = op_left_ms(op);
    op->then_value = then;
    op->waits = OP_VALUE;
    value_submit(op->tree->client, &op->value);
}

void op_value_begin(struct op *op)
{
    op->value = (struct value_call){.pre = {KV_PRE_CREATED, op->call->place.ino}};
}

void op_file_stat(struct op *op, op_value_step *then)
{
    op_value_begin(op);
    op_value(op, VALUE_STAT, &op->entry, then);
}

static void id_done(struct client_id *id, int status, uint64_t number)
{
    struct op *op = container_of(id, struct op, id);
    struct kv_reply reply = {.status = status, .ids_first = number};
    op->waits = OP_NOTHING;
    op->then(op, status, &reply);
}

void op_new_id(struct op *op, op_step *then)
{
    op->id = (struct client_id){.on_id = id_done, .timeout_ms = op_left_ms(op)};
    op->then = then;
    op->waits = OP_ID;
    client_new_id(op->tree->client, &op->id);
}

static void timer_fired(struct env_timer *timer)
{
    struct op *op = container_of(timer, struct op, timer);
    op->waits = OP_NOTHING;
    op->then(op, SF_OK, NULL);
}

void op_later(struct op *op, uint64_t delay_ms, op_step *then)
{
    op->then = then;
    op->waits = OP_TIMER;
    env_timer_init(op->tree->env, &op->timer, timer_fired);
    env_timer_start_ms(&op->timer, delay_ms);
}

bool op_recall(const struct op *op, const struct key *key, struct kv_stat *stat,
               struct slice *content)
{
    return recent_find(op->tree->recent, key->space, key_slice(key), stat, content);
}

void op_stat(struct op *op, const struct key *key, op_step *then)
{
    op_kv(&op->kv, KV_STAT, key);
    op_send(op, then);
}

static void send_held(struct op *op, enum kv_kind kind, const struct key *key, op_step *then)
{
    op_kv(&op->kv, kind, key);
    op->kv.hold = op_hold(op);
    op_send(op, then);
}

void op_stat_held(struct op *op, const struct key *key, op_step *then)
{
    send_held(op, KV_STAT, key, then);
}

void op_get_held(struct op *op, const struct key *key, op_step *then)
{
    send_held(op, KV_GET, key, then);
}

static uint32_t shard_of(const struct config *config, const struct key *key)
{
    struct kv_op kv;
    op_kv(&kv, KV_STAT, key);
    return kv_op_shard(&kv, config->routing, config->shard_count);
}

bool op_holds_first(const struct op *op, const struct key *a, const struct key *b)
{
    const struct config *config = tree_config(op->tree);
    uint32_t a_shard = config ? shard_of(config, a) : 0, b_shard = config ? shard_of(config, b) : 0;
    if (a_shard != b_shard)
        return a_shard < b_shard;
    if (a->space != b->space)
        return a->space < b->space;
    return slice_compare(key_slice(a), key_slice(b)) < 0;
}

void op_count(struct kv_op *kv, const struct key *directory, int entries, int subdirectories)
{
    op_kv(kv, KV_ADD, directory);
    kv->adds[0] =
        (struct kv_add){.slot = DIRECTORY_SLOT_ENTRIES, .value = (uint64_t)(int64_t)entries};
    kv->adds[1] = (struct kv_add){.slot = DIRECTORY_SLOT_SUBDIRECTORIES,
                                  .value = (uint64_t)(int64_t)subdirectories};
    kv->add_count = subdirectories != 0 ? 2 : 1;
}

void op_count_above(struct op *op, int entries, int subdirectories)
{
    uint64_t above = op->call->place.directory;
    if (above == TREE_ROOT)
        return;
    key_of_directory(above, &op->directory);
    op_count(op_mini_add(op, KV_ADD, &op->directory), &op->directory, entries, subdirectories);
}

int op_file_inode(struct op *op, const struct kv_stat *stat)
{
    return attr_file_inode(stat, op->tree->options.uid, op->tree->options.gid, &op->call->inode);
}

int op_set_attr(struct op *op, struct kv_op *kv, const struct attr *attr)
{
    int status = attr_encode(attr, &op->attr);
    if (status != SF_OK)
        return status;
    kv->attr = buffer_slice(&op->attr);
    kv->flags |= KV_HAS_ATTR;
    return SF_OK;
}

const struct config *tree_config(const struct tree *tree)
{
    return router_config(client_router(tree->client));
}

const struct tree_member *tree_members(const struct tree *tree, size_t *count)
{
    return space_poll_members(tree->space, count);
}
