#include "consensus/paxos.h"

#include <stdlib.h>

#include "consensus/message.h"
#include "consensus/quorum.h"
#include "env/memory.h"

#define INFLIGHT_DEFAULT 256u
#define INFLIGHT_BYTES_DEFAULT (8u << 20)

struct paxos *paxos_of(struct consensus *c)
{
    return container_of(c, struct paxos, base);
}

const struct paxos *paxos_of_const(const struct consensus *c)
{
    return (const struct paxos *)(const void *)c;
}

/* -- members and messages -------------------------------------------------------------------- */

bool paxos_is_self(const struct paxos *x, const struct progress *p)
{
    return p->id == x->self;
}

size_t paxos_position(const struct paxos *x, replica_id id)
{
    size_t i = 0;
    while (i < x->peer_count && x->peers[i].id != id)
        i++;
    return i;
}

struct progress *paxos_peer(struct paxos *x, replica_id id)
{
    size_t i = paxos_position(x, id);
    return i < x->peer_count && id != x->self ? &x->peers[i] : NULL;
}

size_t paxos_quorum(const struct paxos *x)
{
    return quorum_size(x->peer_count);
}

uint64_t paxos_quorum_reached(const struct paxos *x, uint64_t own,
                              uint64_t (*of)(const struct progress *p))
{
    uint64_t values[SF_REPLICAS_MAX];
    for (size_t i = 0; i < x->peer_count; i++)
        values[i] = paxos_is_self(x, &x->peers[i]) ? own : of(&x->peers[i]);
    return quorum_reached(values, x->peer_count);
}

void paxos_send(struct paxos *x, struct consensus_msg msg)
{
    msg.from = x->self;
    if (msg.term == 0)
        msg.term = x->acceptor.promised;
    outbox_send(&x->outbox, &msg);
}

/* -- roles and the promise ------------------------------------------------------------------- */

void paxos_enter_role(struct paxos *x, enum paxos_role role, replica_id leader)
{
    x->role = role;
    x->leader = leader;
    x->uncommitted_bytes = 0;
    x->transferee = 0;
    read_queue_fail(&x->reads, &x->outbox);
    election_timer_restart(&x->timer);
}

void paxos_become_follower(struct paxos *x, replica_id leader)
{
    paxos_takeover_clear(x);
    paxos_enter_role(x, PAXOS_FOLLOWER, leader);
}

void paxos_extend_reach(struct paxos *x)
{
    if (x->reach < x->log.commit)
        x->reach = x->log.commit;
    while (x->reach < entry_log_last(&x->log) &&
           entry_log_at(&x->log, x->reach + 1)->term == x->acceptor.promised)
        x->reach++;
}

void paxos_promise(struct paxos *x, uint64_t ballot)
{
    enum promise promise = acceptor_hear(&x->acceptor, ballot);
    sf_assert(promise == PROMISE_RAISED);
    x->promise_changed = true;
    x->reach = x->log.commit; /* nothing is accepted in this ballot yet */
    if (x->ballot_heard < ballot)
        x->ballot_heard = ballot;
}

uint64_t paxos_chosen_in(const struct paxos *x, uint64_t index)
{
    uint64_t ballot;
    bool known = index <= x->log.commit && entry_log_term_at(&x->log, index, &ballot);
    return known ? ballot : 0;
}

bool paxos_promise_is_durable(const struct paxos *x)
{
    return !x->promise_changed && x->promise_mark <= x->log.mark_persisted;
}

void paxos_hear_ballot(struct paxos *x, uint64_t ballot)
{
    if (ballot <= x->ballot_heard)
        return;
    x->ballot_heard = ballot;
    if (x->role != PAXOS_FOLLOWER)
        paxos_become_follower(x, 0);
}

void paxos_follow(struct paxos *x, const struct consensus_msg *msg)
{
    if (msg->term > x->acceptor.promised)
        paxos_promise(x, msg->term);
    if (x->role != PAXOS_FOLLOWER || x->leader != msg->from)
        paxos_become_follower(x, msg->from);
    election_timer_heard(&x->timer);
}

/* -- events ---------------------------------------------------------------------------------- */

/* A message of a ballot below the promise. Who still acts on that ballot is told. */
static void refuse_stale(struct paxos *x, const struct consensus_msg *msg)
{
    struct consensus_msg reply = {.to = msg->from, .reject = true, .after_sync = true};
    if (msg->type == MSG_ACCEPT || msg->type == MSG_HEARTBEAT || msg->type == MSG_SNAPSHOT)
        reply.type = MSG_ACCEPTED;
    else if (msg->type == MSG_PRE_VOTE)
        reply.type = MSG_PRE_VOTE_REPLY;
    else if (msg->type == MSG_PREPARE)
        reply.type = MSG_PROMISE;
    else
        return;
    paxos_send(x, reply);
}

