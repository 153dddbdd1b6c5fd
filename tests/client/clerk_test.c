/* The public clerk over real sockets: what a program sees that knows shardfs/clerk.h alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <shardfs/clerk.h>

#include "client/solo_server.h"

struct stage {
    struct solo_server *server;
    struct clerk *clerk;
};

static int setup(void **state)
{
    struct stage *stage = calloc(1, sizeof *stage);
    assert_non_null(stage);
    stage->server = solo_server_start();
    assert_int_equal(clerk_open(solo_server_address(stage->server), NULL, &stage->clerk), SF_OK);
    *state = stage;
    return 0;
}

static int teardown(void **state)
{
    struct stage *stage = *state;
    clerk_close(stage->clerk);
    solo_server_stop(stage->server);
    free(stage);
    return 0;
}

static void value_is(struct clerk *clerk, const char *key, const char *expected)
{
    struct clerk_result result;
    assert_int_equal(clerk_get(clerk, clerk_text(key), &result), SF_OK);
    assert_int_equal(result.length, strlen(expected));
    assert_string_equal(result.data, expected);
    clerk_result_free(&result);
}

/* -- blocking --------------------------------------------------------------------------------- */

static void a_missing_key_has_length_0_and_is_not_found(void **state)
{
    struct clerk *clerk = ((struct stage *)*state)->clerk;
    struct clerk_result result;
    struct clerk_stat stat;
    assert_int_equal(clerk_get(clerk, clerk_text("nothing"), &result), SF_NOT_FOUND);
    assert_int_equal(result.status, SF_NOT_FOUND);
    assert_int_equal(result.length, 0);
    assert_string_equal(result.data, "");
    assert_int_equal(result.stat.created, 0);
    clerk_result_free(&result);
    assert_int_equal(clerk_stat(clerk, clerk_text("nothing"), &stat), SF_NOT_FOUND);
    assert_int_equal(clerk_delete(clerk, clerk_text("nothing")), SF_NOT_FOUND);
    assert_int_equal(clerk_set_length(clerk, clerk_text("nothing"), 5), SF_NOT_FOUND);
}

static void the_usual_calls_do_what_they_say(void **state)
{
    struct clerk *clerk = ((struct stage *)*state)->clerk;
    struct clerk_bytes key = clerk_bytes("a\0b", 3);
    struct clerk_result result;
    struct clerk_stat stat;
    assert_int_equal(clerk_put(clerk, key, clerk_text("hello")), SF_OK);
    assert_int_equal(clerk_append(clerk, key, clerk_text(", world"), &result), SF_OK);
    assert_int_equal(result.old_length, 5);
    clerk_result_free(&result);
    assert_int_equal(clerk_append(clerk, key, clerk_text("!"), NULL), SF_OK);
    assert_int_equal(clerk_set_range(clerk, key, 7, clerk_text("W")), SF_OK);
    assert_int_equal(clerk_get_range(clerk, key, 7, 100, &result), SF_OK);
    assert_string_equal(result.data, "World!");
    clerk_result_free(&result);
    assert_int_equal(clerk_set_length(clerk, key, 5), SF_OK);
    assert_int_equal(clerk_stat(clerk, key, &stat), SF_OK);
    assert_int_equal(stat.length, 5);
    assert_int_equal(stat.kind, CLERK_VALUE);
    assert_true(stat.created != 0 && stat.mtime_ns != 0);
    assert_int_equal(clerk_delete(clerk, key), SF_OK);
    assert_int_equal(clerk_get(clerk, key, NULL), SF_NOT_FOUND);
}

/* The hash is FNV-1a of the old value and the new one. */
static void the_old_value_comes_back_where_it_is_asked_for(void **state)
{
    struct clerk *clerk = ((struct stage *)*state)->clerk;
    struct clerk_bytes key = clerk_text("k");
    struct clerk_request request = {
        .kind = CLERK_APPEND, .key = key, .data = clerk_text("b"), .wants_old = true};
    struct clerk_result result;
    assert_int_equal(clerk_put_hash(clerk, key, clerk_text("a"), &result), SF_OK);
    assert_int_equal(result.length, 0);
    assert_string_equal(result.data, "");
    clerk_result_free(&result);
    value_is(clerk, "k", "3826002220");
    assert_int_equal(clerk_put_hash(clerk, key, clerk_text("b"), &result), SF_OK);
    assert_string_equal(result.data, "3826002220");
    clerk_result_free(&result);
    assert_int_equal(clerk_put(clerk, key, clerk_text("a")), SF_OK);
    assert_int_equal(clerk_do(clerk, &request, &result), SF_OK);
    assert_string_equal(result.data, "a");
    assert_int_equal(result.old_length, 1);
    clerk_result_free(&result);
    value_is(clerk, "k", "ab");
    assert_int_equal(clerk_put_hash(clerk, key, clerk_text(""), NULL), SF_OK);
}

