/* envelope: what a log entry's payload is: u8 version = 1, u8 kind, u64 time_ns, body. */
#ifndef REPLICA_ENVELOPE_H
#define REPLICA_ENVELOPE_H

#include "consensus/consensus.h"

enum envelope_kind { ENVELOPE_NOOP = 0, ENVELOPE_BODY = 1 };

struct envelope {
    enum envelope_kind kind;
    uint64_t time_ns;
    struct slice body; /* borrowed from the payload */
};

/* One reference, the caller's. */
struct payload *envelope_new(enum envelope_kind kind, uint64_t time_ns, struct slice body);
/* False: written by a newer version, or damaged. */
SF_MUST_CHECK bool envelope_open(const struct payload *payload, struct envelope *out);

#endif
