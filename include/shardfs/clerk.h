/* clerk: a client of a shardfs cluster for any C program: Get, Put, Append and more on keys of any
 * bytes, linearizable, each carried out exactly once.
 *
 *     #include <shardfs/clerk.h>
 *     #include <stdio.h>
 *
 *     int main(void)
 *     {
 *         struct clerk *clerk;
 *         struct clerk_result result;
 *         int error = clerk_open("127.0.0.1:7001,127.0.0.1:7002,127.0.0.1:7003", NULL, &clerk);
 *         if (error == 0)
 *             error = clerk_put(clerk, clerk_text("color"), clerk_text("red"));
 *         if (error == 0)
 *             error = clerk_get(clerk, clerk_text("color"), &result);
 *         if (error != 0)
 *             return fprintf(stderr, "%s\n", clerk_error_text(error)), 1;
 *         printf("%s\n", result.data);
 *         clerk_result_free(&result);
 *         clerk_close(clerk);
 *         return 0;
 *     }
 *
 *     cc hello.c $(pkg-config --cflags --libs shardfs)
 *
 * Errors. Every call returns 0 (SF_OK) or one of the negative codes of shardfs/error.h;
 * clerk_error_text says what they mean. Those to be ready for:
 *
 *   SF_NOT_FOUND      there is no such key. A Get then gives length 0
 *   SF_PRECONDITION   the condition of a conditional call does not hold; nothing was changed
 *   SF_TIMEOUT        the deadline passed; nothing was changed
 *   SF_UNKNOWN        it was sent, and no answer came before the deadline (or the cluster has
 *                     forgotten this client, which rested for an hour): it may have happened, or
 *                     may happen yet. The clerk settles that in the background before it sends
 *                     another change of the same key, so it never overtakes a later call
 *   SF_NO_SPACE       the cluster's disks are full
 *   SF_TOO_BIG        a key, value, append or result is larger than shardfs/limits.h allows
 *   SF_INVALID        a kind, a condition or a limit that there is not
 *   SF_IS_DIRECTORY   the key is a directory of the file system: nothing here changes it
 *
 * Deadlines. Without one (the default) a call waits until the cluster answers, however long that
 * takes. clerk_options.timeout_ms or clerk_request.timeout_ms sets one.
 *
 * Transactions. clerk_transact checks and changes several keys at once, wherever they are stored:
 * all of it happens, or nothing. See there.
 *
 * Consistency. A Get sees every change that returned before it began, of any clerk and any mount.
 * Values longer than 1 MiB are kept as a head of 1 MiB and extents of 1 MiB each: a Put of a whole
 * value shows all of it or nothing to a later Get, but a Get, a range read or a range write that
 * spans several of these is atomic for each of them, not for all together. An Append of up to
 * SF_APPEND_BYTES_MAX (longer ones are SF_TOO_BIG) happens whole at one moment or not at all, also
 * to a long value and whoever dies; so does a cut, which loses nothing that another clerk writes to
 * what is kept.
 *
 * References. A file that has several names in a mount is a value under a key of the cluster's own, and
 * each of its names that is a key is a reference to that (CLERK_REFERENCE in a SCAN). All calls on such
 * a key go on with the value, but these answer SF_IS_REFERENCE: a delete, which would leave the file
 * with a name too many (rm and shardctl take one away), and a transaction that changes it, whatever
 * the condition. The checks of a transaction are about the name itself, and so is the stat that comes
 * with its failure.
 *
 * Threads. A clerk belongs to one thread at a time and starts none of its own. SIGPIPE is ignored
 * in the process from the first clerk_open on. A clerk must not be used after fork().
 */
#ifndef SHARDFS_CLERK_H
#define SHARDFS_CLERK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shardfs/error.h"
#include "shardfs/limits.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CLERK_API __attribute__((visibility("default")))

struct clerk;

/* Bytes that the caller lends. Keys are 0 to SF_KEY_BYTES_MAX bytes, any bytes. */
struct clerk_bytes {
    const void *p; /* may be NULL where n is 0 */
    size_t n;
};

