/* Models L and T: a call crosses one link and comes back by it. */
#include "suites/net_inside.h"

struct rules {
    uint64_t dead_ms, long_dead_ms; /* a dead link takes below so many to fail */
    uint64_t request_ms;            /* an unreliable request takes below so many */
    bool answers_pass;              /* by a dead link: T looks at it every 100 ms only */
};

static const struct rules rules_l = {.dead_ms = 100, .long_dead_ms = 7000, .request_ms = 27};
static const struct rules rules_t = {
    .dead_ms = 101, .long_dead_ms = 7000, .request_ms = 28, .answers_pass = true};

#define HELD_MS_MIN 200u
#define HELD_SPAN_MS 2000u

static bool is_dead(const struct net *net, const struct net_message *m, const struct rules *rules)
{
    if (m->is_dial && !sim_node_is_up(m->to))
        return true;
    if (!m->is_dial && !traffic_is_request(m->traffic) && rules->answers_pass)
        return false;
    return !net_is_linked(net, m->from, m->to) || !net_is_linked(net, m->to, m->from);
}

static struct sim_verdict judge_request(struct net *net, const struct net_message *m,
                                        const struct rules *rules)
{
    uint64_t delay_ns = net->unreliable ? net_below_ms(net, rules->request_ms) : 0;
    if (net->unreliable && net_chance(net, 10))
        return net_fail(m, delay_ns);
    return (struct sim_verdict){
        .fate = SIM_DELIVER, .delay_ns = delay_ns, .overtaken = net->unreliable};
}

static uint64_t held_ns(struct net *net)
{
    return HELD_MS_MIN * ENV_MS_NS +
           net_below_ms(net, 1 + net_below_ms(net, HELD_SPAN_MS) / ENV_MS_NS);
}

static struct sim_verdict judge_answer(struct net *net, const struct net_message *m)
{
    if (net->unreliable && net_chance(net, 10))
        return net_fail(m, 0);
    /* 600 of 900. */
    if (net->long_reordering && net_below_ms(net, 900) < 600 * ENV_MS_NS)
        return (struct sim_verdict){
            .fate = SIM_DELIVER, .delay_ns = held_ns(net), .overtaken = true};
    return (struct sim_verdict){.fate = SIM_DELIVER};
}

static struct sim_verdict judge(struct net *net, const struct net_message *m,
                                const struct rules *rules)
{
    if (is_dead(net, m, rules))
        return net_fail(m,
                        net_below_ms(net, net->long_delays ? rules->long_dead_ms : rules->dead_ms));
    if (m->is_dial)
        return (struct sim_verdict){.fate = SIM_DELIVER};
    return traffic_is_request(m->traffic) ? judge_request(net, m, rules) : judge_answer(net, m);
}

struct sim_verdict net_judge_l(struct net *net, const struct net_message *m)
{
    return judge(net, m, &rules_l);
}

struct sim_verdict net_judge_t(struct net *net, const struct net_message *m)
{
    return judge(net, m, &rules_t);
}
