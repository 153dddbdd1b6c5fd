#include "tree/links.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "tree/op.h"

const char *const links_names[LINKS_NAMES] = {"a", "b", "c", "e%2F"};

unsigned links_draw(struct links *m, unsigned limit)
{
    return (unsigned)sim_random_below(m->stage->cluster->sim, limit);
}

struct tree_place links_place(const struct links *m, unsigned at)
{
    return place_of(m->directories[at / LINKS_NAMES], links_names[at % LINKS_NAMES]);
}

void links_begin(struct links *m, struct stage *stage)
{
    *m = (struct links){.stage = stage, .directories = {TREE_ROOT}};
    m->user = &m->stage->users[0];
    for (unsigned i = 1; i < LINKS_DIRECTORIES; i++) {
        struct tree_inode made;
        const char *name = i == 1 ? "first" : "second";
        assert_int_equal(user_do(m->user, TREE_MKDIR, TREE_ROOT, name, &made), SF_OK);
        m->directories[i] = made.ino;
    }
}

struct waiting links_linking(const struct tree_place *from, const struct tree_place *to)
{
    return (struct waiting){
        .call = {
            .kind = TREE_LINK, .place = *from, .to_directory = to->directory, .to_name = to->name}};
}

bool links_has_inode_record(struct user *user, uint64_t ino)
{
    struct key key;
    key_of_inode(ino, &key);
    return user_has_record(user, key.space, key_slice(&key));
}

/* -- one operation of each kind, its answer compared ------------------------------------------ */

void links_create(struct links *m, unsigned at)
{
    struct tree_inode inode;
    struct tree_place place = links_place(m, at);
    char name[8];
    if (m->file_count == LINKS_FILES)
        return;
    snprintf(name, sizeof name, "%s", links_names[at % LINKS_NAMES]);
    int status = user_do(m->user, TREE_CREATE, place.directory, name, &inode);
    assert_int_equal(status, m->entries[at] ? SF_EXISTS : SF_OK);
    if (status != SF_OK)
        return;
    struct links_file *file = &m->files[m->file_count++];
    *file = (struct links_file){.ino = inode.ino, .names = 1, .place = place};
    file->place.ino = inode.ino;
    m->entries[at] = file;
}

void links_link(struct links *m, unsigned at)
{
    struct tree_place to = links_place(m, at);
    struct links_file *file = &m->files[m->file_count ? links_draw(m, m->file_count) : 0];
    if (m->file_count == 0)
        return;
    struct waiting link = links_linking(&file->place, &to);
    int status = user_call(m->user, &link);
    if (file->names == 0) {
        assert_int_equal(status, SF_STALE_FILE);
        return;
    }
    assert_int_equal(status, m->entries[at] ? SF_EXISTS : SF_OK);
    if (status != SF_OK)
        return;
    m->entries[at] = file;
    assert_int_equal(link.call.inode.ino, file->ino);
    assert_int_equal(link.call.inode.links, ++file->names);
}

void links_unlink(struct links *m, unsigned at)
{
    struct waiting unlink = {.call = {.kind = TREE_UNLINK, .place = links_place(m, at)}};
    int status = user_call(m->user, &unlink);
    assert_int_equal(status, m->entries[at] ? SF_OK : SF_NOT_FOUND);
    if (status != SF_OK)
        return;
    m->entries[at]->names--;
    m->entries[at] = NULL;
}

struct waiting links_renaming(const struct links *m, unsigned at, unsigned to, bool exchange)
{
    struct tree_place target = links_place(m, to);
    return (struct waiting){.call = {.kind = TREE_RENAME,
                                     .place = links_place(m, at),
                                     .to_directory = target.directory,
                                     .to_name = target.name,
                                     .exchange = exchange}};
}

