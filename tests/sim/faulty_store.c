#include "sim/faulty_store.h"

#include "storage/store_batch.h"

#define KEY_BYTES_MAX 16u /* any key is below so many 0xff */

static struct faulty_store *faulty_of(const struct store *store)
{
    struct store_ops *ops = (struct store_ops *)(uintptr_t)store->ops; /* its own: not const */
    return container_of(ops, struct faulty_store, ops);
}

static int faulty_write(struct store *store, const struct store_batch *batch)
{
    struct faulty_store *faulty = faulty_of(store);
    if (faulty->full)
        return SF_NO_SPACE;
    if (faulty->busy != 0 && sim_random_below(sim_node_sim(faulty->node), 1000) < faulty->busy)
        return SF_BUSY;
    return faulty->honest->write(store, batch);
}

static int faulty_flush(struct store *store)
{
    struct faulty_store *faulty = faulty_of(store);
    return faulty->full ? SF_NO_SPACE : faulty->honest->flush(store);
}

struct store *faulty_store_open(struct faulty_store *faulty, struct sim_node *node)
{
    struct store *store = store_memory_open(sim_node_image(node));
    faulty->node = node;
    faulty->honest = store->ops;
    faulty->ops = *store->ops;
    faulty->ops.write = faulty_write;
    faulty->ops.flush = faulty_flush;
    store->ops = &faulty->ops;
    return store;
}

void faulty_store_lose(struct sim_node *node)
{
    static const uint8_t from[1] = {0},
                         to[KEY_BYTES_MAX] = {255, 255, 255, 255, 255, 255, 255, 255,
                                              255, 255, 255, 255, 255, 255, 255, 255};
    struct store *store = store_memory_open(sim_node_image(node));
    struct space space = {.store = store};
    struct store_batch *batch = store_batch_new(&space);
    sf_assert(!sim_node_is_up(node));
    store_batch_delete_range_raw(batch, slice_of(from, sizeof from), slice_of(to, sizeof to));
    int status = store_write(store, batch);
    if (status == SF_OK)
        status = store_flush(store);
    sf_assert(status == SF_OK);
    store_batch_free(batch);
    store_close(store);
}
