/* Do the facts of a subject fit each other? The same questions are asked of the first look's facts
 * and of later looks' sightings, which begin with a fact. */
#include "tree/check_inside.h"

#include <stdlib.h>

#include "env/memory.h"

#define BIT(wrong) (1u << (wrong))

/* -- sorting and groups -------------------------------------------------------------------- */

static enum subject subject_of(const struct fact *fact)
{
    return fact_subject((enum fact_kind)fact->kind);
}

static int compare_u64(uint64_t a, uint64_t b)
{
    return a < b ? -1 : a > b;
}

static int compare_facts(const void *a, const void *b)
{
    const struct fact *x = a, *y = b;
    int order = compare_u64(subject_of(x), subject_of(y));
    if (order == 0)
        order = compare_u64(x->id, y->id);
    if (order == 0)
        order = compare_u64(x->kind, y->kind);
    return order != 0 ? order : compare_u64(x->value, y->value);
}

void facts_sort(struct check *check)
{
    if (check->fact_count > 0)
        qsort(check->facts, check->fact_count, sizeof *check->facts, compare_facts);
}

void sightings_sort(struct check *check)
{
    if (check->sighting_count > 0)
        qsort(check->sightings, check->sighting_count, sizeof *check->sightings, compare_facts);
}

static bool next_group(const void *base, size_t stride, size_t total, size_t *at,
                       struct group_of_facts *out)
{
    if (*at >= total)
        return false;
    *out = (struct group_of_facts){(const uint8_t *)base + *at * stride, stride, 1};
    const struct fact *first = fact_at(out, 0);
    while (*at + out->count < total) {
        const struct fact *next = fact_at(out, out->count);
        if (next->id != first->id || subject_of(next) != subject_of(first))
            break;
        out->count++;
    }
    *at += out->count;
    return true;
}

bool facts_group(const struct check *check, size_t *at, struct group_of_facts *out)
{
    return next_group(check->facts, sizeof *check->facts, check->fact_count, at, out);
}

bool sightings_group(const struct check *check, size_t *at, struct group_of_facts *out)
{
    return next_group(check->sightings, sizeof *check->sightings, check->sighting_count, at, out);
}

/* The facts of one kind, which stand together. NULL: there are none. */
static const struct fact *facts_of(const struct group_of_facts *group, enum fact_kind kind,
                                   size_t *count)
{
    const struct fact *first = NULL;
    *count = 0;
    for (size_t i = 0; i < group->count; i++) {
        const struct fact *fact = fact_at(group, i);
        if (fact->kind != (uint32_t)kind)
            continue;
        first = first ? first : fact;
        ++*count;
    }
    return first;
}

const struct sighting *sightings_of(const struct group_of_facts *group, enum fact_kind kind,
                                    size_t *count)
{
    return (const struct sighting *)(const void *)facts_of(group, kind, count);
}

/* -- loops --------------------------------------------------------------------------------- */

static struct link_up *link_find(const struct check *check, uint64_t id)
{
    size_t from = 0, to = check->link_count;
    while (from < to) {
        size_t at = from + (to - from) / 2;
        if (check->links[at].id == id)
            return &check->links[at];
        if (check->links[at].id < id)
            from = at + 1;
        else
            to = at;
    }
    return NULL;
}

/* Goes up from one directory until it comes to the root, to what is not known, or to where it was. */
static void walk_up(struct check *check, struct link_up *link, uint32_t walk)
{
    while (link && link->walk == 0) {
        link->walk = walk;
        link = link_find(check, link->above);
    }
    while (link && link->walk == walk && !link->in_loop) {
        link->in_loop = true;
        link = link_find(check, link->above);
    }
}

static size_t count_directories(const struct check *check, bool first)
{
    struct group_of_facts group;
    size_t at = 0, count = 0;
    while (first ? facts_group(check, &at, &group) : sightings_group(check, &at, &group))
        count += subject_of(fact_at(&group, 0)) == SUBJECT_DIRECTORY;
    return count;
}

void judge_loops(struct check *check)
{
    bool first = check->counts.look == 1;
    struct group_of_facts group;
    size_t at = 0, entries;
    check->links =
        sf_realloc(check->links, (count_directories(check, first) + 1) * sizeof *check->links);
    check->link_count = 0;
    while (first ? facts_group(check, &at, &group) : sightings_group(check, &at, &group)) {
        const struct fact *entry = facts_of(&group, FACT_ENTRY, &entries);
        if (entries == 1)
            check->links[check->link_count++] =
                (struct link_up){.id = entry->id, .above = entry->value};
    }
    for (size_t i = 0; i < check->link_count; i++)
        walk_up(check, &check->links[i], (uint32_t)i + 1);
}

static bool is_in_loop(const struct check *check, uint64_t id)
{
    const struct link_up *link = link_find(check, id);
    return link && link->in_loop;
}

/* -- judging ------------------------------------------------------------------------------- */

/* Where nothing is repaired, damage was told of when it was read. */
static unsigned judge_readable(const struct check *check, const struct fact *fact)
{
    return check->host->repair && fact->extra & FACT_DAMAGED ? BIT(CHECK_BAD_ATTR) : 0;
}

static unsigned judge_entered(const struct check *check, const struct fact *own,
                              const struct fact *entry, size_t entries)
{
    if (entries == 0)
        return BIT(CHECK_LOST_DIRECTORY);
    if (entries > 1)
        return BIT(CHECK_TWO_ENTRIES);
    unsigned wrong = is_in_loop(check, own->id) ? BIT(CHECK_LOOP) : 0;
    if (!(own->extra & FACT_UNREADABLE) && own->value != entry->value)
        wrong |= BIT(CHECK_PARENT);
    return wrong;
}

