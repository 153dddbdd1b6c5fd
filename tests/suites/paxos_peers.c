#include "suites/paxos_peers.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "env/memory.h"
#include "suites/fiber.h"
#include "suites/suite.h"

#define POLLS_MAX 10u
#define POLL_MS_MIN 10u
#define POLL_MS_MAX 1280u

struct peer {
    struct sim_node *node;
    struct member *member; /* NULL: it does not exist */
};

/* Somebody proposed a value of this hash for this instance. */
struct proposed {
    struct {
        int64_t seq;
        uint64_t hash;
    } what;
    UT_hash_handle hh;
};

static struct {
    struct net *net;
    size_t count;
    struct peer peers[PEERS_MAX];
    char names[PEERS_MAX][24], addresses[PEERS_MAX][24];
    bool unreliable;
    struct proposed *proposed;
} stage;

/* -- peers --------------------------------------------------------------------------------- */

static void boot(void *ctx, struct sim_node *node, struct env *env)
{
    struct peer *peer = ctx;
    const char *addresses[PEERS_MAX];
    struct member_options options = {
        .addresses = addresses, .count = stage.count, .self = (size_t)(peer - stage.peers)};
    char *why = NULL;
    (void)node;
    for (size_t i = 0; i < stage.count; i++)
        addresses[i] = stage.addresses[i];
    int status = member_new(env, &options, &peer->member, &why);
    check(status == SF_OK, "peer %zu: %s", options.self, sf_error_text(status));
}

static void halt(void *ctx, struct sim_node *node)
{
    struct peer *peer = ctx;
    (void)node;
    member_free(peer->member);
    peer->member = NULL;
}

static void end(void *ctx)
{
    struct proposed *item, *next;
    (void)ctx;
    HASH_ITER(hh, stage.proposed, item, next)
    {
        HASH_DEL(stage.proposed, item);
        free(item);
    }
    net_free(stage.net);
}

void peers_new(size_t count)
{
    struct sim *sim = suite_sim();
    memset(&stage, 0, sizeof stage);
    stage.net = net_new(sim, NET_P);
    stage.count = count;
    for (size_t i = 0; i < count; i++) {
        struct sim_program program = {.boot = boot, .halt = halt, .ctx = &stage.peers[i]};
        snprintf(stage.names[i], sizeof stage.names[i], "p%zu", i);
        snprintf(stage.addresses[i], sizeof stage.addresses[i], "p%zu:1", i);
        stage.peers[i].node = sim_node_new(sim, stage.names[i], &program);
    }
    suite_at_end(end, NULL);
}

void peer_make(size_t i)
{
    sim_node_start(stage.peers[i].node);
    net_node_unreliable(stage.net, stage.peers[i].node, stage.unreliable);
}

void peers_make_all(void)
{
    for (size_t i = 0; i < stage.count; i++)
        peer_make(i);
}

size_t peers_count(void)
{
    return stage.count;
}

/* -- asking one ---------------------------------------------------------------------------- */

static void note_proposed(int64_t seq, struct slice value)
{
    struct proposed *item = sf_calloc(1, sizeof *item), *found;
    item->what.seq = seq;
    item->what.hash = bytes_hash(value);
    HASH_FIND(hh, stage.proposed, &item->what, sizeof item->what, found);
    if (found != NULL)
        free(item);
    else
        HASH_ADD(hh, stage.proposed, what, sizeof item->what, item);
}

static bool was_proposed(int64_t seq, struct slice value)
{
    struct proposed key = {0}, *found;
    key.what.seq = seq;
    key.what.hash = bytes_hash(value);
    HASH_FIND(hh, stage.proposed, &key.what, sizeof key.what, found);
    return found != NULL;
}

void peer_start_bytes(size_t i, int64_t seq, struct slice value)
{
    bool forgotten = seq < member_min(stage.peers[i].member);
    if (!forgotten)
        note_proposed(seq, value);
    int status = member_start(stage.peers[i].member, seq, value);
    check(status == (forgotten ? SF_GONE : SF_OK), "peer %zu: Start(%" PRId64 "): %s", i, seq,
          sf_error_text(status));
}

void peer_start(size_t i, int64_t seq, const char *value)
{
    peer_start_bytes(i, seq, slice_str(value));
}

void peer_start_number(size_t i, int64_t seq, uint64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, value);
    peer_start(i, seq, text);
}

bool peer_decided(size_t i, int64_t seq)
{
    return stage.peers[i].member != NULL && member_decided(stage.peers[i].member, seq) != NULL;
}

