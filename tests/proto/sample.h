/* sample: random but well-formed values of everything that proto encodes, from a seed; and damage.
 */
#ifndef TESTS_PROTO_SAMPLE_H
#define TESTS_PROTO_SAMPLE_H

#include "proto/codec.h"
#include "proto/kv.h"

struct sample {
    uint64_t state; /* any seed but 0 */
};

uint64_t sample_number(struct sample *s);                /* 64 random bits */
uint64_t sample_below(struct sample *s, uint64_t limit); /* 0 .. limit - 1 */
uint64_t sample_length_of_bits(struct sample *s);        /* small ones as likely as large ones */
struct slice sample_bytes(struct sample *s, size_t max); /* of a static pool */

/* Each is freed by its own *_free or *_deinit. */
void sample_op(struct sample *s, struct kv_op *op); /* of any kind; passes kv_op_check */
void sample_request(struct sample *s, struct kv_request *request);
void sample_reply(struct sample *s, struct kv_reply *reply);
void sample_msg(struct sample *s, struct consensus_msg *msg);
struct config *sample_config(struct sample *s);
void sample_master_op(struct sample *s, struct master_op *op);

/* Flips, sets, inserts, removes or swaps a few bytes. */
void sample_damage(struct sample *s, struct buffer *b);

#endif
