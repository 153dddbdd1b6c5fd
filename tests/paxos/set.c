#include "paxos/set.h"

#include <stdio.h>
#include <string.h>

#include "env/cmocka_all.h"
#include "rpc/rpc.h"

#define WAIT_NS (60 * ENV_SECOND_NS)
#define SEGMENT_BYTES (64u << 10)

/* -- machines ------------------------------------------------------------------------------ */

static void name_of(size_t i, char name[24], char address[32])
{
    snprintf(name, 24, "p%zu", i);
    snprintf(address, 32, "p%zu:1", i);
}

static void boot(void *ctx, struct sim_node *node, struct env *env)
{
    struct machine *machine = ctx;
    struct set *set = machine->set;
    char names[SF_REPLICAS_MAX][24], addresses[SF_REPLICAS_MAX][32];
    const char *list[SF_REPLICAS_MAX];
    struct member_options options = {.addresses = list,
                                     .count = set->count,
                                     .self = (size_t)(machine - set->machines),
                                     .dir = set->dirs ? "paxos" : NULL,
                                     .create = !machine->opened,
                                     .segment_bytes = SEGMENT_BYTES};
    char *why = NULL;
    (void)node;
    for (size_t i = 0; i < set->count; i++) {
        name_of(i, names[i], addresses[i]);
        list[i] = addresses[i];
    }
    int status = member_new(env, &options, &machine->member, &why);
    if (status != SF_OK)
        fprintf(stderr, "member %zu: %s\n", options.self, why ? why : sf_error_text(status));
    sf_assert(status == SF_OK);
    machine->opened = true;
}

static void halt(void *ctx, struct sim_node *node)
{
    struct machine *machine = ctx;
    (void)node;
    member_free(machine->member);
    machine->member = NULL;
}

static void boot_tester(void *ctx, struct sim_node *node, struct env *env)
{
    static const struct rpc_options options = {.role = "tester"};
    struct set *set = ctx;
    (void)node;
    set->rpc = rpc_new(env, &options);
}

static void halt_tester(void *ctx, struct sim_node *node)
{
    struct set *set = ctx;
    (void)node;
    rpc_free(set->rpc);
}

void set_init(struct set *set, uint64_t seed, size_t count, bool dirs)
{
    struct sim_program tester = {.boot = boot_tester, .halt = halt_tester, .ctx = set};
    *set = (struct set){.sim = sim_new(seed), .count = count, .dirs = dirs};
    for (size_t i = 0; i < count; i++) {
        struct machine *machine = &set->machines[i];
        struct sim_program program = {.boot = boot, .halt = halt, .ctx = machine};
        char name[24], address[32];
        name_of(i, name, address);
        machine->set = set;
        machine->node = sim_node_new(set->sim, name, &program);
    }
    set->tester = sim_node_new(set->sim, "tester", &tester);
    sim_node_start(set->tester);
}

void set_deinit(struct set *set)
{
    sim_free(set->sim);
}

void set_boot(struct set *set, size_t i)
{
    sim_node_start(set->machines[i].node);
}

void set_boot_all(struct set *set)
{
    for (size_t i = 0; i < set->count; i++)
        set_boot(set, i);
}

void set_crash_and_boot(struct set *set, size_t i)
{
    sim_node_crash(set->machines[i].node);
    set_run_ms(set, 1);
    set_boot(set, i);
}

/* -- members ------------------------------------------------------------------------------- */

struct member *set_member(struct set *set, size_t i)
{
    sf_assert(set->machines[i].member != NULL);
    return set->machines[i].member;
}

void set_start(struct set *set, size_t i, int64_t seq, const char *value)
{
    assert_int_equal(member_start(set_member(set, i), seq, slice_str(value)), SF_OK);
}

static const struct payload *known(const struct set *set, size_t i, int64_t seq)
{
    const struct member *member = set->machines[i].member;
    return member != NULL ? member_decided(member, seq) : NULL;
}

bool set_knows(const struct set *set, size_t i, int64_t seq, const char *value)
{
    const struct payload *payload = known(set, i, seq);
    return payload != NULL && slice_equal(payload_slice(payload), slice_str(value));
}

struct wait {
    const struct set *set;
    int64_t seq;
    size_t count;
};

