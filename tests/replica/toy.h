/* toy: a machine for tests: 32 keys, a value each, and a hash over everything that was applied. Its
 * body is {u8 key, value}, an empty value deletes the key; its reply is the hash, 8 bytes. */
#ifndef TESTS_REPLICA_TOY_H
#define TESTS_REPLICA_TOY_H

#include "replica/stage.h"

#define TOY_KEYS 32u

struct machine *toy_new(struct stage_node *node);
bool toy_leads(const struct machine *machine); /* as lead() said */

/* A body with a value of so many bytes, all `fill`. */
void toy_body(struct buffer *body, unsigned key, size_t bytes, uint8_t fill);

/* Proposals and reads without end, on every node that leads; for stage_options. */
void toy_load_begin(struct stage_node *node);
void toy_load_end(struct stage_node *node);
struct toy_load_stats {
    uint64_t acknowledged, refused, lost, reads;
};
extern struct toy_load_stats toy_load_stats;

#endif
