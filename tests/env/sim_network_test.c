/* The simulated network: order, loss, cuts, closing, back-pressure, and the same run from a seed.
 */
#include "cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "env/bytes.h"
#include "env/memory.h"
#include "sim/sim.h"

#define SECOND ENV_SECOND_NS
#define LOG_MAX 4096

/* A program with one listener and at most one connection, which notes the numbers it gets. */
struct party {
    struct env *env;
    struct env_listener *listener;
    struct env_conn *conn;
    struct reader partial;
    struct buffer stream;
    uint64_t got[LOG_MAX];
    size_t got_count;
    int opened, closed, reason;
    bool close_on_data, refuse;
};

static void note_numbers(struct party *p)
{
    struct reader r = reader_of(buffer_slice(&p->stream));
    while (reader_left(&r) >= sizeof(uint64_t)) {
        assert_true(p->got_count < LOG_MAX);
        p->got[p->got_count++] = reader_u64(&r);
    }
    struct buffer rest = {0};
    buffer_append(&rest, r.p, reader_left(&r));
    buffer_deinit(&p->stream);
    p->stream = rest;
}

static void party_on_open(void *ctx)
{
    struct party *p = ctx;
    p->opened++;
}

static void party_on_data(void *ctx, const uint8_t *bytes, size_t n)
{
    struct party *p = ctx;
    assert_true(n > 0);
    buffer_append(&p->stream, bytes, n);
    note_numbers(p);
    if (p->close_on_data) {
        env_conn_close(p->conn);
        p->conn = NULL;
    }
}

static void party_on_close(void *ctx, int reason)
{
    struct party *p = ctx;
    p->conn = NULL;
    p->closed++;
    p->reason = reason;
}

static const struct env_conn_events party_events = {party_on_open, party_on_data, party_on_close};

static void party_on_accept(void *ctx, struct env_conn *conn)
{
    struct party *p = ctx;
    if (p->refuse) {
        env_conn_close(conn);
        return;
    }
    p->conn = conn;
    env_conn_accept(conn, &party_events, p);
}

static void party_boot(void *ctx, struct sim_node *node, struct env *env)
{
    struct party *p = ctx;
    char address[64];
    p->env = env;
    snprintf(address, sizeof address, "%s:7000", sim_node_name(node));
    assert_int_equal(env_listen(env, address, party_on_accept, p, &p->listener), SF_OK);
    assert_string_equal(env_listener_address(p->listener), address);
}

static void party_halt(void *ctx, struct sim_node *node)
{
    struct party *p = ctx;
    (void)node;
    if (p->conn != NULL)
        env_conn_close(p->conn);
    p->conn = NULL;
    env_listener_close(p->listener);
    p->listener = NULL;
    buffer_deinit(&p->stream);
}

static void party_send(struct party *p, uint64_t number)
{
    struct buffer b = {0};
    size_t n;
    buffer_put_u64(&b, number);
    uint8_t *bytes = buffer_take(&b, &n);
    env_conn_send(p->conn, bytes, n);
}

struct world {
    struct sim *sim;
    struct party a, b;
    struct sim_node *node_a, *node_b;
};

static void world_init(struct world *w, uint64_t seed)
{
    *w = (struct world){.sim = sim_new(seed)};
    struct sim_program program_a = {party_boot, party_halt, &w->a};
    struct sim_program program_b = {party_boot, party_halt, &w->b};
    w->node_a = sim_node_new(w->sim, "a", &program_a);
    w->node_b = sim_node_new(w->sim, "b", &program_b);
    sim_node_start(w->node_a);
    sim_node_start(w->node_b);
}

static void world_dial(struct world *w)
{
    assert_int_equal(env_connect(w->a.env, "b:7000", &party_events, &w->a, &w->a.conn), SF_OK);
    sim_run_ns(w->sim, SECOND);
}

