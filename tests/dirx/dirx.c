/* shardfs_dirx: a stress test of names in a few directories, against a model of the tree.
 *
 *   shardfs_dirx [OPTIONS] DIR...
 *
 * Each DIR is the same directory, through one mount; it must be empty, or left by an earlier run.
 *
 *   --seed N      what is done (1)
 *   --rounds N    how often (1000)
 *   --seconds S   and not longer
 *   --workers N   threads; they take the DIRs in turns (as many as DIRs)
 *   --ops N       of each worker in a round (5)
 *   --names N     in a directory (3)
 *   --dirs N      with the base (4)
 *   --turns       one operation at a time, of any worker: each result must be exactly the model's
 *   --root        DIR is a mount's root: listings while others change it, and its link count, are
 *                 not judged
 *   --verbose     every operation
 *
 * A round: workers create, open, read, write, link, rename (also with NOREPLACE and EXCHANGE),
 * unlink, make and remove directories, list and stat, on few names, all at once. When all have
 * returned, each walks the whole tree from its mount: the trees must be equal, no directory may be
 * met twice, every `..`, type and link count must be right. Then an order is searched in which all
 * of it can have happened, one at a time and each between its call and its return, and which ends in
 * the tree that was walked. Where there is none, the round is printed, with the command that does it
 * again. To run out of steps in the search is a failure, too. Exit status 1. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "dirx/worker.h"
#include "linear/linear.h"
#include "tester/tester.h"

#define STEPS_MAX 5000000u /* of the search of one round */
#define IDLE_MAX 8u        /* renames in a round that are tried as idle */
#define EVENTS_MAX (WORKERS_MAX * WORKER_EVENTS_MAX + 1)

struct options {
    uint64_t seed, rounds, seconds;
    unsigned workers, ops, names, dirs;
    bool turns, verbose;
    struct rules rules;
};

struct dirx {
    struct options options;
    char **argv; /* for the command that does it again */
    uint64_t random, round;
    atomic_uint_fast64_t clock;
    struct worker workers[WORKERS_MAX];
    struct op plan[WORKERS_MAX][OPS_MAX];
    pthread_t threads[WORKERS_MAX];
    pthread_barrier_t begin, done, walked;
    bool stop;
    struct tree *start;               /* of the round; owned */
    struct event *events[EVENTS_MAX]; /* of the round, in the order of their calls */
    unsigned event_count;
    struct event walk;
    uint64_t events_total, idle_rounds;
};

static struct dirx dirx;

/* -- random --------------------------------------------------------------------------------- */

static unsigned below(struct dirx *x, unsigned limit)
{
    return (unsigned)(tester_draw(&x->random) % limit);
}

/* -- what is done in a round ---------------------------------------------------------------- */

/* In one round of four, rather removes: else directories fill up, and stay. */
static enum op_kind draw_kind(struct dirx *x)
{
    static const struct {
        enum op_kind kind;
        unsigned weight, removing;
    } kinds[] = {
        {OP_CREATE, 3, 1}, {OP_OPEN_CREATE, 2, 1}, {OP_READ, 2, 2},     {OP_WRITE, 2, 2},
        {OP_KEEP, 2, 2},   {OP_STAT, 3, 2},        {OP_MKDIR, 3, 2},    {OP_SYMLINK, 1, 0},
        {OP_LINK, 3, 1},   {OP_RENAME, 8, 4},      {OP_READLINK, 1, 0}, {OP_UNLINK, 3, 11},
        {OP_RMDIR, 2, 7},  {OP_LIST, 2, 2},
    };
    bool removing = x->round % 4 == 0;
    unsigned left = below(x, 37);
    for (size_t i = 0;; i++) {
        unsigned weight = removing ? kinds[i].removing : kinds[i].weight;
        if (left < weight)
            return kinds[i].kind;
        left -= weight;
    }
}

static unsigned draw_flags(struct dirx *x)
{
    return (unsigned[]){0, 0, 0, RENAME_NOREPLACE, RENAME_EXCHANGE}[below(x, 5)];
}

