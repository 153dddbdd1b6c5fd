#include "shardkv/handoff_inside.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "env/memory.h"

#define POLL_MS 100u
#define TIMEOUT_MS 2000u

/* -- the list of tasks --------------------------------------------------------------------- */

uint64_t handoff_now_ms(const struct handoff *handoff)
{
    return env_now_ms(replica_env(handoff->replica));
}

void handoff_kick(struct handoff *handoff)
{
    if (!env_timer_is_armed(&handoff->kick))
        env_timer_start_ms(&handoff->kick, 0);
}

static void on_rested(struct env_timer *timer)
{
    struct task *task = container_of(timer, struct task, timer);
    task->phase = TASK_IDLE;
    handoff_kick(task->handoff);
}

static struct task *find_task(const struct handoff *handoff, const struct task_name *name)
{
    struct task *task;
    HASH_FIND(hh, handoff->tasks, name, sizeof *name, task);
    return task;
}

static void add_task(struct handoff *handoff, const struct task_name *name)
{
    if (find_task(handoff, name))
        return;
    struct task *task = sf_calloc(1, sizeof *task);
    task->handoff = handoff;
    task->name = *name;
    env_timer_init(replica_env(handoff->replica), &task->timer, on_rested);
    HASH_ADD(hh, handoff->tasks, name, sizeof task->name, task);
}

static void leave_asked(struct task *task)
{
    if (task->asked)
        task->asked->count--;
    task->asked = NULL;
}

static void task_free(struct task *task)
{
    leave_asked(task);
    rpc_call_cancel(&task->call);
    replica_proposal_forget(&task->proposal);
    env_timer_stop(&task->timer);
    HASH_DEL(task->handoff->tasks, task);
    chain_deinit(&task->chain);
    buffer_deinit(&task->from);
    free(task);
}

/* Every row that waits and every duty has a task. Looked at only when the table has changed. */
static void add_missing_tasks(struct handoff *handoff)
{
    const struct shards *shards = handoff->shards;
    if (handoff->seen_version == shards->version)
        return;
    handoff->seen_version = shards->version;
    const struct row *row;
    for (uint32_t shard = 0; shard < shards->options.shard_count; shard++) {
        DL_FOREACH(shards->rows[shard], row)
        {
            if (row_is_waiting(row))
                add_task(handoff, &(struct task_name){TASK_COPY, shard, row->home, 0, 0});
        }
    }
    const struct duty *duty;
    DL_FOREACH(shards->duties, duty)
    {
        struct task_name name = {TASK_DUTY, duty->shard, duty->gained, duty->owner.group.gid,
                                 duty->owner.identity};
        add_task(handoff, &name);
    }
}

const struct row *task_row(const struct task *task)
{
    const struct task_name *name = &task->name;
    if (name->kind != TASK_COPY)
        return NULL;
    return shards_find(task->handoff->shards, (uint32_t)name->shard, name->number);
}

const struct duty *task_duty(const struct task *task)
{
    const struct task_name *name = &task->name;
    if (name->kind != TASK_DUTY)
        return NULL;
    return shards_find_duty(task->handoff->shards, (uint32_t)name->shard, name->number, name->gid,
                            name->identity);
}

/* What is to be done is read from the table each time. */
static void task_step(struct task *task)
{
    const struct row *row = task_row(task);
    const struct duty *duty = task_duty(task);
    if (row && row->state == ROW_PULLING)
        pull_step(task, row);
    else if (row && row->state == ROW_COPIED)
        custody_step(task, row);
    else if (duty)
        duty_step(task, duty);
    else
        task_free(task);
}

static void on_kick(struct env_timer *timer)
{
    struct handoff *handoff = container_of(timer, struct handoff, kick);
    add_missing_tasks(handoff);
    struct task *task, *next;
    HASH_ITER(hh, handoff->tasks, task, next)
    {
        if (task->phase == TASK_IDLE)
            task_step(task);
    }
}

/* -- one step ------------------------------------------------------------------------------ */

void task_idle(struct task *task)
{
    leave_asked(task);
    task->phase = TASK_IDLE;
    task->rests = 0;
    handoff_kick(task->handoff);
}

void task_rest(struct task *task)
{
    struct env *env = replica_env(task->handoff->replica);
    uint64_t max_ms =
        task->name.kind == TASK_COPY ? HANDOFF_COPY_REST_MS_MAX : HANDOFF_DUTY_REST_MS_MAX;
    uint64_t rest_ms = (uint64_t)HANDOFF_REST_MS_MIN << (task->rests < 16 ? task->rests : 16);
    if (rest_ms > max_ms)
        rest_ms = max_ms;
    leave_asked(task);
    task->rests++;
    task->phase = TASK_RESTING;
    env_timer_start_ms(&task->timer, rest_ms / 2 + env_random_below(env, rest_ms / 2 + 1));
    handoff_kick(task->handoff); /* its place among those that ask is free */
}

static void on_applied(struct replica_proposal *proposal, int status, struct slice reply)
{
    struct task *task = container_of(proposal, struct task, proposal);
    (void)reply; /* the table says what has become of it */
    if (status == SF_OK)
        task_idle(task);
    else
        task_rest(task);
}

