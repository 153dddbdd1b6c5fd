/* What records say. In the first look a fact is kept of each that has to fit another; later, of what
 * is suspect alone, the record itself. */
#include "tree/check_inside.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "env/memory.h"

#define TAG_BYTES 8u
#define SECTION_AT TAG_BYTES

/* A record, as SCAN shows it. */
struct seen {
    struct check *check;
    enum kv_space space;
    struct slice key;
    const struct kv_entry *entry;
};

/* -- names --------------------------------------------------------------------------------- */

void text_add(struct buffer *to, const char *format, ...)
{
    char text[256];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    size_t bytes = n < 0 ? 0 : (size_t)n < sizeof text ? (size_t)n : sizeof text - 1;
    buffer_append(to, text, bytes);
}

static uint64_t number_at(struct slice key, size_t at)
{
    struct reader r = reader_of(slice_of(key.p + at, 8));
    return reader_u64_big(&r);
}

static bool is_extent_key(struct slice key)
{
    uint8_t expected[KV_EXTENT_KEY_BYTES];
    if (key.n != KV_EXTENT_KEY_BYTES)
        return false;
    kv_extent_key(number_at(key, 8), number_at(key, 16), expected);
    return memcmp(expected, key.p, sizeof expected) == 0;
}

static void name_plain(struct buffer *to, struct slice key)
{
    char name[TREE_NAME_BYTES_MAX + 1];
    if (tree_name_of_key(key, name)) {
        text_add(to, "'/");
        buffer_append(to, name, strlen(name));
        text_add(to, "'");
        return;
    }
    text_add(to, "the key of %zu bytes '", key.n);
    buffer_append(to, key.p, key.n < 64 ? key.n : 64);
    text_add(to, key.n < 64 ? "'" : "...'");
}

void see_name(struct buffer *to, enum kv_space space, struct slice key)
{
    uint64_t ino;
    if (space == KV_PLAIN) {
        name_plain(to, key);
    } else if (is_extent_key(key)) {
        text_add(to, "extent %llu of data id %llu", (unsigned long long)number_at(key, 16),
                 (unsigned long long)number_at(key, 8));
    } else if (key_inode(space, key, &ino)) {
        text_add(to, "inode %llu", (unsigned long long)ino);
    } else if (key.n > SECTION_AT) {
        unsigned long long id = number_at(key, 0);
        if (key.p[SECTION_AT] == 'e') {
            text_add(to, "'");
            buffer_append(to, key.p + SECTION_AT + 1, key.n - SECTION_AT - 1);
            text_add(to, "' in directory %llu", id);
        } else {
            text_add(to, "directory %llu", id);
        }
    } else {
        text_add(to, "an internal record of %zu bytes", key.n);
    }
}

/* -- facts and sightings ------------------------------------------------------------------- */

static int compare_suspect(const struct suspect *suspect, enum subject subject, uint64_t id)
{
    if (suspect->subject != subject)
        return suspect->subject < subject ? -1 : 1;
    return suspect->id < id ? -1 : suspect->id > id;
}

struct suspect *suspect_find(const struct check *check, enum subject subject, uint64_t id)
{
    size_t from = 0, to = check->suspect_count;
    while (from < to) {
        size_t at = from + (to - from) / 2;
        int order = compare_suspect(&check->suspects[at], subject, id);
        if (order == 0)
            return &check->suspects[at];
        if (order < 0)
            from = at + 1;
        else
            to = at;
    }
    return NULL;
}

static void keep_fact(struct check *check, const struct fact *fact)
{
    if (check->fact_count == check->fact_room) {
        check->fact_room = check->fact_room > 0 ? check->fact_room + check->fact_room / 2 : 1024;
        check->facts = sf_realloc(check->facts, check->fact_room * sizeof *check->facts);
    }
    check->facts[check->fact_count++] = *fact;
}

static size_t keep_bytes(struct check *check, struct slice bytes)
{
    size_t at = check->bytes.n;
    buffer_append(&check->bytes, bytes.p, bytes.n);
    return at;
}

static struct sighting *keep_sighting(struct check *check, const struct fact *fact)
{
    if (check->sighting_count == check->sighting_room) {
        check->sighting_room = check->sighting_room > 0 ? 2 * check->sighting_room : 64;
        check->sightings =
            sf_realloc(check->sightings, check->sighting_room * sizeof *check->sightings);
    }
    struct sighting *sighting = &check->sightings[check->sighting_count++];
    *sighting = (struct sighting){.fact = *fact};
    return sighting;
}

