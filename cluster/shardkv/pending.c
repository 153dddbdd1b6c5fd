/* pending: requests from when they come in to when they are answered.
 *
 * The happy path is: the machine of the group -> does it lead? -> a read asks for a barrier, a
 * mutation is admitted and proposed -> the answer. It can fail by: no such group or shard here
 * (WRONG_GROUP), not the leader (passed on where that was asked for, else NOT_LEADER), too much to
 * do (OVERLOADED), disk full (NO_SPACE), leadership lost on the way (NOT_LEADER: a mutation may
 * still happen, under the number that it has).
 * Its states are in pending_inside.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>

#include "env/mark.h"
#include "env/memory.h"
#include "shardkv/completion.h"
#include "shardkv/ops.h"
#include "shardkv/pending_inside.h"
#include "shardkv/request.h"
#include "shardkv/scan.h"

#define PASS_ON_MS 5000u
#define ROUTE_MS 10000u
#define SMALL_ANSWER_BYTES 4096u /* those that are larger wait until earlier ones were read */

/* -- answers ------------------------------------------------------------------------------- */

static void pack_answer(struct buffer *b, const struct kv_reply *reply)
{
    rpc_begin_reply(b);
    kv_reply_pack(b, reply);
}

/* A large answer is kept back while too many bytes wait to be read: who asks again gets it, a
 * mutation's from its completion record. b: a packed answer, taken. */
static void answer_packed(struct rpc_request *rpc, struct buffer *b)
{
    if (b->n > SMALL_ANSWER_BYTES && rpc_request_is_crowded(rpc)) {
        buffer_deinit(b);
        pack_answer(b, &(struct kv_reply){.status = SF_BUSY});
    }
    rpc_reply(rpc, b);
}

static void answer(struct rpc_request *rpc, const struct kv_reply *reply)
{
    struct buffer b = {0};
    pack_answer(&b, reply);
    answer_packed(rpc, &b);
}

/* An answer that says where to go instead, or to try again. */
static void answer_status(struct rpc_request *rpc, const struct kv_machine *machine, int status)
{
    struct kv_reply reply = {.status = status};
    if (machine != NULL && status == SF_NOT_LEADER && machine->base.replica != NULL)
        snprintf(reply.leader, sizeof(reply.leader), "%s",
                 replica_leader_address(machine->base.replica));
    if (machine != NULL && status == SF_WRONG_GROUP)
        reply.config_num = machine_config_num(machine);
    answer(rpc, &reply);
}

/* Bytes that an operation carries. */
static size_t op_bytes(const struct kv_op *op)
{
    size_t bytes = op->key.n + op->data.n + op->attr.n;
    for (size_t i = 0; i < op->check_count; i++)
        bytes += op_bytes(&op->checks[i]);
    for (size_t i = 0; i < op->op_count; i++)
        bytes += op_bytes(&op->ops[i]);
    return bytes;
}

static struct pending *pending_new(struct shardkv *service, struct rpc_request *rpc,
                                   struct kv_machine *machine, const struct kv_request *request)
{
    struct pending *p = sf_calloc(1, sizeof(*p));
    p->service = service;
    p->machine = machine;
    p->rpc = rpc;
    p->shard = request->target.shard;
    p->bytes = op_bytes(&request->op);
    DL_APPEND(service->pending, p);
    service->pending_count++;
    service->pending_bytes += p->bytes;
    return p;
}

static void pending_free(struct pending *p)
{
    DL_DELETE(p->service->pending, p);
    env_timer_stop(&p->timer);
    if (p->machine != NULL)
        lock_queue_remove(&p->machine->waiting, &p->waiter);
    lock_set_deinit(&p->waiter.set);
    p->service->pending_count -= p->state != PENDING_PARKED;
    p->service->pending_bytes -= p->bytes;
    kv_request_free(&p->request);
    if (p->unpacked.zone != NULL)
        unpack_close(&p->unpacked);
    buffer_deinit(&p->kept);
    free(p->routed);
    free(p);
}

void pending_finish(struct pending *p, int status)
{
    answer_status(p->rpc, p->machine, status);
    pending_free(p);
}

/* -- reads --------------------------------------------------------------------------------- */

/* A copy of a read's request: key and data into p->kept, the list of shards taken over. */
static void keep_read(struct pending *p, struct kv_request *request)
{
    struct kv_op *op = &p->request.op;
    p->request = *request;
    request->op.shards = NULL;
    request->op.shard_count = 0;
    buffer_append(&p->kept, op->key.p, op->key.n);
    buffer_append(&p->kept, op->data.p, op->data.n);
    op->key.p = p->kept.p;
    op->data.p = op->data.n > 0 ? p->kept.p + op->key.n : NULL;
    op->attr = slice_of(NULL, 0);
}

