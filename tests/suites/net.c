#include "suites/net.h"

#include <assert.h>
#include <stdlib.h>

#include "env/memory.h"
#include "sim/world.h"
#include "suites/net_inside.h"

#define HOP_US_MIN 500u
#define HOP_US_MAX 700u

static_assert(NET_NODES_MAX == SIM_NODES_MAX, "a net knows every node of its sim");

size_t net_index(const struct sim_node *node)
{
    return node->number - 1;
}

bool net_chance(struct net *net, unsigned percent)
{
    return random_below(&net->sim->world, 100) < percent;
}

uint64_t net_below_ms(struct net *net, uint64_t limit_ms)
{
    return random_below(&net->sim->world, limit_ms) * ENV_MS_NS;
}

struct sim_verdict net_fail(const struct net_message *message, uint64_t delay_ns)
{
    bool somebody_waits =
        message->is_dial || message->traffic == TRAFFIC_CALL || message->traffic == TRAFFIC_ANSWER;
    return (struct sim_verdict){
        .fate = somebody_waits ? SIM_BREAK : SIM_LOSE, .delay_ns = delay_ns, .overtaken = true};
}

/* -- judging ------------------------------------------------------------------------------- */

static struct sim_verdict by_model(struct net *net, const struct net_message *message)
{
    switch (net->model) {
    case NET_P:
        return net_judge_p(net, message);
    case NET_L:
        return net_judge_l(net, message);
    case NET_T:
        return net_judge_t(net, message);
    }
    return (struct sim_verdict){.fate = SIM_LOSE};
}

static struct sim_verdict judge(void *ctx, const struct sim_message *m)
{
    struct net *net = ctx;
    struct net_message message = {
        .from = m->from, .to = m->to, .by_dialler = m->by_dialler, .is_dial = m->bytes.n == 0};
    if (!message.is_dial)
        message.traffic = traffic_of(m->bytes);
    struct sim_verdict verdict = by_model(net, &message);
    net->bytes += m->bytes.n;
    if (!message.is_dial && traffic_is_request(message.traffic) &&
        (verdict.fate == SIM_DELIVER || verdict.fate == SIM_DELIVER_AND_BREAK))
        net->requests[net_index(m->to)]++;
    return verdict;
}

/* -- life ---------------------------------------------------------------------------------- */

struct net *net_new(struct sim *sim, enum net_model model)
{
    struct net *net = sf_calloc(1, sizeof *net);
    struct sim_faults *faults = sim_faults(sim);
    net->sim = sim;
    net->model = model;
    faults->delay_us_min = HOP_US_MIN;
    faults->delay_us_max = HOP_US_MAX;
    sim_on_message(sim, judge, net);
    return net;
}

void net_free(struct net *net)
{
    sim_on_message(net->sim, NULL, NULL);
    free(net);
}

/* -- switches ------------------------------------------------------------------------------ */

void net_link(struct net *net, const struct sim_node *from, const struct sim_node *to, bool linked)
{
    net->cut[net_index(from)][net_index(to)] = !linked;
}

bool net_is_linked(const struct net *net, const struct sim_node *from, const struct sim_node *to)
{
    return !net->cut[net_index(from)][net_index(to)] && !net->deaf[net_index(to)];
}

void net_deaf(struct net *net, const struct sim_node *node)
{
    net->deaf[net_index(node)] = true;
}

void net_unreliable(struct net *net, bool unreliable)
{
    net->unreliable = unreliable;
}

void net_node_unreliable(struct net *net, const struct sim_node *node, bool unreliable)
{
    net->node_unreliable[net_index(node)] = unreliable;
}

void net_long_delays(struct net *net, bool on)
{
    net->long_delays = on;
}

void net_long_reordering(struct net *net, bool on)
{
    net->long_reordering = on;
}

uint64_t net_requests(const struct net *net, const struct sim_node *node)
{
    return net->requests[net_index(node)];
}

uint64_t net_bytes(const struct net *net)
{
    return net->bytes;
}
