/* The table of copies as its own files see it: shards.c (transitions), shards_check.c (invariants),
 * shards_store.c (rows in the store), shards_apply.c and config_apply.c (entries), shards_answer.c
 * (what other groups are answered), handoff*.c (which only read it). */
#ifndef SHARDKV_SHARDS_INSIDE_H
#define SHARDKV_SHARDS_INSIDE_H

#include "shardkv/chain.h"
#include "shardkv/shards.h"

enum row_state {
    ROW_PULLING = 1, /* asks earlier owners for data */
    ROW_COPIED,      /* has all data of its source; custody may have been asked */
    ROW_SERVING,     /* keeper, and owner in the newest Config */
    ROW_FROZEN,      /* keeper, owes it to the next tenure */
    ROW_GIVEN,       /* was keeper; the taker has not yet said that it logged custody */
    ROW_STATE_LIMIT
};

/* A tenure of another group. */
struct taker {
    group_id gid;
    uint64_t identity;
    uint64_t gained;
};

bool taker_equal(const struct taker *a, const struct taker *b);

/* One copy. */
struct row {
    struct row *prev, *next; /* of the same shard, by `gained` ascending */
    uint32_t shard;
    enum row_state state;
    uint64_t home;   /* in the keys of its data */
    uint64_t gained; /* number of the Config at which its tenure began */
    uint64_t lost;   /* ... at which it ended; 0: it has not */
    /* PULLING, COPIED: earlier owners. Once `begun`, the last one is the source, and those before
     * it are passed over. */
    struct chain chain;
    bool begun;           /* a first chunk has come; COPIED: true */
    uint64_t source_lost; /* begun: number at which the source lost the very copy that is pulled */
    struct buffer cursor; /* begun: what follows the prefix in the key of the last pair that came */
    struct taker taker;   /* GIVEN */
};

/* Something this group still has to tell: that custody of a shard is settled with its tenure
 * `gained`, to the group that gave it and to those that were passed over. */
struct duty {
    struct duty *prev, *next;
    uint32_t shard;
    uint64_t gained;
    struct owner owner; /* lost: what it lost up to this number is settled */
};

/* What shards_applied has to do. */
struct aftermath {
    struct aftermath *next;
    uint32_t shard;
    uint64_t home;
    bool lost;    /* call hooks.lost */
    bool deleted; /* reclaim its range */
};

struct shards {
    struct shards_options options;
    struct space space; /* valid after shards_restored */
    uint64_t num;       /* newest Config applied */
    uint64_t version;   /* of this table in memory: grows with each entry that comes to it */
    struct row **rows;  /* by shard: its oldest copy */
    struct duty *duties;
    struct aftermath *aftermath;
};

/* -- rows in the store (shards_store.c) ---------------------------------------------------- */

void rows_put(struct store_batch *batch, const struct row *row);
void rows_delete(struct store_batch *batch, const struct row *row);
void rows_put_num(struct store_batch *batch, uint64_t num);
void rows_put_duty(struct store_batch *batch, const struct duty *duty);
void rows_delete_duty(struct store_batch *batch, const struct duty *duty);

/* -- the table (shards.c) ------------------------------------------------------------------ */

struct row *shards_newest(const struct shards *shards, uint32_t shard);              /* or NULL */
struct row *shards_find(const struct shards *shards, uint32_t shard, uint64_t home); /* or NULL */
struct duty *shards_find_duty(const struct shards *shards, uint32_t shard, uint64_t gained,
                              group_id gid, uint64_t identity);
void shards_clear(struct shards *shards); /* forgets every row, duty and number */
/* Takes the row into the table, in its place. */
void shards_insert(struct shards *shards, struct row *row);
void row_free(struct row *row);
void duty_free(struct duty *duty);

bool row_is_waiting(const struct row *row); /* PULLING, COPIED */
bool row_is_keeper(const struct row *row);  /* SERVING, FROZEN */

/* Transitions; see the diagram in shards.h. Each changes the table and the batch, or nothing.
 * SF_OK; SF_STALE: the state is another (a repetition, or too late); SF_INVALID: never possible. */

/* The group gains the shard with Config `num`. chain: copied; empty where `first`. */
int shards_gain(struct shards *shards, struct store_batch *batch, uint64_t num, uint32_t shard,
                bool first, const struct chain *chain);
int shards_lose(struct shards *shards, struct store_batch *batch, uint64_t num, uint32_t shard);

/* A part of a copy, as it comes from its source. */
struct chunk {
    uint32_t shard;
    uint64_t home;
    struct chain chain; /* where `from` is empty: passed-over owners, then the source; else empty */
    group_id gid;       /* the source */
    uint64_t identity;
    uint64_t source_lost;
    struct slice from, to; /* cursors before and after it */
    bool last;
    struct slice pairs; /* (u32 n, key after the prefix; u32 n, value)*, checked by chunk_check */
};
bool chunk_check(const struct chunk *chunk); /* well formed: pairs ascend within (from, to] */
int shards_chunk(struct shards *shards, struct store_batch *batch, const struct chunk *chunk);
/* The source gave custody. */
int shards_take(struct shards *shards, struct store_batch *batch, uint32_t shard, uint64_t home,
                uint64_t source_lost);
/* The source gave custody to another, and never will to this copy. */
int shards_drop(struct shards *shards, struct store_batch *batch, uint32_t shard, uint64_t home,
                uint64_t source_lost);
/* SF_OK: it is given to `taker`, by this or an earlier entry. SF_GONE: it is not here any more. */
int shards_give(struct shards *shards, struct store_batch *batch, uint32_t shard, uint64_t lost,
                const struct taker *taker);
/* Custody of what was lost at or before `lost` is settled with a later tenure elsewhere. */
int shards_settle(struct shards *shards, struct store_batch *batch, uint32_t shard, uint64_t lost);
/* The duty was done. */
int shards_told(struct shards *shards, struct store_batch *batch, uint32_t shard, uint64_t gained,
                group_id gid, uint64_t identity);

/* -- what other groups are answered (shards_answer.c) ---------------------------------------- */

/* All answers rest on what is applied and, but for SF_NOT_YET, never become untrue: custody leaves
 * a group once, and a tenure that is over here does not begin again. */

/* A later owner wants the data of what this group lost at or before Config `lost`.
 * SF_OK: it is in *row, frozen. SF_NOT_YET: it is not frozen here, but may come to be so.
 * SF_GONE: it never will be. */
int shards_answer_pull(const struct shards *shards, uint32_t shard, uint64_t lost,
                       const struct row **row);
/* The taker has all the data of the copy that this group lost with Config `lost`, and wants
 * custody. SF_OK: given. SF_GONE: given to another. SF_NOT_YET: as above; with *give, log it and
 * ask again. */
int shards_answer_custody(const struct shards *shards, uint32_t shard, uint64_t lost,
                          const struct taker *taker, bool *give);
/* Custody of what this group lost at or before Config `lost` is settled elsewhere.
 * SF_OK: nothing of it is left here. SF_NOT_YET: with *settle, log it and ask again; else this
 * group has not come to that Config. SF_INVALID: this group is the keeper. */
int shards_answer_settled(const struct shards *shards, uint32_t shard, uint64_t lost, bool *settle);

/* Reads the pairs of a copy that follow `cursor`, at most about bytes_max of them but at least one,
 * in the form of struct chunk. to: the cursor after them; *last: nothing follows. SF_OK, SF_IO,
 * SF_CORRUPT. */
SF_MUST_CHECK int copy_read(const struct space *space, const struct row *row, struct slice cursor,
                            size_t bytes_max, struct buffer *pairs, struct buffer *to, bool *last);

#endif
