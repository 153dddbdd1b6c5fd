/* What the suites stand on: fibers, the reading of traffic, the network models, and that a case
 * that fails says so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "proto/codec.h"
#include "rpc/stage.h"
#include "suites/appends.h"
#include "suites/fiber.h"
#include "suites/net_inside.h"
#include "suites/suite.h"

/* -- fibers -------------------------------------------------------------------------------- */

struct script {
    struct sim *sim;
    char told[64]; /* what the threads said, in order */
    struct fiber *parked;
};

static void tell(struct script *script, char what)
{
    size_t n = strlen(script->told);
    script->told[n] = what;
}

static void count_slowly(void *ctx)
{
    for (char c = '1'; c <= '3'; c++) {
        fiber_sleep_ms(10);
        tell(ctx, c);
    }
}

static void count_quickly(void *ctx)
{
    for (char c = 'a'; c <= 'c'; c++) {
        tell(ctx, c);
        fiber_sleep_ms(7);
    }
}

static void start_both(void *ctx)
{
    struct script *script = ctx;
    fiber_use_sim(script->sim, 1000);
    struct fiber *slow = fiber_start(count_slowly, script);
    struct fiber *quick = fiber_start(count_quickly, script);
    fiber_join(slow);
    assert_true(fiber_has_ended(quick));
    fiber_join(quick);
    tell(script, '.');
}

static void threads_take_turns_in_virtual_time(void **state)
{
    struct script script = {.sim = sim_new(1)};
    (void)state;
    uint64_t begin_ns = sim_now_ns(script.sim);
    assert_true(fiber_run(start_both, &script));
    assert_string_equal(script.told, "ab1c23.");
    assert_int_equal(sim_now_ns(script.sim) - begin_ns, 30 * ENV_MS_NS);
    sim_free(script.sim);
}

static void wake_then_wait(void *ctx)
{
    struct script *script = ctx;
    fiber_use_sim(script->sim, 1000);
    fiber_wake(fiber_self());
    fiber_park(); /* returns: the wake-up was kept */
    tell(script, '1');
    fiber_park();
    tell(script, '2');
}

static void a_wake_up_is_kept_once(void **state)
{
    struct script script = {.sim = sim_new(1)};
    (void)state;
    assert_false(fiber_run(wake_then_wait, &script)); /* for nobody wakes it again */
    assert_string_equal(script.told, "1");
    sim_free(script.sim);
}

static void sleep_long(void *ctx)
{
    const struct script *script = ctx;
    fiber_use_sim(script->sim, 1000);
    fiber_sleep_ms(1001);
}

static void a_script_has_a_limit(void **state)
{
    struct script script = {.sim = sim_new(1)};
    (void)state;
    assert_false(fiber_run(sleep_long, &script));
    sim_free(script.sim);
}

/* -- traffic ------------------------------------------------------------------------------- */

static enum traffic traffic_of_type(enum consensus_msg_type type)
{
    const struct consensus_msg msg = {.type = type, .from = 1, .to = 2, .term = 70000};
    struct buffer b = {0};
    pack_array(&b, 3);
    pack_u64(&b, 2);
    pack_str(&b, "consensus");
    pack_array(&b, 7);
    pack_u64(&b, 100);
    pack_u64(&b, UINT64_MAX);
    pack_u64(&b, 1);
    pack_u64(&b, 2);
    pack_bool(&b, true);
    pack_u64(&b, 300);
    codec_pack_msg(&b, &msg);
    enum traffic traffic = traffic_of(buffer_slice(&b));
    buffer_deinit(&b);
    return traffic;
}

static void what_replicas_say_is_told_apart(void **state)
{
    (void)state;
    assert_int_equal(traffic_of_type(MSG_APPEND), TRAFFIC_PEER_REQUEST);
    assert_int_equal(traffic_of_type(MSG_APPEND_REPLY), TRAFFIC_PEER_ANSWER);
    assert_int_equal(traffic_of_type(MSG_HEARTBEAT), TRAFFIC_PEER_REQUEST);
    assert_int_equal(traffic_of_type(MSG_HEARTBEAT_REPLY), TRAFFIC_PEER_ANSWER);
    assert_int_equal(traffic_of_type(MSG_VOTE), TRAFFIC_PEER_REQUEST);
    assert_int_equal(traffic_of_type(MSG_VOTE_REPLY), TRAFFIC_PEER_ANSWER);
    assert_int_equal(traffic_of_type(MSG_PROMISE), TRAFFIC_PEER_ANSWER);
    assert_int_equal(traffic_of_type(MSG_ACCEPTED), TRAFFIC_PEER_ANSWER);
}

static void calls_and_answers_are_told_apart(void **state)
{
    static const uint8_t call[] = {0x94, 0x00}, answer[] = {0x94, 0x01};
    (void)state;
    assert_int_equal(traffic_of(slice_of(call, 2)), TRAFFIC_CALL);
    assert_int_equal(traffic_of(slice_of(answer, 2)), TRAFFIC_ANSWER);
}

/* -- models -------------------------------------------------------------------------------- */

#define CALLS 1000u

