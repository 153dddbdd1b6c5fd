/* Level 1 of the client: exactly once over lost replies, lost sessions, lost servers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "client/fake_cluster.h"
#include "env/memory.h"

#define MANY_MAX 1000u

/* -- a stage: group 1 serves all shards, one client ------------------------------------------- */

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

static void cut_off(struct stage *stage, bool both_ways)
{
    for (unsigned i = 0; i < FAKE_REPLICAS; i++) {
        struct sim_node *node = stage->cluster->replicas[0][i].node;
        sim_cut(stage->cluster->sim, node, stage->fake->node);
        if (both_ways)
            sim_cut(stage->cluster->sim, stage->fake->node, node);
    }
}

static int do_op(struct stage *stage, enum kv_kind kind, const char *key, const char *data,
                 uint64_t timeout_ms)
{
    struct fake_answer answer = {0};
    struct kv_op op = fake_op(kind, key, data);
    fake_submit(stage->fake, &op, timeout_ms, &answer);
    fake_answer_deinit(&answer);
    return answer.status;
}

static void value_is(struct stage *stage, const char *key, const char *expected)
{
    struct fake_answer answer = {0};
    struct kv_op op = fake_op(KV_GET, key, "");
    fake_submit(stage->fake, &op, 0, &answer);
    assert_int_equal(answer.status, SF_OK);
    assert_int_equal(answer.data.n, strlen(expected));
    if (answer.data.n > 0)
        assert_memory_equal(answer.data.p, expected, answer.data.n);
    fake_answer_deinit(&answer);
}

static uint64_t executed(const struct stage *stage, enum kv_kind kind)
{
    return fake_store_executed(stage->cluster->store, kind);
}

/* -- many operations at once ------------------------------------------------------------------ */

struct many;

struct one {
    struct client_call call;
    struct many *many;
};

struct many {
    struct stage *stage;
    struct one calls[MANY_MAX];
    struct kv_op op;
    size_t started, answered, ok, unknown;
};

static void one_on_done(struct client_call *call, int status, const struct kv_reply *reply)
{
    struct many *many = container_of(call, struct one, call)->many;
    (void)reply;
    many->answered++;
    many->ok += status == SF_OK;
    many->unknown += status == SF_UNKNOWN;
}

/* `count` operations at once, all the same. */
static struct many *many_start(struct stage *stage, struct kv_op op, size_t count,
                               uint64_t timeout_ms)
{
    struct many *many = sf_calloc(1, sizeof *many);
    sf_assert(count <= MANY_MAX);
    many->stage = stage;
    many->op = op;
    many->started = count;
    for (size_t i = 0; i < count; i++) {
        many->calls[i].many = many;
        many->calls[i].call =
            (struct client_call){.on_done = one_on_done, .op = &many->op, .timeout_ms = timeout_ms};
        client_submit(stage->fake->client, &many->calls[i].call);
    }
    return many;
}

static bool all_answered(void *ctx)
{
    const struct many *many = ctx;
    return many->answered == many->started;
}

static void many_wait(struct many *many)
{
    assert_true(
        sim_run_until(many->stage->cluster->sim, all_answered, many, FAKE_LIMIT_MS * ENV_MS_NS));
}

/* -- the cases -------------------------------------------------------------------------------- */

static void a_put_is_read_back(void **state)
{
    struct stage stage = stage_new(1);
    (void)state;
    assert_int_equal(do_op(&stage, KV_PUT, "color", "red", 0), SF_OK);
    value_is(&stage, "color", "red");
    assert_int_equal(do_op(&stage, KV_GET, "colour", "", 0), SF_NOT_FOUND);
    stage_free(&stage);
}

static void lost_replies_do_not_repeat_an_append(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct stage stage = stage_new(seed);
        struct fake_answer answer = {0};
        stage.cluster->lose_replies = 300;
        struct many *many = many_start(&stage, fake_op(KV_APPEND, "log", "x"), 50, 0);
        many_wait(many);
        stage.cluster->lose_replies = 0;
        assert_int_equal(many->ok, 50);
        assert_int_equal(executed(&stage, KV_APPEND), 50);
        struct kv_op stat = fake_op(KV_STAT, "log", "");
        fake_submit(stage.fake, &stat, 0, &answer);
        assert_int_equal(answer.stat.length, 50);
        free(many);
        stage_free(&stage);
    }
}