static void scan_here(struct pending *p)
{
    const struct kv_op *op = &p->request.op;
    const uint32_t *shards = op->shard_count > 0 ? op->shards : &p->shard;
    size_t count = op->shard_count > 0 ? op->shard_count : 1;
    struct shard_copy *copies = sf_calloc(count, sizeof(*copies));
    bool all = true;
    for (size_t i = 0; i < count && all; i++)
        all = machine_serves(p->machine, shards[i], &copies[i]);
    struct kv_reply reply;
    struct scan_page *page = NULL;
    int status = all ? replica_settle(p->machine->base.replica) : SF_WRONG_GROUP;
    if (status == SF_OK)
        status = scan_run(&p->machine->space, copies, count, op, &reply, &page);
    if (status == SF_OK)
        answer(p->rpc, &reply);
    else
        answer_status(p->rpc, p->machine, status);
    scan_page_free(page);
    free(copies);
}

static void read_here(struct pending *p)
{
    struct access access;
    struct shard_copy copy;
    struct kv_reply reply;
    if (!machine_serves(p->machine, p->shard, &copy)) {
        answer_status(p->rpc, p->machine, SF_WRONG_GROUP);
        return;
    }
    access_open_read(&access, &p->machine->space, replica_pending(p->machine->base.replica), copy);
    ops_execute(&access, &p->request.op, &reply);
    struct buffer b = {0};
    pack_answer(&b, &reply);
    int status = access_close(&access);
    if (status == SF_OK) {
        answer_packed(p->rpc, &b);
        return;
    }
    buffer_deinit(&b);
    answer_status(p->rpc, p->machine, status);
}

void pending_answer(struct pending *p, struct buffer *reply)
{
    answer_packed(p->rpc, reply);
    pending_free(p);
}

void pending_read(struct pending *p)
{
    if (kv_is_lock(p->request.op.kind)) {
        pending_read_ranges(p);
        return;
    }
    if (p->request.op.kind == KV_SCAN)
        scan_here(p);
    else
        read_here(p);
    pending_free(p);
}

static void read_on_done(struct replica_read *read, int status)
{
    struct pending *p = container_of(read, struct pending, way.read);
    if (status == SF_OK && rpc_request_is_crowded(p->rpc))
        status = SF_BUSY; /* sparing the work where the answer would be kept back */
    if (status != SF_OK)
        pending_finish(p, status);
    else if (!pending_read_waits(p))
        pending_read(p);
}

void pending_ask(struct pending *p)
{
    p->state = PENDING_READING;
    p->way.read = (struct replica_read){.on_done = read_on_done};
    int status = replica_read(p->machine->base.replica, &p->way.read);
    if (status != SF_OK)
        pending_finish(p, status);
}

static void start_read(struct shardkv *service, struct rpc_request *rpc, struct kv_machine *machine,
                       struct kv_request *request)
{
    struct pending *p = pending_new(service, rpc, machine, request);
    keep_read(p, request);
    if (request->op.hold != 0)
        pending_hold(p);
    else
        pending_ask(p);
}

/* -- mutations ----------------------------------------------------------------------------- */

static void answer_completion(struct pending *p, struct slice bytes)
{
    struct kv_reply reply;
    int status = completion_unpack(bytes, &reply);
    if (status != SF_OK) {
        pending_finish(p, status);
        return;
    }
    if (reply.status == SF_WRONG_GROUP)
        reply.config_num = machine_config_num(p->machine);
    answer(p->rpc, &reply);
    kv_reply_free(&reply);
    pending_free(p);
}

static void write_on_done(struct replica_proposal *proposal, int status, struct slice bytes)
{
    struct pending *p = container_of(proposal, struct pending, way.proposal);
    struct kv_machine *machine = p->machine;
    uint32_t shard = p->shard;
    bool had_place = p->waiter.state == WAITER_PROPOSED;
    uint64_t hold = p->hold, proposed = p->proposed;
    struct slice body; /* where it met a lock, what was proposed follows the answer */
    bool is_put_back = status == SF_OK && completion_status(bytes, &body) == SF_LOCKED;
    if (is_put_back)
        pending_put_back(p, body);
    else if (status == SF_OK)
        answer_completion(p, bytes);
    else
        pending_finish(p, status);
    pending_hold_drain(machine, shard, proposed);
    if (hold != 0 && status == SF_OK && !is_put_back)
        pending_hold_end(machine, hold, shard);
    if (had_place)
        pending_locks_freed(machine, shard);
}

