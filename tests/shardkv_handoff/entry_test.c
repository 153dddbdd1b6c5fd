/* The forms of hand-off: entries and what they carry come back as they went in, are refused when
 * they are cut anywhere, and random bytes change nothing. And what the next Config means for a
 * group. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "env/memory.h"
#include "shardkv/shards_entry.h"

#define SHARDS 4u

/* -- groups, Configs ----------------------------------------------------------------------- */

static char addresses[6][1][SF_ADDRESS_BYTES_MAX] = {{"a:1"}, {"b:1"}, {"c:1"},
                                                     {"d:1"}, {"e:1"}, {"f:1"}};

/* Group i: gid i + 1 at an address of its own. */
static struct group group_at(size_t i)
{
    return (struct group){.gid = i + 1, .address_count = 1, .addresses = addresses[i]};
}

/* The next Config, in which these groups own the shards; 0: nobody. */
static void add_config(struct history *history, uint64_t num, const group_id owners[SHARDS])
{
    struct config *config = config_new(SHARDS, ROUTING_HASH);
    config->num = num;
    config->groups = sf_calloc(6, sizeof *config->groups);
    for (size_t i = 0; i < 6; i++) {
        config->groups[i] = group_at(i);
        config->groups[i].addresses = sf_memdup(addresses[i], sizeof addresses[i]);
    }
    config->group_count = 6;
    memcpy(config->shards, owners, SHARDS * sizeof owners[0]);
    history_add(history, config);
    config_free(config);
}

/* -- a table ------------------------------------------------------------------------------- */

struct table {
    struct store_image *image;
    struct store *store;
    struct space space;
    struct shards *shards;
    struct history *history;
};

static void create_empty(void *ctx, struct store_batch *batch, uint32_t shard, uint64_t home)
{
    (void)ctx;
    (void)batch;
    (void)shard;
    (void)home;
}

static void lost(void *ctx, uint32_t shard, uint64_t home)
{
    (void)ctx;
    (void)shard;
    (void)home;
}

static int set_up(void **state)
{
    struct table *t = sf_calloc(1, sizeof *t);
    struct group self = group_at(0);
    struct shards_options options = {.gid = self.gid,
                                     .group_identity = group_identity(&self),
                                     .shard_count = SHARDS,
                                     .routing = ROUTING_HASH,
                                     .hooks = {.create_empty = create_empty, .lost = lost}};
    t->image = store_image_new();
    t->store = store_memory_open(t->image);
    t->space = (struct space){.store = t->store};
    t->shards = shards_new(&options);
    t->history = history_new(0);
    assert_int_equal(shards_restored(t->shards, &t->space), SF_OK);
    *state = t;
    return 0;
}

static int tear_down(void **state)
{
    struct table *t = *state;
    shards_free(t->shards);
    history_free(t->history);
    store_close(t->store);
    store_image_free(t->image);
    free(t);
    return 0;
}

static int apply(struct table *t, struct slice body)
{
    struct store_batch *batch = store_batch_new(&t->space);
    struct buffer reply = {0};
    shards_apply(t->shards, body, batch, &reply);
    assert_int_equal(store_write(t->store, batch), SF_OK);
    shards_applied(t->shards);
    int status = entry_status(buffer_slice(&reply));
    store_batch_free(batch);
    buffer_deinit(&reply);
    return status;
}

static void change(struct table *t, uint64_t num, struct config_change *change)
{
    uint64_t missing;
    const struct config *config = history_find(t->history, num);
    assert_int_equal(config_change_make(change, t->shards, config, t->history, &missing), SF_OK);
}

static void apply_config(struct table *t, uint64_t num)
{
    struct config_change c;
    struct buffer body = {0};
    change(t, num, &c);
    entry_put_config(&body, &c);
    config_change_deinit(&c);
    assert_int_equal(apply(t, buffer_slice(&body)), SF_OK);
    buffer_deinit(&body);
}

/* -- what a Config means ------------------------------------------------------------------- */

static void a_gain_names_the_last_owner(void **state)
{
    struct table *t = *state;
    add_config(t->history, 1, (group_id[]){1, 2, 2, 2});
    add_config(t->history, 2, (group_id[]){1, 3, 2, 0});
    add_config(t->history, 3, (group_id[]){1, 1, 2, 1});
    apply_config(t, 1);
    apply_config(t, 2);
    struct config_change c;
    change(t, 3, &c);
    assert_int_equal(c.gain_count, 2);
    assert_int_equal(c.loss_count, 0);
    assert_int_equal(c.gains[0].shard, 1);
    assert_false(c.gains[0].first);
    assert_int_equal(c.gains[0].chain.count, 1);
    assert_int_equal(c.gains[0].chain.owners[0].group.gid, 3);
    assert_int_equal(c.gains[0].chain.owners[0].lost, 3);
    assert_int_equal(c.gains[1].shard, 3); /* it was nobody's: the last owner had it in Config 1 */
    assert_int_equal(c.gains[1].chain.owners[0].group.gid, 2);
    assert_int_equal(c.gains[1].chain.owners[0].lost, 2);
    config_change_deinit(&c);
}

