/* What is wrong with a subject is told, and mended in a minitransaction on what was seen of it. */
#include "tree/check_inside.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define PARTS_MAX 12u
#define NAMES_CHECKED_MAX 24u   /* of a file: further ones are not checked once more */
#define RECOUNTS_MAX 20u        /* of a directory that changes while its counts are set right */
#define RESCUED_MODE 0700u      /* of a directory whose record is made anew, and of /lost+found */
#define RESCUED_FILE_MODE 0600u /* of a file whose attributes are lost */
#define ROOT_MODE 0755u         /* as it has without any */

/* A minitransaction, and what its operations point to. */
struct repair {
    struct check *check;
    struct kv_op checks[NAMES_CHECKED_MAX + 4], ops[PARTS_MAX];
    size_t check_count, op_count;
    struct key keys[PARTS_MAX];
    size_t key_count;
    struct buffer attr;
    uint8_t slots[16], id[8], reference[REFERENCE_BYTES_MAX];
};

/* -- telling ------------------------------------------------------------------------------- */

static void tell(struct check *check, enum check_wrong wrong, const char *repaired,
                 const char *left)
{
    struct check_finding finding = {.wrong = wrong, .end = CHECK_FOUND};
    finding.text = buffer_slice(&check->text);
    if (check->host->repair) {
        finding.end = repaired ? CHECK_REPAIRED : CHECK_LEFT;
        finding.how = repaired ? repaired : left;
    }
    check->result->repaired += finding.end == CHECK_REPAIRED;
    check->result->left += finding.end != CHECK_REPAIRED;
    check->host->on_finding(check->host->ctx, &finding);
}

void repair_leave(struct check *check, enum check_wrong wrong, const char *how)
{
    tell(check, wrong, NULL, how);
}

static struct slice key_of(const struct check *check, const struct sighting *seen)
{
    return check_bytes(check, seen->key_at, seen->key_bytes);
}

static void say_name(struct check *check, const struct sighting *seen)
{
    buffer_clear(&check->text);
    see_name(&check->text, seen->space, key_of(check, seen));
}

static void say_subject(struct check *check, const char *what, uint64_t id)
{
    buffer_clear(&check->text);
    text_add(&check->text, "%s %llu", what, (unsigned long long)id);
}

/* -- building ------------------------------------------------------------------------------ */

static struct key *new_key(struct repair *r)
{
    sf_assert(r->key_count < PARTS_MAX);
    return &r->keys[r->key_count++];
}

static struct key *own_key(struct repair *r, uint64_t id)
{
    struct key *key = new_key(r);
    key_of_directory(id, key);
    return key;
}

static struct kv_op *add_op(struct repair *r, enum kv_kind kind, enum kv_space space,
                            struct slice key)
{
    sf_assert(r->op_count < PARTS_MAX);
    struct kv_op *op = &r->ops[r->op_count++];
    *op = (struct kv_op){.kind = kind, .space = space, .key = key};
    return op;
}

static struct kv_op *add_check(struct repair *r, enum kv_space space, struct slice key)
{
    sf_assert(r->check_count < sizeof r->checks / sizeof r->checks[0]);
    struct kv_op *op = &r->checks[r->check_count++];
    *op = (struct kv_op){.kind = KV_STAT, .space = space, .key = key};
    return op;
}

static struct kv_op *add_own(struct repair *r, enum kv_kind kind, uint64_t id)
{
    return add_op(r, kind, KV_INTERNAL, key_slice(own_key(r, id)));
}

/* An operation on what was seen, as it was seen. */
static struct kv_op *change(struct repair *r, enum kv_kind kind, const struct sighting *seen)
{
    struct kv_op *op = add_op(r, kind, seen->space, key_of(r->check, seen));
    op->pre = (struct kv_pre){KV_PRE_VERSION, seen->version};
    return op;
}

static void unchanged(struct repair *r, const struct sighting *seen)
{
    add_check(r, seen->space, key_of(r->check, seen))->pre =
        (struct kv_pre){KV_PRE_VERSION, seen->version};
}

