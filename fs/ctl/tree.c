/* tree: a directory and all below it, drawn as tree(1) does. */
#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "ctl/crawl.h"
#include "ctl/target.h"
#include "ctl/text.h"

struct strokes {
    const char *pass, *none, *branch, *corner; /* of a directory above: more to come, or not */
};

struct drawing {
    struct session *session;
    const struct strokes *strokes;
    struct buffer more; /* a byte for each directory on the way: it has more entries */
    uint64_t directories, files;
    bool failed; /* something could not be listed; its line is printed */
};

static const struct strokes *strokes_of_terminal(void)
{
    static const struct strokes lines = {"│   ", "    ", "├── ", "└── "};
    static const struct strokes plain = {"|   ", "    ", "|-- ", "`-- "};
    setlocale(LC_CTYPE, "");
    return strcmp(nl_langinfo(CODESET), "UTF-8") == 0 ? &lines : &plain;
}

static void draw_stem(struct drawing *drawing, const struct crawl_step *step)
{
    drawing->more.n = step->depth - 1;
    for (size_t i = 0; i < drawing->more.n; i++)
        fputs(drawing->more.p[i] ? drawing->strokes->pass : drawing->strokes->none, stdout);
    fputs(step->is_last ? drawing->strokes->corner : drawing->strokes->branch, stdout);
    buffer_put_u8(&drawing->more, !step->is_last);
}

/* Where it leads to; nothing where that cannot be read. */
static void draw_target(struct drawing *drawing, const struct crawl_step *step)
{
    struct tree_call call = {.kind = TREE_READLINK,
                             .place = {.directory = step->directory,
                                       .name = step->name,
                                       .ino = step->inode.ino,
                                       .is_apart = step->inode.is_apart}};
    struct buffer target = {0};
    if (session_tree_data(drawing->session, &call, &target) == SF_OK) {
        fputs(" -> ", stdout);
        text_print_name(buffer_slice(&target));
    }
    buffer_deinit(&target);
}

static void draw(struct drawing *drawing, const struct crawl_step *step)
{
    if (step->what == CRAWL_LEAVE) {
        if (step->status != SF_OK) {
            fflush(stdout); /* so that the line stands where it belongs */
            (void)fail("inode %llu: %s", (unsigned long long)step->directory,
                       sf_error_text(step->status));
        }
        drawing->failed |= step->status != SF_OK;
        return;
    }
    draw_stem(drawing, step);
    text_print_name(step->name);
    if (S_ISLNK(step->inode.mode))
        draw_target(drawing, step);
    putchar('\n');
    if (S_ISDIR(step->inode.mode))
        drawing->directories++;
    else
        drawing->files++;
}

static bool draw_below(struct session *s, uint64_t directory)
{
    struct drawing drawing = {.session = s, .strokes = strokes_of_terminal()};
    struct crawl *crawl = crawl_new(s, directory);
    struct crawl_step step;
    while (!ferror(stdout) && crawl_next(crawl, &step))
        draw(&drawing, &step);
    crawl_free(crawl);
    buffer_deinit(&drawing.more);
    printf("\n%llu director%s, %llu file%s\n", (unsigned long long)drawing.directories,
           drawing.directories == 1 ? "y" : "ies", (unsigned long long)drawing.files,
           drawing.files == 1 ? "" : "s");
    return !drawing.failed;
}

int command_tree(const struct ctl_options *options, size_t argc, char **argv)
{
    struct session s;
    struct target target;
    const char *name = argc > 0 ? argv[0] : "/";
    int exit_status = target_open(&s, options, name, &target);
    if (exit_status != 0)
        return exit_status;
    if (!target.place.is_directory) {
        exit_status = fail("%s: is not a directory", name);
    } else {
        text_print_name(slice_str(name));
        putchar('\n');
        exit_status = draw_below(&s, target.place.ino) ? 0 : EXIT_FAILED;
    }
    session_close(&s);
    return exit_status;
}