static void only_what_nobody_ever_owned_is_first(void **state)
{
    struct table *t = *state;
    add_config(t->history, 1, (group_id[]){2, 0, 1, 1});
    add_config(t->history, 2, (group_id[]){0, 0, 1, 1});
    add_config(t->history, 3, (group_id[]){1, 1, 1, 1});
    apply_config(t, 1);
    apply_config(t, 2);
    struct config_change c;
    change(t, 3, &c);
    assert_int_equal(c.gain_count, 2);
    assert_false(c.gains[0].first);
    assert_true(c.gains[1].first);
    assert_int_equal(c.gains[1].chain.count, 0);
    config_change_deinit(&c);
}

static void a_gain_goes_back_to_the_own_copy_that_waits(void **state)
{
    struct table *t = *state;
    add_config(t->history, 1, (group_id[]){1, 1, 1, 1});
    add_config(t->history, 2, (group_id[]){2, 1, 1, 1});
    add_config(t->history, 3, (group_id[]){3, 1, 1, 1});
    add_config(t->history, 4, (group_id[]){2, 1, 1, 1});
    add_config(t->history, 5, (group_id[]){1, 1, 1, 1});
    for (uint64_t num = 1; num <= 4; num++)
        apply_config(t, num);
    struct config_change c;
    change(t, 5, &c);
    assert_int_equal(c.gains[0].chain.count, 2);
    assert_int_equal(c.gains[0].chain.owners[0].group.gid, 2);
    assert_int_equal(c.gains[0].chain.owners[0].lost, 5);
    assert_int_equal(c.gains[0].chain.owners[1].group.gid, 3);
    assert_int_equal(c.gains[0].chain.owners[1].lost, 4);
    config_change_deinit(&c);
    apply_config(t, 5);
    assert_true(shards_serving(t->shards, 0, NULL)); /* custody never left */
    size_t duties = 0;
    for (const struct duty *duty = t->shards->duties; duty; duty = duty->next)
        duties++;
    assert_int_equal(duties, 2); /* both that were passed over are told */
}

static void a_missing_config_is_asked_for(void **state)
{
    struct table *t = *state;
    add_config(t->history, 3, (group_id[]){1, 1, 1, 1});
    uint64_t missing = 0;
    struct config_change c;
    const struct config *config = history_find(t->history, 3);
    assert_int_equal(config_change_make(&c, t->shards, config, t->history, &missing), SF_NOT_YET);
    assert_int_equal(missing, 2);
}

static void configs_are_applied_in_order_and_once(void **state)
{
    struct table *t = *state;
    add_config(t->history, 1, (group_id[]){1, 2, 2, 2});
    add_config(t->history, 2, (group_id[]){1, 1, 2, 2});
    struct config_change c;
    struct buffer first = {0};
    change(t, 1, &c);
    entry_put_config(&first, &c);
    config_change_deinit(&c);
    assert_int_equal(apply(t, buffer_slice(&first)), SF_OK);
    assert_int_equal(apply(t, buffer_slice(&first)), SF_STALE);
    apply_config(t, 2);
    assert_int_equal(shards_config_num(t->shards), 2);
    assert_int_equal(apply(t, buffer_slice(&first)), SF_STALE);
    buffer_deinit(&first);
}

/* Another owner had the shard for more Configs than the history keeps. */
static void a_long_walk_back_comes_to_an_end(void **state)
{
    struct table *t = *state;
    struct config_change c;
    uint64_t missing = 0, last = 3 * HISTORY_CONFIGS_MAX;
    unsigned tries = 0;
    int status = SF_NOT_YET;
    add_config(t->history, 1, (group_id[]){1, 1, 1, 1});
    apply_config(t, 1);
    for (uint64_t num = 2; num < last; num++) {
        add_config(t->history, num, (group_id[]){2 + num % 3, 1, 1, 1});
        apply_config(t, num);
    }
    for (; status == SF_NOT_YET && tries < 2 * last; tries++) {
        if (missing != 0)
            add_config(t->history, missing, (group_id[]){2 + missing % 3, 1, 1, 1});
        add_config(t->history, last, (group_id[]){1, 1, 1, 1});
        const struct config *config = history_find(t->history, last);
        status = config_change_make(&c, t->shards, config, t->history, &missing);
    }
    assert_int_equal(status, SF_OK);
    assert_int_equal(c.gain_count, 1);
    assert_false(c.gains[0].first);
    assert_int_equal(c.gains[0].chain.count, 3);
    config_change_deinit(&c);
}