/* Is this what the operation is meant for, as the tree was when the round began? */
static bool is_aim(const struct tree *tree, const struct op *op)
{
    unsigned object = tree->entry[op->dir][op->name];
    unsigned type = object == NO_OBJECT ? TYPE_NONE : tree->objects[object].type;
    if (op->kind == OP_CREATE || op->kind == OP_MKDIR || op->kind == OP_SYMLINK)
        return type == TYPE_NONE;
    if (op->kind == OP_RMDIR)
        return type == TYPE_DIRECTORY;
    return op->kind == OP_READLINK ? type == TYPE_SYMLINK : type != TYPE_NONE;
}

/* Half of the operations are more likely to do something. */
static void draw_place(struct dirx *x, struct op *op)
{
    unsigned tries = below(x, 2) == 0 ? 1 : 5;
    do {
        op->dir = (uint8_t)below(x, x->start->dirs);
        op->name = (uint8_t)below(x, x->options.names);
    } while (--tries > 0 && !is_aim(x->start, op));
}

static struct op draw_op(struct dirx *x)
{
    const struct options *o = &x->options;
    struct op op = {.kind = draw_kind(x),
                    .dir2 = (uint8_t)below(x, x->start->dirs),
                    .name2 = (uint8_t)below(x, o->names),
                    .token = (uint32_t)tester_draw(&x->random) | 1,
                    .pauses = below(x, 3) == 0};
    draw_place(x, &op);
    if (op.kind == OP_RENAME)
        op.flags = draw_flags(x);
    if (op.kind == OP_LIST && o->rules.base_is_root && op.dir == 0 && !o->turns)
        op.kind = OP_STAT;
    return op;
}

static void plan(struct dirx *x)
{
    unsigned room = x->options.dirs > x->start->dirs ? x->options.dirs - x->start->dirs : 0;
    for (unsigned w = 0; w < x->options.workers; w++) {
        for (unsigned i = 0; i < x->options.ops; i++) {
            struct op op = draw_op(x);
            op.number = (uint8_t)(x->start->count + w * OPS_MAX + i);
            if (op.kind == OP_MKDIR && room-- == 0) {
                op.kind = OP_STAT;
                room = 0;
            }
            x->plan[w][i] = op;
        }
    }
}

/* -- doing it ------------------------------------------------------------------------------- */

static void *run_worker(void *ctx)
{
    struct worker *w = ctx;
    struct dirx *x = &dirx;
    for (;;) {
        (void)pthread_barrier_wait(&x->begin);
        if (x->stop)
            return NULL;
        for (unsigned i = 0; i < x->options.ops; i++)
            worker_do(w, &x->plan[w->number][i]);
        worker_finish(w);
        (void)pthread_barrier_wait(&x->done);
        worker_walk(w);
        (void)pthread_barrier_wait(&x->walked);
    }
}

static void run_at_once(struct dirx *x)
{
    (void)pthread_barrier_wait(&x->begin);
    (void)pthread_barrier_wait(&x->walked);
}

static void run_in_turns(struct dirx *x)
{
    unsigned next[WORKERS_MAX] = {0}, workers = x->options.workers;
    for (unsigned left = workers * x->options.ops; left > 0;) {
        unsigned w = below(x, workers);
        if (next[w] == x->options.ops)
            continue;
        worker_do(&x->workers[w], &x->plan[w][next[w]++]);
        left--;
    }
    for (unsigned w = 0; w < workers; w++)
        worker_finish(&x->workers[w]);
    for (unsigned w = 0; w < workers; w++)
        worker_walk(&x->workers[w]);
}

/* -- what is wrong -------------------------------------------------------------------------- */

static void print_buffer(struct buffer *text)
{
    printf("%.*s", (int)text->n, (const char *)text->p);
    buffer_deinit(text);
}

