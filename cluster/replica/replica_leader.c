/* replica_leader: what a replica does because it leads: stamps and proposes entries, keeps who
 * waits for them, and tells the machine when it may act.
 *
 * The engine says that it leads -> a no-op is proposed -> it is applied, so everything of earlier
 * terms is -> the machine is told. Losing the lead ends every open proposal with SF_NOT_LEADER.
 */
#include <inttypes.h>
#include <string.h>
#include <utlist.h>

#include "env/log.h"
#include "env/mark.h"
#include "replica/envelope.h"
#include "replica/inside.h"

#define YIELD_NS ENV_SECOND_NS /* before a try to give the lead away: others may have been heard */

/* -- proposals ----------------------------------------------------------------------------- */

void leader_note_time(struct replica *r, const struct payload *payload)
{
    struct envelope envelope;
    if (envelope_open(payload, &envelope) && envelope.time_ns > r->log_time_ns)
        r->log_time_ns = envelope.time_ns;
}

/* Strictly increasing within the log. */
static uint64_t next_time(struct replica *r)
{
    uint64_t now = env_wall_ns(r->host->env);
    r->log_time_ns = now > r->log_time_ns ? now : r->log_time_ns + 1;
    return r->log_time_ns;
}

static int propose(struct replica *r, enum envelope_kind kind, struct slice body, uint64_t *index,
                   uint64_t *term)
{
    struct payload *payload = envelope_new(kind, next_time(r), body);
    return consensus_propose(r->consensus, payload, index, term);
}

int replica_propose(struct replica *replica, struct slice body, struct replica_proposal *proposal)
{
    uint64_t index = 0, term = 0;
    if (body.n > REPLICA_BODY_BYTES_MAX)
        return SF_TOO_BIG;
    if (!replica->leads)
        return SF_NOT_LEADER;
    if (replica->noop_wanted)
        return SF_OVERLOADED;
    int status = propose(replica, ENVELOPE_BODY, body, &index, &term);
    if (status != SF_OK || proposal == NULL)
        return status;
    sf_assert(!proposal->open);
    sf_assert(replica->proposals == NULL || replica->proposals->prev->index < index);
    proposal->index = index;
    proposal->term = term;
    proposal->replica = replica;
    proposal->open = true;
    DL_APPEND(replica->proposals, proposal);
    replica->proposal_count++;
    return SF_OK;
}

void replica_proposal_forget(struct replica_proposal *proposal)
{
    if (!proposal->open)
        return;
    DL_DELETE(proposal->replica->proposals, proposal);
    proposal->replica->proposal_count--;
    proposal->open = false;
}

static void finish_first(struct replica *r, int status, struct slice reply)
{
    struct replica_proposal *first = r->proposals;
    replica_proposal_forget(first);
    first->on_done(first, status, reply);
}

void leader_applied(struct replica *r, const struct entry *entry)
{
    while (r->proposals != NULL && r->proposals->index <= entry->index) {
        const struct replica_proposal *first = r->proposals;
        if (first->index == entry->index && first->term == entry->term)
            finish_first(r, SF_OK, buffer_slice(&r->reply));
        else
            finish_first(r, SF_NOT_LEADER, slice_of(NULL, 0));
    }
}

void leader_skip_to(struct replica *r, uint64_t index)
{
    while (r->proposals != NULL && r->proposals->index <= index)
        finish_first(r, SF_NOT_LEADER, slice_of(NULL, 0));
}

/* -- gaining and losing the lead ----------------------------------------------------------- */

static void lose(struct replica *r, uint64_t term)
{
    r->leads = false;
    r->noop_wanted = false;
    snapshot_send_stop_all(r);
    if (r->announced) {
        r->announced = false;
        r->machine->ops->lead(r->machine, false, term);
    }
    if (r->proposals != NULL)
        SF_MARK("replica: lead lost with proposals open");
    leader_skip_to(r, UINT64_MAX);
    reads_fail(r);
}

