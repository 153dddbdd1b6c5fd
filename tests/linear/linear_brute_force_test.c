/* The search against the definition: small random histories, of which every order of every subset
 * that holds all operations that returned is tried.
 *
 *   linear_brute_force_test [HISTORIES [SEED]]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "linear.h"
#include "shardfs/error.h"

#define OPS_MAX 6u
#define VALUE_MAX 16u
#define BUDGETS 4u /* of steps, beside one that is always enough */
#define BUDGET_MAX 40u

struct act {
    uint32_t kind;
    uint64_t call, ret;
    bool returned, has_old;
    char argument;
    char result[VALUE_MAX];
    int status;
};

struct story {
    struct act acts[OPS_MAX];
    size_t count;
};

static uint64_t random_state;

static uint64_t draw(uint64_t limit)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (random_state >> 11) % limit;
}

/* -- the definition -------------------------------------------------------------------------- */

struct key_state {
    bool present;
    char value[VALUE_MAX];
};

/* The sequential specification, once more and in another way. */
static bool perform(struct key_state *k, const struct act *act)
{
    const char *seen = k->present ? k->value : "";
    bool reads = act->kind == LINEAR_GET || act->has_old;
    int status =
        k->present || act->kind == LINEAR_PUT || act->kind == LINEAR_APPEND ? SF_OK : SF_NOT_FOUND;
    if (act->returned && (act->status != status || (reads && strcmp(act->result, seen) != 0)))
        return false;
    if (act->kind == LINEAR_PUT || act->kind == LINEAR_APPEND) {
        size_t n = act->kind == LINEAR_APPEND ? strlen(seen) : 0;
        k->value[n] = act->argument;
        k->value[n + 1] = '\0';
        k->present = true;
    } else if (act->kind == LINEAR_DELETE) {
        *k = (struct key_state){0};
    }
    return true;
}

static bool order_is_legal(const struct story *story, const size_t *order, size_t count)
{
    struct key_state k = {0};
    for (size_t i = 0; i < count; i++) {
        for (size_t j = i + 1; j < count; j++) {
            const struct act *early = &story->acts[order[i]], *late = &story->acts[order[j]];
            if (late->returned && late->ret < early->call)
                return false;
        }
        if (!perform(&k, &story->acts[order[i]]))
            return false;
    }
    return true;
}

static bool has_all_that_returned(const struct story *story, unsigned chosen)
{
    for (size_t i = 0; i < story->count; i++) {
        if (story->acts[i].returned && (chosen >> i & 1) == 0)
            return false;
    }
    return true;
}

/* Every order that continues this one, itself included. */
static bool some_order_is_legal(const struct story *story, size_t *order, size_t count,
                                unsigned chosen)
{
    if (has_all_that_returned(story, chosen) && order_is_legal(story, order, count))
        return true;
    for (size_t i = 0; i < story->count; i++) {
        if (chosen >> i & 1)
            continue;
        order[count] = i;
        if (some_order_is_legal(story, order, count + 1, chosen | 1u << i))
            return true;
    }
    return false;
}

/* -- random histories ------------------------------------------------------------------------ */

/* Half of them are made so that they are legal (each act happens at some moment in its time), the
 * others get a result that may be wrong. */
static struct story make_story(void)
{
    struct story story = {.count = 1 + (size_t)draw(OPS_MAX)};
    uint64_t lost = draw(4); /* of six */
    struct key_state k = {0};
    uint64_t moments[OPS_MAX], moment = 0;
    for (size_t i = 0; i < story.count; i++) {
        struct act *act = &story.acts[i];
        moments[i] = moment += 4 * draw(4) + 4;
        act->kind = 1 + (uint32_t)draw(4);
        act->has_old = draw(2) == 0 && (act->kind == LINEAR_PUT || act->kind == LINEAR_APPEND);
        act->argument = (char)('a' + draw(3));
        memcpy(act->result, k.value, sizeof(k.value));
        act->status = k.present || act->kind == LINEAR_PUT || act->kind == LINEAR_APPEND
                          ? SF_OK
                          : SF_NOT_FOUND;
        perform(&k, act);
        uint64_t before = draw(30);
        act->call = 2 * (moments[i] > before ? moments[i] - before : 0);
        act->ret = 2 * (moments[i] + draw(30)) + 1; /* odd: never at the time of a call */
        act->returned = draw(6) >= lost;
    }
    struct act *victim = &story.acts[draw(story.count)];
    if (draw(2) == 0 && victim->kind != LINEAR_DELETE)
        snprintf(victim->result, sizeof(victim->result), "%c", (char)('a' + draw(3)));
    if (draw(8) == 0)
        victim->status = victim->status == SF_OK ? SF_NOT_FOUND : SF_OK;
    return story;
}

/* A hash by which all states look alike: the search has to compare them. */
static uint64_t same_hash(const void *state)
{
    (void)state;
    return 0;
}

static enum linear_verdict judge(const struct story *story, const struct linear_model *model,
                                 uint64_t steps_max)
{
    struct linear_history *history = linear_history_new();
    for (size_t i = 0; i < story->count; i++) {
        const struct act *act = &story->acts[i];
        struct linear_call call = {.kind = act->kind,
                                   .flags = act->has_old ? LINEAR_HAS_OLD : 0,
                                   .time_ns = act->call,
                                   .key = slice_str("k"),
                                   .argument = slice_of(&act->argument, 1)};
        struct linear_return ret = {
            .time_ns = act->ret, .status = act->status, .result = slice_str(act->result)};
        size_t op = linear_called(history, &call);
        if (act->returned)
            linear_returned(history, op, &ret);
    }
    enum linear_verdict verdict = linear_check(history, model, steps_max, NULL);
    linear_history_free(history);
    return verdict;
}

/* With any budget the verdict is the right one or none: a small one has the search try both of its
 * orders. */
static bool is_judged_right(const struct story *story, const struct linear_model *model,
                            enum linear_verdict expected)
{
    if (judge(story, model, 0) != expected)
        return false;
    for (size_t i = 0; i < BUDGETS; i++) {
        enum linear_verdict verdict = judge(story, model, 1 + draw(BUDGET_MAX));
        if (verdict != expected && verdict != LINEAR_EXHAUSTED)
            return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    uint64_t histories = argc > 1 ? strtoull(argv[1], NULL, 10) : 20000;
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    uint64_t legal = 0;
    struct linear_model colliding = linear_register;
    colliding.hash = same_hash;
    random_state = seed * 0x9e3779b97f4a7c15u | 1;
    for (uint64_t i = 0; i < histories; i++) {
        struct story story = make_story();
        size_t order[OPS_MAX];
        bool expected = some_order_is_legal(&story, order, 0, 0);
        enum linear_verdict verdict = expected ? LINEAR_LEGAL : LINEAR_ILLEGAL;
        legal += expected;
        if (!is_judged_right(&story, &linear_register, verdict) ||
            !is_judged_right(&story, &colliding, verdict)) {
            fprintf(stderr, "history %" PRIu64 " of seed %" PRIu64 ": should be %s\n", i, seed,
                    expected ? "legal" : "illegal");
            return 1;
        }
    }
    printf("%" PRIu64 " histories, %" PRIu64 " legal\n", histories, legal);
    if (legal < histories / 10 || legal > histories * 9 / 10) {
        fprintf(stderr, "one-sided histories prove little\n");
        return 1;
    }
    return 0;
}
