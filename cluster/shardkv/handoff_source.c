/* The answers to other groups' leaders. What they rest on, and why they are final, is in handoff.h;
 * what each question gets is shards_answer.c's.
 *
 * The happy path of a question that needs an entry (give, settle) is: propose -> applied ->
 * answered from the table. It can fail by: not the leader (NOT_LEADER, who leads), or not any more.
 */
#include "shardkv/handoff_inside.h"

#include <stdlib.h>
#include <utlist.h>

#include "env/memory.h"

#define CHUNK_BYTES_MAX (1u << 20)

/* What every question says. */
struct question {
    struct handoff *handoff; /* of the group that is asked */
    uint32_t shard;
    uint64_t lost;
    struct taker taker;
};

static void put_status(struct buffer *result, size_t more, int status, const char *leader)
{
    rpc_begin_reply(result);
    pack_array(result, 2 + more);
    pack_i64(result, status);
    pack_str(result, leader);
}

static void reply_status(struct rpc_request *request, int status, const struct handoff *handoff)
{
    struct buffer result = {0};
    bool elsewhere = status == SF_NOT_LEADER && handoff->replica;
    put_status(&result, 0, status, elsewhere ? replica_leader_address(handoff->replica) : "");
    rpc_reply(request, &result);
}

/* Reads what every question says, and finds who is asked. False: it was answered. */
static bool open_question(const struct handoff_hosts *hosts, struct rpc_request *request,
                          struct cursor *params, struct question *question)
{
    group_id gid = unpack_u64(params, UINT64_MAX);
    uint64_t identity = unpack_u64(params, UINT64_MAX);
    question->shard = (uint32_t)unpack_u64(params, SF_SHARDS_MAX - 1);
    question->lost = unpack_u64(params, UINT64_MAX);
    question->taker.gid = unpack_u64(params, UINT64_MAX);
    question->taker.identity = unpack_u64(params, UINT64_MAX);
    question->taker.gained = unpack_u64(params, UINT64_MAX);
    if (!unpack_ok(params)) {
        rpc_reply_error(request, SF_PROTOCOL, NULL);
        return false;
    }
    struct handoff *handoff = hosts->find(hosts->ctx, gid);
    question->handoff = handoff;
    if (!handoff || !handoff->replica || handoff->shards->options.group_identity != identity)
        rpc_reply_error(request, SF_MISMATCH, "this process hosts no such group");
    else if (!handoff->leads)
        reply_status(request, SF_NOT_LEADER, handoff);
    else
        return true;
    return false;
}

/* -- pull ---------------------------------------------------------------------------------- */

static void reply_chunk(struct rpc_request *request, const struct question *question,
                        const struct row *row, struct slice cursor, size_t bytes_max)
{
    struct buffer pairs = {0}, to = {0}, result = {0};
    bool last = false;
    const struct space *space = replica_space(question->handoff->replica);
    int status = copy_read(space, row, cursor, bytes_max, &pairs, &to, &last);
    if (status == SF_OK) {
        put_status(&result, 4, SF_OK, "");
        pack_u64(&result, row->lost);
        pack_bool(&result, last);
        pack_bin(&result, buffer_slice(&to));
        pack_bin(&result, buffer_slice(&pairs));
        rpc_reply(request, &result);
    } else {
        reply_status(request, status, question->handoff);
    }
    buffer_deinit(&pairs);
    buffer_deinit(&to);
}

static void on_pull(void *ctx, struct rpc_request *request, const msgpack_object *params)
{
    struct question question;
    struct cursor c = unpack_object(params);
    if (!open_question(ctx, request, &c, &question))
        return;
    struct slice cursor = unpack_bin(&c, STORE_KEY_BYTES_MAX);
    uint64_t bytes_max = unpack_u64(&c, UINT32_MAX);
    if (!unpack_done(&c)) {
        rpc_reply_error(request, SF_PROTOCOL, NULL);
        return;
    }
    if (bytes_max > CHUNK_BYTES_MAX)
        bytes_max = CHUNK_BYTES_MAX;
    const struct row *row = NULL;
    int status = shards_answer_pull(question.handoff->shards, question.shard, question.lost, &row);
    if (status == SF_OK)
        reply_chunk(request, &question, row, cursor, bytes_max);
    else
        reply_status(request, status, question.handoff);
}

/* -- questions that need an entry ---------------------------------------------------------- */

static void answer_free(struct answer *answer)
{
    replica_proposal_forget(&answer->proposal);
    DL_DELETE(answer->handoff->answers, answer);
    free(answer);
}

/* The answer as of now; *log: an entry must be logged first. */
static int look_up(const struct answer *answer, bool *log)
{
    const struct shards *shards = answer->handoff->shards;
    if (answer->settled)
        return shards_answer_settled(shards, answer->shard, answer->lost, log);
    return shards_answer_custody(shards, answer->shard, answer->lost, &answer->taker, log);
}

static void on_logged(struct replica_proposal *proposal, int status, struct slice reply)
{
    struct answer *answer = container_of(proposal, struct answer, proposal);
    bool log;
    (void)reply;
    if (status == SF_OK)
        status = look_up(answer, &log);
    reply_status(answer->request, status, answer->handoff);
    answer_free(answer);
}

static int propose(struct answer *answer)
{
    struct buffer body = {0};
    if (answer->settled)
        entry_put_settle(&body, answer->shard, answer->lost);
    else
        entry_put_give(&body, answer->shard, answer->lost, &answer->taker);
    answer->proposal.on_done = on_logged;
    int status = replica_propose(answer->handoff->replica, buffer_slice(&body), &answer->proposal);
    buffer_deinit(&body);
    return status;
}

static void serve(const struct handoff_hosts *hosts, struct rpc_request *request,
                  const msgpack_object *params, bool settled)
{
    struct question question;
    struct cursor c = unpack_object(params);
    if (!open_question(hosts, request, &c, &question))
        return;
    if (!unpack_done(&c)) {
        rpc_reply_error(request, SF_PROTOCOL, NULL);
        return;
    }
    struct answer *answer = sf_calloc(1, sizeof *answer);
    answer->handoff = question.handoff;
    answer->request = request;
    answer->settled = settled;
    answer->shard = question.shard;
    answer->lost = question.lost;
    answer->taker = question.taker;
    DL_APPEND(question.handoff->answers, answer);
    bool log = false;
    int status = look_up(answer, &log);
    if (log)
        status = propose(answer);
    if (!log || status != SF_OK) {
        reply_status(request, status, question.handoff);
        answer_free(answer);
    }
}

static void on_custody(void *ctx, struct rpc_request *request, const msgpack_object *params)
{
    serve(ctx, request, params, false);
}

static void on_settled(void *ctx, struct rpc_request *request, const msgpack_object *params)
{
    serve(ctx, request, params, true);
}

/* -- life ---------------------------------------------------------------------------------- */

void answers_end(struct handoff *handoff, bool reply)
{
    struct answer *answer, *next;
    DL_FOREACH_SAFE(handoff->answers, answer, next)
    {
        if (reply)
            reply_status(answer->request, SF_NOT_LEADER, handoff);
        answer_free(answer);
    }
}

void handoff_serve(struct rpc *rpc, struct handoff_hosts *hosts)
{
    rpc_on_request(rpc, "shard.pull", on_pull, hosts);
    rpc_on_request(rpc, "shard.custody", on_custody, hosts);
    rpc_on_request(rpc, "shard.settled", on_settled, hosts);
}
