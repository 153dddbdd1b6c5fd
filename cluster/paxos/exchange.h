/* exchange: what members say to each other, as requests and answers of cluster/rpc:
 *
 *   paxos.prepare, paxos.accept, paxos.decided
 *     params  [seq, ballot, from, to, value, done]   ballot: 0 in decided; value: nil in prepare
 *     answer  [verdict, ballot, value, done]         see struct answer
 *   done: [number, ...], one for each member: 1 + the highest instance that it is known to be done
 *     with. Every message spreads what its sender knows of all.
 */
#ifndef PAXOS_EXCHANGE_H
#define PAXOS_EXCHANGE_H

#include "paxos/instance.h"
#include "proto/pack.h"
#include "shardfs/paxos.h"

enum ask { ASK_PREPARE, ASK_ACCEPT, ASK_DECIDED, ASK_LIMIT };

const char *ask_method(enum ask ask); /* static */

/* By member: the highest instance that it said it is done with; -1: nothing heard. */
struct done {
    int64_t of[SF_REPLICAS_MAX];
    size_t count;
};

struct request {
    enum ask ask;
    int64_t seq;
    uint64_t ballot;
    uint32_t from, to;     /* members, from 0 */
    struct payload *value; /* borrowed when packed; a reference of its own when unpacked; or NULL */
    struct done done;
};

void request_pack(struct buffer *b, const struct request *request);
/* Of a request of this kind among `count` members. SF_PROTOCOL: it breaks the form, and nothing is
 * held. */
SF_MUST_CHECK int request_unpack(const msgpack_object *params, enum ask ask, size_t count,
                                 struct request *out);

void answer_pack(struct buffer *b, const struct answer *answer, const struct done *done);
SF_MUST_CHECK int answer_unpack(const msgpack_object *result, size_t count, struct answer *answer,
                                struct done *done);

#endif
