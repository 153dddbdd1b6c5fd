/* clients: what each client of the masters did last, so that nothing is done twice.
 *
 *   key                                value
 *   "d" client id (16)                 u64 sequence, u64 time_ns, u32 status (two's complement),
 *                                      u64 which, u64 config_num of the reply
 *   "t" u64 time_ns (big), client id   nothing: the clients by age
 *   "k"                                u32 how many there are; absent: 0
 */
#ifndef SHARDMASTER_CLIENTS_H
#define SHARDMASTER_CLIENTS_H

#include "proto/codec.h"
#include "storage/store.h"

struct client_record {
    uint64_t sequence; /* of its newest operation */
    uint64_t time_ns;  /* of the entry that was it */
    struct master_reply reply;
};

/* The client that the operation names. SF_NOT_FOUND, SF_IO, SF_CORRUPT. */
SF_MUST_CHECK int clients_find(const struct space *space, const struct master_op *op,
                               struct client_record *out);
/* Replaces the client's record, or adds it, where the one that was silent longest is dropped if
 * there are `max` already. The batch must be empty so far: this looks through the store. */
SF_MUST_CHECK int clients_note(const struct space *space, struct store_batch *batch,
                               const struct master_op *op, const struct client_record *record,
                               uint32_t max);

#endif
