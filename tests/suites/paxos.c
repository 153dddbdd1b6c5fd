/* Suite 1: the Paxos library (handout 002), on model P. Cases 1 to 17, and E1 and E2.
 *
 * Some cases have an early and a later form. What is demanded is the stricter of both: to know
 * within 5.1 s, and a true majority. Where the early form does something else, even seeds do that,
 * but for the last two of the 17: there few peers propose in the early form and the network stays
 * unreliable, so most only know if they are told, and what tells them may be lost.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "env/memory.h"
#include "suites/fiber.h"
#include "suites/paxos_peers.h"
#include "suites/suite.h"

#define MILLION 1000000u

static bool is_early_form(void)
{
    return suite_seed() % 2 == 0;
}

static void begin(size_t count)
{
    peers_new(count);
    peers_make_all();
}

/* -- 1 to 4: one cluster ------------------------------------------------------------------- */

static void start_alone(void)
{
    peer_start(0, 0, "hello");
    peers_wait(0, 3);
}

static void start_same_value(void)
{
    for (size_t i = 0; i < 3; i++)
        peer_start_number(i, 1, 77);
    peers_wait(1, 3);
}

static void start_different_values(void)
{
    for (size_t i = 0; i < 3; i++)
        peer_start_number(i, 2, 100 + i);
    peers_wait(2, 3);
}

static void start_out_of_order(void)
{
    peer_start_number(0, 7, 700);
    peer_start_number(0, 6, 600);
    peer_start_number(1, 5, 500);
    peers_wait(7, 3);
    peer_start_number(0, 4, 400);
    peer_start_number(1, 3, 300);
    for (int64_t seq = 6; seq >= 3; seq--)
        peers_wait(seq, 3);
    check(peer_max(0) == 7, "Max() is %" PRId64 ", not 7", peer_max(0));
}

/* Each case runs those before it on its cluster. */
static void run_first(size_t count)
{
    begin(3);
    start_alone();
    if (count >= 2)
        start_same_value();
    if (count >= 3)
        start_different_values();
    if (count >= 4)
        start_out_of_order();
}

static void single_proposer(void)
{
    run_first(1);
}

static void same_value(void)
{
    run_first(2);
}

static void different_values(void)
{
    run_first(3);
}

static void out_of_order(void)
{
    run_first(4);
}

/* -- 5 ------------------------------------------------------------------------------------- */

static void deaf_proposer(void)
{
    begin(5);
    peer_start(0, 0, "hello");
    peers_wait(0, 5);
    peer_make_deaf(0);
    peer_make_deaf(4);
    peer_start(1, 1, "goodbye");
    peers_wait_majority(1);
    fiber_sleep_ms(1000);
    peers_check_exactly(1, 3);
    peer_start(0, 1, "xxx");
    peers_wait(1, 4);
    fiber_sleep_ms(1000);
    peers_check_exactly(1, 4);
    peer_start(4, 1, "yyy");
    peers_wait(1, 5);
    peers_check_value(1, "goodbye");
}

/* -- 6 to 8: forgetting -------------------------------------------------------------------- */

static void check_min_is(int64_t min)
{
    for (size_t i = 0; i < peers_count(); i++)
        check(peer_min(i) == min, "peer %zu: Min() is %" PRId64 ", not %" PRId64, i, peer_min(i),
              min);
}

static bool all_min_are(int64_t min)
{
    size_t count = 0;
    for (size_t i = 0; i < peers_count(); i++)
        count += peer_min(i) == min;
    return count == peers_count();
}

static void forgetting(void)
{
    begin(6);
    check_min_is(0);
    peer_start(0, 0, "00");
    peer_start(1, 1, "11");
    peer_start(2, 2, "22");
    peer_start(0, 6, "66");
    peer_start(1, 7, "77");
    peers_wait(0, 6);
    check_min_is(0);
    peers_wait(1, 6);
    check_min_is(0);
    for (size_t i = 0; i < 6; i++)
        peer_done(i, 0);
    for (size_t i = 1; i < 6; i++)
        peer_done(i, 1);
    for (size_t i = 0; i < 6; i++)
        peer_start(i, 8 + (int64_t)i, "xx");
    for (unsigned polls = 0; polls < 12 && !all_min_are(1); polls++)
        fiber_sleep_ms(1000);
    check_min_is(1);
}

