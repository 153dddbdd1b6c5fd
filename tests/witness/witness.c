#include "witness/witness.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include <utlist.h>

#include "env/mark.h"
#include "env/memory.h"
#include "shardkv/shards.h"

#define CALL_NS_MAX (60 * ENV_SECOND_NS) /* an answer that comes later is not looked at */
#define FORGET_EVERY 256u                /* entries */
#define METHOD_BYTES_MAX 64u
#define REQUEST_HEAD_BYTES 29u /* of an entry: kind, shard, session, sequence, first incomplete */

/* The entries of log bodies that are looked at (shardkv's README section). */
enum { BODY_REQUEST = 1, BODY_TICK = 2, BODY_TRASH_DONE = 3, BODY_SWEEP = 4, BODY_SHARDS = 16 };

/* -- what was asked ------------------------------------------------------------------------ */

struct asked_name {
    uint64_t shard, session, sequence, op_hash;
};

/* What the model said to one entry. */
struct answer {
    uint64_t hash;
    size_t group;
};

/* A mutation that some client asked for, as often as it did. */
struct asked {
    struct asked_name name;
    enum kv_kind kind;
    struct answer *answers; /* by entry, in order */
    size_t count, cap;
    UT_hash_handle hh;
};

struct call_name {
    uint64_t client, id;
};

/* A request that left a client. */
struct call {
    struct call_name name;
    uint64_t from;       /* position when it left */
    uint64_t at_ns;      /* likewise */
    struct asked *asked; /* NULL: a read: */
    struct buffer bytes; /* its params, which `request` points into */
    struct unpacked unpacked;
    struct kv_request request;
    struct call *prev, *next; /* by at_ns */
    UT_hash_handle hh;
};

struct witness {
    struct sim *sim;
    struct kv_model_options options;
    struct kv_model *model;
    uint64_t position;
    struct asked *asked;
    struct call *calls;      /* by name */
    struct call *calls_list; /* by time */
    struct unpacked message;
    struct witness_count count;
};

static void note(struct witness *w, uint64_t value)
{
    w->count.hash = bytes_hash_seed(slice_of(&value, sizeof value), w->count.hash);
}

/* Holds are a leader's alone: they stand in no entry. */
static uint64_t op_hash(const struct kv_op *op)
{
    struct buffer b = {0};
    struct kv_op plain = *op;
    plain.hold = 0;
    kv_op_pack(&b, &plain);
    uint64_t hash = bytes_hash(buffer_slice(&b));
    buffer_deinit(&b);
    return hash;
}

static struct asked *find_asked(struct witness *w, const struct asked_name *name)
{
    struct asked *asked;
    HASH_FIND(hh, w->asked, name, sizeof *name, asked);
    return asked;
}

static struct asked *ask(struct witness *w, const struct asked_name *name, enum kv_kind kind)
{
    struct asked *asked = find_asked(w, name);
    if (asked != NULL)
        return asked;
    asked = sf_calloc(1, sizeof *asked);
    asked->name = *name;
    asked->kind = kind;
    HASH_ADD(hh, w->asked, name, sizeof asked->name, asked);
    return asked;
}

static void call_free(struct witness *w, struct call *call)
{
    HASH_DEL(w->calls, call);
    DL_DELETE(w->calls_list, call);
    kv_request_free(&call->request);
    unpack_close(&call->unpacked);
    buffer_deinit(&call->bytes);
    free(call);
}

static void drop_old_calls(struct witness *w)
{
    uint64_t now_ns = sim_now_ns(w->sim);
    while (w->calls_list != NULL && now_ns - w->calls_list->at_ns > CALL_NS_MAX)
        call_free(w, w->calls_list);
}

/* -- reports ------------------------------------------------------------------------------- */

static const char *status_name(int status)
{
    return status == SF_OK ? "OK" : sf_error_name(status);
}

static void print_reply(const char *whose, struct slice packed)
{
    struct unpacked unpacked;
    struct kv_reply r;
    if (unpack_open(packed, &unpacked) != SF_OK || kv_reply_unpack(&unpacked.root, &r) != SF_OK)
        return;
    fprintf(stderr,
            "  %s: %s, %zu bytes of data \"%.*s\"..., version %" PRIx64 " created %" PRIx64
            " kind %d length %" PRIu64 " mtime %" PRIu64 " ctime %" PRIu64
            " attr %zu, old length %" PRIu64 ", ids %" PRIx64 ", session %" PRIu64
            ", %zu entries, %zu replies, failed %" PRIu64 "\n",
            whose, status_name(r.status), r.data.n, r.data.n < 40 ? (int)r.data.n : 40,
            (const char *)r.data.p, r.stat.version, r.stat.created, (int)r.stat.kind, r.stat.length,
            r.stat.mtime_ns, r.stat.ctime_ns, r.stat.attr.n, r.old_length, r.ids_first, r.session,
            r.entry_count, r.reply_count, r.failed);
    kv_reply_free(&r);
    unpack_close(&unpacked);
}

