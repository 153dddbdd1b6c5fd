/* The pure parts of the Paxos library: one instance, and the messages. */
#include "env/cmocka_all.h"

#include <stdlib.h>
#include <string.h>

#include "paxos/exchange.h"

#define MEMBERS 5u
#define SELF 0u

/* -- an instance --------------------------------------------------------------------------- */

/* Rests after these; the payload stays the caller's. */
static struct payload *begin(struct instance *instance, const char *own)
{
    struct payload *value = payload_new(slice_str(own));
    instance_init(instance, 0);
    assert_true(instance_propose(instance, value));
    return value;
}

/* Up to PREPARING, the own promise given. Returns the ballot. */
static uint64_t prepare(struct instance *instance)
{
    bool changed;
    attempt_begin(instance, SELF + 1);
    uint64_t ballot = instance->attempt.ballot;
    struct answer own = instance_prepare(instance, ballot, &changed);
    assert_int_equal(own.verdict, VERDICT_YES);
    assert_true(changed);
    attempt_prepare(instance);
    assert_int_equal(attempt_note(instance, true, ballot, SELF, MEMBERS, &own), ATTEMPT_WAITS);
    answer_deinit(&own);
    return ballot;
}

static enum attempt_step hears(struct instance *instance, bool to_prepare, uint64_t ballot,
                               size_t from, struct answer answer)
{
    return attempt_note(instance, to_prepare, ballot, from, MEMBERS, &answer);
}

static const struct answer yes = {.verdict = VERDICT_YES};

static void finish(struct instance *instance, struct payload *value)
{
    instance_deinit(instance);
    payload_unref(value);
}

static void a_majority_of_promises_and_acceptances_decides(void **state)
{
    struct instance i;
    (void)state;
    struct payload *value = begin(&i, "v");
    uint64_t ballot = prepare(&i);
    assert_int_equal(hears(&i, true, ballot, 1, yes), ATTEMPT_WAITS);
    assert_int_equal(hears(&i, true, ballot, 1, yes), ATTEMPT_WAITS); /* doubled */
    assert_int_equal(hears(&i, true, ballot, 2, yes), ATTEMPT_ACCEPTS);
    assert_int_equal(hears(&i, true, ballot, 3, yes), ATTEMPT_WAITS); /* late: no acceptance */
    assert_int_equal(hears(&i, false, ballot, 1, yes), ATTEMPT_WAITS);
    assert_int_equal(hears(&i, false, ballot, 2, yes), ATTEMPT_WAITS);
    assert_int_equal(hears(&i, false, ballot, 4, yes), ATTEMPT_WINS);
    assert_ptr_equal(attempt_value(&i), value);
    finish(&i, value);
}

static void answers_of_an_earlier_ballot_count_for_nothing(void **state)
{
    struct instance i;
    const struct answer no = {.verdict = VERDICT_NO, .ballot = 7 * BALLOT_OWNERS + 3};
    (void)state;
    struct payload *value = begin(&i, "v");
    uint64_t first = prepare(&i);
    assert_int_equal(hears(&i, true, first, 1, no), ATTEMPT_WAITS);
    assert_int_equal(hears(&i, true, first, 2, no), ATTEMPT_WAITS);
    assert_int_equal(hears(&i, true, first, 3, no), ATTEMPT_FAILS);
    uint64_t second = prepare(&i);
    assert_true(second > no.ballot); /* the refusal said which */
    for (size_t from = 1; from < MEMBERS; from++)
        assert_int_equal(hears(&i, true, first, from, yes), ATTEMPT_WAITS);
    assert_int_equal(i.attempt.state, ATTEMPT_PREPARING);
    finish(&i, value);
}

static void silence_of_a_majority_ends_an_attempt(void **state)
{
    struct instance i;
    (void)state;
    struct payload *value = begin(&i, "v");
    uint64_t ballot = prepare(&i);
    assert_int_equal(attempt_note(&i, true, ballot, 1, MEMBERS, NULL), ATTEMPT_WAITS);
    assert_int_equal(attempt_note(&i, true, ballot, 2, MEMBERS, NULL), ATTEMPT_WAITS);
    assert_int_equal(attempt_note(&i, true, ballot, 3, MEMBERS, NULL), ATTEMPT_FAILS);
    assert_int_equal(i.attempt.state, ATTEMPT_RESTING);
    assert_int_equal(i.attempt.failures, 1);
    finish(&i, value);
}

