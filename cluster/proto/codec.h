/* codec: the other messages between our processes: consensus messages, Configs, shardmaster calls.
 *
 *  consensus message  [type, from, to, term, index, log_term, commit, context, bits, entries]
 *                     bits: 1 reject, 2 transfer. entries: [index, term, payload, index, ...]
 *  Config             [num, shard count, routing, [owner of each shard], groups]
 *                     groups: [gid, [address, ...], gid, ...], in the order of their gids
 *  master operation   [kind, client_hi, client_lo, sequence, groups, [gid, ...], shard, gid]
 *  master reply       [status, which, config_num]
 *
 * Each decoder takes the next element of a cursor, and allocates what its comment says. SF_PROTOCOL
 * for what breaks the form or a limit: nothing is allocated then, and the cursor is bad. */
#ifndef PROTO_CODEC_H
#define PROTO_CODEC_H

#include "consensus/consensus.h"
#include "placement/placement.h"
#include "proto/pack.h"

/* One consensus message, one array. Entries' payloads are copied. consensus_msg_deinit. */
void codec_pack_msg(struct buffer *b, const struct consensus_msg *msg);
SF_MUST_CHECK int codec_unpack_msg(struct cursor *c, struct consensus_msg *msg);

/* A Config as one array; config_free. */
void codec_pack_config(struct buffer *b, const struct config *config);
SF_MUST_CHECK int codec_unpack_config(struct cursor *c, struct config **out);

/* The shardmaster's mutations, on the wire and in its log (methods "master.join", "master.leave",
 * "master.move"; "master.query" has params [num or -1] and answers [status, config]). */
enum master_kind { MASTER_JOIN = 1, MASTER_LEAVE, MASTER_MOVE };
struct master_op {
    enum master_kind kind;
    uint64_t client_hi, client_lo; /* the caller's random id; 0, 0: no duplicate detection */
    uint64_t sequence;             /* from 1, one open at a time for each client id */
    struct group *groups;          /* JOIN; owned */
    size_t group_count;
    group_id *gids; /* LEAVE; owned */
    size_t gid_count;
    uint32_t shard; /* MOVE */
    group_id gid;   /* MOVE */
};
struct master_reply {
    int status;          /* SF_* */
    group_id which;      /* what an error names */
    uint64_t config_num; /* newest Config after the operation */
};
void codec_pack_master_op(struct buffer *b, const struct master_op *op);
SF_MUST_CHECK int codec_unpack_master_op(struct cursor *c, struct master_op *op);
void master_op_free(struct master_op *op);
void codec_pack_master_reply(struct buffer *b, const struct master_reply *reply);
SF_MUST_CHECK int codec_unpack_master_reply(struct cursor *c, struct master_reply *reply);

#endif
