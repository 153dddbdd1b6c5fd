#include "shardkv/session.h"

#include <string.h>

#include "env/mark.h"
#include "shardkv/cache.h"
#include "shardkv/completion.h"
#include "shardkv/orphan.h"
#include "shardkv/range.h"
#include "shardkv/trash.h"
#include "shardkv/txn_table.h"

#define EVICT_LOOK_MAX 16 /* sessions looked at for one that owns nothing */

static void pack_session(struct buffer *b, const struct session *session)
{
    buffer_append(b, session->client, sizeof(session->client));
    buffer_put_u64(b, session->first_incomplete);
    buffer_put_u64(b, session->highest);
    buffer_put_u64(b, session->used_age_ns);
    buffer_put_u32(b, session->intents);
}

static bool unpack_session(struct slice bytes, struct session *session)
{
    struct reader r = reader_of(bytes);
    struct slice client = reader_bytes(&r, sizeof(session->client));
    session->first_incomplete = reader_u64(&r);
    session->highest = reader_u64(&r);
    session->used_age_ns = reader_u64(&r);
    session->intents = reader_u32(&r);
    if (!reader_done(&r))
        return false;
    memcpy(session->client, client.p, client.n);
    return true;
}

static bool load(struct access *access, uint64_t number, struct session *session)
{
    struct key key;
    struct draft_value value;
    if (cache_get_session(access->cache, access->copy, number, session))
        return true;
    keys_session(&key, access->copy, number);
    if (!draft_get(&access->draft, key_slice(&key), &value))
        return false;
    session->number = number;
    bool good = unpack_session(value.bytes, session);
    draft_put_back(&value);
    if (!good)
        draft_fail(&access->draft, SF_CORRUPT);
    return good;
}

static void save(struct access *access, const struct session *session)
{
    struct key key;
    struct buffer b = {0};
    keys_session(&key, access->copy, session->number);
    pack_session(&b, session);
    draft_put(&access->draft, key_slice(&key), buffer_slice(&b));
    buffer_deinit(&b);
    cache_put_session(access->cache, access->copy, session);
}

/* The session is being used: X3. */
static void use(struct access *access, struct session *session)
{
    struct key key;
    uint64_t age_ns = access->meta.age_ns;
    if (age_ns - session->used_age_ns < access->limits->session_step_ns)
        return;
    keys_idle(&key, access->copy, session->used_age_ns, session->number);
    draft_delete(&access->draft, key_slice(&key));
    session->used_age_ns = age_ns;
    keys_idle(&key, access->copy, age_ns, session->number);
    draft_put(&access->draft, key_slice(&key), slice_of(NULL, 0));
}

/* Drops the completion records in [from, to). */
static void drop_completions(struct access *access, const struct session *session, uint64_t from,
                             uint64_t to)
{
    struct key key;
    if (to > session->highest + 1)
        to = session->highest + 1;
    for (uint64_t sequence = from; sequence < to; sequence++) {
        keys_completion(&key, access->copy, session->number, sequence);
        draft_delete(&access->draft, key_slice(&key));
    }
}

static void advance(struct access *access, struct session *session, uint64_t first_incomplete)
{
    if (first_incomplete <= session->first_incomplete)
        return;
    drop_completions(access, session, session->first_incomplete, first_incomplete);
    session->first_incomplete = first_incomplete;
}

static void drop(struct access *access, const struct session *session)
{
    struct key key;
    drop_completions(access, session, session->first_incomplete, UINT64_MAX);
    if (session->intents > 0)
        intent_trash_all(access, session->number);
    keys_client(&key, access->copy, slice_of(session->client, sizeof(session->client)));
    draft_delete(&access->draft, key_slice(&key));
    keys_idle(&key, access->copy, session->used_age_ns, session->number);
    draft_delete(&access->draft, key_slice(&key));
    keys_session(&key, access->copy, session->number);
    draft_delete(&access->draft, key_slice(&key));
    access->meta.session_count--;
    cache_drop_session(access->cache, access->copy, session->number);
}

/* -- opening and closing ------------------------------------------------------------------- */

static struct store_iter *iterate_idle(struct access *access)
{
    struct key prefix;
    keys_section(&prefix, access->copy, 'u');
    return keys_iterate(access->draft.space, &prefix);
}

