/* put, get, append, del, stat: one key by its name in the mount.
 *
 * A key of the root is written by one Put that keeps its attributes. A file below it is created
 * first where it is missing, since its entry belongs to a directory. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "ctl/progress.h"
#include "ctl/session.h"

#define CHUNK_BYTES (16u << 20) /* of input and output; a longer put is not atomic */

/* Where a value goes to or comes from: a key, and which file it must still be. */
struct target {
    enum kv_space space;
    uint8_t key[TREE_KEY_BYTES_MAX];
    size_t key_bytes;
    struct kv_pre pre;
};

static int fail_key(const char *name, int status)
{
    if (status == SF_NOT_FOUND || status == SF_STALE_FILE)
        return fail("%s: no such key", name);
    return fail("%s: %s", name, sf_error_text(status));
}

static struct value_call value_of(const struct target *target, enum value_kind kind)
{
    return (struct value_call){.kind = kind,
                               .space = target->space,
                               .key = slice_of(target->key, target->key_bytes),
                               .pre = target->pre};
}

static int target_of_place(const struct tree_place *place, struct target *target)
{
    target->pre = (struct kv_pre){KV_PRE_NONE, 0};
    if (place->ino != 0)
        target->pre = (struct kv_pre){KV_PRE_CREATED, place->ino};
    return tree_record_key(place, &target->space, target->key, &target->key_bytes);
}

/* The target to write to: parents are made, and a file below the root is created. Exit status. */
static int target_to_write(struct session *s, const char *name, struct target *target)
{
    struct tree_walk walk = {.path = slice_str(name),
                             .make_parents = true,
                             .mode = 0755,
                             .uid = getuid(),
                             .gid = getgid()};
    int status = session_walk(s, &walk);
    bool root = walk.place.directory == TREE_ROOT;
    if (status == SF_OK && walk.place.is_directory)
        return fail("%s: is a directory", name);
    if (status == SF_NOT_FOUND && walk.place.name.n > 0 && !root) {
        struct tree_call create = {.kind = TREE_CREATE, .place = walk.place};
        create.mode = 0644;
        create.uid = getuid();
        create.gid = getgid();
        status = session_tree(s, &create);
        walk.place.ino = create.inode.ino;
    }
    if (status == SF_NOT_FOUND && root)
        status = SF_OK;
    if (root)
        walk.place.ino = 0; /* a Put of a plain key is one operation, whoever replaced it before */
    if (status == SF_OK)
        status = target_of_place(&walk.place, target);
    return status == SF_OK ? 0 : fail_key(name, status);
}

static int target_to_read(struct session *s, const char *name, struct target *target)
{
    struct tree_walk walk = {.path = slice_str(name)};
    int status = session_walk(s, &walk);
    if (status == SF_OK && walk.place.is_directory)
        return fail("%s: is a directory", name);
    if (status == SF_OK)
        status = target_of_place(&walk.place, target);
    return status == SF_OK ? 0 : fail_key(name, status);
}

/* Up to CHUNK_BYTES of standard input. False: it cannot be read; the line is printed. */
static bool read_chunk(struct buffer *to)
{
    buffer_clear(to);
    while (to->n < CHUNK_BYTES) {
        size_t room = CHUNK_BYTES - to->n;
        uint8_t *part = buffer_grow(to, room);
        ssize_t got = read(STDIN_FILENO, part, room);
        to->n -= room - (got > 0 ? (size_t)got : 0);
        if (got == 0)
            return true;
        if (got < 0 && errno != EINTR) {
            fail("standard input: %s", strerror(errno));
            return false;
        }
    }
    return true;
}

/* The first chunk by `first` (Put or Append), further ones by Append. */
static int write_input(struct session *s, const char *name, struct target *target,
                       enum value_kind first)
{
    struct buffer chunk = {0};
    uint64_t total = 0;
    int exit_status = 0;
    do {
        if (!read_chunk(&chunk)) {
            exit_status = EXIT_FAILED;
            break;
        }
        struct value_call call = value_of(target, total == 0 ? first : VALUE_APPEND);
        call.data = buffer_slice(&chunk);
        int status = chunk.n > 0 || total == 0 ? session_value(s, &call, NULL) : SF_OK;
        if (status != SF_OK)
            exit_status = fail_key(name, status);
        total += chunk.n;
        if (chunk.n == CHUNK_BYTES)
            progress_show("%s: %llu MiB", name, (unsigned long long)(total >> 20));
    } while (exit_status == 0 && chunk.n == CHUNK_BYTES);
    progress_end();
    buffer_deinit(&chunk);
    return exit_status;
}

