/* The small parts of env: addresses, errors, the log, assertions, the timer heap, turns. */
#include "cmocka_all.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "env/address.h"
#include "env/log.h"
#include "env/memory.h"
#include "env/timer_heap.h"
#include "env/turn.h"

static void addresses_are_host_and_port(void **state)
{
    (void)state;
    static const char *const good[] = {"localhost:1", "127.0.0.1:65535", "a-b.example_1:0",
                                       "[::1]:7000", "[fe80::1%eth0]:7000"};
    static const char *const bad[] = {
        "",         "a",    ":1",        "a:",    "a:65536", "a:-1", "a:1x", "a:000001",
        "::1:7000", "[]:1", "[::1]7000", "a b:1", "a/b:1",   "a:1 ", "[a:1", "a:99999999999"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_true(env_address_is_valid(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(env_address_is_valid(bad[i]));

    struct address a;
    assert_int_equal(address_parse("[::1]:7000", &a), SF_OK);
    assert_string_equal(a.host, "::1");
    assert_int_equal(a.port, 7000);
    char longest[SF_ADDRESS_BYTES_MAX + 1];
    memset(longest, 'a', sizeof longest);
    memcpy(longest + SF_ADDRESS_BYTES_MAX - 3, ":1", 3);
    assert_true(env_address_is_valid(longest));
    memcpy(longest + SF_ADDRESS_BYTES_MAX - 3, "a:1", 4);
    assert_false(env_address_is_valid(longest));
}

static void loopback_is_this_machine_alone(void **state)
{
    (void)state;
    static const char *const loopback[] = {"127.0.0.1:1", "127.1.2.3:1", "localhost:1", "[::1]:1"};
    static const char *const others[] = {
        "127.example.net:1", "10.127.0.1:1", "localhost.example.net:1",
        "[::2]:1",           "0.0.0.0:1",    "[::]:1",
        "127.0.0.1",         "localhost:",
    };
    for (size_t i = 0; i < sizeof loopback / sizeof loopback[0]; i++)
        assert_true(env_address_is_loopback(loopback[i]));
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        assert_false(env_address_is_loopback(others[i]));
}

static void errors_have_names(void **state)
{
    (void)state;
    assert_string_equal(sf_error_name(SF_OK), "OK");
    assert_string_equal(sf_error_name(SF_NOT_FOUND), "NOT_FOUND");
    assert_string_equal(sf_error_text(SF_NOT_FOUND), "no such key");
    assert_string_equal(sf_error_name(-2), "?");
    assert_string_equal(sf_error_text(1), "?");
}

static char last_line[256];
static void remember_line(enum log_level level, const char *room, const char *text)
{
    snprintf(last_line, sizeof last_line, "%d %s %s", (int)level, room, text);
}

static void the_log_drops_what_is_below_its_level(void **state)
{
    (void)state;
    void (*sink)(enum log_level, const char *, const char *) = log_sink;
    log_sink = remember_line;
    log_debug("room", "unseen");
    assert_string_equal(last_line, "");
    log_warn("room", "%d of %s", 3, "four");
    assert_string_equal(last_line, "2 room 3 of four");
    log_sink = sink;
}

static void (*default_handler)(const char *condition, const char *file, int line);
static jmp_buf failed_assertion;
static void jump_out(const char *condition, const char *file, int line)
{
    assert_string_equal(condition, "one == 2");
    assert_non_null(strstr(file, "env_parts_test.c"));
    assert_true(line > 0);
    longjmp(failed_assertion, 1);
}

static void assertions_reach_their_handler(void **state)
{
    (void)state;
    volatile int one = 1, failures = 0;
    default_handler = sf_assert_handler;
    sf_assert_handler = jump_out;
    sf_assert_slow_enabled = false;
    sf_assert_slow(one == 2);
    sf_assert_slow_enabled = true;
    if (setjmp(failed_assertion) == 0)
        sf_assert_slow(one == 2);
    else
        failures++;
    if (setjmp(failed_assertion) == 0)
        sf_assert(one == 2);
    else
        failures++;
    sf_assert_handler = default_handler;
    assert_int_equal(failures, 2);
}

static void allocations_are_never_null(void **state)
{
    (void)state;
    void *blocks[] = {sf_malloc(0), sf_calloc(0, 0), sf_realloc(NULL, 0), sf_memdup(NULL, 0),
                      sf_strdup("")};
    for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++) {
        assert_non_null(blocks[i]);
        free(blocks[i]);
    }
}

/* Against the simplest model: the least by (due, sequence) of those that are in. */
static void large_blocks_are_used_again(void **state)
{
    (void)state;
    enum { LARGE = 300000 };
    sf_keep_large(4 * LARGE);
    uint8_t *first = sf_malloc(LARGE), *second = sf_malloc(2 * LARGE);
    uint8_t *small = sf_malloc(100);
    sf_free(first);
    sf_free(second);
    assert_ptr_equal(sf_malloc(2 * LARGE - 1000), second);         /* the first is too small */
    assert_ptr_not_equal(small = sf_realloc(small, 70000), first); /* it is much too large */
    memset(small, 's', 70000);
    small = sf_realloc(small, 200000); /* large already: as realloc does it */
    for (size_t i = 0; i < 70000; i++)
        assert_int_equal(small[i], 's');
    uint8_t *tiny = sf_memdup("tiny", 5);
    assert_ptr_equal(tiny = sf_realloc(tiny, 200000), first);
    assert_string_equal(tiny, "tiny");
    sf_free(tiny);
    sf_free(second);
    sf_free(small);
    sf_free(NULL);
    sf_keep_large(0);
}

/* Those that were kept longest go. */
static void large_blocks_are_kept_within_a_bound(void **state)
{
    (void)state;
    enum { LARGE = 300000, COUNT = 8 };
    void *blocks[COUNT];
    sf_keep_large(3 * LARGE + 100000);
    for (size_t i = 0; i < COUNT; i++)
        blocks[i] = sf_malloc(LARGE + i * 4096);
    size_t before = mallinfo2().hblkhd;
    for (size_t i = 0; i < COUNT; i++)
        sf_free(blocks[i]);
    size_t freed = before - mallinfo2().hblkhd;
    assert_true(before == 0 || freed >= (COUNT - 3) * LARGE);
    for (size_t i = COUNT - 3; i < COUNT; i++)
        assert_ptr_equal(sf_malloc(LARGE + i * 4096), blocks[i]);
    for (size_t i = COUNT - 3; i < COUNT; i++)
        sf_free(blocks[i]);
    sf_keep_large(0);
}

static void the_heap_gives_the_first_due(void **state)
{
    (void)state;
    enum { TIMERS = 64, STEPS = 20000 };
    struct timer_heap heap = {0};
    struct env_timer timers[TIMERS] = {0};
    uint64_t sequence = 0;
    srand(7);
    for (int step = 0; step < STEPS; step++) {
        struct env_timer *t = &timers[rand() % TIMERS];
        if (t->heap_slot != 0) {
            timer_heap_remove(&heap, t);
        } else {
            t->due_ns = (uint64_t)(rand() % 16);
            t->sequence = ++sequence;
            timer_heap_insert(&heap, t);
        }
        const struct env_timer *first = NULL;
        size_t count = 0;
        for (size_t i = 0; i < TIMERS; i++) {
            const struct env_timer *o = &timers[i];
            if (o->heap_slot == 0)
                continue;
            count++;
            assert_ptr_equal(heap.timers[o->heap_slot - 1], o);
            if (first == NULL || o->due_ns < first->due_ns ||
                (o->due_ns == first->due_ns && o->sequence < first->sequence))
                first = o;
        }
        assert_int_equal(heap.count, count);
        assert_ptr_equal(timer_heap_top(&heap), first);
    }
    timer_heap_deinit(&heap);
    for (size_t i = 0; i < TIMERS; i++)
        assert_int_equal(timers[i].heap_slot, 0);
}

struct hooked {
    struct env_hook hook;
    struct turn *turn;
    struct hooked *victim; /* to be removed when this one runs */
    bool stops;
    int runs;
};

static void run_hooked(struct env_hook *hook)
{
    struct hooked *h = container_of(hook, struct hooked, hook);
    h->runs++;
    if (h->victim != NULL)
        turn_hook_remove(h->turn, &h->victim->hook);
    if (h->stops)
        turn_stop(h->turn);
}

static void hooks_may_remove_hooks(void **state)
{
    (void)state;
    struct turn turn = {0};
    struct hooked h[4];
    for (int i = 0; i < 4; i++) {
        h[i] = (struct hooked){.hook = {.run = run_hooked}, .turn = &turn};
        turn_hook_add(&turn, &h[i].hook);
    }
    h[0].victim = &h[1]; /* the next */
    h[2].victim = &h[2]; /* itself */
    turn_run(&turn);
    assert_int_equal(h[0].runs, 1);
    assert_int_equal(h[1].runs, 0);
    assert_int_equal(h[2].runs, 1);
    assert_int_equal(h[3].runs, 1);
    h[0].victim = NULL;
    h[0].stops = true;
    turn_run(&turn);
    assert_int_equal(h[0].runs, 2);
    assert_int_equal(h[3].runs, 1);
    turn_run(&turn);
    assert_int_equal(h[0].runs, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_host_and_port),
        cmocka_unit_test(loopback_is_this_machine_alone),
        cmocka_unit_test(errors_have_names),
        cmocka_unit_test(the_log_drops_what_is_below_its_level),
        cmocka_unit_test(assertions_reach_their_handler),
        cmocka_unit_test(allocations_are_never_null),
        cmocka_unit_test(large_blocks_are_used_again),
        cmocka_unit_test(large_blocks_are_kept_within_a_bound),
        cmocka_unit_test(the_heap_gives_the_first_due),
        cmocka_unit_test(hooks_may_remove_hooks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
