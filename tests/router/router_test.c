/* The router alone: requests of no session (reads, and SESSION_OPEN as the mutation) on the fake
 * cluster. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "client/fake_cluster.h"
#include "env/memory.h"

/* -- a stage ---------------------------------------------------------------------------------- */

struct stage {
    struct fake_cluster *cluster;
    struct fake_client *fake;
};

static struct stage stage_new(uint64_t seed)
{
    struct stage stage = {.cluster = fake_cluster_new(seed, 10)};
    fake_cluster_join(stage.cluster, 1);
    stage.fake = fake_client_new(stage.cluster, "c0");
    return stage;
}

static void stage_free(struct stage *stage)
{
    fake_client_free(stage->fake);
    fake_cluster_free(stage->cluster);
}

static void pass_ms(struct stage *stage, uint64_t ms)
{
    sim_run_ns(stage->cluster->sim, ms * ENV_MS_NS);
}

static uint64_t now_ms(const struct stage *stage)
{
    return env_now_ms(sim_node_env(stage->fake->node));
}

/* One way between the client and a server, or both. */
static void cut(struct stage *stage, struct fake_server *server, bool there, bool back)
{
    if (there)
        sim_cut(stage->cluster->sim, stage->fake->node, server->node);
    if (back)
        sim_cut(stage->cluster->sim, server->node, stage->fake->node);
}

struct sent {
    struct router_call call;
    unsigned answers, befores;
    int status, word;
    uint64_t config_num;
};

static void on_sent(struct router_call *call, int status, const struct kv_reply *reply)
{
    struct sent *sent = container_of(call, struct sent, call);
    sent->answers++;
    sent->status = status;
    sent->word = reply ? reply->status : 0;
    sent->config_num = reply ? reply->config_num : 0;
}

static void on_before(struct router_call *call)
{
    container_of(call, struct sent, call)->befores++;
}

static bool is_answered(void *ctx)
{
    return ((const struct sent *)ctx)->answers > 0;
}

/* Sends a read of an absent key (which a group answers with NOT_FOUND) without waiting. */
static void begin(struct stage *stage, struct sent *sent, group_id gid, uint64_t timeout_ms)
{
    *sent = (struct sent){.call = {.on_done = on_sent,
                                   .before_send = on_before,
                                   .request.op = fake_op(KV_GET, "absent", ""),
                                   .shard = 3,
                                   .gid = gid}};
    if (timeout_ms != 0)
        sent->call.deadline_ms = now_ms(stage) + timeout_ms;
    router_send(stage->fake->router, &sent->call);
    assert_int_equal(sent->answers, 0);
}

static void finish(struct stage *stage, struct sent *sent)
{
    assert_true(sim_run_until(stage->cluster->sim, is_answered, sent, FAKE_LIMIT_MS * ENV_MS_NS));
    pass_ms(stage, 100);
    assert_int_equal(sent->answers, 1);
}

/* Sends, waits, and expects that a group answered; how often it was sent. */
static unsigned get(struct stage *stage)
{
    struct sent sent;
    begin(stage, &sent, 0, 0);
    finish(stage, &sent);
    assert_int_equal(sent.status, SF_OK);
    assert_int_equal(sent.word, SF_NOT_FOUND);
    return sent.befores;
}

/* -- addresses -------------------------------------------------------------------------------- */

static void a_list_of_addresses_is_taken_apart(void **state)
{
    char **addresses;
    size_t count;
    const char *text = "a:1,10.0.0.1:65535,[::1]:2", *bad = NULL;
    (void)state;
    assert_int_equal(router_parse_addresses(text, &addresses, &count, &bad), SF_OK);
    assert_int_equal(count, 3);
    assert_string_equal(addresses[0], "a:1");
    assert_string_equal(addresses[1], "10.0.0.1:65535");
    assert_string_equal(addresses[2], "[::1]:2");
    for (size_t i = 0; i < count; i++)
        free(addresses[i]);
    free(addresses);
}

