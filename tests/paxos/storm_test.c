/* Many seeds of members that propose, forget, lose messages and power. After every event: one value
 * an instance, at all members and for ever, proposed for that very instance; nothing is forgotten
 * that a member was not said to be done with. In the end, when all is well, everything is decided.
 *
 *   paxos_storm_test [--seeds N] [--seed FIRST]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "env/log.h"
#include "paxos/set.h"
#include "sim/seeds.h"

#define INSTANCES 40
#define STORM_MS 6000u
#define CALM_MS 20000u
#define VALUES_MAX 64u

struct run {
    struct set set;
    struct { /* by instance */
        char proposed[VALUES_MAX][24];
        size_t count;
        const char *known; /* one of those; NULL: nobody knew so far */
    } instances[INSTANCES];
    struct {          /* by member */
        int64_t done; /* the highest said */
        int64_t min;  /* in this life */
    } members[SF_REPLICAS_MAX];
    size_t crashes;
};

static uint64_t seed_now;

static _Noreturn void fail(const char *condition, const char *file, int line)
{
    fprintf(stderr, "%s:%d: %s\nagain: paxos_storm_test --seed %" PRIu64 "\n", file, line,
            condition, seed_now);
    abort();
}

static uint64_t below(struct run *run, uint64_t limit)
{
    return sim_random_below(run->set.sim, limit);
}

/* -- what holds at every moment ------------------------------------------------------------ */

static void check_value(struct run *run, int64_t seq, const struct payload *payload)
{
    const char *value = NULL;
    for (size_t i = 0; i < run->instances[seq].count; i++) {
        if (slice_equal(payload_slice(payload), slice_str(run->instances[seq].proposed[i])))
            value = run->instances[seq].proposed[i];
    }
    sf_assert(value != NULL);
    sf_assert(run->instances[seq].known == NULL || run->instances[seq].known == value);
    run->instances[seq].known = value;
}

static int64_t least_done(const struct run *run)
{
    int64_t least = PAXOS_SEQ_MAX;
    for (size_t i = 0; i < run->set.count; i++) {
        if (run->members[i].done < least)
            least = run->members[i].done;
    }
    return least;
}

static void check_member(struct run *run, size_t i)
{
    const struct member *member = run->set.machines[i].member;
    int64_t min = member_min(member), max = member_max(member);
    sf_assert(min >= run->members[i].min);
    sf_assert(min <= least_done(run) + 1);
    sf_assert(member_instances(member) <= (uint64_t)(max + 1));
    run->members[i].min = min;
    for (int64_t seq = 0; seq < INSTANCES; seq++) {
        const struct payload *payload = member_decided(member, seq);
        sf_assert(payload == NULL || (seq >= min && seq <= max));
        if (payload != NULL)
            check_value(run, seq, payload);
    }
}

static void check(void *ctx, struct sim *sim)
{
    struct run *run = ctx;
    (void)sim;
    for (size_t i = 0; i < run->set.count; i++) {
        if (run->set.machines[i].member != NULL)
            check_member(run, i);
        else
            run->members[i].min = 0;
    }
}

/* -- what may happen ----------------------------------------------------------------------- */

static void start(struct run *run, size_t i, int64_t seq)
{
    struct member *member = run->set.machines[i].member;
    if (member == NULL)
        return;
    char *value = run->instances[seq].proposed[0]; /* one again, where there were many */
    if (run->instances[seq].count < VALUES_MAX) {
        value = run->instances[seq].proposed[run->instances[seq].count++];
        snprintf(value, sizeof run->instances[seq].proposed[0], "%" PRId64 " of %zu, no. %zu", seq,
                 i, run->instances[seq].count);
    }
    int status = member_start(member, seq, slice_str(value));
    sf_assert(status == (seq < member_min(member) ? SF_GONE : SF_OK));
}

/* The next one that nobody knows of yet, so that ballots meet. */
static void start_everywhere(struct run *run)
{
    int64_t seq = 0;
    while (seq < INSTANCES - 1 && run->instances[seq].count > 0)
        seq++;
    for (size_t i = 0; i < run->set.count; i++)
        start(run, i, seq);
}

/* Mostly of what this member knows, at times of what nobody does. */
static void say_done(struct run *run, size_t i)
{
    struct member *member = run->set.machines[i].member;
    int64_t seq = (int64_t)below(run, INSTANCES / 2);
    if (member == NULL || (member_decided(member, seq) == NULL && below(run, 40) > 0))
        return;
    if (run->members[i].done < seq)
        run->members[i].done = seq;
    member_done(member, seq);
}

