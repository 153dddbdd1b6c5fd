#include "model.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "env/memory.h"

/* -- trees ---------------------------------------------------------------------------------- */

struct tree *tree_new(void)
{
    struct tree *tree = sf_calloc(1, sizeof *tree);
    tree->refs = 1;
    tree->dirs = 1;
    tree->count = DIRS_MAX;
    memset(tree->entry, NO_OBJECT, sizeof tree->entry);
    tree->objects[0].type = TYPE_DIRECTORY;
    tree_begin(tree);
    return tree;
}

void tree_ref(struct tree *tree)
{
    tree->refs++;
}

void tree_unref(struct tree *tree)
{
    if (--tree->refs == 0)
        free(tree);
}

static size_t compared_bytes(const struct tree *tree)
{
    return offsetof(struct tree, objects) + tree->count * sizeof(struct object) -
           offsetof(struct tree, dirs);
}

bool tree_equal(const struct tree *a, const struct tree *b)
{
    return a->count == b->count && memcmp(&a->dirs, &b->dirs, compared_bytes(a)) == 0;
}

uint64_t tree_hash(const struct tree *tree)
{
    return bytes_hash(slice_of(&tree->dirs, compared_bytes(tree)));
}

static struct tree *copy_of(const struct tree *tree)
{
    struct tree *copy = sf_memdup(tree, sizeof *tree);
    copy->refs = 1;
    return copy;
}

static uint64_t place_bit(unsigned dir, unsigned name)
{
    return UINT64_C(1) << (dir * NAMES_MAX + name);
}

static unsigned names_of(const struct tree *tree, unsigned object)
{
    unsigned count = 0;
    for (unsigned d = 0; d < tree->dirs; d++) {
        for (unsigned n = 0; n < NAMES_MAX; n++)
            count += tree->entry[d][n] == object;
    }
    return count;
}

unsigned tree_links(const struct tree *tree, unsigned object)
{
    unsigned names = names_of(tree, object), count = 2;
    if (tree->objects[object].type != TYPE_DIRECTORY)
        return names;
    if (names == 0 && object != 0)
        return 0;
    for (unsigned n = 0; n < NAMES_MAX && object < tree->dirs; n++) {
        unsigned entry = tree->entry[object][n];
        count += entry != NO_OBJECT && tree->objects[entry].type == TYPE_DIRECTORY;
    }
    return count;
}

/* -- directories ---------------------------------------------------------------------------- */

static bool is_dead(const struct tree *tree, unsigned dir)
{
    return tree->objects[dir].gone_by != NOBODY;
}

static bool is_empty(const struct tree *tree, unsigned dir)
{
    for (unsigned n = 0; n < NAMES_MAX && dir < tree->dirs; n++) {
        if (tree->entry[dir][n] != NO_OBJECT)
            return false;
    }
    return true;
}

/* The directory that has it; NO_OBJECT of the base and of what is dead. */
static unsigned parent_of(const struct tree *tree, unsigned dir)
{
    for (unsigned d = 0; d < tree->dirs; d++) {
        for (unsigned n = 0; n < NAMES_MAX; n++) {
            if (tree->entry[d][n] == dir)
                return d;
        }
    }
    return NO_OBJECT;
}

/* Is it `top`, or somewhere below? */
static bool is_within(const struct tree *tree, unsigned dir, unsigned top)
{
    while (dir != NO_OBJECT && dir != top)
        dir = parent_of(tree, dir);
    return dir == top;
}

static bool was_within(const struct tree *tree, unsigned dir, unsigned top)
{
    return dir == top || (top < tree->dirs && (tree->been_below[dir] >> top & 1));
}

/* `dir` is in `parent` now: so is what has been below it, as a kernel may see it. */
static void note_parent(struct tree *tree, unsigned dir, unsigned parent)
{
    uint8_t above = (uint8_t)(1u << parent | tree->been_below[parent]);
    if (dir >= tree->dirs)
        return;
    tree->been_below[dir] |= above;
    for (unsigned d = 0; d < tree->dirs; d++) {
        if (tree->been_below[d] >> dir & 1)
            tree->been_below[d] |= above;
    }
}

static void put(struct tree *tree, unsigned dir, unsigned name, unsigned object)
{
    tree->entry[dir][name] = (uint8_t)object;
    if (object == NO_OBJECT)
        return;
    tree->objects[object].been |= place_bit(dir, name);
    if (tree->objects[object].type == TYPE_DIRECTORY)
        note_parent(tree, object, dir);
}

