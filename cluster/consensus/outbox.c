#include "consensus/outbox.h"

#include <stdlib.h>

#include "consensus/array.h"
#include "env/memory.h"

void outbox_deinit(struct outbox *box)
{
    for (size_t i = 0; i < box->message_count; i++)
        consensus_msg_deinit(&box->messages[i]);
    free(box->messages);
    free(box->reads);
    *box = (struct outbox){0};
}

bool outbox_is_empty(const struct outbox *box)
{
    return box->message_count == 0 && box->read_count == 0 && box->wanted_count == 0 &&
           box->offered_index == 0;
}

void outbox_send(struct outbox *box, const struct consensus_msg *msg)
{
    box->messages =
        array_reserve(box->messages, box->message_count, &box->message_cap, sizeof(*box->messages));
    box->messages[box->message_count++] = *msg;
}

void outbox_read(struct outbox *box, uint64_t id, uint64_t index, int status)
{
    box->reads = array_reserve(box->reads, box->read_count, &box->read_cap, sizeof(*box->reads));
    box->reads[box->read_count++] = (struct consensus_read){id, index, status};
}

void outbox_want_snapshot(struct outbox *box, replica_id peer)
{
    for (size_t i = 0; i < box->wanted_count; i++) {
        if (box->wanted[i] == peer)
            return;
    }
    sf_assert(box->wanted_count < SF_REPLICAS_MAX);
    box->wanted[box->wanted_count++] = peer;
}

void outbox_take(struct outbox *box, struct consensus_update *update)
{
    update->messages = box->messages;
    update->message_count = box->message_count;
    update->reads = box->reads;
    update->read_count = box->read_count;
    if (box->wanted_count > 0) {
        update->snapshot_wanted = sf_memdup(box->wanted, box->wanted_count * sizeof(*box->wanted));
        update->snapshot_wanted_count = box->wanted_count;
    }
    update->snapshot_offered.index = box->offered_index;
    update->snapshot_offered.term = box->offered_term;
    update->snapshot_offered.from = box->offered_from;
    *box = (struct outbox){0};
}
