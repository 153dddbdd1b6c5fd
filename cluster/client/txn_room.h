/* txn_room: how many transactions over several shards a client has open with the same groups.
 *
 * A transaction holds a number in the session of each of its shards until its end. Where one of its
 * groups is out of reach that is long, and meanwhile its numbers in the shards of the others are not
 * to be had. So transactions with one and the same set of groups may have a quarter of a window;
 * those beyond wait, in order, and hold nothing.
 */
#ifndef CLIENT_TXN_ROOM_H
#define CLIENT_TXN_ROOM_H

#include "client/txn_parts.h"

/* Those with the same groups. */
struct txn_room {
    struct client *client;
    group_id gids[SF_MINI_OPS_MAX]; /* ascending, `count` of them */
    size_t count;
    unsigned open;       /* transactions, at most a quarter of the client's window */
    struct txn *waiting; /* in the order in which they came */
    struct env_timer timer;
    UT_hash_handle hh;
};

/* Once there is room, txn_admitted: at once, or in a later turn. */
void txn_room_enter(struct txn *txn);
/* It has come to its end, or waits no more. */
void txn_room_leave(struct txn *txn);

/* txn.c: goes on. */
void txn_admitted(struct txn *txn);

#endif