static void print_round(const struct dirx *x)
{
    struct buffer text = {0};
    tree_describe(x->start, &text);
    printf("the tree at the beginning of round %" PRIu64 ": ", x->round);
    print_buffer(&text);
    printf("\nwhat was done:\n");
    for (unsigned i = 0; i < x->event_count; i++) {
        const struct event *e = x->events[i];
        printf("  worker %u [%8" PRIu64 " .. %8" PRIu64 "] ", e->worker, e->call, e->returned);
        event_describe(e, &text);
        print_buffer(&text);
        putchar('\n');
    }
}

_Noreturn static void give_up(const struct dirx *x, const char *what, struct buffer *report)
{
    print_round(x);
    if (report)
        print_buffer(report);
    printf("FAILED: %s\n", what);
    tester_fail(x->argv);
}

/* -- judging -------------------------------------------------------------------------------- */

static bool changes(const struct event *e)
{
    switch (e->kind) {
    case EVENT_CREATE:
    case EVENT_OPEN_CREATE:
    case EVENT_MKDIR:
    case EVENT_SYMLINK:
    case EVENT_UNLINK:
    case EVENT_RMDIR:
    case EVENT_LINK:
    case EVENT_RENAME:
        return e->error == 0;
    case EVENT_OPEN:
    case EVENT_READ:
    case EVENT_WRITE:
    case EVENT_NAME:
    case EVENT_ATTR:
    case EVENT_READLINK:
    case EVENT_FROM:
    case EVENT_LIST:
    case EVENT_WALK:
        return false;
    }
    return false;
}

static void note_contended(struct dirx *x, struct event *e)
{
    for (unsigned i = 0; i < x->event_count && !e->contended; i++) {
        const struct event *other = x->events[i];
        e->contended = other->worker != e->worker && changes(other) && other->call < e->returned &&
                       e->call < other->returned;
    }
}

static int compare_calls(const void *left, const void *right)
{
    const struct event *a = *(struct event *const *)left, *b = *(struct event *const *)right;
    if (a->call != b->call)
        return a->call < b->call ? -1 : 1;
    return a < b ? -1 : a > b; /* two of one call */
}

static void collect(struct dirx *x)
{
    x->event_count = 0;
    for (unsigned w = 0; w < x->options.workers; w++) {
        struct worker *worker = &x->workers[w];
        for (unsigned i = 0; i < worker->event_count; i++)
            x->events[x->event_count++] = &worker->events[i];
        worker->event_count = 0;
    }
    qsort(x->events, x->event_count, sizeof(struct event *), compare_calls);
    for (unsigned i = 0; i < x->event_count; i++)
        note_contended(x, x->events[i]);
    x->walk = (struct event){.kind = EVENT_WALK,
                             .call = atomic_fetch_add(&x->clock, 1),
                             .returned = atomic_fetch_add(&x->clock, 1),
                             .walked = x->workers[0].walked};
    x->events[x->event_count++] = &x->walk;
    x->events_total += x->event_count;
}

static void *start_of_round(void)
{
    tree_ref(dirx.start);
    return dirx.start;
}

static void ref_state(void *state)
{
    tree_ref(state);
}

static void unref_state(void *state)
{
    tree_unref(state);
}

static void *step_state(void *state, const struct linear_op *op)
{
    return model_step(state, dirx.events[op->number], &dirx.options.rules);
}

static bool equal_states(const void *a, const void *b)
{
    return tree_equal(a, b);
}

static uint64_t hash_state(const void *state)
{
    return tree_hash(state);
}

static void describe_op(const struct linear_op *op, struct buffer *out)
{
    event_describe(dirx.events[op->number], out);
}

static void describe_state(const void *state, struct buffer *out)
{
    tree_describe(state, out);
}

static enum linear_verdict check_round(const struct dirx *x, struct buffer *report)
{
    static const struct linear_model model = {start_of_round, ref_state,      unref_state,
                                              step_state,     equal_states,   hash_state,
                                              describe_op,    describe_state, NULL};
    struct linear_history *history = linear_history_new();
    for (unsigned i = 0; i < x->event_count; i++) {
        const struct event *e = x->events[i];
        const struct linear_call call = {
            .client = e->worker, .kind = e->kind, .time_ns = e->call, .key = slice_str("tree")};
        const struct linear_return ret = {.time_ns = e->returned, .number = i};
        linear_returned(history, linear_called(history, &call), &ret);
    }
    enum linear_verdict verdict = linear_check(history, &model, STEPS_MAX, report);
    linear_history_free(history);
    return verdict;
}

