#include "sim/inode.h"

#include <stdlib.h>
#include <string.h>

#include "env/memory.h"

#define SECTOR_BYTES 512
#define TORN_PER_MILLE 300 /* of power cuts do not keep a prefix in order */

/* A write, or a truncation (bytes == NULL) to `offset` bytes. */
struct change {
    struct change *next;
    uint64_t number;
    uint64_t offset;
    uint8_t *bytes;
    size_t n;
};

struct inode {
    size_t refs; /* names, changes of names, open files, syncs under way */
    bool is_dir;
    struct buffer now, durable;
    struct change *changes, *changes_last; /* durable + changes, in order = now */
    uint64_t last_number;
};

struct inode *inode_new(bool is_dir)
{
    struct inode *inode = sf_calloc(1, sizeof *inode);
    inode->refs = 1;
    inode->is_dir = is_dir;
    return inode;
}

void inode_hold(struct inode *inode)
{
    inode->refs++;
}

static void change_free(struct change *change)
{
    free(change->bytes);
    free(change);
}

static struct change *change_pop(struct inode *inode)
{
    struct change *change = inode->changes;
    inode->changes = change->next;
    return change;
}

void inode_release(struct inode *inode)
{
    if (--inode->refs > 0)
        return;
    while (inode->changes != NULL)
        change_free(change_pop(inode));
    buffer_deinit(&inode->now);
    buffer_deinit(&inode->durable);
    free(inode);
}

bool inode_is_dir(const struct inode *inode)
{
    return inode->is_dir;
}

/* -- bytes --------------------------------------------------------------------------------- */

static void set_size(struct buffer *b, uint64_t bytes)
{
    sf_assert(bytes <= INODE_BYTES_MAX);
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

/* Applies those sectors of a write that chance lets through. */
static void apply_torn(struct buffer *b, const struct change *change, struct random *random)
{
    size_t done = 0;
    while (done < change->n) {
        size_t to_boundary = SECTOR_BYTES - (size_t)((change->offset + done) % SECTOR_BYTES);
        size_t n = change->n - done < to_boundary ? change->n - done : to_boundary;
        if (random_chance(random, 500))
            put(b, change->offset + done, change->bytes + done, n);
        done += n;
    }
}

static void record(struct inode *inode, uint64_t offset, uint8_t *bytes, size_t n)
{
    struct change *change = sf_malloc(sizeof *change);
    *change =
        (struct change){.number = ++inode->last_number, .offset = offset, .bytes = bytes, .n = n};
    if (inode->changes == NULL)
        inode->changes = change;
    else
        inode->changes_last->next = change;
    inode->changes_last = change;
    apply(&inode->now, change);
}

uint64_t inode_size(const struct inode *inode)
{
    return inode->now.n;
}

size_t inode_read(const struct inode *inode, uint64_t offset, void *to, size_t n)
{
    if (offset >= inode->now.n)
        return 0;
    size_t left = inode->now.n - (size_t)offset;
    size_t got = n < left ? n : left;
    memcpy(to, inode->now.p + offset, got);
    return got;
}

void inode_write(struct inode *inode, uint64_t offset, struct slice from)
{
    if (from.n > 0)
        record(inode, offset, sf_memdup(from.p, from.n), from.n);
}

void inode_truncate(struct inode *inode, uint64_t bytes)
{
    record(inode, bytes, NULL, 0);
}

/* -- durability ---------------------------------------------------------------------------- */

uint64_t inode_mark(const struct inode *inode)
{
    return inode->last_number;
}

void inode_commit(struct inode *inode, uint64_t mark)
{
    while (inode->changes != NULL && inode->changes->number <= mark) {
        struct change *change = change_pop(inode);
        apply(&inode->durable, change);
        change_free(change);
    }
}

static size_t change_count(const struct inode *inode)
{
    size_t count = 0;
    for (const struct change *c = inode->changes; c != NULL; c = c->next)
        count++;
    return count;
}

/* The first of them survive, and perhaps some sectors of the next. */
static void keep_prefix(struct inode *inode, struct random *random)
{
    size_t kept = (size_t)random_below(random, change_count(inode) + 1);
    const struct change *change = inode->changes;
    for (size_t i = 0; i < kept; i++, change = change->next)
        apply(&inode->durable, change);
    if (change != NULL && change->bytes != NULL && random_chance(random, 500))
        apply_torn(&inode->durable, change, random);
}

/* Each survives whole, torn or not at all, whatever became of those before it. */
static void keep_any(struct inode *inode, struct random *random)
{
    for (const struct change *change = inode->changes; change != NULL; change = change->next) {
        uint64_t fate = random_below(random, 3);
        if (fate == 0)
            apply(&inode->durable, change);
        else if (fate == 1 && change->bytes != NULL)
            apply_torn(&inode->durable, change, random);
    }
}

void inode_power_cut(struct inode *inode, struct random *random)
{
    if (inode->changes == NULL)
        return;
    if (random_chance(random, TORN_PER_MILLE))
        keep_any(inode, random);
    else
        keep_prefix(inode, random);
    while (inode->changes != NULL)
        change_free(change_pop(inode));
    buffer_set(&inode->now, buffer_slice(&inode->durable));
}

bool inode_damage(struct inode *inode, uint64_t offset)
{
    if (offset >= inode->now.n)
        return false;
    inode->now.p[offset] ^= 0xff;
    if (offset < inode->durable.n)
        inode->durable.p[offset] ^= 0xff;
    return true;
}