static unsigned judge_directory(const struct check *check, const struct group_of_facts *group)
{
    size_t owns, entries, strays, counts;
    const struct fact *own = facts_of(group, FACT_OWN, &owns);
    const struct fact *entry = facts_of(group, FACT_ENTRY, &entries);
    (void)facts_of(group, FACT_STRAY, &strays);
    const struct fact *count = facts_of(group, FACT_COUNTS, &counts);
    if (!own && entries > 0)
        return BIT(CHECK_DEAD_ENTRY);
    if (!own)
        return strays > 0 ? BIT(CHECK_LOST_ENTRIES) : 0;
    unsigned wrong = judge_entered(check, own, entry, entries) | judge_readable(check, own);
    if (count && (count->value != 0 || count->extra != 0))
        wrong |= BIT(CHECK_COUNTS);
    return wrong;
}

static unsigned judge_location(const struct fact *location, const struct fact *home, size_t homes)
{
    if (homes == 0)
        return location ? BIT(CHECK_STALE_LOCATION) : 0;
    if (!location)
        return home->extra & FACT_MOVED ? BIT(CHECK_NO_LOCATION) : 0;
    return home->value != location->value ? BIT(CHECK_WRONG_LOCATION) : 0;
}

static unsigned judge_inode(const struct check *check, const struct group_of_facts *group)
{
    size_t inodes, names, locations, homes;
    const struct fact *inode = facts_of(group, FACT_INODE, &inodes);
    const struct fact *location = facts_of(group, FACT_LOCATION, &locations);
    const struct fact *home = facts_of(group, FACT_HOME, &homes);
    (void)facts_of(group, FACT_NAME, &names);
    if (!inode)
        return names > 0 ? BIT(CHECK_DEAD_NAME) : judge_location(location, home, homes);
    if (inode->extra & FACT_UNREADABLE)
        return judge_readable(check, inode) ? BIT(CHECK_BAD_ATTR) | BIT(CHECK_LINKS) : 0;
    if (inode->value == names)
        return 0; /* with no names at all it is kept by who has it open */
    return names == 0 ? BIT(CHECK_LOST_FILE) : BIT(CHECK_LINKS);
}

static bool in_range(const struct fact *range, uint64_t extent)
{
    uint64_t end = range->value & UINT32_MAX;
    return extent >= range->value >> 32 && (extent < end || end == FACT_OPEN_END);
}

bool judge_extent_is_named(const struct group_of_facts *group, uint64_t extent)
{
    for (size_t i = 0; i < group->count; i++) {
        const struct fact *fact = fact_at(group, i);
        if (fact->kind == FACT_RANGE && in_range(fact, extent))
            return true;
    }
    return false;
}

/* Ranges are in order of their beginning. */
static bool is_shared(const struct group_of_facts *group)
{
    uint32_t by = 0;
    for (size_t i = 0; i < group->count; i++) {
        const struct fact *fact = fact_at(group, i);
        if (fact->kind != FACT_RANGE || fact->extra == 0)
            continue;
        if (by != 0 && fact->extra != by)
            return true;
        by = fact->extra;
    }
    return false;
}

static unsigned judge_data(const struct group_of_facts *group)
{
    unsigned wrong = is_shared(group) ? BIT(CHECK_SHARED_EXTENTS) : 0;
    for (size_t i = 0; i < group->count; i++) {
        const struct fact *fact = fact_at(group, i);
        if (fact->kind == FACT_EXTENT && !judge_extent_is_named(group, fact->value))
            return wrong | BIT(CHECK_LEAK);
    }
    return wrong;
}

unsigned judge(const struct check *check, const struct group_of_facts *group)
{
    switch (subject_of(fact_at(group, 0))) {
    case SUBJECT_DIRECTORY:
        return judge_directory(check, group);
    case SUBJECT_INODE:
        return judge_inode(check, group);
    case SUBJECT_DATA:
        return judge_data(group);
    case SUBJECT_RECORD:
        return BIT(CHECK_BAD_ATTR);
    }
    return 0;
}

/* Not those that hold by themselves: what is repaired there is where a key that never changes has no
 * record, which the repair checks, or what two records say, whose versions it checks. */
bool judge_needs_rest(unsigned wrong)
{
    const unsigned needs = BIT(CHECK_LOST_DIRECTORY) | BIT(CHECK_LOST_ENTRIES) |
                           BIT(CHECK_TWO_ENTRIES) | BIT(CHECK_LOOP) | BIT(CHECK_LOST_FILE) |
                           BIT(CHECK_LINKS) | BIT(CHECK_STALE_LOCATION) | BIT(CHECK_LEAK) |
                           BIT(CHECK_SHARED_EXTENTS);
    return wrong & needs;
}

/* -- signatures ---------------------------------------------------------------------------- */

/* What must be the same in every look. Versions only where without them a change would not show: of
 * counts that were not seen in one moment, and of an inode's record, which counts its names. */
static uint64_t version_that_matters(const struct sighting *sighting)
{
    bool matters = sighting->fact.kind == FACT_INODE ||
                   (sighting->fact.kind == FACT_COUNTS && !sighting->is_snapshot);
    return matters ? sighting->version : 0;
}

uint64_t judge_signature(const struct check *check, const struct group_of_facts *group)
{
    uint64_t signature = judge(check, group);
    for (size_t i = 0; i < group->count; i++) {
        const struct sighting *s = (const struct sighting *)(const void *)fact_at(group, i);
        uint64_t parts[] = {signature, s->fact.kind, s->fact.value, s->fact.extra,
                            version_that_matters(s)};
        signature = bytes_hash(slice_of(parts, sizeof parts));
        signature = bytes_hash_seed(check_bytes(check, s->key_at, s->key_bytes), signature);
    }
    return signature;
}
