/* disk: the files of a simulated machine, and what a crash leaves of them.
 *
 * Every change is visible at once and durable later:
 *  D1  Writes and truncations of a file are durable once a sync that began after them succeeded.
 *      A power cut keeps a prefix of the others or, as chance has it, any of them, torn at sectors
 *      of 512 bytes.
 *  D2  Creations, renames and removals of files are durable once their directory was synced (a
 *      rename's is that of its new name); a power cut keeps a prefix of the others, directory by
 *      directory. Syncing a new file makes its creation durable too, and with it what was done in
 *      that directory before.
 *  D3  Directories are durable when they are made or removed.
 *
 * Paths are compared as text, after doubled and trailing slashes are gone. A parent must exist; "/"
 * and "" (the working directory) always do.
 */
#ifndef SIM_DISK_H
#define SIM_DISK_H

#include "sim/inode.h"
#include "sim/random.h"

#define DISK_BYTES (1ull << 34) /* its capacity, as env_space tells it */

struct disk_name {
    char *path;
    struct inode *inode; /* counted */
};

/* All names at one moment, in order of creation. */
struct disk_names {
    struct disk_name *list;
    size_t count, cap;
};

struct sim_disk {
    struct disk_names now, durable;
    struct name_change *changes; /* durable + changes, in order = now */
    bool full;                   /* nothing more fits */
    bool fail_sync;              /* the next sync of a file fails */
};

void disk_deinit(struct sim_disk *disk);

/* flags: enum env_file_flags. *out is counted: inode_release.
 * SF_NOT_FOUND, SF_EXISTS, SF_NO_SPACE, SF_INVALID (it is a directory). */
SF_MUST_CHECK int disk_open(struct sim_disk *disk, const char *path, unsigned flags,
                            struct inode **out);
/* Syncs what stands before the mark. SF_IO, once after fail_sync was set: nothing became durable.
 */
SF_MUST_CHECK int disk_sync(struct sim_disk *disk, struct inode *inode, uint64_t mark);
SF_MUST_CHECK int disk_dir_create(struct sim_disk *disk, const char *path); /* with parents */
bool disk_dir_exists(const struct sim_disk *disk, const char *path);
/* In an order drawn from `random`. SF_NOT_FOUND. */
SF_MUST_CHECK int disk_dir_list(const struct sim_disk *disk, const char *path,
                                void (*visit)(void *ctx, const char *name), void *ctx,
                                struct random *random);
SF_MUST_CHECK int disk_dir_sync(struct sim_disk *disk, const char *path); /* SF_NOT_FOUND */
SF_MUST_CHECK int disk_rename(struct sim_disk *disk, const char *from, const char *to);
SF_MUST_CHECK int disk_remove(struct sim_disk *disk, const char *path);
uint64_t disk_used_bytes(const struct sim_disk *disk);

/* What was not durable survives or not, drawn from `random`. No file is open. */
void disk_power_cut(struct sim_disk *disk, struct random *random);
/* Inverts a byte of a file. SF_NOT_FOUND: no such file or byte. */
SF_MUST_CHECK int disk_damage(struct sim_disk *disk, const char *path, uint64_t offset);

#endif
