/* volume: the files of a simulated machine, and what a crash leaves of them.
 *
 * Every change is visible at once and durable later:
 *  D1  Writes and truncations of a file are durable once a sync that began after them succeeded.
 *      What a power cut leaves of the others is drawn. At times it keeps a prefix of them; else each
 *      page (4 KiB, aligned) comes out by itself: as it was after the last or an earlier one of
 *      them, as it was before, or garbled, each sector (512 bytes) of it that was written to being
 *      old, new, noise or zeros. So whoever wants to keep what is durable keeps it out of sectors
 *      that are still written. A truncation is there or lost; where the end of the file is lost,
 *      so may its length be, or zeros stand there.
 *  D2  Creations, renames and removals of files are durable once their directory was synced (a
 *      rename's is that of its new name). Of the others a power cut keeps a prefix, directory by
 *      directory, or any of them, of those of one file or name a prefix. Syncing a file says
 *      nothing of its name.
 *  D3  Directories are durable when they are made or removed.
 *  D4  A sync that fails leaves what it covered visible; the next power cut may show that it never
 *      got to the disk, though later syncs succeeded, unless it was written again (so does Linux).
 *
 * Paths are compared as text, after doubled and trailing slashes are gone. A parent must exist; "/"
 * and "" (the working directory) always do.
 */
#ifndef SIM_VOLUME_H
#define SIM_VOLUME_H

#include "sim/random.h"
#include "sim/vfile.h"

#define VOLUME_BYTES (1ull << 34) /* its capacity, as env_space tells it */

struct volume_name {
    char *path;
    struct vfile *file; /* counted */
};

/* All names at one moment, in order of creation. */
struct volume_names {
    struct volume_name *list;
    size_t count, cap;
};

struct volume {
    struct volume_names now, durable;
    struct name_change *changes; /* durable + changes, in order = now */
    bool full;                   /* nothing more fits */
    bool fail_sync;              /* the next sync of a file fails */
};

void volume_deinit(struct volume *volume);

/* flags: enum env_file_flags. *out is counted: vfile_release.
 * SF_NOT_FOUND, SF_EXISTS, SF_NO_SPACE, SF_INVALID (it is a directory). */
SF_MUST_CHECK int volume_open(struct volume *volume, const char *path, unsigned flags,
                              struct vfile **out);
/* SF_NO_SPACE, and perhaps a part of it is written. */
SF_MUST_CHECK int volume_write(struct volume *volume, struct vfile *file, uint64_t offset,
                               struct slice bytes, struct random *random);
/* Syncs what stands before the mark. SF_IO, once after fail_sync was set: D4. */
SF_MUST_CHECK int volume_sync(struct volume *volume, struct vfile *file, uint64_t mark,
                              struct random *random);
SF_MUST_CHECK int volume_dir_create(struct volume *volume, const char *path); /* with parents */
bool volume_dir_exists(const struct volume *volume, const char *path);
/* In an order drawn from `random`. SF_NOT_FOUND. */
SF_MUST_CHECK int volume_dir_list(const struct volume *volume, const char *path,
                                  void (*visit)(void *ctx, const char *name), void *ctx,
                                  struct random *random);
SF_MUST_CHECK int volume_dir_sync(struct volume *volume, const char *path); /* SF_NOT_FOUND */
SF_MUST_CHECK int volume_rename(struct volume *volume, const char *from, const char *to);
SF_MUST_CHECK int volume_remove(struct volume *volume, const char *path);
uint64_t volume_used_bytes(const struct volume *volume);
bool volume_has_unsynced(const struct volume *volume); /* is anything not durable? */

/* What was not durable survives or not, drawn from `random`. No file is open. */
void volume_power_cut(struct volume *volume, struct random *random);
/* Inverts a byte of a file. SF_NOT_FOUND: no such file or byte. */
SF_MUST_CHECK int volume_damage(struct volume *volume, const char *path, uint64_t offset);

#endif
