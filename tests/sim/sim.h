/* sim: a whole cluster in one thread, in virtual time, replayable from one 64-bit seed.
 *
 * A node is a machine: a name, a disk that survives crashes, and at most one running process, which
 * sees the world through a struct env. Events (deliveries, timers, finished work) happen one at a
 * time in virtual time; after each, the node's turn hooks and deferred tasks run until nothing is
 * left, as env.h says, and then the checker.
 *
 * The same seed and the same program give the same run, event for event: sim_hash tells.
 */
#ifndef TESTS_SIM_H
#define TESTS_SIM_H

#include "env/env.h"
#include "storage/store.h"

struct sim;
struct sim_node;

/* Rates are per mille (_ppm: per million); times in microseconds of virtual time. Zero means off.
 * What stands here falls on all nodes alike, by chance; sim_calm takes it back. */
struct sim_faults {
    /* Of every message (one env_conn_send) and every dial: */
    uint32_t delay_us_min, delay_us_max; /* uniform (defaults 500, 1500) */
    uint32_t delay_us_mean; /* if above the min: instead, the min and an exponential draw beside it
                               (random_exponential), this long together in the mean */
    uint32_t loss, duplicate, reorder; /* reorder: may overtake */
    uint32_t slow_us_max;              /* a reordered message's additional delay */
    uint32_t clog, clog_us_max;        /* its direction is clogged from then on, up to so long */
    /* Of every sync of a file: */
    uint32_t sync_us_min, sync_us_max; /* its time, uniform (defaults 100, 300) */
    uint32_t stall, stall_us_max;      /* it takes up to so much longer */
    uint32_t sync_fail_ppm;
};

/* What runs on a node. boot makes the process on `env`; halt frees everything it made: after a
 * crash (env then does nothing any more) or a clean stop. */
struct sim_program {
    void (*boot)(void *ctx, struct sim_node *node, struct env *env);
    void (*halt)(void *ctx, struct sim_node *node);
    void *ctx;
};

struct sim *sim_new(uint64_t seed);
void sim_free(struct sim *sim); /* halts all nodes */
uint64_t sim_now_ns(const struct sim *sim);
uint64_t sim_random(struct sim *sim); /* the test's own draws, from the same seed */
uint64_t sim_random_below(struct sim *sim, uint64_t limit);
uint64_t sim_hash(const struct sim *sim); /* over all events so far */
uint64_t sim_event_count(const struct sim *sim);
struct sim_faults *sim_faults(struct sim *sim); /* may be changed at any time */
/* Called after every event; NULL: none. It fails by sf_assert or cmocka. */
void sim_on_event(struct sim *sim, void (*check)(void *ctx, struct sim *sim), void *ctx);
/* For such a check: may the event have changed what the process on this node has? */
bool sim_event_is_at(const struct sim *sim, const struct sim_node *node);

/* host names are the node's name: it listens on and is dialled at "NAME:PORT". */
struct sim_node *sim_node_new(struct sim *sim, const char *name, const struct sim_program *program);
const char *sim_node_name(const struct sim_node *node);
struct sim *sim_node_sim(const struct sim_node *node);
/* The disk of the node's store, created on first use; rolled back by a crash. */
struct store_image *sim_node_image(struct sim_node *node);
void sim_node_start(struct sim_node *node);
/* The process ends between two events, or at the end of the present one if its own code is running.
 * Mostly the machine loses power with it, and its disk what volume.h says. At times only the process
 * ends, and its files stay as written, still unsynced. Connections break: the peers learn soon, or
 * when they next send. */
void sim_node_crash(struct sim_node *node);
/* The process ends in good order: halt runs while its env still works, and files stay as written
 * (unsynced data stays at risk, as it would). What its store did not flush is lost. */
void sim_node_stop(struct sim_node *node);
bool sim_node_is_up(const struct sim_node *node);
struct env *sim_node_env(struct sim_node *node); /* NULL while down */
/* Did the process end itself by env_fatal since the last start? Then it is down. */
bool sim_node_failed(const struct sim_node *node);

/* Where a process may be made to end. */
enum sim_point {
    SIM_AT_NOTHING,
    SIM_AT_WRITE,  /* a write or truncation of a file, which is not done */
    SIM_AT_SYNC,   /* a sync is asked for; it never happens */
    SIM_AT_SYNCED, /* a sync was done, and nobody hears of it */
    SIM_AT_NAME,   /* a file is to be made, renamed or removed, and is not */
    SIM_AT_SEND,   /* a message is to be sent, and is not; what was sent in the same turn is lost */
};

/* Crashes at the nth such point from now on (1: the next), the only one that is planned, perhaps as
 * it is started; its end or sim_calm forgets it. */
void sim_node_crash_at(struct sim_node *node, enum sim_point point, uint32_t nth);
/* A crash that is likely to hit a write in flight: at once, or at one of the next points, as
 * drawn. */
