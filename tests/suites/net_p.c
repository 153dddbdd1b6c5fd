/* Model P: links are judged when something is called, by who called; answers always come back. */
#include "suites/net_inside.h"

/* A connection rests on the link of who dialled it. While that stands, both sides may call on it:
 * so one that nobody can dial is called by the connections that it opened itself. */
static bool is_linked(const struct net *net, const struct net_message *m)
{
    return m->by_dialler ? net_is_linked(net, m->from, m->to) : net_is_linked(net, m->to, m->from);
}

static struct sim_verdict judge_call(struct net *net, const struct net_message *m)
{
    if (!net->node_unreliable[net_index(m->to)])
        return (struct sim_verdict){.fate = SIM_DELIVER};
    if (net_chance(net, 10))
        return net_fail(m, 0);
    /* The caller hears of it before the handler may have run. */
    return (struct sim_verdict){.fate = net_chance(net, 20) ? SIM_DELIVER_AND_BREAK : SIM_DELIVER};
}

/* One that asks is discarded by its receiver, an answer is lost by who gives it. */
static struct sim_verdict judge_peer(struct net *net, const struct net_message *m)
{
    bool is_request = m->traffic == TRAFFIC_PEER_REQUEST;
    const struct sim_node *judged = is_request ? m->to : m->from;
    if (net->node_unreliable[net_index(judged)] && net_chance(net, is_request ? 10 : 20))
        return net_fail(m, 0);
    return (struct sim_verdict){.fate = SIM_DELIVER};
}

struct sim_verdict net_judge_p(struct net *net, const struct net_message *m)
{
    bool linked = is_linked(net, m);
    if (m->is_dial || m->traffic == TRAFFIC_ANSWER || m->traffic == TRAFFIC_PEER_ANSWER) {
        if (m->is_dial && (!linked || !sim_node_is_up(m->to)))
            return net_fail(m, 0);
        if (m->is_dial || m->traffic == TRAFFIC_ANSWER)
            return (struct sim_verdict){.fate = SIM_DELIVER};
        return judge_peer(net, m);
    }
    if (!linked) /* at once, also to who did not call but notify */
        return (struct sim_verdict){.fate = SIM_BREAK};
    return m->traffic == TRAFFIC_CALL ? judge_call(net, m) : judge_peer(net, m);
}
