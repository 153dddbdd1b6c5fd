/* store_stage: a store of either kind for a test, with short ways to fill and read it. */
#ifndef TESTS_STORAGE_STORE_STAGE_H
#define TESTS_STORAGE_STORE_STAGE_H

#include "storage/store.h"

enum stage_kind { STAGE_MEMORY, STAGE_DISK };

struct stage {
    enum stage_kind kind;
    struct store_image *image; /* MEMORY */
    char *dir;                 /* DISK: a temporary directory */
    struct store *store;
    struct space space; /* replica 7, generation 1 */
};

struct stage *stage_new(enum stage_kind kind);
void stage_free(struct stage *stage); /* removes what it made */
void stage_reopen(struct stage *stage);
struct space stage_space(struct stage *stage, uint64_t replica_key, uint32_t generation);

/* The value as text; NULL where there is none; "!" where reading failed. Until the next call. */
const char *stage_get(struct stage *stage, const char *key);
const char *stage_get_pending(struct stage *stage, struct store_batch *batch, const char *key);
const char *stage_get_durable(struct stage *stage, const char *key);
void stage_put(struct stage *stage, const char *key, const char *value); /* a batch of its own */
void stage_write(struct stage *stage, struct store_batch *batch);        /* and frees the batch */
/* All of [from, to) as "k=v k=v"; until the next call. */
const char *stage_list(struct stage *stage, const struct store_view *view, const char *from,
                       const char *to);

#endif