static void note_gone(struct tree *tree, unsigned object, unsigned mount)
{
    if (object != NO_OBJECT && names_of(tree, object) == 0)
        tree->objects[object].gone_by = (uint8_t)mount;
}

void tree_begin(struct tree *tree)
{
    memset(tree->from, NO_OBJECT, sizeof tree->from);
    memset(tree->been_below, 0, sizeof tree->been_below);
    for (unsigned i = 0; i < tree->count; i++) {
        tree->objects[i].been = 0;
        tree->objects[i].gone_by = NOBODY;
    }
    for (unsigned d = 0; d < tree->dirs; d++) {
        for (unsigned n = 0; n < NAMES_MAX; n++)
            put(tree, d, n, tree->entry[d][n]);
    }
}

/* -- which error an event must have --------------------------------------------------------- */

static unsigned at(const struct tree *tree, unsigned dir, unsigned name)
{
    return tree->entry[dir][name];
}

static enum type type_at(const struct tree *tree, unsigned dir, unsigned name)
{
    unsigned object = at(tree, dir, name);
    return object == NO_OBJECT ? TYPE_NONE : (enum type)tree->objects[object].type;
}

static int open_error(enum type type)
{
    switch (type) {
    case TYPE_NONE:
        return ENOENT;
    case TYPE_FILE:
        return 0;
    case TYPE_SYMLINK: /* O_NOFOLLOW */
        return ELOOP;
    case TYPE_DIRECTORY: /* O_RDWR */
        return EISDIR;
    }
    return 0;
}

static int make_error(const struct tree *tree, const struct event *e)
{
    if (is_dead(tree, e->dir))
        return ENOENT;
    return at(tree, e->dir, e->name) != NO_OBJECT ? EEXIST : 0;
}

static int rmdir_error(const struct tree *tree, const struct event *e)
{
    unsigned object = at(tree, e->dir, e->name);
    if (object == NO_OBJECT)
        return ENOENT;
    if (tree->objects[object].type != TYPE_DIRECTORY)
        return ENOTDIR;
    return is_empty(tree, object) ? 0 : ENOTEMPTY;
}

static int unlink_error(const struct tree *tree, const struct event *e)
{
    enum type type = type_at(tree, e->dir, e->name);
    return type == TYPE_NONE ? ENOENT : type == TYPE_DIRECTORY ? EISDIR : 0;
}

/* Of a linkat that failed. */
static int link_error(const struct tree *tree, const struct event *e)
{
    enum type from = type_at(tree, e->dir, e->name);
    if (from == TYPE_NONE)
        return ENOENT;
    if (at(tree, e->dir2, e->name2) != NO_OBJECT)
        return EEXIST;
    if (is_dead(tree, e->dir2))
        return ENOENT;
    return from == TYPE_DIRECTORY ? EPERM : 0;
}

/* What may not replace what; `to` is there. */
static int replace_error(const struct tree *tree, unsigned from, unsigned to)
{
    bool is_dir = tree->objects[from].type == TYPE_DIRECTORY;
    bool onto_dir = tree->objects[to].type == TYPE_DIRECTORY;
    if (is_dir && !onto_dir)
        return ENOTDIR;
    if (!is_dir && onto_dir)
        return EISDIR;
    return onto_dir && !is_empty(tree, to) ? ENOTEMPTY : 0;
}

/* A directory into itself, or over one that holds it. */
static int loop_error(const struct tree *tree, const struct event *e, unsigned from, unsigned to)
{
    if (e->dir == e->dir2)
        return 0;
    if (is_within(tree, e->dir2, from))
        return EINVAL;
    if (to != NO_OBJECT && is_within(tree, e->dir, to))
        return e->flags & RENAME_EXCHANGE ? EINVAL : ENOTEMPTY;
    return 0;
}

static int rename_error(const struct tree *tree, const struct event *e)
{
    unsigned from = at(tree, e->dir, e->name), to = at(tree, e->dir2, e->name2);
    if (from == NO_OBJECT)
        return ENOENT;
    if ((e->flags & RENAME_NOREPLACE) && to != NO_OBJECT)
        return EEXIST;
    if ((e->flags & RENAME_EXCHANGE) && to == NO_OBJECT)
        return ENOENT;
    int error = loop_error(tree, e, from, to);
    if (error != 0 || from == to)
        return error;
    if (to == NO_OBJECT)
        return is_dead(tree, e->dir2) ? ENOENT : 0;
    return e->flags & RENAME_EXCHANGE ? 0 : replace_error(tree, from, to);
}

