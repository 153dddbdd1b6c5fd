#include "ctl/crawl.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "env/memory.h"

struct found {
    size_t name_at, name_bytes; /* within the page's names */
    struct tree_inode inode;
    struct page *first; /* of a directory: its first page, asked for ahead; else NULL */
};

/* One listing, asked for or there. */
struct page {
    struct tree_call call;
    bool done;
    int status;
    struct buffer names;
    struct buffer after; /* the name that it follows */
    struct found *found;
    size_t count, room;
};

/* A directory on the way from the start to where the crawl is. */
struct level {
    struct level *up;
    size_t depth; /* of its entries */
    uint64_t id;
    struct page *now, *next; /* next: NULL where `now` is the last one, or not there yet */
    size_t at;               /* of `now`: the next to be told */
    size_t ahead;            /* of `now`: those before it were looked at by look_ahead */
    size_t asked;            /* their first pages, asked for and not yet entered */
};

struct crawl {
    struct session *session;
    struct level *level; /* NULL: at the end */
};

/* -- pages --------------------------------------------------------------------------------- */

static bool on_entry(struct tree_call *call, struct slice name, const struct tree_inode *inode)
{
    struct page *page = container_of(call, struct page, call);
    if (page->count == page->room) {
        page->room = page->room > 0 ? 2 * page->room : 16;
        page->found = sf_realloc(page->found, page->room * sizeof *page->found);
    }
    page->found[page->count++] =
        (struct found){.name_at = page->names.n, .name_bytes = name.n, .inode = *inode};
    buffer_append(&page->names, name.p, name.n);
    return true;
}

static void on_done(struct tree_call *call, int status)
{
    struct page *page = container_of(call, struct page, call);
    page->done = true;
    page->status = status;
}

static struct slice name_of(const struct page *page, const struct found *found)
{
    return slice_of(page->names.p + found->name_at, found->name_bytes);
}

/* after: empty: from the first name. */
static struct page *page_ask(struct session *s, uint64_t directory, struct slice after)
{
    struct page *page = sf_calloc(1, sizeof *page);
    buffer_append(&page->after, after.p, after.n);
    page->call = (struct tree_call){.kind = TREE_READDIR,
                                    .on_done = on_done,
                                    .on_entry = on_entry,
                                    .place = {.ino = directory, .is_directory = true},
                                    .after = buffer_slice(&page->after),
                                    .length = CRAWL_PAGE};
    tree_submit(s->tree, &page->call);
    return page;
}

static void page_free(struct page *page)
{
    if (!page)
        return;
    if (!page->done)
        tree_cancel(&page->call);
    for (size_t i = 0; i < page->count; i++)
        page_free(page->found[i].first);
    free(page->found);
    buffer_deinit(&page->names);
    buffer_deinit(&page->after);
    free(page);
}

/* Is there another one behind it? */
static bool page_has_next(const struct page *page)
{
    return page->status == SF_OK && !page->call.end && page->count > 0;
}

/* -- levels -------------------------------------------------------------------------------- */

static void enter(struct crawl *crawl, uint64_t id, struct page *first)
{
    struct level *level = sf_calloc(1, sizeof *level);
    level->up = crawl->level;
    level->depth = level->up ? level->up->depth + 1 : 1;
    level->id = id;
    level->now = first;
    crawl->level = level;
}

static void leave(struct crawl *crawl)
{
    struct level *level = crawl->level;
    crawl->level = level->up;
    page_free(level->now);
    page_free(level->next);
    free(level);
}

/* Waits for the page and asks for the one behind it. */
static void settle(struct crawl *crawl, struct level *level)
{
    struct page *page = level->now;
    session_wait(crawl->session, &page->done);
    if (page_has_next(page) && !level->next)
        level->next =
            page_ask(crawl->session, level->id, name_of(page, &page->found[page->count - 1]));
}

/* The last name of a page is told once it is known whether more follow. */
static bool is_last(struct crawl *crawl, struct level *level)
{
    if (level->at < level->now->count)
        return false;
    if (!level->next)
        return true;
    session_wait(crawl->session, &level->next->done);
    return level->next->count == 0;
}

/* A directory that is below itself, by damage, would never end: it counts as one that cannot be
 * listed. */
static bool is_above(const struct level *level, uint64_t id)
{
    while (level && level->id != id)
        level = level->up;
    return level != NULL;
}

static struct page *ask_first(struct crawl *crawl, const struct level *level, uint64_t id)
{
    if (!is_above(level, id))
        return page_ask(crawl->session, id, slice_of(NULL, 0));
    struct page *page = sf_calloc(1, sizeof *page);
    page->done = true;
    page->status = SF_CORRUPT;
    return page;
}

static void look_ahead(struct crawl *crawl, struct level *level)
{
    struct page *page = level->now;
    for (; level->ahead < page->count && level->asked < CRAWL_AHEAD; level->ahead++) {
        struct found *found = &page->found[level->ahead];
        if (!S_ISDIR(found->inode.mode))
            continue;
        found->first = ask_first(crawl, level, found->inode.ino);
        level->asked++;
    }
}

/* The entered page was the level's last, or could not be had: on to the next one. */
static bool turn_page(struct level *level)
{
    if (!level->next)
        return false;
    page_free(level->now);
    level->now = level->next;
    level->next = NULL;
    level->at = level->ahead = level->asked = 0;
    return true;
}

/* -- steps --------------------------------------------------------------------------------- */

struct crawl *crawl_new(struct session *s, uint64_t directory)
{
    struct crawl *crawl = sf_calloc(1, sizeof *crawl);
    crawl->session = s;
    enter(crawl, directory, page_ask(s, directory, slice_of(NULL, 0)));
    return crawl;
}

void crawl_free(struct crawl *crawl)
{
    while (crawl->level)
        leave(crawl);
    free(crawl);
}

static void tell_entry(struct crawl *crawl, struct level *level, struct crawl_step *out)
{
    struct found *found = &level->now->found[level->at++];
    *out = (struct crawl_step){.what = CRAWL_ENTRY,
                               .depth = level->depth,
                               .name = name_of(level->now, found),
                               .inode = found->inode,
                               .directory = level->id,
                               .is_last = is_last(crawl, level)};
    if (!S_ISDIR(found->inode.mode))
        return;
    struct page *first = found->first;
    found->first = NULL;
    level->asked--;
    enter(crawl, found->inode.ino, first);
}

static void tell_end(struct crawl *crawl, struct level *level, struct crawl_step *out)
{
    *out = (struct crawl_step){.what = CRAWL_LEAVE,
                               .depth = level->depth,
                               .directory = level->id,
                               .status = level->now->status};
    leave(crawl);
}

bool crawl_next(struct crawl *crawl, struct crawl_step *out)
{
    struct level *level = crawl->level;
    if (!level)
        return false;
    do {
        settle(crawl, level);
    } while (level->at == level->now->count && turn_page(level));
    if (level->at == level->now->count) {
        tell_end(crawl, level, out);
        return true;
    }
    look_ahead(crawl, level);
    tell_entry(crawl, level, out);
    return true;
}