void pending_propose(struct pending *p)
{
    p->state = PENDING_WRITING;
    p->proposed = ++p->service->tickets;
    p->way.proposal = (struct replica_proposal){.on_done = write_on_done};
    int status =
        replica_propose(p->machine->base.replica, buffer_slice(&p->kept), &p->way.proposal);
    if (status == SF_OVERLOADED && p->is_of_txn) {
        pending_try_later(p);
        return;
    }
    buffer_deinit(&p->kept);
    if (status != SF_OK)
        pending_finish(p, status);
}

static bool unlocks(const struct kv_op *op)
{
    struct kv_lock lock;
    return kv_lock_unpack(op->data, &lock) == SF_OK && lock.type == KV_LOCK_NONE;
}

static bool frees_space(const struct kv_op *op);

/* A directory's own record goes by TAKE, and one of several names beside a count of them: where nothing
 * is written anew, that frees space, too. */
static bool part_frees_space(const struct kv_op *part)
{
    return part->kind == KV_TAKE || part->kind == KV_SET_ATTR || frees_space(part);
}

/* What only frees space, or leads to that, is admitted also where there is none left. */
static bool frees_space(const struct kv_op *op)
{
    switch (op->kind) {
    case KV_DELETE:
    case KV_PUNCH_RANGE:
    case KV_SESSION_OPEN: /* or nobody could begin to delete */
    case KV_SESSION_CLOSE:
    case KV_ABANDON:
        return true;
    case KV_SET_LENGTH:
        return !(op->flags & KV_LENGTH_MAX);
    case KV_MINI:
    case KV_PREPARE:
        for (size_t i = 0; i < op->op_count; i++)
            if (!part_frees_space(&op->ops[i]))
                return false;
        return true;
    case KV_OUTCOME: /* or locks would stay, and nobody could delete what they hold */
    case KV_FORGET:
    case KV_ASK:
    case KV_ADD: /* the counts of a directory, where an entry of it goes */
    case KV_LOCK_CANCEL:
    case KV_RENEW:
    case KV_FENCE:
    case KV_RELEASE:
        return true;
    case KV_LOCK:
        return unlocks(op);
    case KV_GET:
    case KV_GET_RANGE:
    case KV_STAT:
    case KV_SCAN:
    case KV_PUT:
    case KV_APPEND:
    case KV_PUT_HASH:
    case KV_SET_RANGE:
    case KV_SET_ATTR:
    case KV_TAKE:
    case KV_NEW_IDS:
    case KV_INTENT:
    case KV_LOCK_TEST:
    case KV_LOCK_AWAIT:
    case KV_KIND_LIMIT:
        return false;
    }
    return false;
}

static void start_write(struct shardkv *service, struct rpc_request *rpc,
                        struct kv_machine *machine, const struct kv_request *request)
{
    struct shard_copy copy;
    int status = replica_admits(machine->base.replica);
    if (status == SF_NO_SPACE && frees_space(&request->op)) {
        SF_MARK("shardkv: admitted without space, as it frees some");
        status = SF_OK;
    }
    if (status == SF_NO_SPACE)
        SF_MARK("shardkv: refused as NO_SPACE");
    if (status == SF_OVERLOADED && kv_is_of_txn(request->op.kind))
        status = SF_OK; /* what is begun has to end, or its locks hold up others */
    if (status == SF_OK && !machine_serves(machine, request->target.shard, &copy))
        status = SF_WRONG_GROUP;
    if (status != SF_OK) {
        answer_status(rpc, machine, status);
        return;
    }
    pending_write(pending_new(service, rpc, machine, request), request);
}

/* -- passing on ---------------------------------------------------------------------------- */

static void relay(struct pending *p, const msgpack_object *result)
{
    struct kv_reply reply;
    if (kv_reply_unpack(result, &reply) != SF_OK) {
        answer_status(p->rpc, p->machine, SF_NOT_LEADER);
        return;
    }
    answer(p->rpc, &reply);
    kv_reply_free(&reply);
}

static void passed_on_done(struct rpc_call *call, int status, const msgpack_object *result)
{
    struct pending *p = container_of(call, struct pending, way.call);
    if (status == SF_OK)
        relay(p, result);
    else
        answer_status(p->rpc, p->machine, SF_NOT_LEADER);
    pending_free(p);
}

