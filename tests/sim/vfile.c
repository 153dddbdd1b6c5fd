#include "sim/vfile.h"

#include <stdlib.h>
#include <string.h>

#include "env/memory.h"

#define SECTOR_BYTES 512u
#define PAGE_BYTES 4096u
#define PAGE_SECTORS (PAGE_BYTES / SECTOR_BYTES)
#define IN_ORDER_PER_MILLE 300 /* of power cuts keep a prefix */

/* A write, or a truncation (bytes == NULL) to `offset` bytes. */
struct change {
    struct change *next;
    uint64_t number;
    uint64_t offset;
    uint8_t *bytes;
    size_t n;
};

struct vfile {
    size_t refs; /* names, changes of names, open files, syncs under way */
    bool is_dir;
    struct buffer now, durable;
    struct change *changes, *changes_last; /* durable + changes, in order = now, but for what
                                              was lost in a sync that failed */
    struct change *young; /* what the newest commit made durable, without its bytes */
    bool lost;            /* in a sync that failed, something was */
    uint64_t last_number;
};

struct vfile *vfile_new(bool is_dir)
{
    struct vfile *file = sf_calloc(1, sizeof *file);
    file->refs = 1;
    file->is_dir = is_dir;
    return file;
}

void vfile_hold(struct vfile *file)
{
    file->refs++;
}

static void change_free(struct change *change)
{
    free(change->bytes);
    free(change);
}

static struct change *change_pop(struct vfile *file)
{
    struct change *change = file->changes;
    file->changes = change->next;
    return change;
}

static void young_clear(struct vfile *file)
{
    while (file->young != NULL) {
        struct change *change = file->young;
        file->young = change->next;
        change_free(change);
    }
}

void vfile_release(struct vfile *file)
{
    if (--file->refs > 0)
        return;
    while (file->changes != NULL)
        change_free(change_pop(file));
    young_clear(file);
    buffer_deinit(&file->now);
    buffer_deinit(&file->durable);
    free(file);
}

bool vfile_is_dir(const struct vfile *file)
{
    return file->is_dir;
}

/* -- bytes --------------------------------------------------------------------------------- */

static void set_size(struct buffer *b, uint64_t bytes)
{
    sf_assert(bytes <= VFILE_BYTES_MAX);
    size_t old = b->n;
    if (bytes > old)
        memset(buffer_grow(b, (size_t)bytes - old), 0, (size_t)bytes - old);
    b->n = (size_t)bytes;
}

static void put(struct buffer *b, uint64_t offset, const uint8_t *bytes, size_t n)
{
    if (offset + n > b->n)
        set_size(b, offset + n);
    memcpy(b->p + offset, bytes, n);
}

static void apply(struct buffer *b, const struct change *change)
{
    if (change->bytes == NULL)
        set_size(b, change->offset);
    else
        put(b, change->offset, change->bytes, change->n);
}

static void record(struct vfile *file, uint64_t offset, uint8_t *bytes, size_t n)
{
    struct change *change = sf_malloc(sizeof *change);
    *change =
        (struct change){.number = ++file->last_number, .offset = offset, .bytes = bytes, .n = n};
    if (file->changes == NULL)
        file->changes = change;
    else
        file->changes_last->next = change;
    file->changes_last = change;
    apply(&file->now, change);
}

uint64_t vfile_size(const struct vfile *file)
{
    return file->now.n;
}

size_t vfile_read(const struct vfile *file, uint64_t offset, void *to, size_t n)
{
    if (offset >= file->now.n)
        return 0;
    size_t left = file->now.n - (size_t)offset;
    size_t got = n < left ? n : left;
    memcpy(to, file->now.p + offset, got);
    return got;
}

void vfile_write(struct vfile *file, uint64_t offset, struct slice from)
{
    if (from.n > 0)
        record(file, offset, sf_memdup(from.p, from.n), from.n);
}

void vfile_truncate(struct vfile *file, uint64_t bytes)
{
    record(file, bytes, NULL, 0);
}

/* -- durability ---------------------------------------------------------------------------- */

bool vfile_has_unsynced(const struct vfile *file)
{
    return file->changes != NULL;
}

uint64_t vfile_mark(const struct vfile *file)
{
    return file->last_number;
}

static bool is_before(const struct change *change, uint64_t mark)
{
    return change != NULL && change->number <= mark;
}