static void count(struct repair *r, uint64_t directory, int entries, int subdirectories)
{
    if (directory == TREE_ROOT)
        return;
    struct key *key = own_key(r, directory);
    op_count(add_op(r, KV_ADD, KV_INTERNAL, key_slice(key)), key, entries, subdirectories);
    r->ops[r->op_count - 1].pre.kind = KV_PRE_EXISTS;
}

static void put_id(uint8_t to[8], uint64_t id)
{
    for (size_t i = 0; i < 8; i++)
        to[i] = (uint8_t)(id >> (8 * i));
}

static int set_attr(struct repair *r, struct kv_op *op, const struct attr *attr)
{
    int status = attr_encode(attr, &r->attr);
    op->flags |= KV_HAS_ATTR;
    op->attr = buffer_slice(&r->attr);
    return status;
}

/* A directory's own record, made anew. */
static int put_own(struct repair *r, uint64_t id, uint64_t parent, const uint64_t found[2])
{
    const struct check_host *host = r->check->host;
    struct attr attr = {.mode = S_IFDIR | RESCUED_MODE,
                        .uid = host->uid,
                        .gid = host->gid,
                        .links = 2,
                        .parent = parent};
    struct kv_op *op = add_own(r, KV_PUT, id);
    put_id(r->slots, found[0]);
    put_id(r->slots + 8, found[1]);
    op->pre.kind = KV_PRE_ABSENT;
    op->record_kind = RECORD_DIRECTORY;
    op->data = slice_of(r->slots, sizeof r->slots);
    return set_attr(r, op, &attr);
}

static int transact(struct repair *r)
{
    struct kv_op mini = {.kind = KV_MINI,
                         .space = r->ops[0].space,
                         .key = r->ops[0].key,
                         .checks = r->checks,
                         .check_count = r->check_count,
                         .ops = r->ops,
                         .op_count = r->op_count};
    op_take_any_kind(r->ops, r->op_count);
    return check_ask(r->check, &mini, NULL, NULL);
}

/* Tells of it. What has changed meanwhile is looked at again. */
static void conclude(struct repair *r, int status, enum check_wrong wrong, const char *how)
{
    struct check *check = r->check;
    bool has_changed = status == SF_PRECONDITION || status == SF_NOT_FOUND ||
                       status == SF_NOT_EMPTY || status == SF_EXISTS;
    if (has_changed && check->counts.look < CHECK_LOOKS_MAX)
        check->again = true;
    else
        tell(check, wrong, status == SF_OK ? how : NULL, sf_error_text(status));
    buffer_deinit(&r->attr);
}

static void mend(struct repair *r, int status, enum check_wrong wrong, const char *how)
{
    if (status == SF_OK && r->check->host->repair)
        status = transact(r);
    conclude(r, status, wrong, how);
}

/* -- /lost+found --------------------------------------------------------------------------- */

static int make_lost(struct check *check, struct slice name)
{
    struct repair r = {.check = check};
    uint64_t id;
    int status = check_new_id(check, &id);
    if (status != SF_OK)
        return status;
    struct kv_op *entry = add_op(&r, KV_PUT, KV_PLAIN, name);
    put_id(r.id, id);
    entry->pre.kind = KV_PRE_ABSENT;
    entry->record_kind = RECORD_DIRECTORY;
    entry->data = slice_of(r.id, sizeof r.id);
    status = put_own(&r, id, TREE_ROOT, (uint64_t[2]){0, 0});
    if (status == SF_OK)
        status = transact(&r);
    if (status == SF_OK)
        check->lost = id;
    buffer_deinit(&r.attr);
    return status;
}

