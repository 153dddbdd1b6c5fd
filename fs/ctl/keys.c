/* put, get, append, del, stat: one key by its name in the mount. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "ctl/progress.h"
#include "ctl/target.h"
#include "ctl/text.h"

#define PUT_BYTES_MAX (64u << 20) /* of input: up to here a put is one operation, seen whole */
#define GET_BYTES (16u << 20)     /* of output at a time */

static struct value_call value_of(const struct target *target, enum value_kind kind)
{
    return (struct value_call){.kind = kind,
                               .space = target->space,
                               .key = slice_of(target->key, target->key_bytes),
                               .pre = target->pre};
}

static bool is_root(const struct target *target)
{
    return target->is_walked && target->place.name.n == 0;
}

/* -- put, append ----------------------------------------------------------------------------- */

static bool write_out(struct slice data)
{
    return data.n == 0 || (fwrite(data.p, 1, data.n, stdout) == data.n && fflush(stdout) == 0);
}

/* Up to PUT_BYTES_MAX of standard input. False: it cannot be read; the line is printed. */
static bool read_input(struct buffer *to)
{
    buffer_clear(to);
    while (to->n < PUT_BYTES_MAX) {
        size_t room = PUT_BYTES_MAX - to->n;
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

static int write_part(struct session *s, const struct target *target, enum value_kind kind,
                      struct slice data)
{
    struct value_call call = value_of(target, kind);
    call.data = data;
    int status = session_value(s, &call, NULL);
    return status == SF_OK ? 0 : target_fail(target->name, status);
}

/* What one append cannot carry is several: others may come in between. */
static int append_parts(struct session *s, const struct target *target, struct slice data)
{
    size_t done = 0;
    int exit_status = 0;
    do {
        size_t left = data.n - done, n = left < SF_APPEND_BYTES_MAX ? left : SF_APPEND_BYTES_MAX;
        exit_status = write_part(s, target, VALUE_APPEND, slice_part(data, done, n));
        done += n;
    } while (exit_status == 0 && done < data.n);
    return exit_status;
}

/* put, append, puthash: what is done with the input. */
typedef int write_input(struct session *s, const struct target *target, struct buffer *data);

/* What is left of the input is appended, part by part. `part` holds the first one, which is
 * written. */
static int write_rest(struct session *s, const struct target *target, struct buffer *part)
{
    uint64_t total = part->n;
    int exit_status = 0;
    while (exit_status == 0 && part->n == PUT_BYTES_MAX) {
        progress_show("%s: %llu MiB", target->name, (unsigned long long)(total >> 20));
        if (!read_input(part))
            exit_status = EXIT_FAILED;
        else if (part->n > 0)
            exit_status = append_parts(s, target, buffer_slice(part));
        if (exit_status != 0)
            fail("%s: only the first %llu bytes were written", target->name,
                 (unsigned long long)total);
        total += part->n;
    }
    progress_end();
    return exit_status;
}

static int put_input(struct session *s, const struct target *target, struct buffer *data)
{
    int exit_status = write_part(s, target, VALUE_PUT, buffer_slice(data));
    return exit_status == 0 ? write_rest(s, target, data) : exit_status;
}

static int append_input(struct session *s, const struct target *target, struct buffer *data)
{
    int exit_status = append_parts(s, target, buffer_slice(data));
    return exit_status == 0 ? write_rest(s, target, data) : exit_status;
}

static int fail_for_old(const char *name)
{
    return fail("%s: this is for values of at most %u bytes, before and after", name,
                SF_VALUE_BYTES_MAX);
}

static int end_with_old(const struct target *target, int status, struct buffer *old)
{
    int exit_status = 0;
    if (status == SF_TOO_BIG)
        exit_status = fail_for_old(target->name);
    else if (status != SF_OK)
        exit_status = target_fail(target->name, status);
    else if (!write_out(buffer_slice(old)))
        exit_status = fail_output();
    buffer_deinit(old);
    return exit_status;
}

static int append_for_old(struct session *s, const struct target *target, struct buffer *data)
{
    struct buffer old = {0};
    struct value_call call = value_of(target, VALUE_APPEND);
    call.flags = KV_WANT_OLD;
    call.data = buffer_slice(data);
    int status = session_value(s, &call, &old);
    return end_with_old(target, status, &old);
}

static int put_hash(struct session *s, const struct target *target, struct buffer *data)
{
    struct buffer old = {0};
    struct kv_op op = {.kind = KV_PUT_HASH,
                       .space = target->space,
                       .key = slice_of(target->key, target->key_bytes),
                       .pre = target->pre,
                       .data = buffer_slice(data)};
    int status = session_kv(s, &op, NULL, &old);
    return end_with_old(target, status, &old);
}

static int write_value(const struct ctl_options *options, const char *name, write_input *write,
                       struct buffer *data)
{
    struct session s;
    struct target target;
    int exit_status = session_open(&s, options);
    if (exit_status != 0)
        return exit_status;
    exit_status = target_to_write(&s, options, name, &target);
    if (exit_status == 0)
        exit_status = write(&s, &target, data);
    session_close(&s);
    return exit_status;
}

/* The input is read before anything is changed. */
static int write_command(const struct ctl_options *options, size_t argc, char **argv,
                         write_input *write, size_t bytes_max)
{
    struct buffer data = {0};
    int exit_status = target_check_file(options, argv[0]);
    if (exit_status != 0)
        return exit_status;
    if (argc == 2)
        buffer_set(&data, slice_str(argv[1]));
    else if (!read_input(&data))
        exit_status = EXIT_FAILED;
    if (exit_status == 0 && data.n > bytes_max)
        exit_status = fail_for_old(argv[0]);
    if (exit_status == 0)
        exit_status = write_value(options, argv[0], write, &data);
    buffer_deinit(&data);
    return exit_status;
}

int command_put(const struct ctl_options *options, size_t argc, char **argv)
{
    return write_command(options, argc, argv, put_input, SIZE_MAX);
}

int command_append(const struct ctl_options *options, size_t argc, char **argv)
{
    if (options->given & CTL_OLD)
        return write_command(options, argc, argv, append_for_old, SF_VALUE_BYTES_MAX);
    return write_command(options, argc, argv, append_input, SIZE_MAX);
}

int command_puthash(const struct ctl_options *options, size_t argc, char **argv)
{
    return write_command(options, argc, argv, put_hash, SF_VALUE_BYTES_MAX);
}

/* -- get ------------------------------------------------------------------------------------- */

static int copy_out(struct session *s, const struct target *target)
{
    struct buffer data = {0};
    int exit_status = 0;
    for (uint64_t offset = 0; exit_status == 0; offset += GET_BYTES) {
        struct value_call call = value_of(target, VALUE_READ);
        call.offset = offset;
        call.length = GET_BYTES;
        int status = session_value(s, &call, &data);
        if (status != SF_OK)
            exit_status = target_fail(target->name, status);
        else if (!write_out(buffer_slice(&data)))
            exit_status = fail_output();
        if (data.n < GET_BYTES)
            break;
        if (!isatty(STDOUT_FILENO))
            progress_show("%s: %llu MiB", target->name,
                          (unsigned long long)((offset + data.n) >> 20));
    }
    progress_end();
    buffer_deinit(&data);
    return exit_status;
}

int command_get(const struct ctl_options *options, size_t argc, char **argv)
{
    struct session s;
    struct target target;
    (void)argc;
    int exit_status = target_check(options, argv[0]);
    if (exit_status == 0)
        exit_status = session_open(&s, options);
    if (exit_status != 0)
        return exit_status;
    exit_status = target_to_read(&s, options, argv[0], &target);
    if (exit_status == 0)
        exit_status = copy_out(&s, &target);
    session_close(&s);
    return exit_status;
}

/* -- del ------------------------------------------------------------------------------------- */

static int delete_target(struct session *s, const struct target *target)
{
    if (!target->is_walked) {
        struct kv_op op = {.kind = KV_DELETE, .key = slice_of(target->key, target->key_bytes)};
        return session_kv(s, &op, NULL, NULL);
    }
    struct tree_call call = {.kind = target->place.is_directory ? TREE_RMDIR : TREE_UNLINK,
                             .place = target->place};
    return session_tree(s, &call);
}

int command_del(const struct ctl_options *options, size_t argc, char **argv)
{
    struct session s;
    struct target target;
    (void)argc;
    int exit_status = target_check(options, argv[0]);
    if (exit_status == 0)
        exit_status = session_open(&s, options);
    if (exit_status != 0)
        return exit_status;
    exit_status = target_find(&s, options, argv[0], &target);
    if (exit_status == 0 && is_root(&target))
        exit_status = fail("%s: the root cannot be deleted", argv[0]);
    if (exit_status == 0) {
        int status = delete_target(&s, &target);
        exit_status = status == SF_OK ? 0 : target_fail(argv[0], status);
    }
    session_close(&s);
    return exit_status;
}

/* -- stat ------------------------------------------------------------------------------------ */

static void print_time(const char *what, uint64_t time_ns)
{
    time_t seconds = (time_t)((int64_t)time_ns / 1000000000);
    char text[64] = "?";
    struct tm local;
    if (localtime_r(&seconds, &local))
        strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S %z", &local);
    printf("%-9s %s\n", what, text);
}

static void print_number(const char *what, uint64_t number)
{
    printf("%-9s %llu\n", what, (unsigned long long)number);
}

static void print_shard(const struct session *s, const struct target *target)
{
    struct kv_op op = {
        .kind = KV_STAT, .space = target->space, .key = slice_of(target->key, target->key_bytes)};
    uint32_t shard = kv_op_shard(&op, s->config->routing, s->config->shard_count);
    printf("%-9s %u, of group %llu\n", "shard", shard,
           (unsigned long long)s->config->shards[shard]);
}

static const char *type_of(uint32_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFDIR:
        return "directory";
    case S_IFLNK:
        return "symlink";
    case S_IFIFO:
        return "fifo";
    case S_IFSOCK:
        return "socket";
    case S_IFCHR:
        return "character device";
    case S_IFBLK:
        return "block device";
    default:
        return "file";
    }
}

/* Where a symlink leads to. Status. */
static void print_text(const char *what, struct slice text)
{
    printf("%-9s ", what);
    text_print(stdout, text);
    putchar('\n');
}

static int print_link(struct session *s, const struct target *target)
{
    struct buffer data = {0};
    struct value_call call = value_of(target, VALUE_GET);
    call.length = TREE_TARGET_BYTES_MAX;
    int status = session_value(s, &call, &data);
    if (status == SF_OK)
        print_text("leads to", buffer_slice(&data));
    buffer_deinit(&data);
    return status;
}

static void print_inode(const struct tree_inode *inode)
{
    bool is_directory = S_ISDIR(inode->mode);
    printf("%-9s %s\n", "type", type_of(inode->mode));
    if (inode->ino != TREE_ROOT) /* whose entries nobody counts */
        print_number(is_directory ? "entries" : "length", inode->size);
    printf("%-9s %04o\n", "mode", inode->mode & 07777);
    printf("%-9s %u:%u\n", "owner", inode->uid, inode->gid);
    if (!is_directory)
        print_number("names", inode->links);
    print_number("inode", inode->ino);
    print_number("version", inode->version);
    print_time("modified", inode->mtime_ns);
}

static void print_record(const struct kv_stat *stat)
{
    static const char *const kinds[] = {"?", "value", "reference", "directory"};
    printf("%-9s %s\n", "type", kinds[stat->kind <= RECORD_DIRECTORY ? stat->kind : 0]);
    print_number("length", stat->length);
    print_number("created", stat->created);
    print_number("version", stat->version);
    print_time("modified", stat->mtime_ns);
}

static int print_target(struct session *s, const struct target *target)
{
    struct kv_stat stat;
    if (!target->is_walked) {
        struct kv_op op = {.kind = KV_STAT, .key = slice_of(target->key, target->key_bytes)};
        int status = session_kv(s, &op, &stat, NULL);
        if (status != SF_OK)
            return target_fail(target->name, status);
    }
    print_text("name", slice_str(target->name));
    if (target->is_walked)
        print_inode(&target->inode);
    else
        print_record(&stat);
    if (!is_root(target)) /* that is in all shards */
        print_shard(s, target);
    bool is_link = target->is_walked && S_ISLNK(target->inode.mode);
    int status = is_link ? print_link(s, target) : SF_OK;
    return status == SF_OK ? 0 : target_fail(target->name, status);
}

int command_stat(const struct ctl_options *options, size_t argc, char **argv)
{
    struct session s;
    struct target target;
    (void)argc;
    int exit_status = target_check(options, argv[0]);
    if (exit_status == 0)
        exit_status = session_open(&s, options);
    if (exit_status != 0)
        return exit_status;
    int status = target_names_root(options, argv[0]) ? session_learn_root(&s) : SF_OK;
    exit_status =
        status == SF_OK ? target_find(&s, options, argv[0], &target) : target_fail(argv[0], status);
    if (exit_status == 0)
        exit_status = print_target(&s, &target);
    session_close(&s);
    return exit_status;
}
