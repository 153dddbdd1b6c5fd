/* ls: the names of a directory, one a line; with -l what is known of each. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "ctl/target.h"
#include "ctl/text.h"

struct listing {
    struct tree_call call;
    bool full;
    size_t count; /* of this page */
    char last[TREE_NAME_BYTES_MAX];
    size_t last_bytes;
};

static char type_letter(uint32_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFDIR:
        return 'd';
    case S_IFLNK:
        return 'l';
    case S_IFIFO:
        return 'p';
    case S_IFSOCK:
        return 's';
    case S_IFCHR:
        return 'c';
    case S_IFBLK:
        return 'b';
    default:
        return '-';
    }
}

/* What a listing does not know of a directory (version 0) is left open. */
static void print_full(const struct tree_inode *inode)
{
    if (inode->version == 0) {
        printf("%c %4s %12s %16s ", type_letter(inode->mode), "-", "-", "-");
        return;
    }
    time_t seconds = (time_t)((int64_t)inode->mtime_ns / 1000000000);
    char text[32] = "-";
    struct tm local;
    if (inode->mtime_ns != 0 && localtime_r(&seconds, &local))
        strftime(text, sizeof text, "%Y-%m-%d %H:%M", &local);
    printf("%c %04o %12llu %16s ", type_letter(inode->mode), inode->mode & 07777,
           (unsigned long long)inode->size, text);
}

static void print_line(struct slice name)
{
    text_print_name(name);
    putchar('\n');
}

static bool on_entry(struct tree_call *call, struct slice name, const struct tree_inode *inode)
{
    struct listing *listing = container_of(call, struct listing, call);
    if (listing->full)
        print_full(inode);
    print_line(name);
    memcpy(listing->last, name.p, name.n);
    listing->last_bytes = name.n;
    listing->count++;
    return true;
}

static int list(struct session *s, const struct tree_place *directory, bool full)
{
    struct listing listing = {.full = full};
    int status;
    do {
        listing.count = 0;
        listing.call.kind = TREE_READDIR;
        listing.call.on_entry = on_entry;
        listing.call.place = *directory;
        listing.call.after = slice_of(listing.last, listing.last_bytes);
        status = session_tree(s, &listing.call);
    } while (status == SF_OK && !listing.call.end && listing.count > 0);
    return status;
}

int command_ls(const struct ctl_options *options, size_t argc, char **argv)
{
    struct session s;
    struct target target;
    const char *name = argc > 0 ? argv[0] : "/";
    bool full = options->given & CTL_FULL;
    int exit_status = target_open(&s, options, name, &target);
    if (exit_status != 0)
        return exit_status;
    if (target.place.is_directory) {
        int status = list(&s, &target.place, full);
        exit_status = status == SF_OK ? 0 : target_fail(name, status);
    } else {
        if (full)
            print_full(&target.inode);
        print_line(slice_str(name));
    }
    session_close(&s);
    return exit_status;
}