/* check->lost is known, unless it cannot be made or is no directory. */
static int find_lost(struct check *check)
{
    struct slice name = slice_str(CHECK_LOST);
    struct kv_op op = {.kind = KV_STAT, .space = KV_PLAIN, .key = name};
    struct kv_stat stat;
    struct buffer data = {0};
    if (check->lost != 0 || !check->host->repair)
        return SF_OK;
    int status = check_ask(check, &op, &stat, &data);
    if (status == SF_OK)
        status = stat.kind == RECORD_DIRECTORY ? key_directory_id(buffer_slice(&data), &check->lost)
                                               : SF_NOT_DIRECTORY;
    else if (status == SF_NOT_FOUND)
        status = make_lost(check, name);
    buffer_deinit(&data);
    return status;
}

/* An entry of /lost+found by the subject's number. */
static struct kv_op *put_lost(struct repair *r, uint64_t id, enum record_kind kind)
{
    char name[24];
    struct key *key = new_key(r);
    snprintf(name, sizeof name, "#%llu", (unsigned long long)id);
    int status = key_of_entry(r->check->lost, slice_str(name), key);
    sf_assert(status == SF_OK);
    struct kv_op *op = add_op(r, KV_PUT, key->space, key_slice(key));
    op->pre.kind = KV_PRE_ABSENT;
    op->record_kind = kind;
    count(r, r->check->lost, 1, kind == RECORD_DIRECTORY);
    return op;
}

static void put_lost_directory(struct repair *r, uint64_t id)
{
    put_id(r->id, id);
    put_lost(r, id, RECORD_DIRECTORY)->data = slice_of(r->id, sizeof r->id);
}

/* -- directories --------------------------------------------------------------------------- */

/* Its own record learns what is above it. */
static int reparent(struct repair *r, const struct sighting *own, uint64_t parent)
{
    struct attr attr;
    int status = attr_decode(check_bytes(r->check, own->attr_at, own->attr_bytes), &attr);
    if (status != SF_OK)
        return status;
    attr.parent = parent;
    return set_attr(r, change(r, KV_SET_ATTR, own), &attr);
}

static void take_entry(struct repair *r, const struct sighting *entry, int subdirectories)
{
    change(r, KV_DELETE, entry);
    count(r, entry->fact.value, -1, -subdirectories);
}

static void mend_dead_entry(struct check *check, const struct sighting *entry,
                            const struct sighting *stray)
{
    struct repair r = {.check = check};
    int status = SF_OK;
    uint64_t id = entry->fact.id;
    say_name(check, entry);
    text_add(&check->text, ": there is no directory %llu", (unsigned long long)id);
    if (stray) {
        text_add(&check->text, ", but %llu entries of it", (unsigned long long)stray->found[0]);
        unchanged(&r, entry);
        status = put_own(&r, id, entry->fact.value, stray->found);
        mend(&r, status, CHECK_DEAD_ENTRY, "its record was made anew, mode 0700");
        return;
    }
    take_entry(&r, entry, 1);
    add_check(&r, KV_INTERNAL, key_slice(own_key(&r, id)))->pre.kind = KV_PRE_ABSENT;
    mend(&r, status, CHECK_DEAD_ENTRY, "the entry was removed");
}

static void mend_lost_entries(struct check *check, const struct sighting *stray)
{
    struct repair r = {.check = check};
    uint64_t id = stray->fact.id;
    say_subject(check, "directory", id);
    text_add(&check->text, ": it has %llu entries, but no record, and nothing leads to it",
             (unsigned long long)stray->found[0]);
    int status = find_lost(check);
    if (status == SF_OK)
        status = put_own(&r, id, check->lost, stray->found);
    put_lost_directory(&r, id);
    mend(&r, status, CHECK_LOST_ENTRIES, "it came to /" CHECK_LOST);
}

