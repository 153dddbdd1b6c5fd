/* check: does every record of the file system fit the others? What fsck does, without its command.
 *
 * A look goes over all records of all shards, page by page, while others may change them, so that
 * one look proves nothing. The first one keeps a fact (24 bytes) of each record that has to fit
 * another: 72 bytes a directory, 24 a further name of a file, 24 an extent and a run of extents;
 * nothing of a file with one name that stayed at its first key (twice that while it is sorted). What
 * does not fit there is suspect, and further looks keep, of what is suspect alone, all that is known.
 *
 *  K1  A subject (a directory, an inode, a data id) is wrong if CHECK_LOOKS looks after the first
 *      one in a row show the same that is wrong, and what is wrong is seen in records: an absence at
 *      a key that never changes, a content. One that looks otherwise each time is not judged.
 *      Looks alike do not prove that something is nowhere, or in two places: each may miss, or meet
 *      twice, a name that moves back and forth. So what rests on that (nothing leads to a directory
 *      or an inode, names are not as many as counted, a file or an extent is nobody's, loops) is
 *      wrong only if besides no record of any shard changed between the end of the look before and
 *      the end of this one: then this one shows one moment. Each shard tells by the counter that it
 *      draws versions from. While the file system is never at rest it is not judged.
 *  K2  A record that cannot be read is told of at once: it is read whole. Where it is to be repaired, it
 *      is looked at again like others, and told of then.
 *  K3  A directory's own record and its entries are one shard's, side by side: where one page shows
 *      all of them they are of one moment; else the counts are wrong only if the own record, which
 *      changes with each entry, is of the same version in all looks.
 *  K4  What is repaired is repaired in one minitransaction, on the versions that were seen last: what
 *      has changed since is looked at again. Nothing is removed but what no name can lead to, what leads
 *      nowhere, and what holds no data; all else comes to /lost+found under '#' and its number.
 *
 * No system calls, and no clock but the env's. Calls block: the host runs the loop.
 */
#ifndef TREE_CHECK_H
#define TREE_CHECK_H

#include "client/client.h"

#define CHECK_LOOKS 2u            /* alike, after the first */
#define CHECK_LOOKS_MAX 8u        /* in all */
#define CHECK_SUSPECTS_MAX 10000u /* further ones wait for the next run */
#define CHECK_LOST "lost+found"

enum check_wrong {
    CHECK_BAD_ATTR = 1,   /* attributes, or what leads elsewhere, that do not decode or fit */
    CHECK_NEWER_ATTR,     /* attributes that a newer version wrote */
    CHECK_DEAD_ENTRY,     /* of a directory whose own record is absent */
    CHECK_LOST_DIRECTORY, /* an own record that no entry leads to */
    CHECK_LOST_ENTRIES,   /* entries of a directory that has neither record nor entry */
    CHECK_TWO_ENTRIES,    /* that lead to one directory */
    CHECK_LOOP,           /* a directory that is below itself */
    CHECK_PARENT,         /* an own record that names another directory above it */
    CHECK_COUNTS,         /* entries or subdirectories are not as many as counted */
    CHECK_DEAD_NAME,      /* of an inode whose record is absent */
    CHECK_LOST_FILE,      /* an inode's record that no name refers to */
    CHECK_LINKS,          /* names are not as many as counted */
    CHECK_STALE_LOCATION, /* of a file that is not there any more */
    CHECK_WRONG_LOCATION, /* of a file that lives at another key */
    CHECK_NO_LOCATION,    /* of a file that has moved */
    CHECK_LEAK,           /* an extent that nothing names */
    CHECK_SHARED_EXTENTS, /* that two files name */
};

enum check_end { CHECK_FOUND, CHECK_REPAIRED, CHECK_LEFT };

struct check_finding {
    enum check_wrong wrong;
    struct slice text; /* what is wrong, with names, as they are, or numbers; borrowed */
    enum check_end end;
    const char *how; /* REPAIRED: what was done; LEFT: why it was left; borrowed */
};

struct check_counts {
    uint64_t shards, shards_done; /* of the present look */
    uint64_t records, files, directories;
    uint64_t names;    /* of files that have, or had, several */
    uint64_t nameless; /* files without a name, which somebody has open, or had */
    uint64_t extents;
    unsigned look;
};

struct check_host {
    struct env *env;
    struct client *client;
    uint64_t timeout_ms; /* of each request; 0: none */
    uint32_t uid, gid;   /* owner of directories that are made */
    bool repair;
    void *ctx;
    void (*wait)(void *ctx, const bool *done); /* runs the loop until it is set */
    void (*on_finding)(void *ctx, const struct check_finding *finding);
    void (*on_progress)(void *ctx, const struct check_counts *counts); /* often */
};

struct check_result {
    struct check_counts counts; /* of the first look */
    uint64_t repaired, left;    /* findings; left: all, where nothing is repaired */
    uint64_t unsettled; /* subjects not judged: they, or others, changed with each look (K1) */
    bool cut_short;     /* more than CHECK_SUSPECTS_MAX */
};

/* SF_OK: it was looked at from end to end. Else why it could not be; *result tells of what was done
 * until then. */
SF_MUST_CHECK int check_run(const struct check_host *host, struct check_result *result);

#endif
