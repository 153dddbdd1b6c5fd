#include "swarm/mix.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>

#include "env/assert.h"
#include "sim/random.h"

#define LARGE_CHUNK_BYTES 20000u /* long values in smaller chunks would take all day */
#define LARGE_SLACK_BYTES 200000u
#define IDLE_STEPS 8u /* session_idle over session_step */
#define IDLE_TICKS 4u /* and over the leader's tick */

enum often { ALWAYS, HALF, RARELY };

static const struct dial {
    const char *name;
    size_t offset; /* of its uint32_t */
    enum often often;
    uint32_t min, max;
} dials[] = {
#define DIAL(field, often, min, max)                                                               \
    {                                                                                              \
#field, offsetof(struct mix, field), often, min, max                                       \
    }
    DIAL(groups, ALWAYS, 2, 6),
    DIAL(gids, ALWAYS, 2, 4),
    DIAL(shards, ALWAYS, 2, 12),
    DIAL(routing, ALWAYS, ROUTING_HASH, ROUTING_NUMBER),
    DIAL(absent, RARELY, 2, 3),
    DIAL(chunk_bytes, HALF, 64, 4000),
    DIAL(flush_ms, ALWAYS, 50, 800),
    DIAL(slack_bytes, ALWAYS, 1, 20000),
    DIAL(snapshot_bytes, HALF, 200, 8000),
    DIAL(spares, HALF, 1, 4),
    DIAL(apply_bytes, HALF, 1, 5000),
    DIAL(inflight_max, HALF, 1, 16),
    DIAL(inflight_bytes, HALF, 100, 8000),
    DIAL(proposals_max, RARELY, 1, 8),
    DIAL(log_bytes_max, RARELY, 4000, 64000),
    DIAL(session_idle_ms, HALF, 400, 8000),
    DIAL(window, RARELY, 1, 8),
    DIAL(sessions_max, RARELY, 2, 6),
    DIAL(pending_max, RARELY, 1, 8),
    DIAL(clients, ALWAYS, 1, LOAD_CLIENTS_MAX),
    DIAL(registers, ALWAYS, 2, 8),
    DIAL(wide, ALWAYS, 1, 8),
    DIAL(large, RARELY, 1, 2),
    DIAL(pause_ms_max, ALWAYS, 2, 100),
    DIAL(timeouts, HALF, 10, 400),
    DIAL(machines, ALWAYS, 8, 16),
    DIAL(power_cut, HALF, 1, 4),
    DIAL(blackout, HALF, 1, 2),
    DIAL(transfer, HALF, 1, 8),
    DIAL(crash_moving, HALF, 1, 8),
    DIAL(fill_store, RARELY, 1, 3),
    DIAL(lose_store, RARELY, 1, 3),
    DIAL(cut_groups, HALF, 1, 4),
    DIAL(part_groups, HALF, 1, 4),
    DIAL(kill_client, HALF, 1, 3),
    DIAL(calm, ALWAYS, 2, 6),
    DIAL(calm_ms_max, ALWAYS, 200, 6000),
    DIAL(reconfigure, HALF, 2, 16),
    DIAL(all_leave, HALF, 1, 6),
    DIAL(rejoin, HALF, 1, 6),
    DIAL(bounce, HALF, 1, 6),
    DIAL(revive, ALWAYS, 100, 900),
    DIAL(busy, HALF, 1, 300),
    DIAL(storm_ms, ALWAYS, 8000, 40000),
    DIAL(left_out, HALF, 300, 1000),
    DIAL(log, RARELY, 2, 4),
    DIAL(lock, HALF, 2, 8),
    DIAL(lease_ms, ALWAYS, 600, 8000),
    DIAL(freeze_client, HALF, 1, 4),
#undef DIAL
};
#define DIALS (sizeof dials / sizeof dials[0])

static uint32_t *value_of(struct mix *mix, const struct dial *dial)
{
    return (uint32_t *)(void *)((char *)mix + dial->offset);
}

static bool is_on(struct random *random, enum often often)
{
    return often == ALWAYS || random_below(random, often == HALF ? 2 : 6) == 0;
}

/* Low ones as often as high ones. */
static uint32_t draw(struct random *random, uint32_t min, uint32_t max)
{
    uint64_t top = max;
    if (max / min >= 8)
        while (top / 2 > min && random_below(random, 3) != 0)
            top /= 2;
    return (uint32_t)random_between(random, min, top);
}

/* Sizes and engines of groups: most have three replicas. */
static void draw_groups(struct random *random, struct mix *mix)
{
    static const uint32_t sizes[] = {1, 2, 3, 3, 3, 3, 3, 4, 5};
    static const uint32_t master_sizes[] = {1, 3, 3, 3, 5};
    mix->masters = master_sizes[random_below(random, sizeof master_sizes / sizeof master_sizes[0])];
    mix->master_engine = (uint32_t)random_between(random, CONSENSUS_RAFT, CONSENSUS_PAXOS);
    for (size_t i = 0; i < CLUSTER_GROUPS_MAX; i++) {
        mix->replicas[i] = sizes[random_below(random, sizeof sizes / sizeof sizes[0])];
        mix->engines[i] = (uint32_t)random_between(random, CONSENSUS_RAFT, CONSENSUS_PAXOS);
    }
}

