/* What cannot be read: attributes, and what an entry leads to. */
#include <stdio.h>
#include <sys/stat.h>

#include "tree/check_repair.h"

#define RESCUED_FILE_MODE 0600u /* of a file whose attributes are lost */
#define ROOT_MODE 0755u         /* as it has without any */

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
    repair_say_name(check, seen);
    text_add(&check->text, ": %s", what);
}

static void mend_attr(struct repair *r, int status, const struct sighting *seen,
                      const struct attr *attr)
{
    char how[64];
    snprintf(how, sizeof how, "now it has mode %04o, owner %u, group %u", attr->mode & 07777u,
             attr->uid, attr->gid);
    if (status == SF_OK)
        status = repair_set_attr(r, repair_change(r, KV_SET_ATTR, seen), attr);
    repair_mend(r, status, CHECK_BAD_ATTR, how);
}

void repair_own_attr(struct check *check, const struct sighting *own, const struct sighting *entry)
{
    struct repair r = {.check = check};
    struct attr attr = saved_attr(check, own, S_IFDIR | RESCUED_MODE);
    say_damage(check, own, CHECK_ATTR_IS_DAMAGED);
    attr.parent = entry ? entry->fact.value : TREE_ROOT;
    if (entry)
        repair_unchanged(&r, entry);
    mend_attr(&r, SF_OK, own, &attr);
}

void repair_inode_attr(struct check *check, const struct sighting *inode,
                       const struct sighting *names, size_t n)
{
    struct repair r = {.check = check};
    struct attr attr = saved_attr(check, inode, S_IFREG | RESCUED_FILE_MODE);
    say_damage(check, inode, CHECK_ATTR_IS_DAMAGED);
    attr.links = n > 0 ? (uint32_t)n : 1;
    attr.has_moved = false;
    repair_unchanged_names(&r, names, n);
    mend_attr(&r, SF_OK, inode, &attr);
}

/* It says that it has moved if there is a record of where to. */
static void mend_file_attr(struct check *check, const struct sighting *file)
{
    struct repair r = {.check = check};
    struct attr attr = saved_attr(check, file, S_IFREG | RESCUED_FILE_MODE);
    struct kv_stat stat;
    struct key *inode = repair_key(&r);
    key_of_inode(file->created, inode);
    int status = repair_stays(&r, inode, &stat);
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
    repair_change(&r, KV_SET_ATTR, name)->flags = KV_HAS_ATTR;
    repair_mend(&r, SF_OK, CHECK_BAD_ATTR, "they were removed; its inode has others");
}

/* It leads to nothing that anybody could find. */
static void mend_content(struct check *check, const struct sighting *seen, enum damage damage)
{
    struct repair r = {.check = check};
    say_damage(check, seen, CHECK_CONTENT_IS_DAMAGED);
    if (damage == DAMAGE_LOCATION_CONTENT)
        repair_change(&r, KV_DELETE, seen);
    else
        repair_take_entry(&r, seen, damage == DAMAGE_ENTRY_CONTENT);
    repair_mend(&r, SF_OK, CHECK_BAD_ATTR, "it was removed");
}

void repair_damage(struct check *check, const struct sighting *seen)
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
