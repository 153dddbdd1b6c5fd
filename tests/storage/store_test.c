/* What both stores promise, tested on both; then what only one has. */
#include <ftw.h>
#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "env/memory.h"
#include "storage/store_stage.h"

static struct slice s(const char *text)
{
    return slice_str(text);
}

static struct store_batch *batch_of(struct stage *stage)
{
    return store_batch_new(&stage->space);
}

/* -- reading and writing ------------------------------------------------------------------- */

static void puts_are_read_and_deletes_gone(void **state)
{
    struct stage *stage = *state;
    assert_null(stage_get(stage, "a"));
    stage_put(stage, "a", "1");
    stage_put(stage, "", "empty key");
    stage_put(stage, "b", "");
    assert_string_equal(stage_get(stage, "a"), "1");
    assert_string_equal(stage_get(stage, ""), "empty key");
    assert_string_equal(stage_get(stage, "b"), "");
    stage_put(stage, "a", "2");
    assert_string_equal(stage_get(stage, "a"), "2");
    struct store_batch *batch = batch_of(stage);
    store_batch_delete(batch, s("a"));
    store_batch_delete(batch, s("never was"));
    stage_write(stage, batch);
    assert_null(stage_get(stage, "a"));
    assert_string_equal(stage_get(stage, "b"), "");
}

static void keys_and_values_are_any_bytes(void **state)
{
    struct stage *stage = *state;
    uint8_t bytes[256];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(255 - i);
    struct store_batch *batch = batch_of(stage);
    store_batch_put(batch, slice_of(bytes, sizeof bytes), slice_of(bytes, 100));
    stage_write(stage, batch);
    struct store_value value;
    assert_int_equal(store_get(&stage->space, NULL, slice_of(bytes, sizeof bytes), &value), SF_OK);
    assert_true(slice_equal(value.bytes, slice_of(bytes, 100)));
    store_unpin(&value);
}

static void the_longest_key_fits_and_a_longer_one_is_not_found(void **state)
{
    struct stage *stage = *state;
    size_t n = STORE_KEY_BYTES_MAX - STORE_PREFIX_BYTES;
    uint8_t *key = sf_calloc(1, n + 1);
    struct store_batch *batch = batch_of(stage);
    struct store_value value;
    store_batch_put(batch, slice_of(key, n), s("long"));
    stage_write(stage, batch);
    assert_int_equal(store_get(&stage->space, NULL, slice_of(key, n), &value), SF_OK);
    assert_true(slice_equal(value.bytes, s("long")));
    store_unpin(&value);
    assert_int_equal(store_get(&stage->space, NULL, slice_of(key, n + 1), &value), SF_NOT_FOUND);
    free(key);
}

/* Small ones stand in the tree, those of 4 KiB and more in blob files. */
static void values_of_all_sizes_come_back(void **state)
{
    struct stage *stage = *state;
    static const size_t sizes[] = {0, 1, 4095, 4096, 4097, 32768, 1u << 20, 3u << 20};
    uint8_t *bytes = sf_malloc(3u << 20);
    for (size_t i = 0; i < 3u << 20; i++)
        bytes[i] = (uint8_t)(i * 31 + (i >> 8));
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct store_batch *batch = batch_of(stage);
        store_batch_put(batch, slice_of(&i, sizeof i), slice_of(bytes, sizes[i]));
        stage_write(stage, batch);
    }
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            struct store_value value;
            assert_int_equal(store_get(&stage->space, NULL, slice_of(&i, sizeof i), &value), SF_OK);
            assert_true(slice_equal(value.bytes, slice_of(bytes, sizes[i])));
            store_unpin(&value);
        }
        assert_int_equal(store_flush(stage->store), SF_OK);
    }
    free(bytes);
}

static void a_pinned_value_outlives_its_replacement(void **state)
{
    struct stage *stage = *state;
    struct store_value value;
    stage_put(stage, "k", "old");
    assert_int_equal(store_get(&stage->space, NULL, s("k"), &value), SF_OK);
    stage_put(stage, "k", "new");
    assert_int_equal(store_flush(stage->store), SF_OK);
    assert_true(slice_equal(value.bytes, s("old")));
    store_unpin(&value);
    assert_string_equal(stage_get(stage, "k"), "new");
}

