/* The looks: the first finds what is suspect, the others settle it, subject by subject. */
#include "tree/check_inside.h"

#include <stdlib.h>

#include "env/memory.h"

#define PAUSE_MS 300u /* before another look: what was on its way has arrived */

static void add_suspect(struct check *check, const struct fact *fact)
{
    if (check->suspect_count == CHECK_SUSPECTS_MAX) {
        check->result->cut_short = true;
        return;
    }
    if (check->suspect_count == check->suspect_room) {
        check->suspect_room = check->suspect_room > 0 ? 2 * check->suspect_room : 64;
        check->suspects =
            sf_realloc(check->suspects, check->suspect_room * sizeof *check->suspects);
    }
    check->suspects[check->suspect_count++] =
        (struct suspect){.subject = fact_subject((enum fact_kind)fact->kind), .id = fact->id};
}

static int look(struct check *check)
{
    check->counts = (struct check_counts){.look = check->counts.look + 1};
    check->sighting_count = 0;
    buffer_clear(&check->bytes);
    return check_scan(check);
}

static int first_look(struct check *check)
{
    struct group_of_facts group;
    size_t at = 0;
    int status = look(check);
    if (status != SF_OK)
        return status;
    check->result->counts = check->counts;
    facts_sort(check);
    judge_loops(check);
    while (facts_group(check, &at, &group))
        if (judge(check, &group) != 0)
            add_suspect(check, fact_at(&group, 0));
    free(check->facts);
    check->facts = NULL;
    check->fact_count = check->fact_room = 0;
    return SF_OK;
}

/* True: nothing more is to be learnt of the subject. */
static bool settle(struct check *check, struct suspect *suspect, const struct group_of_facts *group)
{
    unsigned wrong = judge(check, group);
    uint64_t signature = judge_signature(check, group);
    if (wrong == 0)
        return true;
    suspect->alike = suspect->signature == signature ? suspect->alike + 1 : 1;
    suspect->signature = signature;
    if (suspect->alike < CHECK_LOOKS || (check->moved && judge_needs_rest(wrong)))
        return false;
    check->again = false;
    repair_subject(check, group, wrong);
    suspect->alike = 0;
    return !check->again;
}

/* Suspects of which nothing was seen are gone, and with them what was wrong. */
static void settle_all(struct check *check)
{
    struct group_of_facts group;
    struct suspect *kept = sf_calloc(check->suspect_count + 1, sizeof *kept);
    size_t at = 0, count = 0;
    while (sightings_group(check, &at, &group)) {
        const struct fact *fact = fact_at(&group, 0);
        struct suspect *suspect =
            suspect_find(check, fact_subject((enum fact_kind)fact->kind), fact->id);
        if (suspect && !settle(check, suspect, &group))
            kept[count++] = *suspect;
    }
    free(check->suspects);
    check->suspects = kept;
    check->suspect_count = check->suspect_room = count;
}

static int run(struct check *check)
{
    int status = first_look(check);
    while (status == SF_OK && check->suspect_count > 0 && check->counts.look < CHECK_LOOKS_MAX) {
        check_pause(check, PAUSE_MS);
        status = look(check);
        if (status != SF_OK)
            break;
        sightings_sort(check);
        judge_loops(check);
        settle_all(check);
    }
    check->result->unsettled = check->suspect_count;
    return status;
}

int check_run(const struct check_host *host, struct check_result *result)
{
    struct check check = {.host = host, .result = result};
    *result = (struct check_result){.repaired = 0};
    int status = run(&check);
    for (size_t i = 0; i < CHECK_LANES; i++) {
        if (check.lanes[i].open)
            client_cancel(&check.lanes[i].call);
        buffer_deinit(&check.lanes[i].after);
    }
    free(check.facts);
    free(check.sightings);
    free(check.suspects);
    free(check.links);
    free(check.next_ids);
    buffer_deinit(&check.bytes);
    buffer_deinit(&check.text);
    return status;
}