/* Of so many calls, one at a time, how many were answered; the longest in ms at *longest_ms. */
static unsigned answered(struct stage *stage, uint64_t *longest_ms)
{
    unsigned good = 0;
    *longest_ms = 0;
    for (unsigned i = 0; i < CALLS; i++) {
        struct stage_call call;
        uint64_t begin_ms = sim_now_ns(stage->sim) / MS;
        stage_call(stage, &call, "echo", i, 0);
        stage_wait(stage, &call, 10000);
        good += call.status == SF_OK;
        if (call.done_ms - begin_ms > *longest_ms)
            *longest_ms = call.done_ms - begin_ms;
    }
    return good;
}

static struct net *model_begin(struct stage *stage, enum net_model model)
{
    stage_init(stage, 7);
    struct net *net = net_new(stage->sim, model);
    stage_start(stage);
    return net;
}

static void model_end(struct stage *stage, struct net *net)
{
    net_free(net);
    stage_deinit(stage);
}

static void a_reliable_network_answers_soon(void **state)
{
    struct stage stage;
    uint64_t longest_ms;
    (void)state;
    for (enum net_model model = NET_P; model <= NET_T; model++) {
        struct net *net = model_begin(&stage, model);
        assert_int_equal(answered(&stage, &longest_ms), CALLS);
        assert_true(longest_ms <= 5); /* the first one dials */
        assert_true(net_requests(net, stage.server.node) == CALLS + 1);
        model_end(&stage, net);
    }
}

/* A call fails as often as the model says, and its caller learns it soon. A hello goes before each
 * call that finds no connection, and may be lost, too. */
static void an_unreliable_network_tells_of_what_it_loses(void **state)
{
    struct stage stage;
    uint64_t longest_ms;
    (void)state;
    struct net *net = model_begin(&stage, NET_P);
    net_node_unreliable(net, stage.server.node, true);
    unsigned good = answered(&stage, &longest_ms);
    assert_true(good > CALLS * 55 / 100 && good < CALLS * 75 / 100);
    assert_true(longest_ms <= 100);
    model_end(&stage, net);

    net = model_begin(&stage, NET_L);
    net_unreliable(net, true);
    good = answered(&stage, &longest_ms);
    assert_true(good > CALLS * 70 / 100 && good < CALLS * 85 / 100);
    assert_true(longest_ms <= 200);
    model_end(&stage, net);
}

static void held_answers_come_late(void **state)
{
    struct stage stage;
    uint64_t longest_ms;
    (void)state;
    struct net *net = model_begin(&stage, NET_L);
    net_long_reordering(net, true);
    assert_int_equal(answered(&stage, &longest_ms), CALLS);
    assert_true(longest_ms > 1500 && longest_ms <= 2210);
    model_end(&stage, net);
}

static int status_of_call(struct stage *stage)
{
    struct stage_call call;
    stage_call(stage, &call, "echo", 1, 0);
    stage_wait(stage, &call, 10000);
    stage_run_ms(stage, 200); /* the address may be dialled again */
    return call.status;
}

static void a_dead_link_fails_and_heals(void **state)
{
    struct stage stage;
    (void)state;
    for (enum net_model model = NET_P; model <= NET_T; model++) {
        struct net *net = model_begin(&stage, model);
        const struct sim_node *client = stage.client.node, *server = stage.server.node;
        assert_int_equal(status_of_call(&stage), SF_OK);
        net_link(net, client, server, false);
        assert_int_not_equal(status_of_call(&stage), SF_OK); /* on the connection there is */
        assert_int_not_equal(status_of_call(&stage), SF_OK); /* and on a new one */
        net_link(net, client, server, true);
        assert_int_equal(status_of_call(&stage), SF_OK);
        net_deaf(net, server);
        assert_int_not_equal(status_of_call(&stage), SF_OK);
        model_end(&stage, net);
    }
}

static enum sim_fate fate_of(struct net *net, struct net_message message)
{
    return net_judge_p(net, &message).fate;
}

/* The client has dialled the server. Both may call on that connection, as long as it could be dialled
 * again; what was called is answered all the same. */
static void a_connection_rests_on_who_dialled_it(void **state)
{
    struct stage stage;
    (void)state;
    struct net *net = model_begin(&stage, NET_P);
    const struct sim_node *client = stage.client.node, *server = stage.server.node;
    struct net_message there = {
        .from = client, .to = server, .by_dialler = true, .traffic = TRAFFIC_PEER_REQUEST};
    struct net_message back = {.from = server, .to = client, .traffic = TRAFFIC_PEER_REQUEST};
    const struct net_message answer = {
        .from = server, .to = client, .traffic = TRAFFIC_PEER_ANSWER};
    net_deaf(net, client);
    assert_int_equal(fate_of(net, back), SIM_DELIVER);
    net_link(net, client, server, false);
    assert_int_equal(fate_of(net, there), SIM_BREAK);
    assert_int_equal(fate_of(net, back), SIM_BREAK);
    assert_int_equal(fate_of(net, answer), SIM_DELIVER);
    there.traffic = back.traffic = TRAFFIC_CALL;
    assert_int_equal(fate_of(net, there), SIM_BREAK);
    assert_int_equal(fate_of(net, back), SIM_BREAK);
    model_end(&stage, net);
}

