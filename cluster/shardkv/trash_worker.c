#include "shardkv/trash_worker.h"

#include <stdlib.h>

#include "env/mark.h"
#include "env/memory.h"
#include "shardkv/request.h"
#include "shardkv/service.h"
#include "shardkv/trash.h"

#define LOOK_MS 10000u
/* Until then who reads under an old tail has left, and who writes (client/value.h, V3). */
#define DELAY_MS 60000u
#define WINDOW 8u /* extents asked for at a time */
/* Extents beyond the recorded end that are not found in a row, after which none is expected; at
 * least a client's window of writes under way. */
#define MISSES_MAX 32u

enum phase { RESTING, REMOVING, FORGETTING };

/* One extent being asked for. */
struct removal {
    struct router_call call;
    struct trash_worker *worker;
    uint8_t key[KV_EXTENT_KEY_BYTES];
    bool beyond; /* trash.end */
    bool busy;
};

/* What trash a shard had at one moment: DELAY_MS later it is due. */
struct mark {
    uint64_t home;  /* of the shard's copy; 0: there was none */
    uint64_t end;   /* numbers below it were there */
    uint64_t at_ms; /* when */
};

struct trash_worker {
    struct kv_machine *machine;
    struct mark *marks;     /* by shard; NULL unless this replica leads */
    struct env_timer timer; /* armed while RESTING and leading */
    enum phase phase;
    struct shard_copy copy; /* of `trash`; valid unless RESTING */
    struct trash trash;
    uint64_t next;   /* extent to ask for next */
    unsigned misses; /* in a row, beyond trash.end */
    unsigned busy;   /* removals under way */
    bool failed;
    struct removal removals[WINDOW];
    struct replica_proposal proposal;
};

static void look(struct trash_worker *worker);
static void advance(struct trash_worker *worker);

static void rest(struct trash_worker *worker)
{
    worker->phase = RESTING;
    env_timer_start_ms(&worker->timer, LOOK_MS);
}

/* -- removing ------------------------------------------------------------------------------ */

static void removal_on_done(struct router_call *call, int status, const struct kv_reply *reply)
{
    struct removal *removal = container_of(call, struct removal, call);
    struct trash_worker *worker = removal->worker;
    int word = status == SF_OK ? reply->status : status;
    if (word == SF_OK && call->request.op.kind == KV_STAT) {
        worker->misses = 0;
        call->request.op.kind = KV_DELETE;
        router_send(shardkv_router(worker->machine->service), call);
        return;
    }
    removal->busy = false;
    worker->busy--;
    if (word == SF_NOT_FOUND && removal->beyond)
        worker->misses++;
    else if (word != SF_OK && word != SF_NOT_FOUND)
        worker->failed = true;
    advance(worker);
}

/* It is looked for first: a read costs no log entry, and a value may be one large hole. */
static void ask(struct trash_worker *worker, struct removal *removal, uint64_t extent)
{
    const struct shards *shards = worker->machine->shards;
    struct kv_op op = {
        .kind = KV_STAT, .space = KV_INTERNAL, .key = slice_of(removal->key, sizeof(removal->key))};
    kv_extent_key(worker->trash.data_id, extent, removal->key);
    removal->worker = worker;
    removal->beyond = extent >= worker->trash.end;
    removal->busy = true;
    worker->busy++;
    removal->call = (struct router_call){.on_done = removal_on_done};
    removal->call.request.op = op;
    removal->call.shard = kv_op_shard(&op, shards_routing(shards), shards_count(shards));
    router_send(shardkv_router(worker->machine->service), &removal->call);
}

static bool has_more(const struct trash_worker *worker)
{
    if (worker->failed)
        return false;
    return worker->next < worker->trash.end || (worker->trash.open && worker->misses < MISSES_MAX);
}

static void forgotten(struct replica_proposal *proposal, int status, struct slice reply)
{
    struct trash_worker *worker = container_of(proposal, struct trash_worker, proposal);
    (void)reply;
    worker->phase = RESTING;
    if (status == SF_OK)
        look(worker);
    else
        rest(worker);
}

