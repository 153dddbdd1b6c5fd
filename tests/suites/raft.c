/* Suite 5: the replicated log (handout 001, Lab 2), on model L with long delays.
 *
 * Raft alone: the cases look at terms, at who leads, and count its messages.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "env/memory.h"
#include "suites/fiber.h"
#include "suites/raft_servers.h"
#include "suites/suite.h"

/* -- 2A ------------------------------------------------------------------------------------ */

static void initial_election(void)
{
    raft_begin(3, false);
    (void)raft_check_one_leader();
    fiber_sleep_ms(50);
    uint64_t term = raft_check_terms();
    check(term >= 1, "the term is %" PRIu64, term);
    fiber_sleep_ms(2 * ELECTION_MS);
    /* The original only warns: without failures the term need not change. Ours must not. */
    check(raft_check_terms() == term, "the term changed without failures");
    (void)raft_check_one_leader();
}

static void election_after_failure(void)
{
    raft_begin(3, false);
    size_t first = raft_check_one_leader();
    raft_disconnect(first);
    (void)raft_check_one_leader();
    raft_connect(first);
    size_t second = raft_check_one_leader();
    size_t other = (second + 1) % 3;
    raft_disconnect(second);
    raft_disconnect(other);
    fiber_sleep_ms(2 * ELECTION_MS);
    raft_check_no_leader();
    raft_connect(other);
    (void)raft_check_one_leader();
    raft_connect(second);
    (void)raft_check_one_leader();
}

/* -- 2B: agreement ------------------------------------------------------------------------- */

static void basic_agreement(void)
{
    raft_begin(3, false);
    for (uint64_t i = 1; i <= 3; i++) {
        check(raft_applied(i, NULL) == 0, "%" PRIu64 " is applied before it was started", i);
        uint64_t index = raft_one(command(100 * i), 3, false);
        check(index == i, "got index %" PRIu64 " for command %" PRIu64, index, i);
    }
}

static struct slice random_text(uint8_t *to, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] = (uint8_t)('a' + suite_random_below(26));
    return slice_of(to, n);
}

static void rpc_byte_count(void)
{
    uint8_t bytes[5000];
    raft_begin(3, false);
    (void)raft_one(command(99), 3, false);
    uint64_t before = net_bytes(raft_net());
    for (uint64_t index = 2; index < 12; index++) {
        uint64_t got = raft_one(random_text(bytes, sizeof bytes), 3, false);
        check(got == index, "got index %" PRIu64 ", expected %" PRIu64, got, index);
    }
    uint64_t growth = net_bytes(raft_net()) - before;
    check(growth <= 3 * 50000 + 50000, "too many bytes: %" PRIu64, growth);
}

static void follower_disconnection(void)
{
    raft_begin(3, false);
    (void)raft_one(command(101), 3, false);
    size_t leader = raft_check_one_leader();
    raft_disconnect((leader + 1) % 3);
    (void)raft_one(command(102), 2, false);
    (void)raft_one(command(103), 2, false);
    fiber_sleep_ms(ELECTION_MS);
    (void)raft_one(command(104), 2, false);
    (void)raft_one(command(105), 2, false);
    raft_connect((leader + 1) % 3);
    (void)raft_one(command(106), 3, true);
    fiber_sleep_ms(ELECTION_MS);
    (void)raft_one(command(107), 3, true);
}

static void too_many_disconnect(void)
{
    raft_begin(5, false);
    (void)raft_one(command(10), 5, false);
    size_t leader = raft_check_one_leader();
    for (size_t i = 1; i <= 3; i++)
        raft_disconnect((leader + i) % 5);
    struct started started = raft_start(leader, command(20));
    check(started.leads && started.index == 2, "the leader took the command at %" PRIu64,
          started.index);
    fiber_sleep_ms(2 * ELECTION_MS);
    check(raft_applied(2, NULL) == 0, "a minority committed");
    for (size_t i = 1; i <= 3; i++)
        raft_connect((leader + i) % 5);
    leader = raft_check_one_leader();
    started = raft_start(leader, command(30));
    check(started.leads && started.index >= 2 && started.index <= 3,
          "the new leader took the command at %" PRIu64, started.index);
    (void)raft_one(command(1000), 5, true);
}

/* -- 2B: concurrent starts ----------------------------------------------------------------- */

struct starter {
    struct fiber *fiber;
    size_t server;
    uint64_t term;
    uint64_t number;
    uint64_t index; /* 0: it was not taken in this term */
};

