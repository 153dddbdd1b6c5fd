/* world: what the parts of the simulator share.
 *
 *   event_queue, random   time and chance
 *   sim.c                 the run: one event after the other
 *   node.c, process.c     machines; the env of the process that runs on one
 *   network.c             listeners, connections, messages
 *   disk.c, file.c        a machine's files and what a crash leaves of them; env's calls on them
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
#include "sim/disk.h"
#include "sim/event_queue.h"
#include "sim/random.h"
#include "sim/sim.h"

#define SIM_NODES_MAX 256

/* A process: one incarnation of a node. */
struct process {
    struct env env;
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
    struct sim_disk disk;
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

int network_listen(struct env *env, const char *address,
                   void (*on_accept)(void *ctx, struct env_conn *conn), void *ctx,
                   struct env_listener **out);
const char *network_listener_address(const struct env_listener *listener);
void network_listener_close(struct env_listener *listener);
int network_connect(struct env *env, const char *address, const struct env_conn_events *events,
                    void *ctx, struct env_conn **out);
void network_conn_accept(struct env_conn *conn, const struct env_conn_events *events, void *ctx);
void network_conn_send(struct env_conn *conn, uint8_t *bytes, size_t n);
size_t network_conn_queued_bytes(const struct env_conn *conn);
void network_conn_read_enable(struct env_conn *conn, bool enable);
void network_conn_close(struct env_conn *conn);

/* -- file.c -------------------------------------------------------------------------------- */

void file_process_buried(struct process *process); /* frees what halt left open */

int file_open(struct env *env, const char *path, unsigned flags, struct env_file **out);
void file_close(struct env_file *file);
int file_size(struct env_file *file, uint64_t *bytes);
int file_read(struct env_file *file, uint64_t offset, void *to, size_t n, size_t *got);
int file_write(struct env_file *file, uint64_t offset, const void *from, size_t n);
int file_truncate(struct env_file *file, uint64_t bytes);
void file_sync(struct env_file *file, struct env_sync *sync);
int file_sync_now(struct env_file *file);
int file_dir_create(struct env *env, const char *path);
int file_dir_list(struct env *env, const char *path, void (*visit)(void *ctx, const char *name),
                  void *ctx);
int file_dir_sync(struct env *env, const char *path);
int file_dir_lock(struct env *env, const char *path, struct env_lock **out);
void file_dir_unlock(struct env_lock *lock);
int file_rename(struct env *env, const char *from, const char *to);
int file_remove(struct env *env, const char *path);
int file_space(struct env *env, const char *path, uint64_t *free_bytes, uint64_t *total_bytes);

#endif