static void change_grow_old(struct vfile *file, struct change *change)
{
    free(change->bytes);
    change->bytes = NULL;
    change->next = file->young;
    file->young = change;
}

void vfile_commit(struct vfile *file, uint64_t mark)
{
    if (!is_before(file->changes, mark))
        return;
    young_clear(file);
    while (is_before(file->changes, mark)) {
        struct change *change = change_pop(file);
        apply(&file->durable, change);
        change_grow_old(file, change);
    }
}

/* -- what becomes of what was not synced --------------------------------------------------- */

enum page_fate { PAGE_IS_OPEN, PAGE_KEPT, PAGE_DROPPED, PAGE_GARBLED };
enum sector_fate { SECTOR_IS_OPEN, SECTOR_OLD, SECTOR_NEW, SECTOR_NOISE, SECTOR_ZEROS };

struct page {
    uint8_t fate;                  /* enum page_fate, drawn when a change first meets it */
    uint8_t sectors[PAGE_SECTORS]; /* of a garbled page: enum sector_fate, drawn likewise */
    uint64_t last;                 /* of a kept page: number of the last change that reached it */
};

/* How the fates are drawn, and what was drawn. */
struct draw {
    struct random *random;
    struct buffer *medium;
    struct page *pages;
    uint64_t last;               /* number of the last change */
    uint64_t keep, drop, garble; /* one to the other */
    bool grows;                  /* the file is as long as if dropped pages were there */
};

static struct page *page_at(struct draw *draw, uint64_t offset, uint64_t number)
{
    struct page *page = &draw->pages[offset / PAGE_BYTES];
    if (page->fate != PAGE_IS_OPEN)
        return page;
    uint64_t fate = random_below(draw->random, draw->keep + draw->drop + draw->garble);
    page->last = draw->last;
    if (fate < draw->keep) {
        page->fate = PAGE_KEPT;
        if (random_chance(draw->random, 250))
            page->last = random_between(draw->random, number, draw->last);
    } else {
        page->fate = fate < draw->keep + draw->drop ? PAGE_DROPPED : PAGE_GARBLED;
    }
    return page;
}

static void settle_sector(struct draw *draw, struct page *page, uint64_t offset, struct slice bytes)
{
    uint8_t *fate = &page->sectors[offset % PAGE_BYTES / SECTOR_BYTES];
    if (*fate == SECTOR_IS_OPEN)
        *fate = (uint8_t)(SECTOR_OLD + random_below(draw->random, 4));
    if (*fate != SECTOR_OLD)
        put(draw->medium, offset, bytes.p, bytes.n);
}

static size_t up_to(uint64_t offset, size_t n, size_t unit)
{
    size_t left = unit - (size_t)(offset % unit);
    return n < left ? n : left;
}

/* A change, or the part of it, that lies in one page. */
static void settle_in_page(struct draw *draw, const struct change *change, uint64_t offset,
                           struct slice bytes)
{
    struct page *page = page_at(draw, offset, change->number);
    if (page->fate == PAGE_KEPT && change->number <= page->last) {
        put(draw->medium, offset, bytes.p, bytes.n);
    } else if (page->fate == PAGE_DROPPED && draw->grows && offset + bytes.n > draw->medium->n) {
        set_size(draw->medium, offset + bytes.n);
    } else if (page->fate == PAGE_GARBLED) {
        for (size_t done = 0, n; done < bytes.n; done += n) {
            n = up_to(offset + done, bytes.n - done, SECTOR_BYTES);
            settle_sector(draw, page, offset + done, slice_of(bytes.p + done, n));
        }
    }
}

static void settle(struct draw *draw, const struct change *change)
{
    if (change->bytes == NULL) { /* a truncation: there or lost */
        if (random_below(draw->random, draw->keep + draw->drop) < draw->keep)
            apply(draw->medium, change);
        return;
    }
    for (size_t done = 0, n; done < change->n; done += n) {
        uint64_t offset = change->offset + done;
        n = up_to(offset, change->n - done, PAGE_BYTES);
        settle_in_page(draw, change, offset, slice_of(change->bytes + done, n));
    }
}

static void spoil_sector(struct draw *draw, uint64_t offset, uint8_t fate)
{
    for (uint64_t i = offset; i < offset + SECTOR_BYTES && i < draw->medium->n; i++)
        draw->medium->p[i] = fate == SECTOR_ZEROS ? 0 : (uint8_t)random_next(draw->random);
}

