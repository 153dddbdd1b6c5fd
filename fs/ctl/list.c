/* ls: the names of a directory, one a line; with -l what is known of each. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "ctl/target.h"
#include "ctl/text.h"
#include "env/memory.h"

struct listed {
    char name[TREE_NAME_BYTES_MAX];
    size_t bytes;
    struct tree_inode inode; /* as READDIR tells it: without a version where it is elsewhere */
};

struct listing {
    struct tree_call call;
    struct listed *page;
    size_t count, room; /* of the page */
    bool full;
    bool failed; /* one could not be read */
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

/* Without a version: what is there has gone meanwhile, or cannot be read. */
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
    if (listing->count == listing->room) {
        listing->room = listing->room > 0 ? 2 * listing->room : 64;
        listing->page = sf_realloc(listing->page, listing->room * sizeof *listing->page);
    }
    struct listed *entry = &listing->page[listing->count++];
    memcpy(entry->name, name.p, name.n);
    entry->bytes = name.n;
    entry->inode = *inode;
    return true;
}

/* A directory, and a file with several names, is asked for by itself. False: it cannot be read. */
static bool print_entry(struct session *s, uint64_t directory, const struct listed *entry)
{
    struct slice name = slice_of(entry->name, entry->bytes);
    struct tree_call call = {.kind = TREE_LOOKUP, .place = {.directory = directory, .name = name}};
    int status = entry->inode.version == 0 ? session_tree(s, &call) : SF_NOT_FOUND;
    bool is_bad = status != SF_OK && status != SF_NOT_FOUND;
    if (is_bad)
        (void)fail("%.*s: %s", (int)name.n, (const char *)name.p, sf_error_text(status));
    print_full(status == SF_OK ? &call.inode : &entry->inode);
    print_line(name);
    return !is_bad;
}

static void print_page(struct session *s, struct listing *listing)
{
    for (size_t i = 0; i < listing->count; i++) {
        const struct listed *entry = &listing->page[i];
        if (!listing->full)
            print_line(slice_of(entry->name, entry->bytes));
        else if (!print_entry(s, listing->call.place.ino, entry))
            listing->failed = true;
    }
}

static int list(struct session *s, const char *directory_name, const struct tree_place *directory,
                bool full)
{
    struct listing listing = {.full = full};
    char last[TREE_NAME_BYTES_MAX];
    struct slice after = slice_of(last, 0);
    int status;
    do {
        listing.count = 0;
        listing.call = (struct tree_call){
            .kind = TREE_READDIR, .on_entry = on_entry, .place = *directory, .after = after};
        status = session_tree(s, &listing.call);
        print_page(s, &listing);
        if (listing.count > 0) {
            const struct listed *entry = &listing.page[listing.count - 1];
            memcpy(last, entry->name, entry->bytes);
            after.n = entry->bytes;
        }
    } while (status == SF_OK && !listing.call.end && listing.count > 0);
    free(listing.page);
    if (status != SF_OK)
        return target_fail(directory_name, status);
    return listing.failed ? 1 : 0;
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
        exit_status = list(&s, name, &target.place, full);
    } else {
        if (full)
            print_full(&target.inode);
        print_line(slice_str(name));
    }
    session_close(&s);
    return exit_status;
}