/* To the leader of this group, if another replica is thought to be it. */
static void pass_on(struct shardkv *service, struct rpc_request *rpc, struct kv_machine *machine,
                    const struct kv_request *request)
{
    rpc_peer leader = replica_leader_way(machine->base.replica);
    if (!request->target.forward || leader == 0) {
        answer_status(rpc, machine, SF_NOT_LEADER);
        return;
    }
    SF_MARK("shardkv: request passed on to the leader");
    struct pending *p = pending_new(service, rpc, machine, request);
    struct kv_request once = *request;
    struct buffer params = {0};
    p->state = PENDING_PASSED;
    once.target.gid = machine->gid;
    once.target.forward = false;
    kv_request_pack(&params, &once);
    rpc_call_start_peer(service->rpc, &p->way.call, leader, kv_method_name(once.op.kind), &params,
                        PASS_ON_MS, passed_on_done);
}

/* -- no group named ------------------------------------------------------------------------ */

static void routed_on_done(struct router_call *call, int status, const struct kv_reply *reply)
{
    struct pending *p = container_of(call, struct routed, call)->pending;
    if (status == SF_OK)
        answer(p->rpc, reply);
    else
        rpc_reply_error(p->rpc, status, sf_error_text(status));
    pending_free(p);
}

/* A copy of any request: packed, and unpacked from bytes of its own. */
static int keep_all(struct pending *p, const struct kv_request *request)
{
    kv_request_pack(&p->kept, request);
    int status = unpack_open(buffer_slice(&p->kept), &p->unpacked);
    if (status == SF_OK)
        status = kv_request_unpack(&p->unpacked.root, request->op.kind, &p->request);
    return status;
}

/* Nobody here leads the group of the key, and the client left it to us to find out who does. */
static void route(struct shardkv *service, struct rpc_request *rpc,
                  const struct kv_request *request)
{
    struct pending *p = pending_new(service, rpc, NULL, request);
    p->state = PENDING_ROUTED;
    int status = keep_all(p, request);
    if (status != SF_OK) {
        pending_finish(p, status);
        return;
    }
    p->routed = sf_calloc(1, sizeof(*p->routed));
    p->routed->pending = p;
    p->routed->call.on_done = routed_on_done;
    p->routed->call.request = p->request;
    p->routed->call.shard = p->shard;
    p->routed->call.deadline_ms = env_now_ms(service->env) + ROUTE_MS;
    router_send(service->router, &p->routed->call);
}

/* -- coming in ----------------------------------------------------------------------------- */

/* Does the operation name a key, from which its shard follows? */
static bool has_key(enum kv_kind kind)
{
    return (kind <= KV_TAKE && kind != KV_SCAN) || kv_is_lock(kind);
}

/* A prefix of plain keys: they are in every shard, and the check is of those in this one. */
static bool spans_shards(const struct kv_op *check)
{
    return (check->flags & KV_PREFIX_EMPTY) && check->space == KV_PLAIN;
}

/* A participant that is nowhere could never be asked, and the locks of the others would stay. */
static bool are_shards(const struct kv_number *numbers, size_t count, uint32_t shard_count)
{
    for (size_t i = 0; i < count; i++)
        if (numbers[i].shard >= shard_count)
            return false;
    return true;
}

/* Does every key belong to the shard that the request names? */
static bool belongs(const struct kv_machine *machine, const struct kv_op *op, uint32_t shard)
{
    uint32_t count = shards_count(machine->shards);
    enum routing routing = shards_routing(machine->shards);
    if (op->kind == KV_MINI || op->kind == KV_PREPARE) {
        for (size_t i = 0; i < op->check_count; i++)
            if (!spans_shards(&op->checks[i]) && !belongs(machine, &op->checks[i], shard))
                return false;
        for (size_t i = 0; i < op->op_count; i++)
            if (!belongs(machine, &op->ops[i], shard))
                return false;
        return shard < count && are_shards(op->numbers, op->number_count, count);
    }
    for (size_t i = 0; i < op->number_count; i++)
        if (op->numbers[i].shard != shard)
            return false;
    bool routes = has_key(op->kind) ||
                  (op->kind == KV_SCAN && op->space == KV_INTERNAL && op->shard_count == 0);
    return shard < count && (!routes || kv_op_shard(op, routing, count) == shard);
}