static void connects_and_answers(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, 1);
    world_dial(&w);
    assert_int_equal(w.a.opened, 1);
    assert_non_null(w.b.conn);
    party_send(&w.a, 17);
    party_send(&w.b, 18);
    assert_int_equal(env_conn_queued_bytes(w.a.conn), 8);
    sim_run_ns(w.sim, SECOND);
    assert_int_equal(env_conn_queued_bytes(w.a.conn), 0);
    assert_int_equal(w.b.got_count, 1);
    assert_int_equal(w.b.got[0], 17);
    assert_int_equal(w.a.got[0], 18);
    env_conn_close(w.a.conn);
    w.a.conn = NULL;
    sim_run_ns(w.sim, SECOND);
    assert_int_equal(w.a.closed, 0);
    assert_int_equal(w.b.closed, 1);
    assert_int_equal(w.b.reason, SF_CLOSED);
    sim_free(w.sim);
}

static void what_is_sent_before_it_opens_arrives(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, 2);
    assert_int_equal(env_connect(w.a.env, "b:7000", &party_events, &w.a, &w.a.conn), SF_OK);
    party_send(&w.a, 1);
    party_send(&w.a, 2);
    sim_run_ns(w.sim, SECOND);
    assert_int_equal(w.b.got_count, 2);
    assert_int_equal(w.b.got[1], 2);
    sim_free(w.sim);
}

static void a_reliable_network_keeps_the_order(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct world w;
        world_init(&w, seed);
        sim_faults(w.sim)->delay_us_max = 50000;
        world_dial(&w);
        for (uint64_t i = 0; i < 200; i++) {
            party_send(&w.a, i);
            sim_run_ns(w.sim, sim_random_below(w.sim, ENV_MS_NS));
        }
        sim_run_ns(w.sim, SECOND);
        assert_int_equal(w.b.got_count, 200);
        for (uint64_t i = 0; i < 200; i++)
            assert_int_equal(w.b.got[i], i);
        sim_free(w.sim);
    }
}

static void loss_duplication_and_reordering_show(void **state)
{
    (void)state;
    struct world w;
    size_t seen[300] = {0}, lost = 0, doubled = 0, overtaken = 0;
    world_init(&w, 5);
    world_dial(&w);
    *sim_faults(w.sim) = (struct sim_faults){
        .delay_us_min = 500,
        .delay_us_max = 600,
        .loss = 100,
        .duplicate = 100,
        .reorder = 200,
        .slow_us_max = 20000,
    };
    for (uint64_t i = 0; i < 300; i++) {
        party_send(&w.a, i);
        sim_run_ns(w.sim, ENV_MS_NS);
    }
    sim_run_ns(w.sim, SECOND);
    for (size_t i = 0; i < w.b.got_count; i++) {
        seen[w.b.got[i]]++;
        overtaken += i > 0 && w.b.got[i] < w.b.got[i - 1];
    }
    for (size_t i = 0; i < 300; i++) {
        lost += seen[i] == 0;
        doubled += seen[i] == 2;
    }
    assert_in_range(lost, 10, 60);
    assert_in_range(doubled, 10, 60);
    assert_in_range(overtaken, 10, 150);
    assert_int_equal(w.b.closed, 0);
    assert_int_equal(env_conn_queued_bytes(w.a.conn), 0);
    sim_free(w.sim);
}

static void a_cut_loses_one_direction_until_it_heals(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, 6);
    world_dial(&w);
    sim_cut(w.sim, w.node_a, w.node_b);
    party_send(&w.a, 1);
    party_send(&w.b, 2);
    sim_run_ns(w.sim, SECOND);
    assert_int_equal(w.b.got_count, 0);
    assert_int_equal(w.a.got_count, 1);
    sim_heal(w.sim, w.node_a, w.node_b);
    party_send(&w.a, 3);
    sim_run_ns(w.sim, SECOND);
    assert_int_equal(w.b.got_count, 1);
    assert_int_equal(w.b.got[0], 3);

    /* Under way when the cut comes: lost as well. */
    party_send(&w.a, 4);
    sim_run_ns(w.sim, 1000);
    sim_cut(w.sim, w.node_a, w.node_b);
    sim_run_ns(w.sim, SECOND);
    sim_heal_all(w.sim);
    sim_run_ns(w.sim, SECOND);
    assert_int_equal(w.b.got_count, 1);
    sim_free(w.sim);
}