static void the_history_forgets_and_asks_again(void **state)
{
    struct table *t = *state;
    for (uint64_t num = 1; num <= HISTORY_CONFIGS_MAX + 5; num++)
        add_config(t->history, num, (group_id[]){2, 2, 2, 2});
    assert_null(history_find(t->history, 5));
    struct owner_walk walk = {.shard = 0, .at = 7};
    const struct group *group;
    uint64_t lost_at;
    assert_int_equal(owner_walk_next(&walk, t->history, &group, &lost_at), SF_OK);
    assert_int_equal(lost_at, 8);
    assert_int_equal(owner_walk_next(&walk, t->history, &group, &lost_at), SF_OK);
    assert_int_equal(owner_walk_next(&walk, t->history, &group, &lost_at), SF_NOT_YET);
    assert_int_equal(walk.at, 5);
}

/* -- forms --------------------------------------------------------------------------------- */

static void make_chain(struct chain *chain)
{
    struct group b = group_at(1), c = group_at(2);
    chain_add(chain, &b, 9);
    chain_add(chain, &c, 4);
}

static void put_config_entry(struct buffer *body)
{
    struct gain gains[2] = {{.shard = 1, .first = true}, {.shard = 3}};
    uint32_t losses[1] = {2};
    make_chain(&gains[1].chain);
    struct config_change c = {
        .num = 7, .gains = gains, .gain_count = 2, .losses = losses, .loss_count = 1};
    entry_put_config(body, &c);
    chain_deinit(&gains[1].chain);
}

static void put_chunk_entry(struct buffer *body)
{
    struct group c = group_at(2);
    struct chunk chunk = {.shard = 1, .home = 7, .gid = c.gid, .source_lost = 4, .last = true};
    struct buffer pairs = {0};
    buffer_put_slice(&pairs, slice_str("key"));
    buffer_put_slice(&pairs, slice_str("value"));
    chunk.identity = group_identity(&c);
    chunk.to = slice_str("key");
    chunk.pairs = buffer_slice(&pairs);
    make_chain(&chunk.chain);
    assert_true(chunk_check(&chunk));
    entry_put_chunk(body, &chunk);
    chain_deinit(&chunk.chain);
    buffer_deinit(&pairs);
}

static void put_entry(struct buffer *body, enum shards_entry kind)
{
    const struct row row = {.shard = 1, .home = 7, .source_lost = 4};
    const struct duty duty = {.shard = 1, .gained = 7, .owner = {.group = {.gid = 3}}};
    const struct taker taker = {.gid = 2, .identity = 5, .gained = 7};
    switch (kind) {
    case SHARDS_CONFIG:
        put_config_entry(body);
        return;
    case SHARDS_CHUNK:
        put_chunk_entry(body);
        return;
    case SHARDS_TAKE:
        entry_put_take(body, &row);
        return;
    case SHARDS_DROP:
        entry_put_drop(body, &row);
        return;
    case SHARDS_GIVE:
        entry_put_give(body, 1, 4, &taker);
        return;
    case SHARDS_SETTLE:
        entry_put_settle(body, 1, 4);
        return;
    case SHARDS_TOLD:
        entry_put_told(body, &duty);
        return;
    }
}

static void an_entry_cut_anywhere_is_refused(void **state)
{
    struct table *t = *state;
    for (unsigned kind = SHARDS_CONFIG; kind <= SHARDS_TOLD; kind++) {
        struct buffer body = {0};
        put_entry(&body, (enum shards_entry)kind);
        for (size_t n = 0; n < body.n; n++) {
            uint8_t *cut = sf_memdup(body.p, n + 1); /* of its own, so that reading on is caught */
            assert_int_equal(apply(t, slice_of(cut, n)), SF_PROTOCOL);
            free(cut);
        }
        buffer_put_u8(&body, 0);
        assert_int_equal(apply(t, buffer_slice(&body)), SF_PROTOCOL);
        buffer_deinit(&body);
    }
    assert_int_equal(shards_config_num(t->shards), 0);
}

static void a_whole_entry_comes_back_as_it_went_in(void **state)
{
    struct table *t = *state;
    for (unsigned kind = SHARDS_CONFIG + 1; kind <= SHARDS_TOLD; kind++) {
        struct buffer body = {0};
        put_entry(&body, (enum shards_entry)kind);
        int status = apply(t, buffer_slice(&body)); /* it is read, and fits nothing */
        assert_true(status != SF_PROTOCOL);
        buffer_deinit(&body);
    }
    struct buffer body = {0}, again = {0};
    put_config_entry(&body);
    struct reader r = reader_of(slice_of(body.p + 1, body.n - 1));
    struct config_change c;
    assert_true(config_change_get(&r, SHARDS, &c));
    entry_put_config(&again, &c);
    assert_true(slice_equal(buffer_slice(&body), buffer_slice(&again)));
    config_change_deinit(&c);
    buffer_deinit(&body);
    buffer_deinit(&again);
}

