#include "sim/vfile.h"

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

struct vfile {
    size_t refs; /* names, changes of names, open files, syncs under way */
    bool is_dir;
    struct buffer now, durable;
    struct change *changes, *changes_last; /* durable + changes, in order = now */
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

void vfile_release(struct vfile *file)
{
    if (--file->refs > 0)
        return;
    while (file->changes != NULL)
        change_free(change_pop(file));
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

void vfile_commit(struct vfile *file, uint64_t mark)
{
    while (file->changes != NULL && file->changes->number <= mark) {
        struct change *change = change_pop(file);
        apply(&file->durable, change);
        change_free(change);
    }
}

static size_t change_count(const struct vfile *file)
{
    size_t count = 0;
    for (const struct change *c = file->changes; c != NULL; c = c->next)
        count++;
    return count;
}

/* The first of them survive, and perhaps some sectors of the next. */
static void keep_prefix(struct vfile *file, struct random *random)
{
    size_t kept = (size_t)random_below(random, change_count(file) + 1);
    const struct change *change = file->changes;
    for (size_t i = 0; i < kept; i++, change = change->next)
        apply(&file->durable, change);
    if (change != NULL && change->bytes != NULL && random_chance(random, 500))
        apply_torn(&file->durable, change, random);
}

/* Each survives whole, torn or not at all, whatever became of those before it. */
static void keep_any(struct vfile *file, struct random *random)
{
    for (const struct change *change = file->changes; change != NULL; change = change->next) {
        uint64_t fate = random_below(random, 3);
        if (fate == 0)
            apply(&file->durable, change);
        else if (fate == 1 && change->bytes != NULL)
            apply_torn(&file->durable, change, random);
    }
}

void vfile_power_cut(struct vfile *file, struct random *random)
{
    if (file->changes == NULL)
        return;
    if (random_chance(random, TORN_PER_MILLE))
        keep_any(file, random);
    else
        keep_prefix(file, random);
    while (file->changes != NULL)
        change_free(change_pop(file));
    buffer_set(&file->now, buffer_slice(&file->durable));
}

bool vfile_damage(struct vfile *file, uint64_t offset)
{
    if (offset >= file->now.n)
        return false;
    file->now.p[offset] ^= 0xff;
    if (offset < file->durable.n)
        file->durable.p[offset] ^= 0xff;
    return true;
}