static void dials_into_nothing_fail(void **state)
{
    (void)state;
    static const char *const addresses[] = {"b:7001", "nobody:7000", "b:7000"};
    for (size_t i = 0; i < 3; i++) {
        struct world w;
        world_init(&w, 7 + i);
        if (i == 2)
            sim_cut(w.sim, w.node_b, w.node_a);
        assert_int_equal(env_connect(w.a.env, addresses[i], &party_events, &w.a, &w.a.conn), SF_OK);
        assert_int_equal(w.a.closed, 0);
        sim_run_ns(w.sim, 3 * SECOND);
        assert_int_equal(w.a.opened, 0);
        assert_int_equal(w.a.closed, 1);
        assert_int_equal(w.a.reason, SF_UNREACHABLE);
        assert_null(w.b.conn);
        sim_free(w.sim);
    }
}

static void addresses_are_checked(void **state)
{
    (void)state;
    struct world w;
    struct env_conn *conn;
    struct env_listener *listener;
    world_init(&w, 8);
    assert_int_equal(env_connect(w.a.env, "nonsense", &party_events, &w.a, &conn), SF_ADDRESS);
    assert_int_equal(env_listen(w.a.env, "b:1", party_on_accept, &w.a, &listener), SF_ADDRESS);
    assert_int_equal(env_listen(w.a.env, "a:7000", party_on_accept, &w.a, &listener), SF_IN_USE);
    assert_int_equal(env_listen(w.a.env, "a:0", party_on_accept, &w.a, &listener), SF_OK);
    assert_true(env_address_is_valid(env_listener_address(listener)));
    env_listener_close(listener);
    sim_free(w.sim);
}

static void a_refusing_listener_closes(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, 9);
    w.b.refuse = true;
    world_dial(&w);
    assert_int_equal(w.a.opened, 1);
    assert_int_equal(w.a.closed, 1);
    assert_int_equal(w.a.reason, SF_CLOSED);
    sim_free(w.sim);
}

static void closing_inside_on_data_is_silent(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 50; seed++) {
        struct world w;
        world_init(&w, seed);
        world_dial(&w);
        w.b.close_on_data = true;
        party_send(&w.a, 1);
        party_send(&w.a, 2);
        sim_run_ns(w.sim, SECOND);
        assert_int_equal(w.b.closed, 0);
        assert_true(w.b.got_count <= 1);
        assert_int_equal(w.a.closed, 1);
        sim_free(w.sim);
    }
}

static void a_paused_reader_gets_it_later_in_order(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 50; seed++) {
        struct world w;
        world_init(&w, seed);
        world_dial(&w);
        env_conn_read_enable(w.b.conn, false);
        for (uint64_t i = 0; i < 20; i++)
            party_send(&w.a, i);
        sim_run_ns(w.sim, SECOND);
        assert_int_equal(w.b.got_count, 0);
        assert_int_equal(env_conn_queued_bytes(w.a.conn), 20 * 8);
        env_conn_close(w.a.conn);
        w.a.conn = NULL;
        sim_run_ns(w.sim, SECOND);
        assert_int_equal(w.b.closed, 0);
        env_conn_read_enable(w.b.conn, true);
        sim_run_ns(w.sim, SECOND);
        assert_int_equal(w.b.got_count, 20);
        for (uint64_t i = 0; i < 20; i++)
            assert_int_equal(w.b.got[i], i);
        assert_int_equal(w.b.closed, 1);
        sim_free(w.sim);
    }
}