/* The object of that inode, one that has a name rather than one that has none. */
static unsigned find(const struct tree *tree, uint64_t ino)
{
    unsigned found = NO_OBJECT;
    for (unsigned i = 0; i < tree->count; i++) {
        const struct object *object = &tree->objects[i];
        if (object->type == TYPE_NONE || object->ino != ino)
            continue;
        if (object->gone_by == NOBODY)
            return i;
        found = i;
    }
    return found;
}

static int event_error(const struct tree *tree, const struct event *e)
{
    switch (e->kind) {
    case EVENT_CREATE:
    case EVENT_MKDIR:
    case EVENT_SYMLINK:
        return make_error(tree, e);
    case EVENT_OPEN_CREATE:
        if (is_dead(tree, e->dir) || at(tree, e->dir, e->name) != NO_OBJECT)
            return open_error(type_at(tree, e->dir, e->name));
        return 0;
    case EVENT_OPEN:
        return open_error(type_at(tree, e->dir, e->name));
    case EVENT_NAME:
    case EVENT_FROM:
        return at(tree, e->dir, e->name) == NO_OBJECT ? ENOENT : 0;
    case EVENT_READLINK: {
        enum type type = type_at(tree, e->dir, e->name);
        return type == TYPE_NONE ? ENOENT : type != TYPE_SYMLINK ? EINVAL : 0;
    }
    case EVENT_UNLINK:
        return unlink_error(tree, e);
    case EVENT_RMDIR:
        return rmdir_error(tree, e);
    case EVENT_LINK:
        return e->error == 0 ? 0 : link_error(tree, e);
    case EVENT_RENAME:
        return rename_error(tree, e);
    case EVENT_LIST:
        return is_dead(tree, e->dir) ? ENOENT : 0;
    case EVENT_READ:
    case EVENT_WRITE:
    case EVENT_ATTR:
    case EVENT_WALK:
        return 0;
    }
    return 0;
}

/* -- what several mounts may answer, too ---------------------------------------------------- */

static bool is_moved_directory(const struct tree *tree, unsigned dir, unsigned name)
{
    if (type_at(tree, dir, name) != TYPE_DIRECTORY)
        return false;
    uint64_t been = tree->objects[at(tree, dir, name)].been;
    return (been & (been - 1)) != 0;
}

static bool may_be_stale(const struct tree *tree, const struct event *e)
{
    if (e->kind == EVENT_READ || e->kind == EVENT_WRITE || e->kind == EVENT_ATTR) {
        unsigned object = find(tree, e->ino);
        unsigned gone_by = object == NO_OBJECT ? NOBODY : tree->objects[object].gone_by;
        return gone_by != NOBODY && gone_by != e->mount;
    }
    bool second = e->kind == EVENT_RENAME || e->kind == EVENT_LINK;
    return e->contended || is_dead(tree, e->dir) || is_moved_directory(tree, e->dir, e->name) ||
           (second && (is_dead(tree, e->dir2) || is_moved_directory(tree, e->dir2, e->name2)));
}

static bool may_be_earlier(const struct tree *tree, const struct event *e)
{
    unsigned from = at(tree, e->dir, e->name), to = at(tree, e->dir2, e->name2);
    bool into_itself = from != NO_OBJECT && was_within(tree, e->dir2, from);
    bool over_itself = to != NO_OBJECT && was_within(tree, e->dir, to);
    if (e->error == ENOTEMPTY)
        return !(e->flags & RENAME_EXCHANGE) && over_itself;
    return into_itself || (over_itself && (e->flags & RENAME_EXCHANGE));
}

static bool rename_may_say(const struct tree *tree, const struct event *e)
{
    unsigned from = at(tree, e->dir, e->name), to = at(tree, e->dir2, e->name2);
    if ((e->error == EINVAL || e->error == ENOTEMPTY) && may_be_earlier(tree, e))
        return true;
    if (from != NO_OBJECT && to != NO_OBJECT && loop_error(tree, e, from, to) != 0 &&
        e->error == replace_error(tree, from, to))
        return true; /* a kernel asked no further */
    if (!e->contended || to == NO_OBJECT)
        return false;
    bool onto_dir = tree->objects[to].type == TYPE_DIRECTORY;
    switch (e->error) {
    case EEXIST:
        return e->flags & RENAME_NOREPLACE;
    case EISDIR:
        return onto_dir;
    case ENOTDIR:
        return !onto_dir;
    case ENOTEMPTY:
        return onto_dir && !is_empty(tree, to);
    default:
        return false;
    }
}

