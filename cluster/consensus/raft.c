#include "consensus/raft.h"

#include <stdlib.h>

#include "consensus/message.h"
#include "consensus/quorum.h"
#include "env/memory.h"

#define INFLIGHT_DEFAULT 256u
#define INFLIGHT_BYTES_DEFAULT (8u << 20)

struct raft *raft_of(struct consensus *c)
{
    return container_of(c, struct raft, base);
}

const struct raft *raft_of_const(const struct consensus *c)
{
    return (const struct raft *)(const void *)c;
}

/* -- members and messages -------------------------------------------------------------------- */

bool raft_is_self(const struct raft *r, const struct progress *p)
{
    return p->id == r->self;
}

struct progress *raft_peer(struct raft *r, replica_id id)
{
    for (size_t i = 0; i < r->peer_count; i++) {
        if (r->peers[i].id == id && id != r->self)
            return &r->peers[i];
    }
    return NULL;
}

size_t raft_quorum(const struct raft *r)
{
    return quorum_size(r->peer_count);
}

uint64_t raft_quorum_reached(const struct raft *r, uint64_t own,
                             uint64_t (*of)(const struct progress *p))
{
    uint64_t values[SF_REPLICAS_MAX];
    for (size_t i = 0; i < r->peer_count; i++)
        values[i] = raft_is_self(r, &r->peers[i]) ? own : of(&r->peers[i]);
    return quorum_reached(values, r->peer_count);
}

void raft_send(struct raft *r, struct consensus_msg msg)
{
    msg.from = r->self;
    if (msg.term == 0)
        msg.term = r->hard.term;
    outbox_send(&r->outbox, &msg);
}

/* -- roles and terms ------------------------------------------------------------------------- */

static void set_hard_state(struct raft *r, uint64_t term, replica_id vote)
{
    r->hard = (struct hard_state){term, vote};
    r->hard_changed = true;
}

bool raft_hard_state_is_durable(const struct raft *r)
{
    return !r->hard_changed && r->hard_mark <= r->log.mark_persisted;
}

/* What every change of role does: the old role's business is over. */
static void enter_role(struct raft *r, enum raft_role role, replica_id leader)
{
    r->role = role;
    r->leader = leader;
    r->uncommitted_bytes = 0;
    r->transferee = 0;
    read_queue_fail(&r->reads, &r->outbox);
    election_timer_restart(&r->timer);
    for (size_t i = 0; i < r->peer_count; i++)
        r->ballots[i] = BALLOT_NONE;
}

void raft_become_follower(struct raft *r, uint64_t term, replica_id leader)
{
    sf_assert(term >= r->hard.term);
    if (term > r->hard.term)
        set_hard_state(r, term, 0);
    enter_role(r, RAFT_FOLLOWER, leader);
}

void raft_become_pre_candidate(struct raft *r)
{
    enter_role(r, RAFT_PRE_CANDIDATE, 0);
}

void raft_become_candidate(struct raft *r)
{
    set_hard_state(r, r->hard.term + 1, r->self);
    enter_role(r, RAFT_CANDIDATE, 0);
}

void raft_become_leader(struct raft *r)
{
    sf_assert(r->role == RAFT_CANDIDATE);
    enter_role(r, RAFT_LEADER, r->self);
    for (size_t i = 0; i < r->peer_count; i++)
        progress_reset(&r->peers[i], entry_log_last(&r->log));
    raft_broadcast_heartbeat(r);
}

bool raft_follow(struct raft *r, replica_id leader)
{
    if (r->role == RAFT_LEADER)
        return false;
    if (r->role != RAFT_FOLLOWER || r->leader != leader)
        raft_become_follower(r, r->hard.term, leader);
    election_timer_heard(&r->timer);
    return true;
}

/* -- events ---------------------------------------------------------------------------------- */

/* A message of an earlier term. Who still acts on that term is told the current one. */
static void refuse_stale(struct raft *r, const struct consensus_msg *msg)
{
    struct consensus_msg reply = {.to = msg->from, .reject = true, .after_sync = true};
    if (msg->type == MSG_APPEND || msg->type == MSG_HEARTBEAT || msg->type == MSG_SNAPSHOT)
        reply.type = MSG_APPEND_REPLY;
    else if (msg->type == MSG_PRE_VOTE)
        reply.type = MSG_PRE_VOTE_REPLY;
    else if (msg->type == MSG_VOTE)
        reply.type = MSG_VOTE_REPLY;
    else
        return;
    raft_send(r, reply);
}

