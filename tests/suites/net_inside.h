/* net_inside: what net.c shares with the models. */
#ifndef TESTS_SUITES_NET_INSIDE_H
#define TESTS_SUITES_NET_INSIDE_H

#include "suites/net.h"

#define NET_NODES_MAX 256u

struct net {
    struct sim *sim;
    enum net_model model;
    bool unreliable, long_delays, long_reordering;
    uint64_t bytes;
    uint64_t requests[NET_NODES_MAX]; /* by number of the node, as the next three */
    bool node_unreliable[NET_NODES_MAX];
    bool deaf[NET_NODES_MAX];
    bool cut[NET_NODES_MAX][NET_NODES_MAX]; /* from, to */
};

/* A message or a dial, and between whom. */
struct net_message {
    const struct sim_node *from, *to;
    bool by_dialler;
    bool is_dial;
    enum traffic traffic; /* unless it is a dial */
};

size_t net_index(const struct sim_node *node);
bool net_chance(struct net *net, unsigned percent);
uint64_t net_below_ms(struct net *net, uint64_t limit_ms); /* 0 .. limit_ms - 1, in ns */
/* It does not arrive: the connection breaks where somebody waits, after delay_ns. */
struct sim_verdict net_fail(const struct net_message *message, uint64_t delay_ns);

struct sim_verdict net_judge_p(struct net *net, const struct net_message *message);
struct sim_verdict net_judge_l(struct net *net, const struct net_message *message);
struct sim_verdict net_judge_t(struct net *net, const struct net_message *message);

#endif
