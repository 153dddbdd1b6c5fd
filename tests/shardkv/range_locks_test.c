/* range_locks against a model that knows bytes and nothing of ranges. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "shardkv/range_locks.h"

#define BYTES 12u /* of the file; the last stands for all up to UINT64_MAX */
#define OWNERS 5u
#define QUEUE_MAX 40u
#define ROUNDS 400
#define STEPS 300

struct request {
    unsigned owner, first, last;
    enum kv_lock_type type;
    bool passes;
    uint64_t ticket;
};

struct model {
    enum kv_lock_type held[OWNERS][BYTES];
    struct request queue[QUEUE_MAX];
    size_t queued;
};

static uint64_t random_state;

static unsigned draw(unsigned limit)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)((random_state >> 33) % limit);
}

static bool excludes(enum kv_lock_type a, enum kv_lock_type b)
{
    if (a == KV_LOCK_NONE || b == KV_LOCK_NONE)
        return false;
    return a == KV_LOCK_EXCLUSIVE || b == KV_LOCK_EXCLUSIVE;
}

static bool meets_holder(const struct model *m, const struct request *r)
{
    for (unsigned o = 0; o < OWNERS; o++)
        for (unsigned b = r->first; b <= r->last; b++)
            if (o != r->owner && excludes(m->held[o][b], r->type))
                return true;
    return false;
}

static bool meets_waiter(const struct model *m, const struct request *r, size_t before)
{
    for (size_t i = 0; i < before && !r->passes; i++) {
        const struct request *w = &m->queue[i];
        if (w->owner != r->owner && excludes(w->type, r->type) && w->first <= r->last &&
            r->first <= w->last)
            return true;
    }
    return false;
}

static void model_set(struct model *m, const struct request *r)
{
    for (unsigned b = r->first; b <= r->last; b++)
        m->held[r->owner][b] = r->type;
}

static void model_leave(struct model *m, size_t at)
{
    m->queued--;
    memmove(&m->queue[at], &m->queue[at + 1], (m->queued - at) * sizeof(m->queue[0]));
}

static void model_grant(struct model *m)
{
    for (size_t i = 0; i < m->queued;) {
        struct request r = m->queue[i];
        if (meets_holder(m, &r) || meets_waiter(m, &r, i)) {
            i++;
            continue;
        }
        model_leave(m, i);
        model_set(m, &r);
        i = 0;
    }
}

/* Two owners belong to each client, so that holder and owner both count. */
static struct kv_lock lock_of(const struct request *r)
{
    return (struct kv_lock){.type = r->type,
                            .flags = r->passes ? KV_LOCK_PASSES : 0,
                            .holder = 1 + r->owner / 2,
                            .owner = 7 + r->owner % 2,
                            .ticket = r->ticket,
                            .first = r->first,
                            .last = r->last == BYTES - 1 ? UINT64_MAX : r->last,
                            .pid = r->owner};
}

static enum kv_lock_type held_at(const struct range_locks *locks, unsigned owner, unsigned byte)
{
    enum kv_lock_type type = KV_LOCK_NONE;
    struct request r = {.owner = owner};
    struct kv_lock who = lock_of(&r);
    for (size_t i = 0; i < locks->held.count; i++) {
        const struct kv_lock *held = &locks->held.locks[i];
        if (!range_locks_same_owner(held, &who) || held->first > byte || held->last < byte)
            continue;
        assert_int_equal(type, KV_LOCK_NONE);
        type = held->type;
    }
    return type;
}

static void compare(const struct model *m, const struct range_locks *locks)
{
    for (unsigned o = 0; o < OWNERS; o++)
        for (unsigned b = 0; b < BYTES; b++)
            assert_int_equal(held_at(locks, o, b), m->held[o][b]);
    assert_int_equal(locks->waiting.count, m->queued);
    for (size_t i = 0; i < m->queued; i++)
        assert_int_equal(locks->waiting.locks[i].ticket, m->queue[i].ticket);
    assert_true(range_locks_is_valid(locks));
}