/* Does the term of the message count as one that its sender is in? A pre-vote is about a term that
 * nobody has entered yet, and so is its granting. */
static bool term_is_entered(const struct consensus_msg *msg)
{
    return msg->type != MSG_PRE_VOTE && (msg->type != MSG_PRE_VOTE_REPLY || msg->reject);
}

static void (*const step_by_type[MSG_TYPE_LIMIT])(struct raft *, const struct consensus_msg *) = {
    [MSG_PRE_VOTE] = raft_step_pre_vote,
    [MSG_PRE_VOTE_REPLY] = raft_step_pre_vote_reply,
    [MSG_VOTE] = raft_step_vote,
    [MSG_VOTE_REPLY] = raft_step_vote_reply,
    [MSG_APPEND] = raft_step_append,
    [MSG_APPEND_REPLY] = raft_step_append_reply,
    [MSG_HEARTBEAT] = raft_step_heartbeat,
    [MSG_HEARTBEAT_REPLY] = raft_step_heartbeat_reply,
    [MSG_SNAPSHOT] = raft_step_snapshot,
    [MSG_SNAPSHOT_REPLY] = raft_step_snapshot_reply,
    [MSG_TIMEOUT_NOW] = raft_step_timeout_now,
};

static void raft_step(struct consensus *c, const struct consensus_msg *msg)
{
    struct raft *r = raft_of(c);
    if (!message_is_sane(msg) || msg->to != r->self || raft_peer(r, msg->from) == NULL)
        return;
    if (step_by_type[msg->type] == NULL) /* another engine's */
        return;
    if (raft_is_bound_to_leader(r, msg))
        return;
    if (msg->term < r->hard.term) {
        refuse_stale(r, msg);
    } else {
        if (msg->term > r->hard.term && term_is_entered(msg))
            raft_become_follower(r, msg->term, 0);
        step_by_type[msg->type](r, msg);
    }
    raft_check(r);
}

static void raft_tick(struct consensus *c)
{
    struct raft *r = raft_of(c);
    if (r->role == RAFT_LEADER)
        raft_tick_leader(r);
    else if (election_timer_tick(&r->timer) && r->installing_index == 0)
        raft_campaign(r);
    raft_check(r);
}

static void raft_persisted(struct consensus *c, uint64_t persist_mark)
{
    struct raft *r = raft_of(c);
    entry_log_persisted(&r->log, persist_mark);
    raft_maybe_count_own_vote(r);
    if (r->role == RAFT_LEADER)
        raft_maybe_commit(r);
    raft_check(r);
}

static void raft_compact(struct consensus *c, uint64_t index)
{
    struct raft *r = raft_of(c);
    entry_log_compact(&r->log, index);
    raft_check(r);
}

static void raft_unload(struct consensus *c, uint64_t index)
{
    struct raft *r = raft_of(c);
    entry_log_unload(&r->log, index);
    raft_check(r);
}

/* -- updates --------------------------------------------------------------------------------- */

static bool leadership_changed(const struct raft *r)
{
    return r->told.leads != (r->role == RAFT_LEADER) || r->told.leader != r->leader ||
           r->told.term != r->hard.term;
}

static bool has_committed_to_list(const struct raft *r)
{
    return r->installing_index == 0 && entry_log_listable(&r->log) > r->log.listed;
}

static bool raft_has_update(const struct consensus *c)
{
    const struct raft *r = raft_of_const(c);
    return !outbox_is_empty(&r->outbox) || r->hard_changed || entry_log_has_untaken(&r->log) ||
           has_committed_to_list(r) || leadership_changed(r) || raft_read_round_is_due(r) ||
           raft_replication_is_due(r);
}

static void take_records(struct raft *r, struct consensus_update *update)
{
    update->hard_state_changed = r->hard_changed;
    update->hard_state = r->hard;
    entry_log_take_untaken(&r->log, update);
    if (!r->hard_changed && update->truncate_from == 0 && update->entry_count == 0)
        return;
    update->persist_mark = entry_log_mark(&r->log);
    if (r->hard_changed)
        r->hard_mark = update->persist_mark;
    r->hard_changed = false;
}

static void take_leadership(struct raft *r, struct consensus_update *update)
{
    update->leadership_changed = leadership_changed(r);
    update->leads = r->told.leads = r->role == RAFT_LEADER;
    update->leader = r->told.leader = r->leader;
    update->term = r->told.term = r->hard.term;
}