/* Is there an order where some of the renames that may be idle are? */
static bool some_are_idle(struct dirx *x)
{
    struct event *may[IDLE_MAX];
    unsigned count = 0;
    for (unsigned i = 0; i < x->event_count && count < IDLE_MAX; i++) {
        if (event_may_be_idle(x->events[i], &x->options.rules))
            may[count++] = x->events[i];
    }
    for (unsigned chosen = 1; chosen < 1u << count; chosen++) {
        for (unsigned i = 0; i < count; i++)
            may[i]->idle = chosen >> i & 1;
        if (check_round(x, NULL) == LINEAR_LEGAL)
            return true;
    }
    return false;
}

static void judge_at_once(struct dirx *x)
{
    struct buffer report = {0};
    enum linear_verdict verdict = check_round(x, &report);
    if (verdict != LINEAR_LEGAL && !some_are_idle(x))
        give_up(x, linear_verdict_name(verdict), &report);
    x->idle_rounds += verdict != LINEAR_LEGAL;
    buffer_deinit(&report);
}

static void judge_in_turns(struct dirx *x)
{
    struct tree *tree = start_of_round();
    for (unsigned i = 0; i < x->event_count; i++) {
        struct tree *next = model_step(tree, x->events[i], &x->options.rules);
        if (!next) {
            struct buffer report = {0};
            printf("operation %u of these is wrong; the tree before it: ", i + 1);
            tree_describe(tree, &report);
            print_buffer(&report);
            printf("\nthe operation: ");
            event_describe(x->events[i], &report);
            buffer_put_u8(&report, '\n');
            give_up(x, "a result is not the model's", &report);
        }
        tree_unref(tree);
        tree = next;
    }
    tree_unref(tree);
}

static void check_walks(const struct dirx *x)
{
    for (unsigned w = 0; w < x->options.workers; w++) {
        struct buffer report = {0};
        if (x->workers[w].wrong[0])
            give_up(x, x->workers[w].wrong, NULL);
        if (tree_equal(x->workers[0].walked, x->workers[w].walked))
            continue;
        printf("worker 0 sees ");
        tree_describe(x->workers[0].walked, &report);
        print_buffer(&report);
        printf("\nworker %u sees ", w);
        tree_describe(x->workers[w].walked, &report);
        print_buffer(&report);
        give_up(x, "the trees of two mounts differ", NULL);
    }
}

static void judge(struct dirx *x)
{
    collect(x);
    if (x->options.verbose)
        print_round(x);
    check_walks(x);
    if (x->options.turns)
        judge_in_turns(x);
    else
        judge_at_once(x);
    tree_unref(x->start);
    x->start = x->workers[0].walked;
    tree_ref(x->start);
}

/* -- the command line ----------------------------------------------------------------------- */

static void usage(void)
{
    fputs("usage: shardfs_dirx [--seed N] [--rounds N] [--seconds S] [--workers N] [--ops N]\n"
          "         [--names N] [--dirs N] [--turns] [--root] [--verbose]\n"
          "         DIR...\n",
          stderr);
    exit(2);
}

static uint64_t number(const char *text, uint64_t max)
{
    uint64_t n;
    if (!tester_number(text, max, &n))
        usage();
    return n;
}