static void start_one(void *ctx)
{
    struct starter *starter = ctx;
    struct started started = raft_start(starter->server, command(starter->number));
    starter->index = started.leads && started.term == starter->term ? started.index : 0;
}

static bool terms_are(uint64_t term)
{
    for (size_t i = 0; i < raft_count(); i++)
        if (raft_term(i) != term)
            return false;
    return true;
}

/* False: the term changed. */
static bool collect(const struct starter *starters, size_t count, uint64_t term, uint64_t *got)
{
    for (size_t i = 0; i < count; i++) {
        struct slice cmd = {0};
        if (starters[i].index == 0)
            continue;
        if (!raft_wait(starters[i].index, raft_count(), term, &cmd))
            return false;
        struct reader r = reader_of(cmd);
        got[i] = reader_u64(&r);
    }
    return true;
}

static bool try_concurrent_starts(void)
{
    enum { STARTERS = 5 };
    struct starter starters[STARTERS];
    uint64_t got[STARTERS] = {0};
    size_t leader = raft_check_one_leader();
    struct started first = raft_start(leader, command(1));
    if (!first.leads)
        return false;
    for (size_t i = 0; i < STARTERS; i++) {
        starters[i] = (struct starter){.server = leader, .term = first.term, .number = 100 + i};
        starters[i].fiber = fiber_start(start_one, &starters[i]);
    }
    for (size_t i = 0; i < STARTERS; i++)
        fiber_join(starters[i].fiber);
    if (!terms_are(first.term) || !collect(starters, STARTERS, first.term, got))
        return false;
    for (uint64_t x = 100; x < 100 + STARTERS; x++) {
        bool found = false;
        for (size_t i = 0; i < STARTERS; i++)
            found = found || got[i] == x;
        check(found, "command %" PRIu64 " is missing", x);
    }
    return true;
}

static void concurrent_starts(void)
{
    raft_begin(3, false);
    for (int tries = 0; tries < 5; tries++) {
        if (tries > 0)
            fiber_sleep_ms(3000);
        if (try_concurrent_starts())
            return;
    }
    check(false, "the term changed too often");
}

/* -- 2B: logs that differ ------------------------------------------------------------------ */

static void start_at(size_t server, struct slice cmd)
{
    (void)raft_start(server, cmd);
}

static void rejoin(void)
{
    raft_begin(3, false);
    (void)raft_one(command(101), 3, true);
    size_t first = raft_check_one_leader();
    raft_disconnect(first);
    for (uint64_t i = 102; i <= 104; i++)
        start_at(first, command(i));
    (void)raft_one(command(103), 2, true);
    size_t second = raft_check_one_leader();
    raft_disconnect(second);
    raft_connect(first);
    (void)raft_one(command(104), 2, true);
    raft_connect(second);
    (void)raft_one(command(105), 3, true);
}

static void start_many(size_t server)
{
    for (int i = 0; i < 50; i++)
        start_at(server, random_command());
}

static void agree_on_many(void)
{
    for (int i = 0; i < 50; i++)
        (void)raft_one(random_command(), 3, true);
}

static void backup(void)
{
    raft_begin(5, false);
    (void)raft_one(random_command(), 5, true);
    size_t first = raft_check_one_leader();
    for (size_t i = 2; i <= 4; i++)
        raft_disconnect((first + i) % 5);
    start_many(first);
    fiber_sleep_ms(ELECTION_MS / 2);
    raft_disconnect(first);
    raft_disconnect((first + 1) % 5);
    for (size_t i = 2; i <= 4; i++)
        raft_connect((first + i) % 5);
    agree_on_many();

    size_t second = raft_check_one_leader();
    size_t other = (first + 2) % 5;
    if (second == other)
        other = (second + 1) % 5;
    raft_disconnect(other);
    start_many(second);
    fiber_sleep_ms(ELECTION_MS / 2);
    for (size_t i = 0; i < 5; i++)
        raft_disconnect(i);
    raft_connect(first);
    raft_connect((first + 1) % 5);
    raft_connect(other);
    agree_on_many();
    for (size_t i = 0; i < 5; i++)
        raft_connect(i);
    (void)raft_one(random_command(), 5, true);
}

/* -- 2B: counts ---------------------------------------------------------------------------- */

static uint64_t requests(void)
{
    uint64_t total = 0;
    for (size_t i = 0; i < raft_count(); i++)
        total += raft_requests(i);
    return total;
}