static void long_values_go_there_and_back(void **state)
{
    struct clerk *clerk = ((struct stage *)*state)->clerk;
    size_t n = 5 * SF_VALUE_BYTES_MAX + 12345;
    char *bytes = malloc(n);
    struct clerk_result result;
    assert_non_null(bytes);
    for (size_t i = 0; i < n; i++)
        bytes[i] = (char)(i * 31 + i / 1000);
    assert_int_equal(clerk_put(clerk, clerk_text("long"), clerk_bytes(bytes, n)), SF_OK);
    assert_int_equal(clerk_get(clerk, clerk_text("long"), &result), SF_OK);
    assert_int_equal(result.length, n);
    assert_memory_equal(result.data, bytes, n);
    clerk_result_free(&result);
    free(bytes);
}

static void conditions_are_tested(void **state)
{
    struct clerk *clerk = ((struct stage *)*state)->clerk;
    struct clerk_bytes key = clerk_text("k");
    struct clerk_condition absent = {CLERK_IF_ABSENT, 0}, exists = {CLERK_IF_EXISTS, 0};
    struct clerk_result result;
    assert_int_equal(clerk_put_if(clerk, key, clerk_text("1"), exists, NULL), SF_PRECONDITION);
    assert_int_equal(clerk_put_if(clerk, key, clerk_text("1"), absent, &result), SF_OK);
    struct clerk_condition version = {CLERK_IF_VERSION, result.stat.version};
    clerk_result_free(&result);
    assert_int_equal(clerk_put_if(clerk, key, clerk_text("2"), absent, &result), SF_PRECONDITION);
    assert_int_equal(result.stat.version, version.id);
    clerk_result_free(&result);
    assert_int_equal(clerk_put_if(clerk, key, clerk_text("3"), version, NULL), SF_OK);
    assert_int_equal(clerk_put_if(clerk, key, clerk_text("4"), version, NULL), SF_PRECONDITION);
    assert_int_equal(clerk_delete_if(clerk, key, version, NULL), SF_PRECONDITION);
    value_is(clerk, "k", "3");
    struct clerk_condition none = {(enum clerk_condition_kind)77, 0};
    assert_int_equal(clerk_put_if(clerk, key, clerk_text("5"), none, NULL), SF_INVALID);
}

static void names_are_listed_in_order(void **state)
{
    struct clerk *clerk = ((struct stage *)*state)->clerk;
    struct clerk_result result;
    char key[8];
    for (int i = 29; i >= 0; i--) {
        snprintf(key, sizeof key, "n%02d", i);
        assert_int_equal(clerk_put(clerk, clerk_text(key), clerk_text("xy")), SF_OK);
    }
    assert_int_equal(clerk_scan(clerk, clerk_text("n"), clerk_text("04"), 20, &result), SF_OK);
    assert_int_equal(result.name_count, 20);
    assert_true(result.more);
    for (int i = 0; i < 20; i++) {
        snprintf(key, sizeof key, "%02d", i + 5);
        assert_string_equal(result.names[i].name, key);
        assert_int_equal(result.names[i].name_bytes, 2);
        assert_int_equal(result.names[i].stat.length, 2);
    }
    clerk_result_free(&result);
    assert_int_equal(clerk_scan(clerk, clerk_text(""), clerk_text(""), 0, &result), SF_INVALID);
    clerk_result_free(&result);
}

static void bad_requests_are_refused(void **state)
{
    struct clerk *clerk = ((struct stage *)*state)->clerk;
    struct clerk_request request = {.kind = (enum clerk_kind)99, .key = clerk_text("k")};
    char *key = calloc(1, SF_KEY_BYTES_MAX + 1);
    assert_non_null(key);
    assert_int_equal(clerk_do(clerk, &request, NULL), SF_INVALID);
    assert_int_equal(clerk_put(clerk, clerk_bytes(key, SF_KEY_BYTES_MAX + 1), clerk_text("")),
                     SF_TOO_BIG);
    assert_int_equal(clerk_set_range(clerk, clerk_text("k"), UINT64_MAX, clerk_text("x")),
                     SF_TOO_BIG);
    assert_int_equal(clerk_set_length(clerk, clerk_text("k"), SF_FILE_BYTES_MAX + 1), SF_TOO_BIG);
    free(key);
}

static void a_deadline_ends_a_call(void **state)
{
    struct stage *stage = *state;
    struct clerk_request request = {
        .kind = CLERK_PUT, .key = clerk_text("k"), .data = clerk_text("v"), .timeout_ms = 300};
    assert_int_equal(clerk_do(stage->clerk, &request, NULL), SF_OK);
    solo_server_fall_silent(stage->server);
    assert_int_equal(clerk_do(stage->clerk, &request, NULL), SF_UNKNOWN);
    request.kind = CLERK_GET;
    assert_int_equal(clerk_do(stage->clerk, &request, NULL), SF_TIMEOUT);
}

/* -- asynchronous ------------------------------------------------------------------------------ */

#define CALLS 100

struct many {
    struct clerk_call *calls[CALLS];
    int answered, failed;
};

static void on_done(void *ctx, const struct clerk_result *result)
{
    struct many *many = ctx;
    many->answered++;
    many->failed += result->status != SF_OK;
}