static void take_option(struct options *o, int option)
{
    switch (option) {
    case 's':
        o->seed = number(optarg, UINT64_MAX);
        break;
    case 'r':
        o->rounds = number(optarg, UINT64_MAX);
        break;
    case 't':
        o->seconds = number(optarg, 1u << 30);
        break;
    case 'w':
        o->workers = (unsigned)number(optarg, WORKERS_MAX);
        break;
    case 'o':
        o->ops = (unsigned)number(optarg, OPS_MAX);
        break;
    case 'n':
        o->names = (unsigned)number(optarg, NAMES_MAX);
        break;
    case 'd':
        o->dirs = (unsigned)number(optarg, DIRS_MAX);
        break;
    case '1':
        o->turns = true;
        break;
    case '/':
        o->rules.base_is_root = true;
        break;
    case 'v':
        o->verbose = true;
        break;
    default:
        usage();
    }
}

/* The number of DIRs; they stand at optind. */
static unsigned take_options(struct options *o, int argc, char **argv)
{
    static const struct option options[] = {
        {"seed", required_argument, NULL, 's'},
        {"rounds", required_argument, NULL, 'r'},
        {"seconds", required_argument, NULL, 't'},
        {"workers", required_argument, NULL, 'w'},
        {"ops", required_argument, NULL, 'o'},
        {"names", required_argument, NULL, 'n'},
        {"dirs", required_argument, NULL, 'd'},
        {"turns", no_argument, NULL, '1'},
        {"root", no_argument, NULL, '/'},
        {"verbose", no_argument, NULL, 'v'},
        {NULL, 0, NULL, 0},
    };
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
        take_option(o, option);
    if (optind == argc || argc - optind > (int)WORKERS_MAX)
        usage();
    unsigned mounts = (unsigned)(argc - optind);
    if (o->workers == 0)
        o->workers = mounts;
    if (o->workers < mounts || o->ops == 0 || o->names == 0 || o->dirs == 0)
        usage();
    o->rules.several = mounts > 1;
    return mounts;
}

static void begin(struct dirx *x, unsigned mounts)
{
    for (unsigned i = 0; i < x->options.workers; i++) {
        struct worker *w = &x->workers[i];
        worker_init(w);
        w->number = i;
        w->mount = i % mounts;
        w->path = x->argv[optind + (int)w->mount];
        w->rules = &x->options.rules;
        w->clock = &x->clock;
        worker_walk(w);
    }
    x->start = tree_new();
    check_walks(x);
    tree_unref(x->start);
    x->start = x->workers[0].walked;
    tree_ref(x->start);
    unsigned all = x->options.workers;
    if (pthread_barrier_init(&x->begin, NULL, all + 1) != 0 ||
        pthread_barrier_init(&x->done, NULL, all) != 0 ||
        pthread_barrier_init(&x->walked, NULL, all + 1) != 0)
        give_up(x, "no barriers", NULL);
    for (unsigned i = 0; i < all && !x->options.turns; i++) {
        if (pthread_create(&x->threads[i], NULL, run_worker, &x->workers[i]) != 0)
            give_up(x, "no thread", NULL);
    }
}

static void finish(struct dirx *x)
{
    x->stop = true;
    if (!x->options.turns)
        (void)pthread_barrier_wait(&x->begin);
    for (unsigned i = 0; i < x->options.workers; i++) {
        if (!x->options.turns)
            (void)pthread_join(x->threads[i], NULL);
        worker_deinit(&x->workers[i]);
    }
    tree_unref(x->start);
}

static time_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec;
}

int main(int argc, char **argv)
{
    struct dirx *x = &dirx;
    x->argv = argv;
    x->options = (struct options){.seed = 1, .rounds = 1000, .ops = 5, .names = 3, .dirs = 4};
    begin(x, take_options(&x->options, argc, argv));
    setvbuf(stdout, NULL, _IOLBF, 0);
    time_t end = now() + (time_t)x->options.seconds;
    while (x->round < x->options.rounds && (x->options.seconds == 0 || now() < end)) {
        x->round++;
        x->random = x->options.seed * 1000003u + x->round;
        plan(x);
        if (x->options.turns)
            run_in_turns(x);
        else
            run_at_once(x);
        judge(x);
    }
    finish(x);
    printf("%" PRIu64 " rounds with seed %" PRIu64 ", %" PRIu64 " events: all explained\n",
           x->round, x->options.seed, x->events_total);
    return 0;
}