static const struct {
    void (*step)(struct paxos *, const struct consensus_msg *);
    bool of_owner; /* said by the owner of the ballot alone */
} types[MSG_TYPE_LIMIT] = {
    [MSG_PRE_VOTE] = {paxos_step_pre_vote, true},
    [MSG_PRE_VOTE_REPLY] = {paxos_step_pre_vote_reply, false},
    [MSG_PREPARE] = {paxos_step_prepare, true},
    [MSG_PROMISE] = {paxos_step_promise, false},
    [MSG_ACCEPT] = {paxos_step_accept, true},
    [MSG_ACCEPTED] = {paxos_step_accepted, false},
    [MSG_HEARTBEAT] = {paxos_step_heartbeat, true},
    [MSG_HEARTBEAT_REPLY] = {paxos_step_heartbeat_reply, false},
    [MSG_SNAPSHOT] = {paxos_step_snapshot, true},
    [MSG_SNAPSHOT_REPLY] = {paxos_step_snapshot_reply, false},
    [MSG_TIMEOUT_NOW] = {paxos_step_timeout_now, true},
};

static bool is_for_us(struct paxos *x, const struct consensus_msg *msg)
{
    if (!message_is_sane(msg) || msg->to != x->self || paxos_peer(x, msg->from) == NULL)
        return false;
    if (types[msg->type].step == NULL) /* another engine's */
        return false;
    return !types[msg->type].of_owner || ballot_owner(msg->term) == msg->from;
}

static void paxos_step(struct consensus *c, const struct consensus_msg *msg)
{
    struct paxos *x = paxos_of(c);
    if (!is_for_us(x, msg) || paxos_is_bound(x, msg))
        return;
    if (msg->term < x->acceptor.promised)
        refuse_stale(x, msg);
    else
        types[msg->type].step(x, msg);
    paxos_check(x);
}

static void paxos_tick(struct consensus *c)
{
    struct paxos *x = paxos_of(c);
    if (x->role == PAXOS_PROPOSER)
        paxos_tick_proposer(x);
    else if (election_timer_tick(&x->timer) && x->installing_index == 0)
        paxos_canvass(x);
    else if (x->role == PAXOS_PREPARER)
        paxos_tick_takeover(x);
    paxos_check(x);
}

static void paxos_persisted(struct consensus *c, uint64_t persist_mark)
{
    struct paxos *x = paxos_of(c);
    entry_log_persisted(&x->log, persist_mark);
    paxos_maybe_count_own_promise(x);
    if (x->role == PAXOS_PROPOSER)
        paxos_maybe_choose(x);
    paxos_check(x);
}

static void paxos_compact(struct consensus *c, uint64_t index)
{
    struct paxos *x = paxos_of(c);
    entry_log_compact(&x->log, index);
    paxos_check(x);
}

static void paxos_unload(struct consensus *c, uint64_t index)
{
    struct paxos *x = paxos_of(c);
    entry_log_unload(&x->log, index);
    paxos_check(x);
}

/* -- updates --------------------------------------------------------------------------------- */

static bool leadership_changed(const struct paxos *x)
{
    return x->told.leads != (x->role == PAXOS_PROPOSER) || x->told.leader != x->leader ||
           x->told.term != x->acceptor.promised;
}

static bool has_committed_to_list(const struct paxos *x)
{
    return x->installing_index == 0 && entry_log_listable(&x->log) > x->log.listed;
}

static bool paxos_has_update(const struct consensus *c)
{
    const struct paxos *x = paxos_of_const(c);
    return !outbox_is_empty(&x->outbox) || x->promise_changed || entry_log_has_untaken(&x->log) ||
           has_committed_to_list(x) || leadership_changed(x) || paxos_read_round_is_due(x) ||
           paxos_accept_is_due(x);
}

static void take_records(struct paxos *x, struct consensus_update *update)
{
    uint64_t promised = x->acceptor.promised;
    update->hard_state_changed = x->promise_changed;
    update->hard_state = (struct hard_state){.term = promised, .vote = ballot_owner(promised)};
    entry_log_take_untaken(&x->log, update);
    sf_assert(update->truncate_from == 0); /* X2 */
    if (!x->promise_changed && update->entry_count == 0)
        return;
    update->persist_mark = entry_log_mark(&x->log);
    if (x->promise_changed)
        x->promise_mark = update->persist_mark;
    x->promise_changed = false;
}

static void take_leadership(struct paxos *x, struct consensus_update *update)
{
    update->leadership_changed = leadership_changed(x);
    update->leads = x->told.leads = x->role == PAXOS_PROPOSER;
    update->leader = x->told.leader = x->leader;
    update->term = x->told.term = x->acceptor.promised;
}

