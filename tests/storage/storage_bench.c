/* Not a test: what the log and the disk store do on this machine, and what memory that takes.
 *
 *   storage_bench DIR [MEBIBYTES]     writes so much (default 2048) to a store in DIR, which must
 * not be there yet and stays
 *
 * Lines of "name value unit". */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "env/memory.h"
#include "env/uv_env.h"
#include "storage/store.h"
#include "storage/wal.h"

#define COMMITS 4000u
#define BATCH_BYTES (256u << 10)
#define FLUSH_BYTES (32u << 20) /* as the host does */
#define READS 50000u

static uint64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

static void print_status(const char *field, const char *name)
{
    char line[256];
    FILE *file = fopen("/proc/self/status", "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, field, strlen(field)) == 0)
            printf("%s %lu KiB\n", name, strtoul(line + strlen(field) + 1, NULL, 10));
    }
    if (file != NULL)
        fclose(file);
}

static _Noreturn void give_up(const char *what, int status)
{
    fprintf(stderr, "storage_bench: %s: %s\n", what, sf_error_text(status));
    exit(1);
}

/* -- the log ------------------------------------------------------------------------------- */

struct log_run {
    struct env *env;
    struct wal *wal;
    struct payload *payload;
    uint64_t index, started_us;
    uint64_t took_us[COMMITS];
};

static void log_next(struct log_run *run)
{
    struct entry entry = {.index = ++run->index, .term = 1, .payload = run->payload};
    run->started_us = now_us();
    wal_append(run->wal, 1, &entry);
    wal_commit(run->wal);
}

