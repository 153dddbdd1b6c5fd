#include "consensus/message.h"

#include <stdlib.h>

void entries_free(struct entry *entries, size_t count)
{
    for (size_t i = 0; i < count; i++)
        payload_unref(entries[i].payload);
    free(entries);
}

void consensus_msg_deinit(struct consensus_msg *msg)
{
    entries_free(msg->entries, msg->entry_count);
    msg->entries = NULL;
    msg->entry_count = 0;
}

static bool may_carry_entries(enum consensus_msg_type type)
{
    return type == MSG_APPEND || type == MSG_ACCEPT || type == MSG_PROMISE;
}

/* The least term that an entry after one of term `before` can have. */
static uint64_t least_term(const struct consensus_msg *msg, uint64_t before)
{
    if (msg->type == MSG_ACCEPT)
        return msg->term;
    return msg->type == MSG_APPEND && before > 0 ? before : 1;
}

static bool entries_are_sane(const struct consensus_msg *msg)
{
    uint64_t before = msg->log_term;
    for (size_t i = 0; i < msg->entry_count; i++) {
        const struct entry *entry = &msg->entries[i];
        if (entry->index != msg->index + 1 + i || entry->payload == NULL)
            return false;
        if (entry->term < least_term(msg, before) || entry->term > msg->term)
            return false;
        before = entry->term;
    }
    return true;
}

bool message_is_sane(const struct consensus_msg *msg)
{
    if (msg->type < MSG_PRE_VOTE || msg->type >= MSG_TYPE_LIMIT)
        return false;
    if (msg->term == 0 || msg->term > MESSAGE_NUMBER_MAX || msg->index > MESSAGE_NUMBER_MAX)
        return false;
    if (msg->entry_count > CONSENSUS_BATCH_MAX)
        return false;
    if (msg->entry_count > 0 && (!may_carry_entries(msg->type) || msg->entries == NULL))
        return false;
    return entries_are_sane(msg);
}