static void crash(struct run *run, size_t i)
{
    struct sim_node *node = run->set.machines[i].node;
    if (!sim_node_is_up(node)) {
        sim_node_start(node);
    } else if (run->set.dirs) {
        sim_node_crash_soon(node);
        run->crashes++;
    }
}

static void cut(struct run *run, size_t i)
{
    struct sim_node *from = run->set.machines[i].node;
    struct sim_node *to = run->set.machines[below(run, run->set.count)].node;
    if (from == to)
        return;
    sim_cut(run->set.sim, from, to);
    if (below(run, 2) == 0)
        sim_cut(run->set.sim, to, from);
}

static void act(struct run *run)
{
    size_t i = (size_t)below(run, run->set.count);
    switch (below(run, 15)) {
    case 0:
    case 1:
        crash(run, i);
        return;
    case 2:
        cut(run, i);
        return;
    case 3:
        sim_heal_all(run->set.sim);
        return;
    case 4:
        say_done(run, i);
        return;
    case 5:
    case 6:
    case 7:
        start_everywhere(run);
        return;
    default:
        start(run, i, (int64_t)below(run, INSTANCES));
        return;
    }
}

/* -- one seed ------------------------------------------------------------------------------ */

static void draw_faults(struct run *run)
{
    struct sim_faults *faults = sim_faults(run->set.sim);
    faults->loss = (uint32_t)below(run, 3) * 80;
    faults->duplicate = (uint32_t)below(run, 3) * 80;
    faults->reorder = (uint32_t)below(run, 3) * 150;
    faults->slow_us_max = 50000;
    faults->sync_us_max = 300 + (uint32_t)below(run, 2) * 20000;
}

static bool all_know(void *ctx)
{
    const struct run *run = ctx;
    for (size_t i = 0; i < run->set.count; i++) {
        const struct member *member = run->set.machines[i].member;
        for (int64_t seq = member_min(member); seq < INSTANCES; seq++) {
            if (member_decided(member, seq) == NULL)
                return false;
        }
    }
    return true;
}

static void calm_down(struct run *run)
{
    sim_calm(run->set.sim);
    sim_heal_all(run->set.sim);
    for (size_t i = 0; i < run->set.count; i++) {
        if (!sim_node_is_up(run->set.machines[i].node))
            set_boot(&run->set, i);
    }
    for (int64_t seq = 0; seq < INSTANCES; seq++) {
        for (size_t i = 0; i < run->set.count; i++)
            start(run, i, seq);
    }
    sf_assert(sim_run_until(run->set.sim, all_know, run, CALM_MS * ENV_MS_NS));
}

static void run_seed(uint64_t seed, struct run *run)
{
    static const size_t counts[] = {3, 5, 3, 2, 1, 4};
    seed_now = seed;
    *run = (struct run){.crashes = 0};
    set_init(&run->set, seed, counts[seed % 6], seed % 4 > 0);
    for (size_t i = 0; i < run->set.count; i++)
        run->members[i].done = -1;
    set_boot_all(&run->set);
    sim_on_event(run->set.sim, check, run);
    draw_faults(run);
    while (sim_now_ns(run->set.sim) < STORM_MS * ENV_MS_NS) {
        act(run);
        set_run_ms(&run->set, 1 + below(run, 60));
    }
    calm_down(run);
    set_deinit(&run->set);
}

int main(int argc, char **argv)
{
    static struct run run;
    struct seeds seeds = seeds_parse(argc, argv, 100);
    size_t crashes = 0, known = 0, forgotten = 0;
    sf_assert_slow_enabled = true;
    sf_assert_handler = fail;
    log_level_min = LOG_LEVEL_ERROR;
    for (uint64_t seed = seeds.first; seed < seeds.first + seeds.count; seed++) {
        run_seed(seed, &run);
        crashes += run.crashes;
        forgotten += (size_t)(least_done(&run) + 1);
        for (size_t i = 0; i < INSTANCES; i++)
            known += run.instances[i].known != NULL;
    }
    printf("%" PRIu64 " seeds: %zu instances decided, %zu forgotten, %zu crashes\n", seeds.count,
           known, forgotten, crashes);
    return 0;
}
