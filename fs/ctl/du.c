/* du: the room that the files below a directory take, directory by directory, as du(1) tells it: of
 * a file what its st_blocks say in the mount. A file with several names counts once. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <uthash.h>

#include "ctl/crawl.h"
#include "ctl/target.h"
#include "ctl/text.h"
#include "env/memory.h"

#define BLOCK_BYTES 512u

/* A file with several names that was counted. */
struct counted {
    uint64_t ino;
    UT_hash_handle hh;
};

struct usage {
    struct session *session;
    bool human;
    struct buffer path;    /* of the directory that is entered */
    struct buffer lengths; /* of the path of each directory on the way, u64 */
    struct buffer blocks;  /* so far, of each directory on the way and its own, u64 */
    struct counted *counted;
    bool failed; /* something could not be looked at; its line is printed */
};

static void print_usage(const struct usage *usage, uint64_t blocks, struct slice path)
{
    char text[TEXT_BYTES_MAX];
    if (usage->human)
        text_of_bytes(blocks * BLOCK_BYTES, text);
    else
        snprintf(text, sizeof text, "%llu", (unsigned long long)(blocks + 1) / 2);
    printf("%s\t", text);
    text_print_name(path);
    putchar('\n');
}

static uint64_t *top_of(const struct buffer *stack)
{
    return (uint64_t *)(void *)(stack->p + stack->n) - 1;
}

static void push(struct buffer *stack, uint64_t value)
{
    buffer_append(stack, &value, sizeof value);
}

static uint64_t pop(struct buffer *stack)
{
    stack->n -= sizeof(uint64_t);
    return *(uint64_t *)(void *)(stack->p + stack->n);
}

/* -- files --------------------------------------------------------------------------------- */

static bool was_counted(struct usage *usage, uint64_t ino)
{
    struct counted *counted;
    HASH_FIND(hh, usage->counted, &ino, sizeof ino, counted);
    if (counted)
        return true;
    counted = sf_calloc(1, sizeof *counted);
    counted->ino = ino;
    HASH_ADD(hh, usage->counted, ino, sizeof ino, counted);
    return false;
}

static uint64_t blocks_of(struct usage *usage, const struct tree_inode *inode)
{
    if (!S_ISREG(inode->mode) || (inode->links > 1 && was_counted(usage, inode->ino)))
        return 0;
    return (inode->stored + BLOCK_BYTES - 1) / BLOCK_BYTES;
}

static void complain(struct usage *usage, struct slice name, int status)
{
    struct slice path = buffer_slice(&usage->path);
    fflush(stdout);
    if (name.n > 0)
        (void)fail("%.*s/%.*s: %s", (int)path.n, (const char *)path.p, (int)name.n,
                   (const char *)name.p, sf_error_text(status));
    else
        (void)fail("%.*s: %s", (int)path.n, (const char *)path.p, sf_error_text(status));
    usage->failed = true;
}

/* Of a file that the listing does not tell all about, more is asked. One that went meanwhile takes
 * no room. */
static void add_file(struct usage *usage, const struct crawl_step *step)
{
    struct tree_inode inode = step->inode;
    if (inode.version == 0) {
        struct tree_call call = {.kind = TREE_LOOKUP,
                                 .place = {.directory = step->directory, .name = step->name}};
        int status = session_tree(usage->session, &call);
        if (status != SF_OK && status != SF_NOT_FOUND)
            complain(usage, step->name, status);
        if (status != SF_OK)
            return;
        inode = call.inode;
    }
    *top_of(&usage->blocks) += blocks_of(usage, &inode);
}

/* -- directories --------------------------------------------------------------------------- */

static void enter(struct usage *usage, struct slice name)
{
    push(&usage->lengths, usage->path.n);
    if (usage->path.n > 0 && usage->path.p[usage->path.n - 1] != '/')
        buffer_put_u8(&usage->path, '/');
    buffer_append(&usage->path, name.p, name.n);
    push(&usage->blocks, 0);
}

static void leave(struct usage *usage, int status)
{
    uint64_t blocks = pop(&usage->blocks);
    if (status != SF_OK)
        complain(usage, slice_of(NULL, 0), status);
    print_usage(usage, blocks, buffer_slice(&usage->path));
    usage->path.n = pop(&usage->lengths);
    if (usage->blocks.n > 0)
        *top_of(&usage->blocks) += blocks;
}

static void add_directory(struct usage *usage, const char *name, uint64_t id)
{
    struct crawl *crawl = crawl_new(usage->session, id);
    struct crawl_step step;
    enter(usage, slice_str(name));
    while (!ferror(stdout) && crawl_next(crawl, &step)) {
        if (step.what == CRAWL_LEAVE)
            leave(usage, step.status);
        else if (S_ISDIR(step.inode.mode))
            enter(usage, step.name);
        else
            add_file(usage, &step);
    }
    crawl_free(crawl);
}

static void usage_deinit(struct usage *usage)
{
    struct counted *counted, *next;
    HASH_ITER(hh, usage->counted, counted, next)
    {
        HASH_DEL(usage->counted, counted);
        free(counted);
    }
    buffer_deinit(&usage->path);
    buffer_deinit(&usage->lengths);
    buffer_deinit(&usage->blocks);
}

int command_du(const struct ctl_options *options, size_t argc, char **argv)
{
    struct session s;
    struct target target;
    const char *name = argc > 0 ? argv[0] : "/";
    struct usage usage = {.session = &s, .human = options->given & CTL_HUMAN};
    int exit_status = target_open(&s, options, name, &target);
    if (exit_status != 0)
        return exit_status;
    if (target.place.is_directory)
        add_directory(&usage, name, target.place.ino);
    else
        print_usage(&usage, blocks_of(&usage, &target.inode), slice_str(name));
    exit_status = usage.failed ? EXIT_FAILED : 0;
    usage_deinit(&usage);
    session_close(&s);
    return exit_status;
}
