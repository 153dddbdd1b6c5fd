/* The checks after every event and at every applied entry. */
#include "storm/inside.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "env/memory.h"
#include "replica/inside.h"
#include "shardkv/config_change.h"
#include "shardkv/machine.h"
#include "shardkv/range_table.h"
#include "shardkv/shards_inside.h"
#include "witness/witness.h"

static struct cluster *cluster_now; /* replica_on_apply has no context of its own */

/* -- entries ------------------------------------------------------------------------------- */

static struct cluster_group *group_of(const struct replica *replica)
{
    group_id gid = replica_gid(replica);
    if (gid == 0)
        return &cluster_now->masters;
    for (size_t i = 0; i < cluster_now->group_count; i++) {
        struct cluster_group *group = &cluster_now->groups[i];
        if (group->group.gid == gid && group->identity == replica_group_identity(replica))
            return group;
    }
    sf_assert(false); /* every replica belongs to a group of ours */
    return NULL;
}

static struct cluster_mark *mark_at(struct cluster_group *group, uint64_t index)
{
    if (index >= group->mark_cap) {
        size_t cap = (size_t)index * 2 + 64;
        group->marks = sf_realloc(group->marks, cap * sizeof *group->marks);
        memset(group->marks + group->mark_cap, 0, (cap - group->mark_cap) * sizeof *group->marks);
        group->mark_cap = cap;
    }
    return &group->marks[index];
}

static void on_apply(const struct replica *replica, const struct entry *entry)
{
    struct cluster_group *group = group_of(replica);
    struct cluster_mark *mark = mark_at(group, entry->index);
    uint64_t hash = bytes_hash(payload_slice(entry->payload));
    sf_assert(!mark->known || mark->hash == hash);
    sf_assert(!mark->known || mark->term == entry->term || group->engine == CONSENSUS_PAXOS);
    *mark = (struct cluster_mark){.known = true, .term = entry->term, .hash = hash};
}

void check_applied(struct cluster_node *n, const struct machine_entry *entry)
{
    struct cluster_group *group = n->group;
    const struct cluster *cluster = group->cluster;
    if (!cluster->witness || entry->index <= group->shown)
        return;
    group->shown = entry->index;
    witness_applied(cluster->witness, (size_t)(group - cluster->groups), entry, process_shards(n));
}

/* -- leaders ------------------------------------------------------------------------------- */

static void note_leader(struct cluster_group *group, uint64_t term, replica_id id)
{
    if (term >= group->leader_cap) {
        size_t cap = (size_t)term * 2 + 64;
        group->leaders = sf_realloc(group->leaders, cap * sizeof *group->leaders);
        memset(group->leaders + group->leader_cap, 0,
               (cap - group->leader_cap) * sizeof *group->leaders);
        group->leader_cap = cap;
    }
    sf_assert(group->leaders[term] == 0 || group->leaders[term] == id);
    group->leaders[term] = id;
}

static void check_leader(struct cluster_group *group, size_t position)
{
    struct consensus_status status;
    replica_consensus_status(group->nodes[position].replica, &status);
    if (status.leads)
        note_leader(group, status.term, (replica_id)(position + 1));
}

/* -- shards -------------------------------------------------------------------------------- */

/* The group's state as of its most advanced replica. */
static void look_at_table(struct cluster_group *group, const struct shards *shards)
{
    group->config_num = shards->num;
    group->holding = 0;
    for (uint32_t shard = 0; shard < group->cluster->shard_count; shard++) {
        const struct row *row;
        group->kept[shard] = 0;
        group->serving[shard] = shards_serving(shards, shard, NULL);
        DL_FOREACH(shards->rows[shard], row)
        {
            group->holding++;
            if (row_is_keeper(row))
                group->kept[shard] = row->gained;
        }
        sf_assert(!group->serving[shard] || group->kept[shard] != 0);
    }
}

static void check_keepers(struct cluster *cluster)
{
    for (uint32_t shard = 0; shard < cluster->shard_count; shard++) {
        unsigned keepers = 0;
        for (size_t i = 0; i < cluster->group_count; i++) {
            uint64_t gained = cluster->groups[i].kept[shard];
            if (gained == 0)
                continue;
            keepers++;
            sf_assert(gained >= cluster->gained_max[shard]);
            cluster->gained_max[shard] = gained;
        }
        sf_assert(keepers <= 1);
    }
}

static bool check_table(struct cluster_group *group, struct cluster_node *n)
{
    const struct shards *shards = process_shards(n);
    if (!shards || n->done == n->seen)
        return false;
    n->seen = n->done;
    sf_assert(shards_check(shards));
    if (n->done <= group->applied)
        return false;
    group->applied = n->done;
    look_at_table(group, shards);
    return true;
}

