/* net: the networks that the suites' cases were written for, on the simulated one.
 *
 * Those networks know calls: a request, a handler, an answer. Ours carries messages on connections
 * that stay open, and replicas talk in notifications. So a rule about calls becomes one about
 * messages:
 *
 *   a call that fails, or whose answer is lost     its connection breaks, so that the caller learns
 *                                                  it as soon as the model says
 *   a message between replicas, or its answer      is lost without a word: nobody waits for it
 *   a call to who is not linked                    a dial fails; on an open connection as above
 *
 * Where a model says that something takes no time, a message takes 0.5 to 0.7 ms.
 *
 *   P   Calls fail at once. Who is unreliable discards 10 % of the requests, and loses the
 *       answers to 20 % of the others. What was called while a link stood is still answered after
 *       it is cut.
 *   L   All share one switch. A dead link takes 0 to 99 ms to fail (with long_delays up to 7 s),
 *       and loses answers, too. Unreliable: requests take 0 to 26 ms and overtake each other, 10 %
 *       of them and 10 % of the answers are lost. long_reordering: two thirds of the answers are
 *       held for 0.2 to 2.2 s.
 *   T   As L, but requests take 0 to 27 ms, a dead link 0 to 100, and it lets answers pass.
 */
#ifndef TESTS_SUITES_NET_H
#define TESTS_SUITES_NET_H

#include "sim/sim.h"
#include "suites/traffic.h"

enum net_model { NET_P, NET_L, NET_T };

struct net;

struct net *net_new(struct sim *sim, enum net_model model);
void net_free(struct net *net); /* before its sim */

/* May `from` call `to`? At first everybody may. In L and T a call needs both ways. In P, where both
 * sides call on one connection, both need the way of who dialled it. */
void net_link(struct net *net, const struct sim_node *from, const struct sim_node *to, bool linked);
bool net_is_linked(const struct net *net, const struct sim_node *from, const struct sim_node *to);

/* Nobody can dial it, or call it on a connection that stands; it can call others, and be called by
 * the connections that it has opened itself. */
void net_deaf(struct net *net, const struct sim_node *node);

void net_unreliable(struct net *net, bool unreliable); /* L, T: the whole network */
void net_node_unreliable(struct net *net, const struct sim_node *node, bool unreliable); /* P */
void net_long_delays(struct net *net, bool on);
void net_long_reordering(struct net *net, bool on);

/* Requests that reached this node; a hello is one. */
uint64_t net_requests(const struct net *net, const struct sim_node *node);
uint64_t net_bytes(const struct net *net); /* of all messages, those that were lost too */

#endif