/* False: the term changed. */
static bool try_count(size_t leader)
{
    enum { COMMANDS = 10 };
    uint8_t commands[COMMANDS + 2][8];
    uint64_t before = requests();
    struct started first = raft_start(leader, command(1));
    if (!first.leads)
        return false;
    for (uint64_t i = 0; i < COMMANDS + 2; i++) {
        struct slice cmd = random_command();
        memcpy(commands[i], cmd.p, cmd.n);
        if (i == COMMANDS + 1)
            break; /* eleven of them */
        struct started started = raft_start(leader, slice_of(commands[i], 8));
        if (!started.leads || started.term != first.term)
            return false;
        check(started.index == first.index + i + 1, "got index %" PRIu64 ", expected %" PRIu64,
              started.index, first.index + i + 1);
    }
    for (uint64_t i = 1; i <= COMMANDS; i++) {
        struct slice cmd;
        if (!raft_wait(first.index + i, 3, first.term, &cmd))
            return false;
        check(slice_equal(cmd, slice_of(commands[i - 1], 8)), "another command at %" PRIu64,
              first.index + i);
    }
    if (!terms_are(first.term))
        return false;
    uint64_t growth = requests() - before;
    check(growth <= (COMMANDS + 1 + 3) * 3, "too many RPCs for %d commands: %" PRIu64, COMMANDS + 2,
          growth);
    return true;
}

static void rpc_counts(void)
{
    bool counted = false;
    raft_begin(3, false);
    size_t leader = raft_check_one_leader();
    uint64_t total = requests();
    check(total >= 1 && total <= 30, "RPCs to elect the first leader: %" PRIu64, total);
    for (int tries = 0; tries < 5 && !counted; tries++) {
        if (tries > 0) {
            fiber_sleep_ms(3000);
            leader = raft_check_one_leader();
        }
        counted = try_count(leader);
    }
    check(counted, "the term changed too often");
    total = requests();
    fiber_sleep_ms(ELECTION_MS);
    total = requests() - total;
    check(total <= 3 * 20, "RPCs in an idle second: %" PRIu64, total);
}

/* -- 2C: restarts -------------------------------------------------------------------------- */

static void bring_back(size_t server)
{
    raft_restart(server);
    raft_connect(server);
}

static void basic_persistence(void)
{
    raft_begin(3, false);
    (void)raft_one(command(11), 3, true);
    for (size_t i = 0; i < 3; i++)
        raft_restart(i);
    for (size_t i = 0; i < 3; i++) {
        raft_disconnect(i);
        raft_connect(i);
    }
    (void)raft_one(command(12), 3, true);
    size_t leader = raft_check_one_leader();
    raft_disconnect(leader);
    bring_back(leader);
    (void)raft_one(command(13), 3, true);
    leader = raft_check_one_leader();
    raft_disconnect(leader);
    (void)raft_one(command(14), 2, true);
    bring_back(leader);
    (void)raft_wait(4, 3, 0, NULL);
    size_t other = (raft_check_one_leader() + 1) % 3;
    raft_disconnect(other);
    (void)raft_one(command(15), 2, true);
    bring_back(other);
    (void)raft_one(command(16), 3, true);
}

static void more_persistence(void)
{
    uint64_t number = 1;
    raft_begin(5, false);
    for (int round = 0; round < 5; round++) {
        (void)raft_one(command(10 + number++), 5, true);
        size_t leader = raft_check_one_leader();
        raft_disconnect((leader + 1) % 5);
        raft_disconnect((leader + 2) % 5);
        (void)raft_one(command(10 + number++), 3, true);
        raft_disconnect(leader);
        raft_disconnect((leader + 3) % 5);
        raft_disconnect((leader + 4) % 5);
        bring_back((leader + 1) % 5);
        bring_back((leader + 2) % 5);
        fiber_sleep_ms(ELECTION_MS);
        bring_back((leader + 3) % 5);
        (void)raft_one(command(10 + number++), 3, true);
        raft_connect((leader + 4) % 5);
        raft_connect(leader);
    }
    (void)raft_one(command(1000), 5, true);
}

static void leader_and_follower_crash(void)
{
    raft_begin(3, false);
    (void)raft_one(command(101), 3, true);
    size_t leader = raft_check_one_leader();
    raft_disconnect((leader + 2) % 3);
    (void)raft_one(command(102), 2, true);
    raft_crash(leader);
    raft_crash((leader + 1) % 3);
    raft_connect((leader + 2) % 3);
    bring_back(leader);
    (void)raft_one(command(103), 2, true);
    bring_back((leader + 1) % 3);
    (void)raft_one(command(104), 3, true);
}

