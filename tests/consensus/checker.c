#include "checker.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "env/memory.h"

struct place {
    uint64_t index, term;
};

/* An entry that some replica has had at a place. */
struct seen_entry {
    struct place place;
    uint64_t previous_term;
    uint64_t payload_hash;
    UT_hash_handle hh;
};

/* Who speaks as the leader of a term, or asks for promises of that ballot. */
struct seen_leader {
    uint64_t term;
    replica_id id;
    uint64_t boots; /* in which of its lives */
    bool leads;     /* it was seen to lead */
    UT_hash_handle hh;
};

struct seen_vote {
    struct place place; /* index: the voter */
    replica_id candidate;
    UT_hash_handle hh;
};

struct committed {
    uint64_t term; /* of the entry, where it was seen first */
    uint64_t payload_hash;
    uint64_t seen_in; /* current term of the replica that first knew: it was committed by then */
};

struct open_read {
    uint64_t id;
    replica_id node;
    uint64_t committed; /* when it was asked for */
    UT_hash_handle hh;
};

struct checker {
    struct group *group;
    struct seen_entry *entries;
    struct seen_leader *leaders;
    struct seen_vote *votes;
    struct open_read *reads;
    struct committed *log; /* by index - 1 */
    size_t committed_cap;
    uint64_t committed;
    uint64_t commit_of[SF_REPLICAS_MAX]; /* last seen, by node; falls at a restart */
    uint64_t next_read, reads_passed;
};

static bool is_raft(const struct checker *k)
{
    return k->group->options.engine == CONSENSUS_RAFT;
}

/* -- entries and commitment ------------------------------------------------------------------ */

static struct seen_entry *find_entry(const struct checker *k, uint64_t index, uint64_t term)
{
    struct place place = {index, term};
    struct seen_entry *seen;
    HASH_FIND(hh, k->entries, &place, sizeof(place), seen);
    return seen;
}

static void see_entry(struct checker *k, const struct entry *entry, uint64_t previous_term)
{
    uint64_t hash = bytes_hash(payload_slice(entry->payload));
    struct seen_entry *seen = find_entry(k, entry->index, entry->term);
    if (seen == NULL) {
        seen = sf_calloc(1, sizeof(*seen));
        *seen = (struct seen_entry){{entry->index, entry->term}, previous_term, hash, seen->hh};
        HASH_ADD(hh, k->entries, place, sizeof(seen->place), seen);
    }
    sf_assert(seen->payload_hash == hash);
    sf_assert(!is_raft(k) || seen->previous_term == previous_term);
}

static void see_entries(struct checker *k, const struct entry *entries, size_t count,
                        uint64_t previous_term)
{
    for (size_t i = 0; i < count; i++) {
        see_entry(k, &entries[i], previous_term);
        previous_term = entries[i].term;
    }
}

static bool disk_holds(const struct checker *k, const struct node *node, uint64_t index,
                       const struct committed *committed)
{
    const struct entry *held = disk_find(&node->disk, index);
    if (held == NULL || (is_raft(k) && held->term != committed->term))
        return false;
    return bytes_hash(payload_slice(held->payload)) == committed->payload_hash;
}

/* A majority's disks hold it, or have gone beyond it by a snapshot. */
static void check_is_durable(const struct checker *k, uint64_t index,
                             const struct committed *committed)
{
    size_t holders = 0;
    for (size_t i = 0; i < k->group->options.size; i++) {
        const struct node *node = &k->group->nodes[i];
        holders += node->flushed >= index || disk_holds(k, node, index, committed);
    }
    sf_assert(holders > k->group->options.size / 2);
}

static void see_committed(struct checker *k, const struct node *node, uint64_t index, uint64_t term)
{
    const struct seen_entry *seen = find_entry(k, index, term);
    struct consensus_status status;
    sf_assert(seen != NULL);
    if (index <= k->committed) {
        sf_assert(k->log[index - 1].payload_hash == seen->payload_hash);
        sf_assert(!is_raft(k) || k->log[index - 1].term == term);
        return;
    }
    sf_assert(index == k->committed + 1);
    if (index > k->committed_cap) {
        k->committed_cap = k->committed_cap == 0 ? 64 : k->committed_cap * 2;
        k->log = sf_realloc(k->log, k->committed_cap * sizeof(*k->log));
    }
    consensus_status(node->engine, &status);
    k->log[index - 1] = (struct committed){term, seen->payload_hash, status.term};
    check_is_durable(k, index, &k->log[index - 1]);
    k->committed = index;
}

/* -- events ---------------------------------------------------------------------------------- */

static void on_update(void *ctx, struct node *node, const struct consensus_update *update)
{
    struct checker *k = ctx;
    uint64_t previous = 0;
    if (update->entry_count > 0)
        sf_assert(consensus_term_at(node->engine, update->entries[0].index - 1, &previous));
    see_entries(k, update->entries, update->entry_count, previous);
    sf_assert(is_raft(k) || update->truncate_from == 0);
    sf_assert(
        (update->persist_mark != 0) ==
        (update->hard_state_changed || update->truncate_from != 0 || update->entry_count > 0));
}

