/* All records of all shards: each of some lanes reads one shard after the other, a page at a time:
 * the plain records, the internal ones, and what the shard keeps of extents that no record names. */
#include "tree/check_inside.h"

#include "env/memory.h"

static void lane_ask(struct lane *lane);

/* -- lanes --------------------------------------------------------------------------------- */

static void lane_close(struct lane *lane)
{
    struct check *check = lane->check;
    lane->open = false;
    check->done = --check->open == 0;
}

/* The next shard, if there is one and nothing failed. */
static void lane_next(struct lane *lane)
{
    struct check *check = lane->check;
    if (check->status != SF_OK || check->shard_next == check->shard_count) {
        lane_close(lane);
        return;
    }
    lane->shard = check->shard_next++;
    lane->stage = STAGE_PLAIN;
    lane_ask(lane);
}

/* Counters only grow: where a look ends with the one that the look before ended with, nothing of the
 * shard changed between. So looks that do in all shards read what was there when the later began. */
static void note_next_id(struct check *check, uint32_t shard, uint64_t next_id)
{
    check->moved = check->moved || next_id == 0 || next_id != check->next_ids[shard];
    check->next_ids[shard] = next_id;
}

static void lane_take(struct lane *lane, const struct kv_reply *reply)
{
    struct check *check = lane->check;
    for (size_t i = 0; i < reply->entry_count; i++)
        see_record(lane, &reply->entries[i]);
    if (reply->entry_count > 0)
        buffer_set(&lane->after, reply->entries[reply->entry_count - 1].name);
    if (reply->more && reply->entry_count > 0) {
        see_page_end(lane);
    } else {
        see_stage_end(lane);
        if (lane->stage == STAGE_UNNAMED)
            note_next_id(check, lane->shard, reply->ids_first);
        buffer_clear(&lane->after);
        lane->stage++;
    }
    check->counts.shards_done += lane->stage == STAGE_END;
    check->host->on_progress(check->host->ctx, &check->counts);
}

static void on_page(struct client_call *call, int status, const struct kv_reply *reply)
{
    struct lane *lane = container_of(call, struct lane, call);
    if (status != SF_OK) {
        if (lane->check->status == SF_OK)
            lane->check->status = status;
        lane_close(lane);
        return;
    }
    lane_take(lane, reply);
    if (lane->stage == STAGE_END)
        lane_next(lane);
    else
        lane_ask(lane);
}

static void lane_ask(struct lane *lane)
{
    lane->op = (struct kv_op){.kind = KV_SCAN,
                              .space = lane->stage == STAGE_INTERNAL ? KV_INTERNAL : KV_PLAIN,
                              .flags = lane->stage == STAGE_UNNAMED ? KV_UNNAMED : 0,
                              .data = buffer_slice(&lane->after),
                              .length = CHECK_PAGE,
                              .shards = &lane->shard,
                              .shard_count = 1};
    lane->call = (struct client_call){
        .on_done = on_page, .op = &lane->op, .timeout_ms = lane->check->host->timeout_ms};
    client_submit(lane->check->host->client, &lane->call);
}

/* -- blocking requests --------------------------------------------------------------------- */

struct ask {
    struct client_call call;
    bool done;
    int status;
    struct kv_stat *stat;
    struct buffer *data;
    struct tally *tally;
};

static void on_asked(struct client_call *call, int status, const struct kv_reply *reply)
{
    struct ask *ask = container_of(call, struct ask, call);
    ask->done = true;
    ask->status = status;
    if (status == SF_OK && ask->stat) {
        *ask->stat = reply->stat;
        ask->stat->attr = slice_of(NULL, 0);
    }
    if (status == SF_OK && ask->data)
        buffer_set(ask->data, reply->data);
    if (status == SF_OK && ask->tally)
        see_directory(ask->tally, reply);
}

static int await(struct check *check, struct ask *ask, const struct kv_op *op)
{
    const struct check_host *host = check->host;
    ask->call = (struct client_call){.on_done = on_asked, .op = op, .timeout_ms = host->timeout_ms};
    client_submit(host->client, &ask->call);
    host->wait(host->ctx, &ask->done);
    return ask->status;
}

int check_ask(struct check *check, const struct kv_op *op, struct kv_stat *stat,
              struct buffer *data)
{
    struct ask ask = {.stat = stat, .data = data};
    return await(check, &ask, op);
}

int check_recount(struct check *check, uint64_t directory, struct tally *tally)
{
    struct key key;
    key_of_directory(directory, &key);
    struct kv_op op = {.kind = KV_SCAN,
                       .space = KV_INTERNAL,
                       .key = slice_of(key.bytes, sizeof directory),
                       .length = SF_SCAN_MAX};
    struct ask ask = {.tally = tally};
    *tally = (struct tally){.id = directory};
    return await(check, &ask, &op);
}

struct ask_id {
    struct client_id request;
    bool done;
    int status;
    uint64_t id;
};

static void on_id(struct client_id *request, int status, uint64_t id)
{
    struct ask_id *ask = container_of(request, struct ask_id, request);
    ask->done = true;
    ask->status = status;
    ask->id = id;
}

int check_new_id(struct check *check, uint64_t *id)
{
    const struct check_host *host = check->host;
    struct ask_id ask = {.request = {.on_id = on_id, .timeout_ms = host->timeout_ms}};
    client_new_id(host->client, &ask.request);
    host->wait(host->ctx, &ask.done);
    *id = ask.id;
    return ask.status;
}

struct pause {
    struct env_timer timer;
    bool done;
};

static void on_pause(struct env_timer *timer)
{
    container_of(timer, struct pause, timer)->done = true;
}

void check_pause(struct check *check, uint64_t ms)
{
    struct pause pause = {.done = false};
    env_timer_init(check->host->env, &pause.timer, on_pause);
    env_timer_start_ms(&pause.timer, ms);
    check->host->wait(check->host->ctx, &pause.done);
}

/* -- the look ------------------------------------------------------------------------------ */

/* The number of shards is in the first Config, which any answer brings. */
static int learn_shards(struct check *check)
{
    struct kv_op op = {.kind = KV_STAT};
    int status = check_ask(check, &op, NULL, NULL);
    if (status != SF_OK && status != SF_NOT_FOUND)
        return status;
    const struct config *config = router_config(client_router(check->host->client));
    check->shard_count = config ? config->shard_count : 0;
    if (!check->next_ids)
        check->next_ids = sf_calloc(check->shard_count + 1, sizeof *check->next_ids);
    return config ? SF_OK : SF_UNREACHABLE;
}

int check_scan(struct check *check)
{
    int status = learn_shards(check);
    if (status != SF_OK)
        return status;
    check->status = SF_OK;
    check->shard_next = 0;
    check->done = false;
    check->moved = false;
    check->open = CHECK_LANES;
    check->counts.shards = check->shard_count;
    for (size_t i = 0; i < CHECK_LANES; i++) {
        struct lane *lane = &check->lanes[i];
        lane->check = check;
        lane->open = true;
        lane->tally = (struct tally){.id = 0};
        buffer_clear(&lane->after);
        lane_next(lane);
    }
    check->host->wait(check->host->ctx, &check->done);
    return check->status;
}