void links_rename(struct links *m, unsigned at)
{
    unsigned to = links_draw(m, LINKS_PLACES);
    bool exchange = links_draw(m, 3) == 0;
    struct waiting rename = links_renaming(m, at, to, exchange);
    struct links_file *from = m->entries[at], *old = m->entries[to];
    bool can = from && (old || !exchange);
    assert_int_equal(user_call(m->user, &rename), can ? SF_OK : SF_NOT_FOUND);
    if (!can || from == old)
        return; /* two names of one file: both stay */
    m->entries[to] = from;
    m->entries[at] = exchange ? old : NULL;
    if (old && !exchange)
        old->names--;
}

void links_lookup(struct links *m, unsigned at)
{
    struct waiting lookup = {.call = {.kind = TREE_LOOKUP, .place = links_place(m, at)}};
    int status = user_call(m->user, &lookup);
    assert_int_equal(status, m->entries[at] ? SF_OK : SF_NOT_FOUND);
    if (status != SF_OK)
        return;
    const struct tree_inode *inode = &lookup.call.inode;
    assert_int_equal(inode->ino, m->entries[at]->ino);
    assert_int_equal(inode->links, m->entries[at]->names);
    m->entries[at]->place = links_place(m, at);
    m->entries[at]->place.ino = inode->ino;
    m->entries[at]->place.is_apart = inode->is_apart;
}

/* By where it was found once, as an open file is. */
void links_write(struct links *m, unsigned at)
{
    uint8_t byte = (uint8_t)(1 + links_draw(m, 255));
    (void)at;
    if (m->file_count == 0)
        return;
    struct links_file *file = &m->files[links_draw(m, m->file_count)];
    struct waiting write = {
        .call = {.kind = TREE_WRITE, .place = file->place, .data = slice_of(&byte, 1)}};
    int status = user_call(m->user, &write);
    assert_int_equal(status, file->names > 0 ? SF_OK : SF_STALE_FILE);
    if (status == SF_OK)
        file->byte = byte;
}

void links_chmod(struct links *m, unsigned at)
{
    (void)at;
    if (m->file_count == 0)
        return;
    struct links_file *file = &m->files[links_draw(m, m->file_count)];
    struct waiting chmod = {.call = {.kind = TREE_SETATTR,
                                     .place = file->place,
                                     .set = TREE_SET_MODE,
                                     .mode = 0600 + links_draw(m, 64)}};
    int status = user_call(m->user, &chmod);
    assert_int_equal(status, file->names > 0 ? SF_OK : SF_STALE_FILE);
    if (status == SF_OK)
        assert_int_equal(chmod.call.inode.links, file->names);
}

void links_check_byte(struct links *m, struct links_file *file)
{
    struct waiting stat = {.call = {.kind = TREE_GETATTR, .place = file->place}};
    int status = user_call(m->user, &stat);
    assert_int_equal(status, file->names > 0 ? SF_OK : SF_STALE_FILE);
    if (status != SF_OK)
        return;
    assert_int_equal(stat.call.inode.ino, file->ino);
    assert_int_equal(stat.call.inode.links, file->names);
    assert_int_equal(stat.call.inode.size, file->byte != 0);
    assert_true(stat.call.inode.ctime_ns >= file->ctime_ns);
    file->ctime_ns = stat.call.inode.ctime_ns;
}

void links_stat(struct links *m, unsigned at)
{
    (void)at;
    if (m->file_count > 0)
        links_check_byte(m, &m->files[links_draw(m, m->file_count)]);
}

/* -- listings --------------------------------------------------------------------------------- */

struct listing {
    struct waiting waiting;
    const struct links *m;
    unsigned directory, seen;
};

static bool on_entry(struct tree_call *call, struct slice name, const struct tree_inode *inode)
{
    struct listing *listing = container_of(call, struct listing, waiting.call);
    if (S_ISDIR(inode->mode))
        return true;
    unsigned i = 0;
    while (i < LINKS_NAMES && !slice_equal(name, slice_str(links_names[i])))
        i++;
    assert_true(i < LINKS_NAMES);
    const struct links_file *file = listing->m->entries[listing->directory * LINKS_NAMES + i];
    assert_non_null(file);
    assert_int_equal(inode->ino, file->ino);
    assert_true(S_ISREG(inode->mode));
    assert_true(inode->version == 0 || inode->links == 1);
    listing->seen++;
    return true;
}