static void what_is_no_address_is_named(void **state)
{
    static const struct {
        const char *text;
        size_t at;
    } cases[] = {{"", 0}, {"a:1,", 4}, {",a:1", 0}, {"a:1,b", 4}, {"a:1,b:70000", 4}};
    char **addresses;
    size_t count;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *bad = NULL;
        assert_int_equal(router_parse_addresses(cases[i].text, &addresses, &count, &bad),
                         SF_ADDRESS);
        assert_ptr_equal(bad, cases[i].text + cases[i].at);
    }
    char *longest = sf_calloc(1, 1000);
    memset(longest, 'a', 999);
    assert_int_equal(router_parse_addresses(longest, &addresses, &count, NULL), SF_ADDRESS);
    free(longest);
}

/* -- leaders ---------------------------------------------------------------------------------- */

static void a_hint_is_followed_and_remembered(void **state)
{
    (void)state;
    for (unsigned leader = 0; leader < FAKE_REPLICAS; leader++) {
        struct stage stage = stage_new(leader + 1);
        stage.cluster->leader[0] = leader;
        assert_in_range(get(&stage), 1, 2);
        assert_int_equal(get(&stage), 1);
        stage.cluster->leader[0] = (leader + 1) % FAKE_REPLICAS;
        assert_int_equal(get(&stage), 2);
        assert_int_equal(get(&stage), 1);
        stage_free(&stage);
    }
}

static void without_hints_every_replica_is_asked(void **state)
{
    (void)state;
    for (unsigned leader = 0; leader < FAKE_REPLICAS; leader++) {
        struct stage stage = stage_new(leader + 1);
        stage.cluster->gives_hints = false;
        stage.cluster->leader[0] = leader;
        assert_in_range(get(&stage), 1, FAKE_REPLICAS);
        assert_int_equal(get(&stage), 1);
        stage_free(&stage);
    }
}

static void a_group_without_a_leader_is_asked_less_and_less(void **state)
{
    struct stage stage = stage_new(4);
    struct sent sent;
    (void)state;
    stage.cluster->leader[0] = FAKE_REPLICAS;
    begin(&stage, &sent, 0, 0);
    pass_ms(&stage, 20000);
    assert_int_equal(sent.answers, 0);
    assert_in_range(sent.befores, 3 * 15, 3 * 60);
    stage.cluster->leader[0] = 2;
    finish(&stage, &sent);
    assert_int_equal(sent.word, SF_NOT_FOUND);
    stage_free(&stage);
}

static void a_leader_that_died_is_left_for_the_next(void **state)
{
    struct stage stage = stage_new(5);
    (void)state;
    (void)get(&stage);
    sim_node_crash(stage.cluster->replicas[0][0].node);
    stage.cluster->leader[0] = 1;
    uint64_t before = now_ms(&stage);
    (void)get(&stage);
    assert_in_range(now_ms(&stage) - before, 0, 3000);
    stage_free(&stage);
}

static void a_silent_leader_is_left_after_a_second_or_two(void **state)
{
    struct stage stage = stage_new(6);
    (void)state;
    (void)get(&stage);
    cut(&stage, &stage.cluster->replicas[0][0], false, true);
    stage.cluster->leader[0] = 1;
    uint64_t before = now_ms(&stage);
    (void)get(&stage);
    assert_in_range(now_ms(&stage) - before, 900, 2500);
    stage_free(&stage);
}

/* However long the group had no leader: who answers is there, and who is silent is not waited for
 * any longer than usual. */
