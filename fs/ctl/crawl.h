/* crawl: everything below a directory, in order, with many listings in flight.
 *
 * A step at a time, depth first: each entry of a directory in the order of names, right behind an
 * entry that is a directory all that is in it, then a step that leaves it. A page of names is held
 * for each directory on the way down, and as many pages ahead as CRAWL_AHEAD says for each.
 */
#ifndef CTL_CRAWL_H
#define CTL_CRAWL_H

#include "ctl/session.h"

#define CRAWL_AHEAD 16u  /* listings asked for ahead, on each level */
#define CRAWL_PAGE 1024u /* names of one page */

enum crawl_what {
    CRAWL_ENTRY, /* one entry; where it is a directory, its own follow */
    CRAWL_LEAVE, /* the directory of this depth has no more; not told of an entry that is none */
};

struct crawl_step {
    enum crawl_what what;
    size_t depth;      /* of the entry, or of the entries of what is left: 1 below the start */
    struct slice name; /* ENTRY: until the next step */
    struct tree_inode inode; /* ENTRY: as READDIR tells it */
    uint64_t directory;      /* id of the one that the entry is in, or that is left */
    bool is_last;            /* ENTRY: in its directory */
    int status;              /* LEAVE: other than SF_OK: not all of it could be listed */
};

struct crawl;

/* directory: the id. Nothing is printed. */
struct crawl *crawl_new(struct session *s, uint64_t directory);
void crawl_free(struct crawl *crawl);
/* False: the start was left in the step before. */
bool crawl_next(struct crawl *crawl, struct crawl_step *out);

#endif