/* Soon, or when it next sends: never left in doubt for ever. */
static void a_crash_breaks_the_connections(void **state)
{
    (void)state;
    int at_once = 0, at_send = 0;
    for (uint64_t seed = 0; seed < 40; seed++) {
        struct world w;
        world_init(&w, seed);
        world_dial(&w);
        sim_node_crash(w.node_b);
        assert_null(w.b.conn);
        assert_false(sim_node_is_up(w.node_b));
        sim_run_ns(w.sim, SECOND);
        if (w.a.closed == 1) {
            at_once++;
        } else {
            party_send(&w.a, 1);
            sim_run_ns(w.sim, SECOND);
            assert_int_equal(w.a.closed, 1);
            at_send++;
        }
        sim_node_start(w.node_b);
        world_dial(&w);
        assert_int_equal(w.a.opened, 2);
        sim_free(w.sim);
    }
    assert_in_range(at_once, 5, 35);
    assert_in_range(at_send, 5, 35);
}

/* A storm of everything; the hash tells whether the run was the same. */
/* -- a model of the test's own ------------------------------------------------------------- */

struct model {
    struct sim_verdict next; /* of what comes next */
    size_t asked;
    struct sim_message last; /* its bytes are gone */
};

static struct sim_verdict model_judge(void *ctx, const struct sim_message *message)
{
    struct model *model = ctx;
    struct sim_verdict verdict = model->next;
    model->next = (struct sim_verdict){.fate = SIM_DELIVER};
    model->asked++;
    model->last = *message;
    return verdict;
}

static void model_begin(struct world *w, struct model *model)
{
    *model = (struct model){0};
    world_init(w, 1);
    world_dial(w);
    sim_on_message(w->sim, model_judge, model);
}

static void a_model_of_the_tests_own_judges_each_message(void **state)
{
    (void)state;
    struct world w;
    struct model model;
    model_begin(&w, &model);
    model.next.fate = SIM_LOSE;
    party_send(&w.a, 1);
    sim_run_ns(w.sim, SECOND);
    assert_int_equal(w.b.got_count, 0);
    assert_true(model.last.from == w.node_a && model.last.to == w.node_b && model.last.by_dialler);
    assert_int_equal(model.last.bytes.n, 8);

    model.next = (struct sim_verdict){.delay_ns = SECOND, .overtaken = true};
    party_send(&w.b, 2);
    sim_run_ns(w.sim, SECOND / 2);
    assert_false(model.last.by_dialler);
    party_send(&w.b, 3);
    sim_run_ns(w.sim, SECOND);
    assert_int_equal(w.a.got_count, 2);
    assert_int_equal(w.a.got[0], 3);
    assert_int_equal(model.asked, 3);
    sim_free(w.sim);
}

static void a_model_of_the_tests_own_breaks_connections(void **state)
{
    (void)state;
    struct world w;
    struct model model;
    model_begin(&w, &model);
    model.next.fate = SIM_DELIVER_AND_BREAK;
    party_send(&w.a, 1);
    sim_run_ns(w.sim, SECOND);
    assert_int_equal(w.b.got_count, 1);
    assert_true(w.a.closed == 1 && w.b.closed == 1 && w.a.reason == SF_CLOSED);

    world_dial(&w);
    model.next.fate = SIM_BREAK;
    party_send(&w.a, 2);
    sim_run_ns(w.sim, SECOND);
    assert_int_equal(w.b.got_count, 1);
    assert_true(w.a.closed == 2 && w.b.closed == 2);

    model.next = (struct sim_verdict){.fate = SIM_BREAK, .delay_ns = SECOND / 2};
    world_dial(&w);
    assert_int_equal(model.last.bytes.n, 0);
    assert_true(w.a.closed == 3 && w.a.reason == SF_UNREACHABLE);
    sim_free(w.sim);
}

/* -- delays, clogs, partitions ------------------------------------------------------------- */