static void the_value_of_the_highest_ballot_is_proposed(void **state)
{
    struct instance i;
    struct payload *older = payload_new(slice_str("older"));
    struct payload *newer = payload_new(slice_str("newer"));
    (void)state;
    struct payload *value = begin(&i, "v");
    i.ballot_heard = 9 * BALLOT_OWNERS;
    uint64_t ballot = prepare(&i);
    hears(&i, true, ballot, 1, (struct answer){VERDICT_YES, 5 * BALLOT_OWNERS + 2, newer});
    hears(&i, true, ballot, 2, (struct answer){VERDICT_YES, 4 * BALLOT_OWNERS + 3, older});
    assert_int_equal(i.attempt.state, ATTEMPT_ACCEPTING);
    assert_ptr_equal(attempt_value(&i), newer);
    finish(&i, value);
    payload_unref(older);
    payload_unref(newer);
}

static void what_is_accepted_and_decided_is_held_once(void **state)
{
    struct instance i;
    bool changed;
    struct payload *first = payload_new(slice_str("the same")), *second;
    (void)state;
    second = payload_new(slice_str("the same"));
    instance_init(&i, 0);
    struct answer answer = instance_accept(&i, 3, first, &changed);
    answer_deinit(&answer);
    assert_true(instance_learn(&i, second));
    assert_ptr_equal(i.decided, first);
    assert_int_equal(instance_bytes(&i), strlen("the same"));
    assert_false(instance_learn(&i, second));
    assert_false(instance_propose(&i, second)); /* it is decided */
    finish(&i, first);
    payload_unref(second);
}

/* -- messages ------------------------------------------------------------------------------ */

static const struct done nobody_is_done = {.of = {-1, 0, PAXOS_SEQ_MAX}, .count = 3};

static struct request sample_request(enum ask ask, struct payload *value)
{
    return (struct request){.ask = ask,
                            .seq = 300,
                            .ballot = ask == ASK_DECIDED ? 0 : 70 * BALLOT_OWNERS + 2,
                            .from = 1,
                            .to = 2,
                            .value = ask == ASK_PREPARE ? NULL : value,
                            .done = nobody_is_done};
}

static int read_request(struct slice bytes, enum ask ask, struct buffer *again)
{
    struct unpacked u = {0};
    struct request request;
    int status = unpack_open(bytes, &u);
    if (status == SF_OK)
        status = request_unpack(&u.root, ask, 3, &request);
    if (status == SF_OK) {
        request_pack(again, &request);
        payload_unref(request.value);
    }
    unpack_close(&u);
    return status;
}

static int read_answer(struct slice bytes, struct buffer *again)
{
    struct unpacked u = {0};
    struct answer answer;
    struct done done;
    int status = unpack_open(bytes, &u);
    if (status == SF_OK)
        status = answer_unpack(&u.root, 3, &answer, &done);
    if (status == SF_OK) {
        answer_pack(again, &answer, &done);
        answer_deinit(&answer);
    }
    unpack_close(&u);
    return status;
}

static void messages_survive_the_wire_and_no_cut(void **state)
{
    struct payload *value = payload_new(slice_str("some bytes"));
    (void)state;
    for (enum ask ask = ASK_PREPARE; ask < ASK_LIMIT; ask++) {
        struct buffer b = {0}, again = {0};
        const struct request request = sample_request(ask, value);
        request_pack(&b, &request);
        assert_int_equal(read_request(buffer_slice(&b), ask, &again), SF_OK);
        assert_true(slice_equal(buffer_slice(&b), buffer_slice(&again)));
        for (size_t n = 0; n < b.n; n++)
            assert_int_not_equal(read_request(slice_of(b.p, n), ask, &again), SF_OK);
        for (enum ask other = ASK_PREPARE; other < ASK_LIMIT; other++)
            assert_true(other == ask || read_request(buffer_slice(&b), other, &again) != SF_OK);
        buffer_deinit(&b);
        buffer_deinit(&again);
    }
    payload_unref(value);
}