#define LOTS 20
#define EARLY_LOTS 30

static bool stopping;

static int64_t lots(void)
{
    return is_early_form() ? EARLY_LOTS : LOTS;
}

static void start_at_any(int64_t seq)
{
    peer_start_number(suite_random_below(3), seq, suite_random_below(MILLION));
    fiber_sleep_ms(1);
}

static void start_in_any_order(void *ctx)
{
    int64_t order[LOTS];
    (void)ctx;
    for (size_t i = 0; i < LOTS; i++)
        order[i] = (int64_t)i;
    for (size_t i = LOTS - 1; i > 0; i--) {
        size_t j = suite_random_below(i + 1);
        int64_t swapped = order[i];
        order[i] = order[j];
        order[j] = swapped;
    }
    for (size_t i = 0; i < LOTS; i++)
        start_at_any(order[i]);
}

static void start_any_for_ever(void *ctx)
{
    (void)ctx;
    while (!stopping)
        start_at_any((int64_t)suite_random_below(EARLY_LOTS));
}

static void be_done_with_any(void *ctx)
{
    (void)ctx;
    while (!stopping) {
        int64_t seq = (int64_t)suite_random_below((uint64_t)lots());
        size_t i = suite_random_below(3);
        if (seq >= peer_min(i) && peer_decided(i, seq))
            peer_done(i, seq);
        fiber_sleep_ms(1);
    }
}

static void lots_of_forgetting(void)
{
    bool early = is_early_form();
    peers_new(3);
    peers_unreliable(!early);
    peers_make_all();
    stopping = false;
    struct fiber *starts = fiber_start(early ? start_any_for_ever : start_in_any_order, NULL);
    struct fiber *done = fiber_start(be_done_with_any, NULL);
    fiber_sleep_ms(5000);
    stopping = true;
    fiber_join(starts);
    fiber_join(done);
    peers_unreliable(false);
    fiber_sleep_ms(early ? 1000 : 2000);
    for (int64_t seq = 0; seq < lots(); seq++)
        (void)peers_decided(seq); /* no two know different values */
}

static void start_random_bytes(size_t i, int64_t seq, size_t n)
{
    struct buffer value = {0};
    uint8_t *p = buffer_grow(&value, n);
    for (size_t j = 0; j < n; j++)
        p[j] = (uint8_t)('a' + suite_random_below(26));
    peer_start_bytes(i, seq, buffer_slice(&value));
    buffer_deinit(&value);
}

static void check_forgotten(int64_t seq)
{
    for (size_t i = 0; i < 3; i++)
        check(peer_forgotten(i, seq), "peer %zu: instance %" PRId64 " is not forgotten", i, seq);
}

static void memory_is_freed(void)
{
    begin(3);
    peer_start(0, 0, "x");
    peers_wait(0, 3);
    for (int64_t seq = 1; seq <= 10; seq++) {
        start_random_bytes(0, seq, MILLION);
        peers_wait(seq, 3);
    }
    size_t before = peers_value_bytes();
    check(before >= 30 * (size_t)MILLION, "only %zu bytes are held", before);
    for (size_t i = 0; i < 3; i++)
        peer_done(i, 10);
    for (size_t i = 0; i < 3; i++)
        peer_start(i, 11 + (int64_t)i, "z");
    fiber_sleep_ms(3000);
    check_min_is(11);
    check(peers_value_bytes() <= before / 2, "of %zu bytes %zu are held", before,
          peers_value_bytes());
    check(peers_value_bytes() < 1000, "%zu bytes are held for three letters", peers_value_bytes());
    for (int64_t seq = 0; seq < 3; seq++) {
        check_forgotten(seq);
        for (size_t i = 0; i < 3; i++)
            start_random_bytes(i, seq, 20);
    }
    fiber_sleep_ms(1000);
    for (int64_t seq = 0; seq < 3; seq++)
        check_forgotten(seq);
}

/* -- 9 to 11 ------------------------------------------------------------------------------- */

#define MANY 50

