/* value_model: one value against a flat array in memory. Operations come one after the other, from
 * two clients in turn, so each must see all that the other did before.
 */
#ifndef TESTS_CLIENT_VALUE_MODEL_H
#define TESTS_CLIENT_VALUE_MODEL_H

#include "client/client.h"
#include "sim/sim.h"

#define MIB (1u << 20)
#define MODEL_BYTES_MAX (6u * MIB)
#define MODEL_LIMIT_MS 600000u /* of virtual time for one operation: then the test fails */

struct model {
    struct sim *sim;
    struct client *clients[2];
    const char *key;
    uint8_t *bytes; /* MODEL_BYTES_MAX; zeros from `length` on */
    uint64_t length;
    uint8_t *scratch;
    uint8_t stamp; /* makes the bytes of each write different */
};

void model_init(struct model *model, struct sim *sim, const char *key);
void model_deinit(struct model *model);

/* Each carries one operation out, on the value and on the array, and checks what it answers. */
void model_put(struct model *model, unsigned client, size_t n);
void model_write(struct model *model, unsigned client, uint64_t offset, size_t n);
void model_append(struct model *model, unsigned client, size_t n);
void model_truncate(struct model *model, unsigned client, uint64_t length);
void model_punch(struct model *model, unsigned client, uint64_t offset, uint64_t n);
void model_grow(struct model *model, unsigned client, uint64_t length);
void model_seek(struct model *model, unsigned client, uint64_t offset);
void model_read(struct model *model, unsigned client, uint64_t offset, uint64_t length);
void model_read_all(struct model *model, unsigned client);
void model_step(struct model *model, unsigned client); /* any of them, at random */

/* One operation, waited for. call's key is the model's where it has none. */
struct model_answer {
    int status;
    uint64_t old_length;
    uint64_t found;
    struct kv_stat stat; /* attr unset */
    struct buffer data;
};
void model_call(struct model *model, unsigned client, const struct value_call *call,
                struct model_answer *answer);

#endif