static void spoil(struct draw *draw, size_t pages)
{
    for (size_t i = 0; i < pages; i++)
        for (size_t k = 0; k < PAGE_SECTORS; k++)
            if (draw->pages[i].sectors[k] >= SECTOR_NOISE)
                spoil_sector(draw, i * PAGE_BYTES + k * SECTOR_BYTES, draw->pages[i].sectors[k]);
}

/* Pages that the changes up to the mark may meet. */
static size_t page_count(const struct vfile *file, uint64_t mark)
{
    uint64_t end = 0;
    for (const struct change *c = file->changes; is_before(c, mark); c = c->next)
        if (c->bytes != NULL && c->offset + c->n > end)
            end = c->offset + c->n;
    return (size_t)(end / PAGE_BYTES + 1);
}

/* Brings of the first changes, up to the mark, to the medium what the draws let through. */
static void keep_pages(struct vfile *file, uint64_t mark, struct random *random)
{
    size_t pages = page_count(file, mark);
    struct draw draw = {.random = random,
                        .medium = &file->durable,
                        .pages = sf_calloc(pages, sizeof *draw.pages),
                        .last = mark};
    draw.keep = random_below(random, 5);
    draw.drop = 1 + random_below(random, 4);
    draw.garble = random_below(random, 5);
    draw.grows = random_chance(random, 500);
    for (const struct change *c = file->changes; is_before(c, mark); c = c->next)
        settle(&draw, c);
    spoil(&draw, pages);
    free(draw.pages);
}

/* The first of them survive, and perhaps parts of the next. */
static void keep_in_order(struct vfile *file, struct random *random)
{
    uint64_t first = file->changes->number;
    uint64_t left = random_below(random, file->last_number - first + 2);
    for (; left > 0; left--) {
        struct change *change = change_pop(file);
        apply(&file->durable, change);
        change_free(change);
    }
    if (file->changes != NULL)
        keep_pages(file, file->changes->number, random);
}

void vfile_commit_failed(struct vfile *file, uint64_t mark, struct random *random)
{
    if (!is_before(file->changes, mark))
        return;
    file->lost = true;
    keep_pages(file, mark, random);
    while (is_before(file->changes, mark))
        change_free(change_pop(file));
}

void vfile_power_cut(struct vfile *file, struct random *random)
{
    if (file->changes == NULL && !file->lost)
        return;
    if (file->changes != NULL && random_chance(random, IN_ORDER_PER_MILLE))
        keep_in_order(file, random);
    else if (file->changes != NULL)
        keep_pages(file, file->last_number, random);
    while (file->changes != NULL)
        change_free(change_pop(file));
    file->lost = false;
    buffer_set(&file->now, buffer_slice(&file->durable));
}

/* -- damage -------------------------------------------------------------------------------- */

bool vfile_damage(struct vfile *file, uint64_t offset)
{
    if (offset >= file->now.n)
        return false;
    file->now.p[offset] ^= 0xff;
    if (offset < file->durable.n)
        file->durable.p[offset] ^= 0xff;
    return true;
}

static bool overlaps(const struct change *changes, uint64_t offset)
{
    const struct change *c = changes;
    while (c != NULL && (c->offset >= offset + SECTOR_BYTES || c->offset + c->n <= offset))
        c = c->next;
    return c != NULL;
}

static void rot_sector(struct vfile *file, uint64_t offset, struct random *random)
{
    uint64_t at = offset + random_below(random, SECTOR_BYTES);
    uint8_t bit = (uint8_t)(1u << random_below(random, 8));
    if (at >= file->durable.n || at >= file->now.n || overlaps(file->changes, offset) ||
        overlaps(file->young, offset))
        return;
    file->durable.p[at] ^= bit;
    file->now.p[at] ^= bit;
}

void vfile_rot(struct vfile *file, uint64_t offset, size_t n, uint32_t per_million,
               struct random *random)
{
    uint64_t first = offset / SECTOR_BYTES * SECTOR_BYTES;
    for (uint64_t at = first; at < offset + n && at < file->now.n; at += SECTOR_BYTES)
        if (random_chance_ppm(random, per_million))
            rot_sector(file, at, random);
}