/* Numbers are the times at which they were sent; overtaking makes each delay a draw of its own. */
static void delays_have_the_mean_that_was_asked_for(void **state)
{
    (void)state;
    static const uint64_t means_us[] = {1000, 20000, 100000};
    for (size_t m = 0; m < 3; m++) {
        struct world w;
        uint64_t sum_us = 0, longest_us = 0;
        world_init(&w, m);
        world_dial(&w);
        sim_faults(w.sim)->delay_us_mean = (uint32_t)means_us[m];
        sim_faults(w.sim)->reorder = 1000;
        for (uint64_t i = 0; i < 3000; i++) {
            uint64_t sent_ns = sim_now_ns(w.sim);
            w.b.got_count = 0;
            party_send(&w.a, i);
            while (w.b.got_count == 0)
                assert_true(sim_step(w.sim));
            uint64_t us = (sim_now_ns(w.sim) - sent_ns) / 1000;
            assert_true(us >= 500);
            sum_us += us;
            longest_us = us > longest_us ? us : longest_us;
        }
        assert_in_range(sum_us / 3000, means_us[m] * 9 / 10, means_us[m] * 11 / 10);
        assert_true(longest_us > 500 + (means_us[m] - 500) * 4);
        sim_free(w.sim);
    }
}

static void a_clog_holds_one_direction_and_lets_all_go_in_order(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, 30);
    world_dial(&w);
    party_send(&w.a, 0); /* under way when the clog comes: held as well */
    sim_run_ns(w.sim, 1000);
    sim_clog(w.sim, w.node_a, w.node_b, SECOND);
    uint64_t until_ns = sim_now_ns(w.sim) + SECOND;
    for (uint64_t i = 1; i <= 50; i++) {
        party_send(&w.a, i);
        party_send(&w.b, i);
        sim_run_ns(w.sim, 10 * ENV_MS_NS);
    }
    assert_int_equal(w.b.got_count, 0);
    assert_in_range(w.a.got_count, 49, 50);
    while (w.b.got_count < 51)
        assert_true(sim_step(w.sim));
    assert_int_equal(sim_now_ns(w.sim), until_ns);
    for (uint64_t i = 0; i <= 50; i++)
        assert_int_equal(w.b.got[i], i);
    sim_free(w.sim);
}

static void a_clog_holds_dials_too(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, 31);
    sim_clog(w.sim, w.node_a, w.node_b, SECOND);
    world_dial(&w);
    assert_int_equal(w.a.opened, 0);
    sim_run_ns(w.sim, SECOND);
    assert_int_equal(w.a.opened, 1);
    sim_free(w.sim);
}

/* Its machine takes the call; the process hears of it, and of what was sent, when it goes on. */
static void a_paused_process_is_dialled(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, 32);
    sim_node_pause(w.node_b, 2 * SECOND);
    world_dial(&w);
    assert_int_equal(w.a.opened, 1);
    assert_null(w.b.conn);
    party_send(&w.a, 7);
    sim_run_ns(w.sim, SECOND / 2);
    assert_int_equal(w.b.got_count, 0);
    sim_run_ns(w.sim, SECOND);
    assert_non_null(w.b.conn);
    assert_int_equal(w.b.got_count, 1);
    /* Once more; now it crashes before it goes on. */
    env_conn_close(w.a.conn);
    sim_run_ns(w.sim, SECOND);
    sim_node_pause(w.node_b, 2 * SECOND);
    world_dial(&w);
    sim_node_crash(w.node_b);
    sim_run_ns(w.sim, 2 * SECOND);
    assert_int_equal(w.a.closed, 1);
    sim_free(w.sim);
}

/* How long the longest of 300 messages took, in ms. */
static uint64_t longest_ms(uint64_t seed, uint32_t clog)
{
    struct world w;
    uint64_t longest_ns = 0;
    world_init(&w, seed);
    world_dial(&w);
    sim_faults(w.sim)->clog = clog;
    sim_faults(w.sim)->clog_us_max = 300000;
    for (uint64_t i = 0; i < 300; i++) {
        uint64_t sent_ns = sim_now_ns(w.sim);
        w.b.got_count = 0;
        party_send(&w.a, i);
        while (w.b.got_count == 0)
            assert_true(sim_step(w.sim));
        uint64_t ns = sim_now_ns(w.sim) - sent_ns;
        longest_ns = ns > longest_ns ? ns : longest_ns;
    }
    sim_free(w.sim);
    return longest_ns / ENV_MS_NS;
}

