#include "env/timer_heap.h"

#include <stdlib.h>

#include "env/memory.h"

#define TIMERS_MIN 16

static bool is_before(const struct env_timer *a, const struct env_timer *b)
{
    if (a->due_ns != b->due_ns)
        return a->due_ns < b->due_ns;
    return a->sequence < b->sequence;
}

static void place(struct timer_heap *heap, size_t i, struct env_timer *timer)
{
    heap->timers[i] = timer;
    timer->heap_slot = i + 1;
}

static void sift_up(struct timer_heap *heap, size_t i, struct env_timer *timer)
{
    while (i > 0) {
        size_t parent = (i - 1) / 2;
        if (!is_before(timer, heap->timers[parent]))
            break;
        place(heap, i, heap->timers[parent]);
        i = parent;
    }
    place(heap, i, timer);
}

static void sift_down(struct timer_heap *heap, size_t i, struct env_timer *timer)
{
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= heap->count)
            break;
        if (child + 1 < heap->count && is_before(heap->timers[child + 1], heap->timers[child]))
            child++;
        if (!is_before(heap->timers[child], timer))
            break;
        place(heap, i, heap->timers[child]);
        i = child;
    }
    place(heap, i, timer);
}

void timer_heap_deinit(struct timer_heap *heap)
{
    for (size_t i = 0; i < heap->count; i++)
        heap->timers[i]->heap_slot = 0;
    free(heap->timers);
    *heap = (struct timer_heap){0};
}

void timer_heap_insert(struct timer_heap *heap, struct env_timer *timer)
{
    sf_assert(timer->heap_slot == 0);
    if (heap->count == heap->cap) {
        heap->cap = heap->cap == 0 ? TIMERS_MIN : heap->cap * 2;
        heap->timers = sf_realloc(heap->timers, heap->cap * sizeof *heap->timers);
    }
    heap->count++;
    sift_up(heap, heap->count - 1, timer);
}

void timer_heap_remove(struct timer_heap *heap, struct env_timer *timer)
{
    if (timer->heap_slot == 0)
        return;
    size_t i = timer->heap_slot - 1;
    sf_assert(i < heap->count && heap->timers[i] == timer);
    timer->heap_slot = 0;
    heap->count--;
    if (i == heap->count)
        return;

    struct env_timer *last = heap->timers[heap->count];
    if (i > 0 && is_before(last, heap->timers[(i - 1) / 2]))
        sift_up(heap, i, last);
    else
        sift_down(heap, i, last);
}

struct env_timer *timer_heap_top(const struct timer_heap *heap)
{
    return heap->count == 0 ? NULL : heap->timers[0];
}