static void forget(struct trash_worker *worker)
{
    struct buffer body = {0};
    SF_MARK("trash: extents removed");
    buffer_put_u8(&body, ENTRY_TRASH_DONE);
    buffer_put_u32(&body, worker->copy.shard);
    buffer_put_u64(&body, worker->copy.home);
    buffer_put_u64(&body, worker->trash.number);
    worker->phase = FORGETTING;
    worker->proposal = (struct replica_proposal){.on_done = forgotten};
    int status =
        replica_propose(worker->machine->base.replica, buffer_slice(&body), &worker->proposal);
    buffer_deinit(&body);
    if (status != SF_OK)
        rest(worker);
}

static void advance(struct trash_worker *worker)
{
    for (size_t i = 0; i < WINDOW && has_more(worker); i++)
        if (!worker->removals[i].busy)
            ask(worker, &worker->removals[i], worker->next++);
    if (worker->busy > 0)
        return;
    if (worker->failed)
        rest(worker);
    else
        forget(worker);
}

/* -- finding ------------------------------------------------------------------------------- */

/* Has the trash with this number been there for long enough? If not, it is marked. */
static bool is_due(struct trash_worker *worker, const struct access *access, uint64_t number)
{
    struct mark *mark = &worker->marks[access->copy.shard];
    uint64_t now_ms = env_now_ms(shardkv_env(worker->machine->service));
    if (mark->home == access->copy.home && number < mark->end)
        return now_ms - mark->at_ms >= DELAY_MS;
    *mark =
        (struct mark){.home = access->copy.home, .end = access->meta.next_trash, .at_ms = now_ms};
    return false;
}

static void look_in_shard(void *ctx, uint32_t shard, uint64_t home)
{
    struct trash_worker *worker = ctx;
    struct access access;
    struct shard_copy copy = {.shard = shard, .home = home};
    if (worker->phase != RESTING)
        return;
    access_open_read(&access, &worker->machine->space, NULL, copy); /* as it was a moment ago */
    int status = access_load_meta(&access);
    if (status == SF_OK)
        status = trash_find_first(&access, &worker->trash);
    bool due = status == SF_OK && is_due(worker, &access, worker->trash.number);
    if (access_close(&access) != SF_OK || !due)
        return; /* what cannot be read stays; whoever applies the next entry here will say so */
    worker->phase = REMOVING;
    worker->copy = copy;
}

static void look(struct trash_worker *worker)
{
    shards_each_serving(worker->machine->shards, look_in_shard, worker);
    if (worker->phase == RESTING) {
        rest(worker);
        return;
    }
    worker->next = worker->trash.first;
    worker->misses = 0;
    worker->failed = false;
    advance(worker);
}

static void on_timer(struct env_timer *timer)
{
    look(container_of(timer, struct trash_worker, timer));
}

/* -- life ---------------------------------------------------------------------------------- */

struct trash_worker *trash_worker_new(struct kv_machine *machine)
{
    struct trash_worker *worker = sf_calloc(1, sizeof(*worker));
    worker->machine = machine;
    env_timer_init(shardkv_env(machine->service), &worker->timer, on_timer);
    return worker;
}

static void stop(struct trash_worker *worker)
{
    env_timer_stop(&worker->timer);
    for (size_t i = 0; i < WINDOW; i++) {
        if (worker->removals[i].busy)
            router_cancel(&worker->removals[i].call);
        worker->removals[i].busy = false;
    }
    worker->busy = 0;
    if (worker->phase == FORGETTING)
        replica_proposal_forget(&worker->proposal);
    worker->phase = RESTING;
    free(worker->marks);
    worker->marks = NULL;
}

void trash_worker_lead(struct trash_worker *worker, bool leads)
{
    stop(worker);
    if (!leads)
        return;
    worker->marks = sf_calloc(shards_count(worker->machine->shards), sizeof(struct mark));
    rest(worker);
}

void trash_worker_free(struct trash_worker *worker)
{
    if (worker == NULL)
        return;
    stop(worker);
    free(worker);
}
