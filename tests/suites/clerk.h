/* clerk: a client of a system, whose calls wait for their answers (in fibers).
 *
 * Each clerk is a process on a node of its own. It knows all servers, and calls those that it is
 * linked to. One call at a time.
 */
#ifndef TESTS_SUITES_CLERK_H
#define TESTS_SUITES_CLERK_H

#include "linear/linear.h"
#include "proto/kv.h"
#include "suites/system.h"

struct clerk;

struct clerk *clerk_new(struct system *system); /* linked to every server */
/* Its process ends, in good order; an open call never returns. */
void clerk_free(struct clerk *clerk);
void clerks_free(struct system *system);             /* for the system's own end */
struct clerk *clerk_next(const struct clerk *clerk); /* of all that were made; NULL: the last */

void clerk_link(struct clerk *clerk, const struct server *server, bool linked); /* both ways */
/* To these alone. */
void clerk_link_only(struct clerk *clerk, struct server *const *servers, size_t count);
/* What follows is noted under this number. history: borrowed; NULL: not any more. */
void clerk_note(struct clerk *clerk, struct linear_history *history, uint32_t number);

/* key: text. value: replaced (empty where the key is missing); NULL where nobody wants it. */
bool clerk_get(struct clerk *clerk, const char *key, struct buffer *value); /* is it there? */
void clerk_put(struct clerk *clerk, const char *key, struct slice value);
void clerk_put_text(struct clerk *clerk, const char *key, const char *value);
/* Answers the length after it. old: the value before. */
uint64_t clerk_append(struct clerk *clerk, const char *key, struct slice value, struct buffer *old);
void clerk_append_text(struct clerk *clerk, const char *key, const char *value);
void clerk_put_hash(struct clerk *clerk, const char *key, struct slice value, struct buffer *old);

/* Get must give exactly this; "" also where the key is missing. */
void clerk_check(struct clerk *clerk, const char *key, struct slice value);
void clerk_check_text(struct clerk *clerk, const char *key, const char *value);

/* Sends a request to one server, once, without looking where it belongs. Answers the status of the
 * reply, SF_UNREACHABLE or SF_UNKNOWN. */
int clerk_ask(struct clerk *clerk, const struct server *server, const struct kv_request *request,
              struct buffer *value);

/* -- the masters --------------------------------------------------------------------------- */

/* Status of the operation: SF_OK, SF_GROUP_EXISTS, SF_NO_GROUP, ... */
int clerk_join(struct clerk *clerk, const struct group *groups, size_t count);
int clerk_leave(struct clerk *clerk, const group_id *gids, size_t count);
int clerk_move(struct clerk *clerk, uint32_t shard, group_id gid);
struct config *clerk_query(struct clerk *clerk, int64_t num); /* the caller's */

/* -- text ---------------------------------------------------------------------------------- */

/* Formatted, in one of 16 places that are used in turn: for an argument of one of the calls above,
 * which copy it before they wait. */
const char *text(const char *format, ...) SF_PRINTF(1, 2);

#endif
