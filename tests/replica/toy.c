#include "replica/toy.h"

#include <stdlib.h>
#include <utlist.h>

#include "env/memory.h"

/* -- the machine --------------------------------------------------------------------------- */

struct toy {
    struct machine machine;
    struct stage_node *node;
    uint64_t staged;  /* no entry comes to apply twice */
    uint64_t applied; /* entries with a body come one after the other, and are told once each */
    uint64_t time_ns; /* of the last entry: they increase */
    bool leads;
};

static struct toy *toy_of(struct machine *machine)
{
    return container_of(machine, struct toy, machine);
}

static void restored(struct machine *machine, const struct space *space, uint64_t applied)
{
    struct toy *toy = toy_of(machine);
    toy->applied = toy->staged = applied;
    stage_restored(toy->node, space, applied);
}

static uint64_t read_hash(const struct space *space, const struct store_batch *batch)
{
    struct store_value value;
    int status = store_get(space, batch, slice_str("h"), &value);
    if (status == SF_NOT_FOUND)
        return 0;
    sf_assert(status == SF_OK);
    struct reader r = reader_of(value.bytes);
    uint64_t hash = reader_u64(&r);
    sf_assert(reader_done(&r));
    store_unpin(&value);
    return hash;
}

static bool may_wait(struct machine *machine, const struct machine_entry *entry)
{
    (void)machine;
    return entry->body.p[0] % 4 != 0;
}

static void apply(struct machine *machine, const struct machine_entry *entry,
                  struct store_batch *batch, struct buffer *reply)
{
    struct toy *toy = toy_of(machine);
    uint8_t key[2] = {'v', entry->body.p[0]};
    sf_assert(entry->index > toy->staged && entry->time_ns > toy->time_ns);
    sf_assert(may_wait(machine, entry) || store_batch_count(batch) == 0);
    toy->staged = entry->index;
    toy->time_ns = entry->time_ns;
    uint64_t hash = read_hash(replica_space(machine->replica), batch);
    buffer_put_u64(reply, bytes_hash_seed(entry->body, hash));
    if (entry->body.n > 1)
        store_batch_put(batch, slice_of(key, 2), slice_of(entry->body.p + 1, entry->body.n - 1));
    else
        store_batch_delete(batch, slice_of(key, 2));
    store_batch_put(batch, slice_str("h"), buffer_slice(reply));
}

static void applied(struct machine *machine, uint64_t index)
{
    struct toy *toy = toy_of(machine);
    sf_assert(index == toy->applied + 1);
    sf_assert(replica_applied(machine->replica) == index);
    toy->applied = index;
}

static void lead(struct machine *machine, bool leads, uint64_t term)
{
    struct toy *toy = toy_of(machine);
    sf_assert(toy->leads != leads);
    sf_assert(term > 0 && replica_leads(machine->replica) == leads);
    toy->leads = leads;
}

static void status(struct machine *machine, struct buffer *out)
{
    (void)machine;
    pack_map(out, 0);
}

static void toy_free(struct machine *machine)
{
    free(toy_of(machine));
}

static const struct machine_ops toy_ops = {
    .restored = restored,
    .apply = apply,
    .may_wait = may_wait,
    .applied = applied,
    .lead = lead,
    .status = status,
    .free = toy_free,
};

struct machine *toy_new(struct stage_node *node)
{
    struct toy *toy = sf_calloc(1, sizeof *toy);
    toy->machine.ops = &toy_ops;
    toy->node = node;
    return &toy->machine;
}

bool toy_leads(const struct machine *machine)
{
    return ((const struct toy *)(const void *)machine)->leads;
}

void toy_body(struct buffer *body, unsigned key, size_t bytes, uint8_t fill)
{
    buffer_put_u8(body, (uint8_t)(key % TOY_KEYS));
    for (size_t i = 0; i < bytes; i++)
        buffer_put_u8(body, fill);
}

/* -- load ---------------------------------------------------------------------------------- */

struct toy_load_stats toy_load_stats;

