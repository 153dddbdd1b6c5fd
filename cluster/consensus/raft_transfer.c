/* Leadership transfer: the leader stops taking proposals, brings the peer up to date, and tells it
 * to campaign at once. Given up after an election time-out. Source: dissertation, section 3.10. */
#include "consensus/raft.h"
#include "env/mark.h"

int raft_transfer(struct consensus *c, replica_id peer)
{
    struct raft *r = raft_of(c);
    if (r->role != RAFT_LEADER)
        return SF_NOT_LEADER;
    if (peer == r->self)
        return SF_OK;
    struct progress *p = raft_peer(r, peer);
    if (p == NULL)
        return SF_INVALID;
    r->transferee = peer;
    r->transfer_elapsed_ticks = 0;
    raft_maybe_finish_transfer(r, p);
    raft_check(r);
    return SF_OK;
}

void raft_maybe_finish_transfer(struct raft *r, const struct progress *p)
{
    if (r->transferee == p->id && p->match == entry_log_last(&r->log))
        raft_send(r, (struct consensus_msg){.type = MSG_TIMEOUT_NOW, .to = p->id});
}

void raft_tick_transfer(struct raft *r)
{
    if (r->transferee == 0)
        return;
    if (++r->transfer_elapsed_ticks >= r->election_ticks) {
        SF_MARK("raft: handing over the lead given up");
        r->transferee = 0;
    } else if (r->transfer_elapsed_ticks % r->heartbeat_ticks == 0) { /* it may have been lost */
        raft_maybe_finish_transfer(r, raft_peer(r, r->transferee));
    }
}

void raft_step_timeout_now(struct raft *r, const struct consensus_msg *msg)
{
    if (!raft_follow(r, msg->from) || r->installing_index != 0)
        return;
    raft_campaign_transferred(r);
}