/* An event changes the process that it happens in; between events the test may begin others. */
static bool may_have_changed(const struct cluster_node *n, const struct sim *sim)
{
    return n->replica && (n->done != n->seen || sim_event_is_at(sim, n->sim_node));
}

static bool check_group(struct cluster_group *group, const struct sim *sim)
{
    bool changed = false;
    for (size_t i = 0; i < group->count; i++) {
        struct cluster_node *n = &group->nodes[i];
        if (!may_have_changed(n, sim))
            continue;
        check_leader(group, i);
        changed = check_table(group, n) || changed;
    }
    return changed;
}

static void check_event(void *ctx, struct sim *sim)
{
    struct cluster *cluster = ctx;
    (void)check_group(&cluster->masters, sim);
    bool changed = false;
    for (size_t i = 0; i < cluster->group_count; i++)
        changed = check_group(&cluster->groups[i], sim) || changed;
    if (changed)
        check_keepers(cluster);
}

void check_begin(struct cluster *cluster)
{
    cluster_now = cluster;
    replica_on_apply = on_apply;
    sim_on_event(cluster->sim, check_event, cluster);
}

void check_end(struct cluster *cluster)
{
    sim_on_event(cluster->sim, NULL, NULL);
    replica_on_apply = NULL;
    cluster_now = NULL;
}

/* -- locks --------------------------------------------------------------------------------- */

static bool same_list(const struct range_list *a, const struct range_list *b)
{
    struct buffer of_a = {0}, of_b = {0};
    for (size_t i = 0; i < a->count; i++)
        kv_lock_pack(&of_a, &a->locks[i]);
    for (size_t i = 0; i < b->count; i++)
        kv_lock_pack(&of_b, &b->locks[i]);
    bool same = slice_equal(buffer_slice(&of_a), buffer_slice(&of_b));
    buffer_deinit(&of_a);
    buffer_deinit(&of_b);
    return same;
}

static void check_lease(void *ctx, struct range_lease *lease)
{
    const struct range_lease *other = range_table_lease(ctx, lease->holder);
    sf_assert(other != NULL && other->count == lease->count);
    sf_assert(other->renewed_age_ns == lease->renewed_age_ns);
}

static void check_files(const struct range_table *kept, const struct range_table *read,
                        const struct space *space, struct shard_copy copy)
{
    struct key prefix;
    keys_section(&prefix, copy, 'l');
    struct store_iter *iter = keys_iterate(space, &prefix);
    for (; store_iter_valid(iter); store_iter_next(iter)) {
        const struct range_file *a = range_table_find(kept, keys_rest(store_iter_key(iter)));
        const struct range_file *b = range_table_find(read, keys_rest(store_iter_key(iter)));
        sf_assert(a != NULL && b != NULL);
        sf_assert(same_list(&a->locks.held, &b->locks.held));
        sf_assert(same_list(&a->locks.waiting, &b->locks.waiting));
    }
    store_iter_free(iter);
}

/* One that is kept without a record shows in the count of its holder's lease. */
static void check_tables(const struct kv_machine *machine, struct shard_copy copy)
{
    struct range_table *kept = NULL, *read = NULL;
    struct copy_tables *fresh = range_tables_new();
    sf_assert(machine_ranges(machine, copy, &kept) == SF_OK);
    sf_assert(range_tables_at(fresh, &machine->space, copy, &read) == SF_OK);
    sf_assert(range_table_is_valid(kept));
    range_table_each_lease(kept, check_lease, read);
    range_table_each_lease(read, check_lease, kept);
    check_files(kept, read, &machine->space, copy);
    copy_tables_free(fresh);
}

/* While a snapshot takes the place of the store, the tables are those from before it (R3). */
static void check_locks(const struct cluster_node *n)
{
    bool is_itself = n->replica && !install_holds_apply(n->replica);
    const struct kv_machine *machine = is_itself ? process_machine(n) : NULL;
    struct shard_copy copy;
    if (machine == NULL || machine->shards == NULL || replica_settle(n->replica) != SF_OK)
        return;
    for (uint32_t shard = 0; shard < n->group->cluster->shard_count; shard++)
        if (machine_serves(machine, shard, &copy))
            check_tables(machine, copy);
}

void cluster_check_locks(struct cluster *cluster)
{
    for (size_t i = 0; i < cluster->group_count; i++)
        for (size_t k = 0; k < cluster->groups[i].count; k++)
            check_locks(&cluster->groups[i].nodes[k]);
}

/* -- at rest ------------------------------------------------------------------------------- */