static void a_dead_link_loses_answers_in_one_model(void **state)
{
    struct stage stage;
    (void)state;
    for (enum net_model model = NET_L; model <= NET_T; model++) {
        struct net *net = model_begin(&stage, model);
        const struct net_message answer = {
            .from = stage.server.node, .to = stage.client.node, .traffic = TRAFFIC_ANSWER};
        net_link(net, stage.client.node, stage.server.node, false);
        struct sim_verdict verdict =
            model == NET_L ? net_judge_l(net, &answer) : net_judge_t(net, &answer);
        assert_int_equal(verdict.fate, model == NET_L ? SIM_BREAK : SIM_DELIVER);
        model_end(&stage, net);
    }
}

/* -- failing cases ------------------------------------------------------------------------- */

static void passes(void)
{
    fiber_use_sim(suite_sim(), 1000);
}

static void fails_with_seed_3(void)
{
    check(suite_seed() != 3, "it is seed %d", 3);
}

static void finds_too_few(void)
{
    (void)suite_sim();
    appends_check(slice_str("x 1 0 yx 1 2 y"), 1, 3);
}

static void finds_one_twice(void)
{
    (void)suite_sim();
    appends_check(slice_str("x 1 0 yx 1 1 yx 1 0 y"), 1, 2);
}

static void finds_disorder(void)
{
    (void)suite_sim();
    appends_check(slice_str("x 1 1 yx 1 0 y"), 1, 2);
}

static void finds_all(void)
{
    (void)suite_sim();
    appends_check(slice_str("x 1 0 yx 2 0 yx 1 1 y"), 1, 2);
}

static void takes_too_long(void)
{
    (void)suite_sim();
    fiber_sleep_ms(5001);
}

static const struct suite_case cases[] = {
    {.name = "passes", .script = passes},
    {.name = "isn't good with seed 3", .script = fails_with_seed_3},
    {.name = "too few", .script = finds_too_few},
    {.name = "twice", .script = finds_one_twice},
    {.name = "disorder", .script = finds_disorder},
    {.name = "all", .script = finds_all},
    {.name = "too long", .script = takes_too_long},
};

/* The exit status of the suite's program, and what it prints. */
static int run_suite(const char *name, char *output, size_t size)
{
    const struct suite suite = {.name = "harness",
                                .engines = SUITE_RAFT,
                                .limit_ms = 5000,
                                .cases = cases,
                                .case_count = sizeof cases / sizeof cases[0]};
    char *argv[] = {(char[]){"harness"}, (char[]){"--seeds"}, (char[]){"5"},
                    (char[]){"--case"},  strdup(name),        NULL};
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        _exit(suite_main(&suite, 5, argv));
    }
    free(argv[4]);
    close(ends[1]);
    size_t n = 0;
    for (ssize_t got = 1; got > 0; n += got > 0 ? (size_t)got : 0)
        got = read(ends[0], output + n, size - 1 - n);
    output[n] = 0;
    close(ends[0]);
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void a_case_prints_one_line(void **state)
{
    char output[1024];
    (void)state;
    assert_int_equal(run_suite("passes", output, sizeof output), 0);
    assert_ptr_equal(strstr(output, "harness raft: passes ... Passed (5 seeds, 0 s virtual, "),
                     output);
    assert_int_equal(run_suite("all", output, sizeof output), 0);
    assert_int_equal(run_suite("no such case", output, sizeof output), 1);
}

static void a_failure_says_how_to_see_it_again(void **state)
{
    char output[1024];
    (void)state;
    assert_int_equal(run_suite("isn't good with seed 3", output, sizeof output), 1);
    assert_non_null(strstr(output, "it is seed 3"));
    assert_non_null(
        strstr(output, "again: harness --engine raft --seed 3 --case \"isn't good with seed 3\""));
    assert_null(strstr(output, "Passed"));
}

static void what_is_wrong_is_found(void **state)
{
    static const char *const bad[] = {"too few", "twice", "disorder", "too long"};
    char output[1024];
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(run_suite(bad[i], output, sizeof output), 1);
        assert_non_null(strstr(output, "FAILED"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_take_turns_in_virtual_time),
        cmocka_unit_test(a_wake_up_is_kept_once),
        cmocka_unit_test(a_script_has_a_limit),
        cmocka_unit_test(what_replicas_say_is_told_apart),
        cmocka_unit_test(calls_and_answers_are_told_apart),
        cmocka_unit_test(a_reliable_network_answers_soon),
        cmocka_unit_test(an_unreliable_network_tells_of_what_it_loses),
        cmocka_unit_test(held_answers_come_late),
        cmocka_unit_test(a_dead_link_fails_and_heals),
        cmocka_unit_test(a_connection_rests_on_who_dialled_it),
        cmocka_unit_test(a_dead_link_loses_answers_in_one_model),
        cmocka_unit_test(a_case_prints_one_line),
        cmocka_unit_test(a_failure_says_how_to_see_it_again),
        cmocka_unit_test(what_is_wrong_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
