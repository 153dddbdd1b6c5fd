/* election_timer: when does a replica that hears no leader try to lead? Time-outs are drawn anew,
 * so that replicas seldom try at once. Source: Raft dissertation, section 3.4.
 *
 * Invariant: timeout_ticks lies in [election_ticks, 2 election_ticks). */
#ifndef CONSENSUS_ELECTION_TIMER_H
#define CONSENSUS_ELECTION_TIMER_H

#include "consensus/consensus.h"

struct election_timer {
    uint64_t random; /* state of the generator of time-outs */
    uint32_t election_ticks;
    uint32_t elapsed_ticks; /* since it was restarted or something was heard */
    uint32_t timeout_ticks;
};

void election_timer_init(struct election_timer *timer, const struct consensus_config *config);
void election_timer_restart(struct election_timer *timer); /* draws a time-out */
void election_timer_heard(struct election_timer *timer); /* the same time-out from the beginning */
bool election_timer_tick(struct election_timer *timer);  /* is it over? */
/* Was something heard within the shortest time-out? Then a leader there is believed to live. */
bool election_timer_is_fresh(const struct election_timer *timer);
bool election_timer_is_valid(const struct election_timer *timer);

#endif
