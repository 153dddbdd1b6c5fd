#include "paxos/inside.h"

#include <stdio.h>
#include <string.h>

#include "env/memory.h"

/* -- agreements ---------------------------------------------------------------------------- */

struct agreement *member_find(const struct member *m, int64_t seq)
{
    struct agreement *a;
    HASH_FIND(hh, m->agreements, &seq, sizeof seq, a);
    return a;
}

struct agreement *member_hold(struct member *m, int64_t seq)
{
    struct agreement *a = member_find(m, seq);
    sf_assert(seq >= m->min);
    if (m->max < seq)
        m->max = seq;
    if (a != NULL)
        return a;
    a = sf_calloc(1, sizeof *a);
    a->member = m;
    instance_init(&a->instance, seq);
    attempts_init(a);
    records_init(a);
    HASH_ADD(hh, m->agreements, instance.seq, sizeof a->instance.seq, a);
    return a;
}

static void forget(struct agreement *a)
{
    struct member *m = a->member;
    HASH_DEL(m->agreements, a);
    attempts_deinit(a);
    records_forget(a);
    instance_deinit(&a->instance);
    free(a);
}

void member_learn(struct agreement *a, struct payload *value, uint32_t told)
{
    bool proposed = a->instance.attempt.state != ATTEMPT_NONE;
    if (a->instance.decided != NULL)
        return;
    records_decide(a, value);
    instance_learn(&a->instance, value);
    env_timer_stop(&a->rest);
    if (proposed)
        attempts_tell(a, told);
}

/* -- forgetting ---------------------------------------------------------------------------- */

static int64_t min_of(const struct done *done)
{
    int64_t min = PAXOS_SEQ_MAX + 1;
    for (size_t i = 0; i < done->count; i++) {
        if (done->of[i] + 1 < min)
            min = done->of[i] + 1;
    }
    return min;
}

/* Over those held or over the numbers between, whatever is less. */
static void forget_below(struct member *m, int64_t min)
{
    struct agreement *a, *next;
    if ((uint64_t)(min - m->min) > HASH_COUNT(m->agreements)) {
        HASH_ITER(hh, m->agreements, a, next)
        {
            if (a->instance.seq < min)
                forget(a);
        }
    } else {
        for (int64_t seq = m->min; seq < min; seq++) {
            a = member_find(m, seq);
            if (a != NULL)
                forget(a);
        }
    }
    m->min = min;
}

static void merge(struct done *into, const struct done *done)
{
    for (size_t i = 0; i < into->count; i++) {
        if (into->of[i] < done->of[i])
            into->of[i] = done->of[i];
    }
}

void member_restore_done(struct member *m, const struct done *done)
{
    merge(&m->done, done);
    forget_below(m, min_of(&m->done));
}

void member_hear_done(struct member *m, const struct done *done)
{
    merge(&m->done, done);
    int64_t min = min_of(&m->done);
    if (min == m->min)
        return;
    records_done(m); /* first: what is freed must not come back after a restart */
    forget_below(m, min);
}

void member_done(struct member *member, int64_t seq)
{
    if (seq > PAXOS_SEQ_MAX)
        seq = PAXOS_SEQ_MAX;
    if (seq <= member->done.of[member->self])
        return;
    member->done.of[member->self] = seq;
    records_done(member);
    forget_below(member, min_of(&member->done));
}

/* -- questions ----------------------------------------------------------------------------- */

int member_start(struct member *member, int64_t seq, struct slice value)
{
    if (seq < 0 || seq > PAXOS_SEQ_MAX)
        return SF_INVALID;
    if (value.n > PAXOS_VALUE_BYTES_MAX)
        return SF_TOO_BIG;
    if (seq < member->min)
        return SF_GONE;
    struct agreement *a = member_hold(member, seq);
    struct payload *payload = payload_new(value);
    bool begun = instance_propose(&a->instance, payload);
    payload_unref(payload);
    if (begun)
        env_timer_start_ns(&a->rest, 0); /* not within this call */
    return SF_OK;
}

const struct payload *member_decided(const struct member *member, int64_t seq)
{
    const struct agreement *a = member_find(member, seq);
    return a != NULL ? a->instance.decided : NULL;
}

int64_t member_max(const struct member *member)
{
    return member->max;
}

int64_t member_min(const struct member *member)
{
    return member->min;
}

size_t member_instances(const struct member *member)
{
    return HASH_COUNT(member->agreements);
}

size_t member_value_bytes(const struct member *member)
{
    size_t bytes = 0;
    for (const struct agreement *a = member->agreements; a != NULL; a = a->hh.next)
        bytes += instance_bytes(&a->instance);
    return bytes;
}

/* -- life ---------------------------------------------------------------------------------- */

static bool has_address(const struct member *m, size_t count, const char *address)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(m->addresses[i], address) == 0)
            return true;
    }
    return false;
}

static int take_addresses(struct member *m, const struct member_options *o)
{
    if (o->count < 1 || o->count > SF_REPLICAS_MAX || o->self >= o->count)
        return SF_INVALID;
    m->count = o->count;
    m->self = o->self;
    m->done.count = o->count;
    m->max = -1;
    for (size_t i = 0; i < o->count; i++) {
        if (!env_address_is_valid(o->addresses[i])) /* so it is short enough */
            return SF_ADDRESS;
        if (has_address(m, i, o->addresses[i]))
            return SF_INVALID;
        strcpy(m->addresses[i], o->addresses[i]);
        m->done.of[i] = -1;
    }
    return SF_OK;
}

/* Members of other lists do not understand each other. Never 0. */
static uint64_t list_hash(const struct member *m)
{
    return bytes_hash(slice_of(m->addresses, m->count * sizeof m->addresses[0])) | 1;
}

static int listen_at_own(struct member *m)
{
    const struct rpc_options options = {.cluster_id = list_hash(m), .role = "paxos"};
    m->rpc = rpc_new(m->env, &options);
    answers_register(m);
    return rpc_listen(m->rpc, m->addresses[m->self]);
}

int member_new(struct env *env, const struct member_options *options, struct member **out,
               char **why)
{
    struct member *m = sf_calloc(1, sizeof *m);
    m->env = env;
    int status = take_addresses(m, options);
    if (status == SF_OK)
        status = listen_at_own(m); /* first: a failure then leaves no new directory */
    if (status == SF_OK && options->dir != NULL)
        status = records_open(m, options, why);
    if (status != SF_OK) {
        member_free(m);
        return status;
    }
    *out = m;
    return SF_OK;
}

void member_free(struct member *member)
{
    struct agreement *a, *next;
    if (member == NULL)
        return;
    answers_deinit(member);
    HASH_ITER(hh, member->agreements, a, next)
    {
        HASH_DEL(member->agreements, a);
        attempts_deinit(a);
        instance_deinit(&a->instance);
        free(a);
    }
    if (member->rpc != NULL)
        rpc_free(member->rpc);
    journal_close(member->journal);
    free(member);
}