static void spaces_do_not_see_each_other(void **state)
{
    struct stage *stage = *state;
    struct space other = stage_space(stage, 7, 2);
    stage_put(stage, "k", "mine");
    struct store_batch *batch = store_batch_new(&other);
    store_batch_put(batch, s("k"), s("other"));
    stage_write(stage, batch);
    assert_string_equal(stage_get(stage, "k"), "mine");
    batch = store_batch_new(&other);
    store_batch_delete_range(batch, s(""), s(""));
    stage_write(stage, batch);
    struct store_value value;
    assert_int_equal(store_get(&other, NULL, s("k"), &value), SF_NOT_FOUND);
    assert_string_equal(stage_list(stage, NULL, "", ""), "k=mine");
}

static void raw_operations_name_the_full_key(void **state)
{
    struct stage *stage = *state;
    struct space origin = stage_space(stage, 0, 0);
    struct buffer key = {0};
    struct store_value value;
    buffer_append(&key, origin.prefix, STORE_PREFIX_BYTES);
    buffer_append(&key, "R1", 2);
    struct store_batch *batch = batch_of(stage);
    store_batch_put_raw(batch, buffer_slice(&key), s("applied"));
    stage_write(stage, batch);
    assert_int_equal(store_get(&origin, NULL, s("R1"), &value), SF_OK);
    store_unpin(&value);
    batch = batch_of(stage);
    store_batch_delete_range_raw(batch, slice_of(origin.prefix, STORE_PREFIX_BYTES),
                                 slice_of(stage->space.prefix, STORE_PREFIX_BYTES));
    stage_write(stage, batch);
    assert_int_equal(store_get(&origin, NULL, s("R1"), &value), SF_NOT_FOUND);
    buffer_deinit(&key);
}

/* -- batches ------------------------------------------------------------------------------- */

static void a_get_sees_what_its_batch_will_do(void **state)
{
    struct stage *stage = *state;
    stage_put(stage, "a", "1");
    stage_put(stage, "b", "1");
    struct store_batch *batch = batch_of(stage);
    store_batch_put(batch, s("a"), s("2"));
    assert_string_equal(stage_get_pending(stage, batch, "a"), "2");
    assert_string_equal(stage_get(stage, "a"), "1");
    store_batch_delete(batch, s("a"));
    assert_null(stage_get_pending(stage, batch, "a"));
    store_batch_put(batch, s("a"), s("3"));
    assert_string_equal(stage_get_pending(stage, batch, "a"), "3");
    assert_string_equal(stage_get_pending(stage, batch, "b"), "1");
    assert_int_equal(store_batch_count(batch), 1);
    stage_write(stage, batch);
    assert_string_equal(stage_get(stage, "a"), "3");
}

static void a_range_takes_earlier_puts_of_its_batch_and_not_later_ones(void **state)
{
    struct stage *stage = *state;
    stage_put(stage, "a", "1");
    stage_put(stage, "b", "1");
    stage_put(stage, "c", "1");
    struct store_batch *batch = batch_of(stage);
    store_batch_put(batch, s("ab"), s("2"));
    store_batch_delete_range(batch, s("a"), s("c"));
    store_batch_put(batch, s("b"), s("3"));
    store_batch_delete_range(batch, s("x"), s("x"));
    store_batch_delete_range(batch, s("z"), s("y"));
    assert_null(stage_get_pending(stage, batch, "a"));
    assert_null(stage_get_pending(stage, batch, "ab"));
    assert_string_equal(stage_get_pending(stage, batch, "b"), "3");
    assert_string_equal(stage_get_pending(stage, batch, "c"), "1");
    stage_write(stage, batch);
    assert_string_equal(stage_list(stage, NULL, "", ""), "b=3 c=1");
}