static void silence_after_a_long_election_is_left_as_soon(void **state)
{
    (void)state;
    for (unsigned silent = 0; silent < FAKE_REPLICAS; silent++) {
        struct stage stage = stage_new(24 + silent);
        struct sent sent;
        stage.cluster->leader[0] = FAKE_REPLICAS;
        stage.cluster->gives_hints = false;
        begin(&stage, &sent, 0, 0);
        pass_ms(&stage, 20000);
        cut(&stage, &stage.cluster->replicas[0][silent], false, true);
        stage.cluster->leader[0] = (silent + 1) % FAKE_REPLICAS;
        uint64_t before = now_ms(&stage);
        finish(&stage, &sent);
        assert_in_range(now_ms(&stage) - before, 0, 2500);
        stage_free(&stage);
    }
}

/* The client can't reach the leader, but another replica can. */
static void a_replica_is_asked_to_pass_it_on(void **state)
{
    struct stage stage = stage_new(7);
    (void)state;
    (void)get(&stage);
    stage.cluster->forwards = true;
    cut(&stage, &stage.cluster->replicas[0][0], true, true);
    (void)get(&stage);
    assert_int_equal(get(&stage), 1); /* and again, without trying the leader first */
    stage_free(&stage);
}

/* -- refusals --------------------------------------------------------------------------------- */

static void a_busy_group_is_asked_again(void **state)
{
    static const int words[] = {SF_OVERLOADED, SF_LOCKED, SF_NOT_YET, SF_BUSY, SF_SESSIONS_FULL};
    (void)state;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        struct stage stage = stage_new(i + 1);
        (void)get(&stage);
        stage.cluster->refusal = words[i];
        stage.cluster->refusals = 5;
        uint64_t before = now_ms(&stage);
        assert_int_equal(get(&stage), 6);
        /* 10 + 20 + 40 + 80 + 160 ms, of which up to a half is taken off; and 100 of `finish` */
        assert_in_range(now_ms(&stage) - before, 155 + 100, 330 + 100);
        stage_free(&stage);
    }
}

static void any_other_word_is_the_callers(void **state)
{
    struct stage stage = stage_new(8);
    struct sent sent;
    (void)state;
    stage.cluster->leader[0] = 0;
    (void)get(&stage);
    stage.cluster->refusal = SF_NO_SPACE;
    stage.cluster->refusals = 1;
    begin(&stage, &sent, 0, 0);
    finish(&stage, &sent);
    assert_int_equal(sent.status, SF_OK);
    assert_int_equal(sent.word, SF_NO_SPACE);
    stage_free(&stage);
}

/* -- Configs ---------------------------------------------------------------------------------- */

static void on_no_config(struct router_waiter *waiter)
{
    (void)waiter;
    fail();
}

/* A server of another kind stands at the masters' address. */
static void who_refuses_a_config_is_not_asked_without_pause(void **state)
{
    struct stage stage = stage_new(23);
    struct fake_server *server = &stage.cluster->replicas[0][0];
    const char *masters[] = {server->address};
    struct rpc_stats before, after;
    struct router_waiter waiter = {.on_config = on_no_config};
    (void)state;
    struct router *router = router_new(sim_node_env(stage.fake->node), stage.fake->rpc, masters, 1);
    rpc_stats(server->rpc, &before);
    router_await_config(router, &waiter);
    pass_ms(&stage, 2000);
    rpc_stats(server->rpc, &after);
    assert_in_range(after.requests - before.requests, 5, 11);
    router_free(router);
    stage_free(&stage);
}

static void a_shard_that_moved_is_found(void **state)
{
    struct stage stage = stage_new(9);
    (void)state;
    (void)get(&stage);
    fake_cluster_join(stage.cluster, 2);
    fake_cluster_leave(stage.cluster, 1);
    (void)get(&stage);
    assert_int_equal(router_config(stage.fake->router)->num, 3);
    assert_int_equal(get(&stage), 1);
    stage_free(&stage);
}