/* -- what is applied ----------------------------------------------------------------------- */

/* Servers remove trash, finish transactions of clients that are slow, and take locks from those that
 * are silent. */
static bool is_of_servers(const struct kv_session *session, const struct kv_op *op)
{
    if (op->kind == KV_OUTCOME || op->kind == KV_ASK || op->kind == KV_FORGET ||
        op->kind == KV_FENCE || op->kind == KV_RELEASE)
        return true;
    return session->session == 0 && op->kind == KV_DELETE && op->space == KV_INTERNAL;
}

/* As its client sent it: a leader may have had it refused. */
static uint64_t hash_as_asked(const struct kv_op *op)
{
    struct kv_op asked = *op;
    asked.flags &= ~(unsigned)KV_REFUSED;
    return op_hash(&asked);
}

static void refute_entry(const struct asked_name *name, enum kv_kind kind)
{
    fprintf(stderr,
            "applied and never asked for: %s of shard %" PRIu64 ", session %" PRIu64
            ", number %" PRIu64 "\n",
            kv_method_name(kind), name->shard, name->session, name->sequence);
    sf_assert(false); /* nothing is applied that nobody asked for */
}

static uint64_t hash_of_status(int status)
{
    struct buffer b = {0};
    kv_reply_pack(&b, &(struct kv_reply){.status = status});
    uint64_t hash = bytes_hash(buffer_slice(&b));
    buffer_deinit(&b);
    return hash;
}

static void mark_answer(const struct asked *asked, size_t group, uint64_t hash)
{
    if (asked->kind != KV_ABANDON && hash == hash_of_status(SF_ABANDONED))
        SF_MARK("session: late request met that it was abandoned");
    for (size_t i = 0; i < asked->count; i++)
        if (asked->answers[i].hash == hash && asked->answers[i].group != group)
            SF_MARK("session: duplicate answered after a move");
}

static void keep_answer(struct asked *asked, size_t group, struct slice reply)
{
    if (asked->count == asked->cap) {
        asked->cap = asked->cap * 2 + 1;
        asked->answers = sf_realloc(asked->answers, asked->cap * sizeof *asked->answers);
    }
    uint64_t hash = bytes_hash(reply);
    mark_answer(asked, group, hash);
    asked->answers[asked->count++] = (struct answer){.hash = hash, .group = group};
}

static void mutate(struct witness *w, size_t group, const struct kv_model_at *at,
                   const struct kv_session *session, struct slice packed)
{
    struct unpacked unpacked;
    struct kv_op op;
    struct buffer reply = {0};
    struct asked_name name = {at->shard, session->session, session->sequence, 0};
    int status = unpack_open(packed, &unpacked);
    sf_assert(status == SF_OK);
    struct cursor one = {.at = &unpacked.root, .end = &unpacked.root + 1};
    status = kv_op_unpack(&one, &op);
    sf_assert(status == SF_OK);
    name.op_hash = hash_as_asked(&op);
    struct asked *asked = find_asked(w, &name);
    if (asked == NULL && !is_of_servers(session, &op))
        refute_entry(&name, op.kind);
    kv_model_mutate(w->model, at, session, &op, &reply);
    if (asked != NULL)
        keep_answer(asked, group, buffer_slice(&reply));
    w->count.entries++;
    note(w, bytes_hash(buffer_slice(&reply)));
    buffer_deinit(&reply);
    kv_op_free(&op);
    unpack_close(&unpacked);
}

static void apply_request(struct witness *w, size_t group, struct kv_model_at *at,
                          struct slice body, const struct shards *shards)
{
    struct reader r = reader_of(body);
    struct kv_session session;
    (void)reader_u8(&r);
    at->shard = reader_u32(&r);
    session.session = reader_u64(&r);
    session.sequence = reader_u64(&r);
    session.first_incomplete = reader_u64(&r);
    sf_assert(reader_ok(&r) && at->shard < w->options.shard_count);
    if (shards_serving(shards, at->shard, NULL))
        mutate(w, group, at, &session, slice_of(body.p + REQUEST_HEAD_BYTES, reader_left(&r)));
}

