/* What is wrong with a directory: what leads to it, what is above it, what it counts. */
#include <string.h>

#include "tree/check_repair.h"

#define RECOUNTS_MAX 20u /* of a directory that changes while its counts are set right */

/* Its own record learns what is above it. */
static int reparent(struct repair *r, const struct sighting *own, uint64_t parent)
{
    struct attr attr;
    int status = attr_decode(check_bytes(r->check, own->attr_at, own->attr_bytes), &attr);
    if (status != SF_OK)
        return status;
    attr.parent = parent;
    return repair_set_attr(r, repair_change(r, KV_SET_ATTR, own), &attr);
}

static void mend_dead_entry(struct check *check, const struct sighting *entry,
                            const struct sighting *stray)
{
    struct repair r = {.check = check};
    int status = SF_OK;
    uint64_t id = entry->fact.id;
    repair_say_name(check, entry);
    text_add(&check->text, ": there is no directory %llu", (unsigned long long)id);
    if (stray) {
        text_add(&check->text, ", but %llu entries of it", (unsigned long long)stray->found[0]);
        repair_unchanged(&r, entry);
        status = repair_put_own(&r, id, entry->fact.value, stray->found);
        repair_mend(&r, status, CHECK_DEAD_ENTRY, "its record was made anew, mode 0700");
        return;
    }
    repair_take_entry(&r, entry, 1);
    repair_check(&r, KV_INTERNAL, key_slice(repair_own_key(&r, id)))->pre.kind = KV_PRE_ABSENT;
    repair_mend(&r, status, CHECK_DEAD_ENTRY, "the entry was removed");
}

static void mend_lost_entries(struct check *check, const struct sighting *stray)
{
    struct repair r = {.check = check};
    uint64_t id = stray->fact.id;
    repair_say_subject(check, "directory", id);
    text_add(&check->text, ": it has %llu entries, but no record, and nothing leads to it",
             (unsigned long long)stray->found[0]);
    int status = repair_find_lost(check);
    if (status == SF_OK)
        status = repair_put_own(&r, id, check->lost, stray->found);
    repair_put_lost_directory(&r, id);
    repair_mend(&r, status, CHECK_LOST_ENTRIES, "it came to /" CHECK_LOST);
}

static void mend_lost_directory(struct check *check, const struct sighting *own,
                                const struct sighting *counts)
{
    struct repair r = {.check = check};
    uint64_t id = own->fact.id;
    repair_say_subject(check, "directory", id);
    if (own->fact.extra & FACT_UNREADABLE) {
        text_add(&check->text, ": nothing leads to it");
        repair_leave(check, CHECK_LOST_DIRECTORY, "its attributes cannot be read");
        return;
    }
    if (counts && counts->found[0] == 0) {
        text_add(&check->text, ": nothing leads to it, and it is empty");
        struct key *below = repair_key(&r);
        key_of_entries(id, below);
        repair_check(&r, KV_INTERNAL, key_slice(below))->flags = KV_PREFIX_EMPTY;
        repair_change(&r, KV_DELETE, own);
        repair_mend(&r, SF_OK, CHECK_LOST_DIRECTORY, "it was removed");
        return;
    }
    text_add(&check->text, ": nothing leads to it");
    int status = repair_find_lost(check);
    if (status == SF_OK)
        status = reparent(&r, own, check->lost);
    repair_put_lost_directory(&r, id);
    repair_mend(&r, status, CHECK_LOST_DIRECTORY, "it came to /" CHECK_LOST);
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
        repair_say_name(check, &entries[i]);
        text_add(&check->text, ": other entries lead to directory %llu, too",
                 (unsigned long long)own->fact.id);
        if (!right) {
            repair_leave(check, CHECK_TWO_ENTRIES, "nobody knows which of them is right");
            continue;
        }
        repair_unchanged(&r, own);
        repair_take_entry(&r, &entries[i], 1);
        repair_mend(&r, SF_OK, CHECK_TWO_ENTRIES, "the entry was removed");
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
    repair_say_name(check, entry);
    text_add(&check->text, ": directory %llu is below itself", (unsigned long long)id);
    int status = repair_find_lost(check);
    if (status == SF_OK)
        status = reparent(&r, own, check->lost);
    repair_take_entry(&r, entry, 1);
    repair_put_lost_directory(&r, id);
    repair_mend(&r, status, CHECK_LOOP, "it came to /" CHECK_LOST);
}

static void mend_parent(struct check *check, const struct sighting *own,
                        const struct sighting *entry)
{
    struct repair r = {.check = check};
    repair_say_name(check, entry);
    text_add(&check->text, ": directory %llu says that it is in directory %llu",
             (unsigned long long)own->fact.id, (unsigned long long)own->fact.value);
    repair_unchanged(&r, entry);
    repair_mend(&r, reparent(&r, own, entry->fact.value), CHECK_PARENT, "it says so no more");
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
        struct kv_op *op = repair_own(r, KV_ADD, counts->fact.id);
        op->pre = (struct kv_pre){KV_PRE_VERSION, now.version};
        op->add_count = 2;
        for (uint32_t slot = 0; slot < 2; slot++)
            op->adds[slot] =
                (struct kv_add){.slot = slot, .value = now.found[slot] - now.counted[slot]};
        status = check->host->repair ? repair_transact(r) : SF_OK;
    }
    return status;
}

static void mend_counts(struct check *check, const struct sighting *counts)
{
    struct repair r = {.check = check};
    int status = set_counts(&r, counts);
    repair_say_subject(check, "directory", counts->fact.id);
    text_add(&check->text,
             ": it counts %llu entries, %llu of them directories; there are %llu and %llu",
             (unsigned long long)counts->counted[0], (unsigned long long)counts->counted[1],
             (unsigned long long)counts->found[0], (unsigned long long)counts->found[1]);
    repair_conclude(&r, status, CHECK_COUNTS, "the counts were set right");
}

void repair_directory(struct check *check, const struct group_of_facts *group, unsigned wrong)
{
    size_t owns, n, strays, tallies;
    const struct sighting *own = sightings_of(group, FACT_OWN, &owns);
    const struct sighting *entries = sightings_of(group, FACT_ENTRY, &n);
    const struct sighting *stray = sightings_of(group, FACT_STRAY, &strays);
    const struct sighting *counts = sightings_of(group, FACT_COUNTS, &tallies);
    if (repair_has(wrong, CHECK_BAD_ATTR)) { /* first: the others need to know what is above it */
        repair_own_attr(check, own, entries);
        check->again |= wrong != 1u << CHECK_BAD_ATTR;
        return;
    }
    for (size_t i = 0; i < n && repair_has(wrong, CHECK_DEAD_ENTRY); i++)
        mend_dead_entry(check, &entries[i], i == 0 ? stray : NULL);
    if (repair_has(wrong, CHECK_LOST_ENTRIES))
        mend_lost_entries(check, stray);
    if (repair_has(wrong, CHECK_COUNTS))
        mend_counts(check, counts);
    if (repair_has(wrong, CHECK_LOST_DIRECTORY))
        mend_lost_directory(check, own, counts);
    if (repair_has(wrong, CHECK_TWO_ENTRIES))
        mend_two_entries(check, own, entries, n);
    if (repair_has(wrong, CHECK_LOOP))
        mend_loop(check, own, entries);
    else if (repair_has(wrong, CHECK_PARENT))
        mend_parent(check, own, entries);
}
