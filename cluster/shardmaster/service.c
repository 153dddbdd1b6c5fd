/* service: the four methods.
 *
 * The happy path of an operation is: decoded -> proposed as it came -> applied -> the machine's
 * reply. Of a query: a barrier -> the Config from the store. They can fail by: this replica does
 * not lead (then it passes them on, where that is asked for and the leader is known), or is
 * overloaded, or full.
 */
#include <stdlib.h>
#include <utlist.h>

#include "env/memory.h"
#include "shardmaster/inside.h"

#define PASS_ON_MS 5000u

/* A request that waits for its entry, its barrier, or the leader's answer. */
struct service_call {
    struct shardmaster *master;
    struct rpc_request *request;
    struct replica_proposal proposal;
    struct replica_read read;
    struct rpc_call passed;
    int64_t num; /* of a query */
    struct service_call *prev, *next;
};

static struct service_call *call_new(struct shardmaster *m, struct rpc_request *request)
{
    struct service_call *call = sf_calloc(1, sizeof *call);
    call->master = m;
    call->request = request;
    DL_APPEND(m->calls, call);
    return call;
}

static void call_free(struct service_call *call)
{
    rpc_call_cancel(&call->passed);
    DL_DELETE(call->master->calls, call);
    free(call);
}

void service_deinit(struct shardmaster *m)
{
    while (m->calls != NULL)
        call_free(m->calls);
}

/* -- answers ------------------------------------------------------------------------------- */

/* payload: one packed object; empty: nil. */
static void answer(struct shardmaster *m, struct rpc_request *request, int status,
                   struct slice payload)
{
    struct buffer result = {0};
    pack_array(&result, 3);
    pack_i64(&result, status);
    pack_str(&result, replica_leader_address(m->machine.replica));
    if (payload.n > 0)
        buffer_append(&result, payload.p, payload.n);
    else
        pack_nil(&result);
    rpc_reply(request, &result);
}

static void refuse(struct shardmaster *m, struct rpc_request *request, int status)
{
    answer(m, request, status, slice_of(NULL, 0));
}

static void answer_config(struct shardmaster *m, struct rpc_request *request, int64_t num)
{
    struct config *config = NULL;
    struct buffer payload = {0};
    int status = shardmaster_config(m, num, &config);
    if (status != SF_OK) {
        rpc_reply_error(request, status, "the Config cannot be read");
        return;
    }
    codec_pack_config(&payload, config);
    answer(m, request, SF_OK, buffer_slice(&payload));
    buffer_deinit(&payload);
    config_free(config);
}

/* -- passing on ---------------------------------------------------------------------------- */

static void on_passed(struct rpc_call *passed, int status, const msgpack_object *result)
{
    struct service_call *call = container_of(passed, struct service_call, passed);
    struct buffer relayed = {0};
    if (status == SF_OK) {
        pack_object(&relayed, result);
        rpc_reply(call->request, &relayed);
    } else {
        refuse(call->master, call->request, SF_NOT_LEADER);
    }
    call_free(call);
}

/* The optional last param: may it be passed on? */
static bool unpack_pass_on(struct cursor *c)
{
    return unpack_left(c) > 0 && unpack_bool(c);
}

/* To the leader, with the one param that it came with. False: it leads itself, or knows none. */
static bool pass_on(struct shardmaster *m, struct rpc_request *request, const char *method,
                    const msgpack_object *params)
{
    struct buffer once = {0};
    rpc_peer leader =
        replica_leads(m->machine.replica) ? 0 : replica_leader_way(m->machine.replica);
    if (leader == 0)
        return false;
    struct service_call *call = call_new(m, request);
    pack_array(&once, 1);
    pack_object(&once, &params->via.array.ptr[0]);
    rpc_call_start_peer(replica_rpc(m->machine.replica), &call->passed, leader, method, &once,
                        PASS_ON_MS, on_passed);
    return true;
}

/* -- queries ------------------------------------------------------------------------------- */