static void what_is_new_and_goes_again_is_never_written(void **state)
{
    struct stage *stage = *state;
    struct store_batch *batch = batch_of(stage);
    store_batch_put_new(batch, s("a"), s("1"));
    assert_string_equal(stage_get_pending(stage, batch, "a"), "1");
    store_batch_put(batch, s("a"), s("2"));
    store_batch_delete(batch, s("a"));
    assert_null(stage_get_pending(stage, batch, "a"));
    store_batch_put_new(batch, s("b"), s("1"));
    assert_int_equal(store_batch_count(batch), 1);
    stage_write(stage, batch);
    assert_string_equal(stage_list(stage, NULL, "", ""), "b=1");
    batch = batch_of(stage); /* by now the store does hold it */
    store_batch_delete(batch, s("b"));
    assert_int_equal(store_batch_count(batch), 1);
    stage_write(stage, batch);
    assert_string_equal(stage_list(stage, NULL, "", ""), "");
}

static void a_written_batch_can_be_cleared_and_used_again(void **state)
{
    struct stage *stage = *state;
    struct store_batch *batch = batch_of(stage);
    for (unsigned round = 0; round < 50; round++) {
        char key[16];
        for (unsigned i = 0; i < 100; i++) {
            snprintf(key, sizeof key, "%u-%u", round, i);
            store_batch_put(batch, s(key), s("v"));
        }
        assert_int_equal(store_batch_count(batch), 100);
        assert_int_equal(store_write(stage->store, batch), SF_OK);
        store_batch_clear(batch);
        assert_int_equal(store_batch_count(batch), 0);
        assert_int_equal(store_batch_bytes(batch), 0);
        assert_string_equal(stage_get(stage, key), "v");
    }
    store_batch_free(batch);
}

/* -- iterators and views ------------------------------------------------------------------- */