void sim_node_crash_soon(struct sim_node *node);
bool sim_node_has_unsynced(const struct sim_node *node); /* bytes or names, at risk */
/* As SIGSTOP, for so long: nothing happens in its process, what arrives meanwhile comes after it,
 * in order. Its machine still takes calls, which nobody answers then. A crash ends it. */
void sim_node_pause(struct sim_node *node, uint64_t ns);
bool sim_node_is_paused(const struct sim_node *node);
/* From now on its clocks run by so many millionths faster (above -1000000). They run on from where
 * they are: the monotonic clock never goes back. */
void sim_clock_drift(struct sim_node *node, int32_t ppm);
void sim_clock_step(struct sim_node *node, int64_t ns); /* its wall clock, either way */

/* One direction of the network between two nodes. */
void sim_cut(struct sim *sim, struct sim_node *from, struct sim_node *to);
void sim_heal(struct sim *sim, struct sim_node *from, struct sim_node *to);
void sim_heal_all(struct sim *sim);
/* Holds what would arrive in this direction for so long; then all of it is delivered, in order. */
void sim_clog(struct sim *sim, struct sim_node *from, struct sim_node *to, uint64_t ns);

/* Who of a set of nodes hears whom; the nodes take their places in an order drawn from the seed. */
enum sim_shape {
    SIM_HALVES,   /* two halves; of an odd number, one is a majority */
    SIM_ISOLATED, /* one node is alone */
    SIM_BRIDGE,   /* two halves, and one node that hears and is heard by both */
    SIM_RING,     /* each hears those n / 2 that follow it: majorities, no two alike */
    SIM_STAR,     /* one in the middle; the others hear nobody but it */
};
#define SIM_SHAPES 5u

struct sim_partition {
    enum sim_shape shape;
    bool one_way; /* of each two that are parted, one still hears the other: all those of one side,
                     as drawn */
    struct sim_node *const *nodes;
    size_t count;
    const uint8_t *classes; /* of each node: only those of different classes are parted, as clients
                               from servers. NULL: all */
};

/* Cuts what the shape says, beside what is cut already. */
void sim_partition(struct sim *sim, const struct sim_partition *partition);

/* Disk faults of a node. */
void sim_disk_fill(struct sim_node *node, bool full); /* writes answer SF_NO_SPACE */
void sim_disk_fill_for(struct sim_node *node, uint64_t ns);
void sim_disk_stall(struct sim_node *node, uint64_t ns); /* no sync ends before that */
void sim_disk_fail_sync(struct sim_node *node);          /* the next sync fails */
/* From now on so many per million of the sectors that are read lose a bit, for good; never such as
 * the newest sync of their file made durable, which nobody could tell from a torn write. */
void sim_disk_rot(struct sim_node *node, uint32_t ppm);
SF_MUST_CHECK int sim_disk_damage(struct sim_node *node, const char *path, uint64_t offset);

/* Ends all faults but those of stopped and crashed nodes: sim_faults as at first, nothing cut, no
 * disk full or rotting, clocks at their rate. Clogs, pauses and stalls run out by themselves.
 */
void sim_calm(struct sim *sim);

/* A test's own model of the network: it is asked about each message (one env_conn_send) when it
 * leaves and about each dial (no bytes) when it arrives, unless sim_cut or sim_faults lost it. */
struct sim_message {
    struct sim_node *from, *to;
    bool by_dialler;    /* `from` is who dialled the connection */
    struct slice bytes; /* the whole message; empty: the dial itself */
};

enum sim_fate {
    SIM_DELIVER,
    SIM_LOSE,  /* without a word; a dial fails, too, when delay_ns are over */
    SIM_BREAK, /* it is not delivered, and in its place the connection breaks at both ends */
    SIM_DELIVER_AND_BREAK, /* it is the last that the connection delivers, either way */
};

struct sim_verdict {
    enum sim_fate fate;
    uint64_t delay_ns; /* beside that of sim_faults; of a dial that fails: until it does */
    bool overtaken;    /* what its sender sends later may come first */
};

void sim_on_message(struct sim *sim,
                    struct sim_verdict (*judge)(void *ctx, const struct sim_message *message),
                    void *ctx); /* NULL: no such model */

/* Runs one event. False: nothing is left to happen. */
bool sim_step(struct sim *sim);
void sim_run_ns(struct sim *sim, uint64_t ns);
/* Until done says true (tested after each event). False: limit_ns passed first. */
bool sim_run_until(struct sim *sim, bool (*done)(void *ctx), void *ctx, uint64_t limit_ns);
/* Something for the test itself to do at a time, outside every node. The task is freed by sim. */
void sim_after_ns(struct sim *sim, uint64_t ns, void (*run)(void *ctx), void *ctx);

#endif