static int write_command(const struct ctl_options *options, size_t argc, char **argv,
                         enum value_kind kind)
{
    struct session s;
    struct target target;
    int exit_status = session_open(&s, options);
    if (exit_status != 0)
        return exit_status;
    exit_status = target_to_write(&s, argv[0], &target);
    if (exit_status == 0 && argc == 1) {
        exit_status = write_input(&s, argv[0], &target, kind);
    } else if (exit_status == 0) {
        struct value_call call = value_of(&target, kind);
        call.data = slice_str(argv[1]);
        int status = session_value(&s, &call, NULL);
        exit_status = status == SF_OK ? 0 : fail_key(argv[0], status);
    }
    session_close(&s);
    return exit_status;
}

int command_put(const struct ctl_options *options, size_t argc, char **argv)
{
    return write_command(options, argc, argv, VALUE_PUT);
}

int command_append(const struct ctl_options *options, size_t argc, char **argv)
{
    return write_command(options, argc, argv, VALUE_APPEND);
}

static int copy_out(struct session *s, const char *name, const struct target *target)
{
    struct buffer data = {0};
    int exit_status = 0;
    for (uint64_t offset = 0; exit_status == 0; offset += CHUNK_BYTES) {
        struct value_call call = value_of(target, VALUE_READ);
        call.offset = offset;
        call.length = CHUNK_BYTES;
        int status = session_value(s, &call, &data);
        if (status != SF_OK)
            exit_status = fail_key(name, status);
        else if (fwrite(data.p, 1, data.n, stdout) != data.n || fflush(stdout) != 0)
            exit_status = fail("standard output: %s", strerror(errno));
        if (data.n < CHUNK_BYTES)
            break;
    }
    buffer_deinit(&data);
    return exit_status;
}

int command_get(const struct ctl_options *options, size_t argc, char **argv)
{
    struct session s;
    struct target target;
    (void)argc;
    int exit_status = session_open(&s, options);
    if (exit_status != 0)
        return exit_status;
    exit_status = target_to_read(&s, argv[0], &target);
    if (exit_status == 0)
        exit_status = copy_out(&s, argv[0], &target);
    session_close(&s);
    return exit_status;
}

int command_del(const struct ctl_options *options, size_t argc, char **argv)
{
    struct session s;
    (void)argc;
    int exit_status = session_open(&s, options);
    if (exit_status != 0)
        return exit_status;
    struct tree_walk walk = {.path = slice_str(argv[0])};
    int status = session_walk(&s, &walk);
    struct tree_call call = {.kind = walk.place.is_directory ? TREE_RMDIR : TREE_UNLINK,
                             .place = walk.place};
    if (status == SF_OK && walk.place.name.n == 0)
        exit_status = fail("the root cannot be deleted");
    else if (status == SF_OK)
        status = session_tree(&s, &call);
    if (exit_status == 0 && status != SF_OK)
        exit_status = fail_key(argv[0], status);
    session_close(&s);
    return exit_status;
}

static void print_time(const char *what, uint64_t time_ns)
{
    time_t seconds = (time_t)((int64_t)time_ns / 1000000000);
    char text[64] = "?";
    struct tm local;
    if (localtime_r(&seconds, &local))
        strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S %z", &local);
    printf("%-9s %s\n", what, text);
}

static void print_stat(const struct session *s, const struct tree_walk *walk, const char *name)
{
    const struct tree_inode *inode = &walk->inode;
    printf("%-9s %s\n", "name", name);
    printf("%-9s %s\n", "type", S_ISDIR(inode->mode) ? "directory" : "file");
    printf("%-9s %llu\n", S_ISDIR(inode->mode) ? "entries" : "length",
           (unsigned long long)inode->size);
    printf("%-9s %04o\n", "mode", inode->mode & 07777);
    printf("%-9s %u:%u\n", "owner", inode->uid, inode->gid);
    printf("%-9s %llu\n", "inode", (unsigned long long)inode->ino);
    printf("%-9s %llu\n", "version", (unsigned long long)inode->version);
    print_time("modified", inode->mtime_ns);
    struct target target;
    if (walk->place.name.n == 0 || target_of_place(&walk->place, &target) != SF_OK)
        return;
    struct kv_op op = {
        .kind = KV_STAT, .space = target.space, .key = slice_of(target.key, target.key_bytes)};
    uint32_t shard = kv_op_shard(&op, s->config->routing, s->config->shard_count);
    printf("%-9s %u, of group %llu\n", "shard", shard,
           (unsigned long long)s->config->shards[shard]);
}

int command_stat(const struct ctl_options *options, size_t argc, char **argv)
{
    struct session s;
    (void)argc;
    int exit_status = session_open(&s, options);
    if (exit_status != 0)
        return exit_status;
    struct tree_walk walk = {.path = slice_str(argv[0])};
    int status = session_walk(&s, &walk);
    if (status == SF_OK)
        print_stat(&s, &walk, argv[0]);
    else
        exit_status = fail_key(argv[0], status);
    session_close(&s);
    return exit_status;
}