static void a_thousand_at_once_stay_within_the_window(void **state)
{
    struct stage stage = stage_new(2);
    (void)state;
    struct many *many = many_start(&stage, fake_op(KV_APPEND, "log", "x"), MANY_MAX, 0);
    many_wait(many);
    assert_int_equal(many->ok, MANY_MAX);
    assert_int_equal(executed(&stage, KV_APPEND), MANY_MAX);
    /* A number beyond the window would have been refused, and sent again. */
    assert_in_range(fake_cluster_requests(stage.cluster), MANY_MAX, MANY_MAX + 10);
    free(many);
    stage_free(&stage);
}

static void several_calls_wait_for_one_opening(void **state)
{
    struct stage stage = stage_new(3);
    (void)state;
    struct many *many = many_start(&stage, fake_op(KV_PUT, "k", "v"), 20, 0);
    many_wait(many);
    assert_int_equal(fake_store_session_count(stage.cluster->store), 1);
    free(many);
    stage_free(&stage);
}

static void an_expired_session_is_opened_again(void **state)
{
    struct stage stage = stage_new(4);
    (void)state;
    assert_int_equal(do_op(&stage, KV_APPEND, "log", "a", 0), SF_OK);
    fake_store_expire_sessions(stage.cluster->store);
    struct many *many = many_start(&stage, fake_op(KV_APPEND, "log", "b"), 10, 0);
    many_wait(many);
    assert_int_equal(many->ok, 10);
    value_is(&stage, "log", "abbbbbbbbbb");
    free(many);
    stage_free(&stage);
}

static void a_session_lost_between_two_sends_makes_it_unknown(void **state)
{
    struct stage stage = stage_new(5);
    (void)state;
    assert_int_equal(do_op(&stage, KV_APPEND, "log", "a", 0), SF_OK);
    stage.cluster->lose_replies = 1000;
    struct many *many = many_start(&stage, fake_op(KV_APPEND, "log", "b"), 1, 0);
    pass_ms(&stage, 500);
    fake_store_expire_sessions(stage.cluster->store);
    stage.cluster->lose_replies = 0;
    many_wait(many);
    assert_int_equal(many->unknown, 1);
    value_is(&stage, "log", "ab");
    assert_int_equal(do_op(&stage, KV_APPEND, "log", "c", 0), SF_OK);
    value_is(&stage, "log", "abc");
    free(many);
    stage_free(&stage);
}

static void what_was_never_sent_is_a_timeout(void **state)
{
    struct stage stage = stage_new(6);
    (void)state;
    assert_int_equal(do_op(&stage, KV_PUT, "k", "v", 0), SF_OK);
    for (unsigned i = 0; i < FAKE_REPLICAS; i++)
        sim_node_crash(stage.cluster->replicas[0][i].node);
    /* The read finds out that the connections are gone. */
    assert_int_equal(do_op(&stage, KV_GET, "k", "", 3000), SF_TIMEOUT);
    assert_int_equal(do_op(&stage, KV_PUT, "k", "w", 3000), SF_TIMEOUT);
    stage_free(&stage);
}

static void what_was_sent_without_an_answer_is_unknown(void **state)
{
    struct stage stage = stage_new(7);
    (void)state;
    assert_int_equal(do_op(&stage, KV_PUT, "k", "v", 0), SF_OK);
    cut_off(&stage, false);
    assert_int_equal(do_op(&stage, KV_PUT, "k", "w", 3000), SF_UNKNOWN);
    assert_int_equal(do_op(&stage, KV_GET, "k", "", 3000), SF_TIMEOUT);
    stage_free(&stage);
}

