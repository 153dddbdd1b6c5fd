#include "consensus/read_queue.h"

#include <stdlib.h>
#include <string.h>

#include "consensus/array.h"

void read_queue_deinit(struct read_queue *queue)
{
    free(queue->items);
    *queue = (struct read_queue){0};
}

void read_queue_add(struct read_queue *queue, uint64_t id)
{
    queue->items = array_reserve(queue->items, queue->count, &queue->cap, sizeof(*queue->items));
    queue->items[queue->count++] = (struct waiting_read){.id = id};
}

bool read_queue_wants_round(const struct read_queue *queue)
{
    return queue->count > 0 && queue->round == queue->confirmed;
}

void read_queue_begin_round(struct read_queue *queue, uint64_t commit)
{
    queue->round++;
    for (size_t i = 0; i < queue->count; i++) {
        queue->items[i].round = queue->round;
        queue->items[i].index = commit;
    }
}

void read_queue_confirm(struct read_queue *queue, uint64_t round, struct outbox *outbox)
{
    size_t passed = 0;
    if (round <= queue->confirmed)
        return;
    queue->confirmed = round;
    for (; passed < queue->count; passed++) {
        const struct waiting_read *read = &queue->items[passed];
        if (read->round == 0 || read->round > round)
            break;
        outbox_read(outbox, read->id, read->index, SF_OK);
    }
    queue->count -= passed;
    if (passed > 0)
        memmove(queue->items, queue->items + passed, queue->count * sizeof(*queue->items));
}

void read_queue_fail(struct read_queue *queue, struct outbox *outbox)
{
    for (size_t i = 0; i < queue->count; i++)
        outbox_read(outbox, queue->items[i].id, 0, SF_NOT_LEADER);
    queue->count = 0;
}

bool read_queue_is_valid(const struct read_queue *queue)
{
    uint64_t round = queue->confirmed + 1;
    for (size_t i = 0; i < queue->count; i++) {
        uint64_t own = queue->items[i].round == 0 ? UINT64_MAX : queue->items[i].round;
        if (own < round)
            return false;
        round = own;
    }
    return queue->confirmed <= queue->round;
}
