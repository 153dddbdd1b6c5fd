/* What is wrong with a subject, by its kind; extents are mended here. */
#include "tree/check_repair.h"

static void mend_leaks(struct check *check, const struct group_of_facts *group)
{
    size_t n;
    const struct sighting *extents = sightings_of(group, FACT_EXTENT, &n);
    for (size_t i = 0; i < n; i++) {
        struct repair r = {.check = check};
        if (judge_extent_is_named(group, extents[i].fact.value))
            continue;
        repair_say_name(check, &extents[i]);
        text_add(&check->text, ": no file has it (%llu bytes)",
                 (unsigned long long)extents[i].length);
        repair_change(&r, KV_DELETE, &extents[i]);
        repair_mend(&r, SF_OK, CHECK_LEAK, "it was removed");
    }
}

static void tell_shared(struct check *check, uint64_t data_id)
{
    repair_say_subject(check, "data id", data_id);
    text_add(&check->text, ": more than one file has it");
    repair_leave(check, CHECK_SHARED_EXTENTS, "nobody knows whose it is");
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
        if (repair_has(wrong, CHECK_SHARED_EXTENTS))
            tell_shared(check, first->id);
        if (repair_has(wrong, CHECK_LEAK))
            mend_leaks(check, group);
        return;
    case SUBJECT_RECORD:
        for (size_t i = 0; i < group->count; i++)
            repair_damage(check, (const struct sighting *)(const void *)fact_at(group, i));
        return;
    }
}
