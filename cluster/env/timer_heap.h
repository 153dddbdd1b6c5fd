/* timer_heap: armed timers, the one due first on top; shared by both implementations of env.
 *
 * A binary heap of borrowed timers. Ties are broken by `sequence`, so the order in which timers
 * fire does not depend on the heap's shape.
 *
 *  H1  heap->timers[i]->heap_slot == i + 1; a timer that is in no heap has slot 0.
 *  H2  No timer is due before its parent (i - 1) / 2.
 */
#ifndef ENV_TIMER_HEAP_H
#define ENV_TIMER_HEAP_H

#include "env/env.h"

struct timer_heap {
    struct env_timer **timers;
    size_t count; /* count <= cap */
    size_t cap;
};

void timer_heap_deinit(struct timer_heap *heap); /* disarms what is left */
/* Slot 0 before; due_ns and sequence are set and stay while it is in the heap. */
void timer_heap_insert(struct timer_heap *heap, struct env_timer *timer);
void timer_heap_remove(struct timer_heap *heap, struct env_timer *timer); /* also if not in it */
struct env_timer *timer_heap_top(const struct timer_heap *heap);          /* NULL: empty */

#endif
