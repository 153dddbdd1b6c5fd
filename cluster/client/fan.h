/* fan: one kind of step on each extent of a byte range, several at a time.
 *
 * The range is cut at extents into pieces. `prepare` fills a piece's operation or passes it over;
 * the answer goes to `answered`, which ends the piece, fails the fan, or has prepared a second
 * operation. When all pieces have ended, or one has failed and the others were cancelled, `on_done`
 * tells.
 */
#ifndef CLIENT_FAN_H
#define CLIENT_FAN_H

#include "client/client.h"

#define FAN_WIDTH 8u
#define FAN_MORE 1 /* answered: the piece has another operation to send */

struct fan;

struct fan_piece {
    uint64_t offset; /* in the value; at least SF_EXTENT_BYTES */
    uint64_t extent;
    uint32_t at, n; /* within the extent; at + n <= SF_EXTENT_BYTES, n > 0 */
    struct kv_op op;
    uint8_t key[KV_EXTENT_KEY_BYTES];
    struct buffer bytes; /* for `prepare` and `answered` to use; freed with the fan */
    struct client_call call;
    struct fan *fan;
    bool open;
};

struct fan_work {
    /* False: nothing is to be done for this piece. `op` is zero, its space and key unset. */
    bool (*prepare)(struct fan *fan, struct fan_piece *piece);
    /* SF_OK, FAN_MORE or an error. reply is NULL where no group answered. */
    int (*answered)(struct fan *fan, struct fan_piece *piece, int status,
                    const struct kv_reply *reply);
};

struct fan {
    struct client *client;
    const struct fan_work *work;
    void (*on_done)(struct fan *fan, int status);
    void *owner;
    uint64_t next, end;     /* of the bytes that are not cut into pieces yet */
    uint64_t deadline_ms;   /* 0: none */
    uint64_t send_until_ms; /* of mutations: client_call's; 0: none. May be moved at any time */
    unsigned open;          /* pieces under way */
    bool touched;           /* out: a mutation was sent, or may have been */
    struct env_timer timer;
    struct fan_piece pieces[FAN_WIDTH];
};

struct fan *fan_new(struct client *client, void *owner);
void fan_free(struct fan *fan); /* NULL is allowed; cancels what is open */
/* Bytes from .. end - 1 of the value, from >= SF_EXTENT_BYTES; none is fine. on_done fires later.
 * No other run may be under way. */
void fan_start(struct fan *fan, const struct fan_work *work, uint64_t from, uint64_t end,
               void (*on_done)(struct fan *fan, int status));
void fan_cancel(struct fan *fan); /* on_done will not fire */
/* Names the extent that the piece's operation is about. */
void fan_set_key(struct fan_piece *piece, uint64_t data_id);

#endif