static void a_later_change_waits_until_the_unknown_one_is_settled(void **state)
{
    struct stage stage = stage_new(8);
    (void)state;
    assert_int_equal(do_op(&stage, KV_PUT, "k", "1", 0), SF_OK);
    cut_off(&stage, true);
    assert_int_equal(do_op(&stage, KV_PUT, "k", "2", 2000), SF_UNKNOWN);
    struct many *later = many_start(&stage, fake_op(KV_PUT, "k", "3"), 1, 0);
    struct many *other = many_start(&stage, fake_op(KV_PUT, "other", "4"), 1, 0);
    pass_ms(&stage, 2000);
    assert_int_equal(executed(&stage, KV_PUT), 1);
    sim_heal_all(stage.cluster->sim);
    many_wait(later);
    many_wait(other);
    assert_int_equal(later->ok, 1);
    pass_ms(&stage, 60000); /* whatever is late arrives */
    value_is(&stage, "k", "3");
    value_is(&stage, "other", "4");
    free(later);
    free(other);
    stage_free(&stage);
}

static void a_change_that_waits_for_another_ends_with_its_own_deadline(void **state)
{
    struct stage stage = stage_new(9);
    (void)state;
    assert_int_equal(do_op(&stage, KV_PUT, "k", "1", 0), SF_OK);
    cut_off(&stage, true);
    assert_int_equal(do_op(&stage, KV_PUT, "k", "2", 2000), SF_UNKNOWN);
    /* It was never sent: nothing of it can have happened. */
    assert_int_equal(do_op(&stage, KV_PUT, "k", "3", 2000), SF_TIMEOUT);
    sim_heal_all(stage.cluster->sim);
    pass_ms(&stage, 60000);
    assert_int_equal(do_op(&stage, KV_APPEND, "k", "4", 0), SF_OK);
    struct fake_answer answer = {0};
    struct kv_op get = fake_op(KV_GET, "k", "");
    fake_submit(stage.fake, &get, 0, &answer);
    assert_int_equal(answer.data.n, 2);
    assert_true(memcmp(answer.data.p, "14", 2) == 0 || memcmp(answer.data.p, "24", 2) == 0);
    fake_answer_deinit(&answer);
    stage_free(&stage);
}

static void a_cancelled_change_is_settled_too(void **state)
{
    struct stage stage = stage_new(10);
    (void)state;
    assert_int_equal(do_op(&stage, KV_PUT, "k", "1", 0), SF_OK);
    stage.cluster->lose_replies = 1000;
    struct many *many = many_start(&stage, fake_op(KV_PUT, "k", "2"), 1, 0);
    pass_ms(&stage, 100);
    assert_true(client_call_was_sent(&many->calls[0].call));
    client_cancel(&many->calls[0].call);
    stage.cluster->lose_replies = 0;
    assert_int_equal(do_op(&stage, KV_PUT, "k", "3", 0), SF_OK);
    pass_ms(&stage, 60000);
    assert_int_equal(many->answered, 0);
    value_is(&stage, "k", "3");
    free(many);
    stage_free(&stage);
}

static void numbers_given_up_do_not_block_the_window(void **state)
{
    struct stage stage = stage_new(11);
    (void)state;
    assert_int_equal(do_op(&stage, KV_PUT, "k", "1", 0), SF_OK);
    cut_off(&stage, true);
    struct many *lost = many_start(&stage, fake_op(KV_APPEND, "a", "x"), 300, 2000);
    many_wait(lost);
    sim_heal_all(stage.cluster->sim);
    struct many *many = many_start(&stage, fake_op(KV_APPEND, "b", "x"), 600, 0);
    many_wait(many);
    assert_int_equal(many->ok, 600);
    free(lost);
    free(many);
    stage_free(&stage);
}

static void without_groups_a_call_waits_for_one_to_join(void **state)
{
    struct fake_cluster *cluster = fake_cluster_new(12, 10);
    struct stage stage = {.cluster = cluster, .fake = fake_client_new(cluster, "c0")};
    (void)state;
    assert_int_equal(do_op(&stage, KV_PUT, "k", "v", 1000), SF_TIMEOUT);
    struct many *many = many_start(&stage, fake_op(KV_PUT, "k", "v"), 1, 0);
    pass_ms(&stage, 3000);
    assert_int_equal(many->answered, 0);
    fake_cluster_join(cluster, 2);
    many_wait(many);
    assert_int_equal(many->ok, 1);
    free(many);
    stage_free(&stage);
}