/* Mostly of entries that were good. */
static void spoilt_bytes_never_harm_the_table(void **state)
{
    struct table *t = *state;
    uint64_t seed = 12345;
    add_config(t->history, 1, (group_id[]){1, 2, 1, 2});
    apply_config(t, 1);
    for (unsigned i = 0; i < 20000; i++) {
        struct buffer body = {0};
        put_entry(&body, (enum shards_entry)(SHARDS_CONFIG + i % 7));
        for (unsigned k = 0; k < 3; k++) {
            seed = seed * 6364136223846793005ull + 1442695040888963407ull;
            body.p[(seed >> 33) % body.n] = (uint8_t)(seed >> 24);
        }
        (void)apply(t, buffer_slice(&body));
        assert_true(shards_check(t->shards));
        buffer_deinit(&body);
    }
}

static void a_chunk_must_be_in_order_and_end_where_it_says(void **state)
{
    (void)state;
    struct group c = group_at(2);
    struct chunk chunk = {.gid = c.gid, .identity = group_identity(&c), .source_lost = 4};
    struct buffer pairs = {0};
    make_chain(&chunk.chain);
    chunk.to = slice_str("b");
    buffer_put_slice(&pairs, slice_str("b"));
    buffer_put_slice(&pairs, slice_str("1"));
    chunk.pairs = buffer_slice(&pairs);
    assert_true(chunk_check(&chunk));
    chunk.to = slice_str("c");
    assert_false(chunk_check(&chunk)); /* the cursor is another key's */
    buffer_put_slice(&pairs, slice_str("a"));
    buffer_put_slice(&pairs, slice_str("2"));
    chunk.pairs = buffer_slice(&pairs);
    chunk.to = slice_str("a");
    assert_false(chunk_check(&chunk)); /* keys descend */
    chunk.pairs = slice_of(NULL, 0);
    chunk.to = slice_of(NULL, 0);
    assert_false(chunk_check(&chunk)); /* nothing, and not the end */
    chunk.last = true;
    assert_true(chunk_check(&chunk)); /* an empty copy */
    chunk.identity++;
    assert_false(chunk_check(&chunk)); /* the chain does not end with the source */
    chain_deinit(&chunk.chain);
    buffer_deinit(&pairs);
}

static void the_table_is_what_the_store_says(void **state)
{
    struct table *t = *state;
    add_config(t->history, 1, (group_id[]){1, 2, 1, 2});
    add_config(t->history, 2, (group_id[]){2, 1, 1, 2});
    apply_config(t, 1);
    apply_config(t, 2);
    const struct row *pulling = shards_newest(t->shards, 1);
    assert_int_equal(pulling->state, ROW_PULLING);
    assert_int_equal(shards_restored(t->shards, &t->space), SF_OK);
    pulling = shards_newest(t->shards, 1);
    assert_int_equal(pulling->state, ROW_PULLING);
    assert_int_equal(pulling->gained, 2);
    assert_int_equal(pulling->chain.owners[0].group.gid, 2);
    assert_string_equal(pulling->chain.owners[0].group.addresses[0], "b:1");
    assert_int_equal(shards_newest(t->shards, 0)->state, ROW_FROZEN);
    assert_int_equal(shards_config_num(t->shards), 2);
    struct store_batch *batch = store_batch_new(&t->space);
    store_batch_put(batch, slice_str("CR garbage"), slice_str("nonsense"));
    assert_int_equal(store_write(t->store, batch), SF_OK);
    store_batch_free(batch);
    assert_int_equal(shards_restored(t->shards, &t->space), SF_CORRUPT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_gain_names_the_last_owner),
        TEST(only_what_nobody_ever_owned_is_first),
        TEST(a_gain_goes_back_to_the_own_copy_that_waits),
        TEST(a_missing_config_is_asked_for),
        TEST(configs_are_applied_in_order_and_once),
        TEST(a_long_walk_back_comes_to_an_end),
        TEST(the_history_forgets_and_asks_again),
        TEST(an_entry_cut_anywhere_is_refused),
        TEST(a_whole_entry_comes_back_as_it_went_in),
        TEST(spoilt_bytes_never_harm_the_table),
        TEST(a_chunk_must_be_in_order_and_end_where_it_says),
        TEST(the_table_is_what_the_store_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
