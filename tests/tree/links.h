/* links: a model of files with several names in a few directories, and a user's operations on names,
 * each compared with the model.
 */
#ifndef TESTS_TREE_LINKS_H
#define TESTS_TREE_LINKS_H

#include "tree/stage.h"

#define LINKS_DIRECTORIES 3u /* the root and two others */
#define LINKS_NAMES 4u       /* in each */
#define LINKS_PLACES (LINKS_DIRECTORIES * LINKS_NAMES)
#define LINKS_FILES 200u /* that were ever made */

extern const char *const links_names[LINKS_NAMES];

struct links_file {
    uint64_t ino;
    unsigned names;
    uint8_t byte;            /* what it holds */
    uint64_t ctime_ns;       /* as it was seen last */
    struct tree_place place; /* where it was found once */
};

struct links {
    struct stage *stage;
    struct user *user;
    uint64_t directories[LINKS_DIRECTORIES];
    struct links_file files[LINKS_FILES];
    unsigned file_count;
    struct links_file *entries[LINKS_PLACES]; /* NULL: nothing is there */
};

void links_begin(struct links *m, struct stage *stage);
unsigned links_draw(struct links *m, unsigned limit);
struct tree_place links_place(const struct links *m, unsigned at); /* 0..LINKS_PLACES - 1 */
bool links_has_inode_record(struct user *user, uint64_t ino);

/* Calls, to be submitted. */
struct waiting links_linking(const struct tree_place *from, const struct tree_place *to);
struct waiting links_renaming(const struct links *m, unsigned at, unsigned to, bool exchange);

/* One operation of m->user each, at a place; its answer is compared with the model's. Some take any
 * file, by where it was found once, as an open file is. */
void links_create(struct links *m, unsigned at);
void links_link(struct links *m, unsigned at);
void links_unlink(struct links *m, unsigned at);
void links_rename(struct links *m, unsigned at);
void links_lookup(struct links *m, unsigned at);
void links_write(struct links *m, unsigned at);
void links_chmod(struct links *m, unsigned at);
void links_stat(struct links *m, unsigned at);
void links_list(struct links *m, unsigned at);
void links_check_byte(struct links *m, struct links_file *file); /* of this file */

/* The model becomes what is there, whoever made it. */
void links_learn(struct links *m);
/* Each file has as many names as it says, and none is left that has none. */
void links_check(struct links *m);
void links_remove_all(struct links *m);

#endif