void leader_note(struct replica *r, const struct consensus_update *u)
{
    uint64_t old_term = r->term;
    if (!u->leadership_changed)
        return;
    r->leader = u->leader; /* first: whoever is refused now is told where to go */
    r->term = u->term;
    if (r->leads && (!u->leads || u->term != old_term))
        lose(r, old_term);
    if (!u->leads || r->leads)
        return;
    log_info("replica", "group %" PRIu64 ": replica %u leads in term %" PRIu64,
             r->identity.group.gid, r->identity.self, u->term);
    r->leads = true;
    r->noop_wanted = true;
    leader_propose_noop(r);
}

void leader_propose_noop(struct replica *r)
{
    uint64_t term = 0;
    if (!r->noop_wanted)
        return;
    int status = propose(r, ENVELOPE_NOOP, slice_of(NULL, 0), &r->noop_index, &term);
    r->noop_wanted = status == SF_OVERLOADED; /* again next turn */
}

void leader_announce(struct replica *r)
{
    if (!r->leads || r->announced || r->noop_wanted || r->applied.index < r->noop_index)
        return;
    r->announced = true;
    r->machine->ops->lead(r->machine, true, r->term);
}

/* -- leading without a state --------------------------------------------------------------- */

static bool peer_is_low(const struct replica *r, const struct peer *peer)
{
    return peer->low_until_ns > env_now_ns(r->host->env);
}

/* The follower that is best to lead in its place: heard, able to apply, furthest; 0: none. */
static replica_id best_successor(struct replica *r)
{
    struct consensus_status status;
    replica_id best = 0;
    uint64_t match = 0;
    consensus_status(r->consensus, &status);
    for (size_t i = 0; i < status.peer_count; i++) {
        const struct peer *peer = replica_peer(r, status.peers[i].id);
        bool able = peer != NULL && peer->has_back && peer->needs == 0 && !peer_is_low(r, peer);
        if (able && status.peers[i].active && (best == 0 || status.peers[i].match > match)) {
            best = peer->id;
            match = status.peers[i].match;
        }
    }
    return best;
}

/* Its state is lost, and only a leader sends snapshots; or its disk is full. */
static bool cannot_apply(const struct replica *r)
{
    return r->needs != 0 || r->stalled == SF_NO_SPACE || wal_is_full(r->host->wal);
}

void leader_yield(struct replica *r)
{
    uint64_t now = env_now_ns(r->host->env);
    bool wanted = r->leads && cannot_apply(r);
    bool due = wanted && r->yield_due_ns != 0 && now >= r->yield_due_ns;
    if (!wanted)
        r->yield_due_ns = 0;
    else if (due || r->yield_due_ns == 0)
        r->yield_due_ns = now + YIELD_NS;
    replica_id successor = due ? best_successor(r) : 0;
    if (successor == 0)
        return;
    log_info("replica", "group %" PRIu64 ": replica %u gives the lead to %u, which can apply",
             r->identity.group.gid, r->identity.self, successor);
    int status = consensus_transfer(r->consensus, successor);
    if (status != SF_OK && status != SF_NOT_LEADER)
        log_warn("replica", "group %" PRIu64 ": the lead cannot be given away: %s",
                 r->identity.group.gid, sf_error_text(status));
}

/* -- admission ----------------------------------------------------------------------------- */

bool replica_disk_is_low(const struct replica *r)
{
    return r->host->low || r->stalled == SF_NO_SPACE || r->host->flusher.full ||
           wal_is_full(r->host->wal);
}

/* Here, or at a member that was heard. */
static bool some_disk_is_low(const struct replica *r)
{
    if (replica_disk_is_low(r))
        return true;
    for (size_t i = 0; i < r->peer_count; i++)
        if (peer_is_low(r, &r->peers[i]))
            return true;
    return false;
}

int replica_admits(const struct replica *replica)
{
    if (!replica->announced)
        return SF_NOT_LEADER;
    if (some_disk_is_low(replica))
        return SF_NO_SPACE;
    if (replica_is_behind(replica) ||
        replica->proposal_count >= replica->host->options.proposals_max) {
        SF_MARK("replica: leader admits nothing more");
        return SF_OVERLOADED;
    }
    return SF_OK;
}

int replica_transfer(struct replica *replica, const char *address)
{
    const struct group *group = &replica->identity.group;
    for (size_t i = 0; i < group->address_count; i++)
        if (strcmp(group->addresses[i], address) == 0)
            return consensus_transfer(replica->consensus, (replica_id)(i + 1));
    return SF_INVALID;
}