/* The new owner does not know the new Config yet. */
static void an_owner_that_lags_is_waited_for(void **state)
{
    struct stage stage = stage_new(10);
    struct sent sent;
    (void)state;
    (void)get(&stage);
    stage.cluster->serves_config_max = 1;
    fake_cluster_join(stage.cluster, 2);
    fake_cluster_leave(stage.cluster, 1);
    begin(&stage, &sent, 0, 0);
    pass_ms(&stage, 10000);
    assert_int_equal(sent.answers, 0);
    assert_in_range(sent.befores, 5, 40);
    stage.cluster->serves_config_max = UINT64_MAX;
    finish(&stage, &sent);
    assert_int_equal(sent.word, SF_NOT_FOUND);
    stage_free(&stage);
}

static void one_fetch_serves_all_that_wait(void **state)
{
    struct stage stage = stage_new(11);
    struct sent sent[50];
    (void)state;
    (void)get(&stage);
    fake_cluster_join(stage.cluster, 2);
    fake_cluster_leave(stage.cluster, 1);
    uint64_t before = 0, after = 0;
    for (unsigned i = 0; i < FAKE_MASTERS; i++)
        before += stage.cluster->masters[i].requests;
    for (unsigned i = 0; i < 50; i++)
        begin(&stage, &sent[i], 0, 0);
    for (unsigned i = 0; i < 50; i++)
        assert_true(sim_run_until(stage.cluster->sim, is_answered, &sent[i], ENV_SECOND_NS));
    for (unsigned i = 0; i < FAKE_MASTERS; i++)
        after += stage.cluster->masters[i].requests;
    assert_in_range(after - before, 1, 3);
    stage_free(&stage);
}

static void a_named_group_that_refuses_is_the_callers_to_replace(void **state)
{
    struct stage stage = stage_new(12);
    struct sent sent;
    (void)state;
    (void)get(&stage);
    fake_cluster_join(stage.cluster, 2);
    fake_cluster_leave(stage.cluster, 1);
    begin(&stage, &sent, 1, 0);
    finish(&stage, &sent);
    /* The Config that it sees then is a newer one. */
    assert_true(sent.status == SF_OK ? sent.word == SF_WRONG_GROUP : sent.status == SF_NO_GROUP);
    assert_int_equal(router_config(stage.fake->router)->num, 3);
    begin(&stage, &sent, 1, 0);
    finish(&stage, &sent);
    assert_int_equal(sent.status, SF_NO_GROUP);
    stage_free(&stage);
}

static void a_shard_that_no_config_has_is_refused(void **state)
{
    struct stage stage = stage_new(13);
    struct sent sent = {
        .call = {.on_done = on_sent, .request.op = fake_op(KV_GET, "absent", ""), .shard = 10}};
    (void)state;
    router_send(stage.fake->router, &sent.call);
    finish(&stage, &sent);
    assert_int_equal(sent.status, SF_NO_SHARD);
    stage_free(&stage);
}

struct told {
    struct router_waiter waiter;
    unsigned count;
};

static void on_config(struct router_waiter *waiter)
{
    container_of(waiter, struct told, waiter)->count++;
}

static void the_first_config_is_told_once(void **state)
{
    struct stage stage = stage_new(14);
    struct told first = {.waiter.on_config = on_config}, gone = first, later = first;
    (void)state;
    assert_null(router_config(stage.fake->router));
    router_await_config(stage.fake->router, &first.waiter);
    router_await_config(stage.fake->router, &gone.waiter);
    router_await_cancel(stage.fake->router, &gone.waiter);
    pass_ms(&stage, 1000);
    assert_int_equal(first.count, 1);
    assert_int_equal(gone.count, 0);
    router_await_config(stage.fake->router, &later.waiter);
    assert_int_equal(later.count, 0);
    pass_ms(&stage, 1000);
    assert_int_equal(later.count, 1);
    stage_free(&stage);
}

/* -- masters ---------------------------------------------------------------------------------- */