static void paxos_take(struct consensus *c, struct consensus_update *update)
{
    struct paxos *x = paxos_of(c);
    *update = (struct consensus_update){0};
    /* Here and not at each event, so that what came in one turn shares rounds and messages. */
    paxos_maybe_begin_read_round(x);
    paxos_send_accepts(x);
    take_records(x, update);
    if (has_committed_to_list(x))
        entry_log_list_committed(&x->log, update);
    outbox_take(&x->outbox, update);
    take_leadership(x, update);
    paxos_check(x);
}

/* -- looks ----------------------------------------------------------------------------------- */

static void paxos_status(const struct consensus *c, struct consensus_status *out)
{
    const struct paxos *x = paxos_of_const(c);
    *out = (struct consensus_status){
        .leads = x->role == PAXOS_PROPOSER,
        .leader = x->leader,
        .term = x->acceptor.promised,
        .first = x->log.base_index + 1,
        .last = entry_log_last(&x->log),
        .commit = x->log.commit,
        .persisted = x->log.persisted,
        .listed = x->log.listed,
        .log_bytes = x->log.bytes,
        .peer_count = x->peer_count,
    };
    for (size_t i = 0; i < x->peer_count; i++) {
        const struct progress *p = &x->peers[i];
        bool self = paxos_is_self(x, p);
        out->peers[i].id = p->id;
        out->peers[i].match = self ? x->log.persisted : p->match;
        out->peers[i].active = self || p->silent_ticks < x->election_ticks;
        out->peers[i].snapshot = !self && p->state == PROGRESS_SNAPSHOT;
    }
}

static bool paxos_term_at(const struct consensus *c, uint64_t index, uint64_t *term)
{
    return entry_log_term_at(&paxos_of_const(c)->log, index, term);
}

/* -- construction ---------------------------------------------------------------------------- */

static void paxos_free(struct consensus *c)
{
    struct paxos *x = paxos_of(c);
    for (size_t i = 0; i < x->peer_count; i++)
        inflights_deinit(&x->peers[i].inflights);
    paxos_takeover_clear(x);
    entry_log_deinit(&x->log);
    outbox_deinit(&x->outbox);
    read_queue_deinit(&x->reads);
    free(x);
}

static const struct consensus_ops paxos_ops = {
    .free = paxos_free,
    .propose = paxos_propose,
    .read = paxos_read,
    .step = paxos_step,
    .tick = paxos_tick,
    .persisted = paxos_persisted,
    .compact = paxos_compact,
    .unload = paxos_unload,
    .connection_lost = paxos_connection_lost,
    .snapshot_msg = paxos_snapshot_msg,
    .snapshot_ended = paxos_snapshot_ended,
    .snapshot_begin = paxos_snapshot_begin,
    .snapshot_installed = paxos_snapshot_installed,
    .transfer = paxos_transfer,
    .has_update = paxos_has_update,
    .take = paxos_take,
    .status = paxos_status,
    .term_at = paxos_term_at,
};

static void init_peers(struct paxos *x, const struct consensus_config *config)
{
    size_t count_max = config->inflight_max > 0 ? config->inflight_max : INFLIGHT_DEFAULT;
    size_t bytes_max =
        config->inflight_bytes_max > 0 ? config->inflight_bytes_max : INFLIGHT_BYTES_DEFAULT;
    sf_assert(config->peer_count >= 1 && config->peer_count <= SF_REPLICAS_MAX);
    x->peer_count = config->peer_count;
    for (size_t i = 0; i < x->peer_count; i++) {
        struct progress *p = &x->peers[i];
        sf_assert(config->peers[i] >= 1 && config->peers[i] < BALLOT_OWNERS);
        p->id = config->peers[i];
        inflights_init(&p->inflights, count_max, bytes_max);
        progress_reset(p, entry_log_last(&x->log));
    }
    sf_assert(paxos_position(x, x->self) < x->peer_count);
}

/* A3: own ballots will be above everything that the WAL held. */
static void restore_promise(struct paxos *x, const struct hard_state *state)
{
    x->acceptor.promised = state->term;
    x->ballot_heard = state->term;
    paxos_extend_reach(x);
}

struct consensus *paxos_new(const struct consensus_config *config,
                            const struct consensus_restore *restore)
{
    struct paxos *x = sf_calloc(1, sizeof(*x));
    x->base.ops = &paxos_ops;
    x->self = config->self;
    x->election_ticks = config->election_ticks;
    x->heartbeat_ticks = config->heartbeat_ticks;
    election_timer_init(&x->timer, config);
    entry_log_init(&x->log, restore);
    init_peers(x, config);
    if (restore != NULL)
        restore_promise(x, &restore->hard_state);
    paxos_enter_role(x, PAXOS_FOLLOWER, 0);
    x->told.term = x->acceptor.promised;
    paxos_check(x);
    return &x->base;
}