static void mend_lost_directory(struct check *check, const struct sighting *own,
                                const struct sighting *counts)
{
    struct repair r = {.check = check};
    uint64_t id = own->fact.id;
    say_subject(check, "directory", id);
    if (own->fact.extra & FACT_UNREADABLE) {
        text_add(&check->text, ": nothing leads to it");
        repair_leave(check, CHECK_LOST_DIRECTORY, "its attributes cannot be read");
        return;
    }
    if (counts && counts->found[0] == 0) {
        text_add(&check->text, ": nothing leads to it, and it is empty");
        struct key *below = new_key(&r);
        key_of_entries(id, below);
        add_check(&r, KV_INTERNAL, key_slice(below))->flags = KV_PREFIX_EMPTY;
        change(&r, KV_DELETE, own);
        mend(&r, SF_OK, CHECK_LOST_DIRECTORY, "it was removed");
        return;
    }
    text_add(&check->text, ": nothing leads to it");
    int status = find_lost(check);
    if (status == SF_OK)
        status = reparent(&r, own, check->lost);
    put_lost_directory(&r, id);
    mend(&r, status, CHECK_LOST_DIRECTORY, "it came to /" CHECK_LOST);
}

/* The one entry of several that is where the directory says. NULL: none, or several. */
static const struct sighting *right_entry(const struct sighting *own,
                                          const struct sighting *entries, size_t n)
{
    const struct sighting *right = NULL;
    for (size_t i = 0; i < n; i++) {
        if (entries[i].fact.value != own->fact.value)
            continue;
        if (right)
            return NULL;
        right = &entries[i];
    }
    return right;
}

static void mend_two_entries(struct check *check, const struct sighting *own,
                             const struct sighting *entries, size_t n)
{
    const struct sighting *right = right_entry(own, entries, n);
    for (size_t i = 0; i < n; i++) {
        struct repair r = {.check = check};
        if (&entries[i] == right)
            continue;
        say_name(check, &entries[i]);
        text_add(&check->text, ": other entries lead to directory %llu, too",
                 (unsigned long long)own->fact.id);
        if (!right) {
            repair_leave(check, CHECK_TWO_ENTRIES, "nobody knows which of them is right");
            continue;
        }
        unchanged(&r, own);
        take_entry(&r, &entries[i], 1);
        mend(&r, SF_OK, CHECK_TWO_ENTRIES, "the entry was removed");
    }
}

/* The loop is cut where it is met first: the others are then below that directory. */
static void mend_loop(struct check *check, const struct sighting *own, const struct sighting *entry)
{
    struct repair r = {.check = check};
    uint64_t id = own->fact.id, at = entry->fact.value;
    while (at != id) { /* all of the loop are suspects */
        const struct link_up *link = check->links;
        while (link->id != at)
            link++;
        if (link->id < id)
            return; /* it is told of with that one */
        at = link->above;
    }
    say_name(check, entry);
    text_add(&check->text, ": directory %llu is below itself", (unsigned long long)id);
    int status = find_lost(check);
    if (status == SF_OK)
        status = reparent(&r, own, check->lost);
    take_entry(&r, entry, 1);
    put_lost_directory(&r, id);
    mend(&r, status, CHECK_LOOP, "it came to /" CHECK_LOST);
}

static void mend_parent(struct check *check, const struct sighting *own,
                        const struct sighting *entry)
{
    struct repair r = {.check = check};
    say_name(check, entry);
    text_add(&check->text, ": directory %llu says that it is in directory %llu",
             (unsigned long long)own->fact.id, (unsigned long long)own->fact.value);
    unchanged(&r, entry);
    mend(&r, reparent(&r, own, entry->fact.value), CHECK_PARENT, "it says so no more");
}

/* What the directory has now. A busy one changes between a look and its repair: where one page shows
 * all of it, it is counted anew. */
static struct tally count_again(struct check *check, const struct sighting *counts)
{
    struct tally now, seen = {.has_own = true, .version = counts->version};
    memcpy(seen.counted, counts->counted, sizeof seen.counted);
    memcpy(seen.found, counts->found, sizeof seen.found);
    bool is_known = counts->is_snapshot && check->host->repair &&
                    check_recount(check, counts->fact.id, &now) == SF_OK && now.one_page &&
                    now.has_own;
    return is_known ? now : seen;
}

