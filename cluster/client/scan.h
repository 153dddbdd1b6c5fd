/* scan: the names of the plain keys, of all groups together, page by page in order.
 *
 * A page is asked of every group at once, for the shards that it has. Each group's part is a
 * snapshot of that group; a page as a whole is not, and neither are two pages.
 */
#ifndef CLIENT_SCAN_H
#define CLIENT_SCAN_H

#include "client/client.h"

struct scan_call {
    /* As client_call's. What is out is set on SF_OK, until return. */
    void (*on_done)(struct scan_call *call, int status);
    struct slice prefix; /* lent until on_done or cancel, as after */
    struct slice after;  /* a name without the prefix; empty: from the first */
    uint32_t limit;      /* 1..SF_SCAN_MAX */
    /* A group is asked for its share of the page and some more, not for all of it: a page may have
     * less than `limit` where there is more. */
    bool may_be_short;
    uint64_t timeout_ms; /* 0: none */
    /* out */
    const struct kv_entry *entries; /* sorted by name, which is without the prefix */
    size_t count;                   /* <= limit; > 0 where there is more */
    bool more;                      /* there may be further names, after the last one */
    uint64_t changed_ns;            /* when the set of all plain keys changed last; 0: never */
    void *state;                    /* the scan's own */
};

void scan_submit(struct client *client, struct scan_call *call);
void scan_cancel(struct scan_call *call);
void scan_free_all(struct client *client);

#endif