/* The session that an entry of section 'u' names. */
static bool load_idle(struct access *access, const struct store_iter *iter, struct session *session)
{
    struct reader r = reader_of(keys_rest(store_iter_key(iter)));
    (void)reader_u64_big(&r);
    uint64_t number = reader_u64_big(&r);
    if (reader_done(&r) && load(access, number, session))
        return true;
    draft_fail(&access->draft, SF_CORRUPT);
    return false;
}

/* Intents, locks of a transaction that it prepared, or orphans. */
static bool owns_something(struct access *access, const struct session *session)
{
    return session->intents > 0 ||
           (access->txns != NULL && txn_table_has_session(access->txns, session->number)) ||
           orphan_is_of(access, session->number);
}

/* Makes room: of those idle longest, the first that owns nothing; else the very first. */
static void evict(struct access *access)
{
    struct session session, chosen = {0};
    struct store_iter *iter = iterate_idle(access);
    for (int i = 0; i < EVICT_LOOK_MAX && store_iter_valid(iter); i++) {
        if (!load_idle(access, iter, &session))
            break;
        bool owns = owns_something(access, &session);
        if (i == 0 || !owns)
            chosen = session;
        if (!owns)
            break;
        store_iter_next(iter);
    }
    draft_end_iter(&access->draft, iter);
    if (chosen.number == 0)
        return;
    SF_MARK("session: dropped to make room for another");
    drop(access, &chosen);
}

/* The session of a client id; 0: none. */
static uint64_t find_client(struct access *access, const struct key *client)
{
    struct draft_value value;
    if (!draft_get(&access->draft, key_slice(client), &value))
        return 0;
    struct reader r = reader_of(value.bytes);
    uint64_t number = reader_u64(&r);
    if (!reader_done(&r))
        draft_fail(&access->draft, SF_CORRUPT);
    draft_put_back(&value);
    return number;
}

static void open_new(struct access *access, struct slice client_id, const struct key *client)
{
    struct session session = {.number = access->meta.next_session++,
                              .first_incomplete = 1,
                              .used_age_ns = access->meta.age_ns};
    struct buffer b = {0};
    struct key idle;
    memcpy(session.client, client_id.p, sizeof(session.client));
    if (access->meta.session_count >= access->limits->sessions_max)
        evict(access);
    access->meta.session_count++;
    save(access, &session);
    buffer_put_u64(&b, session.number);
    draft_put(&access->draft, key_slice(client), buffer_slice(&b));
    buffer_deinit(&b);
    keys_idle(&idle, access->copy, session.used_age_ns, session.number);
    draft_put(&access->draft, key_slice(&idle), slice_of(NULL, 0));
}

void session_open(struct access *access, struct slice client_id, struct kv_reply *reply)
{
    struct key client;
    struct session session;
    *reply = (struct kv_reply){0};
    if (range_is_barred(access, range_holder_of(client_id))) {
        reply->status = SF_FENCED;
        return;
    }
    keys_client(&client, access->copy, client_id);
    uint64_t number = find_client(access, &client);
    if (number != 0 && load(access, number, &session)) {
        SF_MARK("session: opened twice by one client");
        use(access, &session);
        save(access, &session);
        reply->session = number;
        return;
    }
    reply->session = access->meta.next_session;
    open_new(access, client_id, &client);
}

void session_close(struct access *access, uint64_t number, struct kv_reply *reply)
{
    struct session session;
    *reply = (struct kv_reply){0};
    if (load(access, number, &session))
        drop(access, &session);
}

void session_close_all(struct access *access, uint64_t holder)
{
    struct key prefix;
    struct buffer id = {0};
    struct session session;
    buffer_put_u64(&id, holder);
    keys_client(&prefix, access->copy, buffer_slice(&id));
    buffer_deinit(&id);
    struct store_iter *iter = keys_iterate(access->draft.space, &prefix);
    for (; store_iter_valid(iter); store_iter_next(iter)) {
        struct reader r = reader_of(store_iter_value(iter));
        uint64_t number = reader_u64(&r);
        if (!load(access, number, &session)) {
            draft_fail(&access->draft, SF_CORRUPT);
            break;
        }
        drop(access, &session);
    }
    draft_end_iter(&access->draft, iter);
}

/* -- around a mutation --------------------------------------------------------------------- */

static void answer_status(struct buffer *answer, int status)
{
    completion_pack(answer, &(struct kv_reply){.status = status});
}

