/* control: the files of .shardfs, between control.c (FUSE) and control_text.c (what is in them). */
#ifndef MOUNT_CONTROL_H
#define MOUNT_CONTROL_H

#include "mount/mount.h"

/* Each appends its text as of now, lines that end with a newline. */
void control_config(const struct mount *mount, struct buffer *to);
void control_stats(const struct mount *mount, struct buffer *to);
void control_members(const struct mount *mount, struct buffer *to);

#endif