static void links_clog_by_chance(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 10; seed++) {
        assert_in_range(longest_ms(seed, 0), 0, 2);
        assert_in_range(longest_ms(seed, 50), 50, 310);
    }
}

/* sim_partition_test says who is cut; here, that a cut is one. */
static void a_partition_cuts_the_network(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, 40);
    world_dial(&w);
    struct sim_node *const nodes[] = {w.node_a, w.node_b};
    sim_partition(w.sim,
                  &(struct sim_partition){.shape = SIM_ISOLATED, .nodes = nodes, .count = 2});
    party_send(&w.a, 1);
    party_send(&w.b, 2);
    sim_run_ns(w.sim, SECOND);
    assert_int_equal(w.a.got_count + w.b.got_count, 0);
    sim_calm(w.sim);
    party_send(&w.a, 3);
    sim_run_ns(w.sim, SECOND);
    assert_int_equal(w.b.got_count, 1);
    sim_free(w.sim);
}

static uint64_t storm(uint64_t seed)
{
    struct world w;
    world_init(&w, seed);
    *sim_faults(w.sim) = (struct sim_faults){
        .delay_us_min = 100,
        .delay_us_max = 5000,
        .loss = 50,
        .duplicate = 50,
        .reorder = 100,
        .slow_us_max = 10000,
        .clog = seed % 2 == 0 ? 20 : 0,
        .clog_us_max = 200000,
    };
    for (int i = 0; i < 300; i++) {
        uint64_t what = sim_random_below(w.sim, 20);
        w.a.got_count = w.b.got_count = 0;
        if (!sim_node_is_up(w.node_b))
            sim_node_start(w.node_b);
        if (w.a.conn == NULL)
            assert_int_equal(env_connect(w.a.env, "b:7000", &party_events, &w.a, &w.a.conn), SF_OK);
        party_send(&w.a, what);
        if (w.b.conn != NULL)
            party_send(&w.b, what);
        if (what == 0)
            sim_node_crash(w.node_b);
        if (what == 1)
            sim_cut(w.sim, w.node_a, w.node_b);
        if (what == 2)
            sim_heal_all(w.sim);
        if (what == 3 && w.a.conn != NULL) {
            env_conn_close(w.a.conn);
            w.a.conn = NULL;
        }
        sim_run_ns(w.sim, sim_random_below(w.sim, SECOND / 10));
    }
    uint64_t hash = sim_hash(w.sim);
    sim_free(w.sim);
    return hash;
}

static void the_same_seed_gives_the_same_run(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++) {
        uint64_t hash = storm(seed);
        assert_int_equal(hash, storm(seed));
        assert_int_not_equal(hash, storm(seed + 1000));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connects_and_answers),
        cmocka_unit_test(what_is_sent_before_it_opens_arrives),
        cmocka_unit_test(a_reliable_network_keeps_the_order),
        cmocka_unit_test(loss_duplication_and_reordering_show),
        cmocka_unit_test(a_cut_loses_one_direction_until_it_heals),
        cmocka_unit_test(dials_into_nothing_fail),
        cmocka_unit_test(addresses_are_checked),
        cmocka_unit_test(a_refusing_listener_closes),
        cmocka_unit_test(closing_inside_on_data_is_silent),
        cmocka_unit_test(a_paused_reader_gets_it_later_in_order),
        cmocka_unit_test(a_crash_breaks_the_connections),
        cmocka_unit_test(a_model_of_the_tests_own_judges_each_message),
        cmocka_unit_test(a_model_of_the_tests_own_breaks_connections),
        cmocka_unit_test(delays_have_the_mean_that_was_asked_for),
        cmocka_unit_test(a_clog_holds_one_direction_and_lets_all_go_in_order),
        cmocka_unit_test(a_clog_holds_dials_too),
        cmocka_unit_test(a_paused_process_is_dialled),
        cmocka_unit_test(links_clog_by_chance),
        cmocka_unit_test(a_partition_cuts_the_network),
        cmocka_unit_test(the_same_seed_gives_the_same_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
