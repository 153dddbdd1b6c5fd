#include "group.h"

#include <stdlib.h>
#include <string.h>

#include "env/memory.h"

void group_init(struct group *group, const struct group_options *options)
{
    *group = (struct group){.options = *options};
    sf_assert(options->size >= 1 && options->size <= SF_REPLICAS_MAX);
    for (size_t i = 0; i < options->size; i++)
        group->nodes[i] = (struct node){.group = group, .id = (replica_id)(i + 1)};
}

void group_deinit(struct group *group)
{
    for (size_t i = 0; i < group->options.size; i++) {
        consensus_free(group->nodes[i].engine);
        disk_deinit(&group->nodes[i].disk);
    }
    for (size_t i = 0; i < group->flight_count; i++)
        consensus_msg_deinit(&group->flights[i]);
    free(group->flights);
}

struct node *group_node(struct group *group, replica_id id)
{
    sf_assert(id >= 1 && id <= group->options.size);
    return &group->nodes[id - 1];
}

/* -- network --------------------------------------------------------------------------------- */

static void add_flight(struct group *group, const struct consensus_msg *msg)
{
    if (group->flight_count == group->flight_cap) {
        group->flight_cap = group->flight_cap == 0 ? 64 : group->flight_cap * 2;
        group->flights = sf_realloc(group->flights, group->flight_cap * sizeof(*group->flights));
    }
    group->flights[group->flight_count++] = *msg;
}

/* Takes the message. */
/* C6. False: an entry is not on the disk any more. */
static bool load_payloads(const struct node *node, struct consensus_msg *msg)
{
    for (size_t i = 0; i < msg->entry_count; i++) {
        struct entry *entry = &msg->entries[i];
        if (!entry->payload->is_unloaded)
            continue;
        const struct entry *found = disk_find(&node->disk, entry->index);
        if (found == NULL)
            return false;
        payload_unref(entry->payload);
        entry->payload = payload_ref(found->payload);
    }
    return true;
}

static void send(struct node *node, struct consensus_msg *msg)
{
    struct group *group = node->group;
    if (!load_payloads(node, msg)) {
        consensus_msg_deinit(msg);
        return;
    }
    if (group->events.on_send != NULL)
        group->events.on_send(group->ctx, node, msg);
    msg->after_sync = false; /* not on the wire */
    if (group->cut[msg->from][msg->to])
        consensus_msg_deinit(msg);
    else
        add_flight(group, msg);
}

static struct consensus_msg remove_flight(struct group *group, size_t position)
{
    sf_assert(position < group->flight_count);
    struct consensus_msg msg = group->flights[position];
    group->flight_count--;
    memmove(group->flights + position, group->flights + position + 1,
            (group->flight_count - position) * sizeof(*group->flights));
    return msg;
}

void group_deliver(struct group *group, size_t position)
{
    struct consensus_msg msg = remove_flight(group, position);
    struct node *node = group_node(group, msg.to);
    if (node_is_up(node)) {
        consensus_step(node->engine, &msg);
        if (msg.type == MSG_SNAPSHOT_REPLY && msg.index == node->sending[msg.from].index)
            node_end_snapshot(node, msg.from, true);
    }
    consensus_msg_deinit(&msg);
}

void group_drop(struct group *group, size_t position)
{
    struct consensus_msg msg = remove_flight(group, position);
    consensus_msg_deinit(&msg);
}

void group_duplicate(struct group *group, size_t position)
{
    struct consensus_msg copy = group->flights[position];
    if (copy.entry_count > 0)
        copy.entries = sf_memdup(copy.entries, copy.entry_count * sizeof(*copy.entries));
    for (size_t i = 0; i < copy.entry_count; i++)
        payload_ref(copy.entries[i].payload);
    add_flight(group, &copy);
}

/* -- life of a replica ----------------------------------------------------------------------- */

bool node_is_up(const struct node *node)
{
    return node->engine != NULL;
}

/* The log begins after an installed snapshot. */
static void begin_log_after(struct node *node, uint64_t index, uint64_t term)
{
    if (consensus_engine_keeps_tail(node->group->options.engine) && disk_last(&node->disk) > index)
        disk_cut(&node->disk, index, term);
    else
        disk_reset(&node->disk, index, term);
}

