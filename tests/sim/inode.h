/* inode: the bytes of one simulated file, those that are visible and those that are durable. */
#ifndef SIM_INODE_H
#define SIM_INODE_H

#include "env/bytes.h"
#include "sim/random.h"

#define INODE_BYTES_MAX (1ull << 32) /* of a simulated file: more is a bug of the program */

struct inode;

struct inode *inode_new(bool is_dir); /* one reference */
void inode_hold(struct inode *inode);
void inode_release(struct inode *inode);
bool inode_is_dir(const struct inode *inode);

uint64_t inode_size(const struct inode *inode);
size_t inode_read(const struct inode *inode, uint64_t offset, void *to, size_t n);
void inode_write(struct inode *inode, uint64_t offset, struct slice from);
void inode_truncate(struct inode *inode, uint64_t bytes);

/* The mark of what was written so far. Committing a mark makes durable what stands before it. */
uint64_t inode_mark(const struct inode *inode);
void inode_commit(struct inode *inode, uint64_t mark);
/* What was not committed survives or not, drawn from `random`; what survived is durable. */
void inode_power_cut(struct inode *inode, struct random *random);
/* Inverts a byte, on the medium and in memory. False: the file is shorter. */
SF_MUST_CHECK bool inode_damage(struct inode *inode, uint64_t offset);

#endif
