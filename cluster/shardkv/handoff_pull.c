/* A shard that was gained pulls its data.
 *
 * The happy path is: the last owner is asked -> NOT_YET until it has frozen the shard -> chunks,
 * each logged, then the next -> the last one: COPIED. It can fail by: GONE (that owner never had
 * it, or passed it on: the one before it is asked), no answer for a while (likewise: the shard may
 * never have come there), all asked (from the newest again: one may come up).
 *
 * Owners are asked in the order of the chain, newest first. The row knows the first of them from
 * the Config's entry; the leader finds the others by walking back through the Configs when it needs
 * them.
 */
#include "env/mark.h"
#include "shardkv/handoff_inside.h"

#define PATIENCE_MS 3000u /* with an owner that has not frozen the shard, or does not answer */

/* -- whom to ask --------------------------------------------------------------------------- */

static void start_at_row(struct task *task, const struct row *row)
{
    chain_copy(&task->chain, &row->chain);
    task->at = row->begun ? row->chain.count - 1 : 0;
    task->at_since_ms = handoff_now_ms(task->handoff);
    task->walk = (struct owner_walk){.shard = row->shard, .at = row->gained - 1};
}

/* One more owner at the old end of the chain. False: there is none, or a Config is missing that was
 * asked for now. */
static bool extend(struct task *task)
{
    struct handoff *handoff = task->handoff;
    const struct shards_options *self = &handoff->shards->options;
    const struct group *group;
    uint64_t lost;
    while (task->chain.count < CHAIN_MAX) {
        int status = owner_walk_next(&task->walk, handoff->history, &group, &lost);
        if (status == SF_NOT_YET)
            poll_want(handoff, task->walk.at);
        if (status != SF_OK)
            return false;
        uint64_t identity = group_identity(group);
        if (group->gid == self->gid && identity == self->group_identity)
            continue;
        if (chain_find(&task->chain, group->gid, identity) < task->chain.count)
            continue;
        chain_add(&task->chain, group, lost);
        return true;
    }
    return false;
}

static void next_owner(struct task *task)
{
    task->at_since_ms = handoff_now_ms(task->handoff);
    task->leader[0] = 0;
    task->replica = 0;
    SF_MARK("hand-off: an earlier owner asked for the shard");
    task->at++;
    if (task->at >= task->chain.count && !extend(task))
        task->at = 0;
}

/* -- chunks -------------------------------------------------------------------------------- */

static bool continues(const struct task *task, const struct row *row)
{
    const struct owner *owner = &task->chain.owners[task->at];
    if (!row->begun || task->again)
        return false;
    return owner_is(&row->chain.owners[row->chain.count - 1], owner->group.gid, owner->identity);
}

static void log_chunk(struct task *task, const struct row *row, struct cursor *rest)
{
    const struct owner *owner = &task->chain.owners[task->at];
    struct chunk chunk = {.shard = row->shard, .home = row->home};
    chunk.gid = owner->group.gid;
    chunk.identity = owner->identity;
    chunk.from = buffer_slice(&task->from);
    chunk.source_lost = unpack_u64(rest, owner->lost);
    chunk.last = unpack_bool(rest);
    chunk.to = unpack_bin(rest, STORE_KEY_BYTES_MAX);
    chunk.pairs = unpack_bin(rest, SF_MESSAGE_BYTES_MAX);
    struct chain passed = {.owners = task->chain.owners, .count = task->at + 1};
    if (chunk.from.n == 0)
        chunk.chain = passed; /* borrowed */
    if (!unpack_done(rest) || chunk.source_lost == 0 || !chunk_check(&chunk)) {
        task_rest(task);
        return;
    }
    task->again = chunk.from.n > 0 && chunk.source_lost != row->source_lost;
    if (task->again) {
        task_idle(task);
        return;
    }
    struct buffer body = {0};
    entry_put_chunk(&body, &chunk);
    task_propose(task, &body);
}

/* An owner does not answer when each of its replicas was asked: a minority may be down for ever. */
static bool is_to_be_passed(const struct task *task, int status)
{
    const struct owner *owner = &task->chain.owners[task->at];
    if (status == SF_GONE)
        return true;
    return handoff_now_ms(task->handoff) - task->at_since_ms > PATIENCE_MS &&
           (status == SF_NOT_YET || task->replica >= owner->group.address_count);
}

static void on_pulled(struct task *task, int status, struct cursor *rest)
{
    const struct row *row = task_row(task);
    if (!row || row->state != ROW_PULLING) {
        task_idle(task);
        return;
    }
    if (status == SF_OK) {
        task->at_since_ms = handoff_now_ms(task->handoff);
        log_chunk(task, row, rest);
        return;
    }
    if (is_to_be_passed(task, status))
        next_owner(task);
    task_rest(task);
}

void pull_step(struct task *task, const struct row *row)
{
    if (task->chain.count == 0)
        start_at_row(task, row);
    if (task->chain.count == 0 && !extend(task)) {
        task_rest(task);
        return;
    }
    if (replica_admits(task->handoff->replica) == SF_NO_SPACE) {
        task_rest(task); /* what it would get needs room; what others get from it frees some */
        return;
    }
    const struct owner *owner = &task->chain.owners[task->at];
    if (!task_may_ask(task, owner))
        return;
    buffer_clear(&task->from);
    if (continues(task, row))
        buffer_set(&task->from, buffer_slice(&row->cursor));
    struct buffer params = {0};
    task_pack(task, &params, "shard.pull", 2, owner, owner->lost, row->gained);
    pack_bin(&params, buffer_slice(&task->from));
    pack_u64(&params, task->handoff->options.chunk_bytes);
    task_ask(task, owner, "shard.pull", &params, on_pulled);
}
