/* check_inside: what the files of the check share.
 *
 *   check.c         looks, one after the other, until all that is suspect is settled
 *   check_scan.c    every record of every shard, many pages in flight
 *   check_see.c     what a record says: facts, and of suspects all that is known
 *   check_judge.c   do the facts of a subject fit each other?
 *   check_repair.h  minitransactions that mend what does not, in files of its own
 */
#ifndef TREE_CHECK_INSIDE_H
#define TREE_CHECK_INSIDE_H

#include "tree/check.h"
#include "tree/op.h"

/* What one record says of one subject. Those of a subject are side by side when they are sorted. */
enum fact_kind {
    /* of a directory, by its id */
    FACT_OWN = 1, /* its own record; value: the parent; extra: FACT_UNREADABLE, FACT_DAMAGED */
    FACT_ENTRY,   /* leads to it; value: the directory that the entry is in */
    FACT_STRAY,   /* it has entries and no own record; value: how many */
    FACT_COUNTS,  /* differ; value: entries, extra: subdirectories, too many of them counted */
    /* of an inode, by its number */
    FACT_INODE = 16, /* its record; value: names counted; extra: as of FACT_OWN */
    FACT_NAME,       /* refers to it; value: the directory that the name is in */
    FACT_LOCATION,   /* says where it lives; value: hash of that key */
    FACT_HOME,       /* it lives there; value: hash of the key; extra: FACT_MOVED */
    /* of extents, by their data id */
    FACT_RANGE = 32, /* named: value: first << 32 | end; extra: by whom, 0: intent or trash */
    FACT_EXTENT,     /* is there; value: its number */
    /* of any other record, by the hash of its key */
    FACT_DAMAGE = 48, /* value: the directory that it is an entry of; extra: enum damage */
};
#define FACT_UNREADABLE 1u /* its attributes ... */
#define FACT_DAMAGED 2u    /* ... which are not of a newer version */
#define FACT_MOVED 1u
#define FACT_OPEN_END UINT32_MAX

/* What is damaged in a record. */
enum damage {
    DAMAGE_FILE,            /* attributes: of a file with one name ... */
    DAMAGE_NAME,            /* ... of a name that refers to an inode ... */
    DAMAGE_ROOT,            /* ... of the root */
    DAMAGE_ENTRY_CONTENT,   /* what leads to a directory ... */
    DAMAGE_NAME_CONTENT,    /* ... to an inode ... */
    DAMAGE_LOCATION_CONTENT /* ... to where an inode lives */
};

enum subject { SUBJECT_DIRECTORY, SUBJECT_INODE, SUBJECT_DATA, SUBJECT_RECORD };

struct fact {
    uint64_t id, value;
    uint32_t extra;
    uint32_t kind; /* enum fact_kind */
};

static inline enum subject fact_subject(enum fact_kind kind)
{
    return kind >= FACT_DAMAGE  ? SUBJECT_RECORD
           : kind >= FACT_RANGE ? SUBJECT_DATA
           : kind >= FACT_INODE ? SUBJECT_INODE
                                : SUBJECT_DIRECTORY;
}

/* All of a record that says something of a suspect. Bytes are places in check.bytes. */
struct sighting {
    struct fact fact;
    uint64_t version, created, length;
    enum kv_space space;
    size_t key_at, key_bytes, attr_at, attr_bytes, data_at, data_bytes;
    uint64_t counted[2], found[2]; /* OWN, COUNTS, STRAY: entries, subdirectories */
    bool is_snapshot;              /* COUNTS: all was in one page */
};

/* The facts of one subject, or its sightings. */
struct group_of_facts {
    const uint8_t *base;
    size_t stride, count; /* at least one */
};

static inline const struct fact *fact_at(const struct group_of_facts *group, size_t i)
{
    return (const struct fact *)(const void *)(group->base + i * group->stride);
}

struct suspect {
    enum subject subject;
    uint64_t id;
    unsigned alike;     /* looks in a row that showed the same */
    uint64_t signature; /* of what the last one showed */
};

/* A directory that is entered somewhere, while loops are looked for. */
struct link_up {
    uint64_t id, above;
    uint32_t walk; /* the one that came by; 0: none */
    bool in_loop;
};

/* The entries of one directory, while a shard is read. */
struct tally {
    uint64_t id; /* 0: none */
    bool has_own, one_page;
    uint64_t version;
    uint64_t counted[2], found[2]; /* entries, subdirectories */
};

