#include "client/txn_room.h"

#include "env/mark.h"

#define ROOM_MIN 2u

static bool has_space(const struct txn_room *room)
{
    unsigned quarter = room->client->window / 4;
    return room->open < (quarter < ROOM_MIN ? ROOM_MIN : quarter);
}

static void admit(struct txn *txn)
{
    txn->room->open++;
    txn_admitted(txn);
}

/* In a turn of its own: whoever leaves may be in the middle of something. */
static void on_timer(struct env_timer *timer)
{
    struct txn_room *room = container_of(timer, struct txn_room, timer);
    while (room->waiting && has_space(room)) {
        struct txn *txn = room->waiting;
        DL_DELETE(room->waiting, txn);
        admit(txn);
    }
}

static void add_gid(struct txn_room *room, group_id gid)
{
    size_t at = 0;
    while (at < room->count && room->gids[at] < gid)
        at++;
    if (at < room->count && room->gids[at] == gid)
        return;
    memmove(&room->gids[at + 1], &room->gids[at], (room->count - at) * sizeof gid);
    room->gids[at] = gid;
    room->count++;
}

/* gid 0 is that of shards that nobody owns. */
static struct txn_room *find_or_make(struct client *client, const struct txn *txn)
{
    const struct config *config = router_config(client->router);
    struct txn_room wanted = {0}, *room;
    for (size_t i = 0; i < txn->count; i++)
        add_gid(&wanted, config->shards[txn->parts[i].shard]);
    HASH_FIND(hh, client->txn_rooms, wanted.gids, wanted.count * sizeof(group_id), room);
    if (room)
        return room;
    room = sf_calloc(1, sizeof *room);
    *room = wanted;
    room->client = client;
    env_timer_init(client->env, &room->timer, on_timer);
    HASH_ADD_KEYPTR(hh, client->txn_rooms, room->gids, room->count * sizeof(group_id), room);
    return room;
}

void txn_room_enter(struct txn *txn)
{
    txn->room = find_or_make(txn->op->client, txn);
    if (!txn->room->waiting && has_space(txn->room)) {
        admit(txn);
        return;
    }
    SF_MARK("client: transaction waits for others with its groups");
    txn->phase = TXN_WAITING;
    DL_APPEND(txn->room->waiting, txn);
}

void txn_room_leave(struct txn *txn)
{
    struct txn_room *room = txn->room;
    if (txn->phase == TXN_WAITING)
        DL_DELETE(room->waiting, txn);
    else
        room->open--;
    if (room->waiting) {
        env_timer_start_ms(&room->timer, 0);
    } else if (room->open == 0) {
        env_timer_stop(&room->timer);
        HASH_DEL(room->client->txn_rooms, room);
        free(room);
    }
}