static int set_counts(struct repair *r, const struct sighting *counts)
{
    struct check *check = r->check;
    int status = SF_PRECONDITION;
    for (unsigned i = 0; status == SF_PRECONDITION && i < RECOUNTS_MAX; i++) {
        struct tally now = count_again(check, counts);
        r->op_count = r->key_count = 0;
        struct kv_op *op = add_own(r, KV_ADD, counts->fact.id);
        op->pre = (struct kv_pre){KV_PRE_VERSION, now.version};
        op->add_count = 2;
        for (uint32_t slot = 0; slot < 2; slot++)
            op->adds[slot] =
                (struct kv_add){.slot = slot, .value = now.found[slot] - now.counted[slot]};
        status = check->host->repair ? transact(r) : SF_OK;
    }
    return status;
}

static void mend_counts(struct check *check, const struct sighting *counts)
{
    struct repair r = {.check = check};
    int status = set_counts(&r, counts);
    say_subject(check, "directory", counts->fact.id);
    text_add(&check->text,
             ": it counts %llu entries, %llu of them directories; there are %llu and %llu",
             (unsigned long long)counts->counted[0], (unsigned long long)counts->counted[1],
             (unsigned long long)counts->found[0], (unsigned long long)counts->found[1]);
    conclude(&r, status, CHECK_COUNTS, "the counts were set right");
}

/* -- inodes -------------------------------------------------------------------------------- */

static void mend_dead_names(struct check *check, const struct sighting *names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct repair r = {.check = check};
        struct key *inode = new_key(&r);
        say_name(check, &names[i]);
        text_add(&check->text, ": there is no inode %llu", (unsigned long long)names[i].fact.id);
        key_of_inode(names[i].fact.id, inode);
        add_check(&r, KV_INTERNAL, key_slice(inode))->pre.kind = KV_PRE_ABSENT;
        take_entry(&r, &names[i], 0);
        mend(&r, SF_OK, CHECK_DEAD_NAME, "the name was removed");
    }
}

static int set_links(struct repair *r, const struct sighting *inode, uint32_t links)
{
    struct attr attr;
    int status = attr_decode(check_bytes(r->check, inode->attr_at, inode->attr_bytes), &attr);
    if (status != SF_OK)
        return status;
    attr.links = links;
    return set_attr(r, change(r, KV_SET_ATTR, inode), &attr);
}

static void mend_lost_file(struct check *check, const struct sighting *inode)
{
    struct repair r = {.check = check};
    uint64_t ino = inode->fact.id;
    say_subject(check, "inode", ino);
    text_add(&check->text, ": no name refers to it; it has %llu bytes",
             (unsigned long long)inode->length);
    if (inode->length == 0) {
        change(&r, KV_DELETE, inode);
        mend(&r, SF_OK, CHECK_LOST_FILE, "it was removed");
        return;
    }
    int status = find_lost(check);
    if (status == SF_OK)
        status = set_links(&r, inode, 1);
    struct key *key = new_key(&r);
    key_of_inode(ino, key);
    put_lost(&r, ino, RECORD_REFERENCE)->data = key_reference(key, r.reference);
    mend(&r, status, CHECK_LOST_FILE, "it came to /" CHECK_LOST);
}

static void unchanged_names(struct repair *r, const struct sighting *names, size_t n)
{
    for (size_t i = 0; i < n && i < NAMES_CHECKED_MAX; i++)
        unchanged(r, &names[i]);
}

static void mend_links(struct check *check, const struct sighting *inode,
                       const struct sighting *names, size_t n)
{
    struct repair r = {.check = check};
    say_subject(check, "inode", inode->fact.id);
    text_add(&check->text, ": it counts %llu names; there are %zu",
             (unsigned long long)inode->fact.value, n);
    unchanged_names(&r, names, n);
    mend(&r, set_links(&r, inode, (uint32_t)n), CHECK_LINKS, "the count was set right");
}

/* What is at the key, if there is something, stays as it is now. */
static int stays(struct repair *r, const struct key *key, struct kv_stat *stat)
{
    struct kv_op *check = add_check(r, key->space, key_slice(key));
    *stat = (struct kv_stat){.version = 0};
    int status = check_ask(r->check, check, stat, NULL);
    check->pre = (struct kv_pre){KV_PRE_VERSION, stat->version};
    if (status == SF_NOT_FOUND)
        check->pre.kind = KV_PRE_ABSENT;
    return status == SF_NOT_FOUND ? SF_OK : status;
}

