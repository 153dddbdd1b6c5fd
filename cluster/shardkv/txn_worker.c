#include "shardkv/txn_worker.h"

#include <stdlib.h>
#include <utlist.h>

#include "env/mark.h"
#include "env/memory.h"
#include "router/finish.h"
#include "shardkv/service.h"

#define LOOK_MS 1000u
#define STALE_MS 5000u
#define TRY_MS 2000u
#define TASK_MS 20000u /* then it makes room for another, and has its turn again */
#define TASKS_MAX 64u  /* transactions being finished at a time */
#define LOADS_MAX 256u /* tables read from the store at one look */

/* One transaction being finished. */
struct task {
    struct task *prev, *next;
    struct txn_worker *worker;
    struct shard_copy copy;
    uint64_t session, sequence; /* of the record that was found */
    uint64_t end_ms;
    struct finish finish;
    struct finish_part parts[SF_MINI_OPS_MAX];
};

struct txn_worker {
    struct kv_machine *machine;
    struct env_timer timer; /* armed while it leads */
    bool leads;
    struct task *tasks;
    size_t task_count;
    size_t loads_left; /* of one look */
};

/* -- finishing ----------------------------------------------------------------------------- */

static struct env *env_of(const struct txn_worker *worker)
{
    return shardkv_env(worker->machine->service);
}

/* The record of a task, if this group still has it. */
static struct txn_entry *entry_of(const struct task *task)
{
    const struct kv_machine *machine = task->worker->machine;
    struct shard_copy copy;
    struct txn_table *table;
    if (!machine_serves(machine, task->copy.shard, &copy) || copy.home != task->copy.home)
        return NULL;
    if (machine_txns(machine, copy, &table) != SF_OK)
        return NULL;
    return txn_table_find(table, task->session, task->sequence);
}

static void task_end(struct task *task)
{
    struct txn_entry *entry = entry_of(task);
    finish_cancel(&task->finish);
    if (entry != NULL) {
        entry->is_being_finished = false;
        entry->since_ms = env_now_ms(env_of(task->worker)); /* its turn comes again */
    }
    task->worker->task_count--;
    DL_DELETE(task->worker->tasks, task);
    free(task);
}

static void on_done(struct finish *finish)
{
    task_end(container_of(finish, struct task, finish));
}

static void ask_all(struct task *task)
{
    for (size_t i = 0; i < task->finish.part_count; i++)
        finish_ask(&task->finish, i);
}

static void begin(struct txn_worker *worker, struct shard_copy copy, struct txn_entry *entry)
{
    struct task *task = sf_calloc(1, sizeof(*task));
    const struct txn_record *record = &entry->record;
    struct shardkv *service = worker->machine->service;
    task->worker = worker;
    task->copy = copy;
    task->session = record->session;
    task->sequence = record->sequence;
    task->end_ms = env_now_ms(env_of(worker)) + TASK_MS;
    task->finish = (struct finish){.on_done = on_done,
                                   .router = shardkv_router(service),
                                   .forgetter = service->forgetter,
                                   .parts = task->parts,
                                   .part_count = record->number_count,
                                   .try_ms = TRY_MS};
    for (size_t i = 0; i < record->number_count; i++)
        task->parts[i].number = record->numbers[i];
    finish_init(&task->finish, env_of(worker));
    SF_MARK("txn: finished by a leader");
    entry->is_being_finished = true;
    DL_APPEND(worker->tasks, task);
    worker->task_count++;
    ask_all(task);
}

/* -- looking ------------------------------------------------------------------------------- */

struct look {
    struct txn_worker *worker;
    struct shard_copy copy;
    uint64_t now_ms;
};

static void look_at_entry(void *ctx, struct txn_entry *entry)
{
    const struct look *look = ctx;
    if (entry->since_ms == 0 || entry->since_ms > look->now_ms)
        entry->since_ms = look->now_ms;
    if (entry->is_being_finished || look->now_ms - entry->since_ms < STALE_MS ||
        look->worker->task_count >= TASKS_MAX)
        return;
    begin(look->worker, look->copy, entry);
}

static void look_in_shard(void *ctx, uint32_t shard, uint64_t home)
{
    struct txn_worker *worker = ctx;
    struct look look = {.worker = worker,
                        .copy = {.shard = shard, .home = home},
                        .now_ms = env_now_ms(env_of(worker))};
    struct txn_table *table;
    if (!copy_tables_has(worker->machine->txns, look.copy)) {
        if (worker->loads_left == 0)
            return;
        worker->loads_left--;
    }
    /* What cannot be read stays; whoever applies the next entry here will say so. */
    if (machine_txns(worker->machine, look.copy, &table) == SF_OK)
        txn_table_each(table, look_at_entry, &look);
}

/* A task whose record went, with its shard or by another's doing, or that got nowhere. */
static void end_tasks(struct txn_worker *worker)
{
    struct task *task, *next;
    uint64_t now_ms = env_now_ms(env_of(worker));
    DL_FOREACH_SAFE(worker->tasks, task, next)
    {
        if (entry_of(task) == NULL || now_ms >= task->end_ms)
            task_end(task);
    }
}

static void on_timer(struct env_timer *timer)
{
    struct txn_worker *worker = container_of(timer, struct txn_worker, timer);
    env_timer_start_ms(timer, LOOK_MS);
    worker->loads_left = LOADS_MAX;
    end_tasks(worker);
    shards_each_serving(worker->machine->shards, look_in_shard, worker);
}

void txn_worker_look_at(struct txn_worker *worker, uint32_t shard)
{
    struct shard_copy copy;
    if (worker->leads && machine_serves(worker->machine, shard, &copy))
        look_in_shard(worker, shard, copy.home);
}

/* -- life ---------------------------------------------------------------------------------- */

struct txn_worker *txn_worker_new(struct kv_machine *machine)
{
    struct txn_worker *worker = sf_calloc(1, sizeof(*worker));
    worker->machine = machine;
    env_timer_init(shardkv_env(machine->service), &worker->timer, on_timer);
    return worker;
}

static void stop(struct txn_worker *worker)
{
    worker->leads = false;
    env_timer_stop(&worker->timer);
    while (worker->tasks != NULL)
        task_end(worker->tasks);
}

void txn_worker_lead(struct txn_worker *worker, bool leads)
{
    stop(worker);
    worker->leads = leads;
    if (leads)
        env_timer_start_ms(&worker->timer, LOOK_MS);
}

void txn_worker_free(struct txn_worker *worker)
{
    if (worker == NULL)
        return;
    stop(worker);
    free(worker);
}
