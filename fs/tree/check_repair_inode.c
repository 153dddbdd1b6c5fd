/* What is wrong with a file's inode: its names, their number, and where it lives. */
#include <string.h>

#include "tree/check_repair.h"

static void mend_dead_names(struct check *check, const struct sighting *names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct repair r = {.check = check};
        struct key *inode = repair_key(&r);
        repair_say_name(check, &names[i]);
        text_add(&check->text, ": there is no inode %llu", (unsigned long long)names[i].fact.id);
        key_of_inode(names[i].fact.id, inode);
        repair_check(&r, KV_INTERNAL, key_slice(inode))->pre.kind = KV_PRE_ABSENT;
        repair_take_entry(&r, &names[i], 0);
        repair_mend(&r, SF_OK, CHECK_DEAD_NAME, "the name was removed");
    }
}

static int set_links(struct repair *r, const struct sighting *inode, uint32_t links)
{
    struct attr attr;
    int status = attr_decode(check_bytes(r->check, inode->attr_at, inode->attr_bytes), &attr);
    if (status != SF_OK)
        return status;
    attr.links = links;
    return repair_set_attr(r, repair_change(r, KV_SET_ATTR, inode), &attr);
}

static void mend_lost_file(struct check *check, const struct sighting *inode)
{
    struct repair r = {.check = check};
    uint64_t ino = inode->fact.id;
    repair_say_subject(check, "inode", ino);
    text_add(&check->text, ": no name refers to it; it has %llu bytes",
             (unsigned long long)inode->length);
    if (inode->length == 0) {
        repair_change(&r, KV_DELETE, inode);
        repair_mend(&r, SF_OK, CHECK_LOST_FILE, "it was removed");
        return;
    }
    int status = repair_find_lost(check);
    if (status == SF_OK)
        status = set_links(&r, inode, 1);
    struct key *key = repair_key(&r);
    key_of_inode(ino, key);
    repair_put_lost(&r, ino, RECORD_REFERENCE)->data = key_reference(key, r.reference);
    repair_mend(&r, status, CHECK_LOST_FILE, "it came to /" CHECK_LOST);
}

static void mend_links(struct check *check, const struct sighting *inode,
                       const struct sighting *names, size_t n)
{
    struct repair r = {.check = check};
    repair_say_subject(check, "inode", inode->fact.id);
    text_add(&check->text, ": it counts %llu names; there are %zu",
             (unsigned long long)inode->fact.value, n);
    repair_unchanged_names(&r, names, n);
    repair_mend(&r, set_links(&r, inode, (uint32_t)n), CHECK_LINKS, "the count was set right");
}

/* The key that the record names has no such file, and stays so until it is removed. */
static int check_stale(struct repair *r, const struct sighting *location)
{
    struct key *key = repair_key(r);
    struct kv_stat stat;
    int status =
        key_of_reference(check_bytes(r->check, location->data_at, location->data_bytes), key);
    if (status == SF_OK)
        status = repair_stays(r, key, &stat);
    if (status == SF_OK && stat.kind == RECORD_VALUE && stat.created == location->fact.id)
        return SF_PRECONDITION; /* it is there */
    return status;
}

static void mend_stale_location(struct check *check, const struct sighting *location)
{
    struct repair r = {.check = check};
    repair_say_subject(check, "inode", location->fact.id);
    text_add(&check->text, ": there is a record of where it lives, and no such file");
    int status = check->host->repair ? check_stale(&r, location) : SF_OK;
    repair_change(&r, KV_DELETE, location);
    repair_mend(&r, status, CHECK_STALE_LOCATION, "the record was removed");
}

/* location: NULL: there is none. */
static void mend_location(struct check *check, const struct sighting *location,
                          const struct sighting *home)
{
    struct repair r = {.check = check};
    struct key key = {.space = home->space, .n = home->key_bytes};
    repair_say_name(check, home);
    text_add(&check->text,
             location ? ": the record of where inode %llu lives names another place"
                      : ": it has moved, and there is no record of where inode %llu lives",
             (unsigned long long)home->fact.id);
    if (home->key_bytes > sizeof key.bytes) {
        repair_leave(check, CHECK_WRONG_LOCATION, "the mount has no name for it");
        return;
    }
    memcpy(key.bytes, repair_key_of(check, home).p, key.n);
    repair_unchanged(&r, home);
    struct key *inode = repair_key(&r);
    key_of_inode(home->fact.id, inode);
    struct kv_op *op = repair_op(&r, KV_PUT, KV_INTERNAL, key_slice(inode));
    op->pre.kind = KV_PRE_ABSENT;
    if (location)
        op->pre = (struct kv_pre){KV_PRE_VERSION, location->version};
    op->record_kind = RECORD_REFERENCE;
    op->flags = KV_HAS_CREATED;
    op->created = home->fact.id;
    op->data = key_reference(&key, r.reference);
    repair_mend(&r, SF_OK, location ? CHECK_WRONG_LOCATION : CHECK_NO_LOCATION,
                "the record says now where it lives");
}

void repair_inode(struct check *check, const struct group_of_facts *group, unsigned wrong)
{
    size_t inodes, n, locations, homes;
    const struct sighting *inode = sightings_of(group, FACT_INODE, &inodes);
    const struct sighting *names = sightings_of(group, FACT_NAME, &n);
    const struct sighting *location = sightings_of(group, FACT_LOCATION, &locations);
    const struct sighting *home = sightings_of(group, FACT_HOME, &homes);
    if (repair_has(wrong, CHECK_BAD_ATTR)) {
        repair_inode_attr(check, inode, names, n);
        check->again |= n == 0; /* it is lost, too */
        return;
    }
    if (repair_has(wrong, CHECK_DEAD_NAME))
        mend_dead_names(check, names, n);
    if (repair_has(wrong, CHECK_LOST_FILE))
        mend_lost_file(check, inode);
    if (repair_has(wrong, CHECK_LINKS))
        mend_links(check, inode, names, n);
    if (repair_has(wrong, CHECK_STALE_LOCATION))
        mend_stale_location(check, location);
    if (repair_has(wrong, CHECK_WRONG_LOCATION) || repair_has(wrong, CHECK_NO_LOCATION))
        mend_location(check, location, home);
}