/* A crash between the store's and the log's part of an installation is finished at start. */
static void repair_log(struct node *node)
{
    uint64_t term;
    if (!disk_term_at(&node->disk, node->flushed, &term) || term != node->flushed_term)
        begin_log_after(node, node->flushed, node->flushed_term);
}

void node_start(struct node *node)
{
    const struct group_options *options = &node->group->options;
    struct consensus_config config = {.engine = options->engine,
                                      .self = node->id,
                                      .peer_count = options->size,
                                      .election_ticks = options->election_ticks,
                                      .heartbeat_ticks = options->heartbeat_ticks,
                                      .seed = options->seed + 1000 * node->boots,
                                      .inflight_max = options->inflight_max,
                                      .inflight_bytes_max = options->inflight_bytes_max};
    for (size_t i = 0; i < options->size; i++)
        config.peers[i] = (replica_id)(i + 1);
    repair_log(node);
    struct consensus_restore restore = {.hard_state = node->disk.hard_state,
                                        .base_index = node->disk.base_index,
                                        .base_term = node->disk.base_term,
                                        .entries = node->disk.entries,
                                        .entry_count = node->disk.entry_count,
                                        .applied = node->flushed};
    sf_assert(!node_is_up(node));
    node->engine = consensus_new(&config, node->boots == 0 ? NULL : &restore);
    node->applied = node->flushed;
    node->applied_term = node->flushed_term;
    node->boots++;
}

void node_crash(struct node *node, uint64_t flushed)
{
    uint64_t term = node->flushed_term;
    sf_assert(flushed >= node->flushed && flushed <= node->applied);
    if (flushed > node->flushed) { /* what is applied is durable in the log */
        bool durable = disk_term_at(&node->disk, flushed, &term);
        sf_assert(durable);
    }
    node->flushed = flushed;
    node->flushed_term = term;
    consensus_free(node->engine);
    node->engine = NULL;
    disk_crash(&node->disk);
    memset(node->sending, 0, sizeof(node->sending));
    node->offered = (struct snapshot){0};
    node->installing = (struct snapshot){0};
    node->installing_stored = false;
}

/* -- updates --------------------------------------------------------------------------------- */

/* Sends what need not wait and moves the rest into `record`. */
static void sort_messages(struct node *node, struct consensus_update *update,
                          struct disk_record *record)
{
    size_t waiting = 0;
    for (size_t i = 0; i < update->message_count; i++) {
        if (update->messages[i].after_sync)
            update->messages[waiting++] = update->messages[i];
        else
            send(node, &update->messages[i]);
    }
    record->messages = update->messages;
    record->message_count = waiting;
    update->messages = NULL;
    update->message_count = 0;
}

static void write_record(struct node *node, struct consensus_update *update)
{
    struct disk_record record = {.hard_state_changed = update->hard_state_changed,
                                 .hard_state = update->hard_state,
                                 .truncate_from = update->truncate_from,
                                 .entries = update->entries,
                                 .entry_count = update->entry_count,
                                 .persist_mark = update->persist_mark};
    update->entries = NULL;
    update->entry_count = 0;
    sort_messages(node, update, &record);
    if (record.persist_mark != 0 || record.message_count > 0)
        disk_write(&node->disk, &record);
    else
        disk_record_deinit(&record);
}

static void apply(struct node *node, const struct consensus_update *update)
{
    struct group *group = node->group;
    for (size_t i = 0; i < update->committed_count; i++) {
        const struct entry *entry = &update->committed[i];
        sf_assert(entry->index == node->applied + 1);
        node->applied = entry->index;
        node->applied_term = entry->term;
        if (group->events.on_apply != NULL)
            group->events.on_apply(group->ctx, node, entry);
    }
    for (size_t i = 0; i < update->read_count && group->events.on_read != NULL; i++)
        group->events.on_read(group->ctx, node, &update->reads[i]);
}

static void note_snapshots(struct node *node, const struct consensus_update *update)
{
    for (size_t i = 0; i < update->snapshot_wanted_count; i++)
        node->sending[update->snapshot_wanted[i]] =
            (struct snapshot){node->applied, node->applied_term};
    if (update->snapshot_offered.index != 0)
        node->offered =
            (struct snapshot){update->snapshot_offered.index, update->snapshot_offered.term};
    if (update->leadership_changed && !update->leads)
        memset(node->sending, 0, sizeof(node->sending));
}