static struct many start_many(struct clerk *clerk, struct many *many)
{
    struct clerk_request request = {
        .kind = CLERK_APPEND, .key = clerk_text("log"), .data = clerk_text("x")};
    for (int i = 0; i < CALLS; i++)
        many->calls[i] = clerk_start(clerk, &request, on_done, many);
    return *many;
}

static void many_calls_run_on_a_loop_of_ones_own(void **state)
{
    struct clerk *clerk = ((struct stage *)*state)->clerk;
    struct many many = {.answered = 0};
    start_many(clerk, &many);
    assert_int_equal(many.answered, 0);
    assert_int_equal(clerk_open_count(clerk), CALLS);
    while (clerk_open_count(clerk) > 0) {
        struct pollfd fd = {.fd = clerk_fd(clerk), .events = POLLIN};
        assert_true(poll(&fd, 1, clerk_timeout_ms(clerk)) >= 0);
        clerk_turn(clerk);
    }
    assert_int_equal(many.answered, CALLS);
    assert_int_equal(many.failed, 0);
    struct clerk_stat stat;
    assert_int_equal(clerk_stat(clerk, clerk_text("log"), &stat), SF_OK);
    assert_int_equal(stat.length, CALLS);
}

static void cancelled_calls_are_not_answered(void **state)
{
    struct clerk *clerk = ((struct stage *)*state)->clerk;
    struct many many = {.answered = 0};
    start_many(clerk, &many);
    clerk_turn(clerk);
    int answered = many.answered;
    for (int i = answered; i < CALLS; i++)
        clerk_cancel(many.calls[i]);
    assert_int_equal(clerk_open_count(clerk), 0);
    assert_int_equal(clerk_put(clerk, clerk_text("log"), clerk_text("last")), SF_OK);
    assert_int_equal(many.answered, answered);
    value_is(clerk, "log", "last"); /* nothing that was cancelled came after it */
}

static void calls_that_are_open_end_with_the_clerk(void **state)
{
    struct stage *stage = *state;
    struct many many = {.answered = 0};
    struct clerk *clerk;
    assert_int_equal(clerk_open(solo_server_address(stage->server), NULL, &clerk), SF_OK);
    start_many(clerk, &many);
    clerk_close(clerk);
    assert_int_equal(many.answered, 0);
    clerk_close(NULL);
}

/* -- opening ----------------------------------------------------------------------------------- */

static void a_clerk_that_is_closed_leaves_no_sessions(void **state)
{
    struct stage *stage = *state;
    struct clerk *clerk;
    assert_int_equal(clerk_open(solo_server_address(stage->server), NULL, &clerk), SF_OK);
    assert_int_equal(clerk_put(clerk, clerk_text("k"), clerk_text("v")), SF_OK);
    assert_int_equal(solo_server_session_count(stage->server), 1);
    clerk_close(clerk);
    assert_int_equal(solo_server_session_count(stage->server), 0);
}

static void what_is_no_list_of_addresses_is_refused(void **state)
{
    struct clerk *clerk = NULL;
    (void)state;
    assert_int_equal(clerk_open("", NULL, &clerk), SF_ADDRESS);
    assert_int_equal(clerk_open("localhost", NULL, &clerk), SF_ADDRESS);
    assert_int_equal(clerk_open("a:1,,b:2", NULL, &clerk), SF_ADDRESS);
    assert_null(clerk);
    assert_string_equal(clerk_error_name(SF_ADDRESS), "ADDRESS");
    assert_string_equal(clerk_error_text(SF_NOT_FOUND), "no such key");
}

static void a_cluster_that_is_not_there_is_a_timeout(void **state)
{
    struct clerk_options options = {.timeout_ms = 200};
    struct clerk *clerk;
    (void)state;
    assert_int_equal(clerk_open("127.0.0.1:1", &options, &clerk), SF_OK);
    assert_int_equal(clerk_put(clerk, clerk_text("k"), clerk_text("v")), SF_TIMEOUT);
    assert_int_equal(clerk_get(clerk, clerk_text("k"), NULL), SF_TIMEOUT);
    clerk_close(clerk);
}

#define ON_STAGE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_STAGE(a_missing_key_has_length_0_and_is_not_found),
        ON_STAGE(the_usual_calls_do_what_they_say),
        ON_STAGE(the_old_value_comes_back_where_it_is_asked_for),
        ON_STAGE(long_values_go_there_and_back),
        ON_STAGE(conditions_are_tested),
        ON_STAGE(names_are_listed_in_order),
        ON_STAGE(bad_requests_are_refused),
        ON_STAGE(a_deadline_ends_a_call),
        ON_STAGE(many_calls_run_on_a_loop_of_ones_own),
        ON_STAGE(cancelled_calls_are_not_answered),
        ON_STAGE(calls_that_are_open_end_with_the_clerk),
        ON_STAGE(a_clerk_that_is_closed_leaves_no_sessions),
        cmocka_unit_test(what_is_no_list_of_addresses_is_refused),
        cmocka_unit_test(a_cluster_that_is_not_there_is_a_timeout),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
