/* stage: two endpoints on the simulated network, "server:1" and a client, for the tests of rpc.
 *
 * Both know the methods
 *   echo    [number] -> number
 *   hold    is kept until the test answers it
 *   large   [bytes] -> as many zeros
 * and the notifications
 *   note    [number]: counted and kept
 *   bounce  [number]: answered by a note over the same connection
 */
#ifndef TESTS_RPC_STAGE_H
#define TESTS_RPC_STAGE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rpc/rpc.h"
#include "sim/sim.h"

#define SERVER "server:1"
#define HELD_MAX 5000
#define MS ENV_MS_NS

struct endpoint {
    struct sim_node *node;
    struct rpc_options options;
    const char *listen; /* NULL: it does not */
    struct rpc *rpc;    /* NULL while down */
    struct rpc_request *held[HELD_MAX];
    size_t held_count;
    uint64_t notes, last_note; /* how many, and the newest */
    rpc_peer note_from;
};

struct stage {
    struct sim *sim;
    struct endpoint server, client;
};

/* Both are up; with cluster ids of 7 unless they are changed before stage_start. */
void stage_init(struct stage *stage, uint64_t seed);
void stage_start(struct stage *stage);
void stage_deinit(struct stage *stage);
void stage_run_ms(struct stage *stage, uint64_t ms);

struct stage_call {
    struct rpc_call call; /* first */
    unsigned done;        /* how often on_done fired */
    int status;
    uint64_t number; /* of the result, where it is one */
    uint64_t done_ms;
    struct stage *stage;
};

struct buffer number_params(uint64_t number);
void stage_call_on_done(struct rpc_call *call, int status, const msgpack_object *result);
/* From the client to the server. */
void stage_call(struct stage *stage, struct stage_call *call, const char *method, uint64_t number,
                uint64_t timeout_ms);
void stage_call_to(struct stage *stage, struct stage_call *call, const char *address,
                   const char *method, uint64_t number); /* without a time */
void stage_notify(struct stage *stage, const char *method, uint64_t number);
/* Answers every held request of the server with its position. */
void stage_answer_held(struct stage *stage);
struct rpc_stats stats_of(const struct endpoint *endpoint);

/* A connection of the client's node that no endpoint has. */
struct stranger {
    struct env_conn *conn;
    bool closed;
    size_t received; /* bytes */
};

/* One after the other. */
void stage_strangers_come(struct stage *stage, struct stranger *strangers, size_t count);

/* Runs until the call is done, at most limit_ms. */
void stage_wait(struct stage *stage, const struct stage_call *call, uint64_t limit_ms);

#endif
