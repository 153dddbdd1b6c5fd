/* Requests and answers of the Paxos library, in a set of three. */
#include "fuzz/fuzz_codec.h"
#include "paxos/exchange.h"

#define MEMBERS 3u

static int request_again(const msgpack_object *object, enum ask ask, struct buffer *b)
{
    struct request request;
    int status = request_unpack(object, ask, MEMBERS, &request);
    if (status == SF_OK) {
        request_pack(b, &request);
        payload_unref(request.value);
    }
    return status;
}

static int answer_again(const msgpack_object *object, struct buffer *b)
{
    struct answer answer;
    struct done done;
    int status = answer_unpack(object, MEMBERS, &answer, &done);
    if (status == SF_OK) {
        answer_pack(b, &answer, &done);
        answer_deinit(&answer);
    }
    return status;
}

/* As whatever it is. */
static int again(struct cursor *c, struct buffer *b)
{
    if (unpack_left(c) == 0)
        return SF_PROTOCOL;
    const msgpack_object *object = c->at;
    unpack_skip(c);
    int status = answer_again(object, b);
    for (enum ask ask = ASK_PREPARE; status != SF_OK && ask < ASK_LIMIT; ask++)
        status = request_again(object, ask, b);
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    fuzz_codec(slice_of(bytes, n), again);
    return 0;
}

static void sample_done(struct sample *s, struct done *done)
{
    *done = (struct done){.count = MEMBERS};
    for (size_t i = 0; i < MEMBERS; i++)
        done->of[i] = (int64_t)(sample_length_of_bits(s) % (uint64_t)PAXOS_SEQ_MAX) - 1;
}

static void seed_request(struct sample *s, struct buffer *b, struct payload *value)
{
    enum ask ask = (enum ask)sample_below(s, ASK_LIMIT);
    uint32_t from = (uint32_t)sample_below(s, MEMBERS);
    struct request request = {.ask = ask,
                              .seq = (int64_t)sample_below(s, 1000),
                              .from = from,
                              .to = (from + 1) % MEMBERS,
                              .value = ask == ASK_PREPARE ? NULL : value};
    if (ask != ASK_DECIDED)
        request.ballot = (1 + sample_below(s, 1000)) * BALLOT_OWNERS + from + 1;
    sample_done(s, &request.done);
    request_pack(b, &request);
}

static void seed_answer(struct sample *s, struct buffer *b, struct payload *value)
{
    static const enum verdict verdicts[] = {VERDICT_YES, VERDICT_NO, VERDICT_DECIDED,
                                            VERDICT_FORGOTTEN};
    struct answer answer = {.verdict = verdicts[sample_below(s, 4)]};
    struct done done;
    bool has_found = answer.verdict == VERDICT_YES && sample_below(s, 2) == 0;
    if (answer.verdict == VERDICT_NO || has_found)
        answer.ballot = 1 + sample_below(s, 1000);
    if (answer.verdict == VERDICT_DECIDED || has_found)
        answer.value = value;
    sample_done(s, &done);
    answer_pack(b, &answer, &done);
}

void fuzz_seed(struct sample *s, struct buffer *b)
{
    struct payload *value = payload_new(sample_bytes(s, 200));
    pack_array(b, 1);
    if (sample_below(s, 2) == 0)
        seed_request(s, b, value);
    else
        seed_answer(s, b, value);
    payload_unref(value);
}
