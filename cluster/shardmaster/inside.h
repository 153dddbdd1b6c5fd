/* inside: what the files of this room share. */
#ifndef SHARDMASTER_INSIDE_H
#define SHARDMASTER_INSIDE_H

#include "shardmaster/shardmaster.h"

struct service_call;

struct shardmaster {
    struct machine machine;     /* first */
    struct config *zero;        /* Config 0 */
    struct config *newest;      /* of the newest batch in the store */
    struct config *staged;      /* the newest when the entry being applied is written, or NULL */
    struct service_call *calls; /* requests not yet answered */
};

struct shardmaster *shardmaster_of(struct machine *machine);
/* Config `num`, or the newest for -1 and for what is beyond it. *out is the caller's. */
SF_MUST_CHECK int shardmaster_config(const struct shardmaster *m, int64_t num, struct config **out);
void service_deinit(struct shardmaster *m);

#endif