static void a_master_that_leads_is_found(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2 * FAKE_MASTERS; i++) {
        struct stage stage = stage_new(i + 1);
        stage.cluster->master_leader = i % FAKE_MASTERS;
        stage.cluster->gives_hints = i >= FAKE_MASTERS;
        (void)get(&stage);
        stage_free(&stage);
    }
}

struct asked {
    struct router_master call;
    unsigned answers;
    int status;
};

static void on_asked(struct router_master *call, int status, const struct config *config,
                     const struct master_reply *reply)
{
    struct asked *asked = container_of(call, struct asked, call);
    (void)config;
    (void)reply;
    asked->answers++;
    asked->status = status;
}

static void masters_that_do_not_answer_are_unreachable(void **state)
{
    struct stage stage = stage_new(15);
    struct asked asked = {.call = {.on_done = on_asked, .num = -1}};
    (void)state;
    for (unsigned i = 0; i < FAKE_MASTERS; i++)
        sim_node_crash(stage.cluster->masters[i].node);
    asked.call.deadline_ms = now_ms(&stage) + 3000;
    router_master_send(stage.fake->router, &asked.call);
    pass_ms(&stage, 2900);
    assert_int_equal(asked.answers, 0);
    pass_ms(&stage, 200);
    assert_int_equal(asked.answers, 1);
    assert_int_equal(asked.status, SF_UNREACHABLE);
    stage_free(&stage);
}

static void a_cancelled_question_is_not_answered(void **state)
{
    struct stage stage = stage_new(16);
    struct asked asked = {.call = {.on_done = on_asked, .num = -1}};
    (void)state;
    router_master_send(stage.fake->router, &asked.call);
    router_master_cancel(&asked.call);
    router_master_cancel(&asked.call);
    pass_ms(&stage, 5000);
    assert_int_equal(asked.answers, 0);
    stage_free(&stage);
}

/* -- deadlines -------------------------------------------------------------------------------- */

static void a_deadline_tells_whether_it_may_have_arrived(void **state)
{
    struct stage stage = stage_new(17);
    struct sent sent;
    (void)state;
    (void)get(&stage);
    for (unsigned i = 0; i < FAKE_REPLICAS; i++)
        cut(&stage, &stage.cluster->replicas[0][i], false, true);
    begin(&stage, &sent, 0, 3000);
    finish(&stage, &sent);
    assert_int_equal(sent.status, SF_UNKNOWN);
    assert_true(sent.call.sends > 0);
    begin(&stage, &sent, 0, 3000);
    router_cancel(&sent.call);
    router_cancel(&sent.call);
    pass_ms(&stage, 5000);
    assert_int_equal(sent.answers, 0);
    stage_free(&stage);
}

static void a_deadline_before_the_first_config_is_a_timeout(void **state)
{
    struct stage stage = stage_new(18);
    struct sent sent;
    (void)state;
    for (unsigned i = 0; i < FAKE_MASTERS; i++)
        cut(&stage, &stage.cluster->masters[i], true, true);
    uint64_t before = now_ms(&stage);
    begin(&stage, &sent, 0, 3000);
    finish(&stage, &sent);
    assert_int_equal(sent.status, SF_TIMEOUT);
    assert_int_equal(sent.call.sends, 0);
    assert_in_range(now_ms(&stage) - before, 3000, 3200);
    stage_free(&stage);
}

static void a_message_above_the_limit_is_refused(void **state)
{
    struct stage stage = stage_new(19);
    uint8_t *much = sf_calloc(1, SF_MESSAGE_BYTES_MAX);
    struct sent sent = {.call = {.on_done = on_sent, .shard = 3}};
    (void)state;
    (void)get(&stage);
    sent.call.request.op =
        (struct kv_op){.kind = KV_PUT, .data = slice_of(much, SF_MESSAGE_BYTES_MAX)};
    router_send(stage.fake->router, &sent.call);
    finish(&stage, &sent);
    assert_int_equal(sent.status, SF_TOO_BIG);
    assert_int_equal(sent.call.sends, 0);
    free(much);
    stage_free(&stage);
}

