#include "describe.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void describe(struct buffer *out, const char *text, ...)
{
    char line[512];
    va_list args;
    va_start(args, text);
    int length = vsnprintf(line, sizeof(line), text, args);
    va_end(args);
    sf_assert(length >= 0 && (size_t)length < sizeof(line));
    buffer_append(out, line, (size_t)length);
}

void describe_entries(struct buffer *out, const struct entry *entries, size_t count)
{
    for (size_t i = 0; i < count; i++)
        describe(out, " (%" PRIu64 ",%" PRIu64 ")%.*s", entries[i].index, entries[i].term,
                 (int)entries[i].payload->bytes, (const char *)entries[i].payload->data);
}

static void describe_promise(struct buffer *out, const struct consensus_msg *msg)
{
    if (msg->reject) {
        if (msg->index > 0)
            describe(out, " forgotten up to %" PRIu64, msg->index);
        else
            describe(out, " refused");
        return;
    }
    describe(out, " after %" PRIu64 " of %" PRIu64 " commit %" PRIu64 ":", msg->index, msg->context,
             msg->commit);
    describe_entries(out, msg->entries, msg->entry_count);
}

static void describe_content(struct buffer *out, const struct consensus_msg *msg)
{
    switch (msg->type) {
    case MSG_PRE_VOTE:
    case MSG_VOTE:
        describe(out, " last (%" PRIu64 ",%" PRIu64 ")%s", msg->index, msg->log_term,
                 msg->transfer ? " transfer" : "");
        break;
    case MSG_PRE_VOTE_REPLY:
    case MSG_VOTE_REPLY:
        describe(out, msg->reject ? " refused" : " granted");
        break;
    case MSG_APPEND:
        describe(out, " after (%" PRIu64 ",%" PRIu64 ") commit %" PRIu64 " round %" PRIu64 ":",
                 msg->index, msg->log_term, msg->commit, msg->context);
        describe_entries(out, msg->entries, msg->entry_count);
        break;
    case MSG_APPEND_REPLY:
        if (msg->reject)
            describe(out, " refused after %" PRIu64 ", hint (%" PRIu64 ",%" PRIu64 ")",
                     msg->context, msg->index, msg->log_term);
        else
            describe(out, " matched %" PRIu64 " round %" PRIu64, msg->index, msg->context);
        break;
    case MSG_HEARTBEAT:
        describe(out, " commit %" PRIu64 " round %" PRIu64, msg->commit, msg->context);
        break;
    case MSG_HEARTBEAT_REPLY:
        describe(out, " round %" PRIu64, msg->context);
        break;
    case MSG_SNAPSHOT:
        describe(out, " at (%" PRIu64 ",%" PRIu64 ")", msg->index, msg->log_term);
        break;
    case MSG_SNAPSHOT_REPLY:
        describe(out, " has %" PRIu64, msg->index);
        break;
    case MSG_PREPARE:
        describe(out, " after %" PRIu64 "%s", msg->index, msg->transfer ? " transfer" : "");
        break;
    case MSG_PROMISE:
        describe_promise(out, msg);
        break;
    case MSG_ACCEPT:
        describe(out, " after %" PRIu64 " commit %" PRIu64 " round %" PRIu64 ":", msg->index,
                 msg->commit, msg->context);
        describe_entries(out, msg->entries, msg->entry_count);
        break;
    case MSG_ACCEPTED:
        if (msg->reject)
            describe(out, " refused after %" PRIu64 ", has %" PRIu64, msg->context, msg->index);
        else
            describe(out, " up to %" PRIu64 " round %" PRIu64, msg->index, msg->context);
        break;
    case MSG_TIMEOUT_NOW:
    case MSG_TYPE_LIMIT:
        break;
    }
}

static const char *const type_names[MSG_TYPE_LIMIT] = {
    [MSG_PRE_VOTE] = "PRE_VOTE",
    [MSG_PRE_VOTE_REPLY] = "PRE_VOTE_REPLY",
    [MSG_VOTE] = "VOTE",
    [MSG_VOTE_REPLY] = "VOTE_REPLY",
    [MSG_APPEND] = "APPEND",
    [MSG_APPEND_REPLY] = "APPEND_REPLY",
    [MSG_HEARTBEAT] = "HEARTBEAT",
    [MSG_HEARTBEAT_REPLY] = "HEARTBEAT_REPLY",
    [MSG_SNAPSHOT] = "SNAPSHOT",
    [MSG_SNAPSHOT_REPLY] = "SNAPSHOT_REPLY",
    [MSG_TIMEOUT_NOW] = "TIMEOUT_NOW",
    [MSG_PREPARE] = "PREPARE",
    [MSG_PROMISE] = "PROMISE",
    [MSG_ACCEPT] = "ACCEPT",
    [MSG_ACCEPTED] = "ACCEPTED",
};