static void log_on_synced(void *ctx, uint64_t position)
{
    struct log_run *run = ctx;
    if (position < wal_position(run->wal))
        return;
    run->took_us[run->index - 1] = now_us() - run->started_us;
    if (run->index == COMMITS)
        uv_env_stop(run->env);
    else
        log_next(run);
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* One record of 256 bytes after the other, each synced. */
static void measure_log(struct env *env, const char *dir)
{
    char path[4096], *why = NULL;
    struct log_run *run = sf_calloc(1, sizeof *run);
    uint64_t started_us = now_us();
    snprintf(path, sizeof path, "%s/wal", dir);
    run->env = env;
    run->payload = payload_alloc(256);
    memset(run->payload->data, 'x', 256);
    int status = wal_open(env, path, &(struct wal_options){.cluster_hash = 1}, &run->wal, &why);
    if (status != SF_OK)
        give_up(why, status);
    printf("wal_open_new %llu us\n", (unsigned long long)(now_us() - started_us));
    wal_on_synced(run->wal, log_on_synced, run);
    log_next(run);
    uv_env_run(env);
    qsort(run->took_us, COMMITS, sizeof *run->took_us, by_value);
    printf("wal_commit_p50 %llu us\n", (unsigned long long)run->took_us[COMMITS / 2]);
    printf("wal_commit_p99 %llu us\n", (unsigned long long)run->took_us[COMMITS / 100 * 99]);
    wal_close(run->wal);
    started_us = now_us();
    status = wal_open(env, path, &(struct wal_options){.cluster_hash = 1}, &run->wal, &why);
    if (status != SF_OK)
        give_up(why, status);
    printf("wal_open_again %llu us\n", (unsigned long long)(now_us() - started_us));
    wal_close(run->wal);
    payload_unref(run->payload);
    free(run);
}

/* -- the store ----------------------------------------------------------------------------- */

struct store_run {
    struct store *store;
    struct space space;
    struct env *env;
    struct env_work flush;
    struct store_batch *batch;
    uint8_t *bytes;
    uint64_t keys, written, since_flush, busy, slowest_us;
};

static struct slice key_of(uint64_t i, char text[32])
{
    snprintf(text, 32, "key-%016llx", (unsigned long long)(i * 0x9e3779b97f4a7c15u));
    return slice_str(text);
}

/* Mostly small values, some of a block of a long value, a few of a mebibyte. */
static size_t bytes_of(uint64_t i)
{
    if (i % 256 == 0)
        return 1u << 20;
    return i % 8 == 0 ? 32u << 10 : 64 + (size_t)(i * 7919 % 2000);
}

static void flush_work(struct env_work *work)
{
    struct store_run *run = container_of(work, struct store_run, flush);
    int status = store_flush(run->store);
    if (status != SF_OK)
        give_up("flush", status);
}

static void flush_done(struct env_work *work)
{
    (void)work;
}

static void write_batch(struct store_run *run)
{
    int status;
    uint64_t started_us = now_us();
    while ((status = store_write(run->store, run->batch)) == SF_BUSY) {
        run->busy++;
        usleep(1000);
        started_us = now_us();
    }
    if (status != SF_OK)
        give_up("write", status);
    if (now_us() - started_us > run->slowest_us)
        run->slowest_us = now_us() - started_us;
    run->since_flush += store_batch_bytes(run->batch);
    store_batch_clear(run->batch);
    if (run->since_flush >= FLUSH_BYTES && run->flush.private_state == NULL) {
        run->since_flush = 0;
        env_work(run->env, &run->flush);
    }
    uv_env_run_once(run->env);
}

static void on_tick(struct env_timer *timer)
{
    env_timer_start_ms(timer, 0); /* so that a turn of the loop never waits */
}

static void write_all(struct store_run *run, uint64_t bytes)
{
    char key[32];
    uint64_t started_us = now_us();
    while (run->written < bytes) {
        size_t n = bytes_of(run->keys);
        for (size_t i = 0; i + 8 <= n; i += 64)
            memcpy(run->bytes + i, &(uint64_t){run->keys * 31 + i}, 8);
        store_batch_put(run->batch, key_of(run->keys++, key), slice_of(run->bytes, n));
        run->written += n;
        if (store_batch_bytes(run->batch) >= BATCH_BYTES)
            write_batch(run);
    }
    write_batch(run);
    uint64_t took_us = now_us() - started_us;
    printf("store_write %.1f MiB/s\n", (double)run->written / 1.048576 / (double)took_us);
    printf("store_write_slowest %llu us\n", (unsigned long long)run->slowest_us);
    printf("store_write_busy %llu times\n", (unsigned long long)run->busy);
}

static void read_some(struct store_run *run)
{
    char key[32];
    uint64_t started_us = now_us(), bytes = 0;
    for (uint64_t i = 0; i < READS; i++) {
        struct store_value value;
        int status = store_get(&run->space, NULL, key_of(i * 7919 % run->keys, key), &value);
        if (status != SF_OK)
            give_up("read", status);
        bytes += value.bytes.n;
        store_unpin(&value);
    }
    uint64_t took_us = now_us() - started_us;
    printf("store_get %.1f us\n", (double)took_us / READS);
    printf("store_read %.1f MiB/s\n", (double)bytes / 1.048576 / (double)took_us);
}

static void measure_store(struct env *env, const char *dir, uint64_t bytes)
{
    char path[4096], *why = NULL;
    struct env_timer tick = {0};
    struct store_run run = {.env = env, .flush = {.work = flush_work, .done = flush_done}};
    snprintf(path, sizeof path, "%s/store", dir);
    int status = store_disk_open(path, NULL, &run.store, &why);
    if (status != SF_OK)
        give_up(why, status);
    run.space = (struct space){.store = run.store, .prefix = "bench"};
    run.batch = store_batch_new(&run.space);
    run.bytes = sf_calloc(1, 1u << 20);
    env_timer_init(env, &tick, on_tick);
    env_timer_start_ms(&tick, 0);
    write_all(&run, bytes);
    read_some(&run);
    env_timer_stop(&tick);
    while (run.flush.private_state != NULL)
        uv_env_run_once(env);
    print_status("VmHWM", "memory_peak");
    store_batch_free(run.batch);
    free(run.bytes);
    store_close(run.store);
}

int main(int argc, char **argv)
{
    struct env *env;
    if (argc < 2 || argc > 3) {
        fprintf(stderr, "usage: storage_bench DIR [MEBIBYTES]\n");
        return 2;
    }
    uint64_t mebibytes = argc == 3 ? strtoull(argv[2], NULL, 10) : 2048;
    int status = uv_env_new(&env);
    if (status == SF_OK)
        status = env_dir_create(env, argv[1]);
    if (status != SF_OK)
        give_up(argv[1], status);
    measure_log(env, argv[1]);
    measure_store(env, argv[1], mebibytes << 20);
    uv_env_free(env);
    return 0;
}