/* -- a fixed Config --------------------------------------------------------------------------- */

static void a_fixed_config_needs_no_masters(void **state)
{
    struct stage stage = stage_new(20);
    struct sent sent = {
        .call = {.on_done = on_sent, .request.op = fake_op(KV_GET, "absent", ""), .shard = 3}};
    (void)state;
    for (unsigned i = 0; i < FAKE_MASTERS; i++)
        sim_node_crash(stage.cluster->masters[i].node);
    struct router *router =
        router_new_static(sim_node_env(stage.fake->node), stage.fake->rpc, stage.cluster->config);
    router_send(router, &sent.call);
    finish(&stage, &sent);
    assert_int_equal(sent.word, SF_NOT_FOUND);
    struct asked asked = {.call = {.on_done = on_asked, .num = -1}};
    router_master_send(router, &asked.call);
    pass_ms(&stage, 100);
    assert_int_equal(asked.status, SF_UNREACHABLE);
    router_free(router);
    stage_free(&stage);
}

/* -- farewells -------------------------------------------------------------------------------- */

static void what_is_sent_once_goes_to_the_leader(void **state)
{
    struct stage stage = stage_new(21);
    struct kv_request request = {.op.kind = KV_SESSION_CLOSE, .session.session = 7};
    (void)state;
    router_send_once(stage.fake->router, &request, 3); /* nothing is known yet */
    assert_int_equal(router_once_count(stage.fake->router), 0);
    (void)get(&stage);
    uint64_t before = stage.cluster->replicas[0][0].requests;
    router_send_once(stage.fake->router, &request, 3);
    assert_int_equal(router_once_count(stage.fake->router), 1);
    pass_ms(&stage, 100);
    assert_int_equal(router_once_count(stage.fake->router), 0);
    assert_int_equal(stage.cluster->replicas[0][0].requests, before + 1);
    router_send_once(stage.fake->router, &request, 3); /* open when the stage ends */
    stage_free(&stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_of_addresses_is_taken_apart),
        cmocka_unit_test(what_is_no_address_is_named),
        cmocka_unit_test(a_hint_is_followed_and_remembered),
        cmocka_unit_test(without_hints_every_replica_is_asked),
        cmocka_unit_test(a_group_without_a_leader_is_asked_less_and_less),
        cmocka_unit_test(a_leader_that_died_is_left_for_the_next),
        cmocka_unit_test(a_silent_leader_is_left_after_a_second_or_two),
        cmocka_unit_test(silence_after_a_long_election_is_left_as_soon),
        cmocka_unit_test(a_replica_is_asked_to_pass_it_on),
        cmocka_unit_test(a_busy_group_is_asked_again),
        cmocka_unit_test(any_other_word_is_the_callers),
        cmocka_unit_test(a_shard_that_moved_is_found),
        cmocka_unit_test(an_owner_that_lags_is_waited_for),
        cmocka_unit_test(one_fetch_serves_all_that_wait),
        cmocka_unit_test(a_named_group_that_refuses_is_the_callers_to_replace),
        cmocka_unit_test(who_refuses_a_config_is_not_asked_without_pause),
        cmocka_unit_test(a_shard_that_no_config_has_is_refused),
        cmocka_unit_test(the_first_config_is_told_once),
        cmocka_unit_test(a_master_that_leads_is_found),
        cmocka_unit_test(masters_that_do_not_answer_are_unreachable),
        cmocka_unit_test(a_cancelled_question_is_not_answered),
        cmocka_unit_test(a_deadline_tells_whether_it_may_have_arrived),
        cmocka_unit_test(a_deadline_before_the_first_config_is_a_timeout),
        cmocka_unit_test(a_message_above_the_limit_is_refused),
        cmocka_unit_test(a_fixed_config_needs_no_masters),
        cmocka_unit_test(what_is_sent_once_goes_to_the_leader),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