enum consensus_msg_type describe_type(const char *name)
{
    enum consensus_msg_type type = MSG_PRE_VOTE;
    while (type < MSG_TYPE_LIMIT && strcmp(type_names[type], name) != 0)
        type++;
    sf_assert(type < MSG_TYPE_LIMIT);
    return type;
}

void describe_msg(struct buffer *out, const struct consensus_msg *msg)
{
    describe(out, "%" PRIu32 "->%" PRIu32 " %s term %" PRIu64, msg->from, msg->to,
             type_names[msg->type], msg->term);
    describe_content(out, msg);
}

static void describe_records(struct buffer *out, replica_id self,
                             const struct consensus_update *update)
{
    if (update->hard_state_changed)
        describe(out, "%" PRIu32 " writes term %" PRIu64 " vote %" PRIu32 "\n", self,
                 update->hard_state.term, update->hard_state.vote);
    if (update->truncate_from != 0)
        describe(out, "%" PRIu32 " truncates from %" PRIu64 "\n", self, update->truncate_from);
    if (update->entry_count > 0) {
        describe(out, "%" PRIu32 " writes", self);
        describe_entries(out, update->entries, update->entry_count);
        describe(out, "\n");
    }
}

static void describe_leadership(struct buffer *out, replica_id self,
                                const struct consensus_update *update)
{
    if (!update->leadership_changed)
        return;
    if (update->leads)
        describe(out, "%" PRIu32 " leads term %" PRIu64 "\n", self, update->term);
    else if (update->leader != 0)
        describe(out, "%" PRIu32 " follows %" PRIu32 " in term %" PRIu64 "\n", self, update->leader,
                 update->term);
    else
        describe(out, "%" PRIu32 " knows no leader in term %" PRIu64 "\n", self, update->term);
}

static void describe_reads(struct buffer *out, replica_id self,
                           const struct consensus_update *update)
{
    for (size_t i = 0; i < update->read_count; i++) {
        const struct consensus_read *read = &update->reads[i];
        if (read->status == SF_OK)
            describe(out, "%" PRIu32 " read %" PRIu64 " passes at %" PRIu64 "\n", self, read->id,
                     read->index);
        else
            describe(out, "%" PRIu32 " read %" PRIu64 " fails\n", self, read->id);
    }
}

void describe_update(struct buffer *out, replica_id self, const struct consensus_update *update)
{
    describe_leadership(out, self, update);
    describe_records(out, self, update);
    if (update->committed_count > 0) {
        describe(out, "%" PRIu32 " applies", self);
        describe_entries(out, update->committed, update->committed_count);
        describe(out, "\n");
    }
    describe_reads(out, self, update);
    for (size_t i = 0; i < update->snapshot_wanted_count; i++)
        describe(out, "%" PRIu32 " wants a snapshot for %" PRIu32 "\n", self,
                 update->snapshot_wanted[i]);
    if (update->snapshot_offered.index != 0)
        describe(out,
                 "%" PRIu32 " is offered a snapshot at (%" PRIu64 ",%" PRIu64 ") by %" PRIu32 "\n",
                 self, update->snapshot_offered.index, update->snapshot_offered.term,
                 update->snapshot_offered.from);
}

void describe_status(struct buffer *out, replica_id self, const struct consensus_status *status)
{
    describe(out,
             "%" PRIu32 ": %s term %" PRIu64 " leader %" PRIu32 " log %" PRIu64 "..%" PRIu64
             " commit %" PRIu64 " persisted %" PRIu64 "\n",
             self, status->leads ? "leads" : "does not lead", status->term, status->leader,
             status->first, status->last, status->commit, status->persisted);
    for (size_t i = 0; status->leads && i < status->peer_count; i++)
        describe(out, "   %" PRIu32 " matches %" PRIu64 "%s%s\n", status->peers[i].id,
                 status->peers[i].match, status->peers[i].active ? "" : " silent",
                 status->peers[i].snapshot ? " needs a snapshot" : "");
}