void task_propose(struct task *task, struct buffer *body)
{
    task->proposal.on_done = on_applied;
    int status = replica_propose(task->handoff->replica, buffer_slice(body), &task->proposal);
    buffer_deinit(body);
    if (status == SF_OK)
        task->phase = TASK_PROPOSED;
    else
        task_rest(task);
}

static struct asked *find_asked(struct handoff *handoff, const struct owner *owner)
{
    struct asked *asked;
    LL_FOREACH(handoff->asked, asked)
    {
        if (owner_is(owner, asked->gid, asked->identity))
            return asked;
    }
    asked = sf_calloc(1, sizeof *asked);
    asked->gid = owner->group.gid;
    asked->identity = owner->identity;
    LL_PREPEND(handoff->asked, asked);
    return asked;
}

bool task_may_ask(struct task *task, const struct owner *owner)
{
    struct asked *asked = find_asked(task->handoff, owner);
    if (asked->count >= HANDOFF_ASKS_MAX)
        return false;
    asked->count++;
    task->asked = asked;
    return true;
}

/* Another replica of the group next time: the one that was named, or simply the next. */
static void try_another(struct task *task, const char *leader)
{
    if (env_address_is_valid(leader) && strcmp(leader, task->leader) != 0) {
        memcpy(task->leader, leader, strlen(leader) + 1);
        return;
    }
    task->leader[0] = 0;
    task->replica++;
}

static void on_answer(struct rpc_call *call, int status, const msgpack_object *result)
{
    struct task *task = container_of(call, struct task, call);
    char leader[SF_ADDRESS_BYTES_MAX] = "";
    struct cursor c = {0};
    if (status == SF_OK) {
        c = unpack_object(result);
        status = (int)unpack_i64(&c);
        unpack_str(&c, leader, sizeof leader);
        if (!unpack_ok(&c))
            status = SF_PROTOCOL;
    }
    if (status != SF_OK && status != SF_NOT_YET && status != SF_GONE)
        try_another(task, leader);
    task->answered(task, status, &c);
}

void task_pack(struct task *task, struct buffer *params, const char *method, size_t more,
               const struct owner *owner, uint64_t lost, uint64_t gained)
{
    const struct shards_options *self = &task->handoff->shards->options;
    rpc_begin_request(params, method);
    pack_array(params, 7 + more);
    pack_u64(params, owner->group.gid);
    pack_u64(params, owner->identity);
    pack_u64(params, task->name.shard);
    pack_u64(params, lost);
    pack_u64(params, self->gid);
    pack_u64(params, self->group_identity);
    pack_u64(params, gained);
}

void task_ask(struct task *task, const struct owner *owner, const char *method,
              struct buffer *params, task_answered *answered)
{
    struct handoff *handoff = task->handoff;
    const char *address = task->leader;
    if (address[0] == 0)
        address = owner->group.addresses[task->replica % owner->group.address_count];
    task->answered = answered;
    task->phase = TASK_ASKING;
    rpc_call_start(replica_rpc(handoff->replica), &task->call, address, method, params,
                   handoff->options.timeout_ms, on_answer);
}

/* -- life ---------------------------------------------------------------------------------- */

struct handoff *handoff_new(const struct handoff_options *options)
{
    struct handoff *handoff = sf_calloc(1, sizeof *handoff);
    handoff->options = *options;
    handoff->shards = options->shards;
    if (options->poll_ms == 0)
        handoff->options.poll_ms = POLL_MS;
    if (options->timeout_ms == 0)
        handoff->options.timeout_ms = TIMEOUT_MS;
    sf_assert(options->chunk_bytes > 0);
    sf_assert(options->router || (options->fixed && options->fixed->num > 0));
    if (options->fixed)
        handoff->fixed = config_copy(options->fixed);
    handoff->options.fixed = handoff->fixed;
    handoff->history = history_new(options->fixed ? options->fixed->num - 1 : 0);
    return handoff;
}

static void stop(struct handoff *handoff)
{
    handoff->leads = false;
    poll_stop(handoff);
    env_timer_stop(&handoff->kick);
    struct task *task, *next_task;
    HASH_ITER(hh, handoff->tasks, task, next_task)
    task_free(task);
    struct asked *asked, *next_asked;
    LL_FOREACH_SAFE(handoff->asked, asked, next_asked)
    free(asked);
    handoff->asked = NULL;
}

void handoff_free(struct handoff *handoff)
{
    if (!handoff)
        return;
    if (handoff->replica) {
        stop(handoff);
        answers_end(handoff, false);
    }
    history_free(handoff->history);
    config_free(handoff->fixed);
    free(handoff);
}

void handoff_restored(struct handoff *handoff, struct replica *replica)
{
    if (handoff->replica)
        return;
    handoff->replica = replica;
    env_timer_init(replica_env(replica), &handoff->kick, on_kick);
    poll_init(handoff);
}

void handoff_applied(struct handoff *handoff)
{
    if (handoff->leads && handoff->seen_version != handoff->shards->version)
        handoff_kick(handoff);
}

void handoff_lead(struct handoff *handoff, bool leads)
{
    if (!leads) {
        stop(handoff);
        answers_end(handoff, true);
        return;
    }
    handoff->leads = true;
    handoff->seen_version = handoff->shards->version - 1;
    poll_start(handoff);
    handoff_kick(handoff);
}