/* window: how many may be open in the later form. */
static void run_many_instances(int64_t window, bool unreliable)
{
    size_t count = is_early_form() ? 4 : 3;
    if (is_early_form())
        window = 10;
    peers_new(count);
    peers_unreliable(unreliable);
    for (size_t i = 0; i < count; i++) {
        peer_make(i);
        peer_start_number(i, 0, 0);
    }
    for (int64_t seq = 1; seq < MANY; seq++) {
        while (seq >= window && peers_decided(seq - window) < count)
            fiber_sleep_ms(20);
        for (size_t i = 0; i < count; i++)
            peer_start_number(i, seq, (uint64_t)seq * 10 + i);
    }
    for (int64_t seq = 1; seq < MANY; seq++) {
        while (peers_decided(seq) < count)
            fiber_sleep_ms(100);
    }
}

static void many_instances(void)
{
    run_many_instances(5, false);
}

static void many_instances_unreliable(void)
{
    run_many_instances(3, true);
}

static void minority_is_ignored(void)
{
    peers_new(5);
    for (size_t i = 1; i <= 3; i++)
        peer_make(i);
    peer_start_number(1, 1, 111);
    peers_wait_majority(1);
    peer_make(0);
    peer_start_number(0, 1, 222);
    peers_wait(1, 4);
    peers_check_value(1, "111");
}

/* -- 12 to 16: one cluster ----------------------------------------------------------------- */

#define SWITCHES 20

static void start_in_minority(void)
{
    peers_part("02|13|4");
    peer_start_number(1, 0, 111);
    peers_check_max(0, 0);
}

static void decide_in_majority(void)
{
    peers_part("0|123|4");
    fiber_sleep_ms(2000);
    peers_wait_majority(0);
}

static void heal(void)
{
    peer_start_number(0, 0, 1000);
    peer_start_number(4, 0, 1004);
    peers_part("01234");
    peers_wait(0, 5);
    peers_check_value(0, "111");
}

static void check_minority(int64_t seq)
{
    check(peers_decided(seq) <= 3, "instance %" PRId64 ": the minority knows", seq);
}

static void switch_one(int64_t first)
{
    for (int64_t seq = first; seq < first + SWITCHES; seq++) {
        peers_part("012|34");
        peer_start_number(0, seq, (uint64_t)seq * 10);
        peer_start_number(3, seq, (uint64_t)seq * 10 + 1);
        peers_wait_majority(seq);
        check_minority(seq);
        peers_part("01|234");
        peers_wait(seq, 5);
    }
}

static void switch_one_unreliably(int64_t first)
{
    for (int64_t seq = first; seq < first + SWITCHES; seq++) {
        peers_unreliable(true);
        peers_part("012|34");
        for (size_t i = 0; i < 5; i++)
            peer_start_number(i, seq, (uint64_t)seq * 10 + i);
        peers_wait(seq, 3);
        check_minority(seq);
        peers_part("01|234");
        peers_unreliable(false);
        peers_wait(seq, 5);
    }
}

/* Each case runs those before it on its cluster. */
static void run_parts(size_t count)
{
    begin(5);
    start_in_minority();
    if (count >= 2)
        decide_in_majority();
    if (count >= 3)
        heal();
    if (count >= 4)
        switch_one(1);
    if (count >= 5)
        switch_one_unreliably(1 + SWITCHES);
}

static void no_decision_if_partitioned(void)
{
    run_parts(1);
}

static void decision_in_majority(void)
{
    run_parts(2);
}

static void agreement_after_heal(void)
{
    run_parts(3);
}

static void one_switches(void)
{
    run_parts(4);
}

static void one_switches_unreliable(void)
{
    run_parts(5);
}

/* -- 17 ------------------------------------------------------------------------------------ */

static int64_t next_seq;

static void change_partitions(void *ctx)
{
    (void)ctx;
    while (!stopping) {
        char parts[3][8] = {"", "", ""}, all[32];
        for (size_t i = 0; i < 5; i++) {
            char *part = parts[suite_random_below(3)];
            size_t n = strlen(part);
            part[n] = (char)('0' + i);
            part[n + 1] = 0;
        }
        snprintf(all, sizeof all, "%s|%s|%s", parts[0], parts[1], parts[2]);
        peers_part(all);
        fiber_sleep_ms(suite_random_below(200));
    }
}

static void keep_starting(void *ctx)
{
    (void)ctx;
    while (!stopping) {
        size_t open = 0;
        for (int64_t seq = 0; seq < next_seq; seq++)
            open += peers_decided(seq) < 5;
        if (open < 10) {
            for (size_t i = 0; i < 5; i++)
                peer_start_number(i, next_seq, suite_random_below(10));
            next_seq++;
        }
        fiber_sleep_ms(suite_random_below(300));
    }
}

