#include "suites/suite.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "env/log.h"
#include "env/memory.h"
#include "suites/fiber.h"

#define SEEDS_DEFAULT 20u
#define SEEDS_FEW 3u
#define ENDS_MAX 16u

/* What the command line asks for. */
struct request {
    const char *program;
    uint64_t first, count;
    const char *name;             /* of a case; NULL: all */
    enum consensus_engine engine; /* 0: all that are built */
    bool list, engines, twice;
};

/* The run of one case with one seed. */
static struct {
    const struct suite *suite;
    const struct suite_case *case_now;
    const char *program;
    enum consensus_engine engine;
    uint64_t seed;
    struct sim *sim;
    struct {
        void (*run)(void *ctx);
        void *ctx;
    } ends[ENDS_MAX];
    size_t end_count;
} now;

static const char *engine_text(enum consensus_engine engine)
{
    return engine == CONSENSUS_PAXOS ? "paxos" : "raft";
}

/* -- for scripts --------------------------------------------------------------------------- */

uint64_t suite_seed(void)
{
    return now.seed;
}

enum consensus_engine suite_engine(void)
{
    return now.engine;
}

struct sim *suite_sim(void)
{
    if (now.sim == NULL) {
        now.sim = sim_new(now.seed);
        sf_assert_slow_enabled = getenv("SHARDFS_SLOW_CHECKS") != NULL;
        fiber_use_sim(now.sim, now.suite->limit_ms);
    }
    return now.sim;
}

void suite_at_end(void (*run)(void *ctx), void *ctx)
{
    sf_assert(now.end_count < ENDS_MAX);
    now.ends[now.end_count].run = run;
    now.ends[now.end_count].ctx = ctx;
    now.end_count++;
}

uint64_t suite_random_below(uint64_t limit)
{
    return sim_random_below(suite_sim(), limit);
}

uint64_t suite_random_between(uint64_t min, uint64_t max)
{
    return min + suite_random_below(max - min + 1);
}

bool suite_chance(unsigned percent)
{
    return suite_random_below(100) < percent;
}

uint64_t suite_now_ms(void)
{
    return sim_now_ns(suite_sim()) / ENV_MS_NS;
}

/* -- failing ------------------------------------------------------------------------------- */

static _Noreturn void end_failed(void)
{
    printf("FAILED\n  again: %s --engine %s --seed %" PRIu64 " --case \"%s\"\n", now.program,
           engine_text(now.engine), now.seed, now.case_now->name);
    fflush(stdout);
    _exit(1);
}

_Noreturn void suite_fail(const char *file, int line, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    printf("\n  %s:%d: ", file, line);
    vprintf(format, arguments);
    va_end(arguments);
    if (now.sim != NULL)
        printf(" (at %" PRIu64 " ms)", suite_now_ms());
    printf("\n  ");
    end_failed();
}

static _Noreturn void assert_failed(const char *condition, const char *file, int line)
{
    suite_fail(file, line, "assertion failed: %s", condition);
}

/* -- running ------------------------------------------------------------------------------- */

static void run_script(void *ctx)
{
    const struct suite_case *c = ctx;
    c->script();
}

/* What a run came to. */
struct outcome {
    uint64_t virtual_ns;
    uint64_t hash; /* over its events */
};

static struct outcome run_seed(uint64_t seed)
{
    now.seed = seed;
    now.sim = NULL;
    now.end_count = 0;
    uint64_t begin_ns = sim_now_ns(suite_sim());
    bool in_time = fiber_run(run_script, (void *)(uintptr_t)now.case_now);
    check(in_time, "not done after %" PRIu64 " s of virtual time", now.suite->limit_ms / 1000);
    struct outcome outcome = {.virtual_ns = sim_now_ns(now.sim) - begin_ns,
                              .hash = sim_hash(now.sim)};
    while (now.end_count > 0) {
        now.end_count--;
        now.ends[now.end_count].run(now.ends[now.end_count].ctx);
    }
    sim_free(now.sim);
    now.sim = NULL;
    return outcome;
}

/* The same seed gives the same run, event for event. */
static uint64_t run_checked(uint64_t seed, bool twice)
{
    struct outcome first = run_seed(seed);
    if (!twice)
        return first.virtual_ns;
    struct outcome second = run_seed(seed);
    check(first.hash == second.hash, "the seed gave two runs that differ");
    return first.virtual_ns + second.virtual_ns;
}

static double real_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* What a line begins with. It is written with the rest, so that the lines of programs that run side
 * by side stay whole. */
static void print_head(void)
{
    printf("%s %s: %s ... ", now.suite->name, engine_text(now.engine), now.case_now->name);
}

/* In the child. */
static _Noreturn void run_seeds(const struct request *request)
{
    double begin = real_seconds();
    uint64_t virtual_ns = 0;
    sf_assert_handler = assert_failed;
    log_level_min = LOG_LEVEL_ERROR;
    print_head();
    for (uint64_t i = 0; i < request->count; i++)
        virtual_ns += run_checked(request->first + i, request->twice);
    printf("Passed (%" PRIu64 " seed%s, %.0f s virtual, %.1f s real)\n", request->count,
           request->count == 1 ? "" : "s", (double)virtual_ns / 1e9, real_seconds() - begin);
    fflush(stdout);
    _exit(0);
}