static void iterators_keep_to_their_bounds(void **state)
{
    struct stage *stage = *state;
    static const char *const keys[] = {"a", "b", "ba", "c", "d"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        stage_put(stage, keys[i], "1");
    assert_string_equal(stage_list(stage, NULL, "", ""), "a=1 b=1 ba=1 c=1 d=1");
    assert_string_equal(stage_list(stage, NULL, "b", "c"), "b=1 ba=1");
    assert_string_equal(stage_list(stage, NULL, "b\x01", ""), "ba=1 c=1 d=1");
    assert_string_equal(stage_list(stage, NULL, "x", ""), "");
    assert_string_equal(stage_list(stage, NULL, "c", "c"), "");
    assert_string_equal(stage_list(stage, NULL, "d", "a"), "");
}

static void seek_goes_both_ways_within_the_bounds(void **state)
{
    struct stage *stage = *state;
    static const char *const keys[] = {"a", "b", "c", "d"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        stage_put(stage, keys[i], "1");
    struct store_iter *iter = store_iter_new(&stage->space, NULL, s("b"), s("d"));
    store_iter_seek(iter, s("c"));
    assert_true(slice_equal(store_iter_key(iter), s("c")));
    store_iter_next(iter);
    assert_false(store_iter_valid(iter));
    store_iter_seek(iter, s("a"));
    assert_true(slice_equal(store_iter_key(iter), s("b")));
    store_iter_seek(iter, s("z"));
    assert_false(store_iter_valid(iter));
    store_iter_seek(iter, s("bb"));
    assert_true(slice_equal(store_iter_key(iter), s("c")));
    assert_int_equal(store_iter_status(iter), SF_OK);
    store_iter_free(iter);
}

static void iterators_skip_what_is_deleted(void **state)
{
    struct stage *stage = *state;
    for (unsigned i = 0; i < 200; i++) {
        char key[8];
        snprintf(key, sizeof key, "%03u", i);
        stage_put(stage, key, "x");
    }
    struct store_batch *batch = batch_of(stage);
    store_batch_delete_range(batch, s("003"), s("198"));
    store_batch_delete(batch, s("001"));
    stage_write(stage, batch);
    assert_string_equal(stage_list(stage, NULL, "", ""), "000=x 002=x 198=x 199=x");
}

static void a_view_shows_the_moment_it_was_made(void **state)
{
    struct stage *stage = *state;
    stage_put(stage, "a", "1");
    stage_put(stage, "b", "1");
    struct store_view *view = store_view_new(stage->store);
    struct store_iter *iter = store_iter_new(&stage->space, view, s(""), s(""));
    struct store_batch *batch = batch_of(stage);
    store_batch_put(batch, s("a"), s("2"));
    store_batch_put(batch, s("aa"), s("2"));
    store_batch_delete_range(batch, s("b"), s(""));
    stage_write(stage, batch);
    assert_int_equal(store_flush(stage->store), SF_OK);
    assert_true(slice_equal(store_iter_value(iter), s("1")));
    store_iter_free(iter);
    assert_string_equal(stage_list(stage, view, "", ""), "a=1 b=1");
    assert_string_equal(stage_list(stage, NULL, "", ""), "a=2 aa=2");
    store_view_free(view);
}

static void an_iterator_without_a_view_has_one_of_its_own(void **state)
{
    struct stage *stage = *state;
    stage_put(stage, "a", "1");
    stage_put(stage, "b", "1");
    struct store_iter *iter = store_iter_new(&stage->space, NULL, s(""), s(""));
    stage_put(stage, "ab", "2");
    store_iter_next(iter);
    assert_true(slice_equal(store_iter_key(iter), s("b")));
    store_iter_free(iter);
}

/* -- durability ---------------------------------------------------------------------------- */

static void only_a_flush_makes_durable(void **state)
{
    struct stage *stage = *state;
    stage_put(stage, "a", "1");
    assert_null(stage_get_durable(stage, "a"));
    assert_int_equal(store_flush(stage->store), SF_OK);
    assert_string_equal(stage_get_durable(stage, "a"), "1");
    stage_put(stage, "a", "2");
    assert_string_equal(stage_get_durable(stage, "a"), "1");
    assert_string_equal(stage_get(stage, "a"), "2");
    struct store_batch *batch = batch_of(stage);
    store_batch_delete_range(batch, s(""), s(""));
    stage_write(stage, batch);
    assert_string_equal(stage_get_durable(stage, "a"), "1");
    assert_int_equal(store_flush(stage->store), SF_OK);
    assert_null(stage_get_durable(stage, "a"));
}

static void what_was_flushed_is_there_after_reopening(void **state)
{
    struct stage *stage = *state;
    stage_put(stage, "a", "1");
    assert_int_equal(store_flush(stage->store), SF_OK);
    stage_reopen(stage);
    assert_string_equal(stage_get(stage, "a"), "1");
    assert_string_equal(stage_get_durable(stage, "a"), "1");
}

struct flusher {
    struct store *store;
    _Atomic bool ends;
};

static void *flush_all_the_time(void *argument)
{
    struct flusher *flusher = argument;
    int status = SF_OK;
    while (status == SF_OK && !flusher->ends)
        status = store_flush(flusher->store);
    return status == SF_OK ? flusher : NULL;
}

static void flushes_run_beside_reads_and_writes(void **state)
{
    struct stage *stage = *state;
    struct flusher flusher = {.store = stage->store};
    pthread_t thread;
    void *result;
    assert_int_equal(pthread_create(&thread, NULL, flush_all_the_time, &flusher), 0);
    unsigned newest_durable = 0;
    for (unsigned i = 1; i <= 1500; i++) {
        char value[16];
        snprintf(value, sizeof value, "%u", i);
        stage_put(stage, "k", value);
        assert_string_equal(stage_get(stage, "k"), value);
        const char *durable = stage_get_durable(stage, "k");
        unsigned found = durable == NULL ? 0 : (unsigned)strtoul(durable, NULL, 10);
        assert_true(found >= newest_durable && found <= i);
        newest_durable = found;
    }
    flusher.ends = true;
    pthread_join(thread, &result);
    assert_non_null(result);
    assert_int_equal(store_flush(stage->store), SF_OK);
    assert_string_equal(stage_get_durable(stage, "k"), "1500");
}

static void a_reclaimed_range_reads_the_same(void **state)
{
    struct stage *stage = *state;
    stage_put(stage, "a", "1");
    stage_put(stage, "m", "1");
    assert_int_equal(store_flush(stage->store), SF_OK);
    struct store_batch *batch = batch_of(stage);
    store_batch_delete_range(batch, s("m"), s("n"));
    stage_write(stage, batch);
    store_reclaim(&stage->space, s("m"), s("n"));
    assert_int_equal(store_flush(stage->store), SF_OK);
    stage_put(stage, "m", "2");
    assert_string_equal(stage_list(stage, NULL, "", ""), "a=1 m=2");
}

/* -- the memory store's crashes ------------------------------------------------------------ */

static void crash(struct stage *stage, uint64_t choice)
{
    store_close(stage->store);
    store_image_crash(stage->image, choice);
    stage->store = store_memory_open(stage->image);
    stage->space.store = stage->store;
}

static void a_crash_goes_back_to_any_boundary_since_the_flush(void **state)
{
    static const char *const after[] = {"a=1 b=1", "a=1 b=1 c=2 d=2", "d=2 e=3", "d=2 e=3 f=4"};
    (void)state;
    for (uint64_t choice = 0; choice < 8; choice++) {
        struct stage *stage = stage_new(STAGE_MEMORY);
        stage_put(stage, "a", "1");
        stage_put(stage, "b", "1");
        assert_int_equal(store_flush(stage->store), SF_OK);
        struct store_batch *batch = batch_of(stage);
        store_batch_put(batch, s("c"), s("2"));
        store_batch_put(batch, s("d"), s("2"));
        stage_write(stage, batch);
        batch = batch_of(stage);
        store_batch_delete_range(batch, s("a"), s("d"));
        store_batch_put(batch, s("e"), s("3"));
        stage_write(stage, batch);
        stage_put(stage, "f", "4");
        crash(stage, choice);
        assert_string_equal(stage_list(stage, NULL, "", ""), after[choice % 4]);
        stage_put(stage, "z", "9"); /* and again: what survived a crash is durable */
        crash(stage, 0);
        assert_string_equal(stage_list(stage, NULL, "", ""), after[choice % 4]);
        stage_free(stage);
    }
}

/* -- against a model ----------------------------------------------------------------------- */

#define MODEL_KEYS 40u

/* The value of each key, 0 where it is not there. Key i is the letter at i / 8 repeated i % 8 + 1
 * times, so that keys are each other's prefixes. */
struct model {
    unsigned now[MODEL_KEYS], durable[MODEL_KEYS];
    uint64_t random;
};

static unsigned draw(struct model *model, unsigned limit)
{
    model->random = model->random * 6364136223846793005ull + 1442695040888963407ull;
    return (unsigned)(model->random >> 33) % limit;
}

static struct slice model_key(unsigned i, char text[9])
{
    memset(text, (int)('a' + i / 8), i % 8 + 1);
    text[i % 8 + 1] = 0;
    return slice_str(text);
}

static void model_check_key(struct stage *stage, struct store_batch *batch, unsigned i,
                            unsigned value)
{
    char key[9], expected[16];
    model_key(i, key);
    const char *found = stage_get_pending(stage, batch, key);
    snprintf(expected, sizeof expected, "%u", value);
    if (value == 0)
        assert_null(found);
    else
        assert_string_equal(found == NULL ? "nothing" : found, expected);
}

static void model_add_op(struct model *model, struct store_batch *batch)
{
    char from[9], to[9], value[16];
    unsigned i = draw(model, MODEL_KEYS), j = draw(model, MODEL_KEYS);
    switch (draw(model, 5)) {
    case 0:
        store_batch_delete(batch, model_key(i, from));
        model->now[i] = 0;
        break;
    case 1:
        store_batch_delete_range(batch, model_key(i, from), model_key(j, to));
        for (; i < j; i++)
            model->now[i] = 0;
        break;
    default:
        model->now[i] = 1 + draw(model, 1000000);
        snprintf(value, sizeof value, "%u", model->now[i]);
        store_batch_put(batch, model_key(i, from), slice_str(value));
    }
}

static void model_check_all(struct stage *stage, const unsigned values[MODEL_KEYS])
{
    unsigned i = 0;
    struct store_iter *iter = store_iter_new(&stage->space, NULL, s(""), s(""));
    for (; store_iter_valid(iter); store_iter_next(iter), i++) {
        char key[9], value[16];
        while (i < MODEL_KEYS && values[i] == 0)
            i++;
        assert_true(i < MODEL_KEYS);
        snprintf(value, sizeof value, "%u", values[i]);
        assert_true(slice_equal(store_iter_key(iter), model_key(i, key)));
        assert_true(slice_equal(store_iter_value(iter), slice_str(value)));
    }
    while (i < MODEL_KEYS && values[i] == 0)
        i++;
    assert_int_equal(i, MODEL_KEYS);
    store_iter_free(iter);
}

static void model_round(struct stage *stage, struct model *model)
{
    struct store_batch *batch = batch_of(stage);
    for (unsigned n = 1 + draw(model, 6); n > 0; n--) {
        model_add_op(model, batch);
        unsigned i = draw(model, MODEL_KEYS);
        model_check_key(stage, batch, i, model->now[i]);
    }
    stage_write(stage, batch);
    unsigned i = draw(model, MODEL_KEYS);
    model_check_key(stage, NULL, i, model->now[i]);
    if (draw(model, 10) == 0)
        model_check_all(stage, model->now);
    if (draw(model, 40) == 0) {
        assert_int_equal(store_flush(stage->store), SF_OK);
        memcpy(model->durable, model->now, sizeof model->now);
    }
}

static void random_runs_agree_with_a_model(void **state)
{
    struct stage *first = *state;
    unsigned seeds = first->kind == STAGE_MEMORY ? 200 : 3;
    for (unsigned seed = 1; seed <= seeds; seed++) {
        struct stage *stage = stage_new(first->kind);
        struct model model = {.random = seed};
        for (unsigned round = 0; round < 300; round++) {
            model_round(stage, &model);
            if (stage->kind == STAGE_MEMORY && draw(&model, 60) == 0) {
                crash(stage, 0);
                memcpy(model.now, model.durable, sizeof model.now);
            }
        }
        model_check_all(stage, model.now);
        stage_free(stage);
    }
}

/* -- the disk store's directory ------------------------------------------------------------ */

static uint64_t dir_bytes;

static int add_bytes(const char *path, const struct stat *stat, int type, struct FTW *ftw)
{
    (void)path, (void)ftw;
    dir_bytes += type == FTW_F ? (uint64_t)stat->st_size : 0;
    return 0;
}

static uint64_t bytes_of(struct stage *stage)
{
    dir_bytes = 0;
    nftw(stage->dir, add_bytes, 16, FTW_PHYS);
    return dir_bytes;
}

static void the_space_of_a_dropped_range_comes_back(void **state)
{
    struct stage *stage = *state;
    enum { VALUES = 4000, VALUE_BYTES = 3000 };
    struct model random = {.random = 1};
    uint8_t *bytes = sf_malloc(VALUE_BYTES);
    for (unsigned i = 0; i < VALUES; i++) {
        struct store_batch *batch = batch_of(stage);
        for (size_t at = 0; at < VALUE_BYTES; at++)
            bytes[at] = (uint8_t)draw(&random, 256);
        store_batch_put(batch, slice_of(&i, sizeof i), slice_of(bytes, VALUE_BYTES));
        stage_write(stage, batch);
    }
    assert_int_equal(store_flush(stage->store), SF_OK);
    assert_true(bytes_of(stage) > VALUES * VALUE_BYTES);
    struct store_batch *batch = batch_of(stage);
    store_batch_delete_range(batch, s(""), s(""));
    stage_write(stage, batch);
    store_reclaim(&stage->space, s(""), s(""));
    assert_int_equal(store_flush(stage->store), SF_OK);
    for (unsigned wait = 0; wait < 2000 && bytes_of(stage) > VALUE_BYTES * VALUES / 2; wait++)
        usleep(5000); /* another thread does it */
    assert_true(bytes_of(stage) < VALUE_BYTES * VALUES / 2);
    free(bytes);
}

/* Bytes that this process has handed to write(2) and its like. */
static uint64_t bytes_written(void)
{
    char line[64];
    uint64_t written = 0;
    FILE *file = fopen("/proc/self/io", "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file) != NULL)
        (void)sscanf(line, "wchar: %" SCNu64, &written);
    fclose(file);
    return written;
}

enum { BLOBS = 1280, BLOB_BYTES = 32 << 10, BLOBS_A_FLUSH = 80 };

/* Keys of one flush are spread over those of the others, so that compactions meet them all. */
static void put_blobs(struct stage *stage)
{
    uint8_t *bytes = sf_calloc(1, BLOB_BYTES);
    for (uint32_t i = 0; i < BLOBS; i++) {
        uint32_t key = i * 2654435761u;
        struct store_batch *batch = batch_of(stage);
        store_batch_put(batch, slice_of(&key, sizeof key), slice_of(bytes, BLOB_BYTES));
        stage_write(stage, batch);
        if (i % BLOBS_A_FLUSH == BLOBS_A_FLUSH - 1)
            assert_int_equal(store_flush(stage->store), SF_OK);
    }
    free(bytes);
}

static size_t table_count;

static int count_table(const char *path, const struct stat *stat, int type, struct FTW *ftw)
{
    (void)stat, (void)type, (void)ftw;
    table_count += strstr(path, ".sst") != NULL;
    return 0;
}

/* Compacts all there is, with what was written last. */
static void compact(struct stage *stage)
{
    stage_put(stage, "a", "1");
    store_reclaim(&stage->space, s(""), s(""));
    assert_int_equal(store_flush(stage->store), SF_OK);
    table_count = 0;
    for (unsigned wait = 0; wait < 2000 && table_count != 1; wait++) {
        usleep(5000); /* another thread does it */
        table_count = 0;
        nftw(stage->dir, count_table, 16, FTW_PHYS);
    }
    assert_int_equal(table_count, 1);
}

static void what_nobody_replaces_is_written_once(void **state)
{
    struct stage *stage = *state;
    uint64_t before = bytes_written();
    put_blobs(stage);
    for (unsigned i = 0; i < 4; i++)
        compact(stage);
    assert_in_range(bytes_written() - before, BLOBS * BLOB_BYTES, BLOBS * BLOB_BYTES / 4 * 5);
}

/* Each file keeps a quarter of what it held, so none goes by itself. */
static void the_space_of_replaced_values_comes_back(void **state)
{
    struct stage *stage = *state;
    put_blobs(stage);
    struct store_batch *batch = batch_of(stage);
    for (uint32_t i = 0; i < BLOBS; i++) {
        uint32_t key = i * 2654435761u;
        if (i % 4 != 0)
            store_batch_delete(batch, slice_of(&key, sizeof key));
    }
    stage_write(stage, batch);
    for (unsigned wait = 0; wait < 2000 && bytes_of(stage) > BLOBS * BLOB_BYTES / 2; wait++) {
        stage_put(stage, wait % 2 == 0 ? "a" : "b", "what goes on meanwhile");
        assert_int_equal(store_flush(stage->store), SF_OK);
        usleep(5000); /* another thread does it */
    }
    assert_true(bytes_of(stage) < BLOBS * BLOB_BYTES / 2);
    for (uint32_t i = 0; i < BLOBS; i++) {
        struct store_value value;
        uint32_t key = i * 2654435761u;
        int status = store_get(&stage->space, NULL, slice_of(&key, sizeof key), &value);
        assert_int_equal(status, i % 4 != 0 ? SF_NOT_FOUND : SF_OK);
        if (status == SF_OK) {
            assert_int_equal(value.bytes.n, BLOB_BYTES);
            store_unpin(&value);
        }
    }
}

static void a_second_process_is_kept_out(void **state)
{
    struct stage *stage = *state;
    struct store *second;
    char *why = NULL;
    assert_int_equal(store_disk_open(stage->dir, NULL, &second, &why), SF_IN_USE);
    assert_non_null(strstr(why, stage->dir));
    free(why);
}

static void damage_is_told_from_other_errors(void **state)
{
    struct stage *stage = *state;
    char path[64];
    struct store *store;
    char *why = NULL;
    stage_put(stage, "a", "1");
    store_close(stage->store);
    snprintf(path, sizeof path, "%s/CURRENT", stage->dir);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("nonsense", file);
    fclose(file);
    assert_int_equal(store_disk_open(stage->dir, NULL, &store, &why), SF_CORRUPT);
    free(why);
    stage->store = NULL;
}

static void a_directory_that_cannot_be_made_is_an_error(void **state)
{
    (void)state;
    struct store *store;
    char *why = NULL;
    assert_int_equal(store_disk_open("/proc/nowhere", NULL, &store, &why), SF_IO);
    assert_non_null(strstr(why, "/proc/nowhere"));
    free(why);
}

/* ------------------------------------------------------------------------------------------ */

static int open_memory(void **state)
{
    *state = stage_new(STAGE_MEMORY);
    return 0;
}

static int open_disk(void **state)
{
    *state = stage_new(STAGE_DISK);
    return 0;
}

static int close_stage(void **state)
{
    stage_free(*state);
    return 0;
}

#define ON_BOTH(X)                                                                                 \
    X(puts_are_read_and_deletes_gone)                                                              \
    X(keys_and_values_are_any_bytes)                                                               \
    X(the_longest_key_fits_and_a_longer_one_is_not_found)                                          \
    X(values_of_all_sizes_come_back)                                                               \
    X(a_pinned_value_outlives_its_replacement)                                                     \
    X(spaces_do_not_see_each_other)                                                                \
    X(raw_operations_name_the_full_key)                                                            \
    X(a_get_sees_what_its_batch_will_do)                                                           \
    X(a_range_takes_earlier_puts_of_its_batch_and_not_later_ones)                                  \
    X(what_is_new_and_goes_again_is_never_written)                                                 \
    X(a_written_batch_can_be_cleared_and_used_again)                                               \
    X(iterators_keep_to_their_bounds)                                                              \
    X(seek_goes_both_ways_within_the_bounds)                                                       \
    X(iterators_skip_what_is_deleted)                                                              \
    X(a_view_shows_the_moment_it_was_made)                                                         \
    X(an_iterator_without_a_view_has_one_of_its_own)                                               \
    X(only_a_flush_makes_durable)                                                                  \
    X(what_was_flushed_is_there_after_reopening)                                                   \
    X(flushes_run_beside_reads_and_writes)                                                         \
    X(a_reclaimed_range_reads_the_same)                                                            \
    X(random_runs_agree_with_a_model)

#define MEMORY_TEST(name) cmocka_unit_test_setup_teardown(name, open_memory, close_stage),
#define DISK_TEST(name) cmocka_unit_test_setup_teardown(name, open_disk, close_stage),

int main(void)
{
    const struct CMUnitTest memory[] = {
        ON_BOTH(MEMORY_TEST) cmocka_unit_test(a_crash_goes_back_to_any_boundary_since_the_flush),
    };
    const struct CMUnitTest disk[] = {ON_BOTH(DISK_TEST)};
    const struct CMUnitTest dir[] = {
        cmocka_unit_test_setup_teardown(the_space_of_a_dropped_range_comes_back, open_disk,
                                        close_stage),
        cmocka_unit_test_setup_teardown(what_nobody_replaces_is_written_once, open_disk,
                                        close_stage),
        cmocka_unit_test_setup_teardown(the_space_of_replaced_values_comes_back, open_disk,
                                        close_stage),
        cmocka_unit_test_setup_teardown(a_second_process_is_kept_out, open_disk, close_stage),
        cmocka_unit_test_setup_teardown(damage_is_told_from_other_errors, open_disk, close_stage),
        cmocka_unit_test(a_directory_that_cannot_be_made_is_an_error),
    };
    int failed = cmocka_run_group_tests_name("memory", memory, NULL, NULL);
    failed += cmocka_run_group_tests_name("disk", disk, NULL, NULL);
    return failed + cmocka_run_group_tests_name("directory", dir, NULL, NULL);
}