static struct request any_request(uint64_t ticket)
{
    struct request r = {.owner = draw(OWNERS), .first = draw(BYTES), .ticket = ticket};
    r.last = r.first + draw(BYTES - r.first);
    r.type = (enum kv_lock_type)draw(3);
    r.passes = draw(4) == 0;
    return r;
}

static void ask(struct model *m, struct range_locks *locks, const struct request *r, bool waits)
{
    struct kv_lock lock = lock_of(r);
    size_t before = waits ? m->queued : 0;
    bool blocked = meets_holder(m, r) || meets_waiter(m, r, before);
    assert_int_equal(range_locks_in_the_way(locks, &lock) != NULL, meets_holder(m, r));
    assert_int_equal(range_locks_blocks(locks, &lock, before), blocked);
    if (blocked && waits && m->queued < QUEUE_MAX) {
        m->queue[m->queued++] = *r;
        assert_int_equal(range_locks_wait(locks, &lock), SF_OK);
    } else if (!blocked) {
        model_set(m, r);
        model_grant(m);
        assert_int_equal(range_locks_set(locks, &lock), SF_OK);
        (void)range_locks_grant(locks);
    }
}

static void cancel(struct model *m, struct range_locks *locks)
{
    if (m->queued == 0)
        return;
    size_t at = draw((unsigned)m->queued);
    struct kv_lock lock = lock_of(&m->queue[at]);
    const struct kv_lock *waiting = range_locks_find(locks, lock.holder, lock.ticket);
    assert_non_null(waiting);
    range_locks_leave(locks, waiting);
    model_leave(m, at);
    model_grant(m);
    (void)range_locks_grant(locks);
}

static void drop(struct model *m, struct range_locks *locks)
{
    uint64_t holder = 1 + draw(3);
    bool had = false;
    for (unsigned o = 0; o < OWNERS; o++)
        for (unsigned b = 0; b < BYTES; b++)
            if (1 + o / 2 == holder && m->held[o][b] != KV_LOCK_NONE) {
                m->held[o][b] = KV_LOCK_NONE;
                had = true;
            }
    for (size_t i = m->queued; i > 0; i--)
        if (1 + m->queue[i - 1].owner / 2 == holder) {
            model_leave(m, i - 1);
            had = true;
        }
    assert_int_equal(range_locks_has(locks, holder), had);
    assert_int_equal(range_locks_drop(locks, holder), had);
    model_grant(m);
    (void)range_locks_grant(locks);
}

static void test_as_the_model(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        struct model m = {0};
        struct range_locks locks = {0};
        random_state = (uint64_t)round;
        for (int step = 0; step < STEPS; step++) {
            struct request r = any_request((uint64_t)step + 1);
            unsigned what = draw(40);
            if (what == 0)
                drop(&m, &locks);
            else if (what < 6)
                cancel(&m, &locks);
            else
                ask(&m, &locks, &r, what < 25);
            compare(&m, &locks);
        }
        range_locks_deinit(&locks);
    }
}

static void test_no_more_than_fit(void **state)
{
    (void)state;
    struct range_locks locks = {0};
    struct kv_lock lock = {.type = KV_LOCK_SHARED, .holder = 1, .owner = 1};
    for (uint64_t i = 0; i < RANGE_LOCKS_MAX; i++) {
        lock.first = lock.last = 2 * i;
        assert_int_equal(range_locks_set(&locks, &lock), SF_OK);
    }
    lock.first = lock.last = 2 * RANGE_LOCKS_MAX;
    assert_int_equal(range_locks_set(&locks, &lock), SF_LOCKS_FULL);
    assert_int_equal(range_locks_wait(&locks, &lock), SF_LOCKS_FULL);
    assert_int_equal(locks.held.count, RANGE_LOCKS_MAX);
    lock.type = KV_LOCK_NONE; /* giving back needs no room, unless it cuts one in two */
    lock.first = 0;
    lock.last = UINT64_MAX;
    assert_int_equal(range_locks_set(&locks, &lock), SF_OK);
    assert_true(range_locks_is_empty(&locks));
    range_locks_deinit(&locks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_the_model),
        cmocka_unit_test(test_no_more_than_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