static uint64_t hash_space(const struct space *space)
{
    uint64_t hash = 0;
    struct store_iter *iter = store_iter_new(space, NULL, slice_of(NULL, 0), slice_of(NULL, 0));
    for (; store_iter_valid(iter); store_iter_next(iter)) {
        hash = bytes_hash_seed(store_iter_key(iter), hash);
        hash = bytes_hash_seed(store_iter_value(iter), hash);
    }
    sf_assert(store_iter_status(iter) == SF_OK);
    store_iter_free(iter);
    return hash;
}

/* NULL where nothing is expected of it. */
static const struct replica *replica_at_rest(const struct cluster_node *n)
{
    return n->left_out || n->group->absent ? NULL : n->replica;
}

static bool is_level(const struct cluster_group *group)
{
    uint64_t applied = 0;
    for (size_t i = 0; i < group->count; i++) {
        const struct cluster_node *n = &group->nodes[i];
        const struct replica *replica = replica_at_rest(n);
        bool expected = !n->left_out && !group->absent;
        if (expected && !replica)
            return false;
        if (replica && applied != 0 && applied != replica_applied(replica))
            return false;
        if (replica)
            applied = replica_applied(replica);
    }
    return true;
}

static bool all_level(struct cluster *cluster)
{
    for (size_t i = 0; i < cluster->group_count; i++)
        if (!is_level(&cluster->groups[i]))
            return false;
    return true;
}

/* What a replica stores of shards is of those that its group keeps. */
static void check_no_remains(const struct cluster_node *n)
{
    const struct shards *shards = process_shards(n);
    struct store_iter *iter =
        store_iter_new(replica_space(n->replica), NULL, slice_str("S"), slice_str("T"));
    for (; store_iter_valid(iter); store_iter_next(iter)) {
        struct reader r = reader_of(store_iter_key(iter));
        (void)reader_u8(&r);
        uint32_t shard = reader_u16_big(&r);
        const struct row *row = shards_find(shards, shard, reader_u64_big(&r));
        sf_assert(row != NULL);
        sf_assert(row_is_keeper(row));
    }
    store_iter_free(iter);
}

static void check_same(const struct cluster_group *group)
{
    bool any = false;
    uint64_t hash = 0;
    for (size_t i = 0; i < group->count; i++) {
        const struct cluster_node *n = &group->nodes[i];
        if (!replica_at_rest(n))
            continue;
        sf_assert(replica_settle(n->replica) == SF_OK);
        uint64_t own = hash_space(replica_space(n->replica));
        sf_assert(!any || own == hash);
        if (!any)
            check_no_remains(n);
        hash = own;
        any = true;
    }
}

void cluster_check_replicas(struct cluster *cluster)
{
    sf_assert(cluster_run_until(cluster, all_level, 30000));
    for (size_t i = 0; i < cluster->group_count; i++)
        check_same(&cluster->groups[i]);
}

/* Shards without an owner stay with their last one; nobody may have anything else. */
static bool group_is_settled(const struct cluster_group *group, const struct config *config,
                             uint32_t *kept)
{
    bool in = config_names(config, group->group.gid, group->identity);
    uint32_t keeps = 0;
    for (uint32_t shard = 0; shard < group->cluster->shard_count; shard++) {
        bool owner = in && config->shards[shard] == group->group.gid;
        if (group->serving[shard] != owner)
            return false;
        if (group->kept[shard] != 0 && !owner && config->shards[shard] != 0)
            return false;
        keeps += group->kept[shard] != 0;
    }
    *kept += keeps;
    return group->holding == keeps;
}

bool cluster_is_settled(struct cluster *cluster)
{
    const struct config *config = cluster->config;
    uint32_t kept = 0;
    if (cluster_operating(cluster) || !config)
        return false;
    for (size_t i = 0; i < cluster->group_count; i++)
        if (!group_is_settled(&cluster->groups[i], config, &kept))
            return false;
    return kept == cluster->shard_count;
}

uint64_t cluster_data_bytes(struct cluster_group *group)
{
    const struct cluster_node *best = NULL;
    for (size_t i = 0; i < group->count; i++) {
        const struct cluster_node *n = &group->nodes[i];
        if (n->replica && (!best || replica_applied(n->replica) > replica_applied(best->replica)))
            best = n;
    }
    uint64_t bytes = 0;
    if (!best)
        return 0;
    struct store_iter *iter =
        store_iter_new(replica_space(best->replica), NULL, slice_str("S"), slice_str("T"));
    for (; store_iter_valid(iter); store_iter_next(iter))
        bytes += store_iter_key(iter).n + store_iter_value(iter).n;
    store_iter_free(iter);
    return bytes;
}
