/* The disk store of a process that is killed without warning holds what a prefix of its batches
 * made of it, and at least what was flushed. */
#include <ftw.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "env/memory.h"
#include "storage/store_stage.h"

#define WINDOW 50u       /* the newest so many keys are there, older ones were deleted */
#define FLUSH_EVERY 400u /* batches */
#define VALUE_BYTES_MAX 40000u
#define ROUNDS 6u

/* What the child tells after each batch. */
struct progress {
    uint64_t written, flushed;
};

static struct space space_of(struct store *store)
{
    struct space space = {.store = store, .prefix = "replica"};
    return space;
}

static struct slice key_of(uint64_t i, char text[24])
{
    snprintf(text, 24, "%012llu", (unsigned long long)i);
    return slice_str(text);
}

/* The value of key i: its length and bytes follow from i. */
static struct slice value_of(uint64_t i, uint8_t *bytes)
{
    size_t n = (size_t)(i * 7919 % (i % 10 == 0 ? VALUE_BYTES_MAX : 300));
    memset(bytes, (int)(i % 251), n);
    return slice_of(bytes, n);
}

static void write_batch(struct store_batch *batch, uint64_t i, uint8_t *bytes)
{
    char key[24];
    store_batch_put(batch, key_of(i, key), value_of(i, bytes));
    if (i > WINDOW && i % 2 == 0)
        store_batch_delete(batch, key_of(i - WINDOW, key));
    if (i > WINDOW && i % 2 == 1) {
        char end[24];
        store_batch_delete_range(batch, key_of(i - WINDOW, key), key_of(i - WINDOW + 1, end));
    }
    store_batch_put(batch, slice_str("last"), slice_of(&i, sizeof i));
}

/* Writes until it is killed. */
static _Noreturn void child(const char *dir, uint64_t first, int pipe)
{
    struct store *store;
    char *why;
    struct store_disk_options small = {.write_buffer_bytes = 3u << 20};
    uint8_t *bytes = sf_malloc(VALUE_BYTES_MAX);
    if (store_disk_open(dir, &small, &store, &why) != SF_OK)
        _exit(1);
    struct space space = space_of(store);
    struct store_batch *batch = store_batch_new(&space);
    struct progress progress = {.flushed = first};
    for (uint64_t i = first + 1;; i++) {
        write_batch(batch, i, bytes);
        while (store_write(store, batch) == SF_BUSY)
            usleep(1000); /* RocksDB is behind */
        store_batch_clear(batch);
        if (i % FLUSH_EVERY == 0 && store_flush(store) == SF_OK)
            progress.flushed = i;
        progress.written = i;
        if (write(pipe, &progress, sizeof progress) != (ssize_t)sizeof progress)
            _exit(1);
    }
}

/* A program of its own: RocksDB's threads, which the parent has, do not come through a fork. */
static _Noreturn void become_child(const char *dir, uint64_t first, const int pipes[2])
{
    char first_text[24], pipe_text[16];
    snprintf(first_text, sizeof first_text, "%llu", (unsigned long long)first);
    snprintf(pipe_text, sizeof pipe_text, "%d", pipes[1]);
    close(pipes[0]); /* so that it cannot outlive the test: writing fails then */
    execl("/proc/self/exe", "store_kill_test", dir, first_text, pipe_text, (char *)NULL);
    _exit(1);
}

/* Runs a child from `first` on and kills it after `batches` batches, in the middle of others. */
static struct progress run_and_kill(const char *dir, uint64_t first, uint64_t batches)
{
    int pipes[2];
    struct progress progress = {0}, next;
    assert_int_equal(pipe(pipes), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        become_child(dir, first, pipes);
    close(pipes[1]);
    while (progress.written < first + batches &&
           read(pipes[0], &next, sizeof next) == (ssize_t)sizeof next)
        progress = next;
    kill(pid, SIGKILL);
    while (read(pipes[0], &next, sizeof next) == (ssize_t)sizeof next)
        progress = next;
    close(pipes[0]);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    return progress;
}

/* The keys are those after `last` batches, with their values. */
static void check_keys(struct space *space, uint64_t last)
{
    uint8_t *bytes = sf_malloc(VALUE_BYTES_MAX);
    uint64_t i = last > WINDOW ? last - WINDOW + 1 : 1;
    struct store_iter *iter = store_iter_new(space, NULL, slice_str(""), slice_str("l"));
    for (; store_iter_valid(iter); store_iter_next(iter), i++) {
        char key[24];
        assert_true(slice_equal(store_iter_key(iter), key_of(i, key)));
        assert_true(slice_equal(store_iter_value(iter), value_of(i, bytes)));
    }
    assert_int_equal(store_iter_status(iter), SF_OK);
    assert_int_equal(i, last + 1);
    store_iter_free(iter);
    free(bytes);
}

static uint64_t read_last(struct space *space)
{
    struct store_value value;
    uint64_t last = 0;
    int status = store_get(space, NULL, slice_str("last"), &value);
    if (status == SF_NOT_FOUND)
        return 0;
    assert_int_equal(status, SF_OK);
    memcpy(&last, value.bytes.p, sizeof last);
    store_unpin(&value);
    return last;
}

static int remove_one(const char *path, const struct stat *stat, int type, struct FTW *ftw)
{
    (void)stat, (void)type, (void)ftw;
    return remove(path);
}

static void a_killed_process_leaves_a_prefix_of_its_batches(void **state)
{
    (void)state;
    char dir[] = "/tmp/storage.XXXXXX";
    uint64_t last = 0;
    assert_non_null(mkdtemp(dir));
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct progress progress = run_and_kill(dir, last, 300 + round * 707);
        struct store *store;
        char *why = NULL;
        if (store_disk_open(dir, NULL, &store, &why) != SF_OK)
            fail_msg("%s", why);
        struct space space = space_of(store);
        last = read_last(&space);
        assert_true(last >= progress.flushed);
        assert_true(last <= progress.written + 1);
        check_keys(&space, last);
        store_close(store);
    }
    nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* Arguments, of the child: DIR FIRST PIPE. */
int main(int argc, char **argv)
{
    if (argc == 4)
        child(argv[1], strtoull(argv[2], NULL, 10), atoi(argv[3]));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_killed_process_leaves_a_prefix_of_its_batches),
    };
    return cmocka_run_group_tests_name("killed stores", tests, NULL, NULL);
}