static void on_barrier(struct replica_read *read, int status)
{
    struct service_call *call = container_of(read, struct service_call, read);
    if (status == SF_OK)
        answer_config(call->master, call->request, call->num);
    else
        refuse(call->master, call->request, status);
    call_free(call);
}

static void on_query(void *ctx, struct rpc_request *request, const msgpack_object *params)
{
    struct shardmaster *m = ctx;
    struct cursor c = unpack_object(params);
    int64_t num = unpack_i64(&c);
    bool may_pass_on = unpack_pass_on(&c);
    if (!unpack_done(&c)) {
        rpc_reply_error(request, SF_PROTOCOL, "master.query has parameters [number, pass on]");
        return;
    }
    if (num >= 0 && (uint64_t)num <= m->newest->num) {
        answer_config(m, request, num);
        return;
    }
    if (may_pass_on && pass_on(m, request, "master.query", params))
        return;
    struct service_call *call = call_new(m, request);
    call->num = num;
    call->read.on_done = on_barrier;
    int status = replica_read(m->machine.replica, &call->read);
    if (status == SF_OK)
        return;
    refuse(m, request, status);
    call_free(call);
}

/* -- operations ---------------------------------------------------------------------------- */

static void on_applied(struct replica_proposal *proposal, int status, struct slice reply)
{
    struct service_call *call = container_of(proposal, struct service_call, proposal);
    answer(call->master, call->request, status, reply);
    call_free(call);
}

static void propose(struct shardmaster *m, struct rpc_request *request, const struct master_op *op)
{
    struct buffer body = {0};
    struct service_call *call = call_new(m, request);
    call->proposal.on_done = on_applied;
    pack_array(&body, 1);
    codec_pack_master_op(&body, op);
    int status = replica_admits(m->machine.replica);
    if (status == SF_OK)
        status = replica_propose(m->machine.replica, buffer_slice(&body), &call->proposal);
    buffer_deinit(&body);
    if (status == SF_OK)
        return;
    refuse(m, request, status);
    call_free(call);
}

static bool names_its_client(const struct master_op *op)
{
    return op->sequence > 0 || (op->client_hi == 0 && op->client_lo == 0);
}

static const char *method_of(enum master_kind kind)
{
    switch (kind) {
    case MASTER_JOIN:
        return "master.join";
    case MASTER_LEAVE:
        return "master.leave";
    case MASTER_MOVE:
        break;
    }
    return "master.move";
}

static void operate(struct shardmaster *m, struct rpc_request *request,
                    const msgpack_object *params, enum master_kind kind)
{
    struct master_op op;
    struct cursor c = unpack_object(params);
    int status = codec_unpack_master_op(&c, &op);
    if (status != SF_OK) {
        rpc_reply_error(request, status, "the parameters are not [operation, pass on]");
        return;
    }
    bool may_pass_on = unpack_pass_on(&c);
    if (!unpack_done(&c) || op.kind != kind || !names_its_client(&op))
        rpc_reply_error(request, SF_INVALID, "the operation is not one of this method");
    else if (!may_pass_on || !pass_on(m, request, method_of(kind), params))
        propose(m, request, &op);
    master_op_free(&op);
}

static void on_join(void *ctx, struct rpc_request *request, const msgpack_object *params)
{
    operate(ctx, request, params, MASTER_JOIN);
}

static void on_leave(void *ctx, struct rpc_request *request, const msgpack_object *params)
{
    operate(ctx, request, params, MASTER_LEAVE);
}

static void on_move(void *ctx, struct rpc_request *request, const msgpack_object *params)
{
    operate(ctx, request, params, MASTER_MOVE);
}

void shardmaster_serve(struct machine *machine)
{
    struct shardmaster *m = shardmaster_of(machine);
    struct rpc *rpc = replica_rpc(machine->replica);
    rpc_on_request(rpc, "master.query", on_query, m);
    rpc_on_request(rpc, method_of(MASTER_JOIN), on_join, m);
    rpc_on_request(rpc, method_of(MASTER_LEAVE), on_leave, m);
    rpc_on_request(rpc, method_of(MASTER_MOVE), on_move, m);
}