static void apply_trash_done(struct witness *w, struct kv_model_at *at, struct slice body,
                             const struct shards *shards)
{
    struct reader r = reader_of(body);
    (void)reader_u8(&r);
    at->shard = reader_u32(&r);
    if (shards_serving_home(shards, at->shard, reader_u64(&r)))
        kv_model_age(w->model, at);
}

/* A group is the first to own shards: they begin. */
static void create_shards(struct witness *w, const struct shards *shards)
{
    uint64_t home;
    for (uint32_t shard = 0; shard < w->options.shard_count; shard++)
        if (!kv_model_has(w->model, shard) && shards_serving(shards, shard, &home))
            kv_model_create(w->model, shard, home);
}

static void apply_body(struct witness *w, size_t group, const struct machine_entry *entry,
                       const struct shards *shards)
{
    struct kv_model_at at = {.time_ns = entry->time_ns, .position = w->position};
    struct slice body = entry->body;
    unsigned kind = body.n > 0 ? body.p[0] : 0;
    if (kind == BODY_REQUEST || kind == BODY_SWEEP)
        apply_request(w, group, &at, body, shards);
    else if (kind == BODY_TRASH_DONE)
        apply_trash_done(w, &at, body, shards);
    else if (kind >= BODY_SHARDS)
        create_shards(w, shards);
    for (; kind == BODY_TICK && at.shard < w->options.shard_count; at.shard++)
        if (shards_serving(shards, at.shard, NULL))
            kv_model_tick(w->model, &at);
}

/* Nobody who is still asking wants to know what was replaced before he did. */
static void forget(struct witness *w)
{
    drop_old_calls(w);
    kv_model_forget(w->model, w->calls_list != NULL ? w->calls_list->from : w->position);
}

void witness_applied(struct witness *w, size_t group, const struct machine_entry *entry,
                     const struct shards *shards)
{
    w->position++;
    apply_body(w, group, entry, shards);
    if (w->position % FORGET_EVERY == 0)
        forget(w);
}

/* -- what clients say ---------------------------------------------------------------------- */

/* Keeps the params of a read, in a copy of their bytes. */
static void keep_params(struct call *call, const msgpack_object *params, enum kv_kind kind)
{
    pack_object(&call->bytes, params);
    int status = unpack_open(buffer_slice(&call->bytes), &call->unpacked);
    if (status == SF_OK)
        status = kv_request_unpack(&call->unpacked.root, kind, &call->request);
    sf_assert(status == SF_OK);
}

static void name_mutation(struct witness *w, struct call *call, const struct kv_request *request)
{
    struct asked_name name = {request->target.shard, request->session.session,
                              request->session.sequence, op_hash(&request->op)};
    call->asked = ask(w, &name, request->op.kind);
}

static void hear_request(struct witness *w, uint64_t client, struct cursor *c)
{
    struct kv_request request;
    enum kv_kind kind;
    uint64_t id = unpack_u64(c, UINT32_MAX);
    struct slice method = unpack_bin(c, METHOD_BYTES_MAX);
    struct call *call, *before;
    if (!unpack_ok(c) || unpack_left(c) != 1 || !kv_kind_of_method(method, &kind))
        return;
    int status = kv_request_unpack(c->at, kind, &request);
    sf_assert(status == SF_OK); /* our clients make no others */
    call = sf_calloc(1, sizeof *call);
    call->name = (struct call_name){client, id};
    HASH_FIND(hh, w->calls, &call->name, sizeof call->name, before);
    sf_assert(before == NULL); /* numbers of calls are not used again so soon */
    call->from = w->position;
    call->at_ns = sim_now_ns(w->sim);
    HASH_ADD(hh, w->calls, name, sizeof call->name, call);
    DL_APPEND(w->calls_list, call);
    if (kv_is_read(kind))
        keep_params(call, c->at, kind);
    else
        name_mutation(w, call, &request);
    kv_request_free(&request);
}

/* -- what servers answer ------------------------------------------------------------------- */

/* A refusal that says nothing of the state. */
static bool is_refusal(int status)
{
    return status == SF_WRONG_GROUP || status == SF_NOT_LEADER || status == SF_OVERLOADED ||
           status == SF_LOCKED || status == SF_NO_SPACE || status == SF_BUSY ||
           status == SF_NOT_YET;
}