struct toy_call {
    struct toy_load *load;
    struct replica_proposal proposal;
    struct replica_read read;
    uint64_t floor; /* of a read */
    struct toy_call *prev, *next;
};

struct toy_load {
    struct stage_node *node;
    struct env_timer timer;
    struct toy_call *calls;
};

static struct toy_call *call_new(struct toy_load *load)
{
    struct toy_call *call = sf_calloc(1, sizeof *call);
    call->load = load;
    DL_APPEND(load->calls, call);
    return call;
}

static void call_free(struct toy_call *call)
{
    DL_DELETE(call->load->calls, call);
    free(call);
}

static void on_proposed(struct replica_proposal *proposal, int result, struct slice reply)
{
    struct toy_call *call = container_of(proposal, struct toy_call, proposal);
    if (result == SF_OK) {
        sf_assert(reply.n == 8);
        sf_assert(replica_applied(call->load->node->replica) == proposal->index);
        toy_load_stats.acknowledged++;
        if (proposal->index > call->load->node->stage->acknowledged)
            call->load->node->stage->acknowledged = proposal->index;
    } else {
        sf_assert(result == SF_NOT_LEADER);
        toy_load_stats.lost++;
    }
    call_free(call);
}

static void on_read(struct replica_read *read, int result)
{
    struct toy_call *call = container_of(read, struct toy_call, read);
    if (result == SF_OK) {
        sf_assert(replica_applied(call->load->node->replica) >= call->floor);
        sf_assert(replica_applied(call->load->node->replica) >= read->index);
        toy_load_stats.reads++;
    } else {
        sf_assert(result == SF_NOT_LEADER);
    }
    call_free(call);
}

static void propose_one(struct toy_load *load)
{
    struct sim *sim = load->node->stage->sim;
    struct buffer body = {0};
    uint64_t kind = sim_random_below(sim, 20);
    size_t bytes = kind == 0 ? 4000 : kind < 8 ? 0 : (size_t)sim_random_below(sim, 100);
    struct toy_call *call = call_new(load);
    call->proposal.on_done = on_proposed;
    unsigned key = (unsigned)sim_random_below(sim, TOY_KEYS);
    toy_body(&body, key, bytes, (uint8_t)sim_random(sim));
    if (replica_propose(load->node->replica, buffer_slice(&body), &call->proposal) != SF_OK) {
        toy_load_stats.refused++;
        call_free(call);
    }
    buffer_deinit(&body);
}

static void read_one(struct toy_load *load)
{
    struct toy_call *call = call_new(load);
    call->read.on_done = on_read;
    call->floor = load->node->stage->acknowledged;
    if (replica_read(load->node->replica, &call->read) != SF_OK)
        call_free(call);
}

static void on_timer(struct env_timer *timer)
{
    struct toy_load *load = container_of(timer, struct toy_load, timer);
    struct sim *sim = load->node->stage->sim;
    env_timer_start_ms(timer, 1 + sim_random_below(sim, 20));
    for (uint64_t i = sim_random_below(sim, 4); i > 0; i--)
        propose_one(load);
    for (uint64_t i = sim_random_below(sim, 3); i > 0; i--)
        read_one(load);
    if (load->calls != NULL && sim_random_below(sim, 50) == 0) {
        replica_proposal_forget(&load->calls->proposal);
        replica_read_forget(&load->calls->read);
        call_free(load->calls);
    }
}

void toy_load_begin(struct stage_node *node)
{
    struct toy_load *load = sf_calloc(1, sizeof *load);
    load->node = node;
    node->extra = load;
    env_timer_init(node->env, &load->timer, on_timer);
    env_timer_start_ms(&load->timer, 10);
}

void toy_load_end(struct stage_node *node)
{
    struct toy_load *load = node->extra;
    node->extra = NULL;
    env_timer_stop(&load->timer);
    while (load->calls != NULL) {
        replica_proposal_forget(&load->calls->proposal);
        replica_read_forget(&load->calls->read);
        call_free(load->calls);
    }
    free(load);
}