static void answers_survive_the_wire_and_no_cut(void **state)
{
    struct payload *value = payload_new(slice_str(""));
    const struct answer answers[] = {{VERDICT_YES, 0, NULL},
                                     {VERDICT_YES, 18, value},
                                     {VERDICT_NO, 18, NULL},
                                     {VERDICT_DECIDED, 0, value},
                                     {VERDICT_FORGOTTEN, 0, NULL}};
    (void)state;
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        struct buffer b = {0}, again = {0};
        answer_pack(&b, &answers[i], &nobody_is_done);
        assert_int_equal(read_answer(buffer_slice(&b), &again), SF_OK);
        assert_true(slice_equal(buffer_slice(&b), buffer_slice(&again)));
        for (size_t n = 0; n < b.n; n++)
            assert_int_not_equal(read_answer(slice_of(b.p, n), &again), SF_OK);
        buffer_deinit(&b);
        buffer_deinit(&again);
    }
    payload_unref(value);
}

static void requests_that_nobody_sends_are_refused(void **state)
{
    struct payload *value = payload_new(slice_str("v"));
    struct payload *too_long = payload_alloc(PAXOS_VALUE_BYTES_MAX + 1);
    (void)state;
    memset(too_long->data, 'x', too_long->bytes);
    struct request bad[9];
    for (size_t i = 0; i < 9; i++)
        bad[i] = sample_request(ASK_ACCEPT, value);
    bad[0].ballot++;   /* another one's */
    bad[1].ballot = 0; /* nobody's */
    bad[2].ballot = UINT64_MAX / BALLOT_OWNERS * BALLOT_OWNERS - BALLOT_OWNERS + 2;
    bad[3].seq = -1;
    bad[4].seq = PAXOS_SEQ_MAX + 1;
    bad[5].from = 2; /* itself */
    bad[5].ballot++;
    bad[6].to = 3;
    bad[7].value = NULL;
    bad[8].value = too_long;
    for (size_t i = 0; i < 9; i++) {
        struct buffer b = {0}, again = {0};
        request_pack(&b, &bad[i]);
        assert_int_equal(read_request(buffer_slice(&b), ASK_ACCEPT, &again), SF_PROTOCOL);
        buffer_deinit(&b);
    }
    payload_unref(value);
    payload_unref(too_long);
}

static void done_is_of_every_member(void **state)
{
    (void)state;
    for (size_t count = 2; count <= 4; count++) {
        struct buffer b = {0}, again = {0};
        struct request request = sample_request(ASK_PREPARE, NULL);
        request.done.count = count;
        request_pack(&b, &request);
        int status = read_request(buffer_slice(&b), ASK_PREPARE, &again);
        assert_int_equal(status, count == 3 ? SF_OK : SF_PROTOCOL);
        buffer_deinit(&b);
        buffer_deinit(&again);
    }
}

static void answers_that_nobody_gives_are_refused(void **state)
{
    struct payload *value = payload_new(slice_str("v"));
    const struct answer answers[] = {{VERDICT_YES, 18, NULL},     {VERDICT_YES, 0, value},
                                     {VERDICT_NO, 0, NULL},       {VERDICT_NO, 18, value},
                                     {VERDICT_DECIDED, 18, NULL}, {VERDICT_FORGOTTEN, 0, value},
                                     {(enum verdict)0, 0, NULL},  {(enum verdict)5, 0, NULL}};
    (void)state;
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        struct buffer b = {0}, again = {0};
        answer_pack(&b, &answers[i], &nobody_is_done);
        assert_int_equal(read_answer(buffer_slice(&b), &again), SF_PROTOCOL);
        buffer_deinit(&b);
    }
    payload_unref(value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_majority_of_promises_and_acceptances_decides),
        cmocka_unit_test(answers_of_an_earlier_ballot_count_for_nothing),
        cmocka_unit_test(silence_of_a_majority_ends_an_attempt),
        cmocka_unit_test(the_value_of_the_highest_ballot_is_proposed),
        cmocka_unit_test(what_is_accepted_and_decided_is_held_once),
        cmocka_unit_test(messages_survive_the_wire_and_no_cut),
        cmocka_unit_test(answers_survive_the_wire_and_no_cut),
        cmocka_unit_test(requests_that_nobody_sends_are_refused),
        cmocka_unit_test(done_is_of_every_member),
        cmocka_unit_test(answers_that_nobody_gives_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
