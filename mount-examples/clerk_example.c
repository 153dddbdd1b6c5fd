/* A program that keeps a counter and a greeting in a shardfs cluster.
 *
 *     cc clerk_example.c $(pkg-config --cflags --libs shardfs) -o clerk_example
 *     ./clerk_example 127.0.0.1:7001,127.0.0.1:7002,127.0.0.1:7003
 */
#include <poll.h>
#include <shardfs/clerk.h>
#include <stdio.h>
#include <stdlib.h>

static int fail(const char *what, int error)
{
    fprintf(stderr, "clerk_example: %s: %s\n", what, clerk_error_text(error));
    return 1;
}

/* Adds 1 to a decimal number that others may be counting up too: read, then put only if nobody was
 * faster, else again. */
static int count_up(struct clerk *clerk, struct clerk_bytes key, unsigned long *now)
{
    for (;;) {
        struct clerk_result result;
        int error = clerk_get(clerk, key, &result);
        if (error != SF_OK && error != SF_NOT_FOUND) {
            clerk_result_free(&result);
            return error;
        }
        struct clerk_condition unchanged = {CLERK_IF_VERSION, result.stat.version};
        if (error == SF_NOT_FOUND)
            unchanged = (struct clerk_condition){CLERK_IF_ABSENT, 0};
        *now = strtoul(result.data, NULL, 10) + 1;
        clerk_result_free(&result);
        char text[32];
        snprintf(text, sizeof text, "%lu", *now);
        error = clerk_put_if(clerk, key, clerk_text(text), unchanged, NULL);
        if (error != SF_PRECONDITION)
            return error;
    }
}

static void on_appended(void *ctx, const struct clerk_result *result)
{
    int *worst = ctx;
    if (result->status != SF_OK)
        *worst = result->status;
}

/* Ten appends at once, with a loop of one's own. */
static int append_many(struct clerk *clerk)
{
    int worst = SF_OK;
    struct clerk_request request = {
        .kind = CLERK_APPEND, .key = clerk_text("greeting"), .data = clerk_text("hello\n")};
    for (int i = 0; i < 10; i++)
        clerk_start(clerk, &request, on_appended, &worst);
    while (clerk_open_count(clerk) > 0) {
        struct pollfd fd = {.fd = clerk_fd(clerk), .events = POLLIN};
        poll(&fd, 1, clerk_timeout_ms(clerk));
        clerk_turn(clerk);
    }
    return worst;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: clerk_example HOST:PORT,HOST:PORT,...\n");
        return 2;
    }
    struct clerk *clerk;
    struct clerk_options options = {.timeout_ms = 10000};
    int error = clerk_open(argv[1], &options, &clerk);
    if (error != SF_OK)
        return fail(argv[1], error);

    unsigned long now = 0;
    struct clerk_result greeting = {0};
    error = count_up(clerk, clerk_text("visits"), &now);
    if (error == SF_OK)
        error = append_many(clerk);
    if (error == SF_OK)
        error = clerk_get(clerk, clerk_text("greeting"), &greeting);
    if (error == SF_OK)
        printf("visit %lu, %zu bytes of greetings\n", now, greeting.length);
    clerk_result_free(&greeting);
    clerk_close(clerk);
    return error == SF_OK ? 0 : fail("the cluster", error);
}
