/* options: the command line of shardfs, in the manner of other FUSE file systems. */
#ifndef MOUNT_OPTIONS_H
#define MOUNT_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "env/assert.h"

struct mount_options {
    const char *masters;    /* HOST:PORT,HOST:PORT,...; borrowed from argv or the environment */
    const char *mountpoint; /* as given */
    bool foreground, debug;
    bool read_only, allow_other, default_permissions, nonempty;
    bool hard, no_mend;
    bool set_uid, set_gid, set_umask; /* show these on every file */
    uint32_t uid, gid, umask;
    double attr_timeout_s, entry_timeout_s;
    unsigned timeo_s;
    unsigned max_background;
    char *fsname;  /* owned; never NULL after OPTIONS_RUN */
    char *pass_on; /* owned: options for the kernel, "dev,suid"; may be NULL */
};

enum options_result { OPTIONS_RUN, OPTIONS_DONE, OPTIONS_BAD };

/* OPTIONS_DONE: --help or --version was answered, exit with 0. OPTIONS_BAD: one line was printed,
 * exit with 2. */
enum options_result mount_options_parse(struct mount_options *options, int argc, char **argv);
void mount_options_deinit(struct mount_options *options);

#endif
