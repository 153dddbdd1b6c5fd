/* faulty_store: the memory store of a node, which may be told to fail. */
#ifndef SIM_FAULTY_STORE_H
#define SIM_FAULTY_STORE_H

#include "sim/sim.h"
#include "storage/store_ops.h"

/* In its owner's storage; what is told stays for the next store that is opened in it. */
struct faulty_store {
    struct sim_node *node;
    bool full;     /* writes and flushes answer SF_NO_SPACE */
    uint32_t busy; /* per mille of writes that answer SF_BUSY */
    /* its own */
    struct store_ops ops;
    const struct store_ops *honest;
};

/* Opens the store of the node's disk. To be closed with store_close, before it is opened again. */
struct store *faulty_store_open(struct faulty_store *faulty, struct sim_node *node);
/* The node is down: everything in its store is gone. */
void faulty_store_lose(struct sim_node *node);

#endif