enum stage { STAGE_PLAIN, STAGE_INTERNAL, STAGE_UNNAMED, STAGE_END };
#define CHECK_LANES 8u   /* shards that are read at the same time */
#define CHECK_PAGE 1024u /* records of one page */

/* One shard that is being read. */
struct lane {
    struct check *check;
    struct client_call call;
    struct kv_op op;
    uint32_t shard;
    enum stage stage;
    struct buffer after; /* the last name of the page before */
    bool open;
    struct tally tally;
};

struct check {
    const struct check_host *host;
    struct check_result *result;
    struct check_counts counts; /* of this look */
    struct fact *facts;         /* the first look */
    size_t fact_count, fact_room;
    struct sighting *sightings; /* later ones */
    size_t sighting_count, sighting_room;
    struct buffer bytes;
    struct suspect *suspects; /* sorted by subject and id */
    size_t suspect_count, suspect_room;
    struct link_up *links; /* sorted by id; after a look */
    size_t link_count;
    struct lane lanes[CHECK_LANES];
    uint32_t shard_next, shard_count;
    uint64_t *next_ids; /* of each shard: the counter that the last look ended with */
    bool moved;         /* one of them is another than in the look before, or not known */
    size_t open;        /* lanes */
    int status;         /* of the look: the first failure */
    bool done;
    bool again;    /* what was to be repaired had changed */
    uint64_t lost; /* id of /lost+found; 0: not looked for yet */
    struct buffer text;
};

/* Kept bytes of a sighting. */
static inline struct slice check_bytes(const struct check *check, size_t at, size_t n)
{
    return slice_part(buffer_slice(&check->bytes), at, n);
}

/* -- check_scan.c -------------------------------------------------------------------------- */

/* Reads all shards once; each record goes to see_record. */
SF_MUST_CHECK int check_scan(struct check *check);
/* One operation, blocking. *stat, *data (may be NULL): of the reply; stat without attr. */
SF_MUST_CHECK int check_ask(struct check *check, const struct kv_op *op, struct kv_stat *stat,
                            struct buffer *data);
/* The counts of a directory, and its entries as far as one page shows them. */
SF_MUST_CHECK int check_recount(struct check *check, uint64_t directory, struct tally *tally);
SF_MUST_CHECK int check_new_id(struct check *check, uint64_t *id);
void check_pause(struct check *check, uint64_t ms);

#define CHECK_ATTR_IS_DAMAGED "its attributes are damaged"
#define CHECK_CONTENT_IS_DAMAGED "its content is damaged"

/* -- check_see.c --------------------------------------------------------------------------- */

void see_record(struct lane *lane, const struct kv_entry *entry);
void see_directory(struct tally *tally, const struct kv_reply *page); /* names without the tag */
void see_page_end(struct lane *lane);                                 /* another page follows */
void see_stage_end(struct lane *lane);
/* Appends what a person calls the record. */
void see_name(struct buffer *to, enum kv_space space, struct slice key);
struct suspect *suspect_find(const struct check *check, enum subject subject, uint64_t id);
void text_add(struct buffer *to, const char *format, ...) SF_PRINTF(2, 3);

/* -- check_judge.c ------------------------------------------------------------------------- */

void facts_sort(struct check *check);
void sightings_sort(struct check *check);
/* The next group from *at on. False: there is none. */
bool facts_group(const struct check *check, size_t *at, struct group_of_facts *out);
bool sightings_group(const struct check *check, size_t *at, struct group_of_facts *out);
/* Finds check->links, with loops among them. */
void judge_loops(struct check *check);
/* What is wrong: bits 1 << enum check_wrong. */
unsigned judge(const struct check *check, const struct group_of_facts *group);
/* Does it rest on something not having been seen anywhere, or in two places? That is known only where
 * all that was read is of one moment (check.h, K1). */
bool judge_needs_rest(unsigned wrong);
bool judge_extent_is_named(const struct group_of_facts *group, uint64_t extent);
uint64_t judge_signature(const struct check *check, const struct group_of_facts *group);
/* The sightings of one kind; count is how many. */
const struct sighting *sightings_of(const struct group_of_facts *group, enum fact_kind kind,
                                    size_t *count);

/* -- check_repair.h ------------------------------------------------------------------------ */

/* Tells the host of all that is wrong with a settled subject, and repairs it if that is asked. */
void repair_subject(struct check *check, const struct group_of_facts *group, unsigned wrong);
/* Tells of something that is left alone. */
void repair_leave(struct check *check, enum check_wrong wrong, const char *how);

#endif