/* What the record says of a subject. */
static void note(const struct seen *seen, struct fact fact)
{
    struct check *check = seen->check;
    if (check->counts.look == 1) {
        keep_fact(check, &fact);
        return;
    }
    if (!suspect_find(check, fact_subject((enum fact_kind)fact.kind), fact.id))
        return;
    const struct kv_stat *stat = &seen->entry->stat;
    struct sighting *sighting = keep_sighting(check, &fact);
    sighting->version = stat->version;
    sighting->created = stat->created;
    sighting->length = stat->length;
    sighting->space = seen->space;
    sighting->key_at = keep_bytes(check, seen->key);
    sighting->key_bytes = seen->key.n;
    sighting->attr_at = keep_bytes(check, stat->attr);
    sighting->attr_bytes = stat->attr.n;
    sighting->data_at = keep_bytes(check, seen->entry->data);
    sighting->data_bytes = seen->entry->data.n;
}

/* A record that cannot be read says so at once, in the first look; where it is to be mended, it is
 * told of then. */
static void complain(const struct seen *seen, enum check_wrong wrong, const char *what)
{
    struct check *check = seen->check;
    if (check->counts.look != 1 || (wrong == CHECK_BAD_ATTR && check->host->repair))
        return;
    buffer_clear(&check->text);
    see_name(&check->text, seen->space, seen->key);
    text_add(&check->text, ": %s", what);
    repair_leave(check, wrong, "this version cannot read them");
}

static uint64_t hash_of_key(enum kv_space space, struct slice key)
{
    return bytes_hash_seed(key, (uint64_t)space);
}

/* directory: that it is an entry of, if it is one. */
static void see_damage(const struct seen *seen, enum damage damage, uint64_t directory)
{
    if (damage >= DAMAGE_ENTRY_CONTENT)
        complain(seen, CHECK_BAD_ATTR, CHECK_CONTENT_IS_DAMAGED);
    if (seen->check->host->repair)
        note(seen, (struct fact){.id = hash_of_key(seen->space, seen->key),
                                 .value = directory,
                                 .extra = damage,
                                 .kind = FACT_DAMAGE});
}

/* Of a file, or of a name of one that has several: these always have some. */
static bool is_of_file(const struct kv_stat *stat, struct attr *attr)
{
    return stat->attr.n > 0 && attr_of_file(stat, 0, 0, attr) == SF_OK;
}

static bool is_of_directory(const struct kv_stat *stat, struct attr *attr)
{
    return attr_decode(stat->attr, attr) == SF_OK && S_ISDIR(attr->mode);
}

/* Is it readable? Else the extra of a fact that says what it is. */
static uint32_t read_attr(const struct seen *seen, bool of_directory, struct attr *attr)
{
    const struct kv_stat *stat = &seen->entry->stat;
    if (of_directory ? is_of_directory(stat, attr) : is_of_file(stat, attr))
        return 0;
    if (attr_is_newer(stat->attr)) {
        complain(seen, CHECK_NEWER_ATTR, "its attributes are of a newer version");
        return FACT_UNREADABLE;
    }
    complain(seen, CHECK_BAD_ATTR, CHECK_ATTR_IS_DAMAGED);
    return FACT_UNREADABLE | FACT_DAMAGED;
}

/* -- what each record says ----------------------------------------------------------------- */

static void see_tail(const struct seen *seen)
{
    const struct kv_stat *stat = &seen->entry->stat;
    uint64_t by = stat->created;
    for (size_t i = 0; i < stat->tail_count; i++) {
        bool is_last = i + 1 == stat->tail_count;
        uint64_t end = is_last ? FACT_OPEN_END : stat->tail[i + 1].first_extent;
        note(seen, (struct fact){.id = stat->tail[i].data_id,
                                 .value = stat->tail[i].first_extent << 32 | end,
                                 .extra = (uint32_t)(by ^ by >> 32) | 1,
                                 .kind = FACT_RANGE});
    }
}

