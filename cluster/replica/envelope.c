#include "replica/envelope.h"

#include <string.h>

#define ENVELOPE_VERSION 1u
#define ENVELOPE_HEAD_BYTES 10u

struct payload *envelope_new(enum envelope_kind kind, uint64_t time_ns, struct slice body)
{
    struct payload *payload = payload_alloc(ENVELOPE_HEAD_BYTES + body.n);
    payload->data[0] = ENVELOPE_VERSION;
    payload->data[1] = (uint8_t)kind;
    for (unsigned i = 0; i < 8; i++)
        payload->data[2 + i] = (uint8_t)(time_ns >> (8 * i));
    if (body.n > 0)
        memcpy(payload->data + ENVELOPE_HEAD_BYTES, body.p, body.n);
    return payload;
}

bool envelope_open(const struct payload *payload, struct envelope *out)
{
    struct reader r = reader_of(payload_slice(payload));
    uint8_t version = reader_u8(&r);
    uint8_t kind = reader_u8(&r);
    uint64_t time_ns = reader_u64(&r);
    if (!reader_ok(&r) || version != ENVELOPE_VERSION || kind > ENVELOPE_BODY)
        return false;
    *out = (struct envelope){.kind = (enum envelope_kind)kind,
                             .time_ns = time_ns,
                             .body = reader_bytes(&r, reader_left(&r))};
    return true;
}
