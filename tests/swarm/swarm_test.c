/* The swarm: whole clusters in virtual time, each run with a mix of its own of sizes, limits, engines,
 * operations and faults (mix.h, run.h). Each run is a process, so that all that fail are told.
 *
 *   swarm_test [--seeds N] [--seed FIRST] [--minutes M] [--jobs J] [--engine raft|paxos] [--twice] [--long]
 *
 *   --seeds N     runs, from seed FIRST (1) on; default 20
 *   --minutes M   so long, and --seeds at least
 *   --jobs J      so many at a time; default: as many as there are processors
 *   --engine E    all groups on it; default: drawn
 *   --twice       each run two times: they must be the same, event for event
 *   --long        one long history in fair weather instead
 *
 * Prints a line for each run; after many of them the table of marks (env/mark.h): a mark that they
 * never reached is a failure.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "env/log.h"
#include "env/memory.h"
#include "sim/seeds.h"
#include "swarm/marks.h"
#include "swarm/run.h"

#define SEEDS_DEFAULT 20u
#define MANY_RUNS 500u /* which must reach every mark */
#define JOBS_MAX 64u
#define LONG_OPERATIONS 100000u

struct arguments {
    uint64_t seeds, first, minutes, jobs;
    enum consensus_engine engine; /* 0: drawn */
    bool is_long, twice;
};

/* A run under way. */
struct job {
    pid_t pid; /* 0: none */
    uint64_t seed;
    uint64_t *counts; /* of marks; shared with it */
};

struct swarm {
    struct arguments arguments;
    struct job jobs[JOBS_MAX];
    uint64_t *counts; /* of marks, all runs together */
    uint64_t next_seed, runs, failures;
    struct timespec began;
};

static uint64_t seed_now;
static enum consensus_engine engine_now;

/* -- one run ------------------------------------------------------------------------------- */

static void print_again(FILE *to, uint64_t seed)
{
    char text[MIX_TEXT_BYTES];
    struct mix mix = mix_draw(seed, engine_now);
    mix_text(&mix, text);
    fprintf(to, "seed %" PRIu64 ": %s\nagain: swarm_test%s%s --seed %" PRIu64 "\n", seed, text,
            engine_now != 0 ? " --engine " : "",
            engine_now != 0 ? consensus_engine_name(engine_now) : "", seed);
}

static _Noreturn void failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "seed %" PRIu64 ": %s:%d: %s\n", seed_now, file, line, condition);
    abort();
}

static uint64_t run_seed(uint64_t seed)
{
    struct mix mix = mix_draw(seed, engine_now);
    struct run_result r = run_swarm(seed, &mix);
    printf("seed %" PRIu64 ": %" PRIu64 " Configs, %" PRIu64 " operations, %" PRIu64
           " events, hash %016" PRIx64 "\n",
           seed, r.configs, r.operations, r.events, r.hash);
    fflush(stdout);
    return r.hash;
}

static void run_one(const struct arguments *arguments, uint64_t seed)
{
    seed_now = seed;
    uint64_t hash = run_seed(seed);
    if (arguments->twice)
        sf_assert(run_seed(seed) == hash);
}

/* -- many runs ----------------------------------------------------------------------------- */

static void start(struct swarm *swarm, struct job *job)
{
    job->seed = swarm->next_seed++;
    memset(job->counts, 0, marks_count() * sizeof *job->counts);
    fflush(stdout);
    job->pid = fork();
    if (job->pid < 0) {
        perror("fork");
        exit(1);
    }
    if (job->pid > 0)
        return;
    run_one(&swarm->arguments, job->seed);
    marks_add(job->counts);
    exit(0);
}

static void finish(struct swarm *swarm, struct job *job, int status)
{
    job->pid = 0;
    swarm->runs++;
    for (size_t i = 0; i < marks_count(); i++)
        swarm->counts[i] += job->counts[i];
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return;
    swarm->failures++;
    fprintf(stderr, "FAILED (%s %d)\n", WIFSIGNALED(status) ? "signal" : "exit status",
            WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    print_again(stderr, job->seed);
}

static void wait_for_one(struct swarm *swarm)
{
    int status = 0;
    pid_t pid = wait(&status);
    for (size_t i = 0; i < swarm->arguments.jobs; i++)
        if (pid > 0 && swarm->jobs[i].pid == pid)
            finish(swarm, &swarm->jobs[i], status);
}

static uint64_t seconds_since(const struct timespec *then)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)(now.tv_sec - then->tv_sec);
}

static bool wants_more(const struct swarm *swarm)
{
    const struct arguments *a = &swarm->arguments;
    return swarm->next_seed < a->first + a->seeds || seconds_since(&swarm->began) < a->minutes * 60;
}

static struct job *free_job(struct swarm *swarm)
{
    for (size_t i = 0; i < swarm->arguments.jobs; i++)
        if (swarm->jobs[i].pid == 0)
            return &swarm->jobs[i];
    return NULL;
}

static bool is_busy(const struct swarm *swarm)
{
    for (size_t i = 0; i < swarm->arguments.jobs; i++)
        if (swarm->jobs[i].pid != 0)
            return true;
    return false;
}

