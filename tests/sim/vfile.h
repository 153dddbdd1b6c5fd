/* vfile: the bytes of one simulated file, those that are visible and those that are durable. */
#ifndef SIM_VFILE_H
#define SIM_VFILE_H

#include "env/bytes.h"
#include "sim/random.h"

#define VFILE_BYTES_MAX (1ull << 32) /* of a simulated file: more is a bug of the program */

struct vfile;

struct vfile *vfile_new(bool is_dir); /* one reference */
void vfile_hold(struct vfile *file);
void vfile_release(struct vfile *file);
bool vfile_is_dir(const struct vfile *file);

uint64_t vfile_size(const struct vfile *file);
size_t vfile_read(const struct vfile *file, uint64_t offset, void *to, size_t n);
void vfile_write(struct vfile *file, uint64_t offset, struct slice from);
void vfile_truncate(struct vfile *file, uint64_t bytes);

bool vfile_has_unsynced(const struct vfile *file);
/* The mark of what was written so far. Committing a mark makes durable what stands before it. */
uint64_t vfile_mark(const struct vfile *file);
void vfile_commit(struct vfile *file, uint64_t mark);
/* A sync up to the mark failed: what stands before it has reached the medium or not, page by page,
 * and counts as written, as it does on Linux: a later sync does not write it again. It stays visible
 * until the power is cut. */
void vfile_commit_failed(struct vfile *file, uint64_t mark, struct random *random);
/* What was not committed survives or not, drawn from `random` (D1 of volume.h); what survived is
 * durable. */
void vfile_power_cut(struct vfile *file, struct random *random);
/* Inverts a byte, on the medium and in memory. False: the file is shorter. */
SF_MUST_CHECK bool vfile_damage(struct vfile *file, uint64_t offset);
/* About to be read: each sector of it may have lost a bit for good, if it was durable before the
 * newest commit that made anything durable. (What that one wrote is spared: nobody who finds it
 * wrong can tell it from a write that the power cut short.) */
void vfile_rot(struct vfile *file, uint64_t offset, size_t n, uint32_t per_million,
               struct random *random);

#endif
