/* The memory store of a simulated machine: a crash takes what was not flushed, and only that. */
#include "cmocka_all.h"

#include "sim/sim.h"

struct keeper {
    struct store *store;
    struct space space;
};

static void keeper_boot(void *ctx, struct sim_node *node, struct env *env)
{
    struct keeper *k = ctx;
    (void)env;
    k->store = store_memory_open(sim_node_image(node));
    k->space = (struct space){.store = k->store};
}

static void keeper_halt(void *ctx, struct sim_node *node)
{
    struct keeper *k = ctx;
    (void)node;
    store_close(k->store);
}

static void put(struct keeper *k, const char *key)
{
    struct store_batch *batch = store_batch_new(&k->space);
    store_batch_put(batch, slice_str(key), slice_str("value"));
    assert_int_equal(store_write(k->store, batch), SF_OK);
    store_batch_free(batch);
}

static bool has(const struct keeper *k, const char *key)
{
    struct store_value value;
    if (store_get(&k->space, NULL, slice_str(key), &value) != SF_OK)
        return false;
    store_unpin(&value);
    return true;
}

static void a_crash_rolls_the_store_back(void **state)
{
    (void)state;
    int kept = 0;
    for (uint64_t seed = 0; seed < 60; seed++) {
        struct keeper k;
        struct sim *sim = sim_new(seed);
        struct sim_program program = {keeper_boot, keeper_halt, &k};
        struct sim_node *node = sim_node_new(sim, "n", &program);
        sim_node_start(node);
        put(&k, "flushed");
        assert_int_equal(store_flush(k.store), SF_OK);
        put(&k, "first");
        put(&k, "second");
        sim_node_crash(node);
        sim_node_start(node);
        assert_true(has(&k, "flushed"));
        assert_true(has(&k, "first") || !has(&k, "second"));
        kept += has(&k, "second");
        sim_free(sim);
    }
    assert_in_range(kept, 5, 55);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_crash_rolls_the_store_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
