/* What the files of the cluster share. */
#ifndef TESTS_STORM_INSIDE_H
#define TESTS_STORM_INSIDE_H

#include "storm/cluster.h"

struct kv_machine;
struct shards;

/* -- process.c ----------------------------------------------------------------------------- */

void process_boot(void *ctx, struct sim_node *node, struct env *env);
void process_halt(void *ctx, struct sim_node *node);
struct cluster_node *process_node(struct cluster *cluster, const struct sim_node *node);
const struct kv_machine *process_machine(const struct cluster_node *node); /* NULL: none */
const struct shards *process_shards(const struct cluster_node *node);      /* NULL: none (yet) */

/* -- check.c ------------------------------------------------------------------------------- */

void check_begin(struct cluster *cluster); /* from now on, after every event */
/* The machine of a group's replica has applied an entry: what it did may be seen from here on. */
void check_applied(struct cluster_node *n, const struct machine_entry *entry);
void check_end(struct cluster *cluster);

/* -- operator.c ---------------------------------------------------------------------------- */

void operator_boot(void *ctx, struct sim_node *node, struct env *env);
void operator_halt(void *ctx, struct sim_node *node);

#endif