static void see_file(const struct seen *seen, uint64_t directory)
{
    const struct kv_stat *stat = &seen->entry->stat;
    struct attr attr = {.mode = S_IFREG};
    uint32_t unreadable = stat->attr.n > 0 ? read_attr(seen, false, &attr) : 0;
    bool has_moved = unreadable == 0 && attr.has_moved;
    if (unreadable & FACT_DAMAGED)
        see_damage(seen, DAMAGE_FILE, directory);
    seen->check->counts.files++;
    see_tail(seen);
    if (has_moved || seen->check->counts.look > 1)
        note(seen, (struct fact){.id = stat->created,
                                 .value = hash_of_key(seen->space, seen->key),
                                 .extra = has_moved ? FACT_MOVED : 0,
                                 .kind = FACT_HOME});
}

/* An entry whose content is the number of what it leads to. */
static void see_leading(const struct seen *seen, enum fact_kind kind, uint64_t directory)
{
    struct slice data = seen->entry->data;
    uint64_t id;
    int status =
        kind == FACT_ENTRY ? key_directory_id(data, &id) : key_inode_of_reference(data, &id);
    if (status == SF_OK)
        note(seen, (struct fact){.id = id, .value = directory, .kind = kind});
    else
        see_damage(seen, kind == FACT_ENTRY ? DAMAGE_ENTRY_CONTENT : DAMAGE_NAME_CONTENT,
                   directory);
}

static void see_entry(const struct seen *seen, uint64_t directory)
{
    struct attr attr;
    switch (seen->entry->stat.kind) {
    case RECORD_DIRECTORY:
        seen->check->counts.directories++;
        see_leading(seen, FACT_ENTRY, directory);
        return;
    case RECORD_REFERENCE:
        seen->check->counts.names++;
        if (seen->entry->stat.attr.n > 0 && read_attr(seen, false, &attr) & FACT_DAMAGED)
            see_damage(seen, DAMAGE_NAME, directory);
        see_leading(seen, FACT_NAME, directory);
        return;
    case RECORD_VALUE:
        see_file(seen, directory);
        return;
    }
}

static void see_own(const struct seen *seen, uint64_t id)
{
    struct attr attr = {.mode = S_IFDIR};
    uint32_t unreadable = read_attr(seen, true, &attr);
    if (id != TREE_ROOT)
        note(seen,
             (struct fact){.id = id, .value = attr.parent, .extra = unreadable, .kind = FACT_OWN});
    else if (unreadable & FACT_DAMAGED)
        see_damage(seen, DAMAGE_ROOT, 0);
}

static void see_location(const struct seen *seen, uint64_t ino)
{
    struct key key;
    if (key_of_reference(seen->entry->data, &key) != SF_OK) {
        see_damage(seen, DAMAGE_LOCATION_CONTENT, 0);
        return;
    }
    note(seen, (struct fact){.id = ino,
                             .value = hash_of_key(key.space, key_slice(&key)),
                             .kind = FACT_LOCATION});
}

static void see_inode(const struct seen *seen, uint64_t ino)
{
    struct attr attr = {.mode = S_IFREG};
    if (seen->entry->stat.kind == RECORD_REFERENCE) {
        see_location(seen, ino);
        return;
    }
    uint32_t unreadable = read_attr(seen, false, &attr);
    bool is_nameless = unreadable == 0 && attr.links == 0;
    see_tail(seen);
    seen->check->counts.files += !is_nameless;
    seen->check->counts.nameless += is_nameless;
    note(seen,
         (struct fact){.id = ino, .value = attr.links, .extra = unreadable, .kind = FACT_INODE});
}

static void see_extent(const struct seen *seen)
{
    seen->check->counts.extents++;
    note(seen, (struct fact){.id = number_at(seen->key, 8),
                             .value = number_at(seen->key, 16),
                             .kind = FACT_EXTENT});
}

static void see_unnamed(const struct seen *seen)
{
    struct kv_unnamed unnamed;
    if (kv_unnamed_unpack(seen->entry->data, &unnamed) != SF_OK)
        return;
    uint64_t end = unnamed.open ? FACT_OPEN_END : unnamed.end;
    note(seen, (struct fact){
                   .id = unnamed.data_id, .value = unnamed.first << 32 | end, .kind = FACT_RANGE});
}

/* -- entries of one directory, side by side ------------------------------------------------- */

static uint32_t difference(uint64_t counted, uint64_t found)
{
    return (uint32_t)(counted - found);
}

