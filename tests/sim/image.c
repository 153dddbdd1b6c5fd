/* The memory store's disk. It stands alone so that the simulator works without the storage room. */
#include "sim/world.h"

struct store_image *sim_node_image(struct sim_node *node)
{
    if (node->image == NULL) {
        node->image = store_image_new();
        node->image_crash = store_image_crash;
        node->image_free = store_image_free;
    }
    return node->image;
}
