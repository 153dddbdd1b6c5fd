/* event_queue: what is going to happen, in order of time; ties in order of creation. */
#ifndef SIM_EVENT_QUEUE_H
#define SIM_EVENT_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum event_kind {
    EVENT_TIMER = 1,
    EVENT_WAKE,
    EVENT_CONNECT, /* not held by a pause: the machine answers, EVENT_ACCEPT tells the process */
    EVENT_ACCEPT,
    EVENT_OPEN,
    EVENT_DATA,
    EVENT_READ,
    EVENT_CLOSE,
    EVENT_SYNC,
    EVENT_WORK,
    EVENT_HOST,
    /* These are only noted: what was done to the world. */
    EVENT_HELD,
    EVENT_CLOCK,
    EVENT_PAUSE,
    EVENT_LINK,
    EVENT_DISK,
    EVENT_CRASH,
};

/* The head of each event. `run` makes it happen and takes the event; `drop` frees one that will
 * not happen because the simulation ends. */
struct event {
    uint64_t at_ns;
    uint64_t sequence; /* of the simulation's one counter */
    enum event_kind kind;
    uint32_t node; /* number of the node it concerns; 0: none */
    uint64_t what; /* of what it carries, for the hash of the run */
    void (*run)(struct event *event);
    void (*drop)(struct event *event);
};

struct event_queue {
    struct event **heap; /* no event comes before its parent (i - 1) / 2 */
    size_t count;        /* count <= cap */
    size_t cap;
};

void event_queue_deinit(struct event_queue *queue);                    /* drops what is left */
void event_queue_push(struct event_queue *queue, struct event *event); /* taken */
struct event *event_queue_top(const struct event_queue *queue);        /* NULL: empty */
struct event *event_queue_pop(struct event_queue *queue);              /* not empty */

#endif