CLERK_API struct clerk_bytes clerk_bytes(const void *p, size_t n);
CLERK_API struct clerk_bytes clerk_text(const char *text); /* without the terminating 0 */

/* -- opening -------------------------------------------------------------------------------- */

struct clerk_options {
    uint64_t timeout_ms; /* deadline of each call that does not bring its own; 0: none */
};

/* A clerk of the cluster whose shardmasters are at "HOST:PORT,HOST:PORT,..."; of a cluster that has
 * none (static placement), any of its servers. Connects when it is first needed, so a cluster that
 * does not answer shows in the first call, not here. options: NULL or borrowed. SF_ADDRESS
 * (`masters` is not such a list), SF_IO. *out is untouched on failure. */
CLERK_API int clerk_open(const char *masters, const struct clerk_options *options,
                         struct clerk **out);
/* Calls that are still open end without on_done. Takes at most a tenth of a second. NULL is
 * allowed. */
CLERK_API void clerk_close(struct clerk *clerk);

/* "NOT_FOUND" and "no such key"; "?" for a number that is no error. Static texts. */
CLERK_API const char *clerk_error_name(int error);
CLERK_API const char *clerk_error_text(int error);

/* -- results -------------------------------------------------------------------------------- */

enum clerk_record { CLERK_VALUE = 1, CLERK_REFERENCE = 2, CLERK_DIRECTORY = 3 };

/* What is known of a key besides its bytes. All 0 where there is no such key. */
struct clerk_stat {
    enum clerk_record kind;
    uint64_t version;  /* changes with every change of the key; never repeats */
    uint64_t created;  /* given when the key was made; the inode number in a mount */
    uint64_t length;   /* of the whole value, bytes */
    uint64_t mtime_ns; /* last change of the value, since 1970 */
    uint64_t ctime_ns; /* last change of any kind */
};

struct clerk_name {
    const char *name; /* without the prefix; a 0 follows, and there may be others inside */
    size_t name_bytes;
    struct clerk_stat stat;
};

struct clerk_result {
    int status;               /* SF_OK or an error, as the call returns it */
    char *data;               /* `length` bytes and a 0; never NULL */
    size_t length;            /* 0 where the key was not found */
    uint64_t old_length;      /* APPEND: of the value before */
    struct clerk_stat stat;   /* of the key, on SF_OK after the call, on SF_PRECONDITION as it is */
    struct clerk_name *names; /* SCAN, sorted */
    size_t name_count;
    bool more;                  /* SCAN: there are further names after the last one */
    struct clerk_result *parts; /* transaction: one for each operation, in order; on SF_OK only */
    size_t part_count;
    size_t failed; /* transaction, where a part failed: its position, checks counted first */
};

/* Frees what is in it and leaves it empty. To be called once for every result that was filled,
 * whatever the status; also right for one that is all zeros. */
CLERK_API void clerk_result_free(struct clerk_result *result);

/* -- the usual calls: each waits for its answer --------------------------------------------- */

/* Where a result is returned, NULL says that it is not wanted. */

/* SF_NOT_FOUND with length 0 for a missing key. */
CLERK_API int clerk_get(struct clerk *clerk, struct clerk_bytes key, struct clerk_result *result);
/* Up to `length` bytes from `offset`; fewer only at the value's end. */
CLERK_API int clerk_get_range(struct clerk *clerk, struct clerk_bytes key, uint64_t offset,
                              uint64_t length, struct clerk_result *result);
CLERK_API int clerk_stat(struct clerk *clerk, struct clerk_bytes key, struct clerk_stat *stat);
CLERK_API int clerk_put(struct clerk *clerk, struct clerk_bytes key, struct clerk_bytes value);
/* At most SF_APPEND_BYTES_MAX. Makes the key where it is missing, as put and set_range do. result:
 * old_length. */
CLERK_API int clerk_append(struct clerk *clerk, struct clerk_bytes key, struct clerk_bytes value,
                           struct clerk_result *result);
/* value := decimal text of the 32-bit FNV-1a hash of (old value, given value). result: the old
 * value. */