static void on_apply(void *ctx, struct node *node, const struct entry *entry)
{
    struct checker *k = ctx;
    uint64_t held;
    see_committed(k, node, entry->index, entry->term);
    sf_assert(disk_term_at(&node->disk, entry->index, &held));
    sf_assert(held == entry->term);
}

/* One replica leads a term, in one of its lives. */
static struct seen_leader *see_leader(struct checker *k, const struct node *node, uint64_t term)
{
    struct seen_leader *seen;
    HASH_FIND(hh, k->leaders, &term, sizeof(term), seen);
    if (seen == NULL) {
        seen = sf_calloc(1, sizeof(*seen));
        *seen = (struct seen_leader){term, node->id, node->boots, false, seen->hh};
        HASH_ADD(hh, k->leaders, term, sizeof(seen->term), seen);
    }
    sf_assert(seen->id == node->id);
    sf_assert(seen->boots == node->boots);
    return seen;
}

static void check_vote(struct checker *k, const struct node *node, const struct consensus_msg *msg)
{
    struct place place = {node->id, msg->term};
    struct seen_vote *seen;
    sf_assert(node->disk.hard_state.term > msg->term || node->disk.hard_state.vote == msg->to);
    HASH_FIND(hh, k->votes, &place, sizeof(place), seen);
    if (seen == NULL) {
        seen = sf_calloc(1, sizeof(*seen));
        *seen = (struct seen_vote){place, msg->to, seen->hh};
        HASH_ADD(hh, k->votes, place, sizeof(place), seen);
    }
    sf_assert(seen->candidate == msg->to);
}

/* A promise tells every acceptance: what the disk has besides it was accepted in the promised
 * ballot, after it. */
static void check_promise(const struct node *node, const struct consensus_msg *msg)
{
    uint64_t told = msg->index + msg->entry_count;
    if (node->disk.hard_state.term > msg->term)
        return;
    for (size_t i = 0; i < msg->entry_count; i++) {
        const struct entry *held = disk_find(&node->disk, msg->entries[i].index);
        sf_assert(held == NULL || held->term == msg->entries[i].term || held->term == msg->term);
        sf_assert(held != NULL || msg->entries[i].index <= node->disk.base_index);
    }
    for (uint64_t i = told + 1; msg->context == told && i <= disk_last(&node->disk); i++) {
        const struct entry *held = disk_find(&node->disk, i);
        sf_assert(held == NULL || held->term == msg->term);
    }
}

/* Where the replica has gone on to a later term what it acknowledged may be truncated already. */
static void check_matched(const struct node *node, const struct consensus_msg *msg)
{
    sf_assert(node->disk.hard_state.term > msg->term || disk_last(&node->disk) >= msg->index);
}

/* Everything up to index is accepted in this ballot, or chosen. */
static void check_accepted(const struct checker *k, const struct node *node,
                           const struct consensus_msg *msg)
{
    if (node->disk.hard_state.term > msg->term)
        return;
    sf_assert(disk_last(&node->disk) >= msg->index);
    for (uint64_t i = node->disk.base_index + 1; i <= msg->index; i++) {
        if (i <= k->committed && k->log[i - 1].seen_in <= msg->term)
            sf_assert(disk_holds(k, node, i, &k->log[i - 1]));
        else
            sf_assert(disk_find(&node->disk, i)->term == msg->term);
    }
}

/* In the ballot in which it was chosen and in all later ones nothing else is proposed. */
static void check_proposed(const struct checker *k, const struct consensus_msg *msg)
{
    for (size_t i = 0; i < msg->entry_count; i++) {
        uint64_t index = msg->entries[i].index;
        if (index > k->committed || k->log[index - 1].seen_in > msg->term)
            continue;
        sf_assert(bytes_hash(payload_slice(msg->entries[i].payload)) ==
                  k->log[index - 1].payload_hash);
    }
}

/* Nothing speaks of a term that could be forgotten. What is said before voting or promising is
 * about a term that is nobody's yet, and so is a Paxos refusal because of what was forgotten. */
static void check_term_is_durable(const struct checker *k, const struct node *node,
                                  const struct consensus_msg *msg)
{
    if (msg->type == MSG_PRE_VOTE)
        return;
    if (msg->type == MSG_PRE_VOTE_REPLY && (!is_raft(k) || !msg->reject))
        return;
    if (msg->type == MSG_PROMISE && msg->reject && msg->index > 0)
        return;
    sf_assert(node->disk.hard_state.term >= msg->term);
}

static bool is_of_leader(enum consensus_msg_type type)
{
    return type == MSG_APPEND || type == MSG_ACCEPT || type == MSG_HEARTBEAT ||
           type == MSG_TIMEOUT_NOW || type == MSG_SNAPSHOT;
}

