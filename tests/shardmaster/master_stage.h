/* master_stage: shardmasters on a stage, and clients of theirs on a node of their own, which call
 * by rpc as any client would. */
#ifndef TESTS_SHARDMASTER_MASTER_STAGE_H
#define TESTS_SHARDMASTER_MASTER_STAGE_H

#include "replica/stage.h"
#include "shardmaster/shardmaster.h"

struct master_client;

struct stage_options master_stage_options(size_t count);
/* Starts the masters and the clients' node; waits for a leader. */
struct stage *master_stage_up(uint64_t seed, const struct stage_options *options);
void master_stage_free(struct stage *stage);

/* One call at a time; repeated until a leader answers. */
struct master_client *client_new(struct stage *stage);
void client_free(struct master_client *client);

/* Begins; `finished` (may be NULL) fires at the end. op is copied but for its arrays, which are
 * lent. */
void client_operate(struct master_client *client, const struct master_op *op);
void client_query(struct master_client *client, int64_t num);
bool client_is_idle(const struct master_client *client);
/* Runs the simulation until the call has ended. */
void client_wait(struct master_client *client);
const struct master_reply *client_reply(const struct master_client *client);
const struct config *client_config(const struct master_client *client); /* of the last query */
/* Sends the last operation again, under its old number. */
void client_repeat(struct master_client *client);

/* A group of one address, "gN:1". */
struct group master_group(group_id gid, char (*address)[SF_ADDRESS_BYTES_MAX]);

#endif