static bool enough_know(void *ctx)
{
    const struct wait *wait = ctx;
    size_t count = 0;
    for (size_t i = 0; i < wait->set->count; i++)
        count += known(wait->set, i, wait->seq) != NULL;
    return count >= wait->count;
}

void set_wait(struct set *set, int64_t seq, size_t count)
{
    struct wait wait = {set, seq, count};
    assert_true(sim_run_until(set->sim, enough_know, &wait, WAIT_NS));
}

void set_run_ms(struct set *set, uint64_t ms)
{
    sim_run_ns(set->sim, ms * ENV_MS_NS);
}

/* -- the tester ---------------------------------------------------------------------------- */

struct asking {
    struct rpc_call call;
    size_t count;
    struct answer answer;
    int status;
    bool done;
};

static void on_answer(struct rpc_call *call, int status, const msgpack_object *result)
{
    struct asking *asking = container_of(call, struct asking, call);
    struct done done;
    asking->done = true;
    asking->status = status;
    if (status == SF_OK)
        asking->status = answer_unpack(result, asking->count, &asking->answer, &done);
}

static bool is_answered(void *ctx)
{
    return ((const struct asking *)ctx)->done;
}

static int ask(struct set *set, size_t to, const char *method, struct buffer *params,
               struct answer *answer)
{
    struct asking asking = {.count = set->count};
    char name[24], address[32];
    name_of(to, name, address);
    rpc_call_start(set->rpc, &asking.call, address, method, params, SET_CALL_MS, on_answer);
    assert_true(sim_run_until(set->sim, is_answered, &asking, WAIT_NS));
    if (answer != NULL)
        *answer = asking.answer;
    else
        answer_deinit(&asking.answer);
    return asking.status;
}

int set_ask_raw(struct set *set, size_t to, const char *method, struct buffer *params)
{
    return ask(set, to, method, params, NULL);
}

int set_ask(struct set *set, const struct request *request, struct answer *answer)
{
    struct request filled = *request;
    struct buffer params = {0};
    if (filled.done.count == 0) {
        filled.done.count = set->count;
        for (size_t i = 0; i < set->count; i++)
            filled.done.of[i] = -1;
    }
    request_pack(&params, &filled);
    return ask(set, request->to, ask_method(request->ask), &params, answer);
}

uint64_t set_ballot(uint64_t round, size_t from)
{
    return round * BALLOT_OWNERS + from + 1;
}

/* With the value, if any, as text. */
static void expect(struct set *set, struct request request, const char *value, enum verdict verdict,
                   struct answer *answer)
{
    request.value = value != NULL ? payload_new(slice_str(value)) : NULL;
    int status = set_ask(set, &request, answer);
    while (status == SF_UNKNOWN ||
           status == SF_UNREACHABLE) /* the connection was of before a crash */
        status = set_ask(set, &request, answer);
    assert_int_equal(status, SF_OK);
    payload_unref(request.value);
    assert_int_equal(answer->verdict, verdict);
}

void set_expect_promise(struct set *set, size_t to, int64_t seq, uint64_t round, size_t from,
                        enum verdict verdict, const char *value)
{
    struct answer answer;
    expect(set,
           (struct request){.ask = ASK_PREPARE,
                            .seq = seq,
                            .ballot = set_ballot(round, from),
                            .from = (uint32_t)from,
                            .to = (uint32_t)to},
           NULL, verdict, &answer);
    assert_int_equal(answer.value != NULL, value != NULL);
    if (value != NULL)
        assert_true(slice_equal(payload_slice(answer.value), slice_str(value)));
    answer_deinit(&answer);
}

void set_expect_accepted(struct set *set, size_t to, int64_t seq, uint64_t round, size_t from,
                         const char *value, enum verdict verdict)
{
    struct answer answer;
    expect(set,
           (struct request){.ask = ASK_ACCEPT,
                            .seq = seq,
                            .ballot = set_ballot(round, from),
                            .from = (uint32_t)from,
                            .to = (uint32_t)to},
           value, verdict, &answer);
    answer_deinit(&answer);
}

void set_tell_decided(struct set *set, size_t to, int64_t seq, size_t from, const char *value)
{
    struct answer answer;
    expect(set,
           (struct request){
               .ask = ASK_DECIDED, .seq = seq, .from = (uint32_t)from, .to = (uint32_t)to},
           value, VERDICT_YES, &answer);
    answer_deinit(&answer);
}