/* -- 2C: figure 8 -------------------------------------------------------------------------- */

#define FIGURE_8_ROUNDS 1000

static void sleep_as_figure_8(void)
{
    if (suite_chance(10))
        fiber_sleep_ms(suite_random_below(ELECTION_MS / 2));
    else
        fiber_sleep_ms(suite_random_below(13));
}

static void figure_8(void)
{
    size_t up = 5;
    raft_begin(5, false);
    (void)raft_one(random_command(), 1, true);
    for (int round = 0; round < FIGURE_8_ROUNDS; round++) {
        size_t leader = 5;
        for (size_t i = 0; i < 5; i++)
            if (raft_is_up(i) && raft_start(i, random_command()).leads)
                leader = i;
        sleep_as_figure_8();
        if (leader < 5) {
            raft_crash(leader);
            up--;
        }
        size_t server = suite_random_below(5);
        if (up < 3 && !raft_is_up(server)) {
            bring_back(server);
            up++;
        }
    }
    for (size_t i = 0; i < 5; i++)
        if (!raft_is_up(i))
            bring_back(i);
    (void)raft_one(random_command(), 5, true);
}

static void figure_8_unreliable(void)
{
    size_t up = 5;
    raft_begin(5, true);
    (void)raft_one(command(suite_random_below(10000)), 1, true);
    for (int round = 0; round < FIGURE_8_ROUNDS; round++) {
        size_t leader = 5;
        if (round == 200)
            net_long_reordering(raft_net(), true);
        for (size_t i = 0; i < 5; i++)
            if (raft_start(i, command(suite_random_below(10000))).leads && raft_is_connected(i))
                leader = i;
        sleep_as_figure_8();
        if (leader < 5 && suite_chance(50)) {
            raft_disconnect(leader);
            up--;
        }
        size_t server = suite_random_below(5);
        if (up < 3 && !raft_is_connected(server)) {
            raft_connect(server);
            up++;
        }
    }
    for (size_t i = 0; i < 5; i++)
        if (!raft_is_connected(i))
            raft_connect(i);
    (void)raft_one(command(suite_random_below(10000)), 5, true);
}

/* -- 2C: unreliable agreement -------------------------------------------------------------- */

static void agree(void *ctx)
{
    const uint64_t *number = ctx;
    (void)raft_one(command(*number), 1, true);
}

static void unreliable_agreement(void)
{
    enum { ROUNDS = 49, THREADS = 4 };
    uint64_t numbers[ROUNDS * THREADS];
    struct fiber *fibers[ROUNDS * THREADS];
    size_t count = 0;
    raft_begin(5, true);
    for (uint64_t round = 1; round <= ROUNDS; round++) {
        for (uint64_t j = 0; j < THREADS; j++, count++) {
            numbers[count] = 100 * round + j;
            fibers[count] = fiber_start(agree, &numbers[count]);
        }
        (void)raft_one(command(round), 1, true);
    }
    net_unreliable(raft_net(), false);
    for (size_t i = 0; i < count; i++)
        fiber_join(fibers[i]);
    (void)raft_one(command(100), 5, true);
}

/* -- 2C: churn ----------------------------------------------------------------------------- */

struct churner {
    struct fiber *fiber;
    uint64_t number; /* of the client */
    const bool *stop;
    struct buffer recorded; /* its commands that were applied */
};

static const uint64_t look_pauses_ms[] = {10, 20, 50, 100, 200};

static void churn_once(struct churner *churner)
{
    uint8_t bytes[8];
    struct started taken = {0};
    struct slice random = random_command();
    memcpy(bytes, random.p, sizeof bytes);
    for (size_t i = 0; i < raft_count(); i++) {
        struct started started = {0};
        if (raft_is_up(i))
            started = raft_start(i, slice_of(bytes, 8));
        if (started.leads)
            taken = started;
    }
    if (!taken.leads) {
        fiber_sleep_ms(79 + churner->number * 17);
        return;
    }
    for (size_t i = 0; i < sizeof look_pauses_ms / sizeof look_pauses_ms[0]; i++) {
        if (raft_applied(taken.index, NULL) > 0) {
            if (raft_applied_is(taken.index, slice_of(bytes, 8)))
                buffer_append(&churner->recorded, bytes, 8);
            return;
        }
        fiber_sleep_ms(look_pauses_ms[i]);
    }
}