CLERK_API int clerk_put_hash(struct clerk *clerk, struct clerk_bytes key, struct clerk_bytes value,
                             struct clerk_result *result);
/* Writes within the value; beyond its end it grows, with zeros in a gap. */
CLERK_API int clerk_set_range(struct clerk *clerk, struct clerk_bytes key, uint64_t offset,
                              struct clerk_bytes value);
/* Cuts the value, or lets it grow with zeros. */
CLERK_API int clerk_set_length(struct clerk *clerk, struct clerk_bytes key, uint64_t length);
/* SF_NOT_FOUND where there was none. */
CLERK_API int clerk_delete(struct clerk *clerk, struct clerk_bytes key);
/* The first `limit` (1..SF_SCAN_MAX) keys that begin with `prefix`, after the name `after` (empty:
 * from the first), sorted. Go on with the last name as `after` while result->more. */
CLERK_API int clerk_scan(struct clerk *clerk, struct clerk_bytes prefix, struct clerk_bytes after,
                         uint32_t limit, struct clerk_result *result);

/* -- conditions ----------------------------------------------------------------------------- */

enum clerk_condition_kind {
    CLERK_ALWAYS = 0,
    CLERK_IF_ABSENT,
    CLERK_IF_EXISTS,
    CLERK_IF_VERSION, /* stat.version is `id`: nothing changed it since */
    CLERK_IF_CREATED, /* stat.created is `id`: it was not deleted and made again since */
};

struct clerk_condition {
    enum clerk_condition_kind kind;
    uint64_t id;
};

/* SF_PRECONDITION, nothing changed and result->stat as it is, where the condition does not hold. */
CLERK_API int clerk_put_if(struct clerk *clerk, struct clerk_bytes key, struct clerk_bytes value,
                           struct clerk_condition condition, struct clerk_result *result);
CLERK_API int clerk_delete_if(struct clerk *clerk, struct clerk_bytes key,
                              struct clerk_condition condition, struct clerk_result *result);

/* -- any call ------------------------------------------------------------------------------- */

/*  kind         uses, besides key, condition, timeout_ms      result, besides status and stat
 *  GET          length: at most so many bytes; 0: all         data
 *  GET_RANGE    offset, length                                data
 *  STAT         -                                             -
 *  PUT          data                                          -
 *  APPEND       data; wants_old                               old_length; data: the old value
 *  PUT_HASH     data                                          data: the old value
 *  SET_RANGE    offset, data                                  -
 *  SET_LENGTH   length                                        -
 *  PUNCH_RANGE  offset, length: zeros, length unchanged       -
 *  DELETE       -                                             stat of what was deleted
 *  SCAN         key = prefix, data = after, length = limit    names, more
 *
 * A condition on a change of a value longer than 1 MiB is tested when its head is looked at and
 * again when that is changed; a SCAN takes none. */
enum clerk_kind {
    CLERK_GET = 1,
    CLERK_GET_RANGE,
    CLERK_STAT,
    CLERK_PUT,
    CLERK_APPEND,
    CLERK_PUT_HASH,
    CLERK_SET_RANGE,
    CLERK_SET_LENGTH,
    CLERK_PUNCH_RANGE,
    CLERK_DELETE,
    CLERK_SCAN,
};

struct clerk_request {
    enum clerk_kind kind;
    struct clerk_bytes key, data;
    uint64_t offset, length;
    struct clerk_condition condition;
    bool wants_old;      /* APPEND: values up to 1 MiB only, else SF_TOO_BIG */
    uint64_t timeout_ms; /* 0: the clerk's */
};

/* Waits for the answer and returns its status. result: NULL, or filled whatever the status. */
CLERK_API int clerk_do(struct clerk *clerk, const struct clerk_request *request,
                       struct clerk_result *result);

/* -- transactions ---------------------------------------------------------------------------- */

