/* target: which record a NAME of the command line stands for. */
#ifndef CTL_TARGET_H
#define CTL_TARGET_H

#include "ctl/session.h"

struct target {
    const char *name; /* as it was given; borrowed */
    enum kv_space space;
    uint8_t key[SF_KEY_BYTES_MAX];
    size_t key_bytes;
    struct kv_pre pre; /* a file below a directory must still be this one */
    /* What target_find saw. Unset after target_to_write, and where the name is a key (--key). */
    bool is_walked;
    struct tree_place place; /* its name points into last_name */
    char last_name[TREE_NAME_BYTES_MAX];
    struct tree_inode inode;
};

/* Each returns 0, or the exit status after the line is printed. */

/* What can be said without the cluster: an empty name, a key that is too long. */
SF_MUST_CHECK int target_check(const struct ctl_options *options, const char *name);
bool target_names_root(const struct ctl_options *options, const char *name);
/* The same as target_check for a name that is to be written: it must not end as a directory's. */
SF_MUST_CHECK int target_check_file(const struct ctl_options *options, const char *name);
/* A key (--key), or whatever the name leads to: a file, a directory, the root, a symlink. */
SF_MUST_CHECK int target_find(struct session *s, const struct ctl_options *options,
                              const char *name, struct target *out);
/* The same, but symlinks are followed to the end. */
SF_MUST_CHECK int target_to_list(struct session *s, const struct ctl_options *options,
                                 const char *name, struct target *out);
/* The same, from opening the session on; on failure that is closed. */
SF_MUST_CHECK int target_open(struct session *s, const struct ctl_options *options,
                              const char *name, struct target *out);
/* The same as target_to_list, and a directory is refused. */
SF_MUST_CHECK int target_to_read(struct session *s, const struct ctl_options *options,
                                 const char *name, struct target *out);
/* Directories on the way are made, and a file below one is created. */
SF_MUST_CHECK int target_to_write(struct session *s, const struct ctl_options *options,
                                  const char *name, struct target *out);
/* Prints what `status` means for this name. Returns the exit status. */
int target_fail(const char *name, int status);

#endif
