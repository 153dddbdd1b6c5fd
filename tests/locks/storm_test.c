/* Many seeds of clients that lock files and change what the locks guard, while clients crash and
 * sleep past their leases, leaders and groups crash, shards move, and messages get lost or come late.
 *
 *   locks_storm_test [--seeds N] [--seed S] [--engine raft|paxos]
 *
 * Under an exclusive lock a worker reads the file's number, writes one larger, and reads it again;
 * under a shared one it reads twice. As long as a client was not told that it lost its locks, it
 * finds what it left; each count is written by one worker alone, and none that is read is smaller than one that
 * was acknowledged before it was begun. When all clients are gone, so are their locks.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "locks/locker.h"
#include "sim/seeds.h"

#define STORM_MS 40000u
#define SETTLE_MS 240000u
#define CLIENTS 3u
#define WORKERS 6u
#define FILES 3u
#define COUNTS 65536u

static uint64_t seed_now;

static _Noreturn void failed(const char *condition, const char *file, int line)
{
    fprintf(stderr,
            "seed %" PRIu64 ": %s:%d: %s\nagain: locks_storm_test --engine %s --seed %" PRIu64 "\n",
            seed_now, file, line, condition, seeds_engine_name(), seed_now);
    abort();
}

/* What stands in a file: a count (high), and who wrote it (low), a new number for each write. */
#define COUNT(number) ((number) >> 24)
#define NUMBER(count, writer) (((count) << 24) | (writer))

struct storm {
    struct cluster *cluster;
    struct locker lockers[CLIENTS];
    uint64_t lives[CLIENTS];      /* how often it was started */
    bool written[FILES][COUNTS];  /* this count was acknowledged to somebody */
    uint64_t acknowledged[FILES]; /* the largest */
    uint64_t writes, sections, lost;
    bool ends;
};

struct worker {
    struct storm *storm;
    unsigned client;
    uint64_t owner;
    uint64_t life;
    unsigned fenced; /* the locker's, when the lock was had */
    unsigned file;
    enum kv_lock_type type;
    uint64_t floor; /* acknowledged when the lock was had */
    uint64_t seen;
    struct asked asked;
    bool idle;
};

static const char *const names[FILES] = {"0", "1", "2"};

static void begin(struct worker *worker);

static struct locker *locker_of(struct worker *worker)
{
    return &worker->storm->lockers[worker->client];
}

static bool has_lost_its_lock(struct worker *worker)
{
    return locker_of(worker)->fenced != worker->fenced;
}

static void unlocked(struct asked *asked)
{
    begin(asked->ctx);
}

static void unlock(struct worker *worker)
{
    worker->asked.then = unlocked;
    locker_ask(locker_of(worker), &worker->asked, worker->file,
               locker_whole(KV_LOCK_NONE, worker->owner, false));
}

/* Something else stood there than should: then it must not be able to write any more. */
static void probed(struct asked *asked)
{
    struct worker *worker = asked->ctx;
    sf_assert(asked->status != SF_OK);
    worker->storm->lost++;
    begin(worker);
}

static void found_changed(struct worker *worker)
{
    if (has_lost_its_lock(worker)) {
        worker->storm->lost++;
        begin(worker);
        return;
    }
    worker->asked.then = probed;
    locker_put(locker_of(worker), &worker->asked, "probe", 1);
}

static void read_again(struct asked *asked)
{
    struct worker *worker = asked->ctx;
    if (asked->status != SF_OK) {
        unlock(worker);
        return;
    }
    if (asked->number != worker->seen) {
        found_changed(worker);
        return;
    }
    worker->storm->sections++;
    unlock(worker);
}

static void look_again(struct worker *worker)
{
    worker->asked.then = read_again;
    locker_get(locker_of(worker), &worker->asked, names[worker->file]);
}

static void wrote(struct asked *asked)
{
    struct worker *worker = asked->ctx;
    struct storm *storm = worker->storm;
    if (asked->status != SF_OK) {
        unlock(worker);
        return;
    }
    uint64_t count = COUNT(worker->seen);
    sf_assert(count < COUNTS && !storm->written[worker->file][count]);
    storm->written[worker->file][count] = true;
    if (count > storm->acknowledged[worker->file]) /* who slept may hear of it late */
        storm->acknowledged[worker->file] = count;
    look_again(worker);
}

static void read_first(struct asked *asked)
{
    struct worker *worker = asked->ctx;
    if (asked->status != SF_OK) {
        unlock(worker);
        return;
    }
    if (COUNT(asked->number) < worker->floor) {
        sf_assert(false); /* what was acknowledged is gone */
        return;
    }
    worker->seen = asked->number;
    if (has_lost_its_lock(worker)) { /* under its client's new name it could write */
        worker->storm->lost++;
        begin(worker);
        return;
    }
    if (worker->type == KV_LOCK_SHARED) {
        look_again(worker);
        return;
    }
    worker->seen = NUMBER(COUNT(asked->number) + 1, ++worker->storm->writes);
    worker->asked.then = wrote;
    locker_put(locker_of(worker), &worker->asked, names[worker->file], worker->seen);
}