static bool was_above(const struct tree *tree, const struct event *e)
{
    unsigned object = at(tree, e->dir, e->name);
    return object != NO_OBJECT && was_within(tree, e->dir, object);
}

/* A file was there, and is gone, although the name has always been there. */
static bool was_replaced(const struct tree *tree, const struct event *e)
{
    for (unsigned i = 0; i < tree->count; i++) {
        const struct object *o = &tree->objects[i];
        if (o->type != TYPE_NONE && o->gone_by != NOBODY && (o->been & place_bit(e->dir, e->name)))
            return true;
    }
    return false;
}

/* linkat looks up what is linked, and then the new name, on any file system. */
static bool link_may_say(const struct tree *tree, const struct event *e)
{
    if (e->error == EEXIST)
        return at(tree, e->dir2, e->name2) != NO_OBJECT;
    if (e->error == EPERM)
        return type_at(tree, e->dir, e->name) == TYPE_DIRECTORY;
    return e->error == ENOENT && was_replaced(tree, e);
}

/* Is this other error right, too? It changes nothing. */
static bool may_say(const struct tree *tree, const struct event *e, const struct rules *rules)
{
    if (e->error == EINVAL && e->kind == EVENT_RENAME && is_dead(tree, e->dir2))
        return true; /* below where it was */
    if (e->kind == EVENT_LINK && e->contended && link_may_say(tree, e))
        return true;
    if (e->kind == EVENT_LIST && e->error == 0) { /* of a directory that is gone */
        for (unsigned n = 0; n < NAMES_MAX; n++) {
            if (e->list[n].type != TYPE_NONE)
                return false;
        }
        return rules->several;
    }
    if (!rules->several)
        return false;
    if (e->error == ESTALE)
        return may_be_stale(tree, e);
    if (e->error == ELOOP)
        return was_above(tree, e);
    if (e->kind == EVENT_LINK && e->error == EPERM && is_dead(tree, e->dir2))
        return type_at(tree, e->dir, e->name) == TYPE_DIRECTORY; /* a kernel asked no further */
    return e->kind == EVENT_RENAME && rename_may_say(tree, e);
}

/* -- what an event changes, and what it must have seen -------------------------------------- */

/* Someone saw this inode number of it. */
static bool show_ino(struct tree *tree, unsigned object, uint64_t ino)
{
    struct object *o = &tree->objects[object];
    if (o->ino != 0 || ino == 0)
        return ino == 0 || o->ino == ino;
    unsigned other = find(tree, ino);
    if (other != NO_OBJECT && tree->objects[other].gone_by == NOBODY)
        return false;
    o->ino = ino;
    return true;
}

static bool make(struct tree *tree, const struct event *e, enum type type)
{
    if (e->number >= tree->count)
        tree->count = (uint8_t)(e->number + 1);
    tree->objects[e->number].type = (uint8_t)type;
    tree->objects[e->number].gone_by = NOBODY;
    tree->objects[e->number].content = type == TYPE_SYMLINK ? e->content : 0;
    put(tree, e->dir, e->name, e->number);
    return show_ino(tree, e->number, e->ino);
}

static bool take_away(struct tree *tree, const struct event *e)
{
    unsigned object = at(tree, e->dir, e->name);
    put(tree, e->dir, e->name, NO_OBJECT);
    note_gone(tree, object, e->mount);
    return true;
}

static bool link_to(struct tree *tree, const struct event *e)
{
    unsigned from = tree->from[e->worker];
    if (from == NO_OBJECT || tree->objects[from].gone_by != NOBODY || is_dead(tree, e->dir2) ||
        at(tree, e->dir2, e->name2) != NO_OBJECT)
        return false;
    tree->from[e->worker] = NO_OBJECT;
    put(tree, e->dir2, e->name2, from);
    return true;
}

static bool rename_to(struct tree *tree, const struct event *e)
{
    unsigned from = at(tree, e->dir, e->name), to = at(tree, e->dir2, e->name2);
    if (from == to)
        return true;
    put(tree, e->dir, e->name, e->flags & RENAME_EXCHANGE ? to : NO_OBJECT);
    put(tree, e->dir2, e->name2, from);
    note_gone(tree, to, e->mount);
    return true;
}

