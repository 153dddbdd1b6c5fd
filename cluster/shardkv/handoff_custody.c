/* A copy that is complete asks its source for custody; when it has it, everybody whom that concerns
 * is told.
 *
 * The happy path is: COPIED -> shard.custody -> OK -> TAKE logged -> served, duties
 * -> shard.settled -> OK -> TOLD logged. It can fail by: no answer or NOT_YET (ask again, for ever: the source may
 * have given already), GONE (another got it: DROP logged).
 */
#include "shardkv/handoff_inside.h"

static void on_custody(struct task *task, int status, struct cursor *rest)
{
    (void)rest;
    const struct row *row = task_row(task);
    if (!row || row->state != ROW_COPIED) {
        task_idle(task);
        return;
    }
    struct buffer body = {0};
    if (status == SF_OK)
        entry_put_take(&body, row);
    else if (status == SF_GONE)
        entry_put_drop(&body, row);
    if (body.n > 0)
        task_propose(task, &body);
    else
        task_rest(task);
}

void custody_step(struct task *task, const struct row *row)
{
    const struct owner *source = &row->chain.owners[row->chain.count - 1];
    struct buffer params = {0};
    if (!task_may_ask(task, source))
        return;
    task_pack(task, &params, "shard.custody", 0, source, row->source_lost, row->gained);
    task_ask(task, source, "shard.custody", &params, on_custody);
}

static void on_settled(struct task *task, int status, struct cursor *rest)
{
    (void)rest;
    const struct duty *duty = task_duty(task);
    if (!duty) {
        task_idle(task);
        return;
    }
    if (status != SF_OK) {
        task_rest(task);
        return;
    }
    struct buffer body = {0};
    entry_put_told(&body, duty);
    task_propose(task, &body);
}

void duty_step(struct task *task, const struct duty *duty)
{
    const struct owner *owner = &duty->owner;
    struct buffer params = {0};
    if (!task_may_ask(task, owner))
        return;
    task_pack(task, &params, "shard.settled", 0, owner, owner->lost, duty->gained);
    task_ask(task, owner, "shard.settled", &params, on_settled);
}