/* The key that the record names has no such file, and stays so until it is removed. */
static int check_stale(struct repair *r, const struct sighting *location)
{
    struct key *key = new_key(r);
    struct kv_stat stat;
    int status =
        key_of_reference(check_bytes(r->check, location->data_at, location->data_bytes), key);
    if (status == SF_OK)
        status = stays(r, key, &stat);
    if (status == SF_OK && stat.kind == RECORD_VALUE && stat.created == location->fact.id)
        return SF_PRECONDITION; /* it is there */
    return status;
}

static void mend_stale_location(struct check *check, const struct sighting *location)
{
    struct repair r = {.check = check};
    say_subject(check, "inode", location->fact.id);
    text_add(&check->text, ": there is a record of where it lives, and no such file");
    int status = check->host->repair ? check_stale(&r, location) : SF_OK;
    change(&r, KV_DELETE, location);
    mend(&r, status, CHECK_STALE_LOCATION, "the record was removed");
}

/* location: NULL: there is none. */
static void mend_location(struct check *check, const struct sighting *location,
                          const struct sighting *home)
{
    struct repair r = {.check = check};
    struct key key = {.space = home->space, .n = home->key_bytes};
    say_name(check, home);
    text_add(&check->text,
             location ? ": the record of where inode %llu lives names another place"
                      : ": it has moved, and there is no record of where inode %llu lives",
             (unsigned long long)home->fact.id);
    if (home->key_bytes > sizeof key.bytes) {
        repair_leave(check, CHECK_WRONG_LOCATION, "the mount has no name for it");
        return;
    }
    memcpy(key.bytes, key_of(check, home).p, key.n);
    unchanged(&r, home);
    struct key *inode = new_key(&r);
    key_of_inode(home->fact.id, inode);
    struct kv_op *op = add_op(&r, KV_PUT, KV_INTERNAL, key_slice(inode));
    op->pre.kind = KV_PRE_ABSENT;
    if (location)
        op->pre = (struct kv_pre){KV_PRE_VERSION, location->version};
    op->record_kind = RECORD_REFERENCE;
    op->flags = KV_HAS_CREATED;
    op->created = home->fact.id;
    op->data = key_reference(&key, r.reference);
    mend(&r, SF_OK, location ? CHECK_WRONG_LOCATION : CHECK_NO_LOCATION,
         "the record says now where it lives");
}

/* -- what cannot be read ------------------------------------------------------------------- */

/* What can be saved of its attributes; else this mode, and the owner who repairs. */
static struct attr saved_attr(const struct check *check, const struct sighting *seen, uint32_t mode)
{
    const struct check_host *host = check->host;
    struct attr attr = {.mode = mode, .uid = host->uid, .gid = host->gid, .links = 1};
    (void)attr_salvage(check_bytes(check, seen->attr_at, seen->attr_bytes), S_ISDIR(mode), &attr);
    return attr;
}

static void say_damage(struct check *check, const struct sighting *seen, const char *what)
{
    say_name(check, seen);
    text_add(&check->text, ": %s", what);
}

static void mend_attr(struct repair *r, int status, const struct sighting *seen,
                      const struct attr *attr)
{
    char how[64];
    snprintf(how, sizeof how, "now it has mode %04o, owner %u, group %u", attr->mode & 07777u,
             attr->uid, attr->gid);
    if (status == SF_OK)
        status = set_attr(r, change(r, KV_SET_ATTR, seen), attr);
    mend(r, status, CHECK_BAD_ATTR, how);
}