bool peer_forgotten(size_t i, int64_t seq)
{
    return seq < member_min(stage.peers[i].member) && !peer_decided(i, seq);
}

void peer_done(size_t i, int64_t seq)
{
    member_done(stage.peers[i].member, seq);
}

int64_t peer_max(size_t i)
{
    return member_max(stage.peers[i].member);
}

int64_t peer_min(size_t i)
{
    return member_min(stage.peers[i].member);
}

size_t peers_value_bytes(void)
{
    size_t bytes = 0;
    for (size_t i = 0; i < stage.count; i++) {
        if (stage.peers[i].member != NULL)
            bytes += member_value_bytes(stage.peers[i].member);
    }
    return bytes;
}

/* -- asking all ---------------------------------------------------------------------------- */

static const struct payload *value_at(size_t i, int64_t seq)
{
    return stage.peers[i].member != NULL ? member_decided(stage.peers[i].member, seq) : NULL;
}

size_t peers_decided(int64_t seq)
{
    const struct payload *first = NULL;
    size_t count = 0;
    for (size_t i = 0; i < stage.count; i++) {
        const struct payload *value = value_at(i, seq);
        if (value == NULL)
            continue;
        check(was_proposed(seq, payload_slice(value)),
              "instance %" PRId64 ": peer %zu knows a value that nobody proposed", seq, i);
        check(first == NULL || slice_equal(payload_slice(value), payload_slice(first)),
              "instance %" PRId64 ": peer %zu knows another value than others", seq, i);
        first = value;
        count++;
    }
    return count;
}

void peers_check_value(int64_t seq, const char *value)
{
    for (size_t i = 0; i < stage.count; i++) {
        const struct payload *known = value_at(i, seq);
        check(known == NULL || slice_equal(payload_slice(known), slice_str(value)),
              "instance %" PRId64 ": peer %zu does not know \"%s\"", seq, i, value);
    }
}

void peers_wait(int64_t seq, size_t count)
{
    uint64_t pause_ms = POLL_MS_MIN;
    for (unsigned polls = 0; polls < POLLS_MAX && peers_decided(seq) < count; polls++) {
        fiber_sleep_ms(pause_ms);
        pause_ms = pause_ms < POLL_MS_MAX ? pause_ms * 2 : POLL_MS_MAX;
    }
    size_t decided = peers_decided(seq);
    check(decided >= count, "instance %" PRId64 ": %zu peers know the outcome, not %zu", seq,
          decided, count);
}

void peers_wait_majority(int64_t seq)
{
    peers_wait(seq, stage.count / 2 + 1);
}

static void check_at_most(int64_t seq, size_t count)
{
    size_t decided = peers_decided(seq);
    check(decided <= count, "instance %" PRId64 ": %zu peers know the outcome, more than %zu", seq,
          decided, count);
}

void peers_check_max(int64_t seq, size_t count)
{
    fiber_sleep_ms(3000);
    check_at_most(seq, count);
}

void peers_check_exactly(int64_t seq, size_t count)
{
    check_at_most(seq, count);
    check(peers_decided(seq) == count, "instance %" PRId64 ": fewer than %zu peers know", seq,
          count);
}

/* -- the network --------------------------------------------------------------------------- */

void peer_make_deaf(size_t i)
{
    net_deaf(stage.net, stage.peers[i].node);
}

void peers_unreliable(bool unreliable)
{
    stage.unreliable = unreliable;
    for (size_t i = 0; i < stage.count; i++)
        net_node_unreliable(stage.net, stage.peers[i].node, unreliable);
}

static int part_of(const char *parts, size_t i)
{
    int part = 0;
    for (; *parts != 0; parts++) {
        if (*parts == '|')
            part++;
        else if ((size_t)(*parts - '0') == i)
            return part;
    }
    return -1; /* in none */
}

void peers_part(const char *parts)
{
    for (size_t i = 0; i < stage.count; i++) {
        for (size_t j = 0; j < stage.count; j++) {
            int part = part_of(parts, i);
            bool linked = i == j || (part >= 0 && part == part_of(parts, j));
            net_link(stage.net, stage.peers[i].node, stage.peers[j].node, linked);
        }
    }
}

uint64_t peers_requests(void)
{
    uint64_t requests = 0;
    for (size_t i = 0; i < stage.count; i++)
        requests += net_requests(stage.net, stage.peers[i].node);
    return requests;
}