static void judge_mutation(struct witness *w, const struct call *call, struct slice reply)
{
    const struct asked *asked = call->asked;
    uint64_t hash = bytes_hash(reply);
    w->count.mutations++;
    for (size_t i = 0; i < asked->count; i++)
        if (asked->answers[i].hash == hash)
            return;
    fprintf(stderr,
            "%s of shard %" PRIu64 ", session %" PRIu64 ", number %" PRIu64
            " was applied %zu times, never with this answer:\n",
            kv_method_name(asked->kind), asked->name.shard, asked->name.session,
            asked->name.sequence, asked->count);
    print_reply("answered", reply);
    sf_assert(false); /* an answer is one that the model gave before */
}

static void refute_read(struct witness *w, const struct kv_model_read *read, struct slice reply)
{
    struct buffer expected = {0};
    fprintf(stderr,
            "%s of %.*s in shard %" PRIu32 " was answered as at none of positions %" PRIu64
            " to %" PRIu64 ":\n",
            kv_method_name(read->op->kind), (int)read->op->key.n, (const char *)read->op->key.p,
            read->shards[0], read->from, read->to);
    print_reply("answered", reply);
    if (read->op->kind != KV_SCAN && !kv_is_lock(read->op->kind)) {
        kv_model_answer(w->model, read, &expected);
        print_reply("now it is", buffer_slice(&expected));
        buffer_deinit(&expected);
    }
    sf_assert(false); /* a read shows what was there while it was asked */
}

static void judge_read(struct witness *w, const struct call *call, struct slice reply)
{
    const struct kv_op *op = &call->request.op;
    uint32_t shard = call->request.target.shard;
    struct kv_model_read read = {
        .op = op, .shards = &shard, .shard_count = 1, .from = call->from, .to = w->position};
    if (op->shard_count > 0) {
        read.shards = op->shards;
        read.shard_count = op->shard_count;
    }
    if (shard == KV_SHARD_OF_KEY)
        shard = kv_op_shard(op, w->options.routing, w->options.shard_count);
    w->count.reads++;
    if (!kv_model_explains(w->model, &read, reply))
        refute_read(w, &read, reply);
}

static void judge(struct witness *w, struct call *call, struct kv_reply *reply)
{
    struct buffer plain = {0};
    reply->leader[0] = 0;
    reply->config_num = 0;
    kv_reply_pack(&plain, reply);
    note(w, bytes_hash(buffer_slice(&plain)));
    if (call->asked != NULL)
        judge_mutation(w, call, buffer_slice(&plain));
    else
        judge_read(w, call, buffer_slice(&plain));
    buffer_deinit(&plain);
}

static void hear_reply(struct witness *w, uint64_t client, struct cursor *c)
{
    struct call_name name = {client, unpack_u64(c, UINT32_MAX)};
    struct kv_reply reply;
    struct call *call;
    HASH_FIND(hh, w->calls, &name, sizeof name, call);
    bool failed = !unpack_is_nil(c);
    unpack_skip(c);
    if (call == NULL || failed || !unpack_ok(c) || unpack_left(c) != 1)
        return;
    int status = kv_reply_unpack(c->at, &reply);
    sf_assert(status == SF_OK);
    if (!is_refusal(reply.status))
        judge(w, call, &reply);
    kv_reply_free(&reply);
}

void witness_heard(struct witness *w, uint64_t client, bool from_client, struct slice bytes)
{
    drop_old_calls(w);
    if (unpack_again(&w->message, bytes) != SF_OK)
        return;
    struct cursor c = unpack_root(&w->message);
    uint64_t type = unpack_u64(&c, UINT64_MAX);
    if (type == 0 && from_client)
        hear_request(w, client, &c);
    else if (type == 1 && !from_client)
        hear_reply(w, client, &c);
}

/* -- life ---------------------------------------------------------------------------------- */

struct witness *witness_new(struct sim *sim, const struct kv_model_options *options)
{
    struct witness *w = sf_calloc(1, sizeof *w);
    w->sim = sim;
    w->options = *options;
    w->model = kv_model_new(options);
    return w;
}

void witness_free(struct witness *w)
{
    struct asked *asked, *next;
    while (w->calls_list != NULL)
        call_free(w, w->calls_list);
    HASH_ITER(hh, w->asked, asked, next)
    {
        HASH_DEL(w->asked, asked);
        free(asked->answers);
        free(asked);
    }
    unpack_close(&w->message);
    kv_model_free(w->model);
    free(w);
}

struct witness_count witness_count(const struct witness *w)
{
    struct witness_count count = w->count;
    count.hash ^= kv_model_hash(w->model);
    return count;
}

const struct kv_model *witness_model(const struct witness *w)
{
    return w->model;
}