/* entry: one that leads to it, or NULL. */
static void mend_own_attr(struct check *check, const struct sighting *own,
                          const struct sighting *entry)
{
    struct repair r = {.check = check};
    struct attr attr = saved_attr(check, own, S_IFDIR | RESCUED_MODE);
    say_damage(check, own, CHECK_ATTR_IS_DAMAGED);
    attr.parent = entry ? entry->fact.value : TREE_ROOT;
    if (entry)
        unchanged(&r, entry);
    mend_attr(&r, SF_OK, own, &attr);
}

static void mend_inode_attr(struct check *check, const struct sighting *inode,
                            const struct sighting *names, size_t n)
{
    struct repair r = {.check = check};
    struct attr attr = saved_attr(check, inode, S_IFREG | RESCUED_FILE_MODE);
    say_damage(check, inode, CHECK_ATTR_IS_DAMAGED);
    attr.links = n > 0 ? (uint32_t)n : 1;
    attr.has_moved = false;
    unchanged_names(&r, names, n);
    mend_attr(&r, SF_OK, inode, &attr);
}

/* It says that it has moved if there is a record of where to. */
static void mend_file_attr(struct check *check, const struct sighting *file)
{
    struct repair r = {.check = check};
    struct attr attr = saved_attr(check, file, S_IFREG | RESCUED_FILE_MODE);
    struct kv_stat stat;
    struct key *inode = new_key(&r);
    key_of_inode(file->created, inode);
    int status = stays(&r, inode, &stat);
    say_damage(check, file, CHECK_ATTR_IS_DAMAGED);
    attr.has_moved = stat.kind == RECORD_REFERENCE;
    attr.links = 1;
    mend_attr(&r, status, file, &attr);
}

static void mend_root_attr(struct check *check, const struct sighting *own)
{
    struct repair r = {.check = check};
    struct attr attr = saved_attr(check, own, S_IFDIR | ROOT_MODE);
    say_damage(check, own, CHECK_ATTR_IS_DAMAGED);
    mend_attr(&r, SF_OK, own, &attr);
}

/* Without any it is listed as a file of unknown kind: its inode says which. */
static void mend_name_attr(struct check *check, const struct sighting *name)
{
    struct repair r = {.check = check};
    say_damage(check, name, CHECK_ATTR_IS_DAMAGED);
    change(&r, KV_SET_ATTR, name)->flags = KV_HAS_ATTR;
    mend(&r, SF_OK, CHECK_BAD_ATTR, "they were removed; its inode has others");
}

/* It leads to nothing that anybody could find. */
static void mend_content(struct check *check, const struct sighting *seen, enum damage damage)
{
    struct repair r = {.check = check};
    say_damage(check, seen, CHECK_CONTENT_IS_DAMAGED);
    if (damage == DAMAGE_LOCATION_CONTENT)
        change(&r, KV_DELETE, seen);
    else
        take_entry(&r, seen, damage == DAMAGE_ENTRY_CONTENT);
    mend(&r, SF_OK, CHECK_BAD_ATTR, "it was removed");
}

static void mend_damage(struct check *check, const struct sighting *seen)
{
    enum damage damage = (enum damage)seen->fact.extra;
    switch (damage) {
    case DAMAGE_FILE:
        mend_file_attr(check, seen);
        return;
    case DAMAGE_NAME:
        mend_name_attr(check, seen);
        return;
    case DAMAGE_ROOT:
        mend_root_attr(check, seen);
        return;
    case DAMAGE_ENTRY_CONTENT:
    case DAMAGE_NAME_CONTENT:
    case DAMAGE_LOCATION_CONTENT:
        mend_content(check, seen, damage);
        return;
    }
}

/* -- extents ------------------------------------------------------------------------------- */

static void mend_leaks(struct check *check, const struct group_of_facts *group)
{
    size_t n;
    const struct sighting *extents = sightings_of(group, FACT_EXTENT, &n);
    for (size_t i = 0; i < n; i++) {
        struct repair r = {.check = check};
        if (judge_extent_is_named(group, extents[i].fact.value))
            continue;
        say_name(check, &extents[i]);
        text_add(&check->text, ": no file has it (%llu bytes)",
                 (unsigned long long)extents[i].length);
        change(&r, KV_DELETE, &extents[i]);
        mend(&r, SF_OK, CHECK_LEAK, "it was removed");
    }
}