static void sessions_follow_their_shards_to_other_groups(void **state)
{
    struct stage stage = stage_new(13);
    (void)state;
    for (unsigned round = 0; round < 6; round++) {
        struct many *many = many_start(&stage, fake_op(KV_APPEND, "log", "x"), 20, 0);
        pass_ms(&stage, 1);
        if (round % 2 == 0)
            fake_cluster_join(stage.cluster, 2);
        else
            fake_cluster_leave(stage.cluster, 2);
        many_wait(many);
        assert_int_equal(many->ok, 20);
        free(many);
    }
    assert_int_equal(executed(&stage, KV_APPEND), 120);
    assert_int_equal(fake_store_session_count(stage.cluster->store), 1);
    stage_free(&stage);
}

static void a_full_disk_is_told_at_once(void **state)
{
    struct stage stage = stage_new(14);
    (void)state;
    assert_int_equal(do_op(&stage, KV_PUT, "k", "v", 0), SF_OK);
    stage.cluster->refusal = SF_NO_SPACE;
    stage.cluster->refusals = 1;
    assert_int_equal(do_op(&stage, KV_PUT, "k", "w", 0), SF_NO_SPACE);
    assert_int_equal(do_op(&stage, KV_PUT, "k", "w", 0), SF_OK);
    stage_free(&stage);
}

/* The first send was executed; that the second is refused says nothing of it. */
static void a_full_disk_after_a_lost_reply_is_unknown(void **state)
{
    struct stage stage = stage_new(15);
    (void)state;
    assert_int_equal(do_op(&stage, KV_PUT, "k", "v", 0), SF_OK);
    stage.cluster->lose_replies = 1000;
    struct many *many = many_start(&stage, fake_op(KV_APPEND, "k", "w"), 1, 0);
    pass_ms(&stage, 500);
    stage.cluster->lose_replies = 0;
    stage.cluster->refusal = SF_NO_SPACE;
    stage.cluster->refusals = 1;
    many_wait(many);
    assert_int_equal(many->unknown, 1);
    value_is(&stage, "k", "vw");
    free(many);
    stage_free(&stage);
}

static void a_session_that_rested_is_closed_and_opened_anew(void **state)
{
    struct stage stage = stage_new(16);
    (void)state;
    assert_int_equal(do_op(&stage, KV_APPEND, "k", "a", 0), SF_OK);
    pass_ms(&stage, 25 * 60 * 1000);
    assert_int_equal(fake_store_session_count(stage.cluster->store), 1);
    pass_ms(&stage, 10 * 60 * 1000);
    assert_int_equal(fake_store_session_count(stage.cluster->store), 0);
    assert_int_equal(do_op(&stage, KV_APPEND, "k", "b", 0), SF_OK);
    value_is(&stage, "k", "ab");
    stage_free(&stage);
}

static void a_client_that_ends_closes_its_sessions(void **state)
{
    struct stage stage = stage_new(17);
    (void)state;
    char key[16];
    for (unsigned i = 0; i < 40; i++) {
        snprintf(key, sizeof key, "k%u", i);
        assert_int_equal(do_op(&stage, KV_PUT, key, "v", 0), SF_OK);
    }
    assert_in_range(fake_store_session_count(stage.cluster->store), 5, 10);
    client_free(stage.fake->client);
    stage.fake->client = client_new(sim_node_env(stage.fake->node), stage.fake->router);
    pass_ms(&stage, 1000);
    assert_int_equal(fake_store_session_count(stage.cluster->store), 0);
    stage_free(&stage);
}

static void bad_arguments_are_refused_unsent(void **state)
{
    struct stage stage = stage_new(18);
    struct fake_answer answer = {0};
    char *key = sf_calloc(1, SF_KEY_BYTES_MAX + 1);
    (void)state;
    uint64_t before = fake_cluster_requests(stage.cluster);
    struct kv_op op = {.kind = KV_PUT, .key = slice_of(key, SF_KEY_BYTES_MAX + 1)};
    fake_submit(stage.fake, &op, 0, &answer);
    assert_int_equal(answer.status, SF_TOO_BIG);
    op = (struct kv_op){.kind = KV_PUT, .space = KV_INTERNAL, .key = slice_str("short")};
    fake_submit(stage.fake, &op, 0, &answer);
    assert_int_equal(answer.status, SF_INVALID);
    assert_int_equal(fake_cluster_requests(stage.cluster), before);
    free(key);
    stage_free(&stage);
}

