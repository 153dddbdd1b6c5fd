/* handoff: what a group's leader does so that shards move, and what it answers to other groups.
 *
 * The leader polls the masters for the next Config and proposes what it means for its group
 * (master_poll.c); pulls the shards that were gained, chunk by chunk (handoff_pull.c); asks for
 * custody of what is complete, and tells who has to know (handoff_custody.c); and answers those
 * that pull from its group (handoff_source.c). What it knows beside the table of copies is a cache:
 * a new leader, or a group all of whose replicas crashed, goes on from the table.
 *
 * Messages between leaders (MessagePack-RPC). Every question begins with
 *   [target gid, target identity, shard, lost, gid, identity, gained, ...]
 * lost: number at which the target lost the shard; the last three: the tenure that asks.
 * Every answer begins with [status, address of the leader or ""].
 *
 *   method          asked while  further params     OK means
 *   shard.pull      PULLING      cursor, bytes max  of what was lost at or before `lost`, a frozen
 *                                                   copy is here: lost (its own number), last,
 *                                                   cursor, pairs
 *   shard.custody   COPIED       -                  the copy with this very number is given to you
 *   shard.settled   after TAKE   -                  nothing of what was lost by then is left here
 *
 *   NOT_YET     not frozen here, but it may come to be: ask again
 *   GONE        not here, and never will be: given to another, passed over, or it never came
 *   NOT_LEADER  with the leader's address
 *   MISMATCH    (as the error) this process hosts no such group
 *
 * Why a shard is served by at most one group (S7), and no write is lost
 *
 *  1  Custody is made once: when the first owner of the shard in the whole history applies the
 *     Config that makes it the owner. The history is the masters' and the same for all.
 *  2  A group has custody from the entry that made it or that logged TAKE to the entry that logged
 *     GIVE; in between the copy is SERVING or FROZEN, or passed to a later tenure of the same
 *     group. GIVE is logged once for a copy (it must be FROZEN, and is GIVEN then), and names the
 *     taker; TAKE is logged only after the source's answer that GIVE to this very tenure is
 *     applied. So one tenure has custody, or it is on its way to the one that the GIVEN copy names;
 *     and it moves to later tenures only, for taker.gained >= lost > gained.
 *  3  A group serves only what it has custody of, and only in a tenure that has not ended as of its
 *     own log. Reads ask the table after the engine's barrier, writes when they are applied, so a
 *     leader that was deposed serves nothing either.
 *  4  Only a FROZEN copy answers a pull, and it does not change; a thaw ends the number under which
 *     it was lost, so every later question under that number gets GONE. The taker asks for custody
 *     when it has logged the last pair of that very copy. So the taker has what the giver had.
 *  5  The giver deletes its data with the GIVE entry, and keeps the GIVEN row until the taker has
 *     logged TAKE and said so (settled): an answer that was lost is given again.
 *
 * Why it goes on
 *
 *  6  Every answer but NOT_YET is final and rests on what is applied, so no message does harm that
 *     comes late, twice or never; who has no answer asks again.
 *  7  Configs are applied without waiting for shards, so owners that wait for each other's shards
 *     all freeze what they lost, and answer.
 *  8  A tenure without custody does not hold up those after it. While PULLING it ends with the
 *     Config that takes the shard, and from then on says GONE. Where its group does not answer,
 *     the next owner asks the ones before it; and a keeper gives to the first that asks, be it the
 *     next owner or one after it. Who is passed over hears GONE from the giver, or from the taker
 *     that all is settled, should the giver be no more.
 *  9  What cannot go on is a shard whose keeper does not answer; one whose taker lost sight of the
 *     giver after that gave and before it heard so; and one whose very first owner never came up:
 *     nobody can know that it was never written.
 *
 * A group that has left is done when all its shards are given and settled: `holding` is 0 in
 * shards_status.
 */
#ifndef SHARDKV_HANDOFF_H
#define SHARDKV_HANDOFF_H

#include "replica/replica.h"
#include "router/router.h"
#include "shardkv/shards.h"

struct handoff;

struct handoff_options {
    struct shards *shards;      /* stays the caller's, outlives the handoff */
    struct router *router;      /* to the masters; stays the caller's; NULL with `fixed` */
    const struct config *fixed; /* static placement: the only Config there will ever be, of number
                                   1 or more; copied. NULL: ask the masters */
    uint64_t poll_ms;           /* between questions for a new Config; 0: 100 ms */
    uint64_t timeout_ms;        /* of one request to another group; 0: 2 s */
    size_t chunk_bytes;         /* of data in one chunk, the first pair aside */
};

struct handoff *handoff_new(const struct handoff_options *options);
void handoff_free(struct handoff *handoff); /* NULL is allowed */

/* To be called by the machine, each from its namesake in machine_ops. */
void handoff_restored(struct handoff *handoff, struct replica *replica);
void handoff_applied(struct handoff *handoff);
void handoff_lead(struct handoff *handoff, bool leads);

/* How the process finds the handoff of the replica that it hosts of a group. In its owner's
 * storage, which outlives rpc's last request. */
struct handoff_hosts {
    struct handoff *(*find)(void *ctx, group_id gid); /* NULL: this process hosts none */
    void *ctx;
};

/* Serves the methods of hand-off on one process's rpc. */
void handoff_serve(struct rpc *rpc, struct handoff_hosts *hosts);

#endif
