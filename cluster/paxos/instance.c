#include "paxos/instance.h"

#include "consensus/quorum.h"

void answer_deinit(struct answer *answer)
{
    payload_unref(answer->value);
    *answer = (struct answer){0};
}

void instance_init(struct instance *instance, int64_t seq)
{
    *instance = (struct instance){.seq = seq};
}

static void attempt_end(struct attempt *attempt)
{
    payload_unref(attempt->own);
    proposal_deinit(&attempt->found);
    *attempt = (struct attempt){.state = ATTEMPT_NONE};
}

void instance_deinit(struct instance *instance)
{
    attempt_end(&instance->attempt);
    proposal_deinit(&instance->accepted);
    payload_unref(instance->decided);
    instance->decided = NULL;
}

static size_t bytes_of(const struct payload *payload)
{
    return payload != NULL ? payload->bytes : 0;
}

size_t instance_bytes(const struct instance *instance)
{
    return bytes_of(instance->accepted.value) + bytes_of(instance->decided) +
           bytes_of(instance->attempt.own) + bytes_of(instance->attempt.found.value);
}

/* -- the acceptor -------------------------------------------------------------------------- */

static void hear(struct instance *instance, uint64_t ballot)
{
    if (instance->ballot_heard < ballot)
        instance->ballot_heard = ballot;
}

static struct answer decided(const struct instance *instance)
{
    return (struct answer){.verdict = VERDICT_DECIDED, .value = payload_ref(instance->decided)};
}

static struct answer refusal(const struct instance *instance)
{
    return (struct answer){.verdict = VERDICT_NO, .ballot = instance->acceptor.promised};
}

struct answer instance_prepare(struct instance *instance, uint64_t ballot, bool *changed)
{
    *changed = false;
    if (instance->decided != NULL)
        return decided(instance);
    enum promise promise = acceptor_hear(&instance->acceptor, ballot);
    if (promise == PROMISE_REFUSED)
        return refusal(instance);
    *changed = promise == PROMISE_RAISED;
    hear(instance, ballot);
    struct answer answer = {.verdict = VERDICT_YES, .ballot = instance->accepted.ballot};
    if (answer.ballot != 0)
        answer.value = payload_ref(instance->accepted.value);
    return answer;
}

struct answer instance_accept(struct instance *instance, uint64_t ballot, struct payload *value,
                              bool *changed)
{
    *changed = false;
    if (instance->decided != NULL)
        return decided(instance);
    if (acceptor_hear(&instance->acceptor, ballot) == PROMISE_REFUSED)
        return refusal(instance);
    *changed = instance->accepted.ballot < ballot;
    hear(instance, ballot);
    proposal_find(&instance->accepted, ballot, value);
    return (struct answer){.verdict = VERDICT_YES};
}

bool instance_learn(struct instance *instance, struct payload *value)
{
    if (instance->decided != NULL)
        return false;
    /* What was accepted mostly is the very same: then one copy is enough. */
    bool same = instance->accepted.ballot != 0 &&
                slice_equal(payload_slice(value), payload_slice(instance->accepted.value));
    instance->decided = payload_ref(same ? instance->accepted.value : value);
    proposal_deinit(&instance->accepted);
    attempt_end(&instance->attempt);
    return true;
}

/* -- the proposer -------------------------------------------------------------------------- */

bool instance_propose(struct instance *instance, struct payload *value)
{
    if (instance->decided != NULL || instance->attempt.state != ATTEMPT_NONE)
        return false;
    instance->attempt = (struct attempt){.state = ATTEMPT_RESTING, .own = payload_ref(value)};
    return true;
}

static void enter(struct attempt *attempt, enum attempt_state state)
{
    attempt->state = state;
    attempt->yes = 0;
    attempt->no = 0;
    attempt->silent = 0;
}

void attempt_begin(struct instance *instance, replica_id owner)
{
    struct attempt *attempt = &instance->attempt;
    sf_assert(attempt->state == ATTEMPT_RESTING);
    enter(attempt, ATTEMPT_PROMISING);
    attempt->ballot = ballot_above(instance->ballot_heard, owner);
    proposal_deinit(&attempt->found);
    hear(instance, attempt->ballot);
}

void attempt_prepare(struct instance *instance)
{
    sf_assert(instance->attempt.state == ATTEMPT_PROMISING);
    enter(&instance->attempt, ATTEMPT_PREPARING);
}

struct payload *attempt_value(const struct instance *instance)
{
    const struct attempt *attempt = &instance->attempt;
    return attempt->found.ballot != 0 ? attempt->found.value : attempt->own;
}

static size_t bits_in(uint32_t bits)
{
    size_t count = 0;
    for (; bits != 0; bits &= bits - 1)
        count++;
    return count;
}

static enum attempt_step conclude(struct attempt *attempt, size_t count)
{
    if (bits_in(attempt->no) > count - quorum_size(count)) {
        attempt->failures++;
        attempt->silences += attempt->silent != 0;
        enter(attempt, ATTEMPT_RESTING);
        return ATTEMPT_FAILS;
    }
    if (bits_in(attempt->yes) < quorum_size(count))
        return ATTEMPT_WAITS;
    if (attempt->state == ATTEMPT_ACCEPTING)
        return ATTEMPT_WINS;
    enter(attempt, ATTEMPT_ACCEPTING);
    return ATTEMPT_ACCEPTS;
}

enum attempt_step attempt_note(struct instance *instance, bool to_prepare, uint64_t ballot,
                               size_t from, size_t count, const struct answer *answer)
{
    struct attempt *attempt = &instance->attempt;
    enum attempt_state phase = to_prepare ? ATTEMPT_PREPARING : ATTEMPT_ACCEPTING;
    if (answer != NULL && answer->verdict == VERDICT_NO)
        hear(instance, answer->ballot);
    if (attempt->state != phase || attempt->ballot != ballot)
        return ATTEMPT_WAITS;
    uint32_t bit = 1u << from;
    if (answer == NULL || answer->verdict != VERDICT_YES) {
        attempt->no |= bit;
        attempt->silent |= answer == NULL ? bit : 0;
    } else {
        attempt->yes |= bit;
        if (to_prepare && answer->ballot != 0)
            proposal_find(&attempt->found, answer->ballot, answer->value);
    }
    return conclude(attempt, count);
}