struct mix mix_draw(uint64_t seed, enum consensus_engine engine)
{
    struct mix mix = {0};
    struct random random;
    random_init(&random, random_mix(seed));
    for (size_t i = 0; i < DIALS; i++)
        if (is_on(&random, dials[i].often))
            *value_of(&mix, &dials[i]) = draw(&random, dials[i].min, dials[i].max);
    draw_groups(&random, &mix);
    for (size_t i = 0; i < CLUSTER_GROUPS_MAX && engine != 0; i++)
        mix.master_engine = mix.engines[i] = engine;
    if (mix.gids > mix.groups)
        mix.gids = mix.groups;
    if (mix.absent > mix.groups)
        mix.absent = 0;
    if (mix.lock == 0)
        mix.freeze_client = 0;
    return mix;
}

static size_t add(char *text, size_t n, const char *name, uint32_t value)
{
    if (n < MIX_TEXT_BYTES)
        n += (size_t)snprintf(text + n, MIX_TEXT_BYTES - n, "%s%s %" PRIu32, n == 0 ? "" : " ",
                              name, value);
    return n;
}

void mix_text(const struct mix *mix, char text[MIX_TEXT_BYTES])
{
    struct mix copy = *mix;
    char name[24];
    size_t n = add(text, 0, "masters", mix->masters);
    n = add(text, n, mix->master_engine == CONSENSUS_PAXOS ? "of paxos" : "of raft", mix->masters);
    for (size_t i = 0; i < mix->groups; i++) {
        snprintf(name, sizeof name, "g%zu %s", i,
                 mix->engines[i] == CONSENSUS_PAXOS ? "paxos" : "raft");
        n = add(text, n, name, mix->replicas[i]);
    }
    for (size_t i = 0; i < DIALS; i++)
        if (*value_of(&copy, &dials[i]) != 0)
            n = add(text, n, dials[i].name, *value_of(&copy, &dials[i]));
    sf_assert(n < MIX_TEXT_BYTES);
}

static uint32_t at_least(uint32_t value, uint32_t least)
{
    return value != 0 && value < least ? least : value;
}

static void set_limits(const struct mix *mix, struct shardkv_limits *limits)
{
    *limits = shardkv_limits_default;
    if (mix->session_idle_ms != 0) {
        limits->session_idle_ns = mix->session_idle_ms * ENV_MS_NS;
        limits->session_step_ns = limits->session_idle_ns / IDLE_STEPS;
        limits->tick_ms = mix->session_idle_ms / IDLE_TICKS;
    }
    limits->lease_ns = mix->lease_ms * ENV_MS_NS;
    if (mix->sessions_max != 0)
        limits->sessions_max = mix->sessions_max;
    if (mix->pending_max != 0)
        limits->pending_max = mix->pending_max;
}

void mix_cluster(const struct mix *mix, struct cluster_options *options)
{
    bool is_large = mix->large != 0 || mix->log != 0;
    uint32_t chunk = is_large ? LARGE_CHUNK_BYTES : 1;
    uint32_t slack = is_large ? LARGE_SLACK_BYTES : 1;
    *options = (struct cluster_options){
        .masters = mix->masters,
        .groups = mix->groups,
        .gids = mix->gids,
        .master_engine = (enum consensus_engine)mix->master_engine,
        .shards = mix->shards,
        .routing = (enum routing)mix->routing,
        .witness = true,
        .chunk_bytes = at_least(mix->chunk_bytes, chunk),
        .flush_ms = mix->flush_ms,
        .slack_bytes = at_least(mix->slack_bytes, slack),
        .snapshot_bytes = at_least(mix->snapshot_bytes, chunk),
        .spares = mix->spares,
        .apply_bytes = mix->apply_bytes,
        .inflight_max = mix->inflight_max,
        .inflight_bytes = mix->inflight_bytes,
        .proposals_max = mix->proposals_max,
        .log_bytes_max = mix->log_bytes_max,
    };
    set_limits(mix, &options->limits);
    for (size_t i = 0; i < CLUSTER_GROUPS_MAX; i++) {
        options->replicas[i] = mix->replicas[i];
        options->engines[i] = (enum consensus_engine)mix->engines[i];
    }
}

void mix_load(const struct mix *mix, struct load_options *options)
{
    *options = (struct load_options){.clients = mix->clients,
                                     .window = mix->window,
                                     .registers = mix->registers,
                                     .wide = mix->wide,
                                     .large = mix->large,
                                     .log = mix->log,
                                     .lock = mix->lock,
                                     .pause_ms_max = mix->pause_ms_max,
                                     .timeouts = mix->timeouts};
}
