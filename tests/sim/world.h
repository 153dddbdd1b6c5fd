/* world: what the parts of the simulator share.
 *
 *   event_queue, random   time and chance
 *   sim.c                 the run: one event after the other
 *   node.c, process.c     machines; the env of the process that runs on one
 *   clock.c               machines' clocks and timers, and pauses
 *   fault.c, mix.c        cuts, clogs, partitions, calm; a draw of faults for a run
 *   network.c             listeners, connections, messages
 *   volume.c, vfile.c     a machine's files and what a crash leaves of them
 *   file.c                env's calls on them
 *   image.c               the disk of the memory store
 *
 *  W1  Nothing depends on an address in memory, on a hash table's order or on the machine's clock;
 *      nor on the compiler: two draws never stand in one expression, which C would not order.
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
/* Events and timers are numbered from here on; what was held comes before what is due at the time
 * at which it is let go. */
#define SIM_SEQUENCE_FIRST (1ull << 62)

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

/* A machine's clocks: while the simulation goes on from base_ns, the monotonic one goes on from
 * local_ns, drift_ppm millionths faster. */
struct clock {
    uint64_t base_ns, local_ns;
    int32_t drift_ppm;
    int64_t wall_skew_ns;
    struct timer_heap timers; /* of its process, by its monotonic clock */
};

struct sim_node {
    struct sim *sim;
    char *name;
    uint32_t number; /* from 1 */
    struct sim_program program;
    struct process *process; /* NULL: down */
    struct volume volume;
    struct clock clock;
    uint64_t paused_until_ns;
    enum sim_point crash_point; /* SIM_AT_NOTHING: none is planned */
    uint32_t crash_left;        /* such points until then, > 0 */
    uint64_t full_until_ns;     /* of sim_disk_fill_for; 0: nothing is to be done */
    uint64_t stalled_ns;        /* no sync ends before */
    uint32_t rot_ppm;           /* of the sectors that it reads */
    uint16_t next_port;
    bool failed;
    bool orderly;               /* it is being stopped, not crashed: its files stay as they are */
    bool cut_to[SIM_NODES_MAX]; /* by number - 1: messages to that node are lost */
    uint64_t clogged_ns[SIM_NODES_MAX]; /* likewise: they are held until then */
    struct store_image *image;          /* NULL until first used; the functions are set with it */
    void (*image_crash)(struct store_image *image, uint64_t choice);
    void (*image_free)(struct store_image *image);
};

struct sim {
    uint64_t now_ns;
    uint64_t sequence;      /* of events and timers alike */
    uint64_t held_sequence; /* of events that were held; below all others */
    uint64_t hash, event_count;
    const struct sim_node *event_node; /* where it happened last; NULL: at none */
    struct random world; /* draws of faults, delays and seeds of processes */
    struct random test;  /* draws of sim_random */
    struct sim_faults faults;
    struct event_queue queue;
    struct sim_node *nodes[SIM_NODES_MAX];
    uint64_t due_ns[SIM_NODES_MAX];       /* K1 of clock.c */
    struct sim_node *first;               /* K2 of clock.c */
    uint64_t paused_until_ns, clogged_ns; /* of any node, any link: nothing lasts longer */
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
/* Its time has come, but it is to wait. It comes again then, before all that is due then. */
void world_hold(struct sim *sim, struct event *event, uint64_t until_ns);
/* Something happened: the hash of the run covers it. */
void world_note(struct sim *sim, enum event_kind kind, uint32_t node, uint64_t what);
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
/* Likewise, but not before the present event is over: its own code made it. */
void process_collapse(struct process *process);
/* halt runs while the env still works; then as process_kill. */
void process_stop(struct process *process);

/* -- clock.c ------------------------------------------------------------------------------- */

uint64_t clock_now_ns(const struct sim_node *node);  /* monotonic */
uint64_t clock_wall_ns(const struct sim_node *node); /* since 1970 */
void clock_timer_arm(struct sim_node *node, struct env_timer *timer);
void clock_timer_stop(struct sim_node *node, struct env_timer *timer);
/* The timer that fires next, at *at_ns. NULL: none ever does. */
struct env_timer *clock_first(struct sim *sim, uint64_t *at_ns);
void clock_pause_until(struct sim_node *node, uint64_t until_ns); /* 0: it is not paused */

/* -- fault.c ------------------------------------------------------------------------------- */

extern const struct sim_faults fault_none;

/* -- node.c -------------------------------------------------------------------------------- */

struct sim_node *node_find(const struct sim *sim, const char *name); /* NULL: no such node */
void node_free(struct sim_node *node);
/* Its process, which is alive, has come to such a point. False: it just died of it. */
SF_MUST_CHECK bool node_passes(struct sim_node *node, enum sim_point point);
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