bool node_take(struct node *node)
{
    struct group *group = node->group;
    struct consensus_update update;
    if (!node_is_up(node) || !consensus_has_update(node->engine))
        return false;
    consensus_take(node->engine, &update);
    if (group->events.on_update != NULL)
        group->events.on_update(group->ctx, node, &update);
    write_record(node, &update);
    apply(node, &update);
    note_snapshots(node, &update);
    bool proposes = update.leadership_changed && update.leads && group->options.leader_proposes;
    consensus_update_deinit(&update);
    if (proposes) {
        uint64_t index;
        int status = node_propose(node, "", &index);
        sf_assert(status == SF_OK || status == SF_OVERLOADED); /* not its first, and handing over */
    }
    return true;
}

void node_settle(struct node *node)
{
    while (node_take(node)) {
    }
}

bool node_sync(struct node *node)
{
    struct disk_record record;
    if (!node_is_up(node) || !disk_sync(&node->disk, &record))
        return false;
    for (size_t i = 0; i < record.message_count; i++)
        send(node, &record.messages[i]);
    record.message_count = 0;
    if (record.persist_mark != 0)
        consensus_persisted(node->engine, record.persist_mark);
    disk_record_deinit(&record);
    return true;
}

int node_propose(struct node *node, const char *text, uint64_t *index)
{
    uint64_t term;
    return consensus_propose(node->engine, payload_new(slice_str(text)), index, &term);
}

/* -- store and snapshots --------------------------------------------------------------------- */

void node_flush(struct node *node)
{
    node->flushed = node->applied;
    node->flushed_term = node->applied_term;
}

void node_compact(struct node *node, uint64_t index)
{
    if (index > node->flushed)
        index = node->flushed;
    if (index <= node->disk.base_index || node->installing_stored)
        return;
    uint64_t term = node->disk.base_term;
    bool held = disk_term_at(&node->disk, index, &term);
    sf_assert(held);
    consensus_compact(node->engine, index);
    disk_cut(&node->disk, index, term);
}

void node_unload(struct node *node, uint64_t index)
{
    if (index > node->applied)
        index = node->applied;
    if (!node->installing_stored)
        consensus_unload(node->engine, index);
}

bool node_send_snapshot(struct node *node, replica_id peer)
{
    struct consensus_msg msg;
    struct snapshot *sending = &node->sending[peer];
    if (!node_is_up(node) || sending->index == 0)
        return false;
    if (consensus_snapshot_msg(node->engine, peer, sending->index, sending->term, &msg) != SF_OK)
        return false;
    send(node, &msg);
    return true;
}

void node_end_snapshot(struct node *node, replica_id peer, bool ok)
{
    uint64_t index = node->sending[peer].index;
    node->sending[peer] = (struct snapshot){0};
    if (node_is_up(node) && index != 0)
        consensus_snapshot_ended(node->engine, peer, index, ok);
}

bool node_install_begin(struct node *node)
{
    struct snapshot offered = node->offered;
    node->offered = (struct snapshot){0};
    if (!node_is_up(node) || offered.index == 0 || node->installing.index != 0)
        return false;
    if (!consensus_snapshot_begin(node->engine, offered.index, offered.term))
        return false;
    node->installing = offered;
    return true;
}

bool node_install_store(struct node *node)
{
    if (node->installing.index == 0 || node->installing_stored)
        return false;
    node->applied = node->flushed = node->installing.index;
    node->applied_term = node->flushed_term = node->installing.term;
    node->installing_stored = true;
    return true;
}

bool node_install_finish(struct node *node)
{
    struct snapshot done = node->installing;
    if (!node->installing_stored)
        return false;
    node_settle(node); /* the reset follows everything that was written before it */
    while (node_sync(node)) {
    }
    begin_log_after(node, done.index, done.term);
    node->installing = (struct snapshot){0};
    node->installing_stored = false;
    consensus_snapshot_installed(node->engine, done.index, done.term);
    return true;
}
