/* root: the root directory's own attributes, answered from memory, so that the root never waits for
 * the cluster.
 *
 * They come from two places, asked in the background when somebody looks, at most once a second:
 *   - the root's own record, as any directory's (its id is TREE_ROOT), which the first chmod, chown
 *     or utimens makes: mode, owner, and the mtime that was in force when it was written. Without
 *     it the root belongs to the mounting user.
 *   - every Scan of plain keys: when the set of the scanned shards' names changed last.
 * The later of the two gives the mtime: a change of names undoes a time that was set. */
#include "tree/op.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "env/memory.h"

#define ROUND_MS 1000u  /* from one round of questions to the next */
#define ANSWER_MS 5000u /* for the root's record */

struct root {
    struct tree *tree;
    uint64_t begun_ms; /* when the last round began; 0: none did */
    bool asking;

    struct client_call stat_call;
    struct kv_op stat_op;
    struct key key;
    struct tree_call list_call; /* a listing of which only the time matters */
    void (*on_open)(void *ctx); /* tree_open's; NULL: nobody waits */
    void *ctx;

    bool asked;      /* the record's state is known: */
    bool has_record; /* it is there, and says: */
    struct attr attr;
    uint64_t set_mtime_ns; /* the mtime in force ... */
    uint64_t set_at_ns;    /* ... when it was written, which was then */
    uint64_t names_ns;     /* the latest change of names that was seen; 0: none */
    uint64_t mounted_ns;   /* shown where nothing else is known */
};

/* -- what is learnt -------------------------------------------------------------------------- */

int root_learn(struct root *root, const struct kv_stat *stat)
{
    int status = attr_decode(stat->attr, &root->attr);
    if (status != SF_OK)
        return status;
    root->attr.xattrs = slice_of(NULL, 0); /* they were borrowed */
    root->asked = root->has_record = true;
    root->set_mtime_ns = stat->mtime_ns;
    root->set_at_ns = stat->ctime_ns;
    return SF_OK;
}

void root_saw(struct root *root, uint64_t time_ns)
{
    if (time_ns > root->names_ns)
        root->names_ns = time_ns;
}

/* Of all changes that are known. */
static uint64_t latest_ns(const struct root *root)
{
    uint64_t latest = root->names_ns > root->set_at_ns ? root->names_ns : root->set_at_ns;
    return latest != 0 ? latest : root->mounted_ns;
}

void root_touched(struct root *root, uint64_t time_ns)
{
    uint64_t latest = latest_ns(root);
    root->names_ns = time_ns > latest ? time_ns : latest + 1;
}

/* -- a round of questions -------------------------------------------------------------------- */

static bool no_entry(struct tree_call *call, struct slice name, const struct tree_inode *inode)
{
    (void)call;
    (void)name;
    (void)inode;
    return false;
}

static void on_list(struct tree_call *call, int status)
{
    struct root *root = container_of(call, struct root, list_call);
    (void)status; /* root_saw was told what there is */
    root->asking = false;
}

static void list(struct root *root)
{
    root->list_call = (struct tree_call){.on_done = on_list,
                                         .on_entry = no_entry,
                                         .kind = TREE_READDIR,
                                         .place = {.ino = TREE_ROOT, .is_directory = true},
                                         .length = 1};
    tree_submit(root->tree, &root->list_call);
}

static void on_stat(struct client_call *call, int status, const struct kv_reply *reply)
{
    struct root *root = container_of(call, struct root, stat_call);
    void (*on_open)(void *ctx) = root->on_open;
    if (status == SF_OK)
        (void)root_learn(root, &reply->stat); /* damaged: what was known stays */
    root->asked |= status == SF_NOT_FOUND;
    list(root);
    root->on_open = NULL;
    if (on_open)
        on_open(root->ctx);
}

static void ask(struct root *root)
{
    uint64_t now = env_now_ms(root->tree->env);
    if (root->asking || (root->begun_ms != 0 && now - root->begun_ms < ROUND_MS))
        return;
    root->asking = true;
    root->begun_ms = now;
    key_of_directory(TREE_ROOT, &root->key);
    op_kv(&root->stat_op, KV_STAT, &root->key);
    root->stat_call =
        (struct client_call){.on_done = on_stat, .op = &root->stat_op, .timeout_ms = ANSWER_MS};
    client_submit(root->tree->client, &root->stat_call);
}

/* -- life and answers ------------------------------------------------------------------------ */

struct root *root_new(struct tree *tree)
{
    struct root *root = sf_calloc(1, sizeof *root);
    root->tree = tree;
    root->mounted_ns = env_wall_ns(tree->env);
    return root;
}

void root_free(struct root *root)
{
    client_cancel(&root->stat_call);
    free(root);
}

void tree_open(struct tree *tree, void (*on_open)(void *ctx), void *ctx)
{
    struct root *root = tree->root;
    sf_assert(!root->asking);
    root->on_open = on_open;
    root->ctx = ctx;
    ask(root);
}

uint64_t root_mtime_ns(const struct root *root)
{
    if (root->has_record && root->set_at_ns >= root->names_ns)
        return root->set_mtime_ns;
    return root->names_ns != 0 ? root->names_ns : root->mounted_ns;
}

uint64_t root_names_ns(const struct root *root)
{
    return root->names_ns;
}

void tree_root_inode(struct tree *tree, struct tree_inode *out)
{
    root_inode(tree->root, out);
}

void root_inode(struct root *root, struct tree_inode *out)
{
    uint64_t mtime_ns = root_mtime_ns(root);
    *out = (struct tree_inode){
        .ino = TREE_ROOT,
        /* Until it is known who may enter: the mounting user alone. */
        .mode = S_IFDIR | (root->asked ? 0755u : 0700u),
        .uid = root->tree->options.uid,
        .gid = root->tree->options.gid,
        .parent = TREE_ROOT,
        .links = 1, /* its subdirectories are not counted */
        .version = mtime_ns,
        .atime_ns = mtime_ns,
        .mtime_ns = mtime_ns,
        .ctime_ns = latest_ns(root),
    };
    if (root->has_record) {
        out->mode = root->attr.mode;
        out->uid = root->attr.uid;
        out->gid = root->attr.gid;
    }
    if (root->has_record && root->attr.has_atime)
        out->atime_ns = root->attr.atime_ns;
    ask(root);
}
