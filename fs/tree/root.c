/* root: the root directory's own attributes. It has no record: it belongs to the mounting user.
 * Each shard knows when its set of plain keys last changed, and tells with every Scan; the root's
 * time is the latest of those and of the changes that this client made. They are answered from
 * memory, so that the root never waits for the cluster; being asked starts the next round of
 * questions, at most one a second. */
#include "tree/op.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "env/memory.h"

#define ROUND_MS 1000u

struct root {
    struct tree *tree;
    struct tree_call call; /* a listing of which only the times matter */
    bool asking;
    bool known;          /* some round was complete */
    uint64_t begun_ms;   /* when the last round began; 0: none did */
    uint64_t mtime_ns;   /* the latest that was seen */
    uint64_t mounted_ns; /* shown until it is known */
};

static bool no_entry(struct tree_call *call, struct slice name, const struct tree_inode *inode)
{
    (void)call;
    (void)name;
    (void)inode;
    return false;
}

static void on_round(struct tree_call *call, int status)
{
    struct root *root = container_of(call, struct root, call);
    root->asking = false;
    root->known |= status == SF_OK;
}

static void ask(struct root *root)
{
    uint64_t now = env_now_ms(root->tree->env);
    if (root->asking || (root->begun_ms != 0 && now - root->begun_ms < ROUND_MS))
        return;
    root->asking = true;
    root->begun_ms = now;
    root->call = (struct tree_call){.on_done = on_round,
                                    .on_entry = no_entry,
                                    .kind = TREE_READDIR,
                                    .place = {.ino = TREE_ROOT, .is_directory = true},
                                    .length = 1};
    tree_submit(root->tree, &root->call);
}

struct root *root_new(struct tree *tree)
{
    struct root *root = sf_calloc(1, sizeof *root);
    root->tree = tree;
    root->mounted_ns = env_wall_ns(tree->env);
    return root;
}

void root_free(struct root *root)
{
    free(root);
}

void root_saw(struct root *root, uint64_t time_ns)
{
    if (time_ns > root->mtime_ns)
        root->mtime_ns = time_ns;
}

void root_touched(struct root *root, uint64_t time_ns)
{
    root_saw(root, root->known ? 0 : root->mounted_ns);
    root->known = true;
    root->mtime_ns = time_ns > root->mtime_ns ? time_ns : root->mtime_ns + 1;
}

void root_inode(struct root *root, struct tree_inode *out)
{
    uint64_t time_ns = root->known ? root->mtime_ns : root->mounted_ns;
    *out = (struct tree_inode){
        .ino = TREE_ROOT,
        .mode = S_IFDIR | 0755,
        .uid = root->tree->options.uid,
        .gid = root->tree->options.gid,
        .links = 1, /* its subdirectories are not counted */
        .version = time_ns,
        .atime_ns = time_ns,
        .mtime_ns = time_ns,
        .ctime_ns = time_ns,
    };
    ask(root);
}