static bool saw_list(struct tree *tree, const struct event *e)
{
    for (unsigned n = 0; n < NAMES_MAX; n++) {
        if (type_at(tree, e->dir, n) != e->list[n].type)
            return false;
        if (e->list[n].type != TYPE_NONE && !show_ino(tree, at(tree, e->dir, n), e->list[n].ino))
            return false;
    }
    return true;
}

static bool saw_attributes(const struct tree *tree, const struct event *e,
                           const struct rules *rules)
{
    unsigned object = find(tree, e->ino);
    if (object == NO_OBJECT)
        return false;
    const struct object *o = &tree->objects[object];
    if (o->type != TYPE_DIRECTORY && e->size != (o->content != 0 ? 8 : 0))
        return false;
    return (rules->base_is_root && object == 0) || e->links == tree_links(tree, object);
}

/* An open file's bytes. Those of a file that is gone for good may be lost. */
static bool saw_data(struct tree *tree, const struct event *e)
{
    unsigned object = find(tree, e->ino);
    if (object == NO_OBJECT)
        return false;
    if (e->kind == EVENT_WRITE)
        tree->objects[object].content = e->content;
    return tree->objects[object].content == e->content;
}

struct matching {
    const struct tree *model, *walked;
    uint8_t map[OBJECTS_MAX]; /* of the model's objects to the walked ones */
};

static bool match_entry(struct matching *m, unsigned mine, unsigned theirs)
{
    if (mine == NO_OBJECT || theirs == NO_OBJECT)
        return mine == theirs;
    const struct object *a = &m->model->objects[mine], *b = &m->walked->objects[theirs];
    if (m->map[mine] != NO_OBJECT && m->map[mine] != theirs)
        return false;
    m->map[mine] = (uint8_t)theirs;
    return a->type == b->type && (a->ino == 0 || a->ino == b->ino) && a->content == b->content &&
           (mine == 0 || names_of(m->model, mine) == names_of(m->walked, theirs));
}

static bool match_directory(struct matching *m, unsigned mine, unsigned theirs)
{
    if (mine >= m->model->dirs)
        return is_empty(m->walked, theirs);
    for (unsigned n = 0; n < NAMES_MAX; n++) {
        unsigned a = at(m->model, mine, n), b = at(m->walked, theirs, n);
        if (!match_entry(m, a, b))
            return false;
        if (a != NO_OBJECT && m->model->objects[a].type == TYPE_DIRECTORY &&
            !match_directory(m, a, b))
            return false;
    }
    return true;
}

static bool saw_all(const struct tree *tree, const struct event *e)
{
    struct matching m = {.model = tree, .walked = e->walked};
    memset(m.map, NO_OBJECT, sizeof m.map);
    return match_entry(&m, 0, 0) && match_directory(&m, 0, 0);
}

static bool apply(struct tree *tree, const struct event *e, const struct rules *rules)
{
    unsigned object = at(tree, e->dir, e->name);
    switch (e->kind) {
    case EVENT_CREATE:
        return make(tree, e, TYPE_FILE);
    case EVENT_MKDIR:
        return make(tree, e, TYPE_DIRECTORY);
    case EVENT_SYMLINK:
        return make(tree, e, TYPE_SYMLINK);
    case EVENT_OPEN_CREATE:
        return object == NO_OBJECT ? make(tree, e, TYPE_FILE) : show_ino(tree, object, e->ino);
    case EVENT_OPEN:
        return show_ino(tree, object, e->ino);
    case EVENT_NAME:
        return tree->objects[object].type == e->type && show_ino(tree, object, e->ino);
    case EVENT_READLINK:
        return tree->objects[object].content == e->content;
    case EVENT_UNLINK:
    case EVENT_RMDIR:
        return take_away(tree, e);
    case EVENT_FROM:
        tree->from[e->worker] = (uint8_t)object;
        return tree->objects[object].type != TYPE_DIRECTORY;
    case EVENT_LINK:
        return link_to(tree, e);
    case EVENT_RENAME:
        return rename_to(tree, e);
    case EVENT_LIST:
        return saw_list(tree, e);
    case EVENT_ATTR:
        return saw_attributes(tree, e, rules);
    case EVENT_READ:
    case EVENT_WRITE:
        return saw_data(tree, e);
    case EVENT_WALK:
        return saw_all(tree, e);
    }
    return false;
}

