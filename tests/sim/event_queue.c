#include "sim/event_queue.h"

#include <stdlib.h>

#include "env/memory.h"

#define EVENTS_MIN 256

static bool is_before(const struct event *a, const struct event *b)
{
    if (a->at_ns != b->at_ns)
        return a->at_ns < b->at_ns;
    return a->sequence < b->sequence;
}

void event_queue_deinit(struct event_queue *queue)
{
    for (size_t i = 0; i < queue->count; i++)
        queue->heap[i]->drop(queue->heap[i]);
    free(queue->heap);
    *queue = (struct event_queue){0};
}

void event_queue_push(struct event_queue *queue, struct event *event)
{
    if (queue->count == queue->cap) {
        queue->cap = queue->cap == 0 ? EVENTS_MIN : queue->cap * 2;
        queue->heap = sf_realloc(queue->heap, queue->cap * sizeof(struct event *));
    }
    size_t i = queue->count++;
    while (i > 0 && is_before(event, queue->heap[(i - 1) / 2])) {
        queue->heap[i] = queue->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    queue->heap[i] = event;
}

struct event *event_queue_top(const struct event_queue *queue)
{
    return queue->count == 0 ? NULL : queue->heap[0];
}

struct event *event_queue_pop(struct event_queue *queue)
{
    struct event *top = queue->heap[0];
    struct event *last = queue->heap[--queue->count];
    size_t i = 0;
    for (size_t child = 1; child < queue->count; child = 2 * i + 1) {
        if (child + 1 < queue->count && is_before(queue->heap[child + 1], queue->heap[child]))
            child++;
        if (!is_before(queue->heap[child], last))
            break;
        queue->heap[i] = queue->heap[child];
        i = child;
    }
    if (queue->count > 0)
        queue->heap[i] = last;
    return top;
}