/* -- ids -------------------------------------------------------------------------------------- */

struct ids {
    struct client_id request;
    uint64_t *got;
    size_t count;
    int status;
};

static void on_id(struct client_id *request, int status, uint64_t id)
{
    struct ids *ids = container_of(request, struct ids, request);
    ids->status = status;
    ids->got[ids->count++] = id;
}

static bool has_id(void *ctx)
{
    const struct ids *ids = ctx;
    return ids->count > 0;
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void ids_never_repeat_and_come_in_blocks(void **state)
{
    struct stage stage = stage_new(19);
    uint64_t got[1000];
    (void)state;
    for (size_t i = 0; i < 1000; i++) {
        struct ids ids = {.request.on_id = on_id, .got = &got[i]};
        client_new_id(stage.fake->client, &ids.request);
        assert_int_equal(ids.count, 0);
        assert_true(sim_run_until(stage.cluster->sim, has_id, &ids, FAKE_LIMIT_MS * ENV_MS_NS));
        assert_int_equal(ids.status, SF_OK);
    }
    qsort(got, 1000, sizeof *got, by_value);
    for (size_t i = 1; i < 1000; i++)
        assert_true(got[i - 1] < got[i]);
    assert_int_equal(executed(&stage, KV_NEW_IDS), 5); /* 64 + 128 + 256 + 512 + 1024 */
    stage_free(&stage);
}

static void an_id_that_does_not_come_is_a_timeout(void **state)
{
    struct stage stage = stage_new(20);
    uint64_t got[2];
    struct ids late = {.request.on_id = on_id, .request.timeout_ms = 1000, .got = got};
    struct ids cancelled = {.request.on_id = on_id, .got = got + 1};
    (void)state;
    cut_off(&stage, true);
    client_new_id(stage.fake->client, &cancelled.request);
    client_new_id(stage.fake->client, &late.request);
    client_new_id_cancel(&cancelled.request);
    pass_ms(&stage, 5000);
    assert_int_equal(late.count, 1);
    assert_int_equal(late.status, SF_TIMEOUT);
    assert_int_equal(cancelled.count, 0);
    stage_free(&stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_put_is_read_back),
        cmocka_unit_test(lost_replies_do_not_repeat_an_append),
        cmocka_unit_test(a_thousand_at_once_stay_within_the_window),
        cmocka_unit_test(several_calls_wait_for_one_opening),
        cmocka_unit_test(an_expired_session_is_opened_again),
        cmocka_unit_test(a_session_lost_between_two_sends_makes_it_unknown),
        cmocka_unit_test(what_was_never_sent_is_a_timeout),
        cmocka_unit_test(what_was_sent_without_an_answer_is_unknown),
        cmocka_unit_test(a_later_change_waits_until_the_unknown_one_is_settled),
        cmocka_unit_test(a_change_that_waits_for_another_ends_with_its_own_deadline),
        cmocka_unit_test(a_cancelled_change_is_settled_too),
        cmocka_unit_test(numbers_given_up_do_not_block_the_window),
        cmocka_unit_test(without_groups_a_call_waits_for_one_to_join),
        cmocka_unit_test(sessions_follow_their_shards_to_other_groups),
        cmocka_unit_test(a_full_disk_is_told_at_once),
        cmocka_unit_test(a_full_disk_after_a_lost_reply_is_unknown),
        cmocka_unit_test(a_session_that_rested_is_closed_and_opened_anew),
        cmocka_unit_test(a_client_that_ends_closes_its_sessions),
        cmocka_unit_test(bad_arguments_are_refused_unsent),
        cmocka_unit_test(ids_never_repeat_and_come_in_blocks),
        cmocka_unit_test(an_id_that_does_not_come_is_a_timeout),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