static unsigned count_names(const struct links *m, unsigned directory)
{
    unsigned count = 0;
    for (unsigned i = 0; i < LINKS_NAMES; i++)
        count += m->entries[directory * LINKS_NAMES + i] != NULL;
    return count;
}

void links_list(struct links *m, unsigned at)
{
    struct listing listing = {.m = m, .directory = at / LINKS_NAMES};
    listing.waiting.call = (struct tree_call){.kind = TREE_READDIR,
                                              .on_entry = on_entry,
                                              .place = {.ino = m->directories[at / LINKS_NAMES]}};
    assert_int_equal(user_call(m->user, &listing.waiting), SF_OK);
    assert_true(listing.waiting.call.end);
    assert_int_equal(listing.seen, count_names(m, at / LINKS_NAMES));
}

/* -- what is left ----------------------------------------------------------------------------- */

static void check_directories(struct links *m)
{
    for (unsigned i = 1; i < LINKS_DIRECTORIES; i++) {
        struct tree_inode inode;
        assert_int_equal(user_stat_directory(m->user, m->directories[i], &inode), SF_OK);
        assert_int_equal(inode.size, count_names(m, i));
    }
}

void links_remove_all(struct links *m)
{
    for (unsigned at = 0; at < LINKS_PLACES; at++)
        links_unlink(m, at);
    for (unsigned i = 0; i < m->file_count; i++)
        assert_false(links_has_inode_record(m->user, m->files[i].ino));
    check_directories(m);
}

void links_learn(struct links *m)
{
    for (unsigned i = 0; i < m->file_count; i++)
        m->files[i].names = 0;
    for (unsigned at = 0; at < LINKS_PLACES; at++) {
        struct waiting lookup = {.call = {.kind = TREE_LOOKUP, .place = links_place(m, at)}};
        int status = user_call(m->user, &lookup);
        m->entries[at] = NULL;
        assert_true(status == SF_OK || status == SF_NOT_FOUND);
        for (unsigned i = 0; status == SF_OK && i < m->file_count; i++)
            if (m->files[i].ino == lookup.call.inode.ino)
                m->entries[at] = &m->files[i];
        if (status != SF_OK)
            continue;
        if (!m->entries[at]) {
            assert_true(m->file_count < LINKS_FILES);
            m->entries[at] = &m->files[m->file_count++];
            *m->entries[at] = (struct links_file){.ino = lookup.call.inode.ino};
            m->entries[at]->place = links_place(m, at);
            m->entries[at]->place.ino = lookup.call.inode.ino;
        }
        m->entries[at]->names++;
    }
}

/* A file that lives at its only name: its inode's record, if there is one, says where that is. */
static void check_location(struct links *m, const struct links_file *file)
{
    uint8_t bytes[REFERENCE_BYTES_MAX];
    struct buffer found = {0};
    struct key key, here;
    key_of_inode(file->ino, &key);
    assert_int_equal(key_of_entry(file->place.directory, file->place.name, &here), SF_OK);
    if (user_read_record(m->user, key.space, key_slice(&key), &found))
        assert_true(slice_equal(buffer_slice(&found), key_reference(&here, bytes)));
    buffer_deinit(&found);
}

void links_check(struct links *m)
{
    for (unsigned at = 0; at < LINKS_PLACES; at++)
        links_lookup(m, at);
    for (unsigned i = 0; i < m->file_count; i++) {
        const struct links_file *file = &m->files[i];
        if (file->names == 0)
            assert_false(links_has_inode_record(m->user, file->ino));
        else if (file->names > 1 || file->place.is_apart)
            assert_true(links_has_inode_record(m->user, file->ino));
        else
            check_location(m, file);
    }
    check_directories(m);
}
