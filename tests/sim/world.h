/* world: what the parts of the simulator share.
 *
 *   event_queue, random   time and chance
 *   sim.c                 the run: one event after the other
 *   node.c, process.c     machines; the env of the process that runs on one
 *   network.c             listeners, connections, messages
 *   volume.c, vfile.c     a machine's files and what a crash leaves of them
 *   file.c                env's calls on them
 *   image.c               the disk of the memory store
 *
 *  W1  Nothing depends on an address in memory, on a hash table's order or on the machine's clock.
 *  W2  A process that has died (dead) gets no callback; every call on its env does nothing.
 *  W3  Its env stays allocated until the simulation ends, so events may point to it.
 *  W4  Code of a process runs between process_enter and process_leave, which ends the turn.
 */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include "env/timer_heap.h"
#include "env/turn.h"
#include "sim/volume.h"
#include "sim/event_queue.h"
#include "sim/random.h"
#include "sim/sim.h"

#define SIM_NODES_MAX 256

/* A process: one incarnation of a node. */
struct process {
    struct env env;
    struct env_ops ops;
    struct sim *sim;
    struct sim_node *node;
    struct random random;
    struct turn turn;
    struct unit *outbox, *outbox_last; /* sent in this turn, in order */
    struct env_conn *conns;
    struct env_listener *listeners;
    struct env_file *files;
    struct env_lock *locks;
    struct process *next; /* in sim->processes */
    bool in_turn;         /* its code is on the stack */
    bool wake_queued;     /* a turn is on its way, for what the test asked from outside of one */
    bool dead;
    bool halted;
    bool buried; /* halted, its objects freed */
};

struct sim_node {
    struct sim *sim;
    char *name;
    uint32_t number; /* from 1 */
    struct sim_program program;
    struct process *process; /* NULL: down */
    struct volume volume;
    int64_t wall_skew_ns;
    uint16_t next_port;
    bool failed;
    bool orderly;               /* it is being stopped, not crashed: its files stay as they are */
    bool cut_to[SIM_NODES_MAX]; /* by number - 1: messages to that node are lost */
    struct store_image *image;  /* NULL until first used; the functions are set with it */
    void (*image_crash)(struct store_image *image, uint64_t choice);
    void (*image_free)(struct store_image *image);
};

struct sim {
    uint64_t now_ns;
    uint64_t sequence; /* of events and timers alike */
    uint64_t hash, event_count;
    struct random world; /* draws of faults, delays and seeds of processes */
    struct random test;  /* draws of sim_random */
    struct sim_faults faults;
    struct event_queue queue;
    struct timer_heap timers;
    struct sim_node *nodes[SIM_NODES_MAX];
    uint32_t node_count;
    struct process *processes; /* all that ever ran */
    void (*check)(void *ctx, struct sim *sim);
    void *check_ctx;
    struct sim_verdict (*judge)(void *ctx, const struct sim_message *message);
    void *judge_ctx;
};

/* -- sim.c --------------------------------------------------------------------------------- */

/* Fills in the head and queues it, delay_ns from now; `event` is the first member of what was
 * allocated for it. */
void world_post(struct sim *sim, struct event *event, uint64_t delay_ns);
/* Frees an event that owns nothing else. */
void world_drop(struct event *event);
/* A draw of a message's delay. */
uint64_t world_delay_ns(struct sim *sim);

/* -- process.c ----------------------------------------------------------------------------- */

struct process *process_new(struct sim_node *node);
void process_free(struct process *process);
struct process *process_of(struct env *env);
/* From here the process's code may run. False: it is dead. Nests with that of other processes. */
SF_MUST_CHECK bool process_enter(struct process *process);
/* Ends the turn: hooks, tasks, messages out; buries the process if it died in it. */
void process_leave(struct process *process);
/* The test called into the process from outside of a turn: let there be one. */
void process_touch(struct process *process);
/* An empty turn, unless one is under way. */
void process_settle(struct process *process);
/* It is dead from now on, and buried as soon as none of its code is on the stack. */
void process_kill(struct process *process);
/* halt runs while the env still works; then as process_kill. */
void process_stop(struct process *process);

/* -- node.c -------------------------------------------------------------------------------- */

struct sim_node *node_find(const struct sim *sim, const char *name); /* NULL: no such node */
void node_free(struct sim_node *node);
/* What the machine does when its process has died: disk, store; called once it is halted. */
void node_process_ended(struct sim_node *node);

/* -- network.c ----------------------------------------------------------------------------- */

void network_flush(struct process *process);          /* the outbox leaves */
void network_process_died(struct process *process);   /* its connections break */
void network_process_buried(struct process *process); /* frees what halt left open */

void network_ops(struct env_ops *ops); /* fills in its part */

/* -- file.c -------------------------------------------------------------------------------- */

void file_process_buried(struct process *process); /* frees what halt left open */
void file_ops(struct env_ops *ops);                /* fills in its part */

#endif
