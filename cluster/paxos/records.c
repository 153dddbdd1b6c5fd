/* records: a member's journal. Little-endian:
 *
 *   state  u8 1, u64 seq, u64 promised, u8 decided   decided: the value record's is
 *   value  u8 2, u64 seq, u64 ballot, bytes          accepted in `ballot`; 0: decided
 *   done   u8 3, u64 1 + max, u64 1 + done[0], ...
 *
 * Accepting promises, so a value record stands for a promise of its ballot too. What is decided is
 * written again as one value record; then the state record before it may still be there, and no
 * longer what it was written beside.
 */
#include "env/memory.h"
#include "paxos/inside.h"

enum record_kind { RECORD_STATE = 1, RECORD_VALUE, RECORD_DONE };

static void write_record(struct member *m, struct journal_place *place, struct buffer *bytes)
{
    journal_write(m->journal, place, buffer_slice(bytes));
    buffer_deinit(bytes);
}

static struct buffer begin_record(enum record_kind kind, uint64_t seq)
{
    struct buffer b = {0};
    buffer_put_u8(&b, (uint8_t)kind);
    buffer_put_u64(&b, seq);
    return b;
}

static void write_state(struct agreement *a, bool decided)
{
    struct buffer b = begin_record(RECORD_STATE, (uint64_t)a->instance.seq);
    buffer_put_u64(&b, a->instance.acceptor.promised);
    buffer_put_u8(&b, decided);
    write_record(a->member, &a->state_place, &b);
}

static void write_value(struct agreement *a, uint64_t ballot, const struct payload *value)
{
    struct buffer b = begin_record(RECORD_VALUE, (uint64_t)a->instance.seq);
    buffer_put_u64(&b, ballot);
    buffer_append(&b, value->data, value->bytes);
    write_record(a->member, &a->value_place, &b);
}

/* -- writing ------------------------------------------------------------------------------- */

void records_promise(struct agreement *a)
{
    if (a->member->journal != NULL)
        write_state(a, false);
}

void records_accept(struct agreement *a)
{
    if (a->member->journal != NULL)
        write_value(a, a->instance.accepted.ballot, a->instance.accepted.value);
}

void records_decide(struct agreement *a, struct payload *value)
{
    const struct proposal *accepted = &a->instance.accepted;
    if (a->member->journal == NULL)
        return;
    if (accepted->ballot != 0 && slice_equal(payload_slice(value), payload_slice(accepted->value)))
        write_state(a, true);
    else
        write_value(a, 0, value);
}

void records_done(struct member *m)
{
    if (m->journal == NULL)
        return;
    struct buffer b = begin_record(RECORD_DONE, (uint64_t)(m->max + 1));
    for (size_t i = 0; i < m->count; i++)
        buffer_put_u64(&b, (uint64_t)(m->done.of[i] + 1));
    write_record(m, &m->done_place, &b);
}

void records_forget(struct agreement *a)
{
    if (a->member->journal == NULL)
        return;
    journal_drop(a->member->journal, &a->state_place);
    journal_drop(a->member->journal, &a->value_place);
}

uint64_t records_position(const struct member *m)
{
    return m->journal != NULL ? journal_position(m->journal) : 0;
}

/* -- writing again ------------------------------------------------------------------------- */

enum place_tag { PLACE_DONE, PLACE_STATE, PLACE_VALUE };

static void rewrite(struct agreement *a, bool state)
{
    const struct instance *i = &a->instance;
    if (i->decided != NULL) { /* one record is enough */
        journal_drop(a->member->journal, &a->state_place);
        write_value(a, 0, i->decided);
    } else if (state) {
        write_state(a, false);
    } else {
        write_value(a, i->accepted.ballot, i->accepted.value);
    }
}

static void on_rewrite(void *ctx, struct journal_place *place)
{
    switch ((enum place_tag)place->tag) {
    case PLACE_DONE:
        records_done(ctx);
        return;
    case PLACE_STATE:
        rewrite(container_of(place, struct agreement, state_place), true);
        return;
    case PLACE_VALUE:
        rewrite(container_of(place, struct agreement, value_place), false);
        return;
    }
}

void records_init(struct agreement *a)
{
    a->state_place.tag = PLACE_STATE;
    a->value_place.tag = PLACE_VALUE;
}

/* -- reading ------------------------------------------------------------------------------- */

