#include "mount/probe.h"

#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

#define BYTES_MAX 65536

/* The size that is told first must be the size that is read. */
int probe_xattr(int argc, char **argv)
{
    static char value[BYTES_MAX];
    (void)argc;
    ssize_t told = lgetxattr(argv[0], argv[1], NULL, 0);
    ssize_t n = lgetxattr(argv[0], argv[1], value, sizeof value);
    probe_must(n >= 0, argv[1]);
    if (n != told)
        probe_fail("%s: %zd bytes were told, %zd are there", argv[1], told, n);
    fwrite(value, 1, (size_t)n, stdout);
    return 0;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int probe_xattrs(int argc, char **argv)
{
    static char names[BYTES_MAX], *sorted[BYTES_MAX / 2];
    size_t count = 0;
    (void)argc;
    ssize_t told = llistxattr(argv[0], NULL, 0);
    ssize_t n = llistxattr(argv[0], names, sizeof names);
    probe_must(n >= 0, argv[0]);
    if (n != told || (n > 0 && names[n - 1] != 0))
        probe_fail("%s: %zd bytes of names were told, %zd are there", argv[0], told, n);
    for (char *at = names; at < names + n; at += strlen(at) + 1)
        sorted[count++] = at;
    qsort(sorted, count, sizeof *sorted, compare);
    for (size_t i = 0; i < count; i++)
        puts(sorted[i]);
    return 0;
}

int probe_set_xattr(int argc, char **argv)
{
    (void)argc;
    probe_must(lsetxattr(argv[0], argv[1], argv[2], strlen(argv[2]), 0) == 0, argv[1]);
    return 0;
}

int probe_capability(int argc, char **argv)
{
    (void)argc;
    const struct vfs_cap_data data = {
        .magic_etc = VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE,
        .data = {{.permitted = 1u << CAP_NET_RAW}},
    };
    probe_must(lsetxattr(argv[0], "security.capability", &data, sizeof data, 0) == 0, argv[0]);
    return 0;
}
