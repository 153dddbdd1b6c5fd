/* shardmaster: the configuration service: a machine whose state is every Config there ever was, and
 * its four methods.
 *
 * Each method's result is an array [status, leader, payload]:
 *
 *   method         params   payload where status is SF_OK
 *   master.query   [num]    the Config (codec_pack_config); num -1 or too large: the newest,
 *                           linearizable
 *   master.join    [op]     the reply (codec_pack_master_reply); op as codec_pack_master_op packs
 *   master.leave   [op]     it, and of the kind that the method names. reply.status is the
 *   master.move    [op]     operation's own (SF_GROUP_EXISTS, SF_NO_GROUP, SF_STALE, ...)
 *
 * A second param, true, asks a replica that does not lead to pass it on to the one that does, for
 * callers that do not reach that one.
 *
 *   status   int. SF_OK: the payload is there. Else it is nil and nothing is known to have
 *            happened: SF_NOT_LEADER (ask `leader`; an operation may still be committed: send it
 *            again under the same client id and sequence), SF_OVERLOADED, SF_NO_SPACE (ask again
 *            later).
 *   leader   str. Address of the replica that is thought to lead the masters; "" where unknown.
 *
 * Params that break the form get an error reply (SF_PROTOCOL, SF_TOO_BIG, SF_INVALID). A query of a
 * number that a replica already has is answered by any replica: Configs never change.
 *
 * Exactly once: an operation names (client id, sequence). The reply of the newest sequence of each
 * client is kept; the same number again gets the same reply, a lower one SF_STALE. At most
 * SHARDMASTER_CLIENTS_MAX clients are remembered, those dropped first that were silent longest.
 */
#ifndef SHARDMASTER_SHARDMASTER_H
#define SHARDMASTER_SHARDMASTER_H

#include "proto/codec.h"
#include "replica/replica.h"

#define SHARDMASTER_CLIENTS_MAX 4096u

/* For replica_options.machine of group 0. The number of shards and the routing are the replica's.
 */
struct machine *shardmaster_new(void);
/* Answers the methods on the replica's rpc: after host_add, before host_start. */
void shardmaster_serve(struct machine *machine);

#endif
