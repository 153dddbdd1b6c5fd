/* Golden transcripts: what a group says and does, message by message. A file is a series of blocks:
 *
 *   # comments and commands (commands.h), one a line
 *   ----
 *   what they show, up to an empty line
 *
 *   transcript_test FILE...             compares
 *   transcript_test --rewrite FILE...   puts what is shown now in the place of what was expected
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "env/memory.h"

static char *read_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    struct buffer text = {0};
    char chunk[4096];
    size_t n;
    if (file == NULL) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        exit(1);
    }
    while ((n = fread(chunk, 1, sizeof(chunk), file)) > 0)
        buffer_append(&text, chunk, n);
    fclose(file);
    buffer_put_u8(&text, 0);
    return (char *)buffer_take(&text, &n);
}

/* Cuts the next line, without its newline, off *rest. NULL at the end. */
static char *next_line(char **rest)
{
    char *line = *rest, *end;
    if (*line == '\0')
        return NULL;
    end = strchr(line, '\n');
    *rest = end != NULL ? end + 1 : line + strlen(line);
    if (end != NULL)
        *end = '\0';
    return line;
}

static void add_line(struct buffer *out, const char *line)
{
    buffer_append(out, line, strlen(line));
    buffer_put_u8(out, '\n');
}

/* Runs a whole transcript: the text that it should be. */
static void perform(const char *path, char *text, struct buffer *result)
{
    struct stage stage = {0};
    char *rest = text;
    bool expected = false; /* within the expected part of a block */
    for (char *line; (line = next_line(&rest)) != NULL;) {
        if (expected) {
            expected = line[0] != '\0';
            continue;
        }
        add_line(result, line);
        if (strcmp(line, "----") == 0) {
            buffer_append(result, stage.out.p, stage.out.n);
            buffer_put_u8(result, '\n');
            buffer_clear(&stage.out);
            expected = true;
        } else if (line[0] != '#' && !stage_run(&stage, line)) {
            fprintf(stderr, "%s: %.*s", path, (int)stage.out.n, (const char *)stage.out.p);
            exit(1);
        }
    }
    stage_deinit(&stage);
}

static void rewrite(const char *path, struct slice text)
{
    FILE *file = fopen(path, "wb");
    if (file == NULL || fwrite(text.p, 1, text.n, file) != text.n || fclose(file) != 0) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        exit(1);
    }
}

/* Shows the first line that differs. */
static bool compare(const char *path, char *expected, char *shown)
{
    size_t number = 1;
    for (;; number++) {
        char *want = next_line(&expected), *have = next_line(&shown);
        if (want == NULL && have == NULL)
            return true;
        if (want != NULL && have != NULL && strcmp(want, have) == 0)
            continue;
        fprintf(stderr, "%s:%zu:\n  expected: %s\n  shown:    %s\n", path, number,
                want != NULL ? want : "(end)", have != NULL ? have : "(end)");
        return false;
    }
}

static bool run_file(const char *path, bool rewrites)
{
    char *text = read_file(path), *expected = sf_strdup(text);
    struct buffer result = {0};
    bool same = true;
    perform(path, text, &result);
    if (rewrites)
        rewrite(path, buffer_slice(&result));
    buffer_put_u8(&result, 0);
    if (!rewrites)
        same = compare(path, expected, (char *)result.p);
    buffer_deinit(&result);
    free(expected);
    free(text);
    return same;
}

int main(int argc, char **argv)
{
    int first = argc > 1 && strcmp(argv[1], "--rewrite") == 0 ? 2 : 1;
    int failures = 0;
    sf_assert_slow_enabled = true;
    if (argc == first) {
        fprintf(stderr, "usage: transcript_test [--rewrite] FILE...\n");
        return 2;
    }
    for (int i = first; i < argc; i++)
        failures += !run_file(argv[i], first == 2);
    return failures > 0;
}
