#include "shardkv/trash.h"

static uint64_t extent_count(uint64_t length)
{
    return (length + SF_EXTENT_BYTES - 1) / SF_EXTENT_BYTES;
}

/* Extents [first, end) under one data id; `open` where it is the tail's last, so that the id may
 * also have been written beyond the length. */
struct run {
    uint64_t data_id, first, end;
    bool open;
};

static struct run run_at(const struct trash_extents *extents, size_t i)
{
    struct run run = {.data_id = extents->tail[i].data_id, .first = extents->tail[i].first_extent};
    run.open = i + 1 == extents->tail_count;
    run.end = extent_count(extents->length);
    if (!run.open && extents->tail[i + 1].first_extent < run.end)
        run.end = extents->tail[i + 1].first_extent;
    if (run.end < run.first)
        run.end = run.first;
    return run;
}

static void lose(struct access *access, uint64_t data_id, uint64_t first, uint64_t end)
{
    trash_add(access, &(struct trash){.data_id = data_id, .first = first, .end = end});
}

/* Adds what of `run` no run of `after` keeps. An id that goes on at the end of `after` keeps all
 * that follows, also beyond the length: an extension writes there. Runs are in order of their
 * extents. */
static void lose_run(struct access *access, struct run run, const struct trash_extents *after)
{
    for (size_t i = 0; i < after->tail_count; i++) {
        struct run kept = run_at(after, i);
        if (kept.data_id != run.data_id)
            continue;
        if (kept.first > run.first && run.first < run.end)
            lose(access, run.data_id, run.first, kept.first < run.end ? kept.first : run.end);
        if (kept.open)
            return;
        run.first = kept.end > run.first ? kept.end : run.first;
    }
    if (run.open || run.first < run.end)
        trash_add(access, &(struct trash){.data_id = run.data_id,
                                          .first = run.first,
                                          .end = run.end > run.first ? run.end : run.first,
                                          .open = run.open});
}

void trash_lost(struct access *access, const struct trash_extents *before,
                const struct trash_extents *after)
{
    for (size_t i = 0; i < before->tail_count; i++)
        lose_run(access, run_at(before, i), after);
}

void trash_add(struct access *access, const struct trash *trash)
{
    struct key key;
    struct buffer b = {0};
    keys_trash(&key, access->copy, access->meta.next_trash++);
    buffer_put_u64(&b, trash->data_id);
    buffer_put_u64(&b, trash->first);
    buffer_put_u64(&b, trash->end);
    buffer_put_u8(&b, trash->open);
    draft_put(&access->draft, key_slice(&key), buffer_slice(&b));
    buffer_deinit(&b);
    access->meta.trash_count++;
}

int trash_unpack(struct slice store_key, struct slice value, struct trash *out)
{
    struct reader key = reader_of(keys_rest(store_key)), r = reader_of(value);
    struct trash got;
    got.number = reader_u64_big(&key);
    got.data_id = reader_u64(&r);
    got.first = reader_u64(&r);
    got.end = reader_u64(&r);
    got.open = reader_u8(&r) != 0;
    if (!reader_done(&key) || !reader_done(&r))
        return SF_CORRUPT;
    *out = got;
    return SF_OK;
}

void trash_remove(struct access *access, uint64_t number)
{
    struct key key;
    keys_trash(&key, access->copy, number);
    if (!draft_has(&access->draft, key_slice(&key)))
        return;
    draft_delete(&access->draft, key_slice(&key));
    access->meta.trash_count--;
}

int trash_find_first(struct access *access, struct trash *out)
{
    struct key prefix;
    int status = SF_NOT_FOUND;
    if (access->meta.trash_count == 0)
        return SF_NOT_FOUND;
    keys_section(&prefix, access->copy, 't');
    struct store_iter *iter = keys_iterate(access->draft.space, &prefix);
    if (store_iter_valid(iter))
        status = trash_unpack(store_iter_key(iter), store_iter_value(iter), out);
    else if (store_iter_status(iter) != SF_OK)
        status = store_iter_status(iter);
    store_iter_free(iter);
    return status;
}

/* The session that an intent belongs to; 0: there is no such intent. */
static uint64_t intent_owner(struct access *access, struct key *key)
{
    struct draft_value value;
    if (!draft_get(&access->draft, key_slice(key), &value))
        return 0;
    struct reader r = reader_of(value.bytes);
    uint64_t session = reader_u64(&r);
    if (!reader_done(&r))
        draft_fail(&access->draft, SF_CORRUPT);
    draft_put_back(&value);
    return session;
}

static void put_intent(struct access *access, const struct key *key, uint64_t session)
{
    struct buffer b = {0};
    buffer_put_u64(&b, session);
    draft_put(&access->draft, key_slice(key), buffer_slice(&b));
    buffer_deinit(&b);
}

void intent_add(struct access *access, uint64_t data_id)
{
    struct key key;
    keys_intent(&key, access->copy, data_id);
    if (intent_owner(access, &key) != 0)
        return;
    put_intent(access, &key, access->session);
    access->intents++;
}

void intent_give(struct access *access, uint64_t data_id, uint64_t session)
{
    struct key key;
    keys_intent(&key, access->copy, data_id);
    if (intent_owner(access, &key) != 0)
        put_intent(access, &key, session);
}

bool intent_is_there(struct access *access, uint64_t data_id)
{
    struct key key;
    keys_intent(&key, access->copy, data_id);
    return access->session != 0 && intent_owner(access, &key) == access->session;
}

void intent_consume(struct access *access, uint64_t data_id)
{
    struct key key;
    keys_intent(&key, access->copy, data_id);
    draft_delete(&access->draft, key_slice(&key));
    access->intents--;
}

void intent_trash(struct access *access, uint64_t data_id)
{
    struct key key;
    keys_intent(&key, access->copy, data_id);
    if (intent_owner(access, &key) == 0)
        return;
    trash_add(access, &(struct trash){.data_id = data_id, .first = 1, .end = 1, .open = true});
    draft_delete(&access->draft, key_slice(&key));
}

static void trash_if_of(struct access *access, uint64_t session, struct slice store_key,
                        struct slice value)
{
    struct reader key = reader_of(keys_rest(store_key)), r = reader_of(value);
    uint64_t data_id = reader_u64_big(&key);
    if (reader_u64(&r) == session)
        intent_trash(access, data_id);
}

void intent_trash_all(struct access *access, uint64_t session)
{
    struct key prefix;
    keys_section(&prefix, access->copy, 'n');
    struct store_iter *iter = keys_iterate(access->draft.space, &prefix);
    for (; store_iter_valid(iter); store_iter_next(iter))
        trash_if_of(access, session, store_iter_key(iter), store_iter_value(iter));
    draft_end_iter(&access->draft, iter);
}

int trash_unnamed(struct slice store_key, struct slice value, struct kv_unnamed *out)
{
    struct slice name = keys_section_and_rest(store_key);
    struct reader key = reader_of(keys_rest(store_key));
    struct trash trash;
    if (name.n > 0 && name.p[0] == 'n') {
        *out = (struct kv_unnamed){
            .data_id = reader_u64_big(&key), .first = 1, .end = 1, .open = true};
        return reader_done(&key) ? SF_OK : SF_CORRUPT;
    }
    int status = trash_unpack(store_key, value, &trash);
    if (status == SF_OK)
        *out = (struct kv_unnamed){trash.data_id, trash.first, trash.end, trash.open};
    return status;
}