static void on_send(void *ctx, struct node *node, const struct consensus_msg *msg)
{
    struct checker *k = ctx;
    sf_assert(msg->from == node->id);
    sf_assert(!is_of_leader(msg->type) || !msg->after_sync);
    check_term_is_durable(k, node, msg);
    see_entries(k, msg->entries, msg->entry_count, msg->log_term);
    if (is_of_leader(msg->type) || msg->type == MSG_PREPARE)
        see_leader(k, node, msg->term);
    if (msg->type == MSG_VOTE_REPLY && !msg->reject)
        check_vote(k, node, msg);
    if (msg->type == MSG_PROMISE && !msg->reject)
        check_promise(node, msg);
    if (msg->type == MSG_APPEND_REPLY && !msg->reject)
        check_matched(node, msg);
    if (msg->type == MSG_ACCEPTED && !msg->reject)
        check_accepted(k, node, msg);
    if (msg->type == MSG_ACCEPT)
        check_proposed(k, msg);
}

static void on_read(void *ctx, struct node *node, const struct consensus_read *read)
{
    struct checker *k = ctx;
    struct open_read *open;
    HASH_FIND(hh, k->reads, &read->id, sizeof(read->id), open);
    sf_assert(open != NULL);
    sf_assert(open->node == node->id);
    sf_assert(read->status == SF_OK || read->status == SF_NOT_LEADER);
    if (read->status == SF_OK) {
        sf_assert(read->index >= open->committed);
        k->reads_passed++;
    }
    HASH_DEL(k->reads, open);
    free(open);
}

/* -- looks ----------------------------------------------------------------------------------- */

/* A leader has what was committed in earlier terms. (What a later one committed it may lack: a
 * candidate that was cut off may win an old term when the votes arrive.) */
static void check_completeness(const struct checker *k, const struct node *node,
                               const struct consensus_status *status)
{
    for (uint64_t index = status->first; index <= k->committed; index++) {
        uint64_t term;
        if (k->log[index - 1].seen_in >= status->term)
            continue;
        sf_assert(consensus_term_at(node->engine, index, &term));
        sf_assert(!is_raft(k) || term == k->log[index - 1].term);
    }
}

static void look_at_leader(struct checker *k, const struct node *node,
                           const struct consensus_status *status)
{
    struct seen_leader *seen = see_leader(k, node, status->term);
    if (!seen->leads)
        check_completeness(k, node, status);
    seen->leads = true;
}

static void look_at(struct checker *k, const struct node *node)
{
    struct consensus_status status;
    consensus_status(node->engine, &status);
    if (status.leads)
        look_at_leader(k, node, &status);
    uint64_t *commit = &k->commit_of[node->id - 1];
    uint64_t index = *commit < status.commit ? *commit + 1 : status.commit;
    if (index < status.first)
        index = status.first;
    for (; index <= status.commit; index++) {
        uint64_t term;
        sf_assert(consensus_term_at(node->engine, index, &term));
        see_committed(k, node, index, term);
    }
    *commit = status.commit;
}

void checker_look(struct checker *k)
{
    for (size_t i = 0; i < k->group->options.size; i++) {
        if (node_is_up(&k->group->nodes[i]))
            look_at(k, &k->group->nodes[i]);
    }
}

void checker_read(struct checker *k, struct node *node)
{
    struct open_read *open = sf_calloc(1, sizeof(*open));
    *open = (struct open_read){++k->next_read, node->id, k->committed, open->hh};
    HASH_ADD(hh, k->reads, id, sizeof(open->id), open);
    consensus_read(node->engine, open->id);
}

size_t checker_reads_passed(const struct checker *k)
{
    return k->reads_passed;
}

uint64_t checker_committed(const struct checker *k)
{
    return k->committed;
}

/* -- construction ---------------------------------------------------------------------------- */

struct checker *checker_new(struct group *group)
{
    struct checker *k = sf_calloc(1, sizeof(*k));
    k->group = group;
    group->ctx = k;
    group->events = (struct group_events){
        .on_update = on_update, .on_send = on_send, .on_apply = on_apply, .on_read = on_read};
    return k;
}

#define FREE_ALL(type, head)                                                                       \
    do {                                                                                           \
        type *item, *next;                                                                         \
        HASH_ITER(hh, head, item, next)                                                            \
        {                                                                                          \
            HASH_DEL(head, item);                                                                  \
            free(item);                                                                            \
        }                                                                                          \
    } while (0)

void checker_free(struct checker *k)
{
    FREE_ALL(struct seen_entry, k->entries);
    FREE_ALL(struct seen_leader, k->leaders);
    FREE_ALL(struct seen_vote, k->votes);
    FREE_ALL(struct open_read, k->reads);
    free(k->log);
    free(k);
}