struct reading {
    struct member *member;
    bool bad;
};

static struct agreement *hold_read(struct reading *reading, uint64_t seq)
{
    if (seq > (uint64_t)PAXOS_SEQ_MAX) {
        reading->bad = true;
        return NULL;
    }
    /* Below min it is forgotten: only its last records are still there. */
    if ((int64_t)seq < reading->member->min)
        return NULL;
    return member_hold(reading->member, (int64_t)seq);
}

static void take_promise(struct agreement *a, uint64_t ballot)
{
    (void)acceptor_hear(&a->instance.acceptor, ballot);
    if (a->instance.ballot_heard < ballot)
        a->instance.ballot_heard = ballot;
}

static void read_state(struct reading *reading, uint64_t index, struct reader *r)
{
    struct agreement *a = hold_read(reading, reader_u64(r));
    uint64_t promised = reader_u64(r);
    bool decided = reader_u8(r) != 0;
    if (a == NULL)
        return;
    journal_keep(reading->member->journal, &a->state_place, index);
    take_promise(a, promised);
    if (decided && a->instance.accepted.ballot == 0)
        a->value_follows = true;
    else if (decided)
        (void)instance_learn(&a->instance, a->instance.accepted.value);
}

static void read_value(struct reading *reading, uint64_t index, struct reader *r)
{
    struct agreement *a = hold_read(reading, reader_u64(r));
    uint64_t ballot = reader_u64(r);
    struct slice bytes = reader_bytes(r, reader_left(r));
    if (a == NULL)
        return;
    struct payload *value = payload_new(bytes);
    journal_keep(reading->member->journal, &a->value_place, index);
    if (ballot != 0) {
        take_promise(a, ballot);
        proposal_find(&a->instance.accepted, ballot, value);
    } else {
        (void)instance_learn(&a->instance, value);
    }
    payload_unref(value);
}

static void read_done(struct reading *reading, uint64_t index, struct reader *r)
{
    struct member *m = reading->member;
    uint64_t max = reader_u64(r);
    struct done done = {.count = m->count};
    for (size_t i = 0; i < m->count; i++) {
        uint64_t number = reader_u64(r);
        reading->bad |= number > (uint64_t)PAXOS_SEQ_MAX + 1;
        done.of[i] = (int64_t)number - 1;
    }
    reading->bad |= !reader_done(r) || max > (uint64_t)PAXOS_SEQ_MAX + 1;
    if (reading->bad)
        return;
    journal_keep(m->journal, &m->done_place, index);
    if (m->max < (int64_t)max - 1)
        m->max = (int64_t)max - 1;
    member_restore_done(m, &done);
}

static void visit(void *ctx, uint64_t index, struct slice bytes)
{
    struct reading *reading = ctx;
    struct reader r = reader_of(bytes);
    uint8_t kind = reader_u8(&r);
    if (kind == RECORD_STATE)
        read_state(reading, index, &r);
    else if (kind == RECORD_VALUE)
        read_value(reading, index, &r);
    else if (kind == RECORD_DONE)
        read_done(reading, index, &r);
    else
        reading->bad = true;
    reading->bad |= !reader_ok(&r);
}

static void on_synced(void *ctx, uint64_t position)
{
    answers_release(ctx, position);
}

/* The log is this member's, of this list. */
static uint64_t owner_hash(const struct member *m)
{
    struct slice list = slice_of(m->addresses, m->count * sizeof m->addresses[0]);
    return bytes_hash_seed(list, m->self + 1);
}

static bool a_value_is_missing(const struct member *m)
{
    for (const struct agreement *a = m->agreements; a != NULL; a = a->hh.next) {
        if (a->value_follows && a->instance.decided == NULL)
            return true;
    }
    return false;
}

int records_open(struct member *m, const struct member_options *o, char **why)
{
    const struct journal_options options = {
        .dir = o->dir,
        .owner_hash = owner_hash(m),
        .create = o->create,
        .segment_bytes = o->segment_bytes,
        .events = {.on_synced = on_synced, .on_rewrite = on_rewrite, .ctx = m},
    };
    struct reading reading = {.member = m};
    int status = journal_open(m->env, &options, &m->journal, why);
    if (status != SF_OK)
        return status;
    journal_read(m->journal, visit, &reading);
    return reading.bad || a_value_is_missing(m) ? SF_CORRUPT : SF_OK;
}