static void tell_shared(struct check *check, uint64_t data_id)
{
    say_subject(check, "data id", data_id);
    text_add(&check->text, ": more than one file has it");
    repair_leave(check, CHECK_SHARED_EXTENTS, "nobody knows whose it is");
}

/* -- by subject ---------------------------------------------------------------------------- */

static bool has(unsigned wrong, enum check_wrong what)
{
    return wrong & 1u << what;
}

static void repair_directory(struct check *check, const struct group_of_facts *group,
                             unsigned wrong)
{
    size_t owns, n, strays, tallies;
    const struct sighting *own = sightings_of(group, FACT_OWN, &owns);
    const struct sighting *entries = sightings_of(group, FACT_ENTRY, &n);
    const struct sighting *stray = sightings_of(group, FACT_STRAY, &strays);
    const struct sighting *counts = sightings_of(group, FACT_COUNTS, &tallies);
    if (has(wrong, CHECK_BAD_ATTR)) { /* first: the others need to know what is above it */
        mend_own_attr(check, own, entries);
        check->again |= wrong != 1u << CHECK_BAD_ATTR;
        return;
    }
    for (size_t i = 0; i < n && has(wrong, CHECK_DEAD_ENTRY); i++)
        mend_dead_entry(check, &entries[i], i == 0 ? stray : NULL);
    if (has(wrong, CHECK_LOST_ENTRIES))
        mend_lost_entries(check, stray);
    if (has(wrong, CHECK_COUNTS))
        mend_counts(check, counts);
    if (has(wrong, CHECK_LOST_DIRECTORY))
        mend_lost_directory(check, own, counts);
    if (has(wrong, CHECK_TWO_ENTRIES))
        mend_two_entries(check, own, entries, n);
    if (has(wrong, CHECK_LOOP))
        mend_loop(check, own, entries);
    else if (has(wrong, CHECK_PARENT))
        mend_parent(check, own, entries);
}

static void repair_inode(struct check *check, const struct group_of_facts *group, unsigned wrong)
{
    size_t inodes, n, locations, homes;
    const struct sighting *inode = sightings_of(group, FACT_INODE, &inodes);
    const struct sighting *names = sightings_of(group, FACT_NAME, &n);
    const struct sighting *location = sightings_of(group, FACT_LOCATION, &locations);
    const struct sighting *home = sightings_of(group, FACT_HOME, &homes);
    if (has(wrong, CHECK_BAD_ATTR)) {
        mend_inode_attr(check, inode, names, n);
        check->again |= n == 0; /* it is lost, too */
        return;
    }
    if (has(wrong, CHECK_DEAD_NAME))
        mend_dead_names(check, names, n);
    if (has(wrong, CHECK_LOST_FILE))
        mend_lost_file(check, inode);
    if (has(wrong, CHECK_LINKS))
        mend_links(check, inode, names, n);
    if (has(wrong, CHECK_STALE_LOCATION))
        mend_stale_location(check, location);
    if (has(wrong, CHECK_WRONG_LOCATION) || has(wrong, CHECK_NO_LOCATION))
        mend_location(check, location, home);
}

void repair_subject(struct check *check, const struct group_of_facts *group, unsigned wrong)
{
    const struct fact *first = fact_at(group, 0);
    switch (fact_subject((enum fact_kind)first->kind)) {
    case SUBJECT_DIRECTORY:
        repair_directory(check, group, wrong);
        return;
    case SUBJECT_INODE:
        repair_inode(check, group, wrong);
        return;
    case SUBJECT_DATA:
        if (has(wrong, CHECK_SHARED_EXTENTS))
            tell_shared(check, first->id);
        if (has(wrong, CHECK_LEAK))
            mend_leaks(check, group);
        return;
    case SUBJECT_RECORD:
        for (size_t i = 0; i < group->count; i++)
            mend_damage(check, (const struct sighting *)(const void *)fact_at(group, i));
        return;
    }
}
