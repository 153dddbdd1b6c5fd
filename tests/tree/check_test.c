/* The check: every kind of damage, made on purpose, is found, repaired where it can be, and gone
 * after that. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "env/log.h"
#include "tree/fsck.h"
#include "tree/op.h"
#include "tree/stage.h"

#define MIB (1ull << 20)

/* -- what stands there before anything is damaged ------------------------------------------- */

/* /file, /long, /docs, /docs/text, /docs/sub, /empty, and a file of two names, /one and /docs/two. */
struct scene {
    struct stage *stage;
    struct user *user;
    uint64_t docs, sub, empty, file, names;
};

struct raw {
    struct client_call call;
    bool done;
    int status;
    struct kv_stat stat;
    uint8_t data[64];
};

static void raw_on_done(struct client_call *call, int status, const struct kv_reply *reply)
{
    struct raw *raw = container_of(call, struct raw, call);
    raw->done = true;
    raw->status = status;
    if (!reply)
        return;
    raw->stat = reply->stat;
    if (reply->data.n <= sizeof raw->data && reply->data.n > 0)
        memcpy(raw->data, reply->data.p, reply->data.n);
}

static bool is_done(void *ctx)
{
    return ((const struct raw *)ctx)->done;
}

static struct raw do_raw(struct scene *scene, const struct kv_op *op)
{
    struct raw raw = {.call = {.on_done = raw_on_done, .op = op}};
    client_submit(scene->user->client, &raw.call);
    assert_true(
        sim_run_until(scene->stage->cluster->sim, is_done, &raw, STAGE_LIMIT_MS * ENV_MS_NS));
    return raw;
}

static void must(struct scene *scene, const struct kv_op *op)
{
    assert_int_equal(do_raw(scene, op).status, SF_OK);
}

static struct kv_op op_of(enum kv_kind kind, const struct key *key)
{
    return (struct kv_op){.kind = kind, .space = key->space, .key = key_slice(key)};
}

static struct key entry_of(uint64_t directory, const char *name)
{
    struct key key;
    assert_int_equal(key_of_entry(directory, slice_str(name), &key), SF_OK);
    return key;
}

static struct key own_of(uint64_t id)
{
    struct key key;
    key_of_directory(id, &key);
    return key;
}

static struct key inode_of(uint64_t ino)
{
    struct key key;
    key_of_inode(ino, &key);
    return key;
}

static void delete_raw(struct scene *scene, struct key key)
{
    struct kv_op stat = op_of(KV_STAT, &key), op = op_of(KV_DELETE, &key);
    op.pre = (struct kv_pre){KV_PRE_VERSION, do_raw(scene, &stat).stat.version};
    op.flags = KV_ANY_KIND;
    must(scene, &op);
}

static void add_raw(struct scene *scene, uint64_t directory, int entries, int subdirectories)
{
    struct key key = own_of(directory);
    struct kv_op op;
    op_count(&op, &key, entries, subdirectories);
    must(scene, &op);
}

static void put_attr(struct scene *scene, struct key key, const struct attr *attr)
{
    struct buffer bytes = {0};
    struct kv_op op = op_of(KV_SET_ATTR, &key);
    assert_int_equal(attr_encode(attr, &bytes), SF_OK);
    op.flags = KV_HAS_ATTR;
    op.attr = buffer_slice(&bytes);
    must(scene, &op);
    buffer_deinit(&bytes);
}

static void put_reference(struct scene *scene, struct key at, struct key to, uint64_t created)
{
    uint8_t bytes[REFERENCE_BYTES_MAX];
    struct kv_op op = op_of(KV_PUT, &at);
    op.record_kind = RECORD_REFERENCE;
    op.data = key_reference(&to, bytes);
    op.created = created;
    op.flags = created != 0 ? KV_HAS_CREATED : 0;
    must(scene, &op);
}

