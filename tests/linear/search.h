/* search: Wing and Gong's search over the operations of one key. Internal to linear. */
#ifndef TESTS_LINEAR_SEARCH_H
#define TESTS_LINEAR_SEARCH_H

#include "linear.h"

/* How far a search came: what there is to report about an illegal history. */
struct search_result {
    enum linear_verdict verdict;
    /* ILLEGAL: an order of operations (positions in ops) that explains everything that returned
     * before `stuck`, whose own return cannot be explained after any such order. */
    size_t *order; /* owned */
    size_t order_count;
    size_t stuck;
};

/* The ops of one key, in any order. *steps_left is counted down. */
void search_run(const struct linear_op *const *ops, size_t count, const struct linear_model *model,
                uint64_t *steps_left, struct search_result *out);

#endif