static void raft_take(struct consensus *c, struct consensus_update *update)
{
    struct raft *r = raft_of(c);
    *update = (struct consensus_update){0};
    /* Here and not at each event, so that what came in one turn shares rounds and messages. */
    raft_maybe_begin_read_round(r);
    raft_replicate(r);
    take_records(r, update);
    if (has_committed_to_list(r))
        entry_log_list_committed(&r->log, update);
    outbox_take(&r->outbox, update);
    take_leadership(r, update);
    raft_check(r);
}

/* -- looks ----------------------------------------------------------------------------------- */

static void raft_status(const struct consensus *c, struct consensus_status *out)
{
    const struct raft *r = raft_of_const(c);
    *out = (struct consensus_status){
        .leads = r->role == RAFT_LEADER,
        .leader = r->leader,
        .term = r->hard.term,
        .first = r->log.base_index + 1,
        .last = entry_log_last(&r->log),
        .commit = r->log.commit,
        .persisted = r->log.persisted,
        .listed = r->log.listed,
        .log_bytes = r->log.bytes,
        .peer_count = r->peer_count,
    };
    for (size_t i = 0; i < r->peer_count; i++) {
        const struct progress *p = &r->peers[i];
        bool self = raft_is_self(r, p);
        out->peers[i].id = p->id;
        out->peers[i].match = self ? r->log.persisted : p->match;
        out->peers[i].active = self || p->silent_ticks < r->election_ticks;
        out->peers[i].snapshot = !self && p->state == PROGRESS_SNAPSHOT;
    }
}

static bool raft_term_at(const struct consensus *c, uint64_t index, uint64_t *term)
{
    return entry_log_term_at(&raft_of_const(c)->log, index, term);
}

/* -- construction ---------------------------------------------------------------------------- */

static void raft_free(struct consensus *c)
{
    struct raft *r = raft_of(c);
    for (size_t i = 0; i < r->peer_count; i++)
        inflights_deinit(&r->peers[i].inflights);
    entry_log_deinit(&r->log);
    outbox_deinit(&r->outbox);
    read_queue_deinit(&r->reads);
    free(r);
}

static const struct consensus_ops raft_ops = {
    .free = raft_free,
    .propose = raft_propose,
    .read = raft_read,
    .step = raft_step,
    .tick = raft_tick,
    .persisted = raft_persisted,
    .compact = raft_compact,
    .unload = raft_unload,
    .connection_lost = raft_connection_lost,
    .snapshot_msg = raft_snapshot_msg,
    .snapshot_ended = raft_snapshot_ended,
    .snapshot_begin = raft_snapshot_begin,
    .snapshot_installed = raft_snapshot_installed,
    .transfer = raft_transfer,
    .has_update = raft_has_update,
    .take = raft_take,
    .status = raft_status,
    .term_at = raft_term_at,
};

static void init_peers(struct raft *r, const struct consensus_config *config)
{
    size_t count_max = config->inflight_max > 0 ? config->inflight_max : INFLIGHT_DEFAULT;
    size_t bytes_max =
        config->inflight_bytes_max > 0 ? config->inflight_bytes_max : INFLIGHT_BYTES_DEFAULT;
    bool self_found = false;
    sf_assert(config->peer_count >= 1 && config->peer_count <= SF_REPLICAS_MAX);
    r->peer_count = config->peer_count;
    for (size_t i = 0; i < r->peer_count; i++) {
        struct progress *p = &r->peers[i];
        sf_assert(config->peers[i] != 0);
        p->id = config->peers[i];
        inflights_init(&p->inflights, count_max, bytes_max);
        progress_reset(p, entry_log_last(&r->log));
        self_found = self_found || p->id == r->self;
    }
    sf_assert(self_found);
}

struct consensus *raft_new(const struct consensus_config *config,
                           const struct consensus_restore *restore)
{
    struct raft *r = sf_calloc(1, sizeof(*r));
    r->base.ops = &raft_ops;
    r->self = config->self;
    r->election_ticks = config->election_ticks;
    r->heartbeat_ticks = config->heartbeat_ticks;
    election_timer_init(&r->timer, config);
    entry_log_init(&r->log, restore);
    init_peers(r, config);
    if (restore != NULL)
        r->hard = restore->hard_state;
    enter_role(r, RAFT_FOLLOWER, 0);
    r->told.term = r->hard.term;
    raft_check(r);
    return &r->base;
}
