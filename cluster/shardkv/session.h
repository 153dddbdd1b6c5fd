/* session: exactly once, after RIFL (Lee et al., SOSP 2015).
 *
 * A session belongs to one client and one shard and stands in the shard's copy. A mutation names
 * (session, sequence, first incomplete); its reply, the completion record, is written in the same
 * batch as its effect and kept until the first incomplete number passes it.
 *
 *   's'  session number      client id (16 bytes), u64 first incomplete, u64 highest,
 *                            u64 used age, u32 intents
 *   'i'  client id           u64 session number
 *   'c'  session, sequence   completion.h
 *   'u'  used age, session   nothing: sessions in the order in which they were used last
 *
 *  X1  Completion records stand only for numbers in [first_incomplete, highest], and
 *      highest < first_incomplete + SF_SESSION_OPEN_MAX. A client that counts its open requests
 *      never meets that limit: it tells its first incomplete number with each (client/txn.h says
 *      what rests on it).
 *  X2  's', 'i' and 'u' of a session are there together, and session_count of the meta counts them.
 *  X3  used_age_ns is behind the true age of the last use by less than limits.session_step_ns: so
 *      the order is kept without a write for each request.
 */
#ifndef SHARDKV_SESSION_H
#define SHARDKV_SESSION_H

#include "shardkv/access.h"

struct session {
    uint64_t number;
    uint8_t client[KV_CLIENT_BYTES];
    uint64_t first_incomplete; /* >= 1 */
    uint64_t highest;          /* largest number with a completion record ever; 0: none */
    uint64_t used_age_ns;      /* X3 */
    uint32_t intents;          /* that it owns (trash.h) */
};

/* -- the requests about sessions; none of them leaves a completion record of its own --------- */

/* The session of a client: the same number again for the same id. Where the shard has
 * limits.sessions_max, the one that was idle longest makes room. SF_FENCED: range.h. */
void session_open(struct access *access, struct slice client_id, struct kv_reply *reply);
/* Also of one that is not there: SF_OK. */
void session_close(struct access *access, uint64_t session, struct kv_reply *reply);
/* Closes every session of a client, whatever shard or life (range.h): those whose ids begin with
 * these 8 bytes, little-endian. The entry is a SWEEP. */
void session_close_all(struct access *access, uint64_t holder);
/* The fate of a number: its completion record into `answer`; where there is none SF_ABANDONED,
 * which is recorded, so that the request does nothing when it comes. */
void session_abandon(struct access *access, const struct kv_session *asked, uint64_t sequence,
                     struct buffer *answer);

/* -- for who knows a number, but is not its client ------------------------------------------- */

/* The completion record of a number into `answer`, if it stands. */
SF_MUST_CHECK bool session_find_completion(struct access *access, uint64_t session,
                                           uint64_t sequence, struct buffer *answer);
/* Replaces it, if it stands. */
void session_replace_completion(struct access *access, uint64_t session, uint64_t sequence,
                                struct slice completion);
/* The session owns one intent more; false: there is no such session. */
SF_MUST_CHECK bool session_take_intent(struct access *access, uint64_t session);

bool session_is_there(struct access *access, uint64_t session);

/* -- around a mutation --------------------------------------------------------------------- */

enum session_verdict {
    SESSION_EXECUTE,  /* it is new: execute it, then session_record */
    SESSION_ANSWERED, /* `answer` holds the completion record, or why it is refused without a trace:
                         SF_SESSION_EXPIRED, SF_STALE, SF_SESSIONS_FULL, SF_INVALID */
};
/* Sets access->session and intents where it is to be executed. Fills *session only then. */
SF_MUST_CHECK enum session_verdict session_begin(struct access *access,
                                                 const struct kv_session *asked,
                                                 struct session *session, struct buffer *answer);
/* It was begun and will not be recorded: the number stays as it was. */
void session_leave_open(struct access *access, struct session *session);
void session_record(struct access *access, struct session *session, uint64_t sequence,
                    struct slice completion);

/* -- time ---------------------------------------------------------------------------------- */

/* Drops sessions that were idle for limits.session_idle_ns, at most `limit`; how many. */
size_t session_drop_idle(struct access *access, size_t limit);

#endif