/* A process of its own, so that a case that crashes does not end the others. */
static bool run_case(const struct request *request)
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid < 0) {
        perror("fork");
        exit(1);
    }
    if (pid == 0)
        run_seeds(request);
    int status = 0;
    (void)waitpid(pid, &status, 0);
    if (WIFSIGNALED(status)) {
        print_head();
        printf("FAILED by signal %d\n  again: %s --engine %s --seed %" PRIu64 " --seeds %" PRIu64
               " --case \"%s\"\n",
               WTERMSIG(status), now.program, engine_text(now.engine), request->first,
               request->count, now.case_now->name);
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool is_wanted(const struct request *request, const struct suite_case *c,
                      enum consensus_engine engine)
{
    return (now.suite->engines >> engine & 1u) && consensus_engine_is_built(engine) &&
           (request->engine == 0 || request->engine == engine) &&
           (request->name == NULL || strcmp(request->name, c->name) == 0);
}

static bool run_engine(const struct request *request, enum consensus_engine engine, size_t *ran)
{
    bool good = true;
    now.engine = engine;
    for (size_t i = 0; i < now.suite->case_count; i++) {
        now.case_now = &now.suite->cases[i];
        if (!is_wanted(request, now.case_now, engine))
            continue;
        (*ran)++;
        good = run_case(request) && good;
    }
    return good;
}

/* -- the command line ---------------------------------------------------------------------- */

static _Noreturn void usage(const char *program)
{
    fprintf(stderr,
            "usage: %s [--engine raft|paxos] [--seeds N] [--seed FIRST] [--case NAME]\n"
            "       [--few] [--twice] [--list | --engines]\n",
            program);
    exit(2);
}

static uint64_t number_of(const char *program, const char *text)
{
    char *end = NULL;
    uint64_t value = strtoull(text, &end, 10);
    if (end == text || *end != 0)
        usage(program);
    return value;
}

/* Of no seed at all every case would pass. */
static uint64_t count_of(const char *program, const char *text)
{
    uint64_t count = number_of(program, text);
    if (count == 0)
        usage(program);
    return count;
}

static void take_option(struct request *request, const char *option, const char *value,
                        bool *has_seeds)
{
    if (strcmp(option, "--seeds") == 0) {
        request->count = count_of(request->program, value);
        *has_seeds = true;
    } else if (strcmp(option, "--seed") == 0) {
        request->first = number_of(request->program, value);
        request->count = *has_seeds ? request->count : 1;
    } else if (strcmp(option, "--case") == 0) {
        request->name = value;
    } else if (strcmp(option, "--engine") == 0 && strcmp(value, "raft") == 0) {
        request->engine = CONSENSUS_RAFT;
    } else if (strcmp(option, "--engine") == 0 && strcmp(value, "paxos") == 0) {
        request->engine = CONSENSUS_PAXOS;
    } else {
        usage(request->program);
    }
}

static struct request parse(int argc, char **argv)
{
    struct request request = {.program = argv[0], .first = 1, .count = SEEDS_DEFAULT};
    const char *text = getenv("SHARDFS_SIM_SEEDS");
    bool has_seeds = false, is_set = text != NULL && text[0] != 0;
    if (is_set)
        request.count = count_of(argv[0], text);
    text = getenv("SHARDFS_SIM_SEED");
    if (text != NULL && text[0] != 0)
        request.first = number_of(argv[0], text);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--list") == 0) {
            request.list = true;
        } else if (strcmp(argv[i], "--engines") == 0) {
            request.engines = true;
        } else if (strcmp(argv[i], "--twice") == 0) {
            request.twice = true;
        } else if (strcmp(argv[i], "--few") == 0) {
            request.count = has_seeds || is_set ? request.count : SEEDS_FEW;
        } else if (i + 1 < argc) {
            take_option(&request, argv[i], argv[i + 1], &has_seeds);
            i++;
        } else {
            usage(argv[0]);
        }
    }
    return request;
}

static void list(const struct suite *suite)
{
    for (size_t i = 0; i < suite->case_count; i++) {
        printf("%s", suite->name);
        for (unsigned engine = CONSENSUS_RAFT; engine <= CONSENSUS_PAXOS; engine++)
            if (suite->engines >> engine & 1u)
                printf(" %s", engine_text((enum consensus_engine)engine));
        printf(": %s\n", suite->cases[i].name);
    }
}

static void list_engines(const struct request *request)
{
    for (unsigned engine = CONSENSUS_RAFT; engine <= CONSENSUS_PAXOS; engine++) {
        size_t wanted = 0;
        for (size_t i = 0; i < now.suite->case_count; i++)
            wanted += is_wanted(request, &now.suite->cases[i], (enum consensus_engine)engine);
        if (wanted > 0)
            printf("%s\n", engine_text((enum consensus_engine)engine));
    }
}

static int run(const struct request *request)
{
    size_t ran = 0;
    bool good = true;
    for (unsigned engine = CONSENSUS_RAFT; engine <= CONSENSUS_PAXOS; engine++)
        good = run_engine(request, (enum consensus_engine)engine, &ran) && good;
    if (ran > 0)
        return good ? 0 : 1;
    fprintf(stderr, "%s: there is no such case, or not on this engine\n", request->program);
    return 1;
}

int suite_main(const struct suite *suite, int argc, char **argv)
{
    const struct request request = parse(argc, argv);
    now.suite = suite;
    now.program = argv[0];
    if (!request.list && !request.engines)
        return run(&request);
    if (request.list)
        list(suite);
    else
        list_engines(&request);
    return 0;
}
