/* mount_probe NAME ARGUMENTS: one of the probes. Exit status 0, or 1 with a line that says what was
 * wrong. */
#include "mount/probe.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct probe {
    const char *name;
    int arguments;
    int (*run)(int argc, char **argv);
};

static const struct probe probes[] = {
    {"append", 3, probe_append},
    {"ping_pong", 3, probe_ping_pong},
    {"excl_race", 3, probe_excl_race},
    {"link_race", 2, probe_link_race},
    {"map", 1, probe_map},
    {"replaced", 1, probe_replaced},
    {"times", 1, probe_times},
    {"many", 2, probe_many},
    {"fill", 2, probe_fill},
    {"dots", 1, probe_dots},
    {"drain", 1, probe_drain},
    {"seek", 1, probe_seek},
    {"stable", 2, probe_stable},
    {"interrupted", 3, probe_interrupted},
    {"alarmed", 2, probe_alarmed},
    {"listed", 1, probe_listed},
    {"xattr", 2, probe_xattr},
    {"xattrs", 1, probe_xattrs},
    {"set_xattr", 3, probe_set_xattr},
    {"capability", 1, probe_capability},
    {"find", 3, probe_find},
    {"copy", 2, probe_copy},
    {"direct", 1, probe_direct},
    {"limit", 2, probe_limit},
    {"locks", 1, probe_locks},
};

int main(int argc, char **argv)
{
    if (argc >= 3 && strcmp(argv[1], "call") == 0)
        return probe_call(argc - 2, argv + 2);
    for (size_t i = 0; argc >= 2 && i < sizeof probes / sizeof probes[0]; i++) {
        if (strcmp(argv[1], probes[i].name) == 0 && argc - 2 == probes[i].arguments)
            return probes[i].run(argc - 2, argv + 2);
    }
    fputs("usage: mount_probe NAME ARGUMENTS; see probe.h\n", stderr);
    return 2;
}
