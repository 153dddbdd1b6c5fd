/* root: the root directory's own attributes. It has no record: it belongs to the mounting user, and
 * its times are those of the newest change of a root name that this client made or saw. They are
 * answered from memory, so that the root never waits for the cluster. */
#include "tree/op.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "env/memory.h"

struct root {
    struct tree *tree;
    uint64_t mtime_ns;
};

struct root *root_new(struct tree *tree)
{
    struct root *root = sf_calloc(1, sizeof *root);
    root->tree = tree;
    root->mtime_ns = env_wall_ns(tree->env);
    return root;
}

void root_free(struct root *root)
{
    free(root);
}

void root_touched(struct root *root, uint64_t time_ns)
{
    if (time_ns == 0)
        time_ns = env_wall_ns(root->tree->env);
    root->mtime_ns = time_ns > root->mtime_ns ? time_ns : root->mtime_ns + 1;
}

void root_inode(struct root *root, struct tree_inode *out)
{
    *out = (struct tree_inode){
        .ino = TREE_ROOT,
        .mode = S_IFDIR | 0755,
        .uid = root->tree->options.uid,
        .gid = root->tree->options.gid,
        .links = 2,
        .version = root->mtime_ns,
        .atime_ns = root->mtime_ns,
        .mtime_ns = root->mtime_ns,
        .ctime_ns = root->mtime_ns,
    };
}
