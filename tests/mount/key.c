/* mount_key WHAT KEY: a key as a program with the clerk has it, byte by byte, without the names of
 * the mount. KEY: %XX stands for a byte.
 *
 *   get            the value, to standard output
 *   put, append    the value, or what comes behind it, from standard input
 *   replace        a put of what was there before, if its version is the one that a stat gives
 *   delete         of the key
 *   delete_listed  of the key, if it is the one that a scan shows
 *   transact_put, transact_delete
 *                  of the key in a transaction, if it is the one that a transaction before told of
 */
#include <shardfs/clerk.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VALUE_BYTES_MAX (8u << 20)

static int fail(const char *what, int error)
{
    fprintf(stderr, "mount_key: %s: %s\n", what, clerk_error_text(error));
    return 1;
}

static struct clerk_bytes decode(char *text)
{
    size_t n = 0;
    for (const char *at = text; *at; n++) {
        char digits[3] = {0};
        if (*at == '%' && at[1] && at[2]) {
            memcpy(digits, at + 1, 2);
            text[n] = (char)strtoul(digits, NULL, 16);
            at += 3;
        } else {
            text[n] = *at++;
        }
    }
    return (struct clerk_bytes){.p = text, .n = n};
}

static int get(struct clerk *clerk, struct clerk_bytes key)
{
    struct clerk_result result;
    int error = clerk_get(clerk, key, &result);
    if (error == SF_OK && fwrite(result.data, 1, result.length, stdout) != result.length)
        error = SF_IO;
    clerk_result_free(&result);
    return error;
}

static int change(struct clerk *clerk, struct clerk_bytes key, enum clerk_kind kind)
{
    char *value = malloc(VALUE_BYTES_MAX);
    size_t n = value ? fread(value, 1, VALUE_BYTES_MAX, stdin) : 0;
    const struct clerk_request request = {.kind = kind, .key = key, .data = clerk_bytes(value, n)};
    int error = clerk_do(clerk, &request, NULL);
    free(value);
    return error;
}

static int put(struct clerk *clerk, struct clerk_bytes key)
{
    return change(clerk, key, CLERK_PUT);
}

static int append(struct clerk *clerk, struct clerk_bytes key)
{
    return change(clerk, key, CLERK_APPEND);
}

static int replace(struct clerk *clerk, struct clerk_bytes key)
{
    char *value = malloc(VALUE_BYTES_MAX);
    size_t n = value ? fread(value, 1, VALUE_BYTES_MAX, stdin) : 0;
    struct clerk_stat stat;
    int error = clerk_stat(clerk, key, &stat);
    struct clerk_condition same = {CLERK_IF_VERSION, stat.version};
    if (error == SF_OK)
        error = clerk_put_if(clerk, key, clerk_bytes(value, n), same, NULL);
    if (error == SF_OK &&
        clerk_put_if(clerk, key, clerk_bytes(value, n), same, NULL) != SF_PRECONDITION)
        error = SF_CORRUPT;
    free(value);
    return error;
}

static int delete (struct clerk *clerk, struct clerk_bytes key)
{
    return clerk_delete(clerk, key);
}

static int delete_listed(struct clerk *clerk, struct clerk_bytes key)
{
    struct clerk_result result;
    int error = clerk_scan(clerk, key, clerk_bytes(NULL, 0), 1, &result);
    if (error == SF_OK && result.name_count != 1)
        error = SF_NOT_FOUND;
    if (error == SF_OK)
        error = clerk_delete_if(
            clerk, key, (struct clerk_condition){CLERK_IF_CREATED, result.names[0].stat.created},
            NULL);
    clerk_result_free(&result);
    return error;
}

/* As a loop of compare and swap goes: what fails tells what to ask for. */
static int transact(struct clerk *clerk, struct clerk_bytes key, enum clerk_kind kind)
{
    struct clerk_request change = {.kind = kind,
                                   .key = key,
                                   .data = clerk_text("lost"),
                                   .condition = {.kind = CLERK_IF_VERSION}};
    const struct clerk_transaction t = {.ops = &change, .op_count = 1};
    struct clerk_result result;
    int error = clerk_transact(clerk, &t, &result);
    if (error != SF_PRECONDITION)
        error = SF_CORRUPT;
    change.condition.id = result.stat.version;
    clerk_result_free(&result);
    return error == SF_PRECONDITION ? clerk_transact(clerk, &t, NULL) : error;
}

static int transact_put(struct clerk *clerk, struct clerk_bytes key)
{
    return transact(clerk, key, CLERK_PUT);
}

static int transact_delete(struct clerk *clerk, struct clerk_bytes key)
{
    return transact(clerk, key, CLERK_DELETE);
}

static const struct {
    const char *name;
    int (*run)(struct clerk *clerk, struct clerk_bytes key);
} commands[] = {{"get", get},
                {"put", put},
                {"append", append},
                {"replace", replace},
                {"delete", delete},
                {"delete_listed", delete_listed},
                {"transact_put", transact_put},
                {"transact_delete", transact_delete}};

int main(int argc, char **argv)
{
    const size_t count = sizeof commands / sizeof *commands;
    const struct clerk_options options = {.timeout_ms = 10000};
    const char *masters = getenv("SHARDFS_MASTERS");
    struct clerk *clerk;
    size_t i = 0;
    while (argc == 3 && i < count && strcmp(argv[1], commands[i].name) != 0)
        i++;
    if (argc != 3 || !masters || i == count) {
        fputs("usage: SHARDFS_MASTERS=... mount_key WHAT KEY\n", stderr);
        return 2;
    }
    int error = clerk_open(masters, &options, &clerk);
    if (error != SF_OK)
        return fail(masters, error);
    error = commands[i].run(clerk, decode(argv[2]));
    clerk_close(clerk);
    return error == SF_OK ? 0 : fail(argv[1], error);
}
