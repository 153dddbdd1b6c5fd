#include "paxos_subject.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static size_t make_entries(struct entry *entries, uint64_t after, const struct accepted *accepted)
{
    size_t count = 0;
    for (; accepted[count].ballot != 0; count++)
        entries[count] = (struct entry){after + 1 + count, accepted[count].ballot,
                                        payload_new(slice_str(accepted[count].text))};
    return count;
}

static void drop_entries(const struct entry *entries, size_t count)
{
    for (size_t i = 0; i < count; i++)
        payload_unref(entries[i].payload);
}

void look(struct subject *s)
{
    consensus_update_deinit(&s->update);
    consensus_take(s->c, &s->update);
    consensus_status(s->c, &s->status);
}

void persist(struct subject *s)
{
    consensus_persisted(s->c, s->update.persist_mark);
    look(s);
}

struct subject subject_of(size_t size, uint64_t promised, uint64_t floor,
                          const struct accepted *log)
{
    struct consensus_config config = {.engine = CONSENSUS_PAXOS,
                                      .self = 1,
                                      .peer_count = size,
                                      .election_ticks = ELECTION_TICKS,
                                      .heartbeat_ticks = HEARTBEAT_TICKS,
                                      .seed = 7};
    struct entry entries[16];
    struct consensus_restore restore = {
        .hard_state = {promised, (replica_id)(promised % 16)},
        .base_index = floor,
        .base_term = floor > 0 ? 1 : 0,
        .entries = entries,
        .entry_count = make_entries(entries, floor, log),
        .applied = floor,
    };
    for (replica_id i = 0; i < size; i++)
        config.peers[i] = i + 1;
    struct subject s = {.c = consensus_new(&config, &restore)};
    drop_entries(entries, restore.entry_count);
    look(&s);
    return s;
}

struct subject subject_new(uint64_t promised, uint64_t floor, const struct accepted *log)
{
    return subject_of(3, promised, floor, log);
}

void subject_free(struct subject *s)
{
    consensus_update_deinit(&s->update);
    consensus_free(s->c);
}

void tick(struct subject *s, size_t ticks)
{
    for (size_t i = 0; i < ticks; i++)
        consensus_tick(s->c);
    look(s);
}

void step(struct subject *s, struct consensus_msg msg, const struct accepted *accepted)
{
    struct entry entries[16];
    msg.to = 1;
    msg.entries = entries;
    msg.entry_count = make_entries(entries, msg.index, accepted);
    consensus_step(s->c, &msg);
    drop_entries(entries, msg.entry_count);
    look(s);
}

const struct consensus_msg *sent(const struct subject *s, enum consensus_msg_type type,
                                 replica_id to)
{
    const struct consensus_msg *found = NULL;
    for (size_t i = 0; i < s->update.message_count; i++) {
        if (s->update.messages[i].type == type && s->update.messages[i].to == to) {
            assert_null(found);
            found = &s->update.messages[i];
        }
    }
    return found;
}

void assert_entries(const struct entry *entries, size_t count, uint64_t after,
                    const struct accepted *expected)
{
    size_t i = 0;
    for (; expected[i].ballot != 0; i++) {
        assert_true(i < count);
        assert_int_equal(entries[i].index, after + 1 + i);
        assert_int_equal(entries[i].term, expected[i].ballot);
        assert_true(slice_equal(payload_slice(entries[i].payload), slice_str(expected[i].text)));
    }
    assert_int_equal(count, i);
}

void prepare(struct subject *s, replica_id from, uint64_t ballot, uint64_t index)
{
    step(s,
         (struct consensus_msg){.type = MSG_PREPARE, .from = from, .term = ballot, .index = index},
         EMPTY);
}

void accept(struct subject *s, uint64_t ballot, uint64_t index, uint64_t commit,
            const struct accepted *accepted)
{
    step(s,
         (struct consensus_msg){.type = MSG_ACCEPT,
                                .from = (replica_id)(ballot % 16),
                                .term = ballot,
                                .index = index,
                                .commit = commit},
         accepted);
}

void heartbeat(struct subject *s, uint64_t ballot, uint64_t commit)
{
    step(s,
         (struct consensus_msg){.type = MSG_HEARTBEAT,
                                .from = (replica_id)(ballot % 16),
                                .term = ballot,
                                .commit = commit},
         EMPTY);
}

void refused_by(struct subject *s, replica_id from, uint64_t rejected, uint64_t has)
{
    step(s,
         (struct consensus_msg){.type = MSG_ACCEPTED,
                                .from = from,
                                .term = s->status.term,
                                .reject = true,
                                .context = rejected,
                                .index = has},
         EMPTY);
}

void accepted_by(struct subject *s, replica_id from, uint64_t index, uint64_t round)
{
    step(s,
         (struct consensus_msg){.type = MSG_ACCEPTED,
                                .from = from,
                                .term = s->status.term,
                                .index = index,
                                .context = round},
         EMPTY);
}

uint64_t stand(struct subject *s)
{
    uint64_t before = s->status.term;
    for (size_t i = 0; i < 2 * ELECTION_TICKS && !consensus_has_update(s->c); i++)
        consensus_tick(s->c);
    look(s);
    uint64_t ballot = sent(s, MSG_PRE_VOTE, 2)->term;
    for (replica_id peer = 2; s->status.term == before; peer++)
        step(s, (struct consensus_msg){.type = MSG_PRE_VOTE_REPLY, .from = peer, .term = ballot},
             EMPTY);
    assert_true(s->status.term == ballot && ballot > before);
    return ballot;
}

void promised_by(struct subject *s, replica_id from, uint64_t index, uint64_t commit,
                 const struct accepted *accepted)
{
    uint64_t last = index;
    for (size_t i = 0; accepted[i].ballot != 0; i++)
        last++;
    step(s,
         (struct consensus_msg){.type = MSG_PROMISE,
                                .from = from,
                                .term = s->status.term,
                                .index = index,
                                .commit = commit,
                                .context = last},
         accepted);
}

uint64_t lead(struct subject *s, const struct accepted *accepted)
{
    uint64_t ballot = stand(s);
    uint64_t from = sent(s, MSG_PREPARE, 2)->index;
    persist(s);
    promised_by(s, 2, from, from, accepted);
    for (replica_id peer = 3; !s->status.leads; peer++)
        promised_by(s, peer, from, from, EMPTY);
    return ballot;
}

void propose(struct subject *s, const char *text)
{
    uint64_t index, term;
    assert_int_equal(consensus_propose(s->c, payload_new(slice_str(text)), &index, &term), SF_OK);
    look(s);
    assert_int_equal(index, s->status.last);
    assert_int_equal(term, s->status.term);
}