static void keep_tally(struct lane *lane, struct fact fact)
{
    const struct tally *tally = &lane->tally;
    struct check *check = lane->check;
    if (check->counts.look == 1) {
        keep_fact(check, &fact);
    } else if (suspect_find(check, SUBJECT_DIRECTORY, fact.id)) {
        struct sighting *sighting = keep_sighting(check, &fact);
        sighting->version = tally->version;
        sighting->is_snapshot = tally->one_page;
        memcpy(sighting->counted, tally->counted, sizeof sighting->counted);
        memcpy(sighting->found, tally->found, sizeof sighting->found);
    }
}

/* In later looks suspects' counts are kept where they are right, too. */
static void tally_end(struct lane *lane)
{
    struct tally *tally = &lane->tally;
    bool differs = memcmp(tally->counted, tally->found, sizeof tally->found) != 0;
    bool later = lane->check->counts.look > 1;
    if (tally->id > TREE_ROOT && !tally->has_own && tally->found[0] > 0)
        keep_tally(lane,
                   (struct fact){.id = tally->id, .value = tally->found[0], .kind = FACT_STRAY});
    else if (tally->id > TREE_ROOT && tally->has_own && (differs || later))
        keep_tally(lane, (struct fact){.id = tally->id,
                                       .value = tally->counted[0] - tally->found[0],
                                       .extra = difference(tally->counted[1], tally->found[1]),
                                       .kind = FACT_COUNTS});
    *tally = (struct tally){.id = 0};
}

static struct tally *tally_of(struct lane *lane, uint64_t id)
{
    if (lane->tally.id != id) {
        tally_end(lane);
        lane->tally = (struct tally){.id = id, .one_page = true};
    }
    return &lane->tally;
}

static void tally_own(struct tally *tally, const struct kv_entry *own)
{
    struct reader r = reader_of(own->data);
    tally->has_own = true;
    tally->version = own->stat.version;
    tally->counted[DIRECTORY_SLOT_ENTRIES] = reader_u64(&r); /* absent: 0 */
    tally->counted[DIRECTORY_SLOT_SUBDIRECTORIES] = reader_u64(&r);
}

static void tally_entry(struct tally *tally, const struct kv_entry *entry)
{
    tally->found[DIRECTORY_SLOT_ENTRIES]++;
    tally->found[DIRECTORY_SLOT_SUBDIRECTORIES] += entry->stat.kind == RECORD_DIRECTORY;
}

void see_directory(struct tally *tally, const struct kv_reply *page)
{
    for (size_t i = 0; i < page->entry_count; i++) {
        struct slice name = page->entries[i].name;
        if (name.n == 1 && name.p[0] == 'd')
            tally_own(tally, &page->entries[i]);
        else if (name.n > 1 && name.p[0] == 'e')
            tally_entry(tally, &page->entries[i]);
    }
    tally->one_page = !page->more;
}

void see_page_end(struct lane *lane)
{
    lane->tally.one_page = false;
}

void see_stage_end(struct lane *lane)
{
    tally_end(lane);
}

/* -- the three stages ---------------------------------------------------------------------- */

static void see_internal(struct lane *lane, const struct seen *seen)
{
    struct slice key = seen->key;
    if (is_extent_key(key)) {
        see_extent(seen);
        return;
    }
    if (key.n <= SECTION_AT)
        return; /* no record of a directory or an inode */
    uint64_t id = number_at(key, 0);
    uint8_t section = key.p[SECTION_AT];
    bool has_name = key.n > SECTION_AT + 1;
    uint64_t ino;
    if (section == 'd' && !has_name) {
        tally_own(tally_of(lane, id), seen->entry);
        see_own(seen, id);
    } else if (section == 'e' && has_name) {
        tally_entry(tally_of(lane, id), seen->entry);
        see_entry(seen, id);
    } else if (key_inode(KV_INTERNAL, key, &ino)) {
        see_inode(seen, ino);
    }
}

void see_record(struct lane *lane, const struct kv_entry *entry)
{
    struct seen seen = {.check = lane->check, .key = entry->name, .entry = entry};
    switch (lane->stage) {
    case STAGE_PLAIN:
        seen.check->counts.records++;
        seen.space = KV_PLAIN;
        see_entry(&seen, TREE_ROOT);
        return;
    case STAGE_INTERNAL:
        seen.check->counts.records++;
        seen.space = KV_INTERNAL;
        see_internal(lane, &seen);
        return;
    case STAGE_UNNAMED:
        see_unnamed(&seen);
        return;
    case STAGE_END:
        return;
    }
}