static void churn_client(void *ctx)
{
    struct churner *churner = ctx;
    while (!*churner->stop)
        churn_once(churner);
}

static void disturb(void)
{
    size_t server = suite_random_below(5);
    if (suite_chance(20))
        raft_disconnect(server);
    server = suite_random_below(5);
    if (suite_chance(50)) {
        if (!raft_is_up(server))
            raft_restart(server);
        raft_connect(server);
    }
    server = suite_random_below(5);
    if (suite_chance(20) && raft_is_up(server))
        raft_crash(server);
    fiber_sleep_ms(ELECTION_MS * 7 / 10);
}

/* A client records what was applied in the order of its index. */
static void check_recorded(const struct churner *churner, uint64_t last)
{
    uint64_t index = 1;
    for (size_t at = 0; at < churner->recorded.n; at += 8) {
        while (index <= last && !raft_applied_is(index, slice_of(churner->recorded.p + at, 8)))
            index++;
        check(index <= last, "a command that was applied is gone");
    }
}

static void churn(bool unreliable)
{
    enum { CLIENTS = 3, ROUNDS = 20 };
    struct churner churners[CLIENTS] = {0};
    bool stop = false;
    raft_begin(5, unreliable);
    for (size_t i = 0; i < CLIENTS; i++) {
        churners[i].number = i;
        churners[i].stop = &stop;
        churners[i].fiber = fiber_start(churn_client, &churners[i]);
    }
    for (int round = 0; round < ROUNDS; round++)
        disturb();
    fiber_sleep_ms(ELECTION_MS);
    net_unreliable(raft_net(), false);
    for (size_t i = 0; i < 5; i++) {
        if (!raft_is_up(i))
            raft_restart(i);
        raft_connect(i);
    }
    stop = true;
    for (size_t i = 0; i < CLIENTS; i++)
        fiber_join(churners[i].fiber);
    fiber_sleep_ms(ELECTION_MS);
    uint64_t last = raft_one(random_command(), 5, true);
    for (uint64_t index = 1; index <= last; index++)
        (void)raft_wait(index, 5, 0, NULL);
    for (size_t i = 0; i < CLIENTS; i++) {
        check_recorded(&churners[i], last);
        buffer_deinit(&churners[i].recorded);
    }
}

static void reliable_churn(void)
{
    churn(false);
}

static void unreliable_churn(void)
{
    churn(true);
}

/* ------------------------------------------------------------------------------------------ */

static const struct suite_case cases[] = {
    {.name = "Test (2A): initial election", .script = initial_election},
    {.name = "Test (2A): election after network failure", .script = election_after_failure},
    {.name = "Test (2B): basic agreement", .script = basic_agreement},
    {.name = "Test (2B): RPC byte count", .script = rpc_byte_count},
    {.name = "Test (2B): agreement despite follower disconnection",
     .script = follower_disconnection},
    {.name = "Test (2B): no agreement if too many followers disconnect",
     .script = too_many_disconnect},
    {.name = "Test (2B): concurrent Start()s", .script = concurrent_starts},
    {.name = "Test (2B): rejoin of partitioned leader", .script = rejoin},
    {.name = "Test (2B): leader backs up quickly over incorrect follower logs", .script = backup},
    {.name = "Test (2B): RPC counts aren't too high", .script = rpc_counts},
    {.name = "Test (2C): basic persistence", .script = basic_persistence},
    {.name = "Test (2C): more persistence", .script = more_persistence},
    {.name = "Test (2C): partitioned leader and one follower crash, leader restarts",
     .script = leader_and_follower_crash},
    {.name = "Test (2C): Figure 8", .script = figure_8},
    {.name = "Test (2C): unreliable agreement", .script = unreliable_agreement},
    {.name = "Test (2C): Figure 8 (unreliable)", .script = figure_8_unreliable},
    {.name = "Test (2C): churn", .script = reliable_churn},
    {.name = "Test (2C): unreliable churn", .script = unreliable_churn},
};

int main(int argc, char **argv)
{
    const struct suite suite = {.name = "raft",
                                .engines = SUITE_RAFT,
                                .limit_ms = 120000,
                                .cases = cases,
                                .case_count = sizeof cases / sizeof cases[0]};
    return suite_main(&suite, argc, argv);
}