static bool find_completion(struct access *access, const struct session *session, uint64_t sequence,
                            struct buffer *answer)
{
    struct key key;
    struct draft_value value;
    if (sequence > session->highest)
        return false;
    keys_completion(&key, access->copy, session->number, sequence);
    if (!draft_get(&access->draft, key_slice(&key), &value))
        return false;
    buffer_set(answer, value.bytes);
    draft_put_back(&value);
    return true;
}

/* Is the number one that may be executed? Else `answer` says why not, or what it did. */
static bool is_new(struct access *access, const struct session *session, uint64_t sequence,
                   struct buffer *answer)
{
    if (sequence < session->first_incomplete) {
        SF_MARK("session: late request below the first incomplete number");
        answer_status(answer, sequence == 0 ? SF_INVALID : SF_STALE);
    } else if (find_completion(access, session, sequence, answer)) {
        SF_MARK("session: duplicate answered from its completion record");
    } else if (sequence - session->first_incomplete >= SF_SESSION_OPEN_MAX) {
        answer_status(answer, SF_SESSIONS_FULL);
    } else {
        return true;
    }
    return false;
}

static bool enter(struct access *access, const struct kv_session *asked, uint64_t sequence,
                  struct session *session, struct buffer *answer)
{
    if (!load(access, asked->session, session)) {
        answer_status(answer, SF_SESSION_EXPIRED);
        return false;
    }
    advance(access, session, asked->first_incomplete);
    use(access, session);
    if (is_new(access, session, sequence, answer))
        return true;
    save(access, session);
    return false;
}

enum session_verdict session_begin(struct access *access, const struct kv_session *asked,
                                   struct session *session, struct buffer *answer)
{
    if (!enter(access, asked, asked->sequence, session, answer))
        return SESSION_ANSWERED;
    access->session = access->owner = session->number;
    access->intents = session->intents;
    return SESSION_EXECUTE;
}

void session_leave_open(struct access *access, struct session *session)
{
    save(access, session);
}

void session_record(struct access *access, struct session *session, uint64_t sequence,
                    struct slice completion)
{
    struct key key;
    keys_completion(&key, access->copy, session->number, sequence);
    draft_put_new(&access->draft, key_slice(&key), completion);
    if (sequence > session->highest)
        session->highest = sequence;
    session->intents = access->intents;
    save(access, session);
}

void session_abandon(struct access *access, const struct kv_session *asked, uint64_t sequence,
                     struct buffer *answer)
{
    struct session session;
    if (!enter(access, asked, sequence, &session, answer))
        return;
    SF_MARK("session: request abandoned before it came");
    access->intents = session.intents;
    answer_status(answer, SF_ABANDONED);
    session_record(access, &session, sequence, buffer_slice(answer));
}

/* -- for who knows a number, but is not its client ------------------------------------------- */

bool session_find_completion(struct access *access, uint64_t number, uint64_t sequence,
                             struct buffer *answer)
{
    struct session session;
    return load(access, number, &session) && sequence >= session.first_incomplete &&
           find_completion(access, &session, sequence, answer);
}

void session_replace_completion(struct access *access, uint64_t number, uint64_t sequence,
                                struct slice completion)
{
    struct key key;
    struct buffer old = {0};
    if (session_find_completion(access, number, sequence, &old)) {
        keys_completion(&key, access->copy, number, sequence);
        draft_put(&access->draft, key_slice(&key), completion);
    }
    buffer_deinit(&old);
}

bool session_take_intent(struct access *access, uint64_t number)
{
    struct session session;
    if (!load(access, number, &session))
        return false;
    session.intents++;
    save(access, &session);
    return true;
}

bool session_is_there(struct access *access, uint64_t number)
{
    struct session session;
    return load(access, number, &session);
}

/* -- time ---------------------------------------------------------------------------------- */

size_t session_drop_idle(struct access *access, size_t limit)
{
    struct session session;
    size_t dropped = 0;
    struct store_iter *iter = iterate_idle(access);
    for (; dropped < limit && store_iter_valid(iter); store_iter_next(iter), dropped++) {
        if (!load_idle(access, iter, &session))
            break;
        if (access->meta.age_ns - session.used_age_ns < access->limits->session_idle_ns)
            break;
        SF_MARK("session: expired");
        drop(access, &session);
    }
    draft_end_iter(&access->draft, iter);
    return dropped;
}
