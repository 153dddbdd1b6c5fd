/* fsck: tree/check.h at work, with a line for each finding, and exit statuses as fsck(8)'s. */
#include <stdio.h>
#include <unistd.h>

#include "ctl/progress.h"
#include "ctl/session.h"
#include "ctl/text.h"
#include "tree/check.h"

#define EXIT_REPAIRED 1
#define EXIT_LEFT 4
#define EXIT_NOT_DONE 8

typedef unsigned long long ull;

static void on_wait(void *ctx, const bool *done)
{
    session_wait(ctx, done);
}

static void on_finding(void *ctx, const struct check_finding *finding)
{
    (void)ctx;
    progress_end();
    text_print(stdout, finding->text);
    if (finding->end == CHECK_REPAIRED)
        printf("; %s", finding->how);
    else if (finding->end == CHECK_LEFT)
        printf("; left alone: %s", finding->how);
    putchar('\n');
}

static void on_progress(void *ctx, const struct check_counts *counts)
{
    (void)ctx;
    progress_show("look %u: %llu of %llu shards, %llu records", counts->look,
                  (ull)counts->shards_done, (ull)counts->shards, (ull)counts->records);
}

static void print_summary(const struct check_result *result, bool repair)
{
    const struct check_counts *counts = &result->counts;
    uint64_t wrong = result->repaired + result->left;
    printf("%llu directories, %llu files, ", (ull)counts->directories, (ull)counts->files);
    if (counts->names > 0)
        printf("%llu names of those that have several, ", (ull)counts->names);
    if (counts->nameless > 0)
        printf("%llu deleted ones that somebody has open, or had, ", (ull)counts->nameless);
    printf("%llu extents in %llu shards: ", (ull)counts->extents, (ull)counts->shards);
    if (wrong == 0)
        puts(result->unsettled == 0 ? "clean" : "no errors that could be judged");
    else if (repair)
        printf("%llu errors, %llu repaired, %llu left\n", (ull)wrong, (ull)result->repaired,
               (ull)result->left);
    else
        printf("%llu errors (repair: shardctl fsck --repair)\n", (ull)wrong);
    if (result->unsettled > 0)
        printf("%llu more findings not judged and not repaired: the file system is being changed; "
               "run it again when it rests\n",
               (ull)result->unsettled);
    if (result->cut_short)
        printf("more than %u may be wrong: run it again for the rest\n", CHECK_SUSPECTS_MAX);
}

static int exit_status_of(const struct check_result *result)
{
    if (result->left > 0 || result->cut_short)
        return EXIT_LEFT;
    return result->repaired > 0 ? EXIT_REPAIRED : 0;
}

int command_fsck(const struct ctl_options *options, size_t argc, char **argv)
{
    struct session s;
    struct check_result result;
    (void)argc;
    (void)argv;
    int exit_status = session_open(&s, options);
    if (exit_status != 0)
        return exit_status == EXIT_USAGE ? EXIT_USAGE : EXIT_NOT_DONE;
    struct check_host host = {.env = s.env,
                              .client = s.client,
                              .timeout_ms = s.timeout_ms,
                              .uid = getuid(),
                              .gid = getgid(),
                              .repair = options->given & CTL_REPAIR,
                              .ctx = &s,
                              .wait = on_wait,
                              .on_finding = on_finding,
                              .on_progress = on_progress};
    int status = check_run(&host, &result);
    progress_end();
    if (status == SF_OK) {
        print_summary(&result, host.repair);
        exit_status = exit_status_of(&result);
    } else {
        fflush(stdout);
        (void)fail("not all could be looked at: %s", sf_error_text(status));
        exit_status = EXIT_NOT_DONE;
    }
    session_close(&s);
    return exit_status;
}