bool event_may_be_idle(const struct event *e, const struct rules *rules)
{
    return rules->several && e->contended && e->kind == EVENT_RENAME && e->error == 0 &&
           !(e->flags & RENAME_NOREPLACE);
}

/* What the new name leads to had the old one, too. */
static bool looked_like_one(const struct tree *tree, const struct event *e)
{
    unsigned to = at(tree, e->dir2, e->name2);
    return to != NO_OBJECT && (tree->objects[to].been & place_bit(e->dir, e->name));
}

struct tree *model_step(struct tree *tree, const struct event *event, const struct rules *rules)
{
    if (event->idle) {
        if (!looked_like_one(tree, event))
            return NULL;
        tree_ref(tree);
        return tree;
    }
    int error = event_error(tree, event);
    if (event->error != error || error != 0) {
        if (event->error != error && !may_say(tree, event, rules))
            return NULL;
        tree_ref(tree);
        return tree;
    }
    struct tree *after = copy_of(tree);
    if (apply(after, event, rules))
        return after;
    tree_unref(after);
    return NULL;
}

/* -- text ----------------------------------------------------------------------------------- */

static const char *const type_letters = "-fld";

static void add(struct buffer *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add(struct buffer *out, const char *format, ...)
{
    char text[160];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    buffer_append(out, text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1);
}

static const char *kind_name(enum event_kind kind)
{
    static const char *const names[] = {
        "",        "create",     "open-create", "open",    "read",     "write",
        "look-up", "attributes", "mkdir",       "symlink", "readlink", "unlink",
        "rmdir",   "link from",  "link",        "rename",  "list",     "walk",
    };
    return names[kind];
}

static void describe_seen(const struct event *e, struct buffer *out)
{
    if (e->ino != 0)
        add(out, " inode %llu", (unsigned long long)e->ino);
    if (e->kind == EVENT_NAME)
        add(out, " type %c", type_letters[e->type]);
    if (e->kind == EVENT_ATTR)
        add(out, " links %u size %llu", e->links, (unsigned long long)e->size);
    if (e->content != 0)
        add(out, " content %llx", (unsigned long long)e->content);
    for (unsigned n = 0; n < NAMES_MAX && e->kind == EVENT_LIST; n++) {
        if (e->list[n].type != TYPE_NONE)
            add(out, " %u:%c%llu", n, type_letters[e->list[n].type],
                (unsigned long long)e->list[n].ino);
    }
}

void event_describe(const struct event *e, struct buffer *out)
{
    bool named = e->kind != EVENT_READ && e->kind != EVENT_WRITE && e->kind != EVENT_ATTR &&
                 e->kind != EVENT_WALK;
    add(out, "mount %u: %s", e->mount, kind_name(e->kind));
    if (named && e->kind == EVENT_LIST)
        add(out, " d%u", e->dir);
    else if (named)
        add(out, " d%u/%u", e->dir, e->name);
    if (e->kind == EVENT_RENAME || e->kind == EVENT_LINK)
        add(out, " d%u/%u", e->dir2, e->name2);
    if (e->flags & RENAME_EXCHANGE)
        add(out, " exchange");
    if (e->flags & RENAME_NOREPLACE)
        add(out, " no-replace");
    add(out, " -> %s", e->error != 0 ? strerror(e->error) : "0");
    if (e->error == 0)
        describe_seen(e, out);
    if (e->kind == EVENT_WALK && e->walked) {
        add(out, " ");
        tree_describe(e->walked, out);
    }
}

void tree_describe(const struct tree *tree, struct buffer *out)
{
    for (unsigned d = 0; d < tree->dirs; d++) {
        if (is_dead(tree, d))
            continue;
        add(out, "%sd%u(%llu){", d > 0 ? " " : "", d, (unsigned long long)tree->objects[d].ino);
        for (unsigned n = 0; n < NAMES_MAX; n++) {
            unsigned object = at(tree, d, n);
            if (object == NO_OBJECT)
                continue;
            const struct object *o = &tree->objects[object];
            add(out, " %u:%c%llu", n, type_letters[o->type], (unsigned long long)o->ino);
            if (o->content != 0)
                add(out, "=%llx", (unsigned long long)o->content);
            if (object < tree->dirs)
                add(out, "(d%u)", object);
        }
        add(out, " }");
    }
}
