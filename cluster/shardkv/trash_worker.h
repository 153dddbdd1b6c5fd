/* trash_worker: how a group's leader removes the extents that its shards' trash lists, as a client
 * of the shards where they stand.
 *
 *   RESTING --timer, something is due--> REMOVING --all answered--> FORGETTING --applied--> RESTING
 *
 * Everything up to the end that the trash records is looked for; beyond it (trash.open) only while
 * something is found. What fails is begun again after a rest; what succeeds is followed by the next
 * at once. Deleting an extent twice does no harm, so nothing here is remembered.
 */
#ifndef SHARDKV_TRASH_WORKER_H
#define SHARDKV_TRASH_WORKER_H

#include "shardkv/machine.h"

/* machine: lent until trash_worker_free; its service is there as long. */
struct trash_worker *trash_worker_new(struct kv_machine *machine);
void trash_worker_free(struct trash_worker *worker); /* NULL is allowed */
void trash_worker_lead(struct trash_worker *worker, bool leads);

#endif