/* A minitransaction, after Sinfonia (Aguilera et al., SOSP 2007): conditions on some keys, and
 * changes of some keys, of any shards and groups. Either every condition holds (also those of the
 * changes themselves) and all changes happen at one moment, or nothing happens. A Get sees all of it
 * or nothing, and waits where a transaction is being decided; together with plain calls all
 * transactions have one order, in which each happened between its call and its answer.
 *
 *     struct clerk_request ops[2] = {
 *         {.kind = CLERK_PUT, .key = clerk_text("alice"), .data = clerk_text("90"),
 *          .condition = {CLERK_IF_VERSION, alice.version}},
 *         {.kind = CLERK_PUT, .key = clerk_text("bob"), .data = clerk_text("110"),
 *          .condition = {CLERK_IF_VERSION, bob.version}}};
 *     struct clerk_transaction both = {.ops = ops, .op_count = 2};
 *     error = clerk_transact(clerk, &both, NULL);
 *
 * SF_PRECONDITION (or SF_NOT_FOUND, SF_TOO_BIG, ...): nothing was changed; result->failed says
 * which part it was, result->stat how its key is. What is in each other's way is done one after the
 * other, none fails because of that. SF_UNKNOWN: as of any change; it is settled all or nothing, by
 * this clerk or, should it be gone, by the cluster within seconds. */
struct clerk_check {
    struct clerk_bytes key;
    struct clerk_condition condition;
};

struct clerk_transaction {
    const struct clerk_check *checks;
    size_t check_count;
    /* PUT, APPEND, PUT_HASH, SET_RANGE (within the first MiB) and DELETE, in this order where they
     * are on one key. Values to be appended to or hashed are at most 1 MiB, else SF_TOO_BIG. Their
     * timeout_ms are not looked at. */
    const struct clerk_request *ops;
    size_t op_count;     /* with check_count: 1 to SF_MINI_OPS_MAX */
    uint64_t timeout_ms; /* 0: the clerk's */
};

/* Waits for the answer and returns its status. result: NULL, or filled whatever the status. */
CLERK_API int clerk_transact(struct clerk *clerk, const struct clerk_transaction *transaction,
                             struct clerk_result *result);

/* -- asynchronous calls --------------------------------------------------------------------- */

/* Many calls may be open together. Calls on different keys are independent; calls on one key that
 * are open together take effect in any order, so wait for on_done where order matters.
 *
 *     for (;;) {
 *         struct pollfd fd = {.fd = clerk_fd(clerk), .events = POLLIN};
 *         poll(&fd, 1, clerk_timeout_ms(clerk));
 *         clerk_turn(clerk);
 *     }
 */
struct clerk_call;

/* on_done is called once, from clerk_turn, clerk_wait or any blocking call of this clerk, never
 * before the start returns. It may start and cancel calls, but not close the clerk or make a
 * blocking call. The bytes that the request points to are lent until then; the result is borrowed
 * until it returns. */
CLERK_API struct clerk_call *
clerk_start(struct clerk *clerk, const struct clerk_request *request,
            void (*on_done)(void *ctx, const struct clerk_result *result), void *ctx);
/* The same of a transaction. */
CLERK_API struct clerk_call *
clerk_start_transaction(struct clerk *clerk, const struct clerk_transaction *transaction,
                        void (*on_done)(void *ctx, const struct clerk_result *result), void *ctx);
/* on_done will not be called. A change that was sent may still happen; a later change of the same
 * key by this clerk waits until that is settled. Not to be used once on_done was called. */
CLERK_API void clerk_cancel(struct clerk_call *call);
CLERK_API size_t clerk_open_count(const struct clerk *clerk); /* calls without an answer so far */

CLERK_API int clerk_fd(const struct clerk *clerk); /* readable: call clerk_turn */
/* How long poll may wait at most before clerk_turn; 0: at once; -1: for ever. At most some
 * milliseconds while calls are open. */
CLERK_API int clerk_timeout_ms(struct clerk *clerk);
CLERK_API void clerk_turn(struct clerk *clerk); /* sends and handles what is ready; never waits */
CLERK_API void clerk_wait(struct clerk *clerk); /* the same, but waits until something happens */

#ifdef __cplusplus
}
#endif

#endif