static void keep_looking(void *ctx)
{
    (void)ctx;
    while (!stopping) {
        for (int64_t seq = 0; seq < next_seq; seq++)
            (void)peers_decided(seq);
        fiber_sleep_ms(suite_random_below(300));
    }
}

static void changing_partitions(void)
{
    peers_new(5);
    peers_unreliable(true);
    peers_make_all();
    stopping = false;
    next_seq = 0;
    struct fiber *threads[] = {fiber_start(change_partitions, NULL),
                               fiber_start(keep_starting, NULL), fiber_start(keep_looking, NULL)};
    fiber_sleep_ms(20000);
    stopping = true;
    for (size_t i = 0; i < 3; i++)
        fiber_join(threads[i]);
    peers_unreliable(false);
    peers_part("01234");
    fiber_sleep_ms(5000);
    check(next_seq >= 20, "only %" PRId64 " instances were begun", next_seq);
    for (int64_t seq = 0; seq < next_seq; seq++)
        peers_wait_majority(seq);
}

/* -- E1, E2 -------------------------------------------------------------------------------- */

#define ROUNDS 5

static void rpc_counts(void)
{
    begin(3);
    for (int64_t seq = 0; seq < ROUNDS; seq++) {
        peer_start(0, seq, "x");
        peers_wait(seq, 3);
    }
    fiber_sleep_ms(2000);
    uint64_t alone = peers_requests();
    check(alone <= 5 * 3 * 3, "%" PRIu64 " requests for 5 agreements", alone);
    for (int64_t seq = ROUNDS; seq < 2 * ROUNDS; seq++) {
        for (size_t i = 0; i < 3; i++)
            peer_start_number(i, seq, (uint64_t)seq * 10 + i);
        peers_wait(seq, 3);
    }
    fiber_sleep_ms(2000);
    uint64_t together = peers_requests() - alone;
    check(together <= 5 * 3 * 15, "%" PRIu64 " requests for 5 contended agreements", together);
}

static void max_after_done(void)
{
    begin(3);
    peer_start(0, 0, "x");
    peers_wait(0, 3);
    for (int64_t seq = 1; seq <= 10; seq++) {
        peer_start(0, seq, "y");
        peers_wait(seq, 3);
    }
    for (size_t i = 0; i < 3; i++)
        peer_done(i, 10);
    for (size_t i = 0; i < 3; i++)
        peer_start(i, 10, "z");
    fiber_sleep_ms(2000);
    for (size_t i = 0; i < 3; i++)
        check(peer_max(i) == 10, "peer %zu: Max() is %" PRId64 ", not 10", i, peer_max(i));
}

static const struct suite_case cases[] = {
    {.name = "Single proposer", .script = single_proposer},
    {.name = "Many proposers, same value", .script = same_value},
    {.name = "Many proposers, different values", .script = different_values},
    {.name = "Out-of-order instances", .script = out_of_order},
    {.name = "Deaf proposer", .script = deaf_proposer},
    {.name = "Forgetting", .script = forgetting},
    {.name = "Lots of forgetting", .script = lots_of_forgetting},
    {.name = "Paxos frees forgotten instance memory", .script = memory_is_freed},
    {.name = "Many instances", .script = many_instances},
    {.name = "Minority proposal ignored", .script = minority_is_ignored},
    {.name = "Many instances, unreliable RPC", .script = many_instances_unreliable},
    {.name = "No decision if partitioned", .script = no_decision_if_partitioned},
    {.name = "Decision in majority partition", .script = decision_in_majority},
    {.name = "All agree after full heal", .script = agreement_after_heal},
    {.name = "One peer switches partitions", .script = one_switches},
    {.name = "One peer switches partitions, unreliable", .script = one_switches_unreliable},
    {.name = "Many requests, changing partitions", .script = changing_partitions},
    {.name = "RPC counts aren't too high", .script = rpc_counts},
    {.name = "Paxos Max() after Done()s", .script = max_after_done},
};

static const struct suite suite = {.name = "paxos",
                                   .engines = SUITE_PAXOS,
                                   .limit_ms = 600000,
                                   .cases = cases,
                                   .case_count = sizeof cases / sizeof *cases};

int main(int argc, char **argv)
{
    return suite_main(&suite, argc, argv);
}