static void put_directory_entry(struct scene *scene, struct key at, uint64_t id)
{
    uint8_t bytes[8];
    struct kv_op op = op_of(KV_PUT, &at);
    for (size_t i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(id >> (8 * i));
    op.record_kind = RECORD_DIRECTORY;
    op.data = slice_of(bytes, sizeof bytes);
    must(scene, &op);
}

static void put_long_file(struct scene *scene, struct key at, uint64_t data_id)
{
    struct kv_op op = op_of(KV_PUT, &at);
    op.flags = KV_HAS_LENGTH | KV_HAS_TAIL;
    op.length = 3 * MIB;
    op.tail[0] = (struct kv_tail){1, data_id};
    op.tail_count = 1;
    must(scene, &op);
}

static void put_extent(struct scene *scene, uint64_t data_id, uint64_t extent)
{
    struct key key = {.space = KV_INTERNAL, .n = KV_EXTENT_KEY_BYTES};
    kv_extent_key(data_id, extent, key.bytes);
    struct kv_op op = op_of(KV_PUT, &key);
    op.data = slice_str("bytes");
    must(scene, &op);
}

static uint64_t make(struct scene *scene, enum tree_kind kind, uint64_t directory, const char *name)
{
    struct tree_inode inode;
    assert_int_equal(user_do(scene->user, kind, directory, name, &inode), SF_OK);
    return inode.ino;
}

static const struct attr two_names = {.mode = S_IFREG | 0644, .links = 2};

static void make_names(struct scene *scene)
{
    struct key one = entry_of(TREE_ROOT, "one"), two = entry_of(scene->docs, "two"), inode;
    scene->names = 0x7000000000001ull;
    inode = inode_of(scene->names);
    struct kv_op put = op_of(KV_PUT, &inode);
    put.data = slice_str("what it holds");
    put.created = scene->names;
    put.flags = KV_HAS_CREATED;
    must(scene, &put);
    put_attr(scene, inode, &two_names);
    put_reference(scene, one, inode, 0);
    put_reference(scene, two, inode, 0);
    add_raw(scene, scene->docs, 1, 0);
}

static void scene_open(struct scene *scene, uint64_t seed)
{
    scene->stage = stage_new(seed, 3);
    scene->user = &scene->stage->users[0];
    scene->file = make(scene, TREE_CREATE, TREE_ROOT, "file");
    scene->docs = make(scene, TREE_MKDIR, TREE_ROOT, "docs");
    scene->empty = make(scene, TREE_MKDIR, TREE_ROOT, "empty");
    scene->sub = make(scene, TREE_MKDIR, scene->docs, "sub");
    make(scene, TREE_CREATE, scene->docs, "text");
    put_long_file(scene, entry_of(TREE_ROOT, "long"), 501);
    put_extent(scene, 501, 1);
    put_extent(scene, 501, 2);
    make_names(scene);
}

/* -- the check ------------------------------------------------------------------------------ */

static void expect_only(const struct fsck *outcome, enum check_wrong wrong, unsigned count)
{
    for (unsigned i = 0; i < FSCK_WRONG_MAX; i++)
        assert_int_equal(outcome->wrong[i], i == (unsigned)wrong ? count : 0);
    assert_int_equal(outcome->result.left + outcome->result.repaired, count);
}

static int look_up(struct scene *scene, uint64_t directory, const char *name,
                   struct tree_inode *inode)
{
    return user_do(scene->user, TREE_LOOKUP, directory, name, inode);
}

/* The directory or file came to /lost+found, and can be used there. */
static void expect_lost(struct scene *scene, uint64_t id)
{
    struct tree_inode lost, inode;
    char name[32];
    snprintf(name, sizeof name, "#%llu", (unsigned long long)id);
    assert_int_equal(look_up(scene, TREE_ROOT, CHECK_LOST, &lost), SF_OK);
    assert_int_equal(lost.mode, S_IFDIR | 0700);
    assert_int_equal(lost.uid, 7);
    struct raw raw;
    struct key key = entry_of(lost.ino, name);
    struct kv_op op = op_of(KV_STAT, &key);
    raw = do_raw(scene, &op);
    assert_int_equal(raw.status, SF_OK);
    if (raw.stat.kind == RECORD_DIRECTORY)
        assert_int_equal(look_up(scene, lost.ino, name, &inode), SF_OK);
}

/* -- damages -------------------------------------------------------------------------------- */

static void lose_own_of_empty(struct scene *scene)
{
    delete_raw(scene, own_of(scene->empty));
}

static void empty_is_gone(struct scene *scene)
{
    assert_int_equal(look_up(scene, TREE_ROOT, "empty", NULL), SF_NOT_FOUND);
}

static void lose_own_of_docs(struct scene *scene)
{
    delete_raw(scene, own_of(scene->docs));
}

static void docs_is_there(struct scene *scene)
{
    struct tree_inode inode;
    assert_int_equal(look_up(scene, TREE_ROOT, "docs", &inode), SF_OK);
    assert_int_equal(inode.size, 3);
    assert_int_equal(inode.links, 3);
    assert_int_equal(inode.parent, TREE_ROOT);
    assert_int_equal(look_up(scene, scene->docs, "text", NULL), SF_OK);
}

static void lose_entry_of_empty(struct scene *scene)
{
    delete_raw(scene, entry_of(TREE_ROOT, "empty"));
}

static void own_of_empty_is_gone(struct scene *scene)
{
    struct key key = own_of(scene->empty);
    assert_false(user_has_record(scene->user, key.space, key_slice(&key)));
}

static void lose_entry_of_docs(struct scene *scene)
{
    delete_raw(scene, entry_of(TREE_ROOT, "docs"));
}

static void docs_is_lost_and_found(struct scene *scene)
{
    expect_lost(scene, scene->docs);
    assert_int_equal(look_up(scene, scene->docs, "text", NULL), SF_OK);
    assert_int_equal(user_do(scene->user, TREE_CREATE, scene->docs, "more", NULL), SF_OK);
}

static void lose_docs(struct scene *scene)
{
    lose_own_of_docs(scene);
    lose_entry_of_docs(scene);
}

static void enter_docs_again(struct scene *scene)
{
    put_directory_entry(scene, entry_of(scene->empty, "again"), scene->docs);
    add_raw(scene, scene->empty, 1, 1);
}

static void docs_is_entered_once(struct scene *scene)
{
    assert_int_equal(look_up(scene, scene->empty, "again", NULL), SF_NOT_FOUND);
    docs_is_there(scene);
}

static void enter_docs_beside(struct scene *scene)
{
    put_directory_entry(scene, entry_of(TREE_ROOT, "again"), scene->docs);
}

static void put_docs_below_itself(struct scene *scene)
{
    static const struct attr attr = {.mode = S_IFDIR | 0755, .links = 2};
    struct attr inside = attr;
    inside.parent = scene->sub;
    delete_raw(scene, entry_of(TREE_ROOT, "docs"));
    put_directory_entry(scene, entry_of(scene->sub, "above"), scene->docs);
    add_raw(scene, scene->sub, 1, 1);
    put_attr(scene, own_of(scene->docs), &inside);
}

static void give_sub_another_parent(struct scene *scene)
{
    struct attr attr = {.mode = S_IFDIR | 0711, .links = 2, .parent = scene->empty};
    put_attr(scene, own_of(scene->sub), &attr);
}

static void sub_knows_its_parent(struct scene *scene)
{
    struct tree_inode inode;
    assert_int_equal(look_up(scene, scene->docs, "sub", &inode), SF_OK);
    assert_int_equal(inode.parent, scene->docs);
    assert_int_equal(inode.mode, S_IFDIR | 0711);
}

static void miscount_docs(struct scene *scene)
{
    add_raw(scene, scene->docs, 2, -1);
}

static void lose_inode(struct scene *scene)
{
    delete_raw(scene, inode_of(scene->names));
}

static void names_are_gone(struct scene *scene)
{
    struct key one = entry_of(TREE_ROOT, "one"), two = entry_of(scene->docs, "two");
    assert_false(user_has_record(scene->user, one.space, key_slice(&one)));
    assert_false(user_has_record(scene->user, two.space, key_slice(&two)));
}

static void lose_names(struct scene *scene)
{
    delete_raw(scene, entry_of(TREE_ROOT, "one"));
    delete_raw(scene, entry_of(scene->docs, "two"));
    add_raw(scene, scene->docs, -1, 0);
}

static void inode_is_lost_and_found(struct scene *scene)
{
    expect_lost(scene, scene->names);
}

static void lose_names_of_nothing(struct scene *scene)
{
    struct key key = inode_of(scene->names);
    struct kv_op op = op_of(KV_SET_LENGTH, &key);
    lose_names(scene);
    must(scene, &op);
}

static void inode_is_gone(struct scene *scene)
{
    struct key key = inode_of(scene->names);
    assert_false(user_has_record(scene->user, key.space, key_slice(&key)));
}

static void miscount_names(struct scene *scene)
{
    struct attr attr = two_names;
    attr.links = 5;
    put_attr(scene, inode_of(scene->names), &attr);
}

static void locate_nothing(struct scene *scene)
{
    put_reference(scene, inode_of(12345), entry_of(scene->docs, "nothing"), 12345);
}

static const struct attr moved = {.mode = S_IFREG | 0600, .links = 1, .has_moved = true};

static void locate_wrongly(struct scene *scene)
{
    put_attr(scene, entry_of(TREE_ROOT, "file"), &moved);
    put_reference(scene, inode_of(scene->file), entry_of(scene->docs, "nothing"), scene->file);
}

static void locate_not_at_all(struct scene *scene)
{
    put_attr(scene, entry_of(TREE_ROOT, "file"), &moved);
}

static void file_is_located(struct scene *scene)
{
    static const uint8_t wanted[] = "\0file";
    struct key key = inode_of(scene->file);
    struct kv_op op = op_of(KV_STAT, &key);
    struct raw raw = do_raw(scene, &op);
    assert_int_equal(raw.status, SF_OK);
    assert_int_equal(raw.stat.kind, RECORD_REFERENCE);
    assert_int_equal(raw.stat.created, scene->file);
    assert_memory_equal(raw.data, wanted, 5);
}

static void leak(struct scene *scene)
{
    put_extent(scene, 502, 1);
    put_extent(scene, 502, 9);
}

static void file_of_two_is_whole(struct scene *scene)
{
    struct key key = {.space = KV_INTERNAL, .n = KV_EXTENT_KEY_BYTES};
    for (uint64_t extent = 1; extent <= 2; extent++) {
        kv_extent_key(501, extent, key.bytes);
        assert_true(user_has_record(scene->user, key.space, key_slice(&key)));
    }
}

static void share_extents(struct scene *scene)
{
    put_long_file(scene, entry_of(TREE_ROOT, "other"), 501);
}

static void write_attr(struct scene *scene, struct key key, const char *bytes)
{
    struct kv_op op = op_of(KV_SET_ATTR, &key);
    op.flags = KV_HAS_ATTR;
    op.attr = slice_str(bytes);
    must(scene, &op);
}

static void damage_attr(struct scene *scene)
{
    write_attr(scene, entry_of(scene->docs, "text"), "\001nonsense");
}

static void expect_file(struct scene *scene, uint64_t directory, const char *name, uint32_t mode,
                        uint32_t uid)
{
    struct tree_inode inode;
    assert_int_equal(look_up(scene, directory, name, &inode), SF_OK);
    assert_int_equal(inode.mode, mode);
    assert_int_equal(inode.uid, uid);
    assert_int_equal(user_do(scene->user, TREE_UNLINK, directory, name, NULL), SF_OK);
}

static void text_is_readable(struct scene *scene)
{
    expect_file(scene, scene->docs, "text", S_IFREG | 0600, 7);
}

/* What begins like no version that anybody will write. */
static void damage_all_of_attr(struct scene *scene)
{
    write_attr(scene, entry_of(scene->docs, "text"), "\377\377\377");
}

static void damage_type(struct scene *scene)
{
    static const struct attr attr = {.mode = 0644, .uid = 99, .links = 1};
    put_attr(scene, entry_of(scene->docs, "text"), &attr);
}

/* Of a file that has moved, which still stands in the record of where it lives. */
static void damage_attr_of_moved(struct scene *scene)
{
    put_attr(scene, entry_of(TREE_ROOT, "file"), &moved);
    put_reference(scene, inode_of(scene->file), entry_of(TREE_ROOT, "file"), scene->file);
    user_expect_fits(scene->user);
    write_attr(scene, entry_of(TREE_ROOT, "file"), "\001nonsense");
}

static void moved_is_readable(struct scene *scene)
{
    file_is_located(scene);
    expect_file(scene, TREE_ROOT, "file", S_IFREG | 0600, 7);
}

/* The list of extended attributes alone: two bytes of it are no entry. */
static void damage_xattrs(struct scene *scene)
{
    const struct attr attr = {
        .mode = S_IFIFO | S_ISUID | 0751, .uid = 99, .links = 1, .xattrs = slice_str("xx")};
    put_attr(scene, entry_of(scene->docs, "text"), &attr);
}

static void all_but_xattrs_is_there(struct scene *scene)
{
    expect_file(scene, scene->docs, "text", S_IFIFO | 0751, 99);
}

static void damage_attr_of_inode(struct scene *scene)
{
    write_attr(scene, inode_of(scene->names), "\001");
}

static void inode_has_two_names(struct scene *scene)
{
    struct tree_inode inode;
    assert_int_equal(look_up(scene, TREE_ROOT, "one", &inode), SF_OK);
    assert_int_equal(inode.links, 2);
    assert_int_equal(inode.size, strlen("what it holds"));
    expect_file(scene, TREE_ROOT, "one", S_IFREG | 0600, 7);
    expect_file(scene, scene->docs, "two", S_IFREG | 0600, 7);
}

static void damage_attr_of_name(struct scene *scene)
{
    write_attr(scene, entry_of(scene->docs, "two"), "\001");
}

static void name_leads_to_its_inode(struct scene *scene)
{
    expect_file(scene, scene->docs, "two", S_IFREG | 0644, 0);
}

static void damage_attr_of_root(struct scene *scene)
{
    struct key key = own_of(TREE_ROOT);
    struct kv_op op = op_of(KV_PUT, &key);
    op.record_kind = RECORD_DIRECTORY;
    op.flags = KV_HAS_ATTR;
    op.attr = slice_str("\001");
    must(scene, &op);
}

static void damage_location(struct scene *scene)
{
    struct key nothing = {.space = KV_PLAIN, .n = 0};
    put_reference(scene, inode_of(12345), nothing, 12345);
    struct key key = inode_of(12345);
    struct kv_op op = op_of(KV_PUT, &key);
    op.record_kind = RECORD_REFERENCE;
    op.data = slice_str("\377 no key");
    op.created = 12345;
    op.flags = KV_HAS_CREATED | KV_ANY_KIND;
    op.pre = (struct kv_pre){KV_PRE_CREATED, 12345};
    must(scene, &op);
}

static void location_is_gone(struct scene *scene)
{
    struct key key = inode_of(12345);
    assert_false(user_has_record(scene->user, key.space, key_slice(&key)));
}

static void damage_attr_of_directory(struct scene *scene)
{
    write_attr(scene, own_of(scene->sub), "\002");
}

static void sub_is_readable(struct scene *scene)
{
    struct tree_inode inode;
    assert_int_equal(look_up(scene, scene->docs, "sub", &inode), SF_OK);
    assert_int_equal(inode.mode, S_IFDIR | 0700);
    assert_int_equal(inode.parent, scene->docs);
    assert_int_equal(user_do(scene->user, TREE_CREATE, scene->sub, "more", NULL), SF_OK);
}

static void write_newer_attr(struct scene *scene)
{
    write_attr(scene, entry_of(TREE_ROOT, "file"), "\003 of times to come");
}

static void damage_entry(struct scene *scene)
{
    struct key key = entry_of(TREE_ROOT, "strange");
    struct kv_op op = op_of(KV_PUT, &key);
    op.record_kind = RECORD_DIRECTORY;
    op.data = slice_str("no id");
    must(scene, &op);
}

static void strange_is_gone(struct scene *scene)
{
    assert_int_equal(look_up(scene, TREE_ROOT, "strange", NULL), SF_NOT_FOUND);
}

static const struct {
    void (*damage)(struct scene *scene);
    enum check_wrong wrong;
    unsigned count;
    void (*after)(struct scene *scene); /* NULL: it is left alone */
} damages[] = {
    {lose_own_of_empty, CHECK_DEAD_ENTRY, 1, empty_is_gone},
    {lose_own_of_docs, CHECK_DEAD_ENTRY, 1, docs_is_there},
    {lose_entry_of_empty, CHECK_LOST_DIRECTORY, 1, own_of_empty_is_gone},
    {lose_entry_of_docs, CHECK_LOST_DIRECTORY, 1, docs_is_lost_and_found},
    {lose_docs, CHECK_LOST_ENTRIES, 1, docs_is_lost_and_found},
    {enter_docs_again, CHECK_TWO_ENTRIES, 1, docs_is_entered_once},
    {enter_docs_beside, CHECK_TWO_ENTRIES, 2, NULL},
    {put_docs_below_itself, CHECK_LOOP, 1, docs_is_lost_and_found},
    {give_sub_another_parent, CHECK_PARENT, 1, sub_knows_its_parent},
    {miscount_docs, CHECK_COUNTS, 1, docs_is_there},
    {lose_inode, CHECK_DEAD_NAME, 2, names_are_gone},
    {lose_names, CHECK_LOST_FILE, 1, inode_is_lost_and_found},
    {lose_names_of_nothing, CHECK_LOST_FILE, 1, inode_is_gone},
    {miscount_names, CHECK_LINKS, 1, docs_is_there},
    {locate_nothing, CHECK_STALE_LOCATION, 1, docs_is_there},
    {locate_wrongly, CHECK_WRONG_LOCATION, 1, file_is_located},
    {locate_not_at_all, CHECK_NO_LOCATION, 1, file_is_located},
    {leak, CHECK_LEAK, 2, file_of_two_is_whole},
    {share_extents, CHECK_SHARED_EXTENTS, 1, NULL},
    {damage_attr, CHECK_BAD_ATTR, 1, text_is_readable},
    {damage_all_of_attr, CHECK_BAD_ATTR, 1, text_is_readable},
    {damage_type, CHECK_BAD_ATTR, 1, text_is_readable},
    {damage_attr_of_moved, CHECK_BAD_ATTR, 1, moved_is_readable},
    {damage_xattrs, CHECK_BAD_ATTR, 1, all_but_xattrs_is_there},
    {damage_attr_of_inode, CHECK_BAD_ATTR, 1, inode_has_two_names},
    {damage_attr_of_name, CHECK_BAD_ATTR, 1, name_leads_to_its_inode},
    {damage_attr_of_root, CHECK_BAD_ATTR, 1, docs_is_there},
    {damage_attr_of_directory, CHECK_BAD_ATTR, 1, sub_is_readable},
    {damage_location, CHECK_BAD_ATTR, 1, location_is_gone},
    {damage_entry, CHECK_BAD_ATTR, 1, strange_is_gone},
    {write_newer_attr, CHECK_NEWER_ATTR, 1, NULL},
};

#define DAMAGES (sizeof damages / sizeof damages[0])

static void each_damage_is_found_and_repaired(void **state)
{
    (void)state;
    for (size_t i = 0; i < DAMAGES; i++) {
        struct scene scene;
        print_message("  damage %zu\n", i);
        scene_open(&scene, 1 + i);
        if (i == 0)
            user_expect_fits(scene.user);
        damages[i].damage(&scene);
        struct fsck found = user_fsck(scene.user, false);
        expect_only(&found, damages[i].wrong, damages[i].count);
        assert_int_equal(found.result.repaired, 0);
        struct fsck repaired = user_fsck(scene.user, true);
        expect_only(&repaired, damages[i].wrong, damages[i].count);
        assert_int_equal(repaired.result.left, damages[i].after ? 0 : damages[i].count);
        if (damages[i].after) {
            damages[i].after(&scene);
            user_expect_fits(scene.user);
        }
        stage_free(scene.stage);
    }
}

/* All that can be repaired at once: what one repair changes, another one looks at again. */
static void all_damages_together(void **state)
{
    struct scene scene;
    (void)state;
    scene_open(&scene, 99);
    lose_own_of_empty(&scene);
    give_sub_another_parent(&scene);
    miscount_docs(&scene);
    lose_entry_of_docs(&scene);
    lose_inode(&scene);
    leak(&scene);
    locate_nothing(&scene);
    locate_not_at_all(&scene);
    struct fsck found = user_fsck(scene.user, false);
    assert_int_equal(found.result.left, 10);
    struct fsck repaired = user_fsck(scene.user, true);
    assert_int_equal(repaired.result.repaired, 10);
    assert_int_equal(repaired.result.left, 0);
    docs_is_lost_and_found(&scene);
    user_expect_fits(scene.user);
    stage_free(scene.stage);
}

static void put_content(struct scene *scene, struct key key, enum record_kind kind)
{
    struct kv_op stat = op_of(KV_STAT, &key), op = op_of(KV_PUT, &key);
    op.pre = (struct kv_pre){KV_PRE_VERSION, do_raw(scene, &stat).stat.version};
    op.flags = KV_ANY_KIND;
    op.record_kind = kind;
    op.data = slice_str("no number");
    must(scene, &op);
}

/* What cannot be read, and what is wrong because of it: of directories above and below one another,
 * and a file of which no name leads to it any more. */
static void what_damage_leaves_behind_is_repaired_too(void **state)
{
    struct scene scene;
    (void)state;
    scene_open(&scene, 100);
    put_content(&scene, entry_of(TREE_ROOT, "docs"), RECORD_DIRECTORY);
    write_attr(&scene, own_of(scene.docs), "\001");
    write_attr(&scene, own_of(scene.sub), "\001");
    damage_attr(&scene);
    put_content(&scene, entry_of(TREE_ROOT, "one"), RECORD_REFERENCE);
    put_content(&scene, entry_of(scene.docs, "two"), RECORD_REFERENCE);
    write_attr(&scene, inode_of(scene.names), "\001");
    struct fsck repaired = user_fsck(scene.user, true);
    assert_int_equal(repaired.result.left, 0);
    assert_int_equal(repaired.result.unsettled, 0);
    assert_int_equal(repaired.wrong[CHECK_BAD_ATTR], 7);
    expect_lost(&scene, scene.docs);
    expect_lost(&scene, scene.names);
    user_expect_fits(scene.user);
    sub_is_readable(&scene);
    text_is_readable(&scene);
    user_expect_fits(scene.user);
    stage_free(scene.stage);
}

/* A directory of several pages is one of several looks at its shard. */
static void a_large_directory_is_counted(void **state)
{
    struct scene scene;
    (void)state;
    scene_open(&scene, 5);
    for (unsigned i = 0; i < 2500; i++) {
        char name[16];
        snprintf(name, sizeof name, "name %u", i);
        make(&scene, TREE_CREATE, scene.empty, name);
    }
    user_expect_fits(scene.user);
    add_raw(&scene, scene.empty, -7, 0);
    struct fsck outcome = user_fsck(scene.user, true);
    expect_only(&outcome, CHECK_COUNTS, 1);
    struct tree_inode inode;
    assert_int_equal(look_up(&scene, TREE_ROOT, "empty", &inode), SF_OK);
    assert_int_equal(inode.size, 2500);
    user_expect_fits(scene.user);
    stage_free(scene.stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_damage_is_found_and_repaired),
        cmocka_unit_test(all_damages_together),
        cmocka_unit_test(what_damage_leaves_behind_is_repaired_too),
        cmocka_unit_test(a_large_directory_is_counted),
    };
    log_level_min = LOG_LEVEL_ERROR;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
