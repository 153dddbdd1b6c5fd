/* array: growth of a plain array. */
#ifndef CONSENSUS_ARRAY_H
#define CONSENSUS_ARRAY_H

#include <stddef.h>

/* Room for one more item after `count`: returns `items` itself, or a larger copy where count has
 * reached *cap (then items is freed and *cap is the new capacity). items may be NULL with *cap 0.
 */
void *array_reserve(void *items, size_t count, size_t *cap, size_t item_bytes);

#endif