static void had_lock(struct asked *asked)
{
    struct worker *worker = asked->ctx;
    if (asked->status != SF_OK) {
        begin(worker);
        return;
    }
    worker->floor = worker->storm->acknowledged[worker->file];
    worker->asked.then = read_first;
    locker_get(locker_of(worker), &worker->asked, names[worker->file]);
}

static void begin(struct worker *worker)
{
    struct storm *storm = worker->storm;
    struct sim *sim = storm->cluster->sim;
    worker->idle = storm->ends;
    if (storm->ends)
        return;
    worker->file = (unsigned)sim_random_below(sim, FILES);
    worker->type = sim_random_below(sim, 3) == 0 ? KV_LOCK_SHARED : KV_LOCK_EXCLUSIVE;
    worker->fenced = locker_of(worker)->fenced;
    worker->asked.then = had_lock;
    bool waits = sim_random_below(sim, 4) > 0;
    locker_ask(locker_of(worker), &worker->asked, worker->file,
               locker_whole(worker->type, worker->owner, waits));
}

/* -- what disturbs ------------------------------------------------------------------------- */

static void start_workers(struct storm *storm, struct worker *workers, unsigned client)
{
    for (unsigned i = 0; i < WORKERS; i++) {
        struct worker *worker = &workers[i];
        if (i % CLIENTS != client)
            continue;
        *worker = (struct worker){.storm = storm, .client = client, .owner = i};
        worker->asked.ctx = worker;
        begin(worker);
    }
}

static void crash_client(struct storm *storm, struct worker *workers, unsigned client)
{
    char name[16];
    sim_node_crash(storm->lockers[client].node);
    cluster_run_ms(storm->cluster, 1);
    snprintf(name, sizeof(name), "u%u-%" PRIu64, client, ++storm->lives[client]);
    locker_start(&storm->lockers[client], storm->cluster, name);
    start_workers(storm, workers, client);
}

static void disturb(struct storm *storm, struct worker *workers, uint64_t wildness)
{
    struct sim *sim = storm->cluster->sim;
    unsigned client = (unsigned)sim_random_below(sim, CLIENTS);
    uint64_t what = sim_random_below(sim, 12);
    if (what < 1)
        crash_client(storm, workers, client);
    else if (what < 3)
        sim_node_pause(storm->lockers[client].node,
                       sim_random_below(sim, 4 * LOCKER_LEASE_MS) * ENV_MS_NS);
    else if (what < 6)
        cluster_reconfigure(storm->cluster);
    else if (what < 7)
        cluster_calm(storm->cluster);
    else if (sim_random_below(sim, 4) < wildness)
        cluster_fault(storm->cluster);
}

static void rage(struct storm *storm, struct worker *workers)
{
    struct sim *sim = storm->cluster->sim;
    uint64_t end = sim_now_ns(sim) + STORM_MS * ENV_MS_NS;
    uint64_t gap_ms = 100 + sim_random_below(sim, 2000);
    uint64_t wildness = sim_random_below(sim, 4);
    while (sim_now_ns(sim) < end) {
        disturb(storm, workers, wildness);
        cluster_run_ms(storm->cluster, 10 + sim_random_below(sim, gap_ms));
    }
}

static struct worker all_workers[WORKERS];

static bool all_idle(struct cluster *cluster)
{
    (void)cluster;
    for (unsigned i = 0; i < WORKERS; i++)
        if (!all_workers[i].idle)
            return false;
    return true;
}

static void settle(struct storm *storm)
{
    struct cluster *cluster = storm->cluster;
    cluster_calm(cluster);
    if (cluster_query(cluster)->group_count == 0)
        (void)cluster_join(cluster, 1u << sim_random_below(cluster->sim, CLUSTER_GROUPS));
    storm->ends = true;
    sf_assert(cluster_run_until(cluster, all_idle, SETTLE_MS));
    sf_assert(cluster_run_until(cluster, cluster_is_settled, SETTLE_MS));
    for (unsigned i = 0; i < CLIENTS; i++)
        sim_node_crash(storm->lockers[i].node);
    sf_assert(cluster_run_until(cluster, locker_is_clean, SETTLE_MS));
    cluster_check_replicas(cluster);
}

static void run(uint64_t seed)
{
    static struct storm storm;
    seed_now = seed;
    storm = (struct storm){.cluster = locker_cluster(seed)};
    for (unsigned i = 0; i < CLIENTS; i++) {
        char name[16];
        snprintf(name, sizeof(name), "u%u", i);
        locker_start(&storm.lockers[i], storm.cluster, name);
        start_workers(&storm, all_workers, i);
    }
    rage(&storm, all_workers);
    settle(&storm);
    printf("seed %" PRIu64 ": %" PRIu64 " Configs, %" PRIu64 " writes, %" PRIu64
           " sections, %" PRIu64 " locks lost, %" PRIu64 " events, hash %016" PRIx64 "\n",
           seed, storm.cluster->config->num, storm.writes, storm.sections, storm.lost,
           sim_event_count(storm.cluster->sim), sim_hash(storm.cluster->sim));
    cluster_free(storm.cluster);
}

int main(int argc, char **argv)
{
    const struct seeds seeds = seeds_parse(argc, argv, 30);
    sf_assert_handler = failed;
    sf_assert_slow_enabled = true;
    for (uint64_t seed = seeds.first; seed < seeds.first + seeds.count; seed++)
        run(seed);
    return 0;
}
