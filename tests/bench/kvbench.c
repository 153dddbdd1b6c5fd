/* kvbench: puts or linearizable gets through the client, a fixed number in flight.
 *
 *   kvbench --masters A,B,C --op put|get --inflight N [--seconds S] [--keys N] [--value BYTES]
 *           [--prefix TEXT]
 *
 * The keys begin with TEXT (bench), so that several runs at once need not share them.
 * One line: operations a second, and the latency that half and 99 of 100 stayed below, in
 * microseconds. The keys are filled before that. Any failed operation ends it with
 * status 1. */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client/client.h"
#include "env/log.h"
#include "env/memory.h"
#include "env/uv_env.h"

#define INFLIGHT_MAX 1024u
#define FILL_INFLIGHT 256u /* the filling is not measured: it may be quick */

struct bench;

struct slot {
    struct bench *bench;
    struct client_call call;
    struct kv_op op;
    char key[64];
    uint64_t sent_ns;
};

struct bench {
    struct env *env;
    struct client *client;
    const char *masters, *prefix;
    bool get, filling;
    size_t inflight, keys, value_bytes;
    uint64_t seconds, end_ns;
    uint64_t filled; /* keys that were asked to be written */
    struct slot slots[INFLIGHT_MAX];
    size_t open;
    uint64_t *latencies;
    size_t count, room;
    uint8_t *value;
};

static void send_next(struct slot *slot);

static void failed(int status)
{
    fprintf(stderr, "kvbench: an operation failed: %s\n", sf_error_text(status));
    exit(1);
}

/* The clock of the moment, not of the turn: a turn that is long must show. */
static uint64_t precise_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * ENV_SECOND_NS + (uint64_t)now.tv_nsec;
}

static void record(struct bench *bench, uint64_t ns)
{
    if (bench->count == bench->room) {
        bench->room = bench->room > 0 ? 2 * bench->room : 65536;
        bench->latencies = sf_realloc(bench->latencies, bench->room * sizeof *bench->latencies);
    }
    bench->latencies[bench->count++] = ns;
}

static void on_done(struct client_call *call, int status, const struct kv_reply *reply)
{
    struct slot *slot = container_of(call, struct slot, call);
    struct bench *bench = slot->bench;
    if (status != SF_OK)
        failed(status);
    if (bench->get && !bench->filling && reply->data.n != bench->value_bytes)
        failed(SF_CORRUPT);
    if (!bench->filling)
        record(bench, precise_ns() - slot->sent_ns);
    bench->open--;
    send_next(slot);
}

static void send_next(struct slot *slot)
{
    struct bench *bench = slot->bench;
    uint64_t key;
    if (bench->filling ? bench->filled >= bench->keys : precise_ns() >= bench->end_ns) {
        if (bench->open == 0)
            uv_env_stop(bench->env);
        return;
    }
    key = bench->filling ? bench->filled++ : env_random_below(bench->env, bench->keys);
    int n = snprintf(slot->key, sizeof slot->key, "%.40s-%08" PRIu64, bench->prefix, key);
    memset(&slot->op, 0, sizeof slot->op);
    slot->op.key = slice_of(slot->key, (size_t)n);
    slot->op.kind = bench->get && !bench->filling ? KV_GET : KV_PUT;
    if (slot->op.kind == KV_PUT)
        slot->op.data = slice_of(bench->value, bench->value_bytes);
    slot->call.op = &slot->op;
    slot->call.on_done = on_done;
    slot->sent_ns = precise_ns();
    bench->open++;
    client_submit(bench->client, &slot->call);
}

static void run_phase(struct bench *bench, bool filling)
{
    bench->filling = filling;
    bench->end_ns = precise_ns() + bench->seconds * ENV_SECOND_NS;
    size_t inflight = filling ? FILL_INFLIGHT : bench->inflight;
    for (size_t i = 0; i < inflight; i++) {
        bench->slots[i].bench = bench;
        send_next(&bench->slots[i]);
    }
    uv_env_run(bench->env);
}

static int by_size(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

static void report(struct bench *bench, uint64_t took_ns)
{
    qsort(bench->latencies, bench->count, sizeof *bench->latencies, by_size);
    printf("%.0f %.0f %.0f\n", (double)bench->count * 1e9 / (double)took_ns,
           (double)bench->latencies[bench->count / 2] / 1000,
           (double)bench->latencies[bench->count * 99 / 100] / 1000);
}

static int usage(void)
{
    fputs("usage: kvbench --masters A,B,C --op put|get --inflight N [--seconds S] [--keys N] "
          "[--value BYTES] [--prefix TEXT]\n",
          stderr);
    return 2;
}

static bool take_options(struct bench *bench, int argc, char **argv)
{
    static const struct option options[] = {
        {"masters", required_argument, NULL, 'm'},  {"op", required_argument, NULL, 'o'},
        {"inflight", required_argument, NULL, 'i'}, {"seconds", required_argument, NULL, 's'},
        {"keys", required_argument, NULL, 'k'},     {"value", required_argument, NULL, 'v'},
        {"prefix", required_argument, NULL, 'p'},   {NULL, 0, NULL, 0}};
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == '?')
            return false;
        size_t number = strtoull(optarg, NULL, 10);
        if (option == 'm')
            bench->masters = optarg;
        else if (option == 'p')
            bench->prefix = optarg;
        else if (option == 'o')
            bench->get = strcmp(optarg, "get") == 0;
        else if (option == 'i')
            bench->inflight = number;
        else if (option == 's')
            bench->seconds = number;
        else if (option == 'k')
            bench->keys = number;
        else if (option == 'v')
            bench->value_bytes = number;
    }
    return bench->masters && bench->inflight >= 1 && bench->inflight <= INFLIGHT_MAX &&
           bench->keys >= 1 && bench->value_bytes <= SF_VALUE_BYTES_MAX && bench->seconds >= 1;
}

int main(int argc, char **argv)
{
    static struct bench bench = {
        .prefix = "bench", .inflight = 16, .keys = 10000, .value_bytes = 256, .seconds = 5};
    char **masters;
    size_t count;
    if (!take_options(&bench, argc, argv))
        return usage();
    if (router_parse_addresses(bench.masters, &masters, &count, NULL) != SF_OK)
        return usage();
    log_level_min = LOG_LEVEL_ERROR;
    if (uv_env_new(&bench.env) != SF_OK)
        return 1;
    struct rpc_options options = {.role = "client"};
    struct rpc *rpc = rpc_new(bench.env, &options);
    struct router *router = router_new(bench.env, rpc, (const char *const *)masters, count);
    bench.client = client_new(bench.env, router);
    bench.value = sf_calloc(1, bench.value_bytes);
    for (size_t i = 0; i < bench.value_bytes; i++)
        bench.value[i] = (uint8_t)env_random(bench.env);
    run_phase(&bench, true);
    uint64_t start = precise_ns();
    run_phase(&bench, false);
    report(&bench, precise_ns() - start);
    client_free(bench.client);
    router_free(router);
    rpc_free(rpc);
    uv_env_free(bench.env);
    for (size_t i = 0; i < count; i++)
        free(masters[i]);
    free(masters);
    free(bench.value);
    free(bench.latencies);
    return 0;
}
