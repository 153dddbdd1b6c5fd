/* mount_key get|put KEY: a key as a program with the clerk has it, byte by byte, without the names
 * of the mount. KEY: %XX stands for a byte. put takes the value from standard input. */
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

static int put(struct clerk *clerk, struct clerk_bytes key)
{
    char *value = malloc(VALUE_BYTES_MAX);
    size_t n = value ? fread(value, 1, VALUE_BYTES_MAX, stdin) : 0;
    int error = clerk_put(clerk, key, (struct clerk_bytes){.p = value, .n = n});
    free(value);
    return error;
}

int main(int argc, char **argv)
{
    struct clerk *clerk;
    const char *masters = getenv("SHARDFS_MASTERS");
    if (argc != 3 || !masters || (strcmp(argv[1], "get") != 0 && strcmp(argv[1], "put") != 0)) {
        fputs("usage: SHARDFS_MASTERS=... mount_key get|put KEY\n", stderr);
        return 2;
    }
    const struct clerk_options options = {.timeout_ms = 10000};
    int error = clerk_open(masters, &options, &clerk);
    if (error != SF_OK)
        return fail(masters, error);
    struct clerk_bytes key = decode(argv[2]);
    error = argv[1][0] == 'g' ? get(clerk, key) : put(clerk, key);
    clerk_close(clerk);
    return error == SF_OK ? 0 : fail(argv[1], error);
}
