#include "wal_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "env/memory.h"

/* The model after one operation, and its fingerprint. */
struct model_state {
    struct model_replica replicas[MODEL_REPLICAS];
};

static void remember(struct model *model)
{
    if (model->state_count == model->state_cap) {
        model->state_cap = model->state_cap == 0 ? 64 : model->state_cap * 2;
        model->states = sf_realloc(model->states, model->state_cap * sizeof *model->states);
    }
    memcpy(model->states[model->state_count++].replicas, model->replicas, sizeof model->replicas);
}

void model_init(struct model *model)
{
    memset(model, 0, sizeof *model);
    for (size_t i = 0; i < MODEL_REPLICAS; i++)
        model->replicas[i].key = 100 + i;
    remember(model);
}

void model_deinit(struct model *model)
{
    free(model->states);
}

/* -- operations ---------------------------------------------------------------------------- */

/* What an entry's payload consists of, so that it can be told from any other. */
static uint8_t payload_byte(uint64_t key, uint64_t index, uint64_t term, size_t at)
{
    return (uint8_t)(key * 7 + index * 31 + term * 101 + at * 13);
}

static void append(struct model_replica *r, struct rig *rig, uint64_t index, uint64_t term,
                   uint32_t bytes)
{
    struct entry entry = {.index = index, .term = term, .payload = payload_alloc(bytes)};
    for (size_t i = 0; i < bytes; i++)
        entry.payload->data[i] = payload_byte(r->key, index, term, i);
    wal_append(rig->wal, r->key, &entry);
    payload_unref(entry.payload);
    size_t at = (size_t)(index - r->base_index - 1);
    r->terms[at] = term;
    r->bytes[at] = bytes;
    if (at == r->count)
        r->count++;
    r->known = true;
}

static void cut(struct model_replica *r, struct rig *rig, size_t entries)
{
    uint64_t index = r->base_index + entries, term = r->terms[entries - 1];
    wal_cut(rig->wal, r->key, index, term);
    r->base_index = index;
    r->base_term = term;
    r->count -= entries;
    memmove(r->terms, r->terms + entries, r->count * sizeof *r->terms);
    memmove(r->bytes, r->bytes + entries, r->count * sizeof *r->bytes);
}

static uint32_t draw_bytes(struct rig *rig)
{
    switch (random_below(&rig->random, 40)) {
    case 0:
        return (uint32_t)random_below(&rig->random, 100000); /* more than a segment */
    case 1:
    case 2:
    case 3:
        return (uint32_t)random_below(&rig->random, 20000);
    default:
        return (uint32_t)random_below(&rig->random, 600);
    }
}

static void operate_append(struct model_replica *r, struct rig *rig)
{
    uint64_t term = 1 + random_below(&rig->random, 1000);
    if (r->count == MODEL_ENTRIES_MAX)
        cut(r, rig, r->count / 2);
    else
        append(r, rig, r->base_index + r->count + 1, term, draw_bytes(rig));
}

static void operate_rarely(struct model_replica *r, struct rig *rig)
{
    uint64_t a = 1 + random_below(&rig->random, 1000), b = random_below(&rig->random, 9);
    switch (random_below(&rig->random, 8)) {
    case 0:
        wal_reset(rig->wal, r->key, r->base_index + r->count + b, a);
        r->base_index += r->count + b;
        r->base_term = a;
        r->count = 0;
        r->known = true;
        break;
    case 1:
        if (r->known)
            wal_remove(rig->wal, r->key);
        *r = (struct model_replica){.key = r->key};
        break;
    default:
        wal_hard_state(rig->wal, r->key, (struct hard_state){.term = a, .vote = (replica_id)b});
        r->hard_state = (struct hard_state){.term = a, .vote = (replica_id)b};
        r->known = true;
    }
}

static void operate_on_entries(struct model_replica *r, struct rig *rig)
{
    size_t i = (size_t)random_below(&rig->random, r->count); /* one of them */
    uint64_t index = r->base_index + 1 + i;
    switch (random_below(&rig->random, 4)) {
    case 0:
        wal_truncate(rig->wal, r->key, index);
        r->count = i;
        break;
    case 1:
        append(r, rig, index, 2000 + random_below(&rig->random, 1000), draw_bytes(rig));
        break;
    default:
        cut(r, rig, i + 1);
    }
}

/* What was synced since the last look is acknowledged. */
static void note_synced(struct model *model, struct rig *rig)
{
    if (model->waiting > model->acked && rig->acked >= model->position)
        model->acked = model->waiting;
}

void model_operate(struct model *model, struct rig *rig)
{
    struct model_replica *r = &model->replicas[random_below(&rig->random, MODEL_REPLICAS)];
    uint64_t kind = random_below(&rig->random, 20);
    note_synced(model, rig);
    if (kind < 4) {
        model->waiting = model->state_count - 1;
        model->position = wal_position(rig->wal);
        wal_commit(rig->wal);
        rig_run_ms(rig, random_below(&rig->random, 8));
    } else if (kind == 4) {
        rig_run_ms(rig, random_below(&rig->random, 300));
    } else {
        if (kind == 5)
            operate_rarely(r, rig);
        else if (kind < 9 && r->count > 0)
            operate_on_entries(r, rig);
        else
            operate_append(r, rig);
        remember(model);
    }
    note_synced(model, rig);
}

/* -- checking ------------------------------------------------------------------------------ */

static bool entry_is(const struct model_replica *r, const struct entry *entry, size_t i)
{
    struct slice body = payload_slice(entry->payload);
    if (entry->index != r->base_index + 1 + i || entry->term != r->terms[i] ||
        body.n != r->bytes[i])
        return false;
    for (size_t at = 0; at < body.n; at++) {
        if (body.p[at] != payload_byte(r->key, entry->index, entry->term, at))
            return false;
    }
    return true;
}

static bool replica_is(const struct model_replica *r, const struct wal_restored *found)
{
    if (found == NULL)
        return !r->known;
    if (!r->known || found->hard_state.term != r->hard_state.term ||
        found->hard_state.vote != r->hard_state.vote || found->base_index != r->base_index ||
        found->base_term != r->base_term || found->entry_count != r->count)
        return false;
    for (size_t i = 0; i < r->count; i++) {
        if (!entry_is(r, &found->entries[i], i))
            return false;
    }
    return true;
}

static bool state_is(const struct model_state *state, struct rig *rig)
{
    for (size_t i = 0; i < MODEL_REPLICAS; i++) {
        const struct model_replica *r = &state->replicas[i];
        if (!replica_is(r, wal_restored(rig->wal, r->key)))
            return false;
    }
    return true;
}

void model_check(struct model *model, struct rig *rig)
{
    size_t i = model->state_count;
    while (i > model->acked && !state_is(&model->states[i - 1], rig))
        i--;
    if (i == model->acked)
        fail_msg("the log holds none of the states %zu to %zu", model->acked,
                 model->state_count - 1);
    memcpy(model->replicas, model->states[i - 1].replicas, sizeof model->replicas);
    model->state_count = 0;
    remember(model);
    model->acked = model->waiting = 0;
}
