#include "paxos/exchange.h"

#define BALLOT_MAX (UINT64_MAX >> 2) /* above it is no honest member's: room is left to go higher */

const char *ask_method(enum ask ask)
{
    static const char *const methods[ASK_LIMIT] = {"paxos.prepare", "paxos.accept",
                                                   "paxos.decided"};
    return methods[ask];
}

static void pack_value(struct buffer *b, const struct payload *value)
{
    if (value == NULL)
        pack_nil(b);
    else
        pack_bin(b, payload_slice(value));
}

/* NULL where there is none. */
static struct payload *unpack_value(struct cursor *c)
{
    if (unpack_is_nil(c)) {
        unpack_nil(c);
        return NULL;
    }
    struct slice bytes = unpack_bin(c, PAXOS_VALUE_BYTES_MAX);
    return unpack_ok(c) ? payload_new(bytes) : NULL;
}

static void pack_done(struct buffer *b, const struct done *done)
{
    pack_array(b, done->count);
    for (size_t i = 0; i < done->count; i++)
        pack_u64(b, (uint64_t)(done->of[i] + 1));
}

static void unpack_done_of(struct cursor *c, size_t count, struct done *out)
{
    struct cursor from = unpack_array(c, SF_REPLICAS_MAX);
    c->bad = c->bad || unpack_left(&from) != count;
    *out = (struct done){.count = count};
    for (size_t i = 0; unpack_ok(c) && i < count; i++)
        out->of[i] = (int64_t)unpack_u64(&from, (uint64_t)PAXOS_SEQ_MAX + 1) - 1;
    unpack_end(c, &from);
}

/* -- requests ------------------------------------------------------------------------------ */

void request_pack(struct buffer *b, const struct request *request)
{
    pack_array(b, 6);
    pack_u64(b, (uint64_t)request->seq);
    pack_u64(b, request->ballot);
    pack_u64(b, request->from);
    pack_u64(b, request->to);
    pack_value(b, request->value);
    pack_done(b, &request->done);
}

/* A ballot is its owner's; a value comes with all but a prepare. */
static bool request_is_sane(const struct request *request)
{
    bool has_ballot = request->ask != ASK_DECIDED;
    if ((request->value != NULL) != (request->ask != ASK_PREPARE) || request->from == request->to)
        return false;
    if (!has_ballot)
        return request->ballot == 0;
    return request->ballot != 0 && ballot_owner(request->ballot) == request->from + 1;
}

int request_unpack(const msgpack_object *params, enum ask ask, size_t count, struct request *out)
{
    struct cursor c = unpack_object(params);
    struct request request = {.ask = ask};
    request.seq = (int64_t)unpack_u64(&c, (uint64_t)PAXOS_SEQ_MAX);
    request.ballot = unpack_u64(&c, BALLOT_MAX);
    request.from = (uint32_t)unpack_u64(&c, count - 1);
    request.to = (uint32_t)unpack_u64(&c, count - 1);
    request.value = unpack_value(&c);
    unpack_done_of(&c, count, &request.done);
    if (!unpack_done(&c) || !request_is_sane(&request)) {
        payload_unref(request.value);
        return SF_PROTOCOL;
    }
    *out = request;
    return SF_OK;
}

/* -- answers ------------------------------------------------------------------------------- */

void answer_pack(struct buffer *b, const struct answer *answer, const struct done *done)
{
    pack_array(b, 4);
    pack_u64(b, answer->verdict);
    pack_u64(b, answer->ballot);
    pack_value(b, answer->value);
    pack_done(b, done);
}

static bool answer_is_sane(const struct answer *answer)
{
    switch (answer->verdict) {
    case VERDICT_YES:
        return (answer->value != NULL) == (answer->ballot != 0);
    case VERDICT_NO:
        return answer->ballot != 0 && answer->value == NULL;
    case VERDICT_DECIDED:
        return answer->value != NULL;
    case VERDICT_FORGOTTEN:
        return answer->value == NULL;
    }
    return false;
}

int answer_unpack(const msgpack_object *result, size_t count, struct answer *answer,
                  struct done *done)
{
    struct cursor c = unpack_object(result);
    struct answer got = {.verdict = (enum verdict)unpack_u64(&c, VERDICT_FORGOTTEN)};
    got.ballot = unpack_u64(&c, BALLOT_MAX);
    got.value = unpack_value(&c);
    unpack_done_of(&c, count, done);
    if (!unpack_done(&c) || !answer_is_sane(&got)) {
        answer_deinit(&got);
        return SF_PROTOCOL;
    }
    *answer = got;
    return SF_OK;
}
