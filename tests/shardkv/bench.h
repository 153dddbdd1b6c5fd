/* bench: one shard on the memory store, to which a test applies entries by hand: no log, no
 * network.
 *
 * Requests take the way that they take in a replica: packed as a log entry, unpacked, applied into
 * a batch, the batch written, the answer unpacked.
 */
#ifndef TESTS_SHARDKV_BENCH_H
#define TESTS_SHARDKV_BENCH_H

#include "shardkv/apply.h"
#include "shardkv/range_table.h"
#include "shardkv/scan.h"
#include "shardkv/txn_table.h"

#define BENCH_SECOND_NS 1000000000ull

struct bench {
    struct store_image *image;
    struct store *store;
    struct space space;
    struct shard_copy copy;
    struct cache *cache;
    struct copy_tables *txns;
    struct copy_tables *ranges;
    uint64_t time_ns;          /* of the next entry; each takes a microsecond */
    struct kv_session session; /* used by bench_do: the next number, opened by bench_new */
    struct buffer answer;      /* what the reply of bench_do points into */
    struct kv_reply reply;     /* of bench_do and bench_read, until the next call */
    struct access reading;     /* open while `reads` */
    bool reads;
    struct scan_page *page;
};

void bench_new(struct bench *b);
void bench_free(struct bench *b);

/* A test that has `bench` to itself. */
extern struct bench bench;
int bench_setup(void **state);
int bench_teardown(void **state);
#define BENCH_TEST(test) cmocka_unit_test_setup_teardown(test, bench_setup, bench_teardown)

/* The process ends and starts again on the same store. */
void bench_restart(struct bench *b);

/* A mutation under the next number of the bench's session, which is finished at once. */
const struct kv_reply *bench_do(struct bench *b, const struct kv_op *op);
/* One with a session part of its own. */
const struct kv_reply *bench_apply(struct bench *b, const struct kv_session *session,
                                   const struct kv_op *op);
/* The table of locks on ranges; valid until a restart. */
struct range_table *bench_ranges(struct bench *b);
/* GET, GET_RANGE, STAT. */
const struct kv_reply *bench_read(struct bench *b, const struct kv_op *op);
const struct kv_reply *bench_scan(struct bench *b, const struct kv_op *op);
void bench_tick(struct bench *b);
void bench_trash_done(struct bench *b, uint64_t number);
/* Hash over all keys and values of the space. */
uint64_t bench_hash(struct bench *b);
/* Number of store keys in a section of the copy (keys.h). */
size_t bench_count(struct bench *b, char section);

/* Plain operations on a text key. */
struct kv_op bench_op(enum kv_kind kind, const char *key);
struct kv_op bench_put_op(const char *key, const char *value);
int bench_put(struct bench *b, const char *key, const char *value);     /* the status */
void bench_expect(struct bench *b, const char *key, const char *value); /* NULL: NOT_FOUND */

#endif