static void run_all(struct swarm *swarm)
{
    while (wants_more(swarm)) {
        struct job *job = free_job(swarm);
        if (job)
            start(swarm, job);
        else
            wait_for_one(swarm);
    }
    while (is_busy(swarm))
        wait_for_one(swarm);
}

static uint64_t *share_counts(void)
{
    size_t bytes = marks_count() * sizeof(uint64_t);
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) {
        perror("mmap");
        exit(1);
    }
    return p;
}

static int report(const struct swarm *swarm)
{
    size_t never = marks_print(swarm->runs > SEEDS_DEFAULT ? stdout : NULL, swarm->counts);
    printf("%" PRIu64 " runs in %" PRIu64 " s, %" PRIu64 " failed; %zu of %zu marks not reached\n",
           swarm->runs, seconds_since(&swarm->began), swarm->failures, never, marks_count());
    return swarm->failures > 0 || (never > 0 && swarm->runs >= MANY_RUNS);
}

static int run_swarms(const struct arguments *arguments)
{
    struct swarm swarm = {.arguments = *arguments, .next_seed = arguments->first};
    clock_gettime(CLOCK_MONOTONIC, &swarm.began);
    swarm.counts = sf_calloc(marks_count(), sizeof *swarm.counts);
    for (size_t i = 0; i < arguments->jobs; i++)
        swarm.jobs[i].counts = share_counts();
    run_all(&swarm);
    int status = report(&swarm);
    free(swarm.counts);
    return status;
}

/* -- one long run -------------------------------------------------------------------------- */

static int run_history(uint64_t seed)
{
    struct timespec began;
    clock_gettime(CLOCK_MONOTONIC, &began);
    seed_now = seed;
    struct run_result r = run_long(seed, LONG_OPERATIONS);
    printf("seed %" PRIu64 ": %" PRIu64 " operations in one history, %" PRIu64 " Configs, %" PRIu64
           " events, hash %016" PRIx64 ", %" PRIu64 " s\n",
           seed, r.operations, r.configs, r.events, r.hash, seconds_since(&began));
    return 0;
}

/* -- arguments ----------------------------------------------------------------------------- */

static _Noreturn void usage(void)
{
    fprintf(stderr, "usage: swarm_test [--seeds N] [--seed FIRST] [--minutes M] [--jobs J] "
                    "[--engine raft|paxos] [--twice] [--long]\n");
    exit(2);
}

static uint64_t number(const char *text)
{
    char *end = NULL;
    uint64_t value = text != NULL ? strtoull(text, &end, 10) : 0;
    if (text == NULL || end == text || *end != 0)
        usage();
    return value;
}

static uint64_t from_environment(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text != NULL && text[0] != 0 ? number(text) : otherwise;
}

/* One option and its value. */
static void take(struct arguments *a, const char *option, const char *value, bool *seeds_given)
{
    if (strcmp(option, "--seeds") == 0) {
        a->seeds = number(value);
        *seeds_given = true;
    } else if (strcmp(option, "--seed") == 0) {
        a->first = number(value);
        a->seeds = *seeds_given ? a->seeds : 1;
    } else if (strcmp(option, "--minutes") == 0) {
        a->minutes = number(value);
    } else if (strcmp(option, "--jobs") == 0) {
        a->jobs = number(value);
    } else if (strcmp(option, "--engine") != 0 || value == NULL ||
               !consensus_engine_parse(value, &a->engine)) {
        usage();
    }
}

static struct arguments parse(int argc, char **argv)
{
    bool seeds_given = false;
    struct arguments a = {.seeds = from_environment("SHARDFS_SIM_SEEDS", SEEDS_DEFAULT),
                          .first = from_environment("SHARDFS_SIM_SEED", 1),
                          .jobs = (uint64_t)sysconf(_SC_NPROCESSORS_ONLN)};
    for (int i = 1; i < argc; i += 2) {
        bool is_long = strcmp(argv[i], "--long") == 0, twice = strcmp(argv[i], "--twice") == 0;
        a.is_long = a.is_long || is_long;
        a.twice = a.twice || twice;
        if (is_long || twice) {
            i--;
        } else {
            take(&a, argv[i], i + 1 < argc ? argv[i + 1] : NULL, &seeds_given);
        }
    }
    if (a.jobs < 1 || a.jobs > JOBS_MAX || (a.seeds == 0 && a.minutes == 0))
        usage();
    return a;
}

/* Servers that end because their disks fail say so; here that is every day's business. */
static void keep_quiet(enum log_level level, const char *room, const char *text)
{
    (void)level;
    (void)room;
    (void)text;
}

int main(int argc, char **argv)
{
    const struct arguments arguments = parse(argc, argv);
    sf_assert_handler = failed;
    sf_assert_slow_enabled = true;
    log_sink = keep_quiet;
    engine_now = arguments.engine;
    if (arguments.is_long)
        return run_history(arguments.first);
    if (arguments.seeds != 1 || arguments.minutes != 0)
        return run_swarms(&arguments);
    print_again(stdout, arguments.first);
    run_one(&arguments, arguments.first);
    return 0;
}