/* The machine that the request is for; where it names no group, one that serves its shard. */
static struct kv_machine *find_machine(struct shardkv *service, const struct kv_request *request)
{
    struct shard_copy copy;
    if (request->target.gid != 0)
        return service_find(service, request->target.gid);
    for (struct kv_machine *machine = service->machines; machine != NULL; machine = machine->next)
        if (machine_serves(machine, request->target.shard, &copy))
            return machine;
    return NULL;
}

static void find_shard(struct shardkv *service, struct kv_request *request)
{
    const struct kv_machine *machine = service->machines;
    if (request->target.shard == KV_SHARD_OF_KEY && machine != NULL && machine->shards != NULL)
        request->target.shard = kv_op_shard(&request->op, shards_routing(machine->shards),
                                            shards_count(machine->shards));
}

static bool is_too_much(const struct shardkv *service, const struct kv_request *request)
{
    if (kv_is_of_txn(request->op.kind))
        return false;
    return service->pending_count >= service->limits.pending_max ||
           service->pending_bytes + op_bytes(&request->op) > SERVICE_PENDING_BYTES_MAX;
}

static void serve_at(struct shardkv *service, struct rpc_request *rpc, struct kv_machine *machine,
                     struct kv_request *request)
{
    uint64_t identity = request->target.group_identity;
    if (machine->shards == NULL)
        answer_status(rpc, machine, SF_NOT_LEADER);
    else if (identity != 0 && identity != replica_group_identity(machine->base.replica))
        answer_status(rpc, machine, SF_WRONG_GROUP);
    else if (!belongs(machine, &request->op, request->target.shard))
        rpc_reply_error(rpc, SF_INVALID, "a key does not belong to the shard that is named");
    else if (!replica_leads(machine->base.replica) && request->target.gid == 0)
        route(service, rpc, request);
    else if (!replica_leads(machine->base.replica))
        pass_on(service, rpc, machine, request);
    else if (kv_is_read(request->op.kind))
        start_read(service, rpc, machine, request);
    else
        start_write(service, rpc, machine, request);
}

void pending_serve(struct shardkv *service, struct rpc_request *rpc, struct kv_request *request)
{
    if (is_too_much(service, request)) {
        SF_MARK("shardkv: refused as OVERLOADED");
        answer_status(rpc, NULL, SF_OVERLOADED);
        return;
    }
    find_shard(service, request);
    struct kv_machine *machine = find_machine(service, request);
    if (machine != NULL)
        serve_at(service, rpc, machine, request);
    else if (request->target.gid == 0 && request->target.shard != KV_SHARD_OF_KEY)
        route(service, rpc, request);
    else
        answer_status(rpc, NULL, SF_WRONG_GROUP);
}

/* -- ending early -------------------------------------------------------------------------- */

static void cancel(struct pending *p)
{
    switch (p->state) {
    case PENDING_READING:
        replica_read_forget(&p->way.read);
        break;
    case PENDING_WRITING:
        replica_proposal_forget(&p->way.proposal);
        break;
    case PENDING_PASSED:
        rpc_call_cancel(&p->way.call);
        break;
    case PENDING_ROUTED:
        if (p->routed != NULL)
            router_cancel(&p->routed->call);
        break;
    case PENDING_WAITING:
    case PENDING_RETRYING:
    case PENDING_PARKED:
    case PENDING_DRAINING:
        break; /* pending_free ends these */
    }
}

/* Does it stand in this shard, with nothing of it in the log? */
static bool stands_in(const struct pending *p, uint32_t shard)
{
    if (p->state == PENDING_WAITING)
        return p->waiter.shard == shard;
    return p->shard == shard && (p->state == PENDING_READING || p->state == PENDING_RETRYING ||
                                 p->state == PENDING_PARKED || p->state == PENDING_DRAINING);
}

void pending_shard_lost(struct shardkv *service, struct kv_machine *machine, uint32_t shard)
{
    struct pending *p, *next;
    DL_FOREACH_SAFE(service->pending, p, next)
    {
        if (p->machine != machine || !stands_in(p, shard))
            continue;
        SF_MARK("shardkv: shard lost under a read that waits");
        cancel(p);
        pending_finish(p, SF_WRONG_GROUP);
    }
    pending_hold_end_shard(machine, shard);
}

void pending_forget(struct shardkv *service, const struct kv_machine *machine)
{
    struct pending *p, *next;
    DL_FOREACH_SAFE(service->pending, p, next)
    {
        if (machine != NULL && p->machine != machine)
            continue;
        cancel(p);
        pending_free(p);
    }
    for (struct kv_machine *one = service->machines; one != NULL; one = one->next)
        if (machine == NULL || one == machine)
            pending_hold_end_all(one);
}
