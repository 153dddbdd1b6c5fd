/* Frames are [0, id, method, params], [1, id, error, result] and [2, method, params]; the params of
 * the notification "consensus" are [gid, likeness, from, to, low, needs, [type, ...]]. */
#include "suites/traffic.h"

#include <string.h>

#include "consensus/consensus.h"

/* One of our own, so it has this form. */
static uint64_t next_number(struct reader *r)
{
    uint8_t head = reader_u8(r);
    uint64_t value = head;
    size_t bytes = 0;
    if (head >= 0xcc && head <= 0xcf) {
        bytes = (size_t)1 << (head - 0xcc);
        value = 0;
    }
    for (size_t i = 0; i < bytes; i++)
        value = value << 8 | reader_u8(r);
    return value;
}

static bool next_is_consensus(struct reader *r)
{
    static const char name[] = "consensus";
    size_t n = reader_u8(r) & 0x1fu;
    struct slice method = reader_bytes(r, n);
    return slice_equal(method, slice_str(name));
}

static bool is_peer_answer(struct reader *r)
{
    (void)reader_u8(r); /* the array of params */
    for (int i = 0; i < 6; i++)
        (void)next_number(r); /* a bool is one byte, as are small numbers */
    (void)reader_u8(r);
    uint64_t type = next_number(r);
    sf_assert(reader_ok(r) && type > 0 && type < MSG_TYPE_LIMIT);
    return type == MSG_PRE_VOTE_REPLY || type == MSG_VOTE_REPLY || type == MSG_APPEND_REPLY ||
           type == MSG_HEARTBEAT_REPLY || type == MSG_SNAPSHOT_REPLY || type == MSG_PROMISE ||
           type == MSG_ACCEPTED;
}

enum traffic traffic_of(struct slice message)
{
    struct reader r = reader_of(message);
    (void)reader_u8(&r);
    uint8_t kind = reader_u8(&r);
    sf_assert(reader_ok(&r) && kind <= 2);
    if (kind < 2)
        return kind == 0 ? TRAFFIC_CALL : TRAFFIC_ANSWER;
    return next_is_consensus(&r) && is_peer_answer(&r) ? TRAFFIC_PEER_ANSWER : TRAFFIC_PEER_REQUEST;
}

bool traffic_is_request(enum traffic traffic)
{
    return traffic == TRAFFIC_CALL || traffic == TRAFFIC_PEER_REQUEST;
}
